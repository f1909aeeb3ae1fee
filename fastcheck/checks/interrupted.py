"""What a check that was interrupted tells: all that is known by then, and of the rest that nothing is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from fastcheck.checks.assembling import Findings, engine_findings
from fastcheck.checks.block_outcomes import BlockOutcome
from fastcheck.checks.requests import CheckRequest
from fastcheck.engines import Summary
from fastcheck.interrupting import interruption_of
from fastcheck.plan.coordinates import Plan
from fastcheck.problem.parameters import Block
from fastcheck.report.result import BlockReport
from fastcheck.verdict.judging import Verdict
from fastcheck.verdict.obstacles import ADVICE, Obstacle
from fastcheck.verdict.power import Power

GOES_ON = "the same call goes on from there"
WOULD_GO_ON = "the same call with checkpoint= goes on from there"
"""What can be done after an interruption, with a checkpoint and without one."""


def not_reached(block: Block, reason: str, advice: str = "") -> BlockReport:
    """Return the report of a block of which nothing is known, for this reason."""
    obstacle = f"{Obstacle.INTERRUPTED}: " if interruption_of(reason) else ""
    return BlockReport(
        verdict=Verdict.INCONCLUSIVE,
        difference=math.nan,
        shape=block.shape,
        size=block.size,
        checked=0,
        wrong=0,
        undecided=0,
        worst=(),
        cause=f"{obstacle}{block.name} was not looked at, as {reason}. {advice}".rstrip(),
        power=Power(coordinate=math.inf, factor=math.inf),
    )


def nothing_found(request: CheckRequest) -> Findings:
    """Return what is known of all blocks where a check was interrupted before any was looked at."""
    reason = request.ended or ""
    return Findings(
        method="plain" if request.method == "auto" else request.method,
        blocks={block.name: not_reached(block, reason) for block in request.blocks},
        comparisons={},
        forward_passes=_passes_so_far(request),
        notes=(),
        stopped=reason,
    )


def interrupted_findings(
    request: CheckRequest, plan: Plan, outcomes: Sequence[BlockOutcome], summary: Summary | None
) -> Findings:
    """Return what an engine's run gave that was interrupted: what is known of blocks, and that nothing is of others.

    ``summary`` is None where the run did not come to its end.
    """
    reason = request.ended or ""
    outcomes = _incomplete_ones_undecided(plan, outcomes, reason)
    if outcomes:
        known = summary or Summary(method=request.method, forward_passes=0)
        findings = engine_findings(request, outcomes, known)
    else:
        findings = nothing_found(request)
    if summary is None:
        findings = dataclasses.replace(findings, forward_passes=_passes_so_far(request))
    blocks = {
        part.block.name: findings.blocks.get(part.block.name) or not_reached(part.block, reason)
        for part in plan.parts
    }
    evaluated = sum(outcome.report.checked for outcome in outcomes)
    goes_on = GOES_ON if request.goes_on else WOULD_GO_ON
    note = f"interrupted after {evaluated:,} of {plan.size:,} coordinates; {goes_on}."
    return dataclasses.replace(findings, blocks=blocks, stopped=reason, notes=(*findings.notes, note))


def _incomplete_ones_undecided(
    plan: Plan, outcomes: Sequence[BlockOutcome], reason: str
) -> list[BlockOutcome]:
    """Return the outcomes; blocks that do not fail and were not evaluated as a whole are inconclusive for that."""
    asked = {part.block.name: part.size for part in plan.parts}
    undecided = []
    for outcome in outcomes:
        report, size = outcome.report, asked[outcome.name]
        left = size - report.checked
        if left and report.verdict is not Verdict.FAIL:
            missing = f"{left:,} of {size:,} coordinates of {outcome.name} were not evaluated, as {reason}"
            of_others = (
                f"; those that were pass. {ADVICE[Obstacle.INTERRUPTED]}."
                if report.verdict is Verdict.PASS
                else f". Of the others: {report.cause}"
            )
            cause = f"{Obstacle.INTERRUPTED}: {missing}{of_others}"
            report = dataclasses.replace(report, verdict=Verdict.INCONCLUSIVE, cause=cause)
        undecided.append(outcome._replace(report=report))
    return undecided


def _passes_so_far(request: CheckRequest) -> int:
    """Return the forward passes that this process made since the problem was posed."""
    budget = request.budget
    return 0 if budget is None else max(0, budget.passes_so_far - request.problem.forward_passes)
