"""The reference loop as an engine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastcheck.engines import Estimate, Estimates, T
from fastcheck.engines.noise import POINTS, noise_level, rounding_bound
from fastcheck.engines.plain import explained, plainly
from fastcheck.engines.reference import central_differences
from fastcheck.execution import Execution
from fastcheck.plan import Plan
from fastcheck.problem import Problem

EPSILON = 1e-5
"""The step if none is given. At the 1e-7 of the textbooks rounding noise is a hundred times larger."""


class ReferenceEngine:
    """One coordinate at a time, two forward passes each, in this process whatever ``n_jobs`` says."""

    name = "reference"

    def estimate(
        self, problem: Problem, plan: Plan, execution: Execution, use: Callable[[Estimate], T]
    ) -> Estimates[T]:
        """Return ĝ by the loop; the bound covers the noise of J and the rounding of θ ± ε."""
        epsilon = plan.epsilon or EPSILON
        found = []
        with execution.tracking(plan.size) as advance:
            for part in plan.parts:
                found.append(np.empty(part.size))
                for k, i in enumerate(part.block.start + part.at(slice(0, part.size))):
                    with explained(problem.layout, int(i), epsilon):
                        slopes = central_differences(problem.evaluator, problem.theta, [int(i)], epsilon)
                    found[-1][k] = slopes[0]
                    advance(1)
        noise, results = noise_level(problem), []
        for part, numerical in zip(plan.parts, found, strict=True):
            theta = problem.theta[part.block.start : part.block.stop]
            step_error = np.spacing(np.abs(part.take(theta, slice(0, part.size))) + epsilon) / epsilon
            bound = rounding_bound(noise, epsilon) + step_error * np.abs(numerical)
            results.append(use(plainly(part, numerical, bound, noise)))
        return Estimates(method=self.name, results=tuple(results), forward_passes=2 * plan.size + POINTS)
