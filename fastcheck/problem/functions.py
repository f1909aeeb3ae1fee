"""Functions of the user's: which arguments they can be called with, and copies of these that they may change."""

from __future__ import annotations

import copy
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fastcheck.errors import InvalidProblemError
from fastcheck.problem.parameters import map_structure


def expect_arguments(name: str, function: Callable[..., Any], *arguments: str, given: Any = None) -> None:
    """Raise `InvalidProblemError` if a function cannot be called with as many arguments; these are their names.

    ``given`` is what the first of them would be: parameters that are a tuple or dict may be meant one by one.
    """
    if _takes_just(function, len(arguments)):
        return
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C do not say
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        called = ", ".join(arguments)
        star = _unpacking(signature, given)
        advice = (
            f"Take them apart: lambda {called}: "
            if star
            else f"Bind the others: lambda{' ' * bool(called)}{called}: "
        )
        raise InvalidProblemError(
            f"{name}: expected a function that can be called as {name}({called}), got one with the arguments "
            f"{signature} ({error}). {advice}{getattr(function, '__name__', name)}({star + called if star else '…'})."
        ) from None


def _takes_just(function: Callable[..., Any], count: int) -> bool:
    """Tell whether this is a function with as many arguments as these and nothing more to it: most are, by far."""
    if type(function) is not types.FunctionType or function.__dict__:
        return False
    code = function.__code__
    others = code.co_kwonlyargcount or code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    return code.co_argcount == count and not others


def _unpacking(signature: inspect.Signature, given: Any) -> str:
    """Return the star, or two, with which a function takes what is given one by one; nothing if it does not."""
    keys_are_names = isinstance(given, Mapping) and all(isinstance(key, str) for key in given)
    try:
        if isinstance(given, (list, tuple)):
            signature.bind(*given)
            return "*"
        if keys_are_names:
            signature.bind(**given)
            return "**"
    except TypeError:
        return ""
    return ""


def accepts(function: Callable[..., Any], arguments: Sequence[Any]) -> bool:
    """Tell whether a function can be called with as many arguments; False if it does not say."""
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError):
        return False
    return True


def structure_copy(value: Any) -> Any:
    """Return a copy of an input such as X or Y that the user's code may do anything to."""
    return value.copy() if isinstance(value, np.ndarray) else copy.deepcopy(value)


def same_values(before: Any, after: Any) -> bool:
    """Tell whether two inputs hold the same values, as far as that can be told; NaN equals NaN."""
    if isinstance(before, np.ndarray) and isinstance(after, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind in "fc" and after.dtype.kind in "fc")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return before.keys() == after.keys() and all(same_values(before[k], after[k]) for k in before)
    if isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
        return len(before) == len(after) and all(map(same_values, before, after))
    equal = before == after
    return equal if isinstance(equal, bool) else True


def map_copy(structure: Any) -> Any:
    """Return a nested structure in which every array is a copy, so that views cannot change later."""
    return map_structure(lambda _path, leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, structure)
