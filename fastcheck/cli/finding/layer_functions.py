"""Layers, ``affine_forward`` and ``affine_backward``, of which documents tell the shapes of the inputs."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastcheck.checks.conventions import check_layer
from fastcheck.cli.finding.documented import Argument, documented_arguments
from fastcheck.cli.finding.guessing import CannotGuessError, functions_in, repeated, shape_words
from fastcheck.cli.finding.made_up import Sizes, made_up_inputs, phrase
from fastcheck.cli.finding.named_pairs import Pair, pairs_in
from fastcheck.cli.found import Finding, FoundProblem, NotUsed
from fastcheck.files.users_file import UsersFile, said
from fastcheck.problem.by_names import (
    arguments_of,
    backward_of_inputs,
    backward_of_layer,
    backward_of_sums,
    layer_of_several_outputs,
    layer_with_inputs,
    role_of,
)
from fastcheck.report.result import Report

AVERAGES = (
    "the gradients of parameters were taken for averages over the samples, as the courses have them: whether their "
    "1/m belongs there, the layer alone does not tell."
)

SAMPLES = re.compile(r"m|n_samples|.*\b(examples|samples|batch)\b.*", re.IGNORECASE)
"""How the number of samples is written in the documents of layers whose gradients are averages."""


class Inputs(NamedTuple):
    """What a layer is run on: a value for each argument, what is known of them, and the sizes of symbols."""

    values: list[Any]
    arguments: list[Argument]
    sizes: Sizes
    returns_cache: bool


def layers(file: UsersFile) -> Iterator[Finding]:
    """Yield the layers whose shapes are known, and those of which nothing says them.

    The forward pass of ``relu_backward`` may be called ``relu``.
    """
    for pair in pairs_in(file):
        if not pair.is_layer:
            continue
        forward, forward_name = pair.forward, pair.forward_name
        if forward is None:
            forward, forward_name = functions_in(file.namespace).get(pair.stem), pair.stem
        if forward is None or forward_name is None:
            continue
        parts = (pair.backward_name, forward_name, pair.stem)
        try:
            yield _layer(file, pair._replace(forward_name=forward_name), forward, parts)
        except CannotGuessError as reason:
            yield NotUsed(name=pair.backward_name, why=str(reason), parts=parts)


def _layer(file: UsersFile, pair: Pair, forward: Callable[..., Any], parts: tuple[str, ...]) -> FoundProblem:
    """Return the check of a layer, with inputs on which it runs."""
    inputs = inputs_for(forward, functools.partial(_expect_outputs, forward))
    run_forward, run_backward = _in_usual_convention(forward, pair.backward, inputs)
    shapes = ", ".join(
        f"{argument.name} {shape_words(value)}"
        for argument, value in zip(inputs.arguments, inputs.values, strict=True)
    )
    how = f"layer, {pair.forward_name}; {shapes}"
    unseen: tuple[str, ...] = ()
    with_sums = _backward_with_sums(run_forward, run_backward, inputs)
    if with_sums is not None:
        run_backward, unseen = with_sums, (AVERAGES,)
        how += "; gradients of parameters as averages over the samples"
    run = functools.partial(_run, run_forward, run_backward, inputs.values, unseen)
    return FoundProblem(name=pair.backward_name, how=how, parts=parts, run=repeated(file, run))


def inputs_for(function: Callable[..., Any], expect_runs: Callable[[list[Any]], Any]) -> Inputs:
    """Return inputs of documented shapes on which a function runs, numbers of any sign or probabilities.

    ``expect_runs`` runs it, and returns what it returned, or raises if that is not what it should be.

    Raises `CannotGuessError` where shapes are not documented, or it runs on neither.
    """
    names = arguments_of(function, required=True)
    arguments = documented_arguments(function, names)
    doc = inspect.getdoc(function) or ""
    reasons = []
    for positive in (False, True):
        values, sizes = made_up_inputs(arguments, doc, positive=positive)
        try:
            with np.errstate(all="ignore"):
                result = expect_runs(_copies(values))
        except Exception as error:
            shapes = ", ".join(
                f"{name} {shape_words(value)}" for name, value in zip(names, values, strict=True)
            )
            reasons.append(
                str(error) if isinstance(error, CannotGuessError) else f"{said(error)}, with {shapes}"
            )
        else:
            return Inputs(values, arguments, sizes, isinstance(result, tuple))
    raise CannotGuessError(f"{reasons[0]}. Write a function problem() with inputs that fit.")


def _run(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    values: Sequence[Any],
    unseen: tuple[str, ...],
    options: Mapping[str, Any],
) -> Report:
    report = check_layer(forward, backward, *values, **options)
    return dataclasses.replace(report, unseen=(*report.unseen, *unseen))


def _expect_outputs(forward: Callable[..., Any], values: list[Any]) -> Any:
    """Return what a layer returns; raise `CannotGuessError` if its outputs are not finite."""
    result = forward(*values)
    output = result[0] if isinstance(result, tuple) and result else result
    if output is None:
        raise CannotGuessError("the forward pass returns None: does it end in a return statement?")
    arrays = output if isinstance(output, (tuple, list)) else [output]
    if not all(np.isfinite(array).all() for array in arrays if isinstance(array, np.ndarray)):
        raise CannotGuessError("the outputs are not finite for random inputs")
    return result


def _in_usual_convention(
    forward: Callable[..., Any], backward: Callable[..., Any], inputs: Inputs
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the passes as `check_layer` calls them: several outputs in one tuple, settings given to both."""
    needed = arguments_of(backward, required=True)
    if len(needed) == 1:
        return forward, backward
    if not inputs.returns_cache:
        return _with_inputs_as_cache(forward, backward, needed[1:], inputs)
    outputs = next((k for k, name in enumerate(needed) if role_of(name) == "cache"), len(needed) - 1)
    given = {argument.name: value for argument, value in zip(inputs.arguments, inputs.values, strict=True)}
    more = needed[outputs + 1 :]
    unknown = [name for name in more if name not in given]
    if unknown:
        raise CannotGuessError(
            f"the backward pass asks for {', '.join(unknown)}, which the forward pass does not get."
        )
    if outputs > 1:
        forward = layer_of_several_outputs(forward, outputs)
    if outputs > 1 or more:
        backward = backward_of_layer(backward, outputs, [given[name] for name in more])
    return forward, backward


def _with_inputs_as_cache(
    forward: Callable[..., Any], backward: Callable[..., Any], names: Sequence[str], inputs: Inputs
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the passes of a layer without a cache, whose backward pass gets the inputs again."""
    known = [argument.name.lower() for argument in inputs.arguments]
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        raise CannotGuessError(
            f"the backward pass asks for {', '.join(unknown)}, and the forward pass returns no cache."
        )
    places = [known.index(name.lower()) for name in names]
    return layer_with_inputs(forward), backward_of_inputs(backward, places)


def _backward_with_sums(
    forward: Callable[..., Any], backward: Callable[..., Any], inputs: Inputs
) -> Callable[..., Any] | None:
    """Return a backward pass whose gradients are sums, if those of parameters are averages over samples; or None.

    The courses divide dW and db by the number of samples m, and not dA: no one cost has these gradients.
    """
    symbol = next((name for name in inputs.sizes.known if SAMPLES.fullmatch(name)), None)
    floats = [argument for argument in inputs.arguments if argument.kind == "floats"]
    of_parameters = [k for k, argument in enumerate(floats) if symbol not in _symbols(argument)]
    if symbol is None or not of_parameters or len(of_parameters) == len(floats):
        return None
    with_sums = backward_of_sums(backward, of_parameters, inputs.sizes.known[symbol])
    try:
        is_right = check_layer(forward, backward, *inputs.values, progress=False).passed
        averages_are_right = (
            is_right or check_layer(forward, with_sums, *inputs.values, progress=False).passed
        )
    except Exception:  # the check that follows tells of it
        return None
    return with_sums if averages_are_right and not is_right else None


def _symbols(argument: Argument) -> set[str]:
    """Return the sizes along the axes of an argument, as they are written, and as words are compared."""
    dims = argument.dims or ()
    return {*dims, *map(phrase, dims)}


def _copies(values: Sequence[Any]) -> list[Any]:
    """Return copies for a run on trial."""
    return [value.copy() if isinstance(value, (np.ndarray, dict)) else value for value in values]
