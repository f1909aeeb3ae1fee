"""What the claims of failing blocks are instead of the gradient: a multiple of it, zero, that of another penalty.

The smallest examples: a backward pass that forgets to divide by m samples claims m times the gradient; one that forgets
the penalty λ/2·‖W‖² lacks λ·W.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from fastcheck.engines import Estimate
from fastcheck.norms import largest
from fastcheck.parameters import Vector
from fastcheck.problem import Problem
from fastcheck.rule import Rows, claims
from fastcheck.symptoms import MOST
from fastcheck.verdict import Judgement

SAME_FACTOR, LITTLE = 1e-6, 0.01
"""Claims are one multiple of the slopes if none is further from that than this part of the largest, or than rounding
explains, if that is little beside what is wrong."""

FEWEST_DIGITS, MOST_DIGITS = 3, 10
"""Of a factor."""

ENOUGH = 4
"""Coordinates with a slope or a claim from which on a block tells of a penalty; of a factor, two."""

LARGEST_PART = 10**6
"""A factor of 1/n is written so up to this n."""

HUGE = 1e100
"""Numbers up to this, and down to its reciprocal, can be squared and added up."""

NAMED = 6
"""Blocks that a note names."""

ROUNDING = 8 * float(np.finfo(np.float64).eps)
"""Relative rounding error of a claim."""


def mistake_of(problem: Problem, estimate: Estimate, judgement: Judgement) -> str | None:
    """Return what the claim of a failing block is instead, all coordinates of which were looked at, if it is simple."""
    part, block = estimate.part, estimate.part.block
    if not judgement.wrong or part.size != block.size or part.size > MOST:
        return None
    every = slice(0, part.size)
    claimed, rows = claims(problem, part, every), Rows.of(estimate, every)
    slopes, theta = rows.compared(claimed), problem.theta[block.start : block.stop]
    alive = np.count_nonzero((claimed != 0) | (slopes != 0))
    if alive < 2 or not all(1 / HUGE < largest(values) < HUGE for values in (slopes, claimed - slopes)):
        return None
    if not claimed.any():
        return "the claim is zero, and the gradient is not"
    uncertain = rows.bound + ROUNDING * np.abs(claimed)
    if (factor := factor_of(claimed, slopes, uncertain)) is not None:
        return f"the claim is {_times(factor)} the gradient"
    if alive < ENOUGH or not 1 / HUGE < largest(theta) < HUGE:
        return None
    return _of_a_penalty(claimed - slopes, theta, uncertain)


def _of_a_penalty(apart: Vector, theta: Vector, uncertain: Vector) -> str | None:
    """Return the words for a claim that is ``apart`` from the slopes by one multiple of θ."""
    share, size = float(apart @ theta) / float(theta @ theta), largest(apart)
    off = np.abs(apart - share * theta)
    if (off > np.maximum(SAME_FACTOR, np.minimum(uncertain / size, LITTLE)) * size).any():
        return None
    times = f"{abs(share):.{_digits(off, uncertain, size)}g} times the parameter"
    penalty = "as if the term of a penalty (L2, weight decay) were"
    if share < 0:
        return f"the claim lacks {times}, {penalty} missing or too small"
    return f"the claim has {times} too much, {penalty} too large"


def mistake_notes(found: Iterable[tuple[str, str | None]]) -> tuple[str, ...]:
    """Return a sentence for each mistake, with the names of the blocks that have it."""
    named: dict[str, list[str]] = {}
    for name, mistake in found:
        if mistake is not None:
            named.setdefault(mistake, []).append(name)
    return tuple(f"{_listed(names)}: {mistake}." for mistake, names in named.items())


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
    size, apart = largest(claimed), largest(claimed - slopes)
    off = np.abs(claimed - factor * slopes)
    rounding = np.minimum(uncertain, LITTLE * apart)
    if (off > np.maximum(SAME_FACTOR * min(size, apart), rounding)).any():
        return None
    to_differ = 1 + math.ceil(-math.log10(min(1.0, apart / size)))
    return f"{factor:.{max(_digits(off, uncertain, size), to_differ)}g}"


def _digits(off: Vector, uncertain: Vector, size: float) -> int:
    """Return the digits that are known of a factor."""
    known = max(largest(off), largest(uncertain)) / size
    return max(math.floor(-math.log10(max(known, 10.0**-MOST_DIGITS))), FEWEST_DIGITS)


def _times(factor: str) -> str:
    """Return a factor in words: "5 times", "1/64 of"."""
    parts = 1 / float(factor)
    if 2 <= round(abs(parts)) <= LARGEST_PART and math.isclose(parts, round(parts), rel_tol=SAME_FACTOR):
        written = f"{'-' if parts < 0 else ''}1/{round(abs(parts))} of"
    else:
        written = f"{factor} times"
    return written.replace("-", "\N{MINUS SIGN}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
