"""What the cost creates or converts while it is recorded: arrays that can receive recorded values.

``np.zeros(shape)`` gives NumPy's dispatch no argument to look at, and ``np.array([h1, h2])`` no chance. So the cost
meets stand-ins of such functions (`instrumenting`), each of which acts only in a thread that is recording.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.rules import complexes, layout
from fastcheck.engines.graph.tracing.operands import is_recorded, values_of
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import Tape, current_tape, recording

FRESH = ("zeros", "ones", "empty", "full", "eye", "identity", "linspace", "arange", "tri")
"""Functions whose float64 results become recorded arrays."""

CONVERTING = ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "require")
"""Functions that copy or convert their first argument."""

GATHERING = (
    *("sum", "mean", "max", "min", "amax", "amin", "prod", "std", "var", "median", "average", "cumsum"),
    *("dot", "inner", "outer", "argmax", "argmin", "sort"),
)
"""Functions of NumPy that people call with a list of numbers; they do not ask what is in it what to do."""

np_full = np.full


def holds_recorded(x: Any) -> bool:
    """Whether x is a recorded array, real or complex, or a list or tuple that holds one."""
    return is_recorded(x) or complexes.is_recorded(x)


def recorded_array(x: Any) -> Any:
    """Return an array, or nested lists of recorded numbers, as a recorded array."""
    x = layout.array(x)
    return x if type(x) is Recorded or x.dtype != np.float64 else Recorded(x)


def lifted_array(x: Array, tape: Tape | None = None) -> Any:
    """Return a recorded copy of data of the cost, which it may write into: the data stay.

    It is the same one each time, and of a view it is a view of the copy of its base.
    """
    tape = current_tape() if tape is None else tape
    known = tape.lifted.get(id(x))
    if known is not None:
        return known[1]
    base = x
    while isinstance(base.base, np.ndarray):
        base = base.base
    if base is x or base.dtype != x.dtype or not base.flags.forc:
        lifted = Recorded(np.array(x, order="K"))
    else:
        whole = lifted_array(base, tape)
        start = x.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        flat = whole.array.ravel(order="K")
        view = as_strided(flat[start // x.itemsize :], x.shape, x.strides)
        lifted = whole.seen_as(view, lambda node: node)
    tape.lifted[id(x)] = (x, lifted)
    return lifted


# Stand-ins


def fresh(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in of np.zeros and friends."""

    @functools.wraps(original)
    def stand_in(*arguments: Any, **keywords: Any) -> Any:
        if recording() is None:
            return original(*arguments, **keywords)
        if original is np_full and any(map(holds_recorded, (*arguments[1:], *keywords.values()))):
            return full(*arguments, **keywords)
        result = original(*arguments, **keywords)
        is_new_float = type(result) is np.ndarray and result.dtype == np.float64
        return Recorded(result) if is_new_float else result

    return stand_in


def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **_: Any) -> Any:
    """Return np.full for a recorded value, or a whole number that changes with one."""
    kind = np.dtype(getattr(fill_value, "dtype", float) if dtype is None else dtype)
    result: Any = Recorded(np.zeros(shape, kind if kind.kind in "biu" else float, order=order))
    result[...] = fill_value
    return result


def converting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in of np.array and friends."""

    @functools.wraps(original)
    def stand_in(x: Any, dtype: Any = None, *arguments: Any, **keywords: Any) -> Any:
        tape = recording()
        if tape is None:
            return original(x, dtype, *arguments, **keywords)
        x = tape.translated(x)
        if holds_recorded(x):
            return converted(original, x, dtype, arguments, keywords)
        result = original(x, dtype, *arguments, **keywords)
        is_new_float = result is not x and result.base is not x and result.dtype == np.float64
        return Recorded(result) if is_new_float else result

    return stand_in


def converted(
    original: Callable[..., Any], x: Any, dtype: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """Return what np.array and its like make of recorded numbers."""
    if complexes.is_recorded(x):
        return complexes.joined(x)
    source = layout.array(x)
    plain = original(values_of(source), dtype, *arguments, **keywords)
    shares = isinstance(source.array, np.ndarray) and np.may_share_memory(plain, source.array)
    if not shares and (type(x) is Recorded or not plain.flags.c_contiguous):
        source = layout.copy(layout.reshape(source, np.shape(source.array)), layout.order_of(plain))
    if plain.dtype != source.dtype:
        source = source.astype(dtype)
    return source if plain.ndim == np.ndim(source) else np.reshape(source, plain.shape)


def gathering(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in of a function that takes lists of recorded numbers: it gets an array of them."""

    @functools.wraps(original)
    def stand_in(*arguments: Any, **keywords: Any) -> Any:
        if recording() is None:
            return original(*arguments, **keywords)
        named = {name: gathered(x) for name, x in keywords.items()}
        return original(*map(gathered, arguments), **named)

    return stand_in


def gathered(x: Any) -> Any:
    """Return a list or tuple of recorded numbers as an array, and anything else as it is."""
    return recorded_array(x) if type(x) in (list, tuple) and holds_recorded(x) else x


class Joining:
    """The stand-in of np.c_ and np.r_, which are no functions: brackets around arrays join them."""

    def __init__(self, original: Any, columns: bool) -> None:
        self._original, self._columns = original, columns

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __len__(self) -> int:
        return len(self._original)

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if recording() is None or not any(map(holds_recorded, parts)):
            return self._original[key]
        if any(isinstance(part, str) for part in parts):
            raise current_tape().refusal("np.c_ or np.r_", "directives in a string are not supported.")
        arrays = [np.r_[part] if isinstance(part, slice) else recorded_array(part) for part in parts]
        if not self._columns:
            return np.concatenate([np.atleast_1d(x) for x in arrays], 0)
        rows = [np.atleast_1d(x) for x in arrays]
        return np.concatenate([np.reshape(x, (-1, 1)) if np.ndim(x) < 2 else x for x in rows], -1)


def asking_dot(x: Any) -> Callable[..., Any]:
    """Return the method ``dot`` of a plain array, as the function where its argument is recorded."""

    def dot(b: Any, out: Any = None) -> Any:
        if recording() is None or not (holds_recorded(b) or holds_recorded(out)):
            return x.dot(b, out)
        return np.dot(x, recorded_array(b), out=out)

    return dot
