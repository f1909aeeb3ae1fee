"""Differences of powers, exponentials, logarithms, trigonometric and hyperbolic functions, inverses too."""

from __future__ import annotations

import numpy as np

from fastcheck.identities.arithmetic import absolute
from fastcheck.identities.exact import Value, log_ratio, nonzero, two_sum, where

LN2 = 0.6931471805599453
LN10 = 2.302585092994046
PI = 3.141592653589793


def exp(x: Value, dx: Value) -> Value:
    """Return the difference of exp x: eᵐ·(1 - e^-|dx|) with the sign of dx, m = max(x, x + dx).

    The same as exp(x)·expm1(dx), but nothing overflows before the result does.
    """
    s, e = two_sum(x, dx)
    top = np.exp(np.maximum(x, s))
    loss = np.expm1(-np.abs(dx))
    return where(dx > 0.0, -(top * np.maximum(1.0 + e, 0.5)) * loss, top * loss)


def expm1(x: Value, dx: Value) -> Value:
    """Return the difference of exp(x) - 1: that of exp."""
    return exp(x, dx)


def exp2(x: Value, dx: Value) -> Value:
    """Return the difference of 2ˣ: 2ᵐ·(1 - 2^-|dx|) with the sign of dx, m = max(x, x + dx)."""
    s, e = two_sum(x, dx)
    top = np.exp2(np.maximum(x, s))
    loss = np.expm1(-np.abs(dx) * LN2)
    return where(dx > 0.0, -(top * np.maximum(1.0 + LN2 * e, 0.5)) * loss, top * loss)


def log(x: Value, dx: Value) -> Value:
    """Return the difference of log x: log1p(dx/x), or log((x + dx)/x) where that is below 1/2."""
    s = x + dx
    z = where(x >= 0.0, dx / x, np.nan)
    return where(np.isinf(z), np.log(s) - np.log(x), log_ratio(z, s / x))


def log2(x: Value, dx: Value) -> Value:
    """Return the difference of the binary logarithm."""
    return log(x, dx) / LN2


def log10(x: Value, dx: Value) -> Value:
    """Return the difference of the decimal logarithm."""
    return log(x, dx) / LN10


def log1p(x: Value, dx: Value) -> Value:
    """Return the difference of log(1 + x): that of log, started at 1 + x and ended at (1 + x + dx)."""
    start = 1.0 + x
    s, e = two_sum(x, dx)
    end = (1.0 + s) + e
    z = where(x >= -1.0, dx / start, np.nan)
    return where(np.isinf(z), np.log(end) - np.log(start), log_ratio(z, end / start))


def power(x: Value, dx: Value, y: Value, dy: Value) -> Value:
    """Return the difference of xʸ: the larger end times 1 - e^-|u|.

    u = y·log((x + dx)/x) + dy·log(x + dx) is the difference of the logarithm. For a negative base the two
    ends have signs of their own; ends of opposite sign, or at 0, are subtracted, and so are ends where the terms of u
    are above 1 together: their rounding may be more than that of the ends.
    """
    s, e = two_sum(x, dx)
    power_end, power_lost = two_sum(y, dy)
    grow = absolute(x, dx)
    log_end = np.log(np.abs(s)) + e / s
    start = np.power(x, y)
    end = np.power(s, power_end)
    # The end is at s + e and its exponent at power_end + power_lost, to first order in what rounding lost.
    end = end + end * where(s == 0.0, 0.0, power_end * (e / s) + power_lost * log_end)
    by_base, by_exponent = y * log(np.abs(x), grow), where(dy == 0.0, 0.0, dy * log_end)
    u = by_base + by_exponent
    top = where(u > 0.0, end, start)
    change = where(u > 0.0, -top, top) * np.expm1(-np.abs(u))
    small = np.abs(by_base) + np.abs(by_exponent) <= 1.0
    return where((start * np.sign(end) > 0.0) & (x != 0.0) & (s != 0.0) & small, change, end - start)


def sin(x: Value, dx: Value) -> Value:
    """Return the difference of sin x: 2·sin(dx/2)·cos(x + dx/2)."""
    half = 0.5 * dx
    m, e = two_sum(x, half)
    return 2.0 * np.sin(half) * (np.cos(m) * np.cos(e) - np.sin(m) * np.sin(e))


def cos(x: Value, dx: Value) -> Value:
    """Return the difference of cos x: -2·sin(dx/2)·sin(x + dx/2)."""
    half = 0.5 * dx
    m, e = two_sum(x, half)
    return -2.0 * np.sin(half) * (np.sin(m) * np.cos(e) + np.cos(m) * np.sin(e))


def tan(x: Value, dx: Value) -> Value:
    """Return the difference of tan x: sin(dx) / (cos(x)·cos(x + dx))."""
    s, e = two_sum(x, dx)
    return np.sin(dx) / (np.cos(x) * (np.cos(s) * np.cos(e) - np.sin(s) * np.sin(e)))


def arctan(x: Value, dx: Value) -> Value:
    """Return the difference of arctan x: the angle of (1 + x·(x + dx), dx), both divided by max(1, |x|)."""
    scale = np.maximum(1.0, np.abs(x))
    return np.arctan2(dx / scale, 1.0 / scale + (x / scale) * (x + dx))


def arcsin(x: Value, dx: Value) -> Value:
    """Return the difference of arcsin x: twice the angle of (c + c', dx), c and c' the cosines at both ends.

    It is tan((α - β)/2) = (sin α - sin β) / (cos α + cos β).
    """
    s, e = two_sum(x, dx)
    start = np.sqrt((1.0 - x) * (1.0 + x))
    end = np.sqrt(((1.0 - s) - e) * ((1.0 + s) + e))
    return 2.0 * np.arctan2(dx, start + end)


def arccos(x: Value, dx: Value) -> Value:
    """Return the difference of arccos x = π/2 - arcsin x."""
    return -arcsin(x, dx)


def arctan2(x: Value, dx: Value, y: Value, dy: Value) -> Value:
    """Return the difference of the angle of the point (y, x) (ordinate first, as in NumPy).

    The angle between start and end follows from their cross and dot products; where the way between them
    crosses the negative axis, the jump of 2π of the angle is part of its difference.
    """
    x, y = x + 0.0, y + 0.0  # arctan2 tells -0 from 0, the difference of real numbers does not
    x_end, y_end = x + dx, y + dy
    scale = nonzero(np.maximum(np.abs(x), np.abs(y)))
    u, v = x / scale, y / scale
    near = np.abs(dx) + np.abs(dy) <= np.abs(x_end) + np.abs(y_end)
    cross = where(near, v * dx - u * dy, v * x_end - u * y_end)
    dot = u * x_end + v * y_end
    opposite = where((x > 0.0) | ((x == 0.0) & (y < 0.0)), -PI, PI)
    angle = where((cross == 0.0) & (dot < 0.0), opposite, np.arctan2(cross, dot))

    down, up = (x >= 0.0) & (x_end < 0.0), (x < 0.0) & (x_end >= 0.0)
    on_axis = (cross == 0.0) & (dot > 0.0) & (y < 0.0)  # a cross product that underflowed
    angle = angle - where(down & ((cross > 0.0) | on_axis), 2.0 * PI, 0.0)
    angle = angle + where(up & ((cross < 0.0) | on_axis), 2.0 * PI, 0.0)

    angle = where((x == 0.0) & (y == 0.0), np.arctan2(x_end, y_end), angle)
    return where((x_end == 0.0) & (y_end == 0.0), -np.arctan2(x, y), angle)


def sinh(x: Value, dx: Value) -> Value:
    """Return the difference of sinh x: 2·sinh(dx/2)·cosh(x + dx/2)."""
    half = 0.5 * dx
    m, e = two_sum(x, half)
    middle = np.cosh(m)
    return 2.0 * np.sinh(half) * (middle + middle * (e * np.tanh(m)))


def cosh(x: Value, dx: Value) -> Value:
    """Return the difference of cosh x: 2·sinh(dx/2)·sinh(x + dx/2)."""
    half = 0.5 * dx
    m, e = two_sum(x, half)
    return 2.0 * np.sinh(half) * (np.sinh(m) + e * np.cosh(m))


def tanh(x: Value, dx: Value) -> Value:
    """Return the difference of tanh x = 2·sigmoid(2x) - 1."""
    return 2.0 * expit(2.0 * x, 2.0 * dx)


def arcsinh(x: Value, dx: Value) -> Value:
    """Return the difference of arcsinh x: 2·arctanh(dx / (C + C')).

    C and C' are the hyperbolic cosines at both ends. Where the quotient is above 1/2 the ends lie so far
    apart that nothing cancels in the logarithm of the ratio of e^arcsinh |x| = |x| + C (ends of one sign),
    nor in plain subtraction (ends of opposite sign).
    """
    s = x + dx
    a, b = np.abs(x), np.abs(s)
    start, end = np.hypot(1.0, a), np.hypot(1.0, b)
    r = dx / (start + end)
    far = where(x * s > 0.0, np.sign(x) * np.log((b + end) / (a + start)), np.arcsinh(s) - np.arcsinh(x))
    return where(np.abs(r) <= 0.5, 2.0 * np.arctanh(r), far)


def arctanh(x: Value, dx: Value) -> Value:
    """Return the difference of arctanh x = (log1p(x) - log1p(-x)) / 2, whose terms never cancel."""
    return 0.5 * (log1p(x, dx) - log1p(-x, -dx))


def expit(x: Value, dx: Value) -> Value:
    """Return the difference of σ(x) = 1/(1 + e⁻ˣ): E·(1 - e^-|dx|) / ((1 + A)(1 + B)) with the sign of dx.

    A = e^-|x|, B = e^-|x + dx|; E is the larger of them where x and x + dx have one sign and 1 where they
    straddle 0. No factor can overflow, and a saturated σ keeps its relative accuracy.
    """
    s, e = two_sum(x, dx)
    start = np.exp(-np.abs(x))
    end = np.exp(-np.abs(s))
    end = end - end * (np.sign(s) * e)
    top = where(x * np.sign(s) > 0.0, np.maximum(start, end), 1.0)
    change = top * np.expm1(-np.abs(dx)) / ((1.0 + start) * (1.0 + end))
    return where(dx > 0.0, -change, change)
