"""Plain evaluation: J(θ+h) and J(θ−h) of many coordinates per task, in batches and in parallel.

Any callable will do. A cost that also offers ``costs(thetas)``, from an array (batch, n) of parameter
vectors to the costs (batch,), is asked for whole batches at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.engines import Estimate, Estimates, T
from fastcheck.engines.first_look import looked_at
from fastcheck.engines.noise import CostNoise
from fastcheck.engines.steps import STEP as STEP
from fastcheck.engines.steps import Slopes
from fastcheck.engines.steps import default_steps as default_steps
from fastcheck.errors import EvaluationError
from fastcheck.execution import Backend, Execution
from fastcheck.parameters import Layout, Vector
from fastcheck.plan import Coordinates, Plan
from fastcheck.problem import Evaluator, Problem, check_unchanged

TASKS = 64
"""Tasks that the work is cut into; their number does not depend on the workers."""

BATCH_BYTES = 2**22
"""Size of a batch of perturbed parameter vectors: it should stay in the cache."""

SAME_BATCH = 1e-12
"""Relative difference allowed between ``costs(thetas)`` and the cost itself."""


class PlainEngine:
    """Batched and parallel plain evaluation: 2 forward passes a coordinate, and more where a claim does not agree."""

    name = "plain"

    def estimate(
        self, problem: Problem, plan: Plan, execution: Execution, use: Callable[[Estimate], T]
    ) -> Estimates[T]:
        """Return ĝ; the step is ``plan.epsilon`` or chosen for each block by the noise of J and the size of slopes."""
        return looked_at(self.name, problem, plan, Evaluations(problem, execution), plan.epsilon, use)


def differences(problem: Problem, coordinates: Coordinates, steps: Vector, execution: Execution) -> Vector:
    """Return the central differences (k,) of plain evaluation, divided by the steps really taken."""
    return Evaluations(problem, execution).slopes(coordinates, steps)[0]


class Evaluations:
    """Evaluates J beside θ, in batches if the cost offers them, and counts its forward passes.

    Once its ``noise`` is known, a cost that rounds its parameters is given such that need no rounding.
    """

    def __init__(self, problem: Problem, execution: Execution) -> None:
        if not getattr(problem.evaluator.cost, "threads", True):
            execution = execution.without_threads()
        self.problem, self.execution = problem, execution
        self.costs, self.value, self.passes = batched_costs(problem), problem.value, 0
        self.noise: CostNoise | None = None
        if self.costs is not None:
            self.value = _verify_batched(problem, self.costs)
            self.passes = 3

    def slopes(
        self, coordinates: Coordinates, steps: Vector, advance: Callable[[int], None] | None = None
    ) -> Slopes:
        """Return central differences, and by how much the slopes on the two sides of θ differ; both (k,).

        ``advance`` is told of the coordinates done; None starts a progress of its own.
        """
        problem = self.problem
        work: Callable[[tuple[Coordinates, Vector, Vector]], Vector]
        if self.costs is None:
            work, backend = _Pairs(problem.evaluator, problem.theta), "processes"
            size = -(-coordinates.size // TASKS)
        else:
            work, backend = _BatchedPairs(problem.evaluator, self.costs, problem.theta), "threads"
            size = max(1, min(128, BATCH_BYTES // (16 * problem.theta.size)))
        values, above, below = self._ends(coordinates, steps)
        cuts = [slice(i, i + size) for i in range(0, coordinates.size, size)]
        chunks = [(coordinates[some], above[some], below[some]) for some in cuts]
        kind: Backend = "processes" if backend == "processes" else "threads"
        pairs = self.execution.map(
            work,
            chunks,
            sizes=[chunk.size for chunk, _, _ in chunks],
            seconds=2 * coordinates.size * problem.seconds,
            backend=kind,
            advance=advance,
            describe=self._names,
        )
        self.passes += 2 * coordinates.size
        plus, minus = np.concatenate(pairs).T
        bend = np.abs((plus - self.value) / (above - values) - (self.value - minus) / (values - below))
        return (plus - minus) / (above - below), bend

    def _names(self, chunk: tuple[Coordinates, Vector, Vector]) -> str:
        """Return the names of the first and last coordinate of a chunk."""
        first, last = (self.problem.layout.coordinate_name(int(chunk[0][k])) for k in (0, -1))
        return first if first == last else f"{first} to {last}"

    def measure(self, coordinates: Coordinates, steps: Vector) -> Slopes:
        """Return the same of a few coordinates, without telling the progress."""
        return self.slopes(coordinates, steps, _nobody)

    def rounding(self, noise: CostNoise, coordinates: Coordinates, steps: Vector, slopes: Slopes) -> Vector:
        """Return a bound on what rounding does to the central differences with these steps, (k,)."""
        _, above, below = self._ends(coordinates, steps)
        values, (central, bend) = self.problem.theta[coordinates], slopes
        uneven = np.abs((above - values) - (values - below)) / (above - below)
        return noise.bound(above, below, central) + 2 * uneven * bend

    def _ends(self, coordinates: Coordinates, steps: Vector) -> tuple[Vector, Vector, Vector]:
        """Return the parameters as the cost sees them, and those to the right and left of them, (k,) each."""
        values = self.problem.theta[coordinates]
        above, below = values + steps, values - steps
        if self.noise is None or not self.noise.single_precision:
            return values, above, below
        center, right, left = (self.noise.held(ends) for ends in (values, above, below))
        near = np.maximum(right - above, below - left) <= steps / 2
        near &= np.minimum(right - center, center - left) >= steps / 2
        return (
            np.where(near, center, values),
            np.where(near, right, above),
            np.where(near, left, below),
        )


def batched_costs(problem: Problem) -> Callable[[Vector], Any] | None:
    """Return the ``costs(thetas)`` that the cost offers, or None."""
    costs = getattr(problem.evaluator.cost, "costs", None)
    return costs if callable(costs) else None


@contextlib.contextmanager
def explained(layout: Layout, coordinate: int, step: float) -> Iterator[None]:
    """Say at which perturbed parameters an evaluation went wrong."""
    try:
        yield
    except EvaluationError as error:
        raise EvaluationError(f"at {layout.coordinate_name(coordinate)} ± {abs(step):g}: {error}") from error
    except Exception as error:
        error.add_note(f"raised by the cost at {layout.coordinate_name(coordinate)} ± {abs(step):g}")
        raise


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """The task: J(θ+h) and J(θ−h), shape (k, 2), one evaluation after the other."""

    evaluator: Evaluator
    theta: Vector

    def __call__(self, chunk: tuple[Coordinates, Vector, Vector]) -> Vector:
        work = self.theta.copy()
        pairs = np.empty((len(chunk[0]), 2))
        for pair, i, above, below in zip(pairs, *chunk, strict=True):
            with explained(self.evaluator.layout, int(i), above - self.theta[i]):
                work[i] = above
                pair[0] = self.evaluator(work)
                work[i] = below
                pair[1] = self.evaluator(work)
            work[i] = self.theta[i]
        check_unchanged(self.evaluator.layout, self.theta, work, "cost")
        return pairs


@dataclass(frozen=True, slots=True, eq=False)
class _BatchedPairs:
    """The same through ``costs(thetas)``."""

    evaluator: Evaluator
    costs: Callable[[Vector], Any]
    theta: Vector

    def __call__(self, chunk: tuple[Coordinates, Vector, Vector]) -> Vector:
        coordinates, above, below = chunk
        self.evaluator.spend(2 * len(coordinates))
        thetas = np.repeat(self.theta[None], 2 * len(coordinates), axis=0)
        rows = np.arange(len(coordinates))
        thetas[2 * rows, coordinates] = above
        thetas[2 * rows + 1, coordinates] = below
        pairs = _read_costs(self.costs(thetas), len(thetas)).reshape(-1, 2)
        if not np.isfinite(pairs).all():
            row, side = np.argwhere(~np.isfinite(pairs))[0]
            step = above[row] - self.theta[coordinates[row]]
            with explained(self.evaluator.layout, int(coordinates[row]), step):
                raise EvaluationError(f"costs: expected finite numbers, got {pairs[row, side]}.")
        return pairs


def _read_costs(costs: Any, batch: int) -> Vector:
    array = np.asarray(costs, dtype=float)
    if array.shape != (batch,):
        raise EvaluationError(f"costs: expected shape ({batch},), one cost per row, got {array.shape}.")
    return array


def _verify_batched(problem: Problem, costs: Callable[[Vector], Any]) -> float:
    """Compare the batched cost with the cost itself at θ and beside it (three forward passes); return its J(θ)."""
    problem.evaluator.spend(2)
    beside = problem.theta + 0.01 * np.random.default_rng(0).standard_normal(problem.theta.size)
    expected = np.array([problem.value, problem.evaluator(beside)])
    got = _read_costs(costs(np.stack([problem.theta, beside])), 2)
    if not np.all(np.abs(got - expected) <= max(SAME_BATCH, problem.nondeterminism) * np.abs(expected)):
        raise EvaluationError(
            f"costs: the batch gives J = {got.tolist()} where the cost itself gives {expected.tolist()}. The "
            "columns of thetas follow the order of the parameters; make both compute the same."
        )
    return float(got[0])


def _nobody(_count: int) -> None:
    """Tell nobody."""
