"""The strategy within a budget: what `check` does with ``time_budget`` or ``max_forward_passes``.

All coordinates are compared at once, if their slopes can be found at once and that fits. Otherwise, by plain
evaluation, all blocks are screened first, and then coordinates are checked batch by batch.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import NamedTuple

from fastcheck.checks.all_slopes import compare_all
from fastcheck.checks.assembling import Findings, failing_blocks
from fastcheck.checks.block_outcomes import BlockOutcome, even_outcomes, kink_notes
from fastcheck.checks.budgets import Budget
from fastcheck.checks.gathering import Gathered, gather, passes_of_least_batch
from fastcheck.checks.interrupted import not_reached
from fastcheck.checks.random_directions import block_screenings
from fastcheck.checks.requests import CheckRequest
from fastcheck.diagnosis.block_screening import BlockScreening
from fastcheck.diagnosis.residuals import Residuals
from fastcheck.diagnosis.screened_block import ScreenedBlock
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.recording.advice import reason_for
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.engines.plain.directions import Directions
from fastcheck.problem.parameters import Block
from fastcheck.report.result import BlockReport
from fastcheck.verdict.judging import Verdict, worst_verdict

PASSES_OF_NOISE, PASSES_OF_DIRECTION = 27, 8
"""Forward passes that screening takes for the noise of the cost, and for each direction."""

PASSES_OF_ALL_SLOPES = 16, 2, 32
"""Forward passes that finding all slopes takes; for each of the blocks, of which many are verified together; and for
all of them at most."""

SECONDS_OF_ALL_SLOPES = 60, 0.02
"""Times of a forward pass, and seconds besides, that finding all slopes takes, at most: 28 to 53 were measured where
these took a millisecond or more."""

PASSES_OF_CLOSER_LOOK = 250
"""Forward passes that a closer look at a block that looks wrong takes, about."""


def check_gradually(request: CheckRequest, budget: Budget) -> Findings:
    """Compare all coordinates at once, if that can be done and fits; or screen all blocks, and check coordinates.

    That goes on until all coordinates are done or the budget is. The problem of the request is metered. Nothing begins
    that is not expected to fit, and what takes more than expected is stopped: see `fastcheck.checks.budgets`.
    """
    request.plan_of_examples()  # the step and the seed are validated whatever uses them
    notes: list[str] = []
    if request.method in ("auto", "difference"):
        all_at_once = _all_at_once(request, budget)
        if isinstance(all_at_once, Findings):
            return all_at_once
        notes += [all_at_once]
    if request.method == "difference":
        return _together(request, budget, _Screened({}, ()), Gathered(), request.method)
    method = "reference" if request.method == "reference" else "plain"
    screened = _screen(request, budget, method)
    screened = screened._replace(notes=(*notes, *screened.notes))
    all_screened = len(screened.blocks) == len(request.blocks)
    gathered = gather(request, budget, method=method, all_screened=all_screened)
    return _together(request, budget, screened, gathered, method)


def _all_at_once(request: CheckRequest, budget: Budget) -> Findings | str:
    """Return what all coordinates say, or the sentence that says why their slopes were not found at once."""
    passes, seconds = _passes_of_all_slopes(request), _seconds_of_all_slopes(request)
    too_small = (
        f"evaluated plainly: finding all slopes at once takes about {passes:,} forward passes and {seconds:.2g} s, "
        "more than is left of the budget."
    )
    if budget.fits(seconds, passes) < 1:
        return too_small
    before = budget.passes_so_far
    attempt, tally = request.problem.counted()
    with budget.watched():
        try:
            findings = compare_all(dataclasses.replace(request, problem=attempt))
        except (TracingError, DisagreementError) as error:
            if request.method == "difference":
                raise
            budget.correct(before, tally.passes)
            return reason_for(error)
        budget.correct(before, findings.forward_passes)
        return dataclasses.replace(
            findings, forward_passes=budget.passes_so_far - request.problem.forward_passes
        )
    return too_small


def _passes_of_all_slopes(request: CheckRequest) -> int:
    start, each, most = PASSES_OF_ALL_SLOPES
    return start + min(each * len(request.blocks), most)


def _seconds_of_all_slopes(request: CheckRequest) -> float:
    return SECONDS_OF_ALL_SLOPES[0] * request.problem.seconds + SECONDS_OF_ALL_SLOPES[1]


class _Screened(NamedTuple):
    """What screening gave, block by block, and notes."""

    blocks: dict[str, ScreenedBlock]
    notes: tuple[str, ...]


def _screen(request: CheckRequest, budget: Budget, method: str) -> _Screened:
    """Measure slopes in all blocks, then look closer at those that need it, as far as the budget allows."""
    directions = Directions(request.problem, request.epsilon)
    measured: list[tuple[BlockScreening, Residuals]] = []
    with budget.watched():
        for screening in _affordable_screenings(request, budget, directions, method):
            residuals = screening.measured()
            measured.append((screening, residuals))
    blocks: dict[str, ScreenedBlock] = {}
    for screening, residuals in measured:
        before, passes_before = budget.passes_so_far, directions.forward_passes
        block = budget.finished(functools.partial(_look_closer, screening, residuals, budget))
        budget.correct(before, directions.forward_passes - passes_before + block.extra_passes)
        blocks[block.name] = block
    too_small = not (blocks or budget.ended)
    return _Screened(blocks, ("the budget is too small to screen the blocks first.",) if too_small else ())


def _affordable_screenings(
    request: CheckRequest, budget: Budget, directions: Directions, method: str
) -> Iterator[BlockScreening]:
    """Yield the blocks to be screened, as long as they are expected to fit.

    There are as many directions as leave enough for a coordinate of each block; if one is too many for that,
    coordinates are given up.
    """
    seconds, blocks = request.problem.seconds, len(request.blocks)
    left = budget.fits(seconds, 1.0)
    # A first batch measures the noise of the cost, too, unless screening has.
    besides_coordinates = left - passes_of_least_batch(request, method)
    left -= PASSES_OF_NOISE
    both_fit = PASSES_OF_DIRECTION * blocks <= besides_coordinates
    count = (besides_coordinates if both_fit else left) / (PASSES_OF_DIRECTION * blocks)
    if count < 1:
        return
    options = request.screening_options()
    options = dataclasses.replace(options, directions=int(min(options.directions, count)))
    passes = PASSES_OF_DIRECTION * options.directions
    for screening in block_screenings(request.problem, directions, options):
        if budget.fits(passes * seconds, passes) < 1:
            return
        yield screening


def _look_closer(screening: BlockScreening, residuals: Residuals, budget: Budget) -> ScreenedBlock:
    """Return what is known of a block, after a closer look if it needs one and the budget allows it.

    Directions cannot tell kinks from mistakes, and coordinates are checked anyway.
    """
    passes = PASSES_OF_CLOSER_LOOK
    affordable = budget.fits(passes * screening.problem.seconds, passes) >= 1
    if affordable and not residuals.at_kinks:
        with budget.watched():
            return screening.screened(residuals)
    return screening.cut_short(residuals, budget.stopped)


def _together(
    request: CheckRequest, budget: Budget, screened: _Screened, gathered: Gathered, method: str
) -> Findings:
    """Return what directions and coordinates say together."""
    blocks, outcomes = screened.blocks, gathered.outcomes
    reports = {}
    for block in request.blocks:
        known = _report_of(outcomes.get(block.name), blocks.get(block.name))
        reports[block.name] = known or _not_reached(request, block, method, budget.stopped)
    comparisons = {name: outcome.comparison for name, outcome in (blocks | outcomes).items()}
    return Findings(
        method=method if outcomes or method == "difference" else "plain",
        blocks=reports,
        comparisons=comparisons,
        forward_passes=budget.passes_so_far - request.problem.forward_passes,
        notes=(*screened.notes, *_notes(gathered, blocks)),
        stopped=None if gathered.complete else budget.stopped,
        failing=failing_blocks(outcomes.values()),
        even=even_outcomes(outcomes.values()),
    )


def _not_reached(request: CheckRequest, block: Block, method: str, reason: str) -> BlockReport:
    """Return the report of a block of which nothing is known."""
    problem = request.problem
    if method == "difference":
        passes = problem.forward_passes + _passes_of_all_slopes(request)
        seconds = _seconds_of_all_slopes(request)
    else:
        passes = problem.forward_passes + PASSES_OF_NOISE + PASSES_OF_DIRECTION * len(request.blocks)
        seconds = passes * problem.seconds
    return not_reached(
        block,
        reason,
        f"A first look at every block takes about {passes:,} forward passes ({seconds:.2g} s).",
    )


def _report_of(outcome: BlockOutcome | None, screened: ScreenedBlock | None) -> BlockReport | None:
    """Return the report of a block of which directions, coordinates or both were looked at, None if neither were."""
    if outcome is None:
        return None if screened is None else screened.report
    report = outcome.report
    if screened is None:
        return report
    report = dataclasses.replace(report, screened=screened.report.screened)
    if report.checked == report.size:
        return report
    of_directions = screened.report.verdict
    if of_directions is Verdict.INCONCLUSIVE and screened.residuals.explained:
        # Noise hides too much of the block as a whole, and coordinates tell what they can.
        of_directions = Verdict.PASS
    verdict = worst_verdict([report.verdict, of_directions])
    worst = report.worst if report.wrong else (screened.report.worst or report.worst)
    cause = (report.cause or screened.report.cause) if verdict is Verdict.INCONCLUSIVE else None
    return dataclasses.replace(report, verdict=verdict, worst=worst, cause=cause)


def _notes(gathered: Gathered, screened: dict[str, ScreenedBlock]) -> Iterator[str]:
    outcomes = gathered.outcomes
    yield from gathered.notes
    for outcome in outcomes.values():
        yield from outcome.notes
    complete = {name for name, outcome in outcomes.items() if outcome.report.checked == outcome.report.size}
    for name, block in screened.items():
        # What directions say of a block is of no interest where all of its coordinates are known.
        if name not in complete:
            yield from block.notes
    yield from kink_notes(sum(outcome.report.kinks for outcome in outcomes.values()), ())
