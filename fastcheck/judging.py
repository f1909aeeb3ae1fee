"""From the estimate of a block to its report: a second look, the judgement, the power, and what a sample proves."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from fastcheck.engines import Estimate
from fastcheck.engines.kinks import KinkPlace
from fastcheck.engines.slopes import carefully
from fastcheck.norms import Comparison
from fastcheck.power import measure_power
from fastcheck.problem import Problem
from fastcheck.report.result import BlockReport, block_report
from fastcheck.second_look import look_again
from fastcheck.verdict import claims, judge

SLIGHT = 2.0**-6
"""Errors above this share of the RMS of a block are not those of rounding that only jumps show."""

KINKS_NAMED = 3
"""Places of kinks that a report names."""


class JudgedBlock(NamedTuple):
    """What is kept of a block once it is judged."""

    name: str
    report: BlockReport
    comparison: Comparison
    forward_passes: int
    notes: tuple[str, ...]


def judged_block(
    problem: Problem, epsilon: float | None, tolerance: float, confidence: float, first: Estimate
) -> JudgedBlock:
    """Judge a block by the engine's estimate, or by a second look at it."""
    estimate, passes, notes = look_again(problem, epsilon, first, tolerance)
    judgement = judge(problem, estimate, tolerance)
    if judgement.wrong and judgement.worst[0].error <= SLIGHT * judgement.rule.typical:
        estimate, more = _with_a_careful_bound(problem, estimate, judgement.rule.typical)
        judgement, passes = judge(problem, estimate, tolerance), passes + more
    claimed = claims(problem, estimate.part, np.array([judgement.hardest, judgement.easiest]))
    power = measure_power(estimate, judgement, claimed)
    kinks = (
        int(np.count_nonzero(estimate.lower < estimate.upper)) if estimate.upper is not estimate.lower else 0
    )
    report = block_report(judgement, power, kinks, confidence)
    return JudgedBlock(estimate.part.block.name, report, judgement.comparison, passes, notes)


def _with_a_careful_bound(problem: Problem, estimate: Estimate, typical: float) -> tuple[Estimate, int]:
    """Return the estimate with the noise of J measured with more care, and the forward passes this took.

    Plain evaluation, which bounds its truncation, has done so. Engines that do not run the user's formulas have no
    noise.
    """
    if estimate.truncation is not None or not estimate.noise:
        return estimate, 0
    bound, passes = carefully(problem, estimate.bound, typical)
    return dataclasses.replace(estimate, bound=bound), passes


def kink_notes(coordinates: int, places: tuple[KinkPlace, ...]) -> tuple[str, ...]:
    """Return the sentence about coordinates at kinks, if there are any."""
    if not coordinates:
        return ()
    where = "".join(f" {place}." for place in places[:KINKS_NAMED])
    more = f" And in {len(places) - KINKS_NAMED} more places." if len(places) > KINKS_NAMED else ""
    at = "1 coordinate is at a kink" if coordinates == 1 else f"{coordinates:,} coordinates are at kinks"
    at += ", where any claim between the one-sided slopes is right."
    return (at + where + more,)
