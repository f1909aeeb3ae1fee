"""From the estimate of a block to its report: a second look, the judgement, the power, and what a sample proves."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from fastcheck.engines import Bound, Estimate
from fastcheck.engines.kinks import KinkPlace
from fastcheck.engines.slopes import carefully
from fastcheck.errors import BudgetUsedUp
from fastcheck.norms import Comparison
from fastcheck.power import measure_power
from fastcheck.problem import Problem
from fastcheck.report.result import BlockReport, block_report
from fastcheck.second_look import look_again
from fastcheck.verdict import FEW, Judgement, Verdict, claims, judge

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
    estimate, passes, notes, cut = look_again(problem, epsilon, first, tolerance)
    judgement = judge(problem, estimate, tolerance)
    if judgement.wrong and judgement.worst[0].error <= SLIGHT * judgement.rule.typical:
        estimate, more, late = _with_a_careful_bound(problem, estimate, judgement)
        judgement, passes, cut = judge(problem, estimate, tolerance), passes + more, cut or late
    claimed = claims(problem, estimate.part, np.array([judgement.hardest, judgement.easiest]))
    power = measure_power(estimate, judgement, claimed)
    kinks = (
        int(np.count_nonzero(estimate.lower < estimate.upper)) if estimate.upper is not estimate.lower else 0
    )
    report = block_report(judgement, power, kinks, confidence)
    if cut and report.verdict is Verdict.INCONCLUSIVE:
        report = dataclasses.replace(report, cause=cut)
    return JudgedBlock(estimate.part.block.name, report, judgement.comparison, passes, notes)


def _with_a_careful_bound(
    problem: Problem, estimate: Estimate, judgement: Judgement
) -> tuple[Estimate, int, str | None]:
    """Return the estimate with the noise of J measured with more care, and the forward passes this took.

    Plain evaluation, which bounds its truncation, has done so. Engines that do not run the user's formulas have no
    noise. Where a budget ends the measurement, the sentence that says so comes third, and errors up to the largest are
    within the bound.
    """
    if estimate.truncation is not None or not estimate.noise:
        return estimate, 0, None
    try:
        bound, passes = carefully(problem, estimate.bound, judgement.rule.typical)
    except BudgetUsedUp as reason:
        unknown = judgement.worst[0].error + 2 * FEW * judgement.rule.relative * judgement.rule.typical
        bound = Bound(estimate.bound.relative, estimate.bound.absolute + unknown)
        name = judgement.part.block.name
        cut = f"the noise of the cost, which may explain errors in {name}, is not known, as {reason}."
        return dataclasses.replace(estimate, bound=bound), 0, cut
    return dataclasses.replace(estimate, bound=bound), passes, None


def kink_notes(coordinates: int, places: tuple[KinkPlace, ...]) -> tuple[str, ...]:
    """Return the sentence about coordinates at kinks, if there are any."""
    if not coordinates:
        return ()
    where = "".join(f" {place}." for place in places[:KINKS_NAMED])
    more = f" And in {len(places) - KINKS_NAMED} more places." if len(places) > KINKS_NAMED else ""
    at = "1 coordinate is at a kink" if coordinates == 1 else f"{coordinates:,} coordinates are at kinks"
    at += ", where any claim between the one-sided slopes is right."
    return (at + where + more,)
