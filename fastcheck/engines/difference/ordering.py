"""Rules for functions that put entries in order: sort, argsort, median, quantiles.

A sorted array is a permutation of the array. Where no member of a batch changes the order, that of the difference is
the same permutation. Where one does, entry i of its sorted array is x[q] + dx[q], and that of the unperturbed one x[p],
for the orders q and p: the difference is (x[q] − x[p]) + dx[q].
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcheck.engines.difference.arrays import FUNCTIONS, DifferenceArray, made
from fastcheck.engines.difference.forms import Array, Form, gather, members_of, spend
from fastcheck.engines.difference.reductions import axes_of
from fastcheck.engines.difference.state import TracingError, running
from fastcheck.engines.difference.structure import array, ravel, stack


class Order:
    """The order of the entries along an axis, and whether any member of the batch may change it."""

    def __init__(self, x: DifferenceArray, axis: int) -> None:
        assert x.form is not None  # what has no difference never comes here
        f = x.form.spread([axis])
        self.form = f = f if f.common else f.plain()
        self.axis = axis + 1
        self.part = gather(x.value, f.at)
        self.start = np.argsort(self.part, axis=self.axis, kind="stable")
        entries = self.taken(self.part)
        sizes = self.taken(f.magnitude()[None] if f.common else np.abs(f.values()))
        with np.errstate(invalid="ignore"):
            gaps = np.diff(entries, axis=self.axis)
        if sizes.shape[self.axis] == 1:
            reach = sizes + sizes
        else:
            lead = (slice(None),) * self.axis
            reach = sizes[(*lead, slice(1, None))] + sizes[(*lead, slice(None, -1))]
        self.settled = bool(((reach < gaps) | (reach == 0)).all())

    def taken(self, values: Array) -> Array:
        """Return values (B, *dims) in this order; what is constant along the axis stays so."""
        if values.shape[self.axis] == 1:
            return values
        return self.picked(values, self.start)

    def picked(self, values: Array, order: Array) -> Array:
        """Return values (B, *dims) in another order."""
        full = np.broadcast_to(values, (len(values), *self.part.shape[1:]))
        result = np.take_along_axis(full, order, self.axis)
        spend(len(result), result.shape[1:])
        return result

    def ends(self) -> Array:
        """Return the order at the end of each member's perturbation; members that change it, either way, are kinks.

        Which slopes a tie may give is not enclosed: where kinks are settled, these members stay loose.
        """
        running().odd = False
        change = self.form.values()
        end, other = (ordered(self.part, d, self.axis) for d in (change, -change))
        moved = members_of((end != self.start) | (other != self.start))
        running().kinked |= moved
        settling = running().settling
        if settling is not None:
            settling.loose |= moved
        return end


def ordered(x: Array, change: Array, axis: int) -> Array:
    """Return the stable order of x + change, as if the sum were not rounded."""
    x, change = np.broadcast_arrays(x, change)
    with np.errstate(invalid="ignore"):
        total = x + change
        back = total - x
        rest = (x - (total - back)) + (change - back)  # what the addition rounded away, exactly
    order: Array = np.lexsort((np.where(np.isfinite(rest), rest, 0.0), total), axis=axis)
    return order


def sort(
    a: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: bool | None = None
) -> Any:
    """Rule of sort."""
    x = array(a)
    if axis is None:
        x, axis = ravel(x), 0
    value = np.sort(x.value, axis=axis)
    if x.form is None or not x.size:
        return made(value, None)
    known = Order(x, axis % x.ndim)
    f = known.form
    if known.settled:
        coef = None if f.coef is None else known.taken(f.coef[None])[0]
        return made(value, Form(known.taken(f.data), x.shape, f.at, coef, peak=f._peak))
    end = known.ends()
    jump = np.where(end == known.start, 0.0, known.picked(known.part, end) - known.taken(known.part))
    return made(value, Form(jump + known.picked(f.values(), end), x.shape, f.at))


def argsort(
    a: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: bool | None = None
) -> Any:
    """Rule of argsort: members whose order differs are given up."""
    x = array(a)
    if axis is None:
        x, axis = ravel(x), 0
    if x.form is not None and x.size:
        known = Order(x, axis % x.ndim)
        if not known.settled:
            running().unsupported |= members_of(known.ends() != known.start)
    return np.argsort(x.value, axis=axis, kind=kind, stable=stable)


def partition(a: Any, kth: Any, axis: int | None = -1, kind: Any = None, order: Any = None) -> Any:
    """Rule of partition: any order within the parts will do, and the sorted array has them."""
    return sort(a, axis)


def sort_in_place(x: Any, axis: int = -1, **keywords: Any) -> None:
    """Rule of x.sort()."""
    x[...] = sort(x, axis)


def partition_in_place(x: Any, kth: Any, axis: int = -1, **keywords: Any) -> None:
    """Rule of x.partition(...)."""
    x[...] = sort(x, axis)


def lined_up(a: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """Return the array sorted along some axes, which become one, the last; and the shape with 1 in their place."""
    x = array(a)
    axes = axes_of(axis, x.ndim)
    last = np.moveaxis(x, axes, range(-len(axes), 0)) if axes else x
    kept = last.shape[: x.ndim - len(axes)]
    shape = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
    return sort(np.reshape(last, (*kept, math.prod(x.shape[k] for k in axes)))), shape


def median(a: Any, axis: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """Rule of median: the mean of the middle entries."""
    x, shape = lined_up(a, axis)
    n = x.shape[-1]
    result = np.mean(x[..., (n - 1) // 2 : n // 2 + 1], axis=-1)
    return np.reshape(result, shape) if keepdims else result


def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    **keywords: Any,
) -> Any:
    """Rule of quantile: between two entries of the sorted array."""
    if method != "linear" or any(value is not None for value in keywords.values()):
        raise TracingError("np.quantile", "only method='linear' without weights is supported.")
    if np.ndim(q):
        return stack([quantile(a, part, axis, keepdims=keepdims) for part in q])
    x, shape = lined_up(a, axis)
    place = float(q) * (x.shape[-1] - 1)
    low = math.floor(place)
    high = min(low + 1, x.shape[-1] - 1)
    result = x[..., low] * (1 - (place - low)) + x[..., high] * (place - low)
    return np.reshape(result, shape) if keepdims else result


def percentile(a: Any, q: Any, *arguments: Any, **keywords: Any) -> Any:
    """Rule of percentile."""
    return quantile(a, np.true_divide(q, 100), *arguments, **keywords)


def register() -> None:
    """Fill the table."""
    FUNCTIONS.update({np.sort: sort, np.argsort: argsort, np.partition: partition})
    FUNCTIONS.update({np.median: median, np.quantile: quantile, np.percentile: percentile})


register()
