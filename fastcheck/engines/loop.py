"""The reference loop as an engine."""

from __future__ import annotations

import functools

import numpy as np

from fastcheck.engines import Estimates
from fastcheck.engines.noise import measured_noise, rounding_bound
from fastcheck.engines.plain import explained
from fastcheck.engines.reference import central_differences
from fastcheck.engines.steps import Slopes, truncation_bounds
from fastcheck.execution import Execution
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates, Plan, rows_by_block
from fastcheck.problem import Problem

EPSILON = 1e-5
"""The step if none is given. At the 1e-7 of the textbooks rounding noise is a hundred times larger."""

CHUNK = 16
"""Coordinates between two signs of progress."""


class ReferenceEngine:
    """One coordinate at a time, two forward passes each, in this process whatever ``n_jobs`` says."""

    name = "reference"

    def estimate(self, problem: Problem, plan: Plan, execution: Execution) -> Estimates:
        """Return ĝ by the loop; the bound covers noise, truncation and the rounding of θ ± ε."""
        epsilon = plan.epsilon or EPSILON
        chunks = [plan.coordinates[i : i + CHUNK] for i in range(0, plan.coordinates.size, CHUNK)]
        serial = Execution(progress=execution.progress)
        parts = serial.map(
            functools.partial(_loop, problem, epsilon),
            chunks,
            sizes=[chunk.size for chunk in chunks],
            seconds=0.0,
            backend="threads",
        )
        slopes = np.concatenate(parts, axis=1)
        numerical = slopes[0]
        noise = measured_noise(problem)
        passes = noise.passes
        blocks = [rows for _, rows in rows_by_block(problem.layout, plan)]

        def measure(coordinates: Coordinates, steps: Vector) -> Slopes:
            nonlocal passes
            passes += 2 * coordinates.size
            central, bend = _loop(problem, float(steps[0]), coordinates)
            return central, bend

        steps, values = np.full(numerical.shape, epsilon), problem.theta[plan.coordinates]
        step_error = np.spacing(np.abs(values) + epsilon) / epsilon + noise.step_error(values, steps)
        rounding = rounding_bound(noise.level, steps) + step_error * np.abs(numerical)
        measured = numerical, slopes[1]
        truncation = truncation_bounds(blocks, plan.coordinates, steps, measured, rounding, measure)
        return Estimates(
            method=self.name,
            numerical=numerical,
            lower=numerical,
            upper=numerical,
            bound=rounding,
            noise=noise.level,
            plain=np.arange(numerical.size),
            forward_passes=2 * numerical.size + passes,
            truncation=truncation,
            single_precision=noise.single_precision,
        )


def _loop(problem: Problem, epsilon: float, coordinates: Coordinates) -> Vector:
    """Return the central differences, and by how much the slopes on the two sides of θ differ, (2, k)."""
    costs: list[float] = []

    def noted(theta: Vector) -> float:
        costs.append(problem.evaluator(theta))
        return costs[-1]

    parts = []
    for i in coordinates:
        with explained(problem.layout, int(i), epsilon):
            parts.append(central_differences(noted, problem.theta, [int(i)], epsilon))
    plus, minus = np.reshape(costs, (-1, 2)).T
    return np.array(
        [np.concatenate(parts), np.abs((plus - problem.value) - (problem.value - minus)) / epsilon]
    )
