"""What the finders that guess have in common: running the user's functions on trial, and checks of what draws."""

from __future__ import annotations

import ast
import inspect
import random
import textwrap
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastcheck.errors import EvaluationError
from fastcheck.files.users_file import UsersFile
from fastcheck.legible import shape_in_words
from fastcheck.problem.randomness import frozen_randomness
from fastcheck.report.result import Report

DATA_SEED = 20_211
"""Goes with the seed of made-up data, so that it is not what people draw themselves."""


class CannotGuessError(Exception):
    """A problem cannot be posed as it is; the message says why, and what to do."""


def generator_of_data(seed: int = 0) -> np.random.Generator:
    """Return the generator of made-up parameters and data."""
    return np.random.default_rng([seed, DATA_SEED])


def repeated(file: UsersFile, run: Callable[[Mapping[str, Any]], Report]) -> Callable[..., Report]:
    """Return a check that freezes random numbers if the cost does not repeat itself otherwise."""

    def run_repeated(options: Mapping[str, Any]) -> Report:
        try:
            return run(options)
        except EvaluationError:
            with frozen_randomness(options.get("seed", 0), *generators_in(file)):
                return run(options)

    return run_repeated


def generators_in(file: UsersFile) -> list[Any]:
    """Return the generators that the file holds under names of its own."""
    kinds = (np.random.Generator, np.random.RandomState, random.Random)
    found = {id(value): value for value in file.namespace.values() if isinstance(value, kinds)}
    return list(found.values())


def functions_in(namespace: Mapping[str, Any]) -> dict[str, types.FunctionType]:
    """Return the functions among the values of a namespace."""
    return {name: value for name, value in namespace.items() if isinstance(value, types.FunctionType)}


def returned_names(function: Any) -> list[str]:
    """Return the names in the last return statement that returns several things; empty text for what has none."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError):
        return []
    returned = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
    tuples = [value for value in returned if isinstance(value, ast.Tuple)]
    if not tuples:
        return []
    return [element.id if isinstance(element, ast.Name) else "" for element in tuples[-1].elts]


def method_of(kind: type, name: str) -> types.FunctionType | None:
    """Return a method of a class, None if it has none; no code of the class runs."""
    value = inspect.getattr_static(kind, name, None)
    return value if isinstance(value, types.FunctionType) else None


def shape_words(value: Any) -> str:
    """Return the shape of an array in words, of other things what they are.

    >>> shape_words(np.zeros((4, 3))), shape_words(0.5)
    ('4×3', '0.5')
    """
    if isinstance(value, np.ndarray):
        return shape_in_words(value.shape) if value.ndim else "a number"
    return repr(value) if isinstance(value, (int, float, str)) else type(value).__name__
