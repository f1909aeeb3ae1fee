"""Building blocks of the identities: sums and ratios that keep their rounding error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Value = Any
"""A float, or an array of floats: every identity accepts both."""


def where(condition: Value, first: Value, second: Value) -> Value:
    """Return `first` where the condition holds, else `second`."""
    return np.where(condition, first, second)


def two_sum(x: Value, y: Value) -> tuple[Value, Value]:
    """Return ``s = fl(x + y)`` and ``e`` with ``s + e == x + y`` exactly (e = 0 if s is infinite)."""
    s = x + y
    z = s - x
    e = (x - (s - z)) + (y - z)
    return s, where(np.isfinite(s), e, 0.0)


def two_product(x: Value, y: Value) -> tuple[Value, Value]:
    """Return ``p = fl(x·y)`` and ``e`` with ``p + e == x·y`` exactly (Dekker), if in range."""
    p = x * y
    x_high, x_low = split(x)
    y_high, y_low = split(y)
    return p, x_low * y_low - (((p - x_high * y_high) - x_low * y_high) - x_high * y_low)


def split(x: Value) -> tuple[Value, Value]:
    """Return the upper and the lower half of the 53 bits of x."""
    t = 134217729.0 * x  # 2**27 + 1
    high = t - (t - x)
    return high, x - high


def over_product(h: Value, a: Value, b: Value) -> Value:
    """Return ``h / (a·b)``, also where a·b leaves the range of float64."""
    product = a * b
    size = np.abs(product)
    return where((size > 1e-300) & (size < 1e300), h / product, (h / b) / a)


def nonzero(denominator: Value) -> Value:
    """Replace an exact 0, which here only ever divides another exact 0, by 1."""
    return denominator + where(denominator == 0.0, 1.0, 0.0)


def log_ratio(z: Value, ratio: Value) -> Value:
    """Return log(1 + z) where ``ratio`` is 1 + z, computed without cancellation.

    log1p is ill-conditioned near z = -1 and the logarithm near ratio = 1, so each is used away from there.
    """
    return where(z < -0.5, np.log(ratio), np.log1p(z))


def cbrt_value(x: Value) -> Value:
    """Return the cube root to 1 ulp: NumPy's, which may be 3 ulp off, with one Newton step."""
    root = np.cbrt(x)
    step = (root * root * root - x) / nonzero(3.0 * root * root)
    return root - where(np.isfinite(step), step, 0.0)


_erfc = np.vectorize(math.erfc, otypes=[float])


def erfc_value(x: Value) -> Value:
    """Return erfc(x) to 2 ulp in the tail too, where scipy.special.erfc is 450 ulp off.

    The one function that NumPy lacks. Arrays of other kinds are asked, as NumPy's own functions ask them (NEP 18).
    """
    kind = type(x)
    if not issubclass(kind, np.ndarray) and hasattr(kind, "__array_function__"):
        return x.__array_function__(erfc_value, (kind,), (x,), {})
    return _erfc(x)
