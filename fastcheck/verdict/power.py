"""The power of a check: the smallest mistakes that it would have caught, confirmed by planting them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastcheck.engines import Estimate, Slopes
from fastcheck.problem.parameters import Vector
from fastcheck.verdict.judging import Judgement
from fastcheck.verdict.rule import Held, Standing

BEYOND_THE_POWER = 1.001
"""A planted mistake is larger by this factor than the threshold that it must cross."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """What the check of one block would have caught.

    ``coordinate``: any one of the coordinates that were checked, off by this times the RMS of the block's numerical
    gradient, or more. ``factor``: the block multiplied by 1 + this, or more. Infinite where nothing would have been.
    """

    coordinate: float
    factor: float


def measure_power(estimate: Estimate, judgement: Judgement, claimed: Vector) -> Power:
    """Return the power of the check of a block, of which the ``hardest`` and ``easiest`` coordinates claim ``claimed``.

    No cost is evaluated.
    """
    slopes = estimate.slopes.at(np.array([judgement.hardest, judgement.easiest]))
    (power,) = powers(judgement.rule, slopes, claimed, [judgement.rule.typical])
    return power


def powers(
    rule: Held[float] | Held[Vector], slopes: Slopes, claimed: Vector, typical: Sequence[float]
) -> list[Power]:
    """Return the powers of the checks of p blocks, of which ``slopes`` and claims (2p,) are the hardest and easiest.

    The threshold of a coordinate follows from its bound and tolerance, and at a kink from the slopes between which
    claims are right. A mistake just beyond it is planted in the best slopes known, taken as the claim, and judged
    again by the same rule: what that does not find wrong is not counted as caught. ``typical`` (p,) are the RMS of
    slopes; the first p rows are the hardest.
    """
    half = (slopes.upper - slopes.lower) / 2
    truth = slopes.lower + half
    thresholds = rule.thresholds(claimed, slopes)
    errors = BEYOND_THE_POWER / (1 - rule.relative) * (thresholds + half)
    size = np.abs(truth)
    factors = np.divide(errors, size, out=np.full(size.size, np.inf), where=size > 0)
    planted = truth + np.copysign(errors, truth)
    blocks = len(typical)
    planted[blocks:][size[blocks:] == 0] = 0.0
    crossed = np.maximum(thresholds, rule.thresholds(planted, slopes))
    caught = rule.standings_by(planted, slopes, crossed, math.inf) == Standing.WRONG
    is_caught, as_a_whole = caught[:blocks].tolist(), caught[blocks:].tolist()
    by_block = zip(
        errors[:blocks].tolist(), typical, is_caught, factors[blocks:].tolist(), as_a_whole, strict=True
    )
    return [
        Power(
            coordinate=error / rms if one_is_caught and rms else math.inf,
            factor=factor if all_are_caught else math.inf,
        )
        for error, rms, one_is_caught, factor, all_are_caught in by_block
    ]
