"""Parameters and data for a pair of passes: those of the file, of a test case, or those of the course."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from fastcheck import course
from fastcheck.cli.finding.guessing import CannotGuessError, functions_in, generator_of_data, returned_names
from fastcheck.files.users_file import UsersFile, said
from fastcheck.problem.by_names import arguments_of, role_of

NEEDED = ("X", "Y", "parameters")

DEPTHS = (3, 2, 1, 4, 5, 6)
"""Numbers of layers that are tried, that of the course first."""

MOST_PAIRS = 6
"""Pairs of inputs and targets of the file that are tried."""

OTHER_DEPTH = "the network has another number of layers"

UNITS = (4, 5, 3, 6, 2, 7)
"""Units of made-up networks: inputs, then hidden layers."""

SCALE = 0.7
"""Standard deviation of made-up parameters: sigmoids are not saturated, and ReLU units are both on and off."""

Values = dict[str, Any]


class Case(NamedTuple):
    """X, Y and parameters by their roles, with what else there is, and where they come from, in words."""

    values: Values
    source: str
    of_the_file: bool


def test_cases(file: UsersFile, forward: Callable[..., Any], backward: Callable[..., Any]) -> Iterator[Case]:
    """Yield what may be the parameters and data of a pair, the most certain first: others only if a file has none."""
    held = _held(file)
    has_its_own = False
    broken: list[str] = []
    for name in _names_of_cases(file, forward, backward):
        try:
            returned = _returned(file.namespace[name])
        except CannotGuessError as reason:
            broken.append(f"; {reason}")
            continue
        if all(role in {**held, **returned} for role in NEEDED):
            has_its_own = True
            yield Case({**held, **returned}, f"data of {name}()", True)
    if "parameters" in held:
        for x_name, y_name in _data_in(file):
            data = {"X": file.namespace[x_name], "Y": file.namespace[y_name]}
            has_its_own = True
            yield Case({**held, **data}, f"{x_name}, {y_name} and parameters of the file", True)
    if not has_its_own:
        for case in _course_cases(held):
            yield case._replace(source=case.source + "".join(broken))


def _data_in(file: UsersFile) -> list[tuple[str, str]]:
    """Return the names of inputs and targets in the file, those first that are called alike: X_train, y_train."""
    inputs, targets = (
        [name for name, value in file.namespace.items() if role_of(name) == role and _is_data(value)]
        for role in ("X", "Y")
    )
    pairs = [(x_name, y_name) for x_name in inputs for y_name in targets]
    return sorted(pairs, key=lambda pair: pair[0][1:].lower() != pair[1][1:].lower())[:MOST_PAIRS]


def _course_cases(held: Mapping[str, Any]) -> Iterator[Case]:
    """Yield the test case of the course, and networks of other depths with its X and Y."""
    X, Y, parameters = course.gradient_check_n_test_case()
    others = {role: value for role, value in held.items() if role not in NEEDED}
    yield Case(
        {**others, "X": X, "Y": Y.reshape(1, -1), "parameters": parameters}, "the course's test case", False
    )
    for depth in DEPTHS[1:]:
        sizes = [*UNITS[:depth], 1]
        rng = generator_of_data()
        made = course.initialize_parameters(sizes)
        made = {name: SCALE * rng.standard_normal(array.shape) for name, array in made.items()}
        values = {**others, "X": X, "Y": Y.reshape(1, -1), "parameters": made}
        yield Case(
            values, f"made-up parameters of {'-'.join(map(str, sizes))} units, X and Y of the course", False
        )


def _held(file: UsersFile) -> Values:
    """Return the values of the file by their roles; what is called exactly like a role comes first."""
    values: Values = {}
    for name, value in file.namespace.items():
        role = role_of(name)
        if name.startswith("_") or not _is_data(value):
            continue
        if role not in values or name == role:
            values[role] = value
    if not isinstance(values.get("parameters"), (dict, list)):
        values.pop("parameters", None)
    return values


def _is_data(value: Any) -> bool:
    """Tell whether a value may be data, parameters or a setting."""
    is_data = isinstance(value, (np.ndarray, np.number, int, float, dict, list)) and not isinstance(
        value, bool
    )
    is_empty = isinstance(value, (dict, list)) and not value
    return is_data and not is_empty


def _names_of_cases(file: UsersFile, *functions: Callable[..., Any]) -> list[str]:
    """Return the names of the functions that make test cases, those named after one of the functions first."""
    cases = [name for name in functions_in(file.namespace) if "test_case" in name.lower()]
    owners = [*(function.__name__ for function in reversed(functions)), "gradient_check_n", ""]
    return sorted(cases, key=lambda name: next(k for k, owner in enumerate(owners) if owner in name))


def _returned(function: types.FunctionType) -> Values:
    """Return what a function without arguments returns, by the names in its return statement.

    Raises `CannotGuessError` where it raises.
    """
    if arguments_of(function, required=True):
        return {}
    try:
        result = function()
    except Exception as error:
        raise CannotGuessError(f"{function.__name__}() raises {said(error)}") from None
    if not isinstance(result, tuple):
        return {}
    names = _names_returned(function, len(result))
    return {role_of(name): value for name, value in zip(names, result, strict=True)}


def _names_returned(function: types.FunctionType, count: int) -> list[str]:
    """Return the names of what a function returns; X, Y and parameters, as the course has them, if it does not say."""
    names = returned_names(function)
    if len(names) != count:
        names = [*NEEDED, *[""] * count][:count]
    return [name or f"more{k}" for k, name in enumerate(names)]


class Reading(dict[str, Any]):
    """A dict that knows which of its keys were read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def all_read(self) -> bool:
        """Tell whether every key was read."""
        return self.read >= self.keys()


def expect_all_read(parameters: Any) -> None:
    """Raise `CannotGuessError` if a forward pass left some of the parameters alone: it is of another depth."""
    if isinstance(parameters, Reading) and not parameters.all_read():
        raise CannotGuessError(OTHER_DEPTH)
