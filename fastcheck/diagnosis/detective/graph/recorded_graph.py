"""The cost of a problem, recorded once more with the lines of all its operations."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph
from fastcheck.diagnosis.detective.graph.steps import with_handing_steps
from fastcheck.diagnosis.detective.graph.tied_operands import WEIGHTS
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.recording.lifting import LiftedCost
from fastcheck.engines.graph.recording.record import Recording
from fastcheck.engines.graph.recording.session import session_of
from fastcheck.engines.graph.runs import Runs
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.execution import Execution
from fastcheck.norms import largest
from fastcheck.problem.posing import Problem
from fastcheck.workers.library_threads import one_blas_thread

ARRAYS_OF_EACH_VALUE = 6
"""Arrays that are kept of each operation: value, slope, shares, and how it moves along directions."""


class RecordedGraph(NamedTuple):
    """The graph of a cost, None where it cannot be recorded, and the forward passes that this took."""

    graph: CostGraph | None
    forward_passes: int


class RecordedCost(NamedTuple):
    """A recorded cost and its runs, both None where it cannot be recorded, and the forward passes that this took."""

    runs: Runs | None
    recording: Recording | None
    forward_passes: int


class _EveryNumber:
    """Holds all numbers."""

    def __contains__(self, number: object) -> bool:
        return True


def graph_of(problem: Problem, execution: Execution) -> RecordedGraph:
    """Record the cost with the lines of its operations; costs one or two forward passes, and a backward pass.

    Where θ stands on ties of two operands, the slopes are those of the usual convention that is nearest to the claim.
    """
    _, recording, passes = record_with_lines(problem, execution)
    if recording is None or recording.result is None or not _fits(recording, execution.max_memory):
        return RecordedGraph(None, passes)
    with one_blas_thread(), np.errstate(all="ignore"):
        graph = CostGraph(recording, [block.name for block in problem.layout.blocks])
        return RecordedGraph(_nearest_convention(problem, graph), passes)


def graph_with_steps(problem: Problem, execution: Execution) -> CostGraph | None:
    """Record the cost again, with its steps as operations that may hand slopes on; costs one or two forward passes."""
    _, recording, _ = record_with_lines(problem, execution)
    if recording is None or recording.result is None or not _fits(recording, execution.max_memory):
        return None
    with one_blas_thread(), np.errstate(all="ignore"):
        return with_handing_steps(recording, [block.name for block in problem.layout.blocks])


def record_with_lines(problem: Problem, execution: Execution) -> RecordedCost:
    """Record the cost with the lines of all operations; what it computes with plain arrays is recorded if need be."""
    passes = 0
    with session_of(problem.evaluator.cost) as session:
        for thorough in (False, True):
            cost = problem.evaluator.cost
            if thorough:
                session.snapshot.restore()
                session.look_closer()
                cost = LiftedCost(cost)
            try:
                runs = Runs(problem, execution, cost, session.snapshot, thorough=thorough)
            except DisagreementError:
                return RecordedCost(None, None, passes)
            try:
                return RecordedCost(runs, runs.at_theta(_EveryNumber()), passes + runs.passes)
            except TracingError:
                passes += runs.passes
            except DisagreementError:
                return RecordedCost(None, None, passes + runs.passes)
    return RecordedCost(None, None, passes)


def _fits(recording: Recording, max_memory: int) -> bool:
    entries = sum(np.size(node.value) for node in recording.tape.nodes if node.live)
    return 8 * ARRAYS_OF_EACH_VALUE * entries <= max_memory


def _nearest_convention(problem: Problem, graph: CostGraph) -> CostGraph:
    """Return the graph with the convention at ties whose slopes are nearest to those claimed."""
    if not graph.has_ties:
        return graph
    claims = dict(zip(graph.names, problem.claims, strict=True))

    def error(candidate: CostGraph) -> float:
        right = candidate.right()
        sizes = {name: largest(right[name]) or 1.0 for name in right}
        errors = [
            largest(np.asarray(claims[name], dtype=float) - right[name]) / sizes[name] for name in right
        ]
        return sum(math.log(max(each, 1e-16)) if math.isfinite(each) else 0.0 for each in errors)

    return min((graph.with_ties(weight) for weight in WEIGHTS), key=error)
