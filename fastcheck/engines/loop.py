"""The reference loop as an engine."""

from __future__ import annotations

import functools

import numpy as np

from fastcheck.engines import Estimates
from fastcheck.engines.noise import POINTS, noise_level, rounding_bound
from fastcheck.engines.plain import explained
from fastcheck.engines.reference import central_differences
from fastcheck.execution import Execution
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates, Plan
from fastcheck.problem import Problem

EPSILON = 1e-5
"""The step if none is given. At the 1e-7 of the textbooks rounding noise is a hundred times larger."""

CHUNK = 16
"""Coordinates between two signs of progress."""


class ReferenceEngine:
    """One coordinate at a time, two forward passes each, in this process whatever ``n_jobs`` says."""

    name = "reference"

    def estimate(self, problem: Problem, plan: Plan, execution: Execution) -> Estimates:
        """Return ĝ by the loop; the bound covers the noise of J and the rounding of θ ± ε."""
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
        numerical = np.concatenate(parts)
        noise = noise_level(problem)
        step_error = np.spacing(np.abs(problem.theta[plan.coordinates]) + epsilon) / epsilon
        return Estimates(
            method=self.name,
            numerical=numerical,
            lower=numerical,
            upper=numerical,
            bound=rounding_bound(noise, epsilon) + step_error * np.abs(numerical),
            noise=noise,
            plain=np.arange(numerical.size),
            forward_passes=2 * numerical.size + POINTS,
        )


def _loop(problem: Problem, epsilon: float, coordinates: Coordinates) -> Vector:
    parts = []
    for i in coordinates:
        with explained(problem.layout, int(i), epsilon):
            parts.append(central_differences(problem.evaluator, problem.theta, [int(i)], epsilon))
    return np.concatenate(parts)
