"""From what is known of each block to the report of the whole: every check ends here."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastcheck.checks.block_outcomes import BlockOutcome, even_outcomes, kink_notes, step_notes
from fastcheck.checks.generators import generators_kept
from fastcheck.checks.held_on_purpose import sentence_on_held
from fastcheck.checks.requests import CheckRequest
from fastcheck.diagnosis.blind_spots import LookedAt, blind_spots
from fastcheck.diagnosis.evenness import EvenFailure
from fastcheck.diagnosis.failing_block import FailingBlock
from fastcheck.engines import Summary
from fastcheck.norms import Comparison
from fastcheck.problem.holding import HeldCost, Place
from fastcheck.problem.posing import Problem
from fastcheck.progress.watching_checks import entering
from fastcheck.report.result import CONSTANT_COST, BlockReport, Report
from fastcheck.studies.problem_study import ProblemStudy
from fastcheck.verdict.judging import Verdict, worst_verdict
from fastcheck.verdict.obstacles import Obstacle

IN_THREADS = (
    "the cost was evaluated in several threads at once. If it writes to arrays or attributes of its own (out=, "
    "self.x = …), these evaluations mix, which looks like noise: check with n_jobs=1 or backend='processes'."
)

if TYPE_CHECKING:
    from fastcheck.diagnosis.detective.finding import Found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """What a strategy knows of every block at its end, and by which method.

    ``comparisons`` hold the norms of claim and slopes of the blocks that were looked at. ``forward_passes`` counts
    those made since the problem was posed, ``stopped`` says why the check ended before all was done. ``failing`` are
    the blocks that fail, as far as they were looked at as a whole. ``even`` tells of the errors of all that fail, if
    these are small and alike, as those of precision are.
    """

    method: str
    blocks: Mapping[str, BlockReport]
    comparisons: Mapping[str, Comparison]
    forward_passes: int
    notes: Sequence[str]
    certified: str | None = None
    stopped: str | None = None
    failing: Sequence[FailingBlock] = ()
    even: EvenFailure | None = None

    @property
    def difference(self) -> float:
        """The difference of the courses, NaN where no block was looked at."""
        return Comparison.joined(self.comparisons.values()).difference if self.comparisons else math.nan


def engine_findings(request: CheckRequest, outcomes: Sequence[BlockOutcome], summary: Summary) -> Findings:
    """Return what one run of an engine gave, its blocks being judged."""
    comparisons = {outcome.name: outcome.comparison for outcome in outcomes}
    difference = Comparison.joined(comparisons.values()).difference
    at_kinks = sum(outcome.report.kinks for outcome in outcomes)
    return Findings(
        method=summary.method,
        blocks={outcome.name: outcome.report for outcome in outcomes},
        comparisons=comparisons,
        forward_passes=summary.forward_passes + sum(outcome.forward_passes for outcome in outcomes),
        notes=(
            *summary.notes,
            *(note for outcome in outcomes for note in outcome.notes),
            *step_notes(request.epsilon, request.tolerance, outcomes, difference),
            *kink_notes(at_kinks, summary.kinks, summary.said_of_kinks),
        ),
        certified=None if summary.certified is None else str(summary.certified),
        failing=failing_blocks(outcomes, summary.at_kinks),
        even=even_outcomes(outcomes),
    )


def failing_blocks(outcomes: Iterable[BlockOutcome], at_kinks: Container[str] = ()) -> list[FailingBlock]:
    """Return the blocks that fail and were looked at as a whole; of their structure only, where these are at kinks."""
    blocks = [outcome.failing for outcome in outcomes if outcome.failing is not None]
    return [block._replace(structure_only=block.structure_only or block.name in at_kinks) for block in blocks]


def _noise_decides(findings: Findings) -> bool:
    """Tell whether noise is why something could not be told."""
    return any((block.cause or "").startswith(Obstacle.ROUNDING) for block in findings.blocks.values())


def assemble(request: CheckRequest, findings: Findings) -> Report:
    """Return the report: what was asked for, what is known of it, and what could not be seen."""
    problem = request.problem
    entering("looking for blind spots")
    looked_at = [
        LookedAt(name, findings.blocks[name], comparison) for name, comparison in findings.comparisons.items()
    ]
    unseen, passes_to_see = blind_spots(problem, looked_at) if looked_at else ((), 0)
    verdict = worst_verdict(block.verdict for block in findings.blocks.values())
    cost_is_constant = any(sentence.startswith(CONSTANT_COST) for sentence in unseen)
    fails = verdict is Verdict.FAIL and not cost_is_constant
    look_for_causes = fails and request.look_for_causes and not request.ended
    found = _causes(request, findings) if look_for_causes else None
    even_notes = () if findings.even is None else findings.even.note()
    if findings.even is not None and found is not None:
        even_notes = findings.even.note(found.explained, found.imprecise)
    notes_on_causes = () if found is None else found.notes
    notes = [*request.execution.notes, *held_notes(problem), *even_notes, *findings.notes, *notes_on_causes]
    notes += [IN_THREADS] if request.execution.pools.in_threads and _noise_decides(findings) else []
    notes += () if request.checkpoint is None else request.checkpoint.notes()
    return Report(
        verdict=verdict,
        difference=findings.difference,
        blocks=findings.blocks,
        forward_passes=problem.forward_passes
        + findings.forward_passes
        + passes_to_see
        + (0 if found is None else found.forward_passes),
        method=findings.method,
        epsilon=None if request.epsilon is None else float(request.epsilon),
        tolerance=request.tolerance,
        seconds=time.perf_counter() - request.start,
        seed=int(request.seed),
        notes=tuple(dict.fromkeys(notes)),
        stopped=findings.stopped or request.ended,
        unseen=unseen,
        certified=findings.certified,
        left_out=tuple(block.name for block in request.blocks if block.name not in findings.blocks),
        causes=() if found is None else found.causes,
        study=ProblemStudy(_unkept(problem), generators_kept, request.execution.max_memory),
    )


def _unkept(problem: Problem) -> Problem:
    """Return the same problem for evaluations that no checkpoint keeps."""
    if problem.evaluator.known is None:
        return problem
    return dataclasses.replace(problem, evaluator=dataclasses.replace(problem.evaluator, known=None))


def held_notes(problem: Problem) -> tuple[str, ...]:
    """Return the sentence about values that the cost holds constant on purpose, if there are any."""
    cost = problem.evaluator.cost
    if not isinstance(cost, HeldCost):
        return ()
    return (sentence_on_held(place for place in cost.values if isinstance(place, Place)),)


def _causes(request: CheckRequest, findings: Findings) -> Found:
    """Return what explains the claims that are wrong; its modules are loaded now."""
    from fastcheck.diagnosis.detective.finding import Failure, find_causes

    entering("searching for the cause")
    return find_causes(
        Failure(
            problem=request.problem,
            blocks=findings.blocks,
            known=findings.failing,
            previous=request.previous,
            execution=request.execution,
            seed=int(request.seed),
            certified=findings.certified is not None,
            errors_are_even=findings.even is not None,
            deadline=None if request.budget is None else request.budget.deadline,
        )
    )
