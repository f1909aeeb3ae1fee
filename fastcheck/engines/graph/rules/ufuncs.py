"""How ufuncs are recorded."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.choices import Absolute, Extremum
from fastcheck.engines.graph.nodes.products import Matmul
from fastcheck.engines.graph.nodes.smooth import Combination, Elementwise, Multiply
from fastcheck.engines.graph.rules.tables import UFUNC_METHODS, UFUNCS
from fastcheck.engines.graph.rules.zero_norms import root_as_norm, squaring
from fastcheck.engines.graph.tracing.operands import fixed, recorded, stepped, values_of
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape

SMOOTH = (
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "cbrt", "reciprocal"),
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan"),
    *("sinh", "cosh", "tanh", "arcsinh", "arctanh", "logaddexp"),
)
"""Smooth functions of NumPy: each has an identity of its name in `fastcheck.identities`."""

STEPS = [
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "equal",
    "not_equal",
    "logical_and",
    "logical_or",
    "logical_not",
    "logical_xor",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "invert",
    "isnan",
    "isinf",
    "isfinite",
    "signbit",
    "sign",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "floor_divide",
]
"""Functions with few values, whose slope is zero but where they jump."""


def smooth(ufunc: np.ufunc) -> Callable[..., Any]:
    """Return what records a function that has an identity."""
    name = ufunc.__name__

    def rule(*operands: Any) -> Any:
        value = ufunc(*map(values_of, operands))
        return recorded(value, functools.partial(Elementwise, name), *operands)

    return rule


def root(x: Any) -> Any:
    """Record the square root: where it is the norm of a vector of length zero, as that."""
    value = np.sqrt(values_of(x))
    result = root_as_norm(x, value)
    return recorded(value, functools.partial(Elementwise, "sqrt"), x) if result is None else result


def combining(ufunc: np.ufunc, *factors: Any) -> Callable[..., Any]:
    """Return what records a sum with constant factors."""

    def rule(*operands: Any) -> Any:
        value = ufunc(*map(values_of, operands))
        if value.dtype == np.bool_:
            return stepped(ufunc, *operands)
        return recorded(value, lambda value, taken: Combination(value, taken, factors), *operands)

    return rule


def stepping(ufunc: np.ufunc) -> Callable[..., Any]:
    """Return what computes a function without slope."""

    def rule(*operands: Any) -> Any:
        return stepped(ufunc, *operands)

    return rule


def multiply(x: Any, y: Any) -> Any:
    """Record x·y."""
    return recorded(np.multiply(values_of(x), values_of(y)), Multiply, x, y)


def divide(x: Any, y: Any) -> Any:
    """Record x / y: a multiple of x if y is constant, of 1/y if x is."""
    value = np.divide(values_of(x), values_of(y))
    if not _moves(y):
        factor = 1.0 / np.asarray(values_of(y), dtype=float)
        return recorded(value, lambda value, taken: Combination(value, taken, (factor, 0.0)), x, y)
    return recorded(value, functools.partial(Elementwise, "divide"), x, y)


def power(x: Any, y: Any) -> Any:
    """Record xʸ; the usual whole exponents are products."""
    exponent = values_of(y)
    if not _moves(y) and np.ndim(exponent) == 0:
        special = {2.0: np.square, 1.0: np.positive, 0.5: np.sqrt, -1.0: np.reciprocal}.get(float(exponent))
        if special is not None:
            return UFUNCS[special](x)
    return recorded(np.power(values_of(x), exponent), functools.partial(Elementwise, "power"), x, y)


def extremum(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return what records maximum or minimum."""

    def rule(x: Any, y: Any) -> Any:
        return recorded(ufunc(values_of(x), values_of(y)), functools.partial(Extremum, ufunc), x, y)

    return rule


def absolute(x: Any) -> Any:
    """Record |x|."""
    return recorded(np.absolute(values_of(x)), Absolute, x)


def matmul(x: Any, y: Any) -> Any:
    """Record x @ y."""
    return recorded(np.matmul(values_of(x), values_of(y)), Matmul, x, y)


def remainder(x: Any, y: Any) -> Any:
    """Record the remainder of x / y."""
    return np.subtract(x, np.multiply(stepped(np.floor_divide, x, y), y))


def scatter(sign: float) -> Callable[..., None]:
    """Return what records np.add.at or np.subtract.at."""

    def rule(x: Any, key: Any, y: Any) -> None:
        key = tuple(map(fixed, key)) if isinstance(key, tuple) else fixed(key)
        if type(x) is not Recorded:
            if type(y) is Recorded and y.live:
                raise current_tape().refusal("ufunc.at", "it writes a recorded array into a plain one.")
            (np.add if sign > 0 else np.subtract).at(x, key, fixed(y))
            return
        shape = np.shape(x.array[key])
        value = np.multiply(np.broadcast_to(y, shape) if type(y) is not Recorded else y, sign)
        if np.shape(value) != shape:
            value = np.add(value, np.zeros(shape))
        x.write(key, value, adds=True)

    return rule


def _moves(x: Any) -> bool:
    return type(x) is Recorded and x.moves


UFUNCS |= {
    np.add: combining(np.add, 1, 1),
    np.subtract: combining(np.subtract, 1, -1),
    np.positive: combining(np.positive, 1),
    np.negative: combining(np.negative, -1),
    np.conjugate: combining(np.conjugate, 1),
    np.deg2rad: combining(np.deg2rad, np.pi / 180),
    np.radians: combining(np.radians, np.pi / 180),
    np.rad2deg: combining(np.rad2deg, 180 / np.pi),
    np.degrees: combining(np.degrees, 180 / np.pi),
    np.multiply: multiply,
    np.divide: divide,
    np.power: power,
    np.float_power: power,
    np.absolute: absolute,
    np.fabs: absolute,
    np.maximum: extremum(np.maximum),
    np.fmax: extremum(np.fmax),
    np.minimum: extremum(np.minimum),
    np.fmin: extremum(np.fmin),
    np.matmul: matmul,
    np.remainder: remainder,
    np.sqrt: root,
    np.square: squaring(smooth(np.square)),
    np.vecdot: lambda x, y, axis=-1: np.sum(np.multiply(x, y), axis=axis),
}

UFUNC_METHODS |= {
    (np.add, "at"): scatter(1.0),
    (np.subtract, "at"): scatter(-1.0),
}

UFUNCS |= {getattr(np, name): smooth(getattr(np, name)) for name in SMOOTH}
UFUNCS |= {getattr(np, name): stepping(getattr(np, name)) for name in STEPS}
