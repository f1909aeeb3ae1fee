"""From the estimate of a block to its report: the verdict, the power, and what a sample proves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.evenness import Even, EvenFailure, even_errors, even_failure
from fastcheck.diagnosis.failing_block import FailingBlock, failing_block
from fastcheck.engines import Estimate
from fastcheck.engines.kink_place import KinkPlace
from fastcheck.norms import Comparison, pieces
from fastcheck.pictures.finding_errors import errors_of
from fastcheck.problem.posing import Problem
from fastcheck.report.block_reports import block_report
from fastcheck.report.result import BlockReport
from fastcheck.verdict.first_sight import FirstSight
from fastcheck.verdict.judging import Verdict
from fastcheck.verdict.ladder import CloserLook, look_closer
from fastcheck.verdict.power import measure_power
from fastcheck.verdict.rule import claims

LARGE_STEP = 2.0**-24
"""A step of the user's above this has a truncation error."""

LOST_NAMED = 50
"""Coordinates of which evaluations were lost that a note names, for each reason."""

KINKS_NAMED = 3
"""Places of kinks that a report names."""


class BlockOutcome(NamedTuple):
    """What is kept of a block once it was looked at.

    ``at_step`` compares the claim with ĝ at the step that was given, in so many coordinates, ``rows_at_step``.
    ``even`` tells of errors that are small and alike. ``failing`` is the block itself, if it fails and was looked at as
    a whole.
    """

    name: str
    report: BlockReport
    comparison: Comparison
    at_step: Comparison | None
    rows_at_step: int
    even: Even | None
    failing: FailingBlock | None
    forward_passes: int
    notes: tuple[str, ...]


def report_block(
    problem: Problem,
    epsilon: float | None,
    tolerance: float,
    confidence: float,
    first: Estimate,
    sight: FirstSight | None = None,
) -> BlockOutcome:
    """Take closer looks at the engine's estimate of a block, and report what they tell; ``sight`` leaves no doubt."""
    look = look_closer(problem, epsilon, tolerance, first, sight)
    return report_look(problem, epsilon, confidence, first, look)


def report_look(
    problem: Problem, epsilon: float | None, confidence: float, first: Estimate, look: CloserLook
) -> BlockOutcome:
    """Report a block by the engine's ``first`` estimate and the closer ``look`` that was taken at it."""
    estimate, judgement, passes = look.estimate, look.judgement, look.forward_passes
    report = _report_of(problem, look, confidence)
    even: Even | None = None
    if judgement.verdict is Verdict.FAIL:

        def accepted(tolerance: float) -> bool:
            nonlocal passes
            again = look_closer(problem, epsilon, tolerance, first)
            passes += again.forward_passes
            return again.judgement.verdict is Verdict.PASS

        even = even_errors(problem, estimate, judgement, accepted)
    failing = failing_block(problem, estimate, judgement)
    if failing is not None and even is not None:
        failing = failing._replace(even=True)
    return BlockOutcome(
        name=estimate.part.block.name,
        report=report,
        comparison=judgement.comparison,
        at_step=None if epsilon is None else _compared_at_step(problem, first),
        rows_at_step=first.slopes.size if first.at_step is None else first.at_step[0].size,
        even=even,
        failing=failing,
        forward_passes=passes,
        notes=(*look.notes, *lost_notes(problem, estimate, report.verdict)),
    )


def lost_notes(problem: Problem, estimate: Estimate, verdict: Verdict) -> Iterator[str]:
    """Yield a sentence about each reason for which evaluations were lost, unless the block's report says it all."""
    if not estimate.lost or (len(estimate.lost) == 1 and verdict is Verdict.INCONCLUSIVE):
        return
    of_reason: dict[str, list[str]] = {}
    for row, reason in estimate.lost.items():
        name = problem.layout.coordinate_name(estimate.coordinate(row))
        of_reason.setdefault(reason, []).append(name)
    for reason, names in of_reason.items():
        more = f" and {len(names) - LOST_NAMED:,} more" if len(names) > LOST_NAMED else ""
        yield f"lost evaluations, which leave {', '.join(names[:LOST_NAMED])}{more} undecided: {reason}."


def _report_of(problem: Problem, look: CloserLook, confidence: float) -> BlockReport:
    """Return the report of a block: its verdict, what would have been caught, and why it is inconclusive."""
    estimate, judgement = look.estimate, look.judgement
    power = look.power
    if power is None:
        claimed = claims(problem, estimate.part, np.array([judgement.hardest, judgement.easiest]))
        power = measure_power(estimate, judgement, claimed)
    errors = errors_of(problem, estimate, judgement)
    report = block_report(judgement, power, estimate.slopes.kinks, confidence, errors)
    if look.cut and report.verdict is Verdict.INCONCLUSIVE:
        return dataclasses.replace(report, cause=look.cut)
    return report


def even_outcomes(outcomes: Iterable[BlockOutcome]) -> EvenFailure | None:
    """Return what failing blocks have in common if that is errors that are small and alike."""
    failing = [outcome for outcome in outcomes if outcome.report.verdict is Verdict.FAIL]
    return even_failure([(outcome.name, outcome.even) for outcome in failing])


def step_notes(
    epsilon: float | None, tolerance: float, outcomes: Sequence[BlockOutcome], difference: float
) -> tuple[str, ...]:
    """Return the sentence about the difference at a given step, if that is not the ``difference`` of the report."""
    at_step = Comparison.joined(
        outcome.at_step for outcome in outcomes if outcome.at_step is not None
    ).difference
    if epsilon is None or at_step <= max(2 * difference, tolerance):
        return ()
    size = "large" if epsilon > LARGE_STEP else "small"
    rows = sum(outcome.rows_at_step for outcome in outcomes)
    checked = sum(outcome.report.checked for outcome in outcomes)
    of_some = f" of {rows:,} coordinates" if rows < checked else ""
    return (
        f"at ε = {epsilon:g} the difference{of_some} is {at_step:.2g}: that is what so {size} a step does to ĝ. The "
        "verdict and all numbers here are those of the gradient, from other steps. Leave epsilon out.",
    )


def _compared_at_step(problem: Problem, first: Estimate) -> Comparison:
    """Compare the claim with ĝ at the step of the plan."""
    part = first.part
    if first.at_step is not None:
        rows, differences = first.at_step
        return Comparison.of(claims(problem, part, rows), differences)
    return Comparison.joined(
        Comparison.of(claims(problem, part, piece), first.slopes.central[piece])
        for piece in pieces(part.size)
    )


def kink_notes(
    coordinates: int, places: tuple[KinkPlace, ...], said: Callable[[int], str] | None = None
) -> tuple[str, ...]:
    """Return the sentence about coordinates at kinks, if there are any; a line that ran several times is named once.

    ``said`` is what is said of so many coordinates if their claims were judged together.
    """
    if not coordinates and not (said and places):
        return ()
    if said is not None:
        sentence = said(coordinates)
    else:
        who = "1 coordinate is at a kink" if coordinates == 1 else f"{coordinates:,} coordinates are at kinks"
        sentence = f"{who}, where any claim between the one-sided slopes is right."
    lines = list(dict.fromkeys(map(str, places)))
    where = "".join(f" {line}." for line in lines[:KINKS_NAMED])
    more = f" And in {len(lines) - KINKS_NAMED} more places." if len(lines) > KINKS_NAMED else ""
    return (sentence + where + more,)
