"""``method="auto"``: propose and certify, kernels for networks they know, difference propagation, plain evaluation."""

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
from fastcheck.engines.mlp.model_cost import ModelCost
from fastcheck.engines.plain import PlainEngine, batched_costs
from fastcheck.execution import Execution
from fastcheck.plan import Plan
from fastcheck.problem import Problem


class AutomaticEngine:
    """The first engine that can do it; the kernels first for `MLP`, plain evaluation for costs that offer batches."""

    name = "auto"

    def estimate(
        self, problem: Problem, plan: Plan, execution: Execution, use: Callable[[Estimate], T]
    ) -> Estimates[T]:
        """Return the estimates of the engine that could do it; their notes say why, if it was plain."""
        if batched_costs(problem):
            return PlainEngine().estimate(problem, plan, execution, use)
        attempt, tally = problem.counted()
        notes: list[str] = []
        stopped: list[TracingError] = []
        spent = 0

        def kernels() -> Estimates[T] | None:
            recognition = known_network(attempt)
            try:
                return None if recognition is None else estimate(recognition, attempt, plan, execution, use)
            except DisagreementError as error:
                if not isinstance(error, KinksError):
                    notes.append(NOT_USED.format(error))
                return None

        def graph() -> Estimates[T] | None:
            try:
                return GraphEngine().estimate(attempt, plan, execution, use)
            except TracingError as error:
                stopped.append(error)
                return None
            except DisagreementError:
                return None

        def differences() -> Estimates[T]:
            return DifferenceEngine().estimate(attempt, plan, execution, use)

        fast = (kernels, graph) if isinstance(problem.evaluator.cost, ModelCost) else (graph, kernels)
        try:
            with session_of(problem.evaluator.cost):
                for engine in (*fast, differences):
                    spent = tally.passes
                    estimates = engine()
                    if estimates is not None:
                        break
        except (TracingError, DisagreementError) as error:
            spent = tally.passes
            memory = isinstance(error, TracingError) and error.what == "memory"
            notes.append(
                reason_for(error if memory or not stopped else stopped[0])
            )  # the recorder follows more
            estimates = PlainEngine().estimate(problem, plan, execution, use)
        assert estimates is not None
        return dataclasses.replace(
            estimates,
            notes=(*notes, *estimates.notes),
            forward_passes=estimates.forward_passes + spent,
        )
