"""Rules for functions that choose entries, and for assignment to chosen entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcheck.engines.difference import layout
from fastcheck.engines.difference.arrays import FUNCTIONS, DifferenceArray, made, taken
from fastcheck.engines.difference.state import TracingError, current_recorder, running
from fastcheck.engines.difference.structure import array, array_from, broadcast_to, copy, moving, ravel, stack
from fastcheck.engines.difference.views import IndexLens, numbers


def plain_key(key: Any) -> Any:
    """Return a key made of plain arrays; members that would index otherwise are given up."""
    if isinstance(key, tuple):
        return tuple(plain_key(part) for part in key)
    if type(key) is DifferenceArray:
        if key.dtype.kind == "f":
            raise IndexError("arrays used as indices must be of integer (or boolean) type")
        return key._whole("index")
    if isinstance(key, list):
        index = np.asarray([plain_key(part) for part in key])
        return index if index.size else index.astype(np.intp)
    return key


def getitem(x: DifferenceArray, key: Any) -> Any:
    """Rule of ``x[key]``."""
    key = plain_key(key)
    recorder = current_recorder()
    if recorder is not None:
        recorder.indexed(key)
    value = x.value[key]
    if layout.is_basic(key):
        if isinstance(value, np.ndarray):
            return x.view_by(IndexLens(key))
        return made(value, None if x.form is None else layout.sliced(x.form, key, ()))
    return made(value, None if x.form is None else layout.fancied(x.form, key, value.shape))


def setitem(x: DifferenceArray, key: Any, y: Any) -> None:
    """Rule of ``x[key] = y``."""
    if type(y) is not DifferenceArray and not isinstance(y, (int, float, np.ndarray, np.generic)):
        y = array_from(y)
    value, g = taken(y)
    if is_choice(key) and np.ndim(value) == 0:
        result: Any = np.where(np.reshape(key, key.shape + (1,) * (x.ndim - key.ndim)), y, x)
        x.writable()[...] = result.value
        x.store(result.form)
        return
    key = plain_key(key)
    if g is not None and x.dtype != np.float64 and not x.dtype == value.dtype == np.bool_:
        raise TracingError(f"assignment to an array of {x.dtype}", "it would round perturbed values.")
    form = x.form
    target = x.writable()
    region = target[key].shape
    if g is not None and len(g.shape) > len(region):
        g = layout.reshaped(g, g.shape[len(g.shape) - len(region) :])
    target[key] = value
    if form is None and g is None:
        x.store(None)
    elif layout.is_basic(key):
        x.store(layout.assigned(form, key, g, x.shape, region))
    else:
        x.store(layout.scattered(form, key, g, x.shape, region))


def is_choice(key: Any) -> bool:
    """Whether assigning a number is a choice that may differ between members: a mask, perturbed or at its kinks."""
    if type(key) is DifferenceArray:
        return bool(key.dtype == bool and (key.form is not None or running().settling is not None))
    return isinstance(key, np.ndarray) and key.dtype == bool and running().settling is not None


def take(x: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    """Rule of take."""
    if mode != "raise":
        raise TracingError("np.take", f"mode={mode!r} is not supported.")
    x = array(x)
    if axis is None:
        x, axis = ravel(x), 0
    return x[(slice(None),) * (axis % x.ndim) + (plain_key(np.asarray(plain_key(indices))),)]


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """Rule of take_along_axis."""
    return moving(np.take_along_axis)(x, plain_key(indices), axis)


def put_along_axis(x: Any, indices: Any, values: Any, axis: int) -> None:
    """Rule of put_along_axis."""
    index = plain_key(indices)
    grid = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    grid[axis] = index
    x[tuple(grid)] = values


def put(x: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Rule of put: entries by flat number; the values are repeated as often as needed."""
    if mode != "raise":
        raise TracingError("np.put", f"mode={mode!r} is not supported.")
    places = numbers(np.shape(x)).ravel()[np.ravel(plain_key(ind if np.ndim(ind) else [ind]))]
    x[np.unravel_index(places, np.shape(x))] = np.resize(array_from(v), places.shape)


def place(x: Any, mask: Any, vals: Any) -> None:
    """Rule of place: the first values, in order, where the mask holds."""
    mask = plain_key(mask)
    x[mask] = np.resize(array_from(vals), np.count_nonzero(mask))


def putmask(x: Any, mask: Any, values: Any) -> None:
    """Rule of putmask: where the mask holds, the values at the same flat number, repeated as often as needed."""
    x[...] = np.where(mask, np.resize(array_from(values), np.shape(x)), x)


def fill_diagonal(x: Any, val: Any, wrap: bool = False) -> None:
    """Rule of fill_diagonal; the values are repeated as often as needed."""
    mask = np.zeros(np.shape(x), dtype=bool)
    np.fill_diagonal(mask, True, wrap)
    x[mask] = np.resize(array_from(val), np.count_nonzero(mask))


def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """Rule of compress."""
    return take(a, np.flatnonzero(plain_key(condition)), axis)


class Flat:
    """The entries in order, of an array that does not lie in memory so: ``x.flat`` reads and writes x itself."""

    def __init__(self, x: DifferenceArray) -> None:
        self._x = x

    def __len__(self) -> int:
        return self._x.size

    def __iter__(self) -> Any:
        return iter(ravel(self._x))

    def __getitem__(self, key: Any) -> Any:
        return ravel(self._x)[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        put(self._x, numbers((self._x.size,))[plain_key(key)], value)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TracingError("ndarray.flat", "the array is not contiguous: use x.ravel().")


def choose(a: Any, choices: Any) -> Any:
    """Rule of choose."""
    index = plain_key(a)
    grid = np.broadcast_arrays(index, *(np.empty(np.shape(c)) for c in choices))[0]
    chosen = np.take_along_axis(stack([broadcast_to(c, grid.shape) for c in choices]), grid[None], 0)[0]
    return copy(chosen, "C")


def select(conditions: Any, choices: Any, default: Any = 0) -> Any:
    """Rule of select: the first condition that holds."""
    result = default
    for condition, choice in zip(conditions[::-1], choices[::-1], strict=True):
        result = np.where(condition, choice, result)
    return result


def nonzero(x: Any) -> Any:
    """Rule of nonzero: members whose answer differs are given up."""
    x = array(x)
    truth = x != 0
    return np.nonzero(truth._whole("nonzero") if type(truth) is DifferenceArray else truth)


def register() -> None:
    """Fill the table."""
    FUNCTIONS.update({np.take: take, np.take_along_axis: take_along_axis, np.put_along_axis: put_along_axis})
    FUNCTIONS.update({np.put: put, np.place: place, np.putmask: putmask, np.fill_diagonal: fill_diagonal})
    FUNCTIONS.update({np.compress: compress})
    FUNCTIONS.update({np.choose: choose, np.select: select, np.nonzero: nonzero})
    FUNCTIONS.update(
        {np.flatnonzero: lambda x: nonzero(ravel(x))[0], np.argwhere: lambda x: np.transpose(nonzero(x))}
    )
    FUNCTIONS.update({np.extract: lambda condition, x: ravel(x)[ravel(condition)]})


register()
