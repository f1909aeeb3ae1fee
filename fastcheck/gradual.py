"""Checks within a budget: what the entry point `check` does with ``time_budget`` or ``max_forward_passes``."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, NamedTuple

from fastcheck.block_screening import Options, ScreenedBlock
from fastcheck.budgets import INTERRUPTED, Budget, Gathered, gather
from fastcheck.engines.directions import METHODS, opened
from fastcheck.execution import Execution
from fastcheck.judging import JudgedBlock, judged_block, kink_notes
from fastcheck.norms import Comparison
from fastcheck.plan import make_plan
from fastcheck.problem import Problem
from fastcheck.report.result import BlockReport, Report
from fastcheck.screening import screen_blocks
from fastcheck.verdict import Verdict, worst_verdict

DIRECTIONS = 4
"""Random directions in each block, if the budget allows."""

PASSES = 10
"""Forward passes that a direction may take."""

CONFIDENCE = 0.999
"""That with which the bounds of screening hold."""


def check_gradually(
    problem: Problem,
    budget: Budget,
    execution: Execution,
    *,
    method: str,
    epsilon: float | None,
    tolerance: float,
    confidence: float,
    seed: int,
    max_memory: int,
) -> Report:
    """Screen all blocks, then check coordinates until all are done or the budget is.

    The first batch of coordinates is checked however small the budget is.
    """
    one_of_each = {block.name: 1 for block in problem.layout.blocks if block.size}
    make_plan(problem.layout, problem.theta, one_of_each, epsilon, seed)  # validates step and seed
    budget.spent += problem.forward_passes
    options = Options(
        directions=DIRECTIONS,
        confidence=CONFIDENCE,
        epsilon=epsilon,
        tolerance=tolerance,
        seed=seed,
        max_memory=max_memory,
    )
    first = _screened(problem, budget, execution, options, method)
    screened, passes, way_method = first.blocks, first.forward_passes, first.method
    blocks = [block for block in problem.layout.blocks if block.size]
    found = Gathered(method=method, estimates={}, stopped=INTERRUPTED)
    if not first.interrupted:
        found = gather(
            problem,
            blocks,
            budget,
            execution,
            method=method,
            epsilon=epsilon,
            seed=seed,
            known=bool(screened),
        )
    judged = {
        name: judged_block(problem, epsilon, tolerance, confidence, estimate)
        for name, estimate in found.estimates.items()
    }
    known = [block.name for block in blocks if block.name in judged or block.name in screened]
    reports = {name: _together(judged.get(name), screened.get(name)) for name in known}
    return Report(
        verdict=worst_verdict(report.verdict for report in reports.values()),
        difference=Comparison.joined(one.comparison for one in (judged or screened).values()).difference,
        blocks=reports,
        forward_passes=problem.forward_passes
        + passes
        + found.forward_passes
        + sum(one.forward_passes for one in judged.values()),
        method=found.method if judged else way_method,
        epsilon=epsilon,
        tolerance=tolerance,
        seconds=time.perf_counter() - budget.start,
        seed=seed,
        notes=tuple(dict.fromkeys([*execution.notes, *first.notes, *_notes(found, judged, screened)])),
        stopped=found.stopped,
    )


class _First(NamedTuple):
    """What screening found, block by block, and what it cost."""

    blocks: dict[str, ScreenedBlock]
    method: str
    forward_passes: int
    notes: tuple[str, ...]
    interrupted: bool = False


def _screened(
    problem: Problem, budget: Budget, execution: Execution, options: Options, method: str
) -> _First:
    """Screen all blocks with as many directions as half of the budget may allow, or none."""
    count = PASSES * sum(block.size > 0 for block in problem.layout.blocks)
    directions = int(min(DIRECTIONS, budget.fits(count * problem.seconds, count) / 2))
    if not directions:
        return _First({}, method, 0, ("the budget is too small to screen the blocks first.",))
    options = dataclasses.replace(options, directions=directions)
    found: list[ScreenedBlock] = []
    interrupted = False
    with opened(
        problem,
        execution,
        method if method in METHODS else "auto",
        epsilon=options.epsilon,
        seed=options.seed,
        max_memory=options.max_memory,
    ) as way:
        try:
            screen_blocks(problem, way, options, dataclasses.replace(execution, progress=False), found)
        except KeyboardInterrupt:
            if not found:
                raise
            interrupted = True
        passes = way.forward_passes + sum(one.extra_passes for one in found)
        budget.spent += passes
        blocks = {one.residuals.block.name: one for one in found}
        return _First(blocks, way.method, passes, way.notes, interrupted)


def _together(judged: JudgedBlock | None, screened: ScreenedBlock | None) -> BlockReport:
    """Return the report of a block of which directions, coordinates or both were looked at."""
    if judged is None:
        assert screened is not None  # the caller has one of them
        return screened.report
    report = judged.report
    if screened is None:
        return report
    report = dataclasses.replace(report, screened=screened.report.screened)
    if report.checked == report.size:
        return report
    of_directions = screened.report.verdict
    if of_directions is Verdict.INCONCLUSIVE and screened.residuals.explained:
        of_directions = (
            Verdict.PASS
        )  # noise hides too much of the block as a whole, and coordinates tell what they can
    verdict = worst_verdict([report.verdict, of_directions])
    worst = report.worst if report.wrong else (screened.report.worst or report.worst)
    cause = (report.cause or screened.report.cause) if verdict is Verdict.INCONCLUSIVE else None
    return dataclasses.replace(report, verdict=verdict, worst=worst, cause=cause)


def _complete(judged: JudgedBlock) -> bool:
    return judged.report.checked == judged.report.size


def _notes(found: Gathered, judged: dict[str, JudgedBlock], screened: dict[str, ScreenedBlock]) -> list[Any]:
    kinked = sum(one.report.kinks for one in judged.values())
    notes = [*found.notes, *(note for one in judged.values() for note in one.notes)]
    # What directions say of a block is of no interest where all of its coordinates are known.
    partly = [one for name, one in screened.items() if name not in judged or not _complete(judged[name])]
    notes += [note for one in partly for note in one.notes]
    return [*notes, *kink_notes(kinked, found.kinks)]
