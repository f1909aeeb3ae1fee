"""Slopes at other parameters than those that are checked: those before or after an update."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Mapping

import numpy as np

from fastcheck.diagnosis.detective.evidence import Entries
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph
from fastcheck.diagnosis.detective.graph.recorded_graph import graph_of
from fastcheck.errors import BudgetUsedUp, EvaluationError
from fastcheck.execution import Execution
from fastcheck.problem.posing import Problem

MOST_ENTRIES = 5_000_000
"""Entries of all operations of all recorded costs."""

OVERHEAD = 500
"""Entries that an operation takes besides its own."""


class SlopesElsewhere:
    """The slopes of all blocks at other parameters: the cost is recorded there.

    ``graph`` is the cost where it is checked. Calls take four forward passes' time or so: one, and more as
    long as all of them together record at most `MOST_ENTRIES`. `BudgetUsedUp` ends them after the ``deadline``, a time
    of `time.perf_counter`.
    """

    def __init__(
        self, problem: Problem, graph: CostGraph, execution: Execution, deadline: float | None
    ) -> None:
        self.problem, self.execution, self.deadline = problem, execution, deadline
        entries = sum(OVERHEAD + math.prod(operation.shape) for operation in graph.operations)
        self.calls_left = max(1, MOST_ENTRIES // max(1, entries))

    def __call__(self, theta: Mapping[str, Entries]) -> Mapping[str, Entries]:
        """Return the slopes by block; nothing where the cost is not defined, cannot be recorded, or takes too long."""
        if not self.calls_left:
            return {}
        self.calls_left -= 1
        if self.deadline is not None and time.perf_counter() > self.deadline:
            raise BudgetUsedUp("the time budget was used up")
        problem = self.problem
        vector = np.array(problem.theta)
        for block in problem.layout.blocks:
            if block.name in theta:
                vector[block.start : block.stop] = theta[block.name].reshape(-1)
        vector.flags.writeable = False
        with contextlib.suppress(EvaluationError):
            value, error = problem.evaluator.attempt(np.array(vector))
            if error is None:
                there = dataclasses.replace(problem, theta=vector, value=value)
                recorded = graph_of(there, self.execution)
                if recorded.graph is not None:
                    return recorded.graph.right()
        return {}
