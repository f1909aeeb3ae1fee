"""How functions are recorded that choose entries, or decide: where, clip, sort, comparisons and indices."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.choices import Choice
from fastcheck.engines.graph.nodes.decisions import Guard
from fastcheck.engines.graph.nodes.movement import Selected
from fastcheck.engines.graph.nodes.node import Node
from fastcheck.engines.graph.rules.layout import array, axes_of, numbers
from fastcheck.engines.graph.rules.tables import FUNCTIONS
from fastcheck.engines.graph.tracing.operands import (
    as_is_now,
    fixed,
    operand_of,
    recorded,
    stepped,
    values_of,
)
from fastcheck.engines.graph.tracing.tape import current_tape

WITHOUT_SLOPE = (
    "argmax argmin argsort argpartition any all count_nonzero isclose searchsorted digitize around fix round"
)
"""Functions whose result is an index, a truth value, or rounded."""


DECIDING = "nonzero flatnonzero argwhere allclose array_equal array_equiv"
"""Functions by whose result the cost decides what to do."""


FACTUAL = "shape size ndim iscomplexobj isrealobj isscalar result_type may_share_memory shares_memory"
"""Functions of what does not depend on values."""


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


def ordered(function: Callable[..., Any], index: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records np.sort or np.partition."""

    def rule(x: Any, *arguments: Any, axis: Any = -1, kind: Any = None, **_: Any) -> Any:
        if function is np.sort and arguments:
            axis, arguments = arguments[0], arguments[1:]
        x = np.ravel(x) if axis is None else array(x)
        at = -1 if axis is None else axis
        axes = axes_of(at, x.ndim)

        def places(values: Any) -> Any:
            return np.take_along_axis(numbers(values.shape), index(values, *arguments, axis=at), at)

        value = np.empty_like(values_of(x))
        value[...] = np.take(values_of(x), places(values_of(x)))
        return recorded(
            value, lambda value, taken: Selected(value, taken[0], places, axes, function.__name__), x
        )

    return rule


def without_slope(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what computes a function whose result has no slope: indices, truth values, rounded numbers."""

    def rule(*arguments: Any, **keywords: Any) -> Any:
        named = {name: as_is_now(fixed(x)) for name, x in keywords.items()}
        return stepped(lambda *values: function(*values, **named), *arguments)

    return rule


def deciding(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what computes a function by which the cost decides: places of entries, whether arrays are equal."""

    def rule(*arguments: Any, **keywords: Any) -> Any:
        keywords = {name: as_is_now(fixed(x)) for name, x in keywords.items()}
        result = function(*map(values_of, arguments), **keywords)
        operands = [operand_of(x) for x in arguments]
        if any(isinstance(x, Node) for x in operands):
            current_tape().add(Guard(lambda *values: function(*values, **keywords), result, operands))
        return result

    return rule


def factual(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what computes a function of shapes and dtypes."""
    return lambda *arguments, **keywords: function(*map(values_of, arguments), **keywords)


FUNCTIONS |= {
    np.where: where,
    np.clip: clip,
    np.nan_to_num: nan_to_num,
    np.sort: ordered(np.sort, functools.partial(np.argsort, kind="stable")),
    np.partition: ordered(np.partition, np.argpartition),
}
for names, rule in ((WITHOUT_SLOPE, without_slope), (DECIDING, deciding), (FACTUAL, factual)):
    FUNCTIONS |= {getattr(np, name): rule(getattr(np, name)) for name in names.split()}
