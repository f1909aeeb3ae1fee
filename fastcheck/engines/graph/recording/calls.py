"""Stand-ins of types and built-in functions, which take their place only where the cost calls them by name.

``float(x)`` gives a recorded number; ``isinstance(x, float)`` and ``dtype=float`` mean what they always do.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.recording.created import holds_recorded, recorded_array
from fastcheck.engines.graph.recording.stand_ins import stand_in_of
from fastcheck.engines.graph.tracing.tape import recording

TYPES = ("float64", "double", "float32", "single", "float16", "half", "int64", "int32", "intp")
"""NumPy's types by which people convert numbers."""


def of_one(original: Callable[..., Any], rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in of a conversion: ``rule`` converts a recorded number or array."""

    @functools.wraps(original, updated=())
    def stand_in(*arguments: Any, **keywords: Any) -> Any:
        tape = recording()
        if tape is not None and len(arguments) == 1 and not keywords:
            x = tape.translated(arguments[0])
            if _is_recorded(x):
                return rule(x)
        return original(*arguments, **keywords)

    return stand_in


def number(x: Any) -> Any:
    """Return float(x): x, if it is a number of floats already."""
    if isinstance(x, float):
        return x
    if x.size != 1:
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
    return np.reshape(x, ())[()] * 1.0


def of_type(kind: Any) -> Callable[[Any], Any]:
    """Return what converts to one of NumPy's types."""
    if issubclass(kind, np.integer):
        return lambda x: kind(int(x)) if x.ndim == 0 else x.astype(kind)
    return lambda x: x.astype(kind)


def extremum(original: Callable[..., Any], ufunc: np.ufunc) -> Callable[..., Any]:
    """Return the stand-in of max or min: of numbers, it is the ufunc."""

    @functools.wraps(original)
    def stand_in(*arguments: Any, **keywords: Any) -> Any:
        if recording() is None:
            return original(*arguments, **keywords)
        things = list(arguments[0] if len(arguments) == 1 else arguments)
        numbers = all(isinstance(x, (int, float, np.number)) or _is_recorded(x) for x in things)
        if keywords or not numbers or not any(_is_recorded(x) for x in things):
            return original(things, **keywords)
        if any(np.ndim(x) for x in things) or any(bool(x != x) for x in things):
            return original(things)
        return functools.reduce(ufunc, things)

    return stand_in


def mapped(function: Any, *iterables: Any) -> Any:
    """Return ``map``, which calls functions, too."""
    return map(called(function) if recording() is not None else function, *iterables)


SEQUENCES = frozenset(
    (
        "array",
        "asarray",
        "block",
        "broadcast_arrays",
        "choose",
        "column_stack",
        "concat",
        "concatenate",
        "dstack",
        "hstack",
        "ix_",
        "lexsort",
        "meshgrid",
        "select",
        "stack",
        "vstack",
    )
)
"""Functions of NumPy that take lists of arrays as such."""


@functools.cache
def of_lists(function: Any) -> Callable[..., Any]:
    """Return a function of NumPy that makes arrays of lists with recorded numbers."""

    @functools.wraps(function, updated=())
    def stand_in(*arguments: Any, **keywords: Any) -> Any:
        if recording() is not None:
            arguments = tuple(
                recorded_array(x) if isinstance(x, (list, tuple)) and holds_recorded(x) else x
                for x in arguments
            )
        return function(*arguments, **keywords)

    return stand_in


@functools.cache
def numpy_functions() -> frozenset[Any]:
    """Return the functions of NumPy to which a list may be given in the place of an array."""
    functions = [
        getattr(room, name) for room in (np, np.linalg) for name in room.__all__ if name not in SEQUENCES
    ]
    return frozenset(f for f in functions if callable(f) and not isinstance(f, type))


@functools.cache
def numpy_names() -> frozenset[str]:
    """Return their names."""
    return frozenset((*np.__all__, *np.linalg.__all__)) - SEQUENCES


def _is_recorded(x: Any) -> bool:
    return not isinstance(x, (list, tuple)) and holds_recorded(x)


@functools.cache
def called_stand_ins() -> dict[int, tuple[Any, Any]]:
    """Return id of the original → original, stand-in."""
    table: dict[Any, Any] = {
        float: of_one(float, number),
        max: extremum(max, np.maximum),
        min: extremum(min, np.minimum),
        map: mapped,
    }
    for kind in {getattr(np, name) for name in TYPES}:
        table[kind] = of_one(kind, of_type(kind))
    for name, ufunc in (("floor", np.floor), ("ceil", np.ceil), ("trunc", np.trunc)):
        function = getattr(math, name)
        table[function] = of_one(function, lambda x, ufunc=ufunc: int(ufunc(x)))
    return {id(original): (original, replacement) for original, replacement in table.items()}


def called(value: Any) -> Any:
    """Return what takes the place of a value that is called in a thread that is recording: often itself."""
    known = called_stand_ins().get(id(value))
    stand_in = stand_in_of(value) if known is None else known[1]
    return value if stand_in is None else stand_in


@functools.cache
def called_names() -> frozenset[str]:
    """Return the names that functions with such a stand-in have in their modules."""
    return frozenset((*TYPES, "floor", "ceil", "trunc"))
