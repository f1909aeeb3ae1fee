"""Differences of quotients, of roots, and of |x| and max(x, 0)."""

from __future__ import annotations

import numpy as np

from fastcheck.identities.exact import Value, cbrt_value, nonzero, over_product, where


def divide(x: Value, dx: Value, y: Value, dy: Value) -> Value:
    """Return the difference of x/y: (dx - (x/y)·dy) / (y + dy), divided term by term to stay in range."""
    end = y + dy
    return dx / end - (x / y) * (dy / end)


def reciprocal(x: Value, dx: Value) -> Value:
    """Return the difference of 1/x: -dx / (x·(x + dx))."""
    return -over_product(dx, x, x + dx)


def square(x: Value, dx: Value) -> Value:
    """Return the difference of x²: dx·(2x + dx)."""
    return dx * (2.0 * x + dx)


def sqrt(x: Value, dx: Value) -> Value:
    """Return the difference of √x: dx / (√(x + dx) + √x)."""
    return dx / nonzero(np.sqrt(x + dx) + np.sqrt(x))


def cbrt(x: Value, dx: Value) -> Value:
    """Return the difference of the cube root: dx/(a² + ab + b²), or b - a if that is a sum."""
    a = cbrt_value(x)
    b = cbrt_value(x + dx)
    return where(a * b < 0.0, b - a, dx / nonzero(a * a + a * b + b * b))


def hypot(x: Value, dx: Value, y: Value, dy: Value) -> Value:
    """Return the difference of r = √(x² + y²): (dx·(2x + dx) + dy·(2y + dy)) / (r at the end + r)."""
    total = nonzero(np.hypot(x, y) + np.hypot(x + dx, y + dy))
    return dx * ((2.0 * x + dx) / total) + dy * ((2.0 * y + dy) / total)


def absolute(x: Value, dx: Value) -> Value:
    """Return the difference of |x|: ±dx if both ends have one sign, ±(2x + dx) if they straddle 0."""
    folded = 2.0 * x + dx
    return where(x > 0.0, np.maximum(dx, -folded), np.maximum(-dx, folded))


def relu(x: Value, dx: Value) -> Value:
    """Return the difference of max(x, 0): max(dx, -x) if x is active, else max(x + dx, 0)."""
    return where(x > 0.0, np.maximum(dx, -x), np.maximum(x + dx, 0.0))
