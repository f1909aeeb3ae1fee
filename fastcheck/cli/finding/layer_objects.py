"""Layers that are objects: ``forward(x)`` and ``backward(dout)``, with or without parameters.

The gradient of the input is what ``backward`` returns; those of the parameters, ``dW`` beside ``W`` and the
like, are another problem of the same layer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from fastcheck.checks.conventions import check_layer, check_object
from fastcheck.checks.objects import from_object
from fastcheck.cli.finding.guessing import (
    CannotGuessError,
    generator_of_data,
    method_of,
    repeated,
    shape_words,
)
from fastcheck.cli.finding.named_pairs import UPSTREAM
from fastcheck.cli.finding.network_objects import INPUTS, SAMPLES, loss_of, made
from fastcheck.cli.found import Finding, FoundProblem, NotUsed
from fastcheck.errors import FastcheckError
from fastcheck.files.users_file import UsersFile, said
from fastcheck.problem.by_names import arguments_of, cost_of_layer, input_gradient_of, output_of
from fastcheck.report.result import Report


def layer_objects(file: UsersFile) -> Iterator[Finding]:
    """Yield the layers that the file holds, and those of classes of which one can be made."""
    classes = {name: value for name, value in file.own.items() if isinstance(value, type) and is_layer(value)}
    held = {name: value for name, value in file.own.items() if type(value) in classes.values()}
    for name, layer in held.items():
        yield from _findings(file, name, layer, f"object of class {type(layer).__name__}")
    for name, kind in classes.items():
        if any(isinstance(layer, kind) for layer in held.values()):
            continue
        try:
            layer, how = made(kind)
        except CannotGuessError as reason:
            yield NotUsed(name=name, why=str(reason), parts=(name,))
        else:
            yield from _findings(file, name, layer, how)


def is_layer(kind: type) -> bool:
    """Tell whether a class has a forward pass of one input, a backward pass of one gradient, and no loss."""
    forward, backward = method_of(kind, "forward"), method_of(kind, "backward")
    if forward is None or backward is None or loss_of(kind) is not None:
        return False
    inputs, gradients = (arguments_of(function, required=True)[1:] for function in (forward, backward))
    return len(inputs) == len(gradients) == 1 and UPSTREAM.fullmatch(gradients[0]) is not None


def _findings(file: UsersFile, name: str, layer: Any, how: str) -> Iterator[Finding]:
    """Yield the check of a layer's input, and that of its parameters if it has some."""
    parts = (name, type(layer).__name__)
    reasons = []
    rng = generator_of_data()
    for shape in ((SAMPLES, INPUTS), (INPUTS, SAMPLES)):
        x = rng.standard_normal(shape)
        try:
            with np.errstate(all="ignore"):
                out = layer.forward(x.copy())
        except NotImplementedError:  # a base of other classes
            return
        except Exception as error:
            reasons.append(f"forward: {said(error)}, with x {shape_words(x)}")
            continue
        if not isinstance(out, np.ndarray) or out.dtype.kind != "f" or not np.isfinite(out).all():
            reasons.append(f"forward returns no finite float array, with x {shape_words(x)}")
            continue
        words = f"{how}; x {shape_words(x)}"
        yield FoundProblem(
            name=name,
            how=f"layer, {words}",
            parts=parts,
            run=repeated(file, functools.partial(_run_input, layer, x)),
        )
        cost = functools.partial(cost_of_layer, layer, rng.standard_normal(out.shape))
        if _has_parameters(layer, cost, x):
            run = functools.partial(_run_parameters, layer, cost, x)
            yield FoundProblem(
                name=f"{name}.parameters",
                how=f"parameters of the layer, {words}",
                parts=parts,
                run=repeated(file, run),
            )
        return
    yield NotUsed(
        name=name, why=f"{reasons[0]}. Make an object in the file, or write problem().", parts=parts
    )


def _run_input(layer: Any, x: Any, options: Mapping[str, Any]) -> Report:
    forward, backward = functools.partial(output_of, layer), functools.partial(input_gradient_of, layer)
    return check_layer(forward, backward, x, **options)


def _run_parameters(layer: Any, cost: Callable[..., Any], x: Any, options: Mapping[str, Any]) -> Report:
    return check_object(layer, cost, x, **options)


def _has_parameters(layer: Any, cost: Callable[..., Any], x: Any) -> bool:
    try:
        from_object(layer, cost, x)
    except FastcheckError:
        return False
    return True
