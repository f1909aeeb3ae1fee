"""Standard normal numbers, many and fast: random directions need one for every parameter."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

QUANTILES = 2**16
"""Quantiles in the table: as many as there are 16-bit numbers."""

NUMBERS_AT_ONCE = 2**16
"""Numbers drawn at a time, a multiple of 4: their random bits and indices stay in the cache."""


def normal_numbers(count: int, *key: int) -> NDArray[np.float64]:
    """Return ``count`` normal numbers: the same ones for the same key of whole numbers ≥ 0.

    Each is one of 65,536 quantiles of the normal distribution, all equally likely; they are scaled to variance 1, and
    the distribution function is that of N(0, 1) to 1e-5 everywhere. The generator gives four of them in one step, so
    that drawing takes a fifth of the time of `numpy.random.Generator.standard_normal`.
    """
    bits, table = np.random.SFC64(np.random.SeedSequence(key)), _quantiles()
    numbers = np.empty(count)
    for start in range(0, count, NUMBERS_AT_ONCE):
        part = numbers[start : start + NUMBERS_AT_ONCE]
        levels = bits.random_raw(-(-part.size // 4)).astype("<u8", copy=False).view("<u2")
        # No level is out of the table's range: "clip" only spares the test.
        np.take(table, levels[: part.size], out=part, mode="clip")
    return numbers


@functools.cache
def _quantiles() -> NDArray[np.float64]:
    """Return the quantiles at (i + ½) / 65,536, from a cumulative sum of the density."""
    x = np.linspace(-6.0, 6.0, 2 * QUANTILES + 1)
    density = np.exp(-x * x / 2)
    below = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    table = np.interp((np.arange(QUANTILES) + 0.5) / QUANTILES, below / below[-1], x)
    table /= np.sqrt(np.mean(table * table))
    table.flags.writeable = False
    return table
