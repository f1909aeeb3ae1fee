"""From what is known of each block to the report of the whole: every check ends here."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastcheck.checks.block_outcomes import BlockOutcome, failure_notes, kink_notes, step_notes
from fastcheck.checks.requests import CheckRequest
from fastcheck.diagnosis.blind_spots import LookedAt, blind_spots
from fastcheck.engines import Summary
from fastcheck.norms import Comparison
from fastcheck.report.result import BlockReport, Report
from fastcheck.verdict.judging import worst_verdict


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """What a strategy knows of every block at its end, and by which method.

    ``comparisons`` hold the norms of claim and slopes of the blocks that were looked at. ``forward_passes`` counts
    those made since the problem was posed, ``stopped`` says why the check ended before all was done.
    """

    method: str
    blocks: Mapping[str, BlockReport]
    comparisons: Mapping[str, Comparison]
    forward_passes: int
    notes: Sequence[str]
    certified: str | None = None
    stopped: str | None = None

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
            *failure_notes(outcomes, summary.kinks),
            *(note for outcome in outcomes for note in outcome.notes),
            *step_notes(request.epsilon, request.tolerance, outcomes, difference),
            *kink_notes(at_kinks, summary.kinks, summary.said_of_kinks),
        ),
        certified=None if summary.certified is None else str(summary.certified),
    )


def assemble(request: CheckRequest, findings: Findings) -> Report:
    """Return the report: what was asked for, what is known of it, and what could not be seen."""
    problem = request.problem
    looked_at = [
        LookedAt(name, findings.blocks[name], comparison) for name, comparison in findings.comparisons.items()
    ]
    unseen, passes_to_see = blind_spots(problem, looked_at) if looked_at else ((), 0)
    return Report(
        verdict=worst_verdict(block.verdict for block in findings.blocks.values()),
        difference=findings.difference,
        blocks=findings.blocks,
        forward_passes=problem.forward_passes + findings.forward_passes + passes_to_see,
        method=findings.method,
        epsilon=None if request.epsilon is None else float(request.epsilon),
        tolerance=request.tolerance,
        seconds=time.perf_counter() - request.start,
        seed=int(request.seed),
        notes=tuple(dict.fromkeys([*request.execution.notes, *findings.notes])),
        stopped=findings.stopped,
        unseen=unseen,
        certified=findings.certified,
        left_out=tuple(block.name for block in request.blocks if block.name not in findings.blocks),
    )
