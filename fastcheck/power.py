"""The power of a check: the smallest mistakes that it would have caught, confirmed by planting them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastcheck.engines import Estimates
from fastcheck.engines.noise import root_mean_square
from fastcheck.plan import Plan, rows_by_block
from fastcheck.problem import Problem
from fastcheck.verdict import Judgement, Standing, judge_again, relative_tolerances

BEYOND = 1.001
"""A planted mistake is larger by this factor than the threshold that it must cross."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """What the check of one block would have caught.

    ``coordinate``: any one of the coordinates that were checked, off by this times the RMS of the block's numerical
    gradient, or more. ``factor``: the block multiplied by 1 + this, or more. Infinite where nothing would have been.
    """

    coordinate: float
    factor: float


def measure_power(
    problem: Problem, plan: Plan, estimates: Estimates, judgement: Judgement, tolerance: float
) -> dict[str, Power]:
    """Return the power of the check of each block.

    The threshold of a coordinate follows from its bound and tolerance, and at a kink from the slopes between which
    claims are right. A mistake just beyond it is planted in the best slopes known, taken as the claim, and judged
    again by the same rule: what that does not find wrong is not counted as caught. No cost is evaluated.
    """
    found = {}
    relative = relative_tolerances(problem, plan, tolerance)
    for (block, rows), share in zip(rows_by_block(problem.layout, plan), relative, strict=True):
        truth, thresholds = estimates.lower[rows], judgement.thresholds[rows]
        if estimates.lower is not estimates.upper:
            half = (estimates.upper[rows] - truth) / 2
            truth, thresholds = truth + half, thresholds + half
        size, typical = np.abs(truth), root_mean_square(truth)
        ratio = np.full(size.shape, np.inf)
        np.divide(thresholds, size, out=ratio, where=size > 0)
        hardest, easiest = int(np.argmax(thresholds)), int(np.argmin(ratio))
        beyond = BEYOND / (1 - share)
        error, factor = beyond * float(thresholds[hardest]), beyond * float(ratio[easiest])
        places = np.array([hardest, easiest])
        off = (math.copysign(error, truth[hardest]), truth[easiest] * factor if size[easiest] else 0.0)
        planted = truth[places] + np.array(off)
        caught = judge_again(problem, estimates, judgement, rows.start + places, planted, share)
        found[block.name] = Power(
            coordinate=error / typical if caught[0] == Standing.WRONG and typical else math.inf,
            factor=factor if caught[1] == Standing.WRONG else math.inf,
        )
    return found
