"""Numbers that people write with few decimals: 0.7979 for √(2/π)."""

from __future__ import annotations

import math

MANY_DIGITS, MOST_DECIMALS, MOST_LOST = 9, 6, 0.05
"""A number of more digits may be written with so few decimals, if it loses no more than this share of itself."""

LARGEST = 1e9
"""Larger numbers are written in another way."""


def with_few_decimals(number: float) -> list[float]:
    """Return a number rounded or cut to few decimals, if it has many.

    >>> with_few_decimals(0.25), with_few_decimals(2**0.5)[:3]
    ([], [1.4, 1.41, 1.414])
    """
    if not abs(number) < LARGEST or float(f"{number:.{MANY_DIGITS}g}") == number:
        return []
    scales = [10.0**decimals for decimals in range(MOST_DECIMALS + 1)]
    short = [float(f"{cut(number * scale) / scale:g}") for scale in scales for cut in (round, math.trunc)]
    return [value for value in dict.fromkeys(short) if value and abs(value / number - 1) < MOST_LOST]
