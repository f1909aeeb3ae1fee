"""NumPy functions that are written as others: whatever records those records these."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fastcheck.engines.graph.rules.layout import array, axes_of, copy, numbers, order_of, ravel, stack
from fastcheck.engines.graph.rules.tables import FUNCTIONS, UFUNC_METHODS, UFUNCS
from fastcheck.engines.graph.tracing.operands import fixed, stepped, values_of
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Record np.convolve: windows of the longer one, with zeros around it, times the shorter one, turned."""
    a, v = (np.atleast_1d(array(x)) for x in (a, v))
    if v.size > a.size:
        a, v = v, a
    n = v.size
    full = np.dot(sliding_window_view(np.pad(a, n - 1), n), np.flip(v))
    first = {"full": 0, "same": n - 1 - n // 2, "valid": n - 1}[mode]
    length = {"full": full.size, "same": a.size, "valid": a.size - n + 1}[mode]
    return full[first : first + length]


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Record np.correlate: the convolution with the shorter one turned."""
    if np.size(v) > np.size(a):
        return np.flip(convolve(v, np.flip(a), mode))
    return convolve(a, np.flip(v), mode)


def cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Record np.cumprod: one product after the other."""
    x = array(x)
    if axis is None:
        x, axis = ravel(x), 0
    if not x.size:
        return x
    rows = list(np.moveaxis(x, axis, 0))
    for k in range(1, len(rows)):
        rows[k] = rows[k - 1] * rows[k]
    return stack(rows, axis)


def lined_up(x: Any, axis: Any) -> tuple[Any, list[int]]:
    """Return the array sorted along some axes, which become one, the last; and the shape with 1 in their place."""
    x = array(x)
    axes = axes_of(axis, x.ndim)
    rest = [k for k in range(x.ndim) if k not in axes]
    last = np.reshape(np.transpose(x, [*rest, *axes]), [*(x.shape[k] for k in rest), -1])
    return np.sort(last), [1 if k in axes else n for k, n in enumerate(x.shape)]


def median(x: Any, axis: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """Record np.median: the middle entry, or the mean of the two in the middle."""
    last, shape = lined_up(x, axis)
    n = last.shape[-1]
    result = np.mean(last[..., (n - 1) // 2 : n // 2 + 1], axis=-1)
    return np.reshape(result, shape) if keepdims else result


def quantile(
    x: Any,
    q: Any,
    axis: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    **keywords: Any,
) -> Any:
    """Record np.quantile: between two entries of the sorted array."""
    if method != "linear" or any(value is not None for value in keywords.values()):
        raise current_tape().refusal("np.quantile", "only method='linear' without weights is recorded.")
    if np.ndim(q):
        return stack([quantile(x, part, axis, keepdims=keepdims) for part in q])
    last, shape = lined_up(x, axis)
    place = float(fixed(q)) * (last.shape[-1] - 1)
    low = math.floor(place)
    high = min(low + 1, last.shape[-1] - 1)
    result = last[..., low] * (1 - (place - low)) + last[..., high] * (place - low)
    return np.reshape(result, shape) if keepdims else result


def percentile(x: Any, q: Any, *arguments: Any, **keywords: Any) -> Any:
    """Record np.percentile."""
    return quantile(x, np.true_divide(q, 100), *arguments, **keywords)


def repeated(values: Any, size: Any) -> Any:
    """Return so many values, repeated as often as needed."""
    return np.resize(array(values), size)


def put(x: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Record np.put."""
    places = numbers(np.shape(x)).ravel()[np.ravel(fixed(ind))]
    x[np.unravel_index(places, np.shape(x))] = repeated(v, places.size)


def put_along_axis(x: Any, indices: Any, values: Any, axis: int) -> None:
    """Record np.put_along_axis."""
    index = np.asarray(fixed(indices))
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    grid[axis] = index
    x[tuple(grid)] = values


def place(x: Any, mask: Any, vals: Any) -> None:
    """Record np.place: the first values, in order, where the mask holds."""
    mask = fixed(mask)
    x[mask] = repeated(vals, np.count_nonzero(mask))


def putmask(x: Any, mask: Any, values: Any) -> None:
    """Record np.putmask: where the mask holds, the values at the same flat number."""
    x[...] = FUNCTIONS[np.where](mask, np.reshape(repeated(values, np.size(x)), np.shape(x)), x)


def fill_diagonal(x: Any, val: Any, wrap: bool = False) -> None:
    """Record np.fill_diagonal."""
    mask = np.zeros(np.shape(x), dtype=bool)
    np.fill_diagonal(mask, True, wrap)
    x[mask] = repeated(val, np.count_nonzero(mask))


def compress(condition: Any, x: Any, axis: Any = None) -> Any:
    """Record np.compress."""
    return np.take(x, np.flatnonzero(fixed(condition)), axis)


def extract(condition: Any, x: Any) -> Any:
    """Record np.extract."""
    return np.ravel(x)[np.ravel(fixed(condition))]


def choose(a: Any, choices: Any) -> Any:
    """Record np.choose."""
    index = np.asarray(fixed(a))
    shape = np.broadcast_shapes(index.shape, *(np.shape(c) for c in choices))
    joined = stack([np.broadcast_to(array(c), shape) for c in choices])
    result = np.take_along_axis(joined, np.broadcast_to(index, shape)[None], 0)[0]
    order = order_of(np.choose(index, [values_of(c) for c in choices]))
    return result if order_of(values_of(result)) == order else copy(result, order)


def select(conditions: Any, choices: Any, default: Any = 0) -> Any:
    """Record np.select: the first condition that holds."""
    result = default
    for condition, choice in zip(conditions[::-1], choices[::-1], strict=True):
        result = FUNCTIONS[np.where](condition, choice, result)
    return result


def heaviside(x: Any, y: Any) -> Any:
    """Record np.heaviside."""
    return FUNCTIONS[np.where](np.equal(x, 0), y, stepped(lambda values: np.heaviside(values, 0.5), x))


def logsumexp_of_all(x: Any, axis: Any = 0, **keywords: Any) -> Any:
    """Record np.logaddexp.reduce."""
    top = np.max(values_of(x), axis=axis, keepdims=True)
    result = np.log(np.sum(np.exp(x - top), axis=axis, **keywords))
    return result + np.reshape(top, np.shape(result))


class Flat:
    """``x.flat`` reads and writes x itself."""

    def __init__(self, x: Recorded) -> None:
        self._x = x

    def __len__(self) -> int:
        return self._x.size

    def __iter__(self) -> Any:
        return iter(ravel(self._x))

    def __getitem__(self, key: Any) -> Any:
        return ravel(self._x)[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        put(self._x, numbers((self._x.size,))[fixed(key)], value)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise current_tape().refusal("ndarray.flat", "use x.ravel().")


def set_flat(x: Recorded, value: Any) -> None:
    """Record ``x.flat = value``."""
    Flat(x)[:] = value


FUNCTIONS |= {
    np.convolve: convolve,
    np.correlate: correlate,
    np.cumprod: cumprod,
    np.median: median,
    np.quantile: quantile,
    np.percentile: percentile,
    np.put: put,
    np.put_along_axis: put_along_axis,
    np.place: place,
    np.putmask: putmask,
    np.fill_diagonal: fill_diagonal,
    np.compress: compress,
    np.extract: extract,
    np.choose: choose,
    np.select: select,
}

UFUNCS[np.heaviside] = heaviside

UFUNC_METHODS |= {
    (np.multiply, "accumulate"): lambda x, axis=0: cumprod(x, axis),
    (np.logaddexp, "reduce"): logsumexp_of_all,
}
