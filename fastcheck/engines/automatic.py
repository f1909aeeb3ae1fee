"""``method="auto"``: kernels for networks they know, propose and certify, difference propagation, plain evaluation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from fastcheck.engines import DisagreementError, Estimate, Estimates, T
from fastcheck.engines.difference.engine import DifferenceEngine
from fastcheck.engines.difference.session import session_of
from fastcheck.engines.difference.state import TracingError
from fastcheck.engines.directions import reason_for
from fastcheck.engines.graph.engine import GraphEngine
from fastcheck.engines.mlp.engine import NOT_USED, KinksError, estimate, known_network
from fastcheck.engines.plain import PlainEngine, batched_costs
from fastcheck.execution import Execution
from fastcheck.plan import Plan
from fastcheck.problem import Problem


class AutomaticEngine:
    """The first engine that can do it, from the fastest on; plain evaluation for costs that offer batches."""

    name = "auto"

    def estimate(
        self, problem: Problem, plan: Plan, execution: Execution, use: Callable[[Estimate], T]
    ) -> Estimates[T]:
        """Return the estimates of the engine that could do it; their notes say why, if it was plain."""
        if batched_costs(problem):
            return PlainEngine().estimate(problem, plan, execution, use)
        attempt, tally = problem.counted()
        notes: tuple[str, ...] = ()
        spent = 0
        try:
            with session_of(problem.evaluator.cost):
                recognition = known_network(attempt)
                if recognition is not None:
                    try:
                        return estimate(recognition, attempt, plan, execution, use)
                    except KinksError:
                        pass
                    except DisagreementError as error:
                        notes = (NOT_USED.format(error),)
                spent = tally.passes
                try:
                    estimates = GraphEngine().estimate(attempt, plan, execution, use)
                except (TracingError, DisagreementError):
                    spent = tally.passes
                    estimates = DifferenceEngine().estimate(attempt, plan, execution, use)
        except (TracingError, DisagreementError) as error:
            spent, notes = tally.passes, (*notes, reason_for(error))
            estimates = PlainEngine().estimate(problem, plan, execution, use)
        return dataclasses.replace(
            estimates,
            notes=(*notes, *estimates.notes),
            forward_passes=estimates.forward_passes + spent,
        )
