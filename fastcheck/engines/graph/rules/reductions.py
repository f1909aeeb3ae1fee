"""How functions are recorded that reduce axes: sums, means, products, extrema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.movement import Selected
from fastcheck.engines.graph.nodes.smooth import Cumulative, Product, Total, size_of
from fastcheck.engines.graph.rules import choosing
from fastcheck.engines.graph.rules.layout import array, axes_of, numbers
from fastcheck.engines.graph.rules.tables import FUNCTIONS, UFUNC_METHODS
from fastcheck.engines.graph.tracing.operands import recorded, values_of

NOTHING = object()


def total(
    function: Callable[..., Any], mean: bool, x: Any, axis: Any, keepdims: Any, where: Any = True
) -> Any:
    """Record a sum or mean."""
    x = array(x)
    if where is not True:
        mask = np.multiply(where, np.ones(x.shape))
        summed = total(np.sum, False, np.multiply(x, mask), axis, keepdims)
        return summed if not mean else summed / np.sum(mask, axis, keepdims=keepdims)
    axes = axes_of(axis, x.ndim)
    value = function(values_of(x), axis=axis, keepdims=bool(keepdims))
    factor = 1.0 / max(1, size_of(axes, x.shape)) if mean else 1.0
    return recorded(value, lambda value, taken: Total(value, taken[0], axes, bool(keepdims), factor), x)


def sum_(
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    *,
    keepdims: Any = False,
    where: Any = True,
    initial: Any = NOTHING,
) -> Any:
    """Record np.sum."""
    result = total(np.sum, False, x, axis, keepdims, where)
    return result if initial is NOTHING else result + initial


def mean(x: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False, where: Any = True) -> Any:
    """Record np.mean."""
    return total(np.mean, True, x, axis, keepdims, where)


def average(x: Any, axis: Any = None, weights: Any = None, returned: bool = False, **_: Any) -> Any:
    """Record np.average."""
    x = array(x)
    if weights is None:
        return mean(x, axis)
    weights = array(weights)
    if weights.shape != x.shape and isinstance(axis, int):
        shape = [1] * x.ndim
        shape[axis] = -1
        weights = np.reshape(weights, shape)
    weights = weights + np.zeros(x.shape)
    return sum_(x * weights, axis) / sum_(weights, axis)


def var(
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: Any = 0,
    *,
    keepdims: Any = False,
    correction: Any = None,
) -> Any:
    """Record np.var: the mean square of what is left of the mean."""
    x = array(x)
    n = size_of(axes_of(axis, x.ndim), x.shape)
    return sum_(np.square(x - mean(x, axis, keepdims=True)), axis, keepdims=keepdims) / (
        n - (ddof if correction is None else correction)
    )


def std(x: Any, axis: Any = None, dtype: Any = None, ddof: Any = 0, **keywords: Any) -> Any:
    """Record np.std."""
    return np.sqrt(var(x, axis, dtype, ddof, **keywords))


def prod(
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    *,
    keepdims: Any = False,
    initial: Any = NOTHING,
    where: Any = True,
) -> Any:
    """Record np.prod."""
    if where is not True:
        x = choosing.where(where, x, 1.0)
    if initial is not NOTHING:
        return np.multiply(initial, prod(x, axis, keepdims=keepdims))
    x = array(x)
    axes = axes_of(axis, x.ndim)
    rest = [k for k in range(x.ndim) if k not in axes]
    last = np.reshape(np.transpose(x, [*rest, *axes]), (*(x.shape[k] for k in rest), -1))
    result = recorded(np.prod(values_of(last), axis=-1), lambda value, taken: Product(value, taken), last)
    if not keepdims:
        return result
    return np.reshape(result, [1 if k in axes else n for k, n in enumerate(x.shape)])


def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Record np.cumsum."""
    x = np.ravel(array(x)) if axis is None else array(x)
    at = (0 if axis is None else int(axis)) % x.ndim
    return recorded(np.cumsum(values_of(x), axis=at), lambda value, taken: Cumulative(value, taken[0], at), x)


def extreme(function: Callable[..., Any], index: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records np.max or np.min: the first of the largest is picked."""

    def rule(
        x: Any, axis: Any = None, *, keepdims: Any = False, initial: Any = NOTHING, where: Any = True
    ) -> Any:
        x = array(x)
        if where is not True and initial is not NOTHING:
            x = choosing.where(where, x, initial)
        values = values_of(x)
        value = function(values, axis=axis, keepdims=bool(keepdims))
        axes = axes_of(axis, x.ndim)
        rest = [k for k in range(x.ndim) if k not in axes]
        lengths = [x.shape[k] for k in rest]

        def places(values: Any) -> Any:
            first, flat = (
                part.transpose(*rest, *axes).reshape(*lengths, size_of(axes, x.shape))
                for part in (values, numbers(values.shape))
            )
            picked = np.take_along_axis(flat, index(first, axis=-1)[..., None], -1)
            return picked.reshape(np.shape(value))

        result = recorded(
            value, lambda value, taken: Selected(value, taken[0], places, axes, function.__name__), x
        )
        if initial is NOTHING:
            return result
        return (np.maximum if function is np.max else np.minimum)(result, initial)

    return rule


def ptp(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Record np.ptp."""
    return np.max(x, axis=axis, keepdims=keepdims) - np.min(x, axis=axis, keepdims=keepdims)


def reducing(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records ufunc.reduce, whose default axis is the first."""
    return lambda x, axis=0, **keywords: rule(x, axis, **keywords)


largest, smallest = extreme(np.max, np.argmax), extreme(np.min, np.argmin)

FUNCTIONS |= {
    np.sum: sum_,
    np.mean: mean,
    np.average: average,
    np.var: var,
    np.std: std,
    np.prod: prod,
    np.cumsum: cumsum,
    np.max: largest,
    np.amax: largest,
    np.min: smallest,
    np.amin: smallest,
    np.ptp: ptp,
}

UFUNC_METHODS |= {
    (np.add, "reduce"): reducing(sum_),
    (np.multiply, "reduce"): reducing(prod),
    (np.maximum, "reduce"): reducing(largest),
    (np.minimum, "reduce"): reducing(smallest),
    (np.logical_and, "reduce"): reducing(choosing.without_slope(np.all)),
    (np.logical_or, "reduce"): reducing(choosing.without_slope(np.any)),
    (np.add, "accumulate"): lambda x, axis=0: cumsum(x, axis),
}
