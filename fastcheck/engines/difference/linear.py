"""Where a step is so small that a smooth function is linear over it, to the last bit.

The difference of f over d is ``f'(x)·d·(1 + r)`` with ``|r| ≤ |d| / R(x)``, where R follows from the second derivative.
As long as ``|d| ≤ R(x)·2⁻⁵⁵`` the remainder is below half a unit in the last place of the difference: the one-term
series *is* the difference in float64, and keeps its form, so that only the coefficient that all members share is
touched.
The condition is tested for every entry and all members of a batch; where it fails the identity takes over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.difference.forms import Array, Form, Shape, combined, gather, largest, lift, smallest

NEGLIGIBLE = 2.0**-55
"""A relative remainder that rounds away."""

Operand = tuple[Any, Form | None]


def one(x: Array) -> float:
    """Return R = 1: the remainder is at most |d|."""
    return 1.0


def logistic(x: Array) -> Array:
    """Return 1 / (1 + e⁻ˣ)."""
    return np.asarray(1 / (1 + np.exp(-x)))


SERIES: dict[str, tuple[Callable[[Array], Any], Callable[[Array], Any]]] = {
    "exp": (np.exp, one),
    "exp2": (lambda x: math.log(2) * np.exp2(x), one),
    "expm1": (np.exp, one),
    "log": (np.reciprocal, np.abs),
    "log2": (lambda x: 1 / (x * math.log(2)), np.abs),
    "log10": (lambda x: 1 / (x * math.log(10)), np.abs),
    "log1p": (lambda x: 1 / (1 + x), lambda x: np.abs(1 + x)),
    "sqrt": (lambda x: 0.5 / np.sqrt(x), np.abs),
    "square": (lambda x: 2 * x, np.abs),
    "reciprocal": (lambda x: -1 / (x * x), np.abs),
    "tanh": (lambda x: 1 / np.cosh(x) ** 2, one),
    "sinh": (np.cosh, one),
    "cosh": (np.sinh, lambda x: np.abs(np.tanh(x))),
    "sin": (np.cos, lambda x: np.abs(np.cos(x))),
    "cos": (lambda x: -np.sin(x), lambda x: np.abs(np.sin(x))),
    "arctan": (lambda x: 1 / (1 + x * x), one),
    "arcsinh": (lambda x: 1 / np.sqrt(1 + x * x), one),
    "expit": (lambda x: logistic(x) * logistic(-x), one),
    "log_expit": (lambda x: logistic(-x), one),
    "erf": (lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x), lambda x: 1 / (1 + np.abs(x))),
    "erfc": (lambda x: -2 / math.sqrt(math.pi) * np.exp(-x * x), lambda x: 1 / (1 + np.abs(x))),
}
"""Name → f' and R."""


def to_the_last_bit(name: str, operands: Sequence[Operand], shape: Shape) -> Form | None:
    """Return the difference as a multiple of the operands', or None where it is not one to the last bit."""
    if len(operands) == 1:
        ((x, f),) = operands
        return None if f is None or name not in SERIES else series(*SERIES[name], np.asarray(x), f, shape)
    (x, f), (y, g) = operands
    if name == "power" and g is None and f is not None and np.ndim(y) == 0:
        exponent = float(y)
        steepness = max(1.0, abs(exponent - 1))
        return series(
            lambda x: exponent * np.power(x, exponent - 1),
            lambda x: np.abs(x) / steepness,
            np.asarray(x),
            f,
            shape,
        )
    if f is None or g is None:
        return None
    if name == "multiply" and (within(f, np.abs(x), shape) or within(g, np.abs(y), shape)):
        return combined(np.add, f.scaled(np.asarray(y), shape), g.scaled(np.asarray(x), shape), shape)
    if name == "divide" and within(g, np.abs(y), shape):
        return combined(np.subtract, f.scaled(1 / y, shape), g.scaled(x / y / y, shape), shape)
    return None


def series(
    slope: Callable[[Array], Any], radius: Callable[[Array], Any], x: Array, f: Form, shape: Shape
) -> Form | None:
    """Return f'(x)·d, or None where some d is too large for it."""
    if not within(f, radius(x), shape):
        return None
    return f.scaled(np.asarray(slope(x)), shape, given=True)


def within(f: Form, radius: Any, shape: Shape) -> bool:
    """Whether every difference is 0 or so small beside its radius that the remainder rounds away."""
    if f.peak() <= NEGLIGIBLE * (radius if isinstance(radius, float) else smallest(radius)):
        return True
    if f.coef is None and f.peak() > NEGLIGIBLE * largest(radius):
        return False  # whichever entry it is, without looking for it
    f = f.lifted(shape)
    limits = gather(lift(radius, len(shape)), f.at)
    limit = limits[0] if len(limits) == 1 else limits.min(axis=0)
    size = f.magnitude()
    return bool(((size <= NEGLIGIBLE * limit) | (size == 0)).all())
