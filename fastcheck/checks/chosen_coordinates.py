"""Coordinates that were chosen, all or a sample of them, each compared with the slope that an engine finds."""

from __future__ import annotations

import functools
from typing import Any

from fastcheck.checks.assembling import Findings, engine_findings
from fastcheck.checks.block_outcomes import BlockOutcome, report_block
from fastcheck.checks.interrupted import interrupted_findings
from fastcheck.checks.requests import CheckRequest
from fastcheck.engines import Engine, EngineRun
from fastcheck.verdict.first_sight import judge_together


def check_coordinates(request: CheckRequest, engine: Engine, coordinates: Any) -> Findings:
    """Compare the claim with the slopes of these coordinates, block by block."""
    plan = request.plan(coordinates)
    outcome_of = functools.partial(
        report_block, request.problem, plan.epsilon, request.tolerance, request.sample_confidence
    )
    outcomes: list[BlockOutcome] = []
    with EngineRun(engine, request.problem, plan, request.execution) as run, request.watched():
        for estimates in run.together():
            sights = judge_together(request.problem, estimates, request.tolerance)
            for sight in sights:
                estimate = estimates.pop(0)  # what it holds is not kept while the next one is made
                outcomes.append(request.finished(functools.partial(outcome_of, estimate, sight)))
                del estimate
    if not request.ended:
        return engine_findings(request, outcomes, run.summary)
    summary = run.summary if run.is_complete else None
    return interrupted_findings(request, plan, outcomes, summary)
