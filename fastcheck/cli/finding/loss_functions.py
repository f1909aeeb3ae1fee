"""Losses that return their gradients with the loss, ``svm_loss(x, y) -> (loss, dx)``, of documented shapes."""

from __future__ import annotations

import functools
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fastcheck.checks.check import check
from fastcheck.cli.finding.guessing import CannotGuessError, repeated, returned_names, shape_words
from fastcheck.cli.finding.layer_functions import inputs_for
from fastcheck.cli.found import Finding, FoundProblem, NotUsed
from fastcheck.files.users_file import UsersFile
from fastcheck.problem.by_names import arguments_of, claim_of_loss, is_number, loss_of_inputs
from fastcheck.problem.object_names import GRADIENT_FORMS
from fastcheck.report.result import Report

NAME = re.compile(r".*(loss|cost|criterion|entropy|objective).*", re.IGNORECASE)


def losses(file: UsersFile) -> Iterator[Finding]:
    """Yield the functions with a name of a loss that return gradients, too."""
    for name, function in file.own_functions().items():
        returned = returned_names(function)
        takes_arrays = bool(arguments_of(function, required=True))
        if not NAME.fullmatch(name) or not takes_arrays or len(returned) < 2:
            continue
        try:
            yield _loss(file, name, function, returned[1:])
        except CannotGuessError as reason:
            yield NotUsed(name=name, why=str(reason), parts=(name,))


def _loss(file: UsersFile, name: str, function: types.FunctionType, returned: Sequence[str]) -> FoundProblem:
    """Return the check of a loss with respect to the inputs whose gradients it returns."""
    results: list[Any] = []

    def expect_runs(values: list[Any]) -> Any:
        result = function(*values)
        if not isinstance(result, tuple) or len(result) < 2 or not is_number(result[0]):
            raise CannotGuessError("it returns no loss with gradients")
        if not np.isfinite(result[0]):
            raise CannotGuessError("the loss is not finite for random inputs")
        results[:] = result
        return result

    inputs = inputs_for(function, expect_runs)
    values = {argument.name: value for argument, value in zip(inputs.arguments, inputs.values, strict=True)}
    floats = {
        key: value
        for key, value in values.items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
    }
    names = _inputs_with_gradients(floats, results[1:], returned)
    parameters = {key: floats[key] for key in names}
    cost = functools.partial(loss_of_inputs, function, values)
    claim = functools.partial(claim_of_loss, function, values, names)

    def run(options: Mapping[str, Any]) -> Report:
        return check(cost, parameters, claim, **options)

    shapes = ", ".join(f"{key} {shape_words(value)}" for key, value in values.items())
    how = f"loss with gradients of {', '.join(names)}; {shapes}"
    return FoundProblem(name=name, how=how, parts=(name,), run=repeated(file, run))


def _inputs_with_gradients(
    floats: Mapping[str, Any], claims: Sequence[Any], returned: Sequence[str]
) -> list[str]:
    """Return the inputs that the gradients belong to: by the names of what is returned, else by their shapes."""
    only = claims[0]
    if len(claims) == 1 and isinstance(only, Mapping):
        names = [name for name in floats if name in only or f"d{name}" in only]
    else:
        arrays = list(only) if len(claims) == 1 and isinstance(only, (tuple, list)) else list(claims)
        names = [_named(one, floats) or "" for one in returned]
        if len(names) != len(arrays) or not all(names):
            names = [_of_shape(array, floats) for array in arrays]
    if not names or not all(names):
        raise CannotGuessError(
            "it does not tell which inputs its gradients belong to: return them as dx, dW, or in a dict by their names."
        )
    return names


def _named(returned: str, floats: Mapping[str, Any]) -> str | None:
    """Return the input whose gradient has this name."""
    return next((name for name in floats for form in GRADIENT_FORMS if form.format(name) == returned), None)


def _of_shape(array: Any, floats: Mapping[str, Any]) -> str:
    """Return the only input of the shape of a gradient, or nothing."""
    alike = [name for name, value in floats.items() if np.shape(array) == value.shape]
    return alike[0] if len(alike) == 1 else ""
