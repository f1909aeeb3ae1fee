"""How NumPy's functions are recorded: those that reduce, multiply and choose. What moves entries is in `layout`."""

from __future__ import annotations

import functools
import string
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph import layout
from fastcheck.engines.graph.arithmetic import (
    Cumulative,
    Product,
    Total,
    size_of,
)
from fastcheck.engines.graph.choices import Choice
from fastcheck.engines.graph.layout import array, in_double
from fastcheck.engines.graph.matrices import Cholesky, LogDeterminant, Solve
from fastcheck.engines.graph.movement import Selected
from fastcheck.engines.graph.nodes import Node
from fastcheck.engines.graph.products import Einsum
from fastcheck.engines.graph.recorded import (
    FUNCTIONS,
    UFUNC_METHODS,
    Recorded,
    fixed,
    kept,
    operand_of,
    recorded,
    stepped,
    values_of,
)
from fastcheck.engines.graph.steps import Guard
from fastcheck.engines.graph.tape import current_tape

NOTHING = object()

WITHOUT_SLOPE = (
    "argmax argmin argsort argpartition any all count_nonzero isclose searchsorted digitize around fix round"
)
"""Functions whose result is an index, a truth value, or rounded."""

DECIDING = "nonzero flatnonzero argwhere allclose array_equal array_equiv"
"""Functions of whose result the cost makes its way."""

FACTUAL = "shape size ndim iscomplexobj isrealobj isscalar result_type may_share_memory shares_memory"
"""Functions of what does not depend on values."""


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes that are reduced, none negative."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(int(k) % ndim for k in (axis if isinstance(axis, (tuple, list)) else (axis,)))


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


def extreme(function: Callable[..., Any], index: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records np.max or np.min: the first of the largest is picked."""

    def rule(
        x: Any, axis: Any = None, *, keepdims: Any = False, initial: Any = NOTHING, where: Any = True
    ) -> Any:
        x = array(x)
        if where is not True and initial is not NOTHING:
            x = FUNCTIONS[np.where](where, x, initial)
        values = values_of(x)
        value = function(values, axis=axis, keepdims=bool(keepdims))
        axes = axes_of(axis, x.ndim)
        rest = [k for k in range(x.ndim) if k not in axes]
        lengths = [x.shape[k] for k in rest]

        def places(values: Any) -> Any:
            first, flat = (
                part.transpose(*rest, *axes).reshape(*lengths, -1)
                for part in (values, layout.numbers(values.shape))
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


def without_slope(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what computes a function whose result has no slope: indices, truth values, rounded numbers."""

    def rule(*arguments: Any, **keywords: Any) -> Any:
        named = {name: kept(fixed(x)) for name, x in keywords.items()}
        return stepped(lambda *values: function(*values, **named), *arguments)

    return rule


def deciding(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what computes a function the way of the cost depends on: places of entries, whether arrays are equal."""

    def rule(*arguments: Any, **keywords: Any) -> Any:
        keywords = {name: kept(fixed(x)) for name, x in keywords.items()}
        result = function(*map(values_of, arguments), **keywords)
        operands = [operand_of(x) for x in arguments]
        if any(isinstance(x, Node) for x in operands):
            current_tape().add(Guard(lambda *values: function(*values, **keywords), result, operands))
        return result

    return rule


def factual(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what computes a function of shapes and dtypes."""
    return lambda *arguments, **keywords: function(*map(values_of, arguments), **keywords)


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
        x = FUNCTIONS[np.where](where, x, 1.0)
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


def where(condition: Any, *branches: Any) -> Any:
    """Record np.where."""
    if not branches:
        return FUNCTIONS[np.nonzero](condition)
    mask = condition if np.asarray(values_of(condition)).dtype == np.bool_ else np.not_equal(condition, 0)
    return recorded(np.where(values_of(mask), *map(values_of, branches)), Choice, mask, *branches)


def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Record np.clip."""
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    if low is None and high is None:
        return np.positive(x)
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Record np.nan_to_num."""
    result = where(np.isfinite(x), x, np.nan_to_num(values_of(x), True, nan, posinf, neginf))
    if copy or not np.ndim(x):
        return result
    x[...] = result
    return x


def dot(x: Any, y: Any) -> Any:
    """Record np.dot."""
    x, y = array(x), array(y)
    if x.ndim == 0 or y.ndim == 0:
        return np.multiply(x, y)
    return np.matmul(x, y) if y.ndim <= 2 else tensordot(x, y, ((-1,), (-2,)))


def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """Record np.tensordot: one product of matrices."""
    x, y = array(x), array(y)
    if isinstance(axes, (int, np.integer)):
        first, second = tuple(range(x.ndim - int(axes), x.ndim)), tuple(range(int(axes)))
    else:
        first, second = axes_of(axes[0], x.ndim), axes_of(axes[1], y.ndim)
    rows = [k for k in range(x.ndim) if k not in first]
    columns = [k for k in range(y.ndim) if k not in second]
    inside = int(np.prod([x.shape[k] for k in first], dtype=int))
    left = np.reshape(np.transpose(x, [*rows, *first]), (-1, inside))
    right = np.reshape(np.transpose(y, [*second, *columns]), (inside, -1))
    return np.reshape(left @ right, [*(x.shape[k] for k in rows), *(y.shape[k] for k in columns)])


def inner(x: Any, y: Any) -> Any:
    """Record np.inner."""
    x, y = array(x), array(y)
    return np.multiply(x, y) if x.ndim == 0 or y.ndim == 0 else tensordot(x, y, ((-1,), (-1,)))


def outer(x: Any, y: Any) -> Any:
    """Record np.outer."""
    return np.multiply(np.reshape(x, (-1, 1)), np.reshape(y, (1, -1)))


def einsum(subscripts: Any, *operands: Any, optimize: Any = False, **keywords: Any) -> Any:
    """Record np.einsum."""
    if not isinstance(subscripts, str) or keywords:
        raise current_tape().refusal("np.einsum", "only subscripts as text are recorded.")
    arrays = [in_double(array(x)) for x in operands]
    terms, out = labels_of(subscripts, [x.ndim for x in arrays])
    for k, term in enumerate(terms):
        while len(set(term)) < len(term):
            double = next(label for label in term if term.count(label) > 1)
            a, b = [axis for axis, label in enumerate(term) if label == double][:2]
            arrays[k] = np.diagonal(arrays[k], 0, a, b)
            term = "".join(label for axis, label in enumerate(term) if axis not in (a, b)) + double
        terms[k] = term
    value = np.einsum(f"{','.join(terms)}->{out}", *map(values_of, arrays), optimize=len(arrays) > 2)
    return recorded(np.array(value)[()], lambda value, taken: Einsum(value, taken, terms, out), *arrays)


def labels_of(subscripts: str, ranks: list[int]) -> tuple[list[str], str]:
    """Return the labels of operands and result, the ellipsis and the result written out."""
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    spare = [label for label in string.ascii_letters if label not in subscripts]
    depths = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    depth = max((d for term, d in zip(terms, depths, strict=True) if "..." in term), default=0)
    stack = "".join(spare[:depth])
    terms = [
        term.replace("...", stack[depth - d :] if d else "") for term, d in zip(terms, depths, strict=True)
    ]
    if arrow:
        return terms, out.replace("...", stack)
    joined = "".join(terms)
    once = "".join(sorted(label for label in set(joined) if joined.count(label) == 1 and label not in stack))
    return terms, stack + once


def solve(x: Any, y: Any) -> Any:
    """Record np.linalg.solve."""
    x, y = array(x), array(y)
    if y.ndim == 1:
        return np.reshape(solve(x, np.reshape(y, (-1, 1))), (-1,))
    return recorded(np.linalg.solve(values_of(x), values_of(y)), Solve, x, y)


def inv(x: Any) -> Any:
    """Record np.linalg.inv."""
    return solve(x, np.broadcast_to(np.eye(x.shape[-1]), x.shape).copy())


def cholesky(x: Any, *, upper: bool = False) -> Any:
    """Record np.linalg.cholesky, which reads the lower triangle."""
    result = recorded(np.linalg.cholesky(values_of(x)), Cholesky, x)
    return np.swapaxes(result, -1, -2) if upper else result


def slogdet(x: Any) -> Any:
    """Record np.linalg.slogdet."""
    kind = type(np.linalg.slogdet(np.eye(1)))
    sign = stepped(lambda values: np.linalg.slogdet(values)[0], x)
    return kind(sign, recorded(np.linalg.slogdet(values_of(x))[1], LogDeterminant, x))


def det(x: Any) -> Any:
    """Record np.linalg.det."""
    sign, log = slogdet(x)
    return np.multiply(sign, np.exp(log))


def ordered(function: Callable[..., Any], index: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records np.sort or np.partition."""

    def rule(x: Any, *arguments: Any, axis: Any = -1, kind: Any = None, **_: Any) -> Any:
        if function is np.sort and arguments:
            axis, arguments = arguments[0], arguments[1:]
        x = np.ravel(x) if axis is None else array(x)
        at = -1 if axis is None else axis
        axes = axes_of(at, x.ndim)

        def places(values: Any) -> Any:
            return np.take_along_axis(layout.numbers(values.shape), index(values, *arguments, axis=at), at)

        value = np.empty_like(values_of(x))
        value[...] = np.take(values_of(x), places(values_of(x)))
        return recorded(
            value, lambda value, taken: Selected(value, taken[0], places, axes, function.__name__), x
        )

    return rule


def ptp(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Record np.ptp."""
    return np.max(x, axis=axis, keepdims=keepdims) - np.min(x, axis=axis, keepdims=keepdims)


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Record np.trace."""
    return np.sum(np.diagonal(x, offset, axis1, axis2), axis=-1)


def reducing(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records ufunc.reduce, whose default axis is the first."""
    return lambda x, axis=0, **keywords: rule(x, axis, **keywords)


def register() -> None:
    """Fill the table."""
    FUNCTIONS.update({np.sum: sum_, np.mean: mean, np.average: average, np.var: var, np.std: std})
    largest, smallest = extreme(np.max, np.argmax), extreme(np.min, np.argmin)
    FUNCTIONS.update({np.max: largest, np.amax: largest, np.min: smallest, np.amin: smallest, np.ptp: ptp})
    FUNCTIONS.update({np.prod: prod, np.cumsum: cumsum, np.where: where, np.clip: clip})
    FUNCTIONS.update({np.nan_to_num: nan_to_num, np.real: lambda x: x})
    FUNCTIONS.update({np.dot: dot, np.inner: inner, np.outer: outer, np.tensordot: tensordot})
    FUNCTIONS.update({np.vdot: lambda x, y: dot(np.ravel(x), np.ravel(y)), np.einsum: einsum})
    FUNCTIONS.update({np.trace: trace, np.linalg.solve: solve, np.linalg.inv: inv})
    FUNCTIONS[np.linalg.cholesky] = cholesky
    FUNCTIONS.update({np.linalg.slogdet: slogdet, np.linalg.det: det})
    FUNCTIONS.update({np.sort: ordered(np.sort, functools.partial(np.argsort, kind="stable"))})
    FUNCTIONS[np.partition] = ordered(np.partition, np.argpartition)
    for names, rule in ((WITHOUT_SLOPE, without_slope), (DECIDING, deciding), (FACTUAL, factual)):
        for name in names.split():
            FUNCTIONS[getattr(np, name)] = rule(getattr(np, name))
    for ufunc, reduction in (
        (np.add, sum_),
        (np.multiply, prod),
        (np.maximum, largest),
        (np.minimum, smallest),
        (np.logical_and, without_slope(np.all)),
        (np.logical_or, without_slope(np.any)),
    ):
        UFUNC_METHODS[ufunc, "reduce"] = reducing(reduction)
    UFUNC_METHODS[np.add, "accumulate"] = lambda x, axis=0: cumsum(x, axis)


register()

__all__ = ["Recorded", "axes_of"]
