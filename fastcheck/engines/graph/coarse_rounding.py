"""What rounding to fewer digits does to a cost's slopes, sent through the recorded graph.

The result of every operation, and every share of a slope, is moved by a random share that is far smaller than any
rounding of interest (`fastcheck.engines.graph.perturbation`); what that does to slopes is linear in it, and is scaled
to the rounding unit of another dtype.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.certified_slopes import certified_slopes
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.perturbation import PERTURBATION
from fastcheck.engines.graph.recording.session import session_of
from fastcheck.engines.graph.runs import Runs
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.execution import Execution
from fastcheck.plan.coordinates import Plan
from fastcheck.problem.posing import Problem


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoundedSlopes:
    """The slopes of each block, and what rounding every operation by up to one relative unit does to them.

    ``changes`` has an array for each block, whose first axis are the ways of rounding that were tried.
    """

    slopes: list[Array]
    changes: list[Array]


def rounded_slopes(problem: Problem, plan: Plan, execution: Execution) -> RoundedSlopes | None:
    """Return certified slopes and what rounding does to them; None where they are not certified.

    At kinks they are the slopes of the choice that suits the claims. Cost: as `certified_slopes`, and three recorded
    runs.
    """
    with session_of(problem.evaluator.cost) as session:
        runs = Runs(problem, execution, problem.evaluator.cost, session.snapshot)
        try:
            certified = certified_slopes(runs, plan)
        except (TracingError, DisagreementError):
            return None
        perturbed = runs.perturbed if certified.choice is None else certified.choice.perturbed()
    if perturbed is None:
        return None
    changes = []
    for number, slopes in enumerate(certified.slopes):
        moved = np.array([of_run[number].reshape(slopes.shape) for _, of_run in perturbed])
        changes.append((moved - slopes) / PERTURBATION)
    return RoundedSlopes(slopes=list(certified.slopes), changes=changes)
