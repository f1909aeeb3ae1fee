"""The reference loop as an engine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastcheck.engines import Estimate, Estimates, T
from fastcheck.engines.first_look import looked_at
from fastcheck.engines.noise import CostNoise
from fastcheck.engines.plain import explained
from fastcheck.engines.reference import central_differences
from fastcheck.engines.steps import Slopes
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
        return looked_at(self.name, problem, plan, _Loop(problem, execution), plan.epsilon or EPSILON, use)


class _Loop:
    """Measures slopes by the loop, and counts the forward passes."""

    def __init__(self, problem: Problem, execution: Execution) -> None:
        self.problem, self.execution, self.passes = problem, execution, 0
        self.noise: CostNoise | None = None
        self.raised: dict[int, Exception] = {}

    def slopes(self, coordinates: Coordinates, steps: Vector) -> Slopes:
        with self.execution.tracking(coordinates.size) as advance:
            return self._differences(coordinates, steps, advance)

    def measure(self, coordinates: Coordinates, steps: Vector) -> Slopes:
        return self._differences(coordinates, steps, _nobody)

    def rounding(self, noise: CostNoise, coordinates: Coordinates, steps: Vector, slopes: Slopes) -> Vector:
        values, central = self.problem.theta[coordinates], slopes[0]
        step_error = np.spacing(np.abs(values) + steps) / steps
        return noise.bound(values + steps, values - steps, central) + step_error * np.abs(central)

    def _differences(self, coordinates: Coordinates, steps: Vector, advance: Callable[[int], None]) -> Slopes:
        """Return the central differences, and by how much the slopes on the two sides of θ differ, both (k,)."""
        problem, costs = self.problem, list[float]()

        def noted(theta: Vector) -> float:
            costs.append(problem.evaluator.beside(theta))
            return costs[-1]

        central = np.empty(coordinates.size)
        for k, (i, step) in enumerate(zip(coordinates.tolist(), steps.tolist(), strict=True)):
            with explained(problem.layout, i, step):
                central[k] = central_differences(noted, problem.theta, [i], step)[0]
            self.passes += 2
            advance(1)
        plus, minus = np.reshape(costs, (-1, 2)).T
        return central, np.abs((plus - problem.value) - (problem.value - minus)) / steps


def _nobody(_count: int) -> None:
    """Tell nobody."""
