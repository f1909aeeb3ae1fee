"""NumPy's functions of numerical work (interpolation, differences, NaN), written as others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.rules.layout import array, axes_of, concatenate, in_double, numbers, ravel, stack
from fastcheck.engines.graph.rules.tables import FUNCTIONS, UFUNCS
from fastcheck.engines.graph.tracing.operands import constant, fixed, stepped, values_of
from fastcheck.engines.graph.tracing.tape import current_tape

LARGEST = float(np.finfo(float).max) / 4


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Record np.interp: between two knots, those on both sides of each x."""
    x, xp, fp = (in_double(array(part)) for part in (x, xp, fp))
    if period is not None:
        period = abs(period)
        x, xp = np.mod(x, period), np.mod(xp, period)
        order = fixed(np.argsort(xp))
        xp, fp = xp[order], fp[order]
        xp = concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = concatenate([fp[-1:], fp, fp[:1]])
    at = np.clip(np.searchsorted(xp, x, side="right"), 1, np.shape(xp)[0] - 1)
    at = np.asarray(fixed(at))
    slopes = (fp[1:] - fp[:-1]) / (xp[1:] - xp[:-1])
    inside = slopes[at - 1] * (x - xp[at - 1]) + fp[at - 1]
    below = np.where(np.less(x, xp[0]), fp[0] if left is None else left, inside)
    return np.where(np.greater(x, xp[-1]), fp[-1] if right is None else right, below)


def insert(x: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """Record np.insert: entries of both, in a new order."""
    x, values = array(x), array(values)
    size = math.prod(x.shape)
    places = np.insert(numbers(x.shape), fixed(obj), size + numbers(values.shape), axis)
    return concatenate([ravel(x), ravel(values)])[places]


def kron(a: Any, b: Any) -> Any:
    """Record np.kron."""
    a, b = array(a), array(b)
    rank = max(a.ndim, b.ndim)
    first, second = ((*(1,) * (rank - x.ndim), *x.shape) for x in (a, b))
    left = np.reshape(a, [n for k in first for n in (k, 1)])
    right = np.reshape(b, [n for k in second for n in (1, k)])
    return np.reshape(np.multiply(left, right), [m * n for m, n in zip(first, second, strict=True)])


def without_nan(fill: float, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records np.nansum and its like: the function, of an array with a number in place of NaN."""

    def rule(x: Any, *arguments: Any, **keywords: Any) -> Any:
        x = array(x)
        return function(np.where(np.isnan(x), fill, x), *arguments, **keywords)

    return rule


def nan_extreme(fill: float, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records np.nanmax or np.nanmin."""

    def rule(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
        x = array(x)
        missing = np.isnan(x)
        result = function(np.where(missing, fill, x), axis=axis, keepdims=keepdims)
        return np.where(np.all(missing, axis=axis, keepdims=keepdims), np.nan, result)[()]

    return rule


def nan_mean(x: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False) -> Any:
    """Record np.nanmean."""
    x = array(x)
    known = np.logical_not(np.isnan(x))
    summed = np.sum(np.where(known, x, 0.0), axis=axis, keepdims=keepdims)
    return summed / np.sum(known, axis=axis, keepdims=keepdims)


def nan_var(
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: Any = 0,
    *,
    keepdims: Any = False,
    correction: Any = None,
) -> Any:
    """Record np.nanvar."""
    x = array(x)
    known = np.logical_not(np.isnan(x))
    apart = np.where(known, x - nan_mean(x, axis, keepdims=True), 0.0)
    count = np.sum(known, axis=axis, keepdims=keepdims) - (ddof if correction is None else correction)
    return np.sum(np.square(apart), axis=axis, keepdims=keepdims) / count


def nan_std(*arguments: Any, **keywords: Any) -> Any:
    """Record np.nanstd."""
    return np.sqrt(nan_var(*arguments, **keywords))


def nan_median(x: Any, axis: Any = None, *, keepdims: Any = False, **_: Any) -> Any:
    """Record np.nanmedian: the middle of what is known, line by line."""
    x = array(x)
    axes = axes_of(axis, x.ndim)
    rest = [k for k in range(x.ndim) if k not in axes]
    lines = np.reshape(np.transpose(x, [*rest, *axes]), (-1, math.prod(x.shape[k] for k in axes)))
    medians = [np.median(line[np.logical_not(np.isnan(line))]) for line in lines]
    shape = [1 if k in axes else n for k, n in enumerate(x.shape) if keepdims or k not in axes]
    return np.reshape(stack(medians), shape)[()]


def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """Record np.trapezoid."""
    y = np.moveaxis(array(y), axis, -1)
    if x is not None:
        x = array(x)
        dx = np.diff(x if x.ndim == 1 else np.moveaxis(x, axis, -1))
    return np.sum(dx * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Record np.cross, of vectors of three."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(array(a), axisa, -1), np.moveaxis(array(b), axisb, -1)
    if np.shape(a)[-1] != 3 or np.shape(b)[-1] != 3:
        raise current_tape().refusal("np.cross", "only vectors of three are recorded.")
    after, before = [1, 2, 0], [2, 0, 1]
    return np.moveaxis(a[..., after] * b[..., before] - a[..., before] * b[..., after], -1, axisc)


def gradient(x: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Record np.gradient: differences to both sides, along one axis after the other."""
    x = array(x)
    axes = axes_of(axis, x.ndim)
    spacings = list(varargs) * (len(axes) if len(varargs) == 1 else 1) or [1.0] * len(axes)
    slopes = [
        np.moveaxis(_slopes(np.moveaxis(x, at, 0), array(spacing), edge_order), 0, at)
        for at, spacing in zip(axes, spacings, strict=True)
    ]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slopes(y: Any, spacing: Any, edge_order: int) -> Any:
    """Return the slopes along the first axis."""
    h = np.diff(spacing) if np.ndim(spacing) else spacing * np.ones(len(y) - 1)
    h = np.reshape(h, (-1, *(1,) * (y.ndim - 1)))
    rise = (y[1:] - y[:-1]) / h
    inner = (h[:-1] * rise[1:] + h[1:] * rise[:-1]) / (h[:-1] + h[1:])
    first, last = rise[:1], rise[-1:]
    if edge_order == 2:
        first = rise[:1] + (rise[:1] - rise[1:2]) * h[:1] / (h[:1] + h[1:2])
        last = rise[-1:] + (rise[-1:] - rise[-2:-1]) * h[-1:] / (h[-1:] + h[-2:-1])
    return concatenate([first, inner, last])


def ediff1d(x: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Record np.ediff1d."""
    parts = [to_begin, np.diff(ravel(x)), to_end]
    return concatenate([ravel(part) for part in parts if part is not None])


def cumulative(function: Callable[..., Any], start: float) -> Callable[..., Any]:
    """Return what records np.cumulative_sum or np.cumulative_prod."""

    def rule(x: Any, /, *, axis: Any = None, include_initial: bool = False, dtype: Any = None) -> Any:
        x = array(x)
        axis = 0 if axis is None else axis
        result = function(x, axis=axis)
        if not include_initial:
            return result
        shape = [1 if k == axis % x.ndim else n for k, n in enumerate(x.shape)]
        return concatenate([np.full(shape, start), result], axis)

    return rule


def apply_along_axis(func1d: Any, axis: int, x: Any, *arguments: Any, **keywords: Any) -> Any:
    """Record np.apply_along_axis: the function, line by line."""
    x = np.moveaxis(array(x), axis, -1)
    rest = x.shape[:-1]
    results = [array(func1d(x[place], *arguments, **keywords)) for place in np.ndindex(*rest)]
    joined = np.reshape(stack(results), (*rest, *np.shape(results[0])))
    at, depth = int(axis) % x.ndim, np.ndim(results[0])
    return np.moveaxis(joined, range(len(rest), len(rest) + depth), range(at, at + depth))


def apply_over_axes(function: Any, x: Any, axes: Any) -> Any:
    """Record np.apply_over_axes: the function over one axis after the other."""
    x = array(x)
    for at in np.atleast_1d(axes):
        result = function(x, int(at))
        x = result if np.ndim(result) == x.ndim else np.expand_dims(result, int(at))
    return x


def piecewise(x: Any, condlist: Any, funclist: Any, *arguments: Any, **keywords: Any) -> Any:
    """Record np.piecewise: where several conditions hold, the last."""
    x = array(x)
    conditions = fixed(condlist)
    if np.ndim(conditions) == np.ndim(x):
        conditions = [conditions]
    conditions = [np.asarray(c, dtype=bool) for c in conditions]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.any(conditions, axis=0))
    result = constant(np.zeros(np.shape(x)))
    for condition, function in zip(conditions, funclist, strict=True):
        if callable(function):
            inside = x[condition]
            if np.size(inside):
                result[condition] = function(inside, *arguments, **keywords)
        else:
            result[condition] = function
    return result


def cov(
    x: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, **keywords: Any
) -> Any:
    """Record np.cov, without weights."""
    if any(value is not None for value in keywords.values()):
        raise current_tape().refusal("np.cov", "weights are not recorded.")
    x = np.atleast_2d(array(x))
    x = x.T if not rowvar and np.shape(x)[0] != 1 else x
    if y is not None:
        y = np.atleast_2d(array(y))
        x = concatenate([x, y.T if not rowvar and np.shape(y)[0] != 1 else y])
    x = x - np.mean(x, axis=1, keepdims=True)
    count = np.shape(x)[1] - ((0 if bias else 1) if ddof is None else ddof)
    return np.squeeze(np.matmul(x, x.T) / count)


def corrcoef(x: Any, y: Any = None, rowvar: bool = True, **_: Any) -> Any:
    """Record np.corrcoef, which clips what rounding left above 1."""
    c = cov(x, y, rowvar)
    if np.ndim(c) == 0:
        return c / c
    spread = np.sqrt(np.diag(c))
    return c / np.reshape(spread, (-1, 1)) / spread


def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """Record np.unwrap: the phase and whole periods."""
    p = np.moveaxis(array(p), axis, -1)
    half, apart = period / 2, np.diff(p)
    turns = np.where(
        np.greater(apart, 0), np.ceil((apart - half) / period), np.floor((apart + half) / period)
    )
    turns = np.where(np.less(np.absolute(apart), half if discont is None else discont), 0.0, turns)
    return np.moveaxis(concatenate([p[..., :1], p[..., 1:] - period * np.cumsum(turns, -1)], -1), -1, axis)


def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """Record np.bincount: recorded weights, added up."""
    places = np.asarray(fixed(x))
    if weights is None:
        return np.bincount(places, minlength=minlength)
    result = constant(np.zeros(max(int(minlength), int(places.max(initial=-1)) + 1)))
    np.add.at(result, places, array(weights))
    return result


def fraction(x: Any) -> tuple[Any, Any]:
    """Record np.modf: what is behind the point has the slope of x."""
    whole = np.trunc(x)
    return x - whole, whole


def division(x: Any, y: Any) -> tuple[Any, Any]:
    """Record divmod."""
    return np.floor_divide(x, y), np.remainder(x, y)


def remainder_to_zero(x: Any, y: Any) -> Any:
    """Record np.fmod."""
    return x - np.trunc(np.divide(x, y)) * y


def logaddexp2(x: Any, y: Any) -> Any:
    """Record np.logaddexp2."""
    log2 = math.log(2.0)
    return np.logaddexp(np.multiply(x, log2), np.multiply(y, log2)) / log2


def copysign(x: Any, y: Any) -> Any:
    """Record np.copysign."""
    return np.multiply(np.absolute(x), np.where(np.signbit(y), -1.0, 1.0))


def nan_quantile(x: Any, q: Any, axis: Any = None, **keywords: Any) -> Any:
    """Record np.nanquantile of a whole array."""
    if axis is not None:
        raise current_tape().refusal("np.nanquantile", "an axis is not recorded: take it line by line.")
    x = ravel(x)
    return np.quantile(x[np.logical_not(np.isnan(x))], q, **keywords)


def stepping(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what computes a function without slope."""

    def rule(x: Any, *arguments: Any, **keywords: Any) -> Any:
        def of(x: Any) -> Any:
            return function(x, *map(values_of, arguments), **keywords)

        return stepped(of, x)

    return rule


def lexsort(keys: Any, axis: int = -1) -> Any:
    """Record np.lexsort."""
    return stepped(lambda *rows: np.lexsort(rows, axis), *keys)


FUNCTIONS |= {
    np.interp: interp,
    np.insert: insert,
    np.kron: kron,
    np.cross: cross,
    np.nansum: without_nan(0.0, np.sum),
    np.nanprod: without_nan(1.0, np.prod),
    np.nancumsum: without_nan(0.0, np.cumsum),
    np.nancumprod: without_nan(1.0, np.cumprod),
    np.nanmax: nan_extreme(-LARGEST, np.max),
    np.nanmin: nan_extreme(LARGEST, np.min),
    np.nanmean: nan_mean,
    np.nanvar: nan_var,
    np.nanstd: nan_std,
    np.nanmedian: nan_median,
    np.gradient: gradient,
    np.ediff1d: ediff1d,
    np.piecewise: piecewise,
    np.bincount: bincount,
    np.apply_along_axis: apply_along_axis,
    np.apply_over_axes: apply_over_axes,
    np.cov: cov,
    np.corrcoef: corrcoef,
    np.unwrap: unwrap,
    np.imag: lambda x: constant(np.zeros(np.shape(x))),
    np.nanquantile: nan_quantile,
    np.nanpercentile: lambda x, q, *arguments, **keywords: nan_quantile(
        x, np.true_divide(q, 100), *arguments, **keywords
    ),
    np.lexsort: lexsort,
    np.dsplit: lambda x, sections: np.split(x, sections, 2),
}

UFUNCS |= {
    np.modf: fraction,
    np.divmod: division,
    np.fmod: remainder_to_zero,
    np.logaddexp2: logaddexp2,
    np.copysign: copysign,
    np.ldexp: lambda x, n: np.multiply(x, np.exp2(fixed(n))),
}

STEPPING = (np.nanargmax, np.nanargmin, np.isneginf, np.isposinf, np.isreal)
"""Functions without slope, of their first argument alone."""

FUNCTIONS |= {function: stepping(function) for function in STEPPING}

for name, rule in (
    ("unstack", lambda x, /, *, axis=0: tuple(np.moveaxis(x, axis, 0))),
    ("astype", lambda x, dtype, /, *, copy=True: x.astype(dtype, copy=copy)),
    ("trapezoid", trapezoid),
    ("trapz", trapezoid),
    ("cumulative_sum", cumulative(np.cumsum, 0.0)),
    ("cumulative_prod", cumulative(np.cumprod, 1.0)),
):
    if name in np.__all__:
        FUNCTIONS[getattr(np, name)] = rule
