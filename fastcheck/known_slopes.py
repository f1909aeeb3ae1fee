"""Screening where the slopes of all coordinates are found at once: every coordinate is compared.

Slopes that are sent backwards through a record of the cost take a few dozen forward passes, however many there are.
They are certified along random directions through all blocks, which bounds ‖e‖ of each block as screening does, and
closer: e = g - ĝ is known but for what the certificate leaves open of ĝ. Where the cost cannot be recorded, or θ stands
on kinks, random directions in each block take their place (`fastcheck.screening`).
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fastcheck.blind_spots import LookedAt, blind_spots
from fastcheck.block_screening import Options
from fastcheck.careful import Judged, judged
from fastcheck.engines import Certified, DisagreementError, Estimate, choose_engine
from fastcheck.engines.difference.state import TracingError
from fastcheck.execution import Execution
from fastcheck.judging import JudgedBlock, failure_notes, kink_notes, reported
from fastcheck.norms import Comparison, norm, pieces
from fastcheck.plan import FEWEST_DIRECTIONS, make_plan
from fastcheck.problem import Problem
from fastcheck.report.result import BlockReport, Located, Report, Screened
from fastcheck.residuals import chi_square_quantile
from fastcheck.rule import SHARP, Rows, claims
from fastcheck.spot_checks import MANY
from fastcheck.verdict import Verdict, worst_verdict

COPIES = 20
"""Arrays of the size of θ that exist at a time besides those of the directions of a certificate: 18 were measured."""

Describe = Callable[[Problem, Judged], Located]
"""What tells where the mistake of a block is."""


class KnownSlopes(NamedTuple):
    """What was found of all blocks."""

    blocks: tuple[JudgedBlock, ...]
    method: str
    forward_passes: int
    notes: tuple[str, ...]
    certified: Certified | None

    def report(self, problem: Problem, options: Options, execution: Execution, start: float) -> Report:
        """Return the report of the whole, begun at ``start``."""
        blocks = {one.name: one.report for one in self.blocks}
        unseen, more = blind_spots(
            problem, (LookedAt(one.name, one.report, one.comparison) for one in self.blocks)
        )
        return Report(
            verdict=worst_verdict(block.verdict for block in blocks.values()),
            difference=Comparison.joined(one.comparison for one in self.blocks).difference,
            blocks=blocks,
            forward_passes=problem.forward_passes + self.forward_passes + more,
            method=self.method,
            epsilon=options.epsilon,
            tolerance=options.tolerance,
            seconds=time.perf_counter() - start,
            seed=options.seed,
            notes=(*execution.notes, *self.notes),
            unseen=unseen,
            certified=None if self.certified is None else str(self.certified),
        )


class _Block(NamedTuple):
    """One block: norms of what claims are off by at most, of the slopes found, and of what these may be off by."""

    judged: JudgedBlock
    error: float
    slopes: float
    bound: float


def compare_all(
    problem: Problem,
    options: Options,
    execution: Execution,
    *,
    strict: bool = False,
    in_few_places: bool = True,
    describe: Describe | None = None,
) -> tuple[KnownSlopes | None, int]:
    """Compare all coordinates, and return what was found, and the forward passes: None where slopes are not found so.

    Errors ``in_few_places`` fail a block even if they are within the tolerance; ``describe`` tells where they are.
    ``strict`` raises `TracingError` or `DisagreementError` instead of returning None.
    """
    directions = max(FEWEST_DIRECTIONS, options.directions)
    if not strict and 8 * (COPIES + directions) * problem.layout.size > options.max_memory:
        return None, 0
    execution = dataclasses.replace(execution, max_memory=options.max_memory)
    plan = make_plan(
        problem.layout,
        problem.theta,
        "all",
        None,
        options.seed,
        alpha=options.alpha,
        directions=directions,
        tolerance=options.tolerance,
    )
    plan = dataclasses.replace(plan, parts=tuple(part for part in plan.parts if part.size))
    attempt, tally = problem.counted()
    use = functools.partial(_compared, attempt, options, in_few_places, describe)
    try:
        estimates = choose_engine("graph").estimate(attempt, plan, execution, use)
    except (TracingError, DisagreementError):
        if strict:
            raise
        return None, tally.passes
    judged_blocks = [one.judged for one in estimates.results]
    kinked = sum(one.report.kinks for one in judged_blocks)
    found = KnownSlopes(
        blocks=tuple(_bounded(options, estimates.results, estimates.certified)),
        method=estimates.method,
        forward_passes=estimates.forward_passes + sum(one.forward_passes for one in judged_blocks),
        notes=(
            *estimates.notes,
            *failure_notes(judged_blocks, estimates.kinks),
            *dict.fromkeys(note for one in judged_blocks for note in one.notes),
            *kink_notes(kinked, estimates.kinks, estimates.said_of_kinks),
        ),
        certified=estimates.certified,
    )
    return found, found.forward_passes


def _compared(
    problem: Problem, options: Options, in_few_places: bool, describe: Describe | None, first: Estimate
) -> _Block:
    """Judge a block, and tell where its mistake is."""
    found = judged(problem, None, options.tolerance, first)
    notes: tuple[str, ...] = ()
    if in_few_places and found.judgement.verdict is Verdict.PASS:
        found, notes = _sharply(problem, options.tolerance, first, found)
    block = reported(problem, None, options.tolerance, options.confidence, first, found)
    if describe is not None and block.report.verdict is Verdict.FAIL:
        block = block._replace(
            report=dataclasses.replace(block.report, located=describe(problem, found)),
            mistake=None,  # the description has it, and the symptoms
            notes=found.notes,
        )
    error = slopes = bound = 0.0
    for piece in pieces(first.part.size):
        claimed, rows = claims(problem, first.part, piece), Rows.of(found.estimate, piece)
        error = math.hypot(error, norm(np.maximum(rows.outside(claimed), 0.0) + rows.bound))
        slopes, bound = math.hypot(slopes, norm(rows.numerical)), math.hypot(bound, norm(rows.bound))
    return _Block(block._replace(notes=(*block.notes, *notes)), error, slopes, bound)


def _sharply(
    problem: Problem, tolerance: float, first: Estimate, found: Judged
) -> tuple[Judged, tuple[str, ...]]:
    """Return a judgement by what rounding leaves open, if that is beyond the tolerance in a few coordinates only.

    Precision and approximations show in most coordinates of a block; where nearly all are right to the last digits,
    and a few are not, these have another gradient, however little it differs at these parameters.
    """
    rule = found.judgement.rule
    least, worst = SHARP * tolerance, found.judgement.worst[0].error
    if (
        rule.relative > tolerance or worst <= least * rule.typical
    ):  # a claim in single precision, or nothing there
        return found, ()
    closer = judged(problem, None, least, first)
    if closer.judgement.verdict is not Verdict.FAIL:
        return found, ()
    off = alive = 0
    for piece in pieces(first.part.size):
        claimed, rows = claims(problem, first.part, piece), Rows.of(closer.estimate, piece)
        off += int(np.count_nonzero(rows.outside(claimed) > rows.bound + least * rule.typical))
        alive += int(np.count_nonzero((claimed != 0) | (rows.numerical != 0)))
    if not 0 < off < MANY * alive:
        return found, ()
    name = first.part.block.name
    return closer, (
        f"{name} is wrong in few places: in {closer.judgement.wrong:,} of its coordinates it is off by more than "
        "rounding, if by less than the tolerance.",
    )


def _bounded(options: Options, blocks: Sequence[_Block], certified: Certified | None) -> list[JudgedBlock]:
    """Return the blocks with bounds on their errors, by what the certificate leaves open of slopes.

    It holds with probability 1 - α: the same residuals give the bound that holds with the confidence asked for.
    """
    if certified is None:
        return [one.judged for one in blocks]
    degrees = certified.directions
    relative = certified.relative * math.sqrt(
        chi_square_quantile(degrees, certified.alpha) / chi_square_quantile(degrees, 1 - options.confidence)
    )
    largest = max((one.slopes for one in blocks), default=0.0)
    found = []
    for one in blocks:
        unknown = relative * (one.slopes or largest)
        bound, least = one.error + unknown, one.slopes - one.bound - unknown
        relative_bound = bound / least if least > 0 else (math.inf if bound else 0.0)
        screened = Screened(
            directions=degrees,
            confidence=options.confidence,
            bound=bound,
            relative_bound=relative_bound,
            kinked=0,
        )
        report: BlockReport = dataclasses.replace(one.judged.report, screened=screened)
        found.append(one.judged._replace(report=report))
    return found
