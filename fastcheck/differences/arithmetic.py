"""Differences of arithmetic, of roots, of choices (max, relu, ...) and of steps (floor, sign, ...)."""

from __future__ import annotations

import numpy as np

from fastcheck.differences.exact import Value, cbrt_value, nonzero, over_product, two_sum, where


def add(x: Value, dx: Value, y: Value, dy: Value) -> Value:
    """Return the difference of x + y: dx + dy."""
    return dx + dy


def subtract(x: Value, dx: Value, y: Value, dy: Value) -> Value:
    """Return the difference of x - y: dx - dy."""
    return dx - dy


def positive(x: Value, dx: Value) -> Value:
    """Return the difference of x itself: dx."""
    return dx


def negative(x: Value, dx: Value) -> Value:
    """Return the difference of -x: -dx."""
    return -dx


def multiply(x: Value, dx: Value, y: Value, dy: Value) -> Value:
    """Return the difference of x·y: x·dy + dx·(y + dy)."""
    return x * dy + dx * (y + dy)


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


def leaky_relu(x: Value, dx: Value, slope: Value) -> Value:
    """Return the difference of max(x, 0) + slope·min(x, 0)."""
    return relu(x, dx) - slope * relu(-x, -dx)


def maximum(x: Value, dx: Value, y: Value, dy: Value) -> Value:
    """Return the difference of max(x, y): the larger end seen from the larger start."""
    gap, lost = two_sum(y, -x)
    return where(x >= y, np.maximum(dx, (gap + dy) + lost), np.maximum(dy, (dx - gap) - lost))


def minimum(x: Value, dx: Value, y: Value, dy: Value) -> Value:
    """Return the difference of min(x, y) = -max(-x, -y)."""
    return -maximum(-x, -dx, -y, -dy)


def fmax(x: Value, dx: Value, y: Value, dy: Value) -> Value:
    """Return the difference of the maximum that ignores NaN."""
    return where(np.isnan(x), dy, where(np.isnan(y), dx, maximum(x, dx, y, dy)))


def fmin(x: Value, dx: Value, y: Value, dy: Value) -> Value:
    """Return the difference of the minimum that ignores NaN."""
    return where(np.isnan(x), dy, where(np.isnan(y), dx, minimum(x, dx, y, dy)))


def sign(x: Value, dx: Value) -> Value:
    """Return the difference of the sign of x: -2, -1, 0, 1 or 2."""
    return np.sign(x + dx) - np.sign(x)


def heaviside(x: Value, dx: Value, y: Value, dy: Value) -> Value:
    """Return the difference of the step from 0 to 1 at x = 0, whose value there is y."""
    s = x + dx
    start = where(x == 0.0, y, 0.5 + 0.5 * np.sign(x))
    return where(s == 0.0, (y - start) + dy, (0.5 + 0.5 * np.sign(s)) - start)


def floor(x: Value, dx: Value) -> Value:
    """Return the difference of the largest integer not above x, x + dx taken exactly."""
    s, e = two_sum(x, dx)
    end = np.floor(s)
    return (end - np.floor(x)) + where(s == end, np.floor(e), 0.0)


def ceil(x: Value, dx: Value) -> Value:
    """Return the difference of the smallest integer not below x: ceil x = -floor(-x)."""
    return -floor(-x, -dx)


def trunc(x: Value, dx: Value) -> Value:
    """Return the difference of the integer part of x, x + dx taken exactly."""
    s, e = two_sum(x, dx)
    end = np.trunc(s)
    return (end - np.trunc(x)) + where(s == end, where(s > 0.0, np.floor(e), np.ceil(e)), 0.0)


def rint(x: Value, dx: Value) -> Value:
    """Return the difference of the nearest integer (ties to even), x + dx taken exactly."""
    s, e = two_sum(x, dx)
    below = np.floor(s)
    end = where((s - below == 0.5) & (e != 0.0), s + np.copysign(0.5, e), np.rint(s))
    return (end - np.rint(x)) + where(s == below, np.rint(e), 0.0)
