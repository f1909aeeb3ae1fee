"""Differences of the logistic function's relatives and of what losses are made of."""

from __future__ import annotations

import numpy as np

from fastcheck.identities.arithmetic import absolute, relu
from fastcheck.identities.exact import Value, two_sum, where
from fastcheck.identities.transcendental import exp, expit, log, log1p


def softplus(x: Value, dx: Value) -> Value:
    """Return the difference of log(1 + eˣ) = max(x, 0) + log1p(e^-|x|)."""
    tail = np.exp(-np.abs(x))
    return relu(x, dx) + np.log1p(exp(-np.abs(x), -absolute(x, dx)) / (1.0 + tail))


def log_expit(x: Value, dx: Value) -> Value:
    """Return the difference of log σ(x) = -softplus(-x)."""
    return -softplus(-x, -dx)


def logit(x: Value, dx: Value) -> Value:
    """Return the difference of log(x/(1 - x)) = log x - log1p(-x), whose terms never cancel."""
    return log(x, dx) - log1p(-x, -dx)


def logaddexp(x: Value, dx: Value, y: Value, dy: Value) -> Value:
    """Return the difference of log(eˣ + eʸ) = max + softplus(min - max), max as of midway."""
    first = x + 0.5 * dx >= y + 0.5 * dy
    both = x == y  # which may be -inf
    gap, lost = two_sum(where(both, 0.0, where(first, y, x)), where(both, 0.0, -where(first, x, y)))
    base = where(first, dx, dy)
    change, change_lost = two_sum(where(first, dy, dx), -base)
    # What rounding lost is put back to first order: d softplus = sigmoid.
    correction = lost * expit(gap, change) + change_lost * _sigmoid_value(gap + change)
    return base + (softplus(gap, change) + correction)


def _sigmoid_value(x: Value) -> Value:
    """Return σ(x) with full relative accuracy on both sides."""
    tail = np.exp(-np.abs(x))
    return where(x >= 0.0, 1.0, tail) / (1.0 + tail)


def xlogy(x: Value, dx: Value, y: Value, dy: Value) -> Value:
    """Return the difference of x·log y, which is 0 at x = 0 whatever y."""
    x_end = x + dx
    y_end, lost = two_sum(y, dy)
    start_term = where(x == 0.0, 0.0, x * log(y, dy))
    end_term = where(dx == 0.0, 0.0, dx * (np.log(y_end) + lost / y_end))
    start_only = where(x == 0.0, 0.0, -x * np.log(y))
    return where(x_end == 0.0, start_only, start_term + end_term)


def entr(x: Value, dx: Value) -> Value:
    """Return the difference of the entropy term -x·log x."""
    return -xlogy(x, dx, x, dx)
