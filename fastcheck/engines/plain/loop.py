"""The reference loop as an engine."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np

from fastcheck.engines import Estimate, Summary
from fastcheck.engines.plain.batches import tell_nobody
from fastcheck.engines.plain.cost_noise import CostNoise
from fastcheck.engines.plain.ends import explained
from fastcheck.engines.plain.first_look import first_looks
from fastcheck.engines.plain.keeping_known import KeepingKnown
from fastcheck.engines.plain.live_comparison import Compare
from fastcheck.engines.plain.reference import central_differences
from fastcheck.engines.plain.steps import CentralDifferences
from fastcheck.errors import BudgetUsedUp
from fastcheck.execution import Execution
from fastcheck.plan.coordinates import Coordinates, Plan
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

EPSILON = 1e-5
"""The step if none is given. At the 1e-7 of the textbooks rounding noise is a hundred times larger."""


class ReferenceEngine:
    """One coordinate at a time, two forward passes each, in this process whatever ``n_jobs`` says."""

    name = "reference"

    def estimates(
        self, problem: Problem, plan: Plan, execution: Execution
    ) -> Generator[Estimate, None, Summary]:
        """Yield ĝ by the loop; the bound covers noise, truncation and the rounding of θ ± ε."""
        return first_looks(self.name, problem, plan, _Loop(problem, execution), plan.epsilon or EPSILON)


class _Loop:
    """Measures slopes by the loop, and counts the forward passes."""

    def __init__(self, problem: Problem, execution: Execution) -> None:
        self.problem, self.execution, self.passes = problem, execution, 0
        self.noise: CostNoise | None = None
        self.raised: dict[int, BaseException] = {}
        self.compare: Compare | None = None
        self.keeping = KeepingKnown(execution)

    def differences(self, coordinates: Coordinates, steps: Vector, *, known: int = 0) -> CentralDifferences:
        with self.execution.tracking(coordinates.size + known) as advance:
            if known:
                advance(known)
            return self._differences(coordinates, steps, advance, self.keeping)

    def measure(self, coordinates: Coordinates, steps: Vector) -> CentralDifferences:
        return self._differences(coordinates, steps, tell_nobody)

    def rounding(
        self, noise: CostNoise, coordinates: Coordinates, steps: Vector, differences: CentralDifferences
    ) -> Vector:
        values, central = self.problem.theta[coordinates], differences.central
        step_error = np.spacing(np.abs(values) + steps) / steps
        return noise.bound(values + steps, values - steps, central) + step_error * np.abs(central)

    def _differences(
        self,
        coordinates: Coordinates,
        steps: Vector,
        advance: Callable[[int], None],
        keeping: KeepingKnown | None = None,
    ) -> CentralDifferences:
        """Return the central differences, and by how much the slopes on the two sides of θ differ, both (k,).

        They are NaN where an interruption came before, if what is known then is kept.
        """
        problem, costs = self.problem, list[float]()

        def noted(theta: Vector) -> float:
            costs.append(problem.evaluator.cost_or_nan(theta))
            return costs[-1]

        central, done = np.full(coordinates.size, np.nan), 0
        try:
            for k, (i, step) in enumerate(zip(coordinates.tolist(), steps.tolist(), strict=True)):
                with explained(problem.layout, i, step):
                    central[k] = central_differences(noted, problem.theta, [i], step)[0]
                done = k + 1
                self.passes += 2
                if self.compare is not None:
                    self.compare(coordinates[k:done], steps[k:done], central[k:done])
                advance(1)
        except (KeyboardInterrupt, BudgetUsedUp) as error:
            if keeping is None or not keeping.keeps(error):
                raise
        central[done:] = np.nan
        pairs = np.full((coordinates.size, 2), np.nan)
        pairs[:done] = np.reshape(costs[: 2 * done], (-1, 2))
        plus, minus = pairs.T
        bend = np.abs((plus - problem.value) - (problem.value - minus)) / steps
        return CentralDifferences(central, bend)
