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
from fastcheck.engines.borders import Bounded, settle
from fastcheck.engines.first_look import looked_at
from fastcheck.engines.noise import CostNoise, rounding_bound
from fastcheck.engines.steps import STEP as STEP
from fastcheck.engines.steps import Slopes
from fastcheck.engines.steps import default_steps as default_steps
from fastcheck.errors import EvaluationError
from fastcheck.execution import Backend, Execution
from fastcheck.parameters import Layout, Vector
from fastcheck.plan import Coordinates, Plan
from fastcheck.problem import Evaluator, Problem, check_unchanged
from fastcheck.workers import Raised, received, sendable

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


def evaluated(
    problem: Problem, coordinates: Coordinates, steps: Vector, execution: Execution, noise: float
) -> tuple[Bounded, int]:
    """Return central differences of some coordinates, or what is known at borders, and the forward passes made.

    Their bounds are those from the ``noise`` σ alone, but at borders.
    """
    evaluations = Evaluations(problem, execution)
    central, _ = evaluations.slopes(coordinates, steps)
    found = Bounded(central, rounding_bound(noise, steps), np.zeros_like(central))
    at_border = np.flatnonzero(~np.isfinite(central))
    settle(problem, found, at_border, coordinates, steps, noise, evaluations.raised)
    return found, evaluations.passes + found.passes


class Evaluations:
    """Evaluates J beside θ, in batches if the cost offers them, and counts its forward passes.

    Once its ``noise`` is known, a cost that rounds its parameters is given such that need no rounding. ``raised`` holds
    what the cost raised where coordinates were moved, one for each task that met anything.
    """

    def __init__(self, problem: Problem, execution: Execution) -> None:
        if not getattr(problem.evaluator.cost, "threads", True):
            execution = execution.without_threads()
        self.problem, self.execution = problem, execution
        self.costs, self.value, self.passes = batched_costs(problem), problem.value, 0
        self.noise: CostNoise | None = None
        self.raised: dict[int, Exception] = {}
        if self.costs is not None:
            self.value = _verify_batched(problem, self.costs)
            self.passes = 3

    def slopes(
        self, coordinates: Coordinates, steps: Vector, advance: Callable[[int], None] | None = None
    ) -> Slopes:
        """Return central differences, and by how much the slopes on the two sides of θ differ; both (k,).

        They are NaN where J is not defined at one of the ends.
        ``advance`` is told of the coordinates done; None starts a progress of its own.
        """
        problem = self.problem
        work: Callable[[tuple[Coordinates, Vector, Vector]], _Done]
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
        done = self.execution.map(
            work,
            chunks,
            sizes=[chunk.size for chunk, _, _ in chunks],
            seconds=2 * coordinates.size * problem.seconds,
            backend=kind,
            advance=advance,
            describe=self._names,
        )
        self.passes += sum(passes for _, passes, _ in done)
        # Without the frames, which hold arrays of the cost.
        self.raised |= {
            one[0]: received(one[1]).with_traceback(None) for _, _, one in done if one is not None
        }
        plus, minus = np.concatenate([pairs for pairs, _, _ in done]).T
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


_Done = tuple[Vector, int, tuple[int, Exception | Raised] | None]
"""J(θ+h) and J(θ−h), shape (k, 2), the forward passes made, and the first coordinate at which J is not defined, if any,
with what was raised."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """The task: J(θ+h) and J(θ−h), one evaluation after the other."""

    evaluator: Evaluator
    theta: Vector

    def __call__(self, chunk: tuple[Coordinates, Vector, Vector]) -> _Done:
        work, layout = self.theta.copy(), self.evaluator.layout
        raised: tuple[int, Exception | Raised] | None = None
        pairs = np.empty((len(chunk[0]), 2))
        for pair, i, above, below in zip(pairs, *chunk, strict=True):
            step = above - self.theta[i]
            for side, end in enumerate((above, below)):
                work[i] = end
                with explained(layout, int(i), step):
                    pair[side], error = self.evaluator.attempt(work)
                if error is None:
                    continue
                work[:] = self.theta  # what raised half way may have left it changed
                if raised is None:
                    error.add_note(f"raised by the cost at {layout.coordinate_name(int(i))} ± {abs(step):g}")
                    raised = int(i), sendable(error)
            work[i] = self.theta[i]
        check_unchanged(layout, self.theta, work, "cost")
        return pairs, pairs.size, raised


@dataclass(frozen=True, slots=True, eq=False)
class _BatchedPairs:
    """The same through ``costs(thetas)``."""

    evaluator: Evaluator
    costs: Callable[[Vector], Any]
    theta: Vector

    def __call__(self, chunk: tuple[Coordinates, Vector, Vector]) -> _Done:
        coordinates, above, below = chunk
        self.evaluator.spend(2 * len(coordinates))
        thetas = np.repeat(self.theta[None], 2 * len(coordinates), axis=0)
        rows = np.arange(len(coordinates))
        thetas[2 * rows, coordinates] = above
        thetas[2 * rows + 1, coordinates] = below
        costs, passes = self._costs(thetas), len(thetas)
        if costs is None:  # one by one, so that those that are defined are known
            passes += len(thetas)
            self.evaluator.spend(len(thetas))
            one_by_one = [self._costs(thetas[k : k + 1]) for k in range(len(thetas))]
            costs = np.concatenate([np.full(1, np.nan) if cost is None else cost for cost in one_by_one])
        return costs.reshape(-1, 2), passes, None

    def _costs(self, thetas: Vector) -> Vector | None:
        """Return the costs, NaN where they are not finite; None where the cost raises."""
        try:
            costs = self.costs(thetas)
        except (EvaluationError, MemoryError):
            raise
        except Exception:
            return None
        costs = _read_costs(costs, len(thetas))
        return np.where(np.isfinite(costs), costs, np.nan)


def _read_costs(costs: Any, batch: int) -> Vector:
    array = np.asarray(costs, dtype=float)
    if array.shape != (batch,):
        raise EvaluationError(f"costs: expected shape ({batch},), one cost per row, got {array.shape}.")
    return array


def _verify_batched(problem: Problem, costs: Callable[[Vector], Any]) -> float:
    """Compare the batched cost with the cost itself at θ and beside it (three forward passes); return its J(θ)."""
    problem.evaluator.spend(2)
    shares = np.random.default_rng(0).uniform(-1, 1, problem.theta.size)
    beside = problem.theta + default_steps(problem.theta, None) * shares
    expected = np.array([problem.value, problem.evaluator.beside(beside)])
    if np.isnan(expected[1]):
        beside, expected[1] = problem.theta, problem.value
    got = _read_costs(costs(np.stack([problem.theta, beside])), 2)
    if not np.all(np.abs(got - expected) <= max(SAME_BATCH, problem.nondeterminism) * np.abs(expected)):
        raise EvaluationError(
            f"costs: the batch gives J = {got.tolist()} where the cost itself gives {expected.tolist()}. The "
            "columns of thetas follow the order of the parameters; make both compute the same."
        )
    return float(got[0])


def _nobody(_count: int) -> None:
    """Tell nobody."""
