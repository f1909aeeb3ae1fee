"""Plain evaluation: J(θ+h) and J(θ−h) of many coordinates per task, in batches and in parallel.

Any callable will do. A cost that also offers ``costs(thetas)``, from an array (batch, n) of parameter
vectors to the costs (batch,), is asked for whole batches at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.engines import Bound, Estimate, Estimates, T
from fastcheck.engines.noise import CostNoise, measured_noise
from fastcheck.engines.steps import STEP as STEP
from fastcheck.engines.steps import Measure, Slopes, chosen_steps, truncation_bounds
from fastcheck.errors import EvaluationError
from fastcheck.execution import Backend, Execution
from fastcheck.parameters import Block, Layout, Vector
from fastcheck.plan import Coordinates, Plan
from fastcheck.problem import Evaluator, Problem, check_unchanged

TASKS = 64
"""Tasks that the work is cut into; their number does not depend on the workers."""

BATCH_BYTES = 2**22
"""Size of a batch of perturbed parameter vectors: it should stay in the cache."""

SAME_BATCH = 1e-12
"""Relative difference allowed between ``costs(thetas)`` and the cost itself."""


class PlainEngine:
    """Batched and parallel plain evaluation: 2 forward passes a coordinate, and 4 or more for a few of each block."""

    name = "plain"

    def estimate(
        self, problem: Problem, plan: Plan, execution: Execution, use: Callable[[Estimate], T]
    ) -> Estimates[T]:
        """Return ĝ; the step is ``plan.epsilon`` or chosen for each block by the noise and curvature of J."""
        evaluations, coordinates = Evaluations(problem, execution), plan.coordinates
        steps = default_steps(problem.theta[coordinates], plan.epsilon)
        try:
            noise = measured_noise(problem)
        except Exception:
            evaluations.slopes(coordinates, steps)  # raises the same and names the coordinate, if one does it
            raise
        evaluations.noise = noise

        def measure(coordinates: Coordinates, steps: Vector) -> Slopes:
            return evaluations.slopes(coordinates, steps, advance=_nobody)

        if plan.epsilon is None:
            units = default_steps(problem.theta, None) / STEP
            chosen = _steps(problem, [part.block for part in plan.parts], units, noise.arithmetic, measure)
            steps = np.repeat(chosen, [part.size for part in plan.parts]) * units[coordinates]
        slopes = evaluations.slopes(coordinates, steps)
        rounding = evaluations.rounding(noise, coordinates, steps, slopes)
        truncation = truncation_bounds(plan.rows, coordinates, steps, slopes, rounding, measure)
        return Estimates(
            method=self.name,
            results=tuple(map(use, plainly(plan, slopes[0], rounding, truncation, noise))),
            forward_passes=evaluations.passes + noise.passes,
        )


def _steps(
    problem: Problem, blocks: Sequence[Block], units: Vector, noise: float, measure: Measure
) -> list[float]:
    """Return the relative step of each block, chosen once for a problem."""
    unknown = [block for block in blocks if (STEP, block.name) not in problem.measured]
    for block, step in zip(unknown, chosen_steps(unknown, units, noise, measure), strict=True):
        problem.measured[STEP, block.name] = step
    return [problem.measured[STEP, block.name] for block in blocks]


def plainly(
    plan: Plan, numerical: Vector, rounding: Vector, truncation: Vector, noise: CostNoise
) -> Iterator[Estimate]:
    """Yield the estimates of the parts of a plan of which all coordinates were evaluated plainly; arrays (k,)."""
    for part, rows in zip(plan.parts, plan.rows, strict=True):
        central = numerical[rows]
        yield Estimate(
            part=part,
            numerical=central,
            lower=central,
            upper=central,
            bound=Bound(0.0, rounding[rows]),
            noise=noise.level,
            plain=np.arange(part.size),
            truncation=truncation[rows],
            single_precision=noise.single_precision,
        )


def default_steps(values: Vector, epsilon: float | None) -> Vector:
    """Return the step of each coordinate: ε, or a power of two near 2⁻¹⁷ max(1, |θ|)."""
    if epsilon is not None:
        return np.full(values.shape, epsilon)
    return np.asarray(STEP * np.exp2(np.ceil(np.log2(np.maximum(1.0, np.abs(values))))))


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
        )
        self.passes += 2 * coordinates.size
        plus, minus = np.concatenate(pairs).T
        bend = np.abs((plus - self.value) / (above - values) - (self.value - minus) / (values - below))
        return (plus - minus) / (above - below), bend

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
    if not np.all(np.abs(got - expected) <= SAME_BATCH * np.abs(expected)):
        raise EvaluationError(
            f"costs: the batch gives J = {got.tolist()} where the cost itself gives {expected.tolist()}. The "
            "columns of thetas follow the order of the parameters; make both compute the same."
        )
    return float(got[0])


def _nobody(_count: int) -> None:
    """Tell nobody."""
