"""Derivatives of special functions, by series where their formulas would cancel."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from fastcheck.identities.exact import Value, where

SQRT_PI = 1.7724538509055160273
SQRT_TWO_PI = 2.5066282746310005024
SQRT_HALF = 0.70710678118654752440

Function = Callable[..., Any]


def sinc_slope(x: Value) -> Value:
    """Return the derivative of sin(πx) / (πx): its series for small x."""
    z = np.square(np.pi * np.minimum(np.abs(x), 1.0))
    series, term = 0.0, 1.0
    for k in range(1, 16):
        term = term * -z / (2 * k * (2 * k + 1))
        series = series + 2 * k * term
    near = np.abs(x) < 1.0
    far = (np.cos(np.pi * x) - np.sinc(x)) / where(near, 1.0, x)
    return where(near, series / where(x == 0.0, 1.0, x), far)


def exprel_slope(x: Value) -> Value:
    """Return the derivative of (eˣ - 1) / x: its series for small x."""
    near = np.abs(x) < 1.0
    z = where(near, x, 1.0)
    series, term = 0.0, 1.0
    for k in range(1, 22):
        term = term / (k + 1)
        series = series + k * term
        term = term * z
    y = where(near, 1.0, x)
    return where(near, series, np.exp(y) / y - np.expm1(y) / y / y)


def erfcx_slope(special: ModuleType, x: Value) -> Value:
    """Return the derivative of erfcx, 2x·erfcx(x) - 2/√π: its asymptotic series for large x."""
    far = x > 6.0
    z = 0.5 / np.square(where(far, x, 6.0))
    series, term = 0.0, 1.0
    for k in range(1, 37):
        term = term * -(2 * k - 1) * z
        series = series + term
    return where(far, 2.0 / SQRT_PI * series, 2.0 * x * special.erfcx(x) - 2.0 / SQRT_PI)


def dawsn_slope(special: ModuleType, x: Value) -> Value:
    """Return the derivative of dawsn, 1 - 2x·dawsn(x): its asymptotic series for large x."""
    far = np.abs(x) > 7.0
    z = 0.5 / np.square(where(far, x, 7.0))
    series, term = 0.0, 1.0
    for k in range(1, 49):
        term = term * (2 * k - 1) * z
        series = series + term
    return where(far, -series, 1.0 - 2.0 * x * special.dawsn(x))


def bessel_gap(special: ModuleType, x: Value) -> Value:
    """Return i0e(x) - i1e(x) for x >= 0: the difference of their asymptotic series for large x."""
    far = x > 20.0
    z = 1.0 / (8.0 * where(far, x, 20.0))
    gap, zeroth, first = 0.0, 1.0, 1.0
    for k in range(1, 26):
        odd = (2 * k - 1) ** 2
        zeroth = zeroth * (0 - odd) * -z / k
        first = first * (4 - odd) * -z / k
        gap = gap + (zeroth - first)
    return where(far, gap / np.sqrt(2.0 * np.pi * where(far, x, 20.0)), special.i0e(x) - special.i1e(x))


def i1e_slope(special: ModuleType, x: Value) -> Value:
    """Return the derivative of i1e."""
    a = np.abs(x)
    quotient = where(a == 0.0, 0.5, special.i1e(a) / where(a == 0.0, 1.0, a))
    return bessel_gap(special, a) - quotient


def elliptic_slopes(special: ModuleType) -> tuple[Function, Function]:
    """Return the derivatives of ellipk and ellipe: series for small m."""

    def series(m: Value, weight: Function) -> Value:
        total, coefficient, power = 0.0, 1.0, 1.0
        for n in range(1, 40):
            coefficient = coefficient * ((2 * n - 1) / (2 * n)) ** 2
            total = total + n * weight(n) * coefficient * power
            power = power * m
        return 0.5 * np.pi * total

    def slope(weight: Function, far: Function) -> Function:
        def derivative(m: Value) -> Value:
            near = np.abs(m) < 0.3
            return where(near, series(where(near, m, 0.0), weight), far(where(near, 0.5, m)))

        return derivative

    return (
        slope(lambda n: 1.0, lambda m: (special.ellipe(m) - (1 - m) * special.ellipk(m)) / (2 * m * (1 - m))),
        slope(lambda n: -1.0 / (2 * n - 1), lambda m: (special.ellipe(m) - special.ellipk(m)) / (2 * m)),
    )
