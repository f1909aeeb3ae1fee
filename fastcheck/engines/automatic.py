"""``method="auto"``: slopes by difference propagation, or plain evaluation where that cannot be done."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator

from fastcheck.engines import DisagreementError, Estimate, Summary
from fastcheck.engines.graph.engine import GraphEngine
from fastcheck.engines.graph.recording.advice import reason_for
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.engines.plain.batches import PlainEngine, batched_costs
from fastcheck.execution import Execution
from fastcheck.plan.coordinates import Plan
from fastcheck.problem.posing import Problem


class AutomaticEngine:
    """The first engine that can do it; plain evaluation for costs that offer batches."""

    name = "auto"

    def estimates(
        self, problem: Problem, plan: Plan, execution: Execution
    ) -> Generator[Estimate, None, Summary]:
        """Yield the estimates of the engine that can do it; the notes say why, if it is plain evaluation."""
        if batched_costs(problem):
            return (yield from PlainEngine().estimates(problem, plan, execution))
        attempt, tally = problem.counted()
        try:
            return (yield from GraphEngine().estimates(attempt, plan, execution))
        except (TracingError, DisagreementError) as error:
            reason, passes_of_attempt = reason_for(error), tally.passes
        summary = yield from PlainEngine().estimates(problem, plan, execution)
        return dataclasses.replace(
            summary,
            notes=(reason, *summary.notes),
            forward_passes=summary.forward_passes + passes_of_attempt,
        )
