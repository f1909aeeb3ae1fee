"""The one number by which claims differ from slopes, with the digits that are known of it."""

from __future__ import annotations

import math

import numpy as np

from fastcheck.norms import largest
from fastcheck.problem.parameters import Vector

SAME_FACTOR = 1e-6
"""Claims are one multiple of the slopes if none is further from that than this part of the largest."""

LITTLE_ROUNDING = 0.01
"""Rounding explains more than that if it is at most this part of what is wrong."""

FEWEST_DIGITS, MOST_DIGITS = 3, 10
"""Of a factor."""


def factor_of(claimed: Vector, slopes: Vector, uncertain: Vector) -> str | None:
    """Return the one number by which the claims differ from the slopes, with the digits that are known, or None.

    ``uncertain`` is what rounding may be of each.
    """
    square = float(slopes @ slopes)
    if not claimed.any():
        return "0"
    if square == 0:
        return None
    factor = float(claimed @ slopes) / square
    size, error = largest(claimed), largest(claimed - slopes)
    rest = np.abs(claimed - factor * slopes)
    rounding = np.minimum(uncertain, LITTLE_ROUNDING * error)
    if (rest > np.maximum(SAME_FACTOR * min(size, error), rounding)).any():
        return None
    digits_to_differ_from_one = 1 + math.ceil(-math.log10(min(1.0, error / size)))
    return f"{factor:.{max(_known_digits(rest, uncertain, size), digits_to_differ_from_one)}g}"


def _known_digits(rest: Vector, uncertain: Vector, size: float) -> int:
    """Return the digits that are known of a factor."""
    error = max(largest(rest), largest(uncertain)) / size
    return max(math.floor(-math.log10(max(error, 10.0**-MOST_DIGITS))), FEWEST_DIGITS)
