"""From the estimate of a block to its report: the judgement, the power, and what a sample proves."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from fastcheck.careful import judged
from fastcheck.engines import Estimate
from fastcheck.engines.kinks import KinkPlace
from fastcheck.norms import Comparison
from fastcheck.power import measure_power
from fastcheck.problem import Problem
from fastcheck.report.result import BlockReport, block_report
from fastcheck.rule import claims
from fastcheck.symptoms import symptoms
from fastcheck.verdict import Verdict

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
    """Judge a block by the engine's estimate, or by closer looks at it, and report it."""
    found = judged(problem, epsilon, tolerance, first)
    estimate, judgement = found.estimate, found.judgement
    claimed = claims(problem, estimate.part, np.array([judgement.hardest, judgement.easiest]))
    power = measure_power(estimate, judgement, claimed)
    kinks = (
        int(np.count_nonzero(estimate.lower < estimate.upper)) if estimate.upper is not estimate.lower else 0
    )
    report = block_report(judgement, power, kinks, confidence)
    if found.cut and report.verdict is Verdict.INCONCLUSIVE:
        report = dataclasses.replace(report, cause=found.cut)
    name = estimate.part.block.name
    notes = (*found.notes, *symptoms(problem, estimate, judgement))
    return JudgedBlock(name, report, judgement.comparison, found.forward_passes, notes)


def kink_notes(coordinates: int, places: tuple[KinkPlace, ...]) -> tuple[str, ...]:
    """Return the sentence about coordinates at kinks, if there are any."""
    if not coordinates:
        return ()
    where = "".join(f" {place}." for place in places[:KINKS_NAMED])
    more = f" And in {len(places) - KINKS_NAMED} more places." if len(places) > KINKS_NAMED else ""
    at = "1 coordinate is at a kink" if coordinates == 1 else f"{coordinates:,} coordinates are at kinks"
    at += ", where any claim between the one-sided slopes is right."
    return (at + where + more,)
