"""The power of a check: the smallest mistakes that it would have caught, confirmed by planting them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastcheck.engines import Estimate
from fastcheck.verdict.judging import Judgement
from fastcheck.verdict.rule import Standing

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


def measure_power(estimate: Estimate, judgement: Judgement, claimed: np.ndarray) -> Power:
    """Return the power of the check of a block, of which the ``hardest`` and ``easiest`` coordinates claim ``claimed``.

    The threshold of a coordinate follows from its bound and tolerance, and at a kink from the slopes between which
    claims are right. A mistake just beyond it is planted in the best slopes known, taken as the claim, and judged
    again by the same rule: what that does not find wrong is not counted as caught. No cost is evaluated.
    """
    rule, slopes = judgement.rule, estimate.slopes.at(np.array([judgement.hardest, judgement.easiest]))
    half = (slopes.upper - slopes.lower) / 2
    truth = slopes.lower + half
    thresholds = rule.thresholds(claimed, slopes)
    beyond = BEYOND_THE_POWER / (1 - rule.relative)
    error = beyond * float(thresholds[0] + half[0])
    size = float(np.abs(truth[1]))
    factor = beyond * float(thresholds[1] + half[1]) / size if size else math.inf
    planted = truth + np.array([math.copysign(error, truth[0]), truth[1] * factor if size else 0.0])
    crossed = np.maximum(thresholds, rule.thresholds(planted, slopes))
    caught = rule.standings_by(planted, slopes, crossed, math.inf).tolist()
    return Power(
        coordinate=error / rule.typical if caught[0] == Standing.WRONG and rule.typical else math.inf,
        factor=factor if caught[1] == Standing.WRONG else math.inf,
    )
