"""Differences of the error function and what is made of it: erf, erfc, the normal distribution."""

from __future__ import annotations

import numpy as np

from fastcheck.identities.exact import Value, erfc_value, two_product, two_sum, where

SQRT_HALF = 0.7071067811865476
SQRT_HALF_LOST = -4.833646656726457e-17  # sqrt(1/2) - SQRT_HALF
TWO_OVER_SQRT_PI = 1.1283791670955126
BEYOND = 64.0  # exp(-x²/2) and erfc are 0 in float64 long before


def erf(x: Value, dx: Value) -> Value:
    """Return the difference of erf x: quadrature for short steps, tails subtracted for long ones."""
    return _gaussian_area(x, dx, 1.0, 1.0, 0.0)


def erfc(x: Value, dx: Value) -> Value:
    """Return the difference of erfc x = 1 - erf x."""
    return -erf(x, dx)


def ndtr(x: Value, dx: Value) -> Value:
    """Return the difference of the normal distribution function Φ(x) = (1 + erf(x/√2)) / 2."""
    return 0.5 * _gaussian_area(x, dx, 0.5, SQRT_HALF, SQRT_HALF_LOST)


def _gaussian_area(x: Value, dx: Value, k: Value, root: Value, root_lost: Value) -> Value:
    """Return erf(√k·(x + dx)) - erf(√k·x), where √k = root + root_lost.

    With m = x + dx/2 it is 2√(k/π) · exp(-k·m²) · dx/2 · ∫ exp(-pξ - qξ²) dξ over [-1, 1], p = k·m·dx and
    q = k·dx²/4. Ten Gauss-Legendre nodes give the integral to 1e-17 for |p| <= 1 and q <= 1/25 (proof in
    docs/identities.md). For longer steps nothing cancels when tails, or cores, are subtracted.
    """
    half = 0.5 * dx
    m, e = two_sum(x, half)
    p, q = k * m * dx, k * half * half
    short = TWO_OVER_SQRT_PI * root * half * _bell(m, e, k) * _quadrature(p, q)

    s, e = two_sum(x, dx)
    start, end = _tail(x, 0.0, root, root_lost), _tail(s, e, root, root_lost)
    long = where(
        x * np.sign(s) > 0.0, np.sign(x) * (start - end), np.sign(dx) * ((1.0 - start) + (1.0 - end))
    )
    return where((np.abs(p) <= 1.0) & (q <= 0.04), short, long)


def _bell(m: Value, e: Value, k: Value) -> Value:
    """Return exp(-k·(m + e)²), the square taken in double precision twice over."""
    near = np.minimum(np.abs(m), BEYOND)
    p, lost = two_product(near, near)
    return np.exp(-k * p) * (1.0 - k * (lost + 2.0 * np.sign(m) * near * e))


def _quadrature(p: Value, q: Value) -> Value:
    """Return ∫ exp(-pξ - qξ²) dξ over [-1, 1] by the ten-point Gauss-Legendre rule."""
    return (
        0.29552422471475287 * _node_pair(0.14887433898163122, p, q)
        + 0.26926671930999635 * _node_pair(0.4333953941292472, p, q)
        + 0.21908636251598204 * _node_pair(0.6794095682990244, p, q)
        + 0.1494513491505806 * _node_pair(0.8650633666889845, p, q)
        + 0.06667134430868814 * _node_pair(0.9739065285171717, p, q)
    )


def _node_pair(node: Value, p: Value, q: Value) -> Value:
    """Return the integrand at the nodes ±node, added."""
    fall = q * (node * node)
    return np.exp(-p * node - fall) + np.exp(p * node - fall)


def _tail(s: Value, e: Value, root: Value, root_lost: Value) -> Value:
    """Return erfc(√k·|s + e|)."""
    a = np.minimum(np.abs(s), BEYOND)
    t, lost = two_product(root, a)
    lost = lost + (a * root_lost + np.sign(s) * e * root)
    return erfc_value(t) - TWO_OVER_SQRT_PI * np.exp(-t * t) * lost
