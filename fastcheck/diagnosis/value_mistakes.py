"""Mistakes that a number explains: a claim of zero, a multiple of the gradient, that of another penalty.

The smallest examples: a backward pass that forgets to divide by m samples claims m times the gradient; one that forgets
the penalty λ/2·‖W‖² lacks λ·W.
"""

from __future__ import annotations

import math

import numpy as np

from fastcheck.diagnosis.failing_block import FailingBlock
from fastcheck.norms import largest
from fastcheck.problem.parameters import Vector

SAME_FACTOR = 1e-6
"""Claims are one multiple of the slopes if none is further from that than this part of the largest."""

LITTLE_ROUNDING = 0.01
"""Rounding explains more than that if it is at most this part of what is wrong."""

FEWEST_DIGITS, MOST_DIGITS = 3, 10
"""Of a factor."""

ENOUGH_FOR_FACTOR, ENOUGH_FOR_PENALTY = 2, 4
"""Coordinates with a slope or a claim from which on a block tells of these."""

LARGEST_DENOMINATOR = 10**6
"""A factor of 1/n is written so up to this n."""

HUGE = 1e100
"""Numbers up to this, and down to its reciprocal, can be squared and added up."""


def zero(block: FailingBlock) -> str | None:
    """Return the words for a claim of zeros."""
    if block.claimed.any() or not _tells(block, ENOUGH_FOR_FACTOR):
        return None
    return "the claim is zero, and the gradient is not"


def multiple(block: FailingBlock) -> str | None:
    """Return the words for a claim that is one multiple of the gradient."""
    if not _tells(block, ENOUGH_FOR_FACTOR):
        return None
    factor = factor_of(block.claimed.reshape(-1), block.slopes.reshape(-1), block.uncertain)
    return None if factor is None else f"the claim is {_times(factor)} the gradient"


def of_another_penalty(block: FailingBlock) -> str | None:
    """Return the words for a claim that is off by one multiple of θ."""
    theta = block.theta.reshape(-1)
    if not (_tells(block, ENOUGH_FOR_PENALTY) and 1 / HUGE < largest(theta) < HUGE):
        return None
    error = (block.claimed - block.slopes).reshape(-1)
    share, size = float(error @ theta) / float(theta @ theta), largest(error)
    rest = np.abs(error - share * theta)
    if (rest > np.maximum(SAME_FACTOR, np.minimum(block.uncertain / size, LITTLE_ROUNDING)) * size).any():
        return None
    times = f"{abs(share):.{_known_digits(rest, block.uncertain, size)}g} times the parameter"
    penalty = "as if the term of a penalty (L2, weight decay) were"
    if share < 0:
        return f"the claim lacks {times}, {penalty} missing or too small"
    return f"the claim has {times} too much, {penalty} too large"


def _tells(block: FailingBlock, fewest: int) -> bool:
    """Whether enough coordinates have a slope or a claim, of sizes that can be squared."""
    alive = np.count_nonzero((block.claimed != 0) | (block.slopes != 0))
    sizes = largest(block.slopes), largest(block.claimed - block.slopes)
    return bool(alive >= fewest and all(1 / HUGE < size < HUGE for size in sizes))


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


def _times(factor: str) -> str:
    """Return a factor in words: "5 times", "1/64 of"."""
    parts = 1 / float(factor)
    if 2 <= round(abs(parts)) <= LARGEST_DENOMINATOR and math.isclose(
        parts, round(parts), rel_tol=SAME_FACTOR
    ):
        written = f"{'-' if parts < 0 else ''}1/{round(abs(parts))} of"
    else:
        written = f"{factor} times"
    return written.replace("-", "\N{MINUS SIGN}")
