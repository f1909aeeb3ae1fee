"""Rules for functions that reduce or scan an axis, and for functions composed of others."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.difference import choices, contraction
from fastcheck.engines.difference.arrays import FUNCTIONS, UFUNC_METHODS, computed, made, taken
from fastcheck.engines.difference.forms import Array, Form, Places, Shape, gather, members_of, spend
from fastcheck.engines.difference.kinks import Settling, kinks_noted
from fastcheck.engines.difference.layout import reshaped
from fastcheck.engines.difference.state import TracingError, running
from fastcheck.engines.difference.structure import array, ravel, stack


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return the reduced axes as a tuple of numbers from 0."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(int(k) % ndim for k in (axis if isinstance(axis, tuple) else (axis,)))


def summed(f: Form, axes: tuple[int, ...], keepdims: bool) -> Form:
    """Return the form of a sum."""
    labels = tuple(range(len(f.shape)))
    out = tuple(k for k in labels if k not in axes)
    shape = tuple(f.shape[k] for k in out)
    if any(k not in f.at and f.data.shape[k + 1] != 1 for k in axes) and f.coef is not None:
        # What is summed differs between members: coefficient and sum in one product.
        factor = contraction.repeats(f, labels, (), out)
        at = {out.index(k): p for k, p in f.at.items() if k in out}
        batch = contraction.BATCH
        coef = f.coef if factor == 1 else f.coef * factor
        data = contraction.product(f.data, (batch, *labels), coef, labels, (batch, *out))
        g = Form(data, shape, at)
    else:
        g = contraction.one_sided(f, labels, np.ones(()), (), out, shape)
    if not keepdims:
        return g
    kept = reshaped(g, tuple(1 if k in axes else n for k, n in enumerate(f.shape)))
    return g if kept is None else kept


def sum_(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    """Rule of sum."""
    if where is not True:
        x = np.where(where, x, 0)
    x, f = taken(x)
    value = np.sum(x, axis=axis, keepdims=keepdims)
    result = computed(value, None if f is None else summed(f, axes_of(axis, np.ndim(x)), keepdims))
    return result if initial is None else result + initial


def mean(x: Any, axis: Any = None, keepdims: bool = False, where: Any = True) -> Any:
    """Rule of mean."""
    if where is not True:
        return sum_(x, axis, keepdims, where=where) / np.sum(
            np.broadcast_to(where, np.shape(x)), axis=axis, keepdims=keepdims
        )
    x, f = taken(x)
    value = np.mean(x, axis=axis, keepdims=keepdims)
    if f is None:
        return computed(value, None)
    axes = axes_of(axis, np.ndim(x))
    count = math.prod(f.shape[k] for k in axes)
    return computed(value, summed(f, axes, keepdims).scaled(1.0 / count, value.shape))


def average(x: Any, axis: Any = None, weights: Any = None, keepdims: bool = False) -> Any:
    """Rule of average."""
    if weights is None:
        return mean(x, axis, keepdims)
    if np.ndim(weights) != np.ndim(x):
        shape = [1] * np.ndim(x)
        shape[axis] = -1
        weights = np.reshape(weights, shape)
    return np.sum(x * weights, axis=axis, keepdims=keepdims) / np.sum(
        weights * np.ones(np.shape(x)), axis=axis, keepdims=keepdims
    )


def var(x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False, correction: Any = None) -> Any:
    """Rule of var: the mean square of what the mean leaves."""
    x = array(x)
    count = math.prod(x.shape[k] for k in axes_of(axis, x.ndim)) - (
        ddof if correction is None else correction
    )
    return np.sum(np.square(x - mean(x, axis, True)), axis=axis, keepdims=keepdims) / count


def std(x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False, correction: Any = None) -> Any:
    """Rule of std."""
    return np.sqrt(var(x, axis, ddof, keepdims, correction))


class Winners:
    """Which entry is the largest along some axes, where no member of the batch changes that."""

    def __init__(self, f: Form, x: Array, axes: tuple[int, ...]) -> None:
        self.axes = axes
        part = gather(x, f.at)
        self.dims = part.shape[1:]
        size = f.magnitude()[None] if f.common else np.abs(f.values())
        entries, sizes = self._lined_up(part), self._lined_up(size)
        self.index = np.argmax(entries, axis=-1)[..., None]
        behind = np.take_along_axis(entries, self.index, -1) - entries
        reach = np.take_along_axis(sizes, self.index, -1) + sizes
        itself = np.arange(entries.shape[-1]) == self.index
        safe = (reach < behind) | (reach == 0) | itself
        self.settled = bool(safe.all())

    def of(self, array: Array) -> Array:
        """Return the entries of (B, *dims) at the winners: the length along the axes becomes 1."""
        if all(array.shape[k + 1] == 1 for k in self.axes):
            return array
        picked = np.take_along_axis(self._lined_up(array), self.index, -1)
        spend(len(picked), picked.shape[1:])
        return picked.reshape(len(picked), *(1 if k in self.axes else n for k, n in enumerate(self.dims)))

    def _lined_up(self, array: Array) -> Array:
        """Return the array with the axes as one, the last."""
        full = np.broadcast_to(array, (len(array), *self.dims))
        last = np.moveaxis(full, [k + 1 for k in self.axes], range(-len(self.axes), 0))
        return last.reshape(*last.shape[: last.ndim - len(self.axes)], -1)


def winners(f: Form, x: Array, axes: tuple[int, ...]) -> Winners | None:
    """Return the winners along the axes, None if some member may change them. ``f`` is stored in full there."""
    found = Winners(f, x, axes)
    return found if found.settled else None


def extremes(f: Form, x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return, along the axes, how far each entry is below the largest, and its difference."""
    running().odd = False
    top = np.max(x, axis=axes, keepdims=True)
    with np.errstate(invalid="ignore"):
        below = gather(np.where(x == top, 0.0, x - top), f.at)
    spend(len(f.data), below.shape[1:])
    return below, f.values()


@kinks_noted
def max_(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    """Rule of max: the largest of what each entry is below the maximum, plus its difference."""
    if where is not True:
        x = np.where(where, x, initial)
    x = array(x)
    value = np.max(x.value, axis=axis, keepdims=keepdims)
    f = x.form
    if f is None:
        result = made(value, None)
    else:
        axes = axes_of(axis, x.ndim)
        f = f.spread(axes)
        f = f if f.common else f.plain()
        shape = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
        found = winners(f, x.value, axes)
        if found is not None:
            g = Form(found.of(f.data), shape, f.at, None if f.coef is None else found.of(f.coef[None])[0])
        else:
            below, change = extremes(f, x.value, axes)
            along = tuple(k + 1 for k in axes)
            settling = running().settling
            if settling is not None:
                g = settled_maximum(settling, below, change, along, shape, f.at)
            else:
                data = np.max(below + change, axis=along, keepdims=True)
                least = np.min(np.where(below == 0, change, np.inf), axis=along, keepdims=True)
                running().kinked |= members_of(data != least)
                g = Form(data, shape, f.at)
        result = made(value, g if keepdims else reshaped(g, value.shape))
    return result if initial is None else np.maximum(result, initial)


def settled_maximum(
    settling: Settling, below: Array, change: Array, along: tuple[int, ...], shape: Shape, at: Places
) -> Form:
    """Return the difference of a maximum along axes: at a tie, halfway between the tied entries' own.

    Where the share is not one half it is that of the first tied entry, or of the last.
    """
    change = np.broadcast_to(change, np.broadcast_shapes(change.shape, below.shape))
    reach = np.abs(change)
    settling.signed = False
    tied = below + reach >= np.max(below - reach, axis=along, keepdims=True)
    if settling.share() == 0.5:
        low = np.min(np.where(tied, change, np.inf), axis=along, keepdims=True)
        high = np.max(np.where(tied, change, -np.inf), axis=along, keepdims=True)
    else:
        low, high = first_and_last(tied, change, along)
    return settling.between(low, high, low != high, low, shape, at)


def first_and_last(tied: Array, change: Array, along: tuple[int, ...]) -> tuple[Array, Array]:
    """Return, along axes, what the first and the last of the tied entries change; the axes keep the length 1."""
    tail = tuple(range(-len(along), 0))
    dims = tuple(1 if axis in along else n for axis, n in enumerate(tied.shape))
    tied, change = (
        np.moveaxis(x, along, tail).reshape(*(n for k, n in enumerate(x.shape) if k not in along), -1)
        for x in (tied, change)
    )
    first, last = np.argmax(tied, axis=-1), tied.shape[-1] - 1 - np.argmax(tied[..., ::-1], axis=-1)
    return (
        np.take_along_axis(change, first[..., None], -1).reshape(dims),
        np.take_along_axis(change, last[..., None], -1).reshape(dims),
    )


def min_(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    """Rule of min: that of max, mirrored."""
    return -max_(-array(x), axis, keepdims, None if initial is None else -initial, where)


def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Rule of argmax: the members whose winner changes are kinks."""
    x = array(x)
    if axis is None:
        result = argmax(ravel(x), 0)
        return np.reshape(result, (1,) * x.ndim) if keepdims else result
    value = np.argmax(x.value, axis=axis, keepdims=keepdims)
    if x.form is None:
        return value
    axes = axes_of(axis, x.ndim)
    f = x.form.spread(axes)
    if winners(f, x.value, axes) is not None:
        return value
    below, change = extremes(f, x.value, axes)
    end = np.argmax(below + change, axis=axes[0] + 1, keepdims=True)
    moved = end - np.argmax(below, axis=axes[0] + 1, keepdims=True)
    if not moved.any():
        return value
    running().kinked |= members_of(moved != 0)
    shape = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
    form = Form(moved.astype(float), shape, f.at)
    return made(value, form if keepdims else reshaped(form, value.shape))


def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Rule of argmin."""
    return argmax(-array(x), axis, keepdims)


def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Rule of ptp."""
    return np.max(x, axis=axis, keepdims=keepdims) - np.min(x, axis=axis, keepdims=keepdims)


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Rule of prod: products of halves, so that every step is the rule of x·y."""
    x = np.copy(array(x))
    if not x.size:
        return made(np.prod(x.value, axis=axis, keepdims=keepdims), None)
    for k in axes_of(axis, x.ndim):
        lead = (slice(None),) * k
        while x.shape[k] > 1:
            half = x.shape[k] // 2
            rest = x[(*lead, slice(2 * half, None))]
            x = x[(*lead, slice(None, half))] * x[(*lead, slice(half, 2 * half))]
            x = np.concatenate([x, rest], axis=k) if rest.shape[k] else x
    return x if keepdims else np.squeeze(x, axis=axes_of(axis, x.ndim))[()]


def cumsum(x: Any, axis: Any = None) -> Any:
    """Rule of cumsum."""
    x = array(x)
    if axis is None:
        x, axis = ravel(x), 0
    value = np.cumsum(x.value, axis=axis)
    if x.form is None:
        return computed(value, None)
    k = axis % x.ndim
    f = x.form.spread([k])
    values = f.values()
    if values.shape[k + 1] != x.shape[k]:
        values = np.broadcast_to(values, (*values.shape[: k + 1], x.shape[k], *values.shape[k + 2 :]))
    spend(len(values), values.shape[1:])
    return computed(value, Form(np.cumsum(values, axis=k + 1), x.shape, f.at))


def cumprod(x: Any, axis: Any = None) -> Any:
    """Rule of cumprod: one product after the other."""
    x = array(x)
    if axis is None:
        x, axis = ravel(x), 0
    if not x.size:
        return made(np.cumprod(x.value, axis=axis), None)
    rows = list(np.moveaxis(x, axis, 0))
    for k in range(1, len(rows)):
        rows[k] = rows[k - 1] * rows[k]
    return stack(rows, axis)


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """Rule of diff."""
    x = array(x)
    lead = (slice(None),) * (axis % x.ndim)
    for _ in range(n):
        x = x[(*lead, slice(1, None))] - x[(*lead, slice(None, -1))]
    return x


def truth(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of any or all."""

    def rule(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        mask = x if array(x).dtype == bool else x != 0
        mask, m = taken(mask)
        value = f(mask, axis=axis, keepdims=keepdims)
        if m is None:
            return value
        change = m.dense() != 0
        along = tuple(k + 1 for k in axes_of(axis, np.ndim(mask)))
        data = np.subtract(f(mask ^ change, axis=along, keepdims=keepdims), value, dtype=float)
        return made(value, Form(data, value.shape) if data.any() else None)

    return rule


def count_nonzero(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Rule of count_nonzero."""
    return np.sum(x != 0, axis=axis, keepdims=keepdims)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Rule of linalg.norm: vector norms, and those of matrices that are sums or maxima."""
    x = array(x)
    axes = axes_of(axis, x.ndim)
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord == 2 and len(axes) == 1):
        return np.sqrt(np.sum(np.square(x), axis=axes, keepdims=keepdims))
    if len(axes) == 1:
        if ord in (np.inf, -np.inf):
            return (np.max if ord > 0 else np.min)(np.abs(x), axis=axes[0], keepdims=keepdims)
        if ord == 1:
            return np.sum(np.abs(x), axis=axes[0], keepdims=keepdims)
        return np.sum(np.abs(x) ** ord, axis=axes[0], keepdims=keepdims) ** (1.0 / ord)
    if ord in (1, np.inf) and not keepdims and axis is None:
        return np.max(np.sum(np.abs(x), axis=0 if ord == 1 else 1))
    raise TracingError("np.linalg.norm", f"ord={ord!r} is not supported.")


def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """Rule of scipy.special.logsumexp, shifted by the unperturbed maximum: any constant gives the same sum."""
    a = array(a)
    if return_sign:
        raise TracingError("scipy.special.logsumexp", "return_sign is not supported.")
    top = np.max(a.value, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    terms = np.exp(a - top)
    total = np.log(np.sum(terms if b is None else b * terms, axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axes_of(axis, a.ndim))[()]


def softmax(x: Any, axis: Any = None) -> Any:
    """Rule of scipy.special.softmax."""
    terms = np.exp(x - np.max(array(x).value, axis=axis, keepdims=True))
    return terms / np.sum(terms, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: Any = None) -> Any:
    """Rule of scipy.special.log_softmax."""
    return x - logsumexp(x, axis=axis, keepdims=True)


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Rule of nan_to_num."""
    if not copy:
        raise TracingError("np.nan_to_num", "copy=False is not supported.")
    value = array(x).value
    plain = np.nan_to_num(value, nan=nan, posinf=posinf, neginf=neginf)
    return np.where(np.isfinite(value), x, plain)


def allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> bool:
    """Rule of allclose: members that change the answer are given up, as in every truth value that Python asks for."""
    return bool(np.all(np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    """Rule of array_equal."""
    return np.shape(a1) == np.shape(a2) and bool(np.all(_equal(array(a1), array(a2), equal_nan)))


def array_equiv(a1: Any, a2: Any) -> bool:
    """Rule of array_equiv."""
    try:
        np.broadcast_shapes(np.shape(a1), np.shape(a2))
    except ValueError:
        return False
    return bool(np.all(_equal(array(a1), array(a2), False)))


def isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Rule of isclose."""
    (x, _), (y, _) = taken(a), taken(b)
    value = np.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)
    return made(value, taken(_within(array(a) - b, atol + rtol * b, atol - rtol * b))[1])


def isclose_numbers(a: Any, b: Any, *, rel_tol: float = 1e-9, abs_tol: float = 0.0) -> bool:
    """Return math.isclose of perturbed numbers."""
    return bool(_within(a - b, rel_tol * a, -rel_tol * a, rel_tol * b, -rel_tol * b, abs_tol))


def _within(x: Any, *limits: Any) -> Any:
    """Return whether |x| is at most the largest limit, by comparisons alone: |x| has a kink where both are equal."""
    above, below = (functools.reduce(np.logical_or, [side <= limit for limit in limits]) for side in (x, -x))
    return above & below


def _equal(x: Any, y: Any, equal_nan: bool) -> Any:
    return (x == y) | (np.isnan(x) & np.isnan(y)) if equal_nan else x == y


def reducing(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return a ufunc's reduce, whose axis is 0 unless given."""

    def reduce(x: Any, axis: Any = 0, keepdims: bool = False, **keywords: Any) -> Any:
        return rule(x, axis=axis, keepdims=keepdims, **keywords)

    return reduce


def outer(ufunc: Any) -> Callable[..., Any]:
    """Return a ufunc's outer."""

    def rule(x: Any, y: Any) -> Any:
        return ufunc(np.reshape(x, np.shape(x) + (1,) * np.ndim(y)), y)

    return rule


def add_at(x: Any, key: Any, y: Any) -> None:
    """Rule of np.add.at: repeated indices add up."""
    x_value, _ = taken(x)
    target = np.arange(x_value.size).reshape(x_value.shape)[key]
    chosen = np.zeros((target.size, x_value.size))
    chosen[np.arange(target.size), target.ravel()] = 1.0
    change = np.dot(ravel(broadcast_to_shape(y, target.shape)), chosen)
    x[...] = x + np.reshape(change, x_value.shape)


def broadcast_to_shape(y: Any, shape: Shape) -> Any:
    """Return y at full shape."""
    return np.broadcast_to(array(y), shape)


def register() -> None:
    """Fill the tables."""
    FUNCTIONS.update({np.sum: sum_, np.mean: mean, np.average: average, np.var: var, np.std: std})
    FUNCTIONS.update(
        {np.max: max_, np.amax: max_, np.min: min_, np.amin: min_, np.argmax: argmax, np.argmin: argmin}
    )
    FUNCTIONS.update({np.prod: prod, np.cumsum: cumsum, np.cumprod: cumprod, np.diff: diff, np.ptp: ptp})
    FUNCTIONS.update({np.any: truth(np.any), np.all: truth(np.all), np.count_nonzero: count_nonzero})
    FUNCTIONS.update(
        {
            np.linalg.norm: norm,
            np.nan_to_num: nan_to_num,
            np.clip: choices.clip,
            np.where: choices.where,
        }
    )
    FUNCTIONS.update(
        {
            np.linalg.vector_norm: lambda x, axis=None, keepdims=False, ord=2: norm(
                x if axis is not None else ravel(x), ord, axis, keepdims
            )
        }
    )
    FUNCTIONS.update({np.allclose: allclose, np.array_equal: array_equal, np.array_equiv: array_equiv})
    FUNCTIONS.update({np.real: lambda x: x, np.isclose: isclose})
    ufunc: np.ufunc
    for ufunc, rule in (
        (np.add, sum_),
        (np.multiply, prod),
        (np.maximum, max_),
        (np.minimum, min_),
        (np.logical_and, truth(np.all)),
        (np.logical_or, truth(np.any)),
    ):
        UFUNC_METHODS[ufunc, "reduce"] = reducing(rule)
    UFUNC_METHODS[np.add, "accumulate"] = lambda x, axis=0: cumsum(x, axis)
    UFUNC_METHODS[np.multiply, "accumulate"] = lambda x, axis=0: cumprod(x, axis)
    UFUNC_METHODS[np.logaddexp, "reduce"] = reducing(logsumexp)
    UFUNC_METHODS[np.add, "at"] = add_at
    UFUNC_METHODS[np.subtract, "at"] = lambda x, key, y: add_at(x, key, -array(y))
    for ufunc in (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum):
        UFUNC_METHODS[ufunc, "outer"] = outer(ufunc)


register()
