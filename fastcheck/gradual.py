"""Checks within a budget: what the entry point `check` does with ``time_budget`` or ``max_forward_passes``."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from fastcheck.blind_spots import LookedAt, blind_spots
from fastcheck.block_screening import BlockScreening, Options, ScreenedBlock, measured
from fastcheck.budgets import Budget, Gathered, gather, least, preparing
from fastcheck.engines.directions import METHODS, Directions, opened
from fastcheck.execution import Execution
from fastcheck.judging import JudgedBlock, failure_notes, judged_block, kink_notes
from fastcheck.known_slopes import compare_all
from fastcheck.norms import Comparison
from fastcheck.parameters import Block
from fastcheck.plan import make_plan
from fastcheck.power import Power
from fastcheck.problem import Problem
from fastcheck.report.result import BlockReport, Report
from fastcheck.residuals import Residuals
from fastcheck.screening import grouped
from fastcheck.verdict import Verdict, worst_verdict

CONFIDENCE = 0.999
"""That with which the bounds of screening hold."""

SUBTRACTING = 27, 0, 8
"""Forward passes that plain evaluation takes to screen: for noise, for each block, and for each direction in it."""

EXACT = 0, 3, 2
"""Those of difference propagation, once it is verified."""

AT_ONCE = 100, 0.02
"""Times of a forward pass, and seconds besides, that finding all slopes at once takes, about."""

CLOSER = {"plain": 250, "difference": 120}
"""Forward passes that a closer look at a block that looks wrong takes, about."""


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
    alpha: float,
    directions: int,
    max_memory: int,
) -> Report:
    """Compare all coordinates at once, if that can be done and fits; or screen all blocks, and check coordinates.

    That goes on until all coordinates are done or the budget is.
    The two forward passes of posing the problem are spent already, whatever the budget is. Nothing else begins that is
    not expected to fit, and what takes more than expected is stopped: see `fastcheck.budgets`.
    """
    one_of_each = {block.name: 1 for block in problem.layout.blocks if block.size}
    asked = make_plan(
        problem.layout,
        problem.theta,
        one_of_each,
        epsilon,
        seed,
        alpha=alpha,
        directions=directions,
        tolerance=tolerance,
    )
    budget.spent += problem.forward_passes
    problem = dataclasses.replace(problem, evaluator=dataclasses.replace(problem.evaluator, meter=budget))
    options = Options(
        directions=directions,
        confidence=CONFIDENCE,
        epsilon=epsilon,
        tolerance=tolerance,
        seed=asked.seed,
        max_memory=max_memory,
        alpha=alpha,
    )
    blocks = _blocks(problem)
    whole = _at_once(problem, budget, execution, options, method) if asked.epsilon is None else None
    if whole is not None:
        return whole
    first = _screened(problem, budget, execution, options, method)
    screened = first.blocks
    found = gather(
        problem,
        blocks,
        budget,
        execution,
        functools.partial(judged_block, problem, epsilon, tolerance, confidence),
        method=method,
        expected=method if method == "reference" else first.method,
        asked=asked,
        screened=len(screened) == len(blocks),
    )
    judged, stopped = found.judged, None if found.complete else budget.stopped
    not_reached = _not_reached(problem, len(blocks), first.method, budget.stopped)
    reports = {
        block.name: _together(judged.get(block.name), screened.get(block.name)) or not_reached(block)
        for block in blocks
    }
    known = judged or screened
    comparisons = {name: one.comparison for name, one in (screened | judged).items()}
    unseen, _ = blind_spots(
        problem, (LookedAt(name, reports[name], comparisons[name]) for name in comparisons)
    )
    return Report(
        verdict=worst_verdict(report.verdict for report in reports.values()),
        difference=Comparison.joined(one.comparison for one in known.values()).difference
        if known
        else math.nan,
        blocks=reports,
        forward_passes=budget.spent,
        method=found.method if judged else first.method,
        epsilon=epsilon,
        tolerance=tolerance,
        seconds=time.perf_counter() - budget.start,
        seed=seed,
        notes=tuple(dict.fromkeys([*execution.notes, *first.notes, *_notes(found, judged, screened)])),
        stopped=stopped,
        unseen=unseen,
    )


def _at_once(
    problem: Problem, budget: Budget, execution: Execution, options: Options, method: str
) -> Report | None:
    """Return the report of all coordinates, if their slopes can be found at once, and that fits into the budget."""
    passes, seconds = preparing(problem, _blocks(problem), "graph"), AT_ONCE[0] * problem.seconds + AT_ONCE[1]
    if method not in ("auto", "graph") or budget.fits(seconds, passes) < 1:
        return None
    before = budget.spent
    with budget.watched():
        found, spent = compare_all(problem, options, execution, in_few_places=False)
        budget.settle(before, max(spent, budget.spent - before))
        if found is not None:
            report = found.report(problem, options, execution, budget.start)
            return dataclasses.replace(report, forward_passes=budget.spent)
    return None


class _First(NamedTuple):
    """What screening found, block by block, and how."""

    blocks: dict[str, ScreenedBlock]
    method: str
    notes: tuple[str, ...]


def _screened(
    problem: Problem, budget: Budget, execution: Execution, options: Options, method: str
) -> _First:
    """Screen the blocks as far as the budget allows."""
    opening = opened(
        problem,
        execution,
        method if method in METHODS else "auto",
        epsilon=options.epsilon,
        seed=options.seed,
        max_memory=options.max_memory,
    )
    with budget.watched(), opening as way:
        blocks = _screened_blocks(problem, budget, way, options, method)
        notes = () if blocks or budget.ended else ("the budget is too small to screen the blocks first.",)
        return _First(blocks, way.method, (*way.notes, *notes))
    return _First({}, "plain" if method == "auto" else method, ())


def _screened_blocks(
    problem: Problem, budget: Budget, way: Directions, options: Options, method: str
) -> dict[str, ScreenedBlock]:
    """Measure slopes in all blocks, then look closer at those that need it, as far as the budget allows."""
    looked_at: list[tuple[BlockScreening, Residuals]] = []
    found: dict[str, ScreenedBlock] = {}
    with budget.watched():
        for group in _groups(problem, budget, way, options, method):
            before, spent = budget.spent, way.forward_passes
            looked_at += zip(group, measured(group), strict=True)
            budget.settle(before, way.forward_passes - spent)
    for one, residuals in sorted(looked_at, key=lambda pair: pair[0].number):
        before, spent = budget.spent, way.forward_passes
        block = budget.finished(functools.partial(_looked_closer, one, residuals, budget))
        passes = way.forward_passes - spent + block.extra_passes
        budget.settle(before, max(passes, budget.spent - before))  # more were made where the look was cut
        found[one.block.name] = block
    return found


def _groups(
    problem: Problem, budget: Budget, way: Directions, options: Options, method: str
) -> Iterator[list[BlockScreening]]:
    """Yield the blocks to be screened together, as long as they are expected to fit.

    There are as many directions as leave enough for a coordinate of each block; if one is too many for that,
    coordinates are given up.
    """
    start, each, along = _passes(way.method)
    blocks = _blocks(problem)
    everything = start + (each + along * options.directions) * len(blocks)
    left = budget.fits(way.seconds(everything) / everything, 1.0)
    both = left - least(problem, blocks, method if method == "reference" else way.method) + start
    one = start + (each + along) * len(blocks)
    directions = ((both if one <= both else left) - start - each * len(blocks)) / (along * len(blocks))
    if directions < 1:
        return
    options = dataclasses.replace(options, directions=int(min(options.directions, directions)))
    for group in grouped(problem, way, options):
        passes = (each + along * options.directions) * len(group)
        if budget.fits(way.seconds(passes), passes) < 1:
            return
        yield group


def _passes(method: str) -> tuple[int, int, int]:
    """Return the forward passes that screening takes, at most in usual cases: see `SUBTRACTING`."""
    return SUBTRACTING if method in ("plain", "reference") else EXACT


def _blocks(problem: Problem) -> list[Block]:
    return [block for block in problem.layout.blocks if block.size]


def _looked_closer(one: BlockScreening, residuals: Residuals, budget: Budget) -> ScreenedBlock:
    """Return what is found in a block, after a closer look if it needs one and the budget allows it.

    Plain evaluation cannot tell kinks along directions from mistakes, and coordinates are checked anyway.
    """
    passes = CLOSER[one.way.method]
    hopeless = one.way.method == "plain" and residuals.kinked.any()
    if not hopeless and budget.fits(passes * one.problem.seconds, passes) >= 1:
        with budget.watched():
            return one.screened(residuals)
    return one.cut_short(residuals, budget.stopped)


def _not_reached(problem: Problem, blocks: int, method: str, reason: str) -> Callable[[Block], BlockReport]:
    """Return what gives the report of a block of which nothing is known, one of so many ``blocks``."""
    start, each, along = _passes(method)
    passes = problem.forward_passes + start + (each + along) * blocks

    def report(block: Block) -> BlockReport:
        return BlockReport(
            verdict=Verdict.INCONCLUSIVE,
            difference=math.nan,
            shape=block.shape,
            size=block.size,
            checked=0,
            wrong=0,
            undecided=0,
            worst=(),
            cause=f"{block.name} was not looked at, as {reason}. A first look at every block takes about {passes:,} "
            f"forward passes ({passes * problem.seconds:.2g} s).",
            power=Power(coordinate=math.inf, factor=math.inf),
        )

    return report


def _together(judged: JudgedBlock | None, screened: ScreenedBlock | None) -> BlockReport | None:
    """Return the report of a block of which directions, coordinates or both were looked at, None if neither were."""
    if judged is None:
        return None if screened is None else screened.report
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
    notes = [
        *failure_notes(list(judged.values()), found.kinks),
        *found.notes,
        *(note for one in judged.values() for note in one.notes),
    ]
    # What directions say of a block is of no interest where all of its coordinates are known.
    partly = [one for name, one in screened.items() if name not in judged or not _complete(judged[name])]
    notes += [note for one in partly for note in one.notes]
    return [*notes, *kink_notes(kinked, found.kinks, found.said_of_kinks)]
