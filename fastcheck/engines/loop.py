"""The reference loop as an engine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastcheck.engines import Estimate, Estimates, T
from fastcheck.engines.noise import measured_noise
from fastcheck.engines.plain import explained, plainly
from fastcheck.engines.reference import central_differences
from fastcheck.engines.steps import Slopes, truncation_bounds
from fastcheck.execution import Execution
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates, Plan
from fastcheck.problem import Problem

EPSILON = 1e-5
"""The step if none is given. At the 1e-7 of the textbooks rounding noise is a hundred times larger."""


class ReferenceEngine:
    """One coordinate at a time, two forward passes each, in this process whatever ``n_jobs`` says."""

    name = "reference"

    def estimate(
        self, problem: Problem, plan: Plan, execution: Execution, use: Callable[[Estimate], T]
    ) -> Estimates[T]:
        """Return ĝ by the loop; the bound covers noise, truncation and the rounding of θ ± ε."""
        epsilon, coordinates = plan.epsilon or EPSILON, plan.coordinates
        with execution.tracking(plan.size) as advance:
            slopes = _loop(problem, epsilon, coordinates, advance)
        noise = measured_noise(problem)
        passes = noise.passes

        def measure(coordinates: Coordinates, steps: Vector) -> Slopes:
            nonlocal passes
            passes += 2 * coordinates.size
            return _loop(problem, float(steps[0]), coordinates, _nobody)

        steps, values = np.full(coordinates.shape, epsilon), problem.theta[coordinates]
        step_error = np.spacing(np.abs(values) + epsilon) / epsilon
        rounding = noise.bound(values + steps, values - steps, slopes[0]) + step_error * np.abs(slopes[0])
        truncation = truncation_bounds(plan.rows, coordinates, steps, slopes, rounding, measure)
        return Estimates(
            method=self.name,
            results=tuple(map(use, plainly(plan, slopes[0], rounding, truncation, noise))),
            forward_passes=2 * plan.size + passes,
        )


def _loop(
    problem: Problem, epsilon: float, coordinates: Coordinates, advance: Callable[[int], None]
) -> Slopes:
    """Return the central differences, and by how much the slopes on the two sides of θ differ, both (k,)."""
    costs: list[float] = []

    def noted(theta: Vector) -> float:
        costs.append(problem.evaluator(theta))
        return costs[-1]

    central = np.empty(coordinates.size)
    for k, i in enumerate(coordinates):
        with explained(problem.layout, int(i), epsilon):
            central[k] = central_differences(noted, problem.theta, [int(i)], epsilon)[0]
        advance(1)
    plus, minus = np.reshape(costs, (-1, 2)).T
    return central, np.abs((plus - problem.value) - (problem.value - minus)) / epsilon


def _nobody(_count: int) -> None:
    """Tell nobody."""
