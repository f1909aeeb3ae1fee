"""Plain evaluation: J(θ+h) and J(θ−h) of many coordinates per task, in batches and in parallel.

Any callable will do. A cost that also offers ``costs(thetas)``, from an array (batch, n) of parameter
vectors to the costs (batch,), is asked for whole batches at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastcheck.engines import Estimate, Summary
from fastcheck.engines.plain.cost_noise import CostNoise
from fastcheck.engines.plain.first_look import first_looks
from fastcheck.engines.plain.steps import CentralDifferences, default_steps
from fastcheck.errors import EvaluationError
from fastcheck.execution import Backend, Execution
from fastcheck.plan.coordinates import Coordinates, Plan
from fastcheck.problem.parameters import Layout, Vector
from fastcheck.problem.posing import Evaluator, Problem, check_unchanged
from fastcheck.workers import Raised, received, sendable

TASKS = 64
"""Tasks that the work is cut into; their number does not depend on the workers."""

BATCH_BYTES = 2**22
"""Size of a batch of perturbed parameter vectors: it should stay in the cache."""

LARGEST_BATCH = 128
"""Coordinates in a batch at most."""

SAME_BATCH = 1e-12
"""Relative difference allowed between ``costs(thetas)`` and the cost itself."""


class PlainEngine:
    """Batched and parallel plain evaluation: 2 forward passes a coordinate, and more where a claim does not agree."""

    name = "plain"

    def estimates(
        self, problem: Problem, plan: Plan, execution: Execution
    ) -> Generator[Estimate, None, Summary]:
        """Yield ĝ; the step is ``plan.epsilon`` or chosen for each block by the noise of J and the size of slopes."""
        return first_looks(self.name, problem, plan, Evaluations(problem, execution), plan.epsilon)


class Chunk(NamedTuple):
    """Coordinates of one task, and the parameters to the right and left of θ, (k,) each."""

    coordinates: Coordinates
    above: Vector
    below: Vector

    def cut(self, size: int) -> list[Chunk]:
        """Return chunks of this many coordinates."""
        starts = range(0, self.coordinates.size, size)
        return [
            Chunk(self.coordinates[i : i + size], self.above[i : i + size], self.below[i : i + size])
            for i in starts
        ]


class Evaluated(NamedTuple):
    """What a task found: J(θ+h) and J(θ−h), shape (k, 2), NaN where J is not defined, and the forward passes made.

    ``raised`` is the first coordinate at which J raises, if any, with what.
    """

    pairs: Vector
    passes: int
    raised: tuple[int, Exception | Raised] | None = None


class Evaluations:
    """Evaluates J around θ, in batches if the cost offers them, and counts its forward passes.

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

    def differences(
        self, coordinates: Coordinates, steps: Vector, advance: Callable[[int], None] | None = None
    ) -> CentralDifferences:
        """Return central differences, and by how much the slopes on the two sides of θ differ; both (k,).

        They are NaN where J is not defined at one of the ends.
        ``advance`` is told of the coordinates done; None starts a progress of its own.
        """
        values, above, below = self._ends(coordinates, steps)
        pairs = self._evaluated(Chunk(coordinates, above, below), advance)
        plus, minus = pairs.T
        bend = np.abs((plus - self.value) / (above - values) - (self.value - minus) / (values - below))
        return CentralDifferences((plus - minus) / (above - below), bend)

    def _evaluated(self, ends: Chunk, advance: Callable[[int], None] | None) -> Vector:
        """Return J at all ends, (k, 2), evaluated by several workers."""
        problem, count = self.problem, ends.coordinates.size
        work: Callable[[Chunk], Evaluated]
        backend: Backend
        if self.costs is None:
            work, backend, size = _Pairs(problem.evaluator, problem.theta), "processes", -(-count // TASKS)
        else:
            work, backend = _BatchedPairs(problem.evaluator, self.costs, problem.theta), "threads"
            size = max(1, min(LARGEST_BATCH, BATCH_BYTES // (16 * problem.theta.size)))
        chunks = ends.cut(size)
        done = self.execution.map(
            work,
            chunks,
            sizes=[chunk.coordinates.size for chunk in chunks],
            seconds=2 * count * problem.seconds,
            backend=backend,
            advance=advance,
            describe=self._names,
        )
        self.passes += sum(task.passes for task in done)
        for task in done:
            if task.raised is not None:
                i, error = task.raised
                # Without the frames, which hold arrays of the cost.
                self.raised[i] = received(error).with_traceback(None)
        return np.concatenate([task.pairs for task in done])

    def _names(self, chunk: Chunk) -> str:
        """Return the names of the first and last coordinate of a chunk."""
        first, last = (self.problem.layout.coordinate_name(int(chunk.coordinates[k])) for k in (0, -1))
        return first if first == last else f"{first} to {last}"

    def measure(self, coordinates: Coordinates, steps: Vector) -> CentralDifferences:
        """Return the same of a few coordinates, without telling the progress."""
        return self.differences(coordinates, steps, tell_nobody)

    def rounding(
        self, noise: CostNoise, coordinates: Coordinates, steps: Vector, differences: CentralDifferences
    ) -> Vector:
        """Return a bound on what rounding does to the central differences with these steps, (k,)."""
        _, above, below = self._ends(coordinates, steps)
        values, (central, bend) = self.problem.theta[coordinates], differences
        uneven = np.abs((above - values) - (values - below)) / (above - below)
        return noise.bound(above, below, central) + 2 * uneven * bend

    def _ends(self, coordinates: Coordinates, steps: Vector) -> tuple[Vector, Vector, Vector]:
        """Return the parameters as the cost sees them, and those to the right and left of them, (k,) each."""
        values = self.problem.theta[coordinates]
        above, below = values + steps, values - steps
        if self.noise is None or not self.noise.single_precision:
            return values, above, below
        center, right, left = (self.noise.held(ends) for ends in (values, above, below))
        hardly_moved = np.maximum(right - above, below - left) <= steps / 2
        still_apart = np.minimum(right - center, center - left) >= steps / 2
        usable = hardly_moved & still_apart
        return (
            np.where(usable, center, values),
            np.where(usable, right, above),
            np.where(usable, left, below),
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


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """The task: J(θ+h) and J(θ−h), one evaluation after the other."""

    evaluator: Evaluator
    theta: Vector

    def __call__(self, chunk: Chunk) -> Evaluated:
        work, layout = self.theta.copy(), self.evaluator.layout
        raised: tuple[int, Exception | Raised] | None = None
        pairs = np.empty((chunk.coordinates.size, 2))
        for pair, i, above, below in zip(pairs, *chunk, strict=True):
            step = above - self.theta[i]
            for side, end in enumerate((above, below)):
                work[i] = end
                with explained(layout, int(i), step):
                    pair[side], error = self.evaluator.attempt(work)
                if error is not None:
                    work[:] = self.theta  # what raised half way may have left it changed
                if error is not None and raised is None:
                    error.add_note(f"raised by the cost at {layout.coordinate_name(int(i))} ± {abs(step):g}")
                    raised = int(i), sendable(error)
            work[i] = self.theta[i]
        check_unchanged(layout, self.theta, work, "cost")
        return Evaluated(pairs, pairs.size, raised)


@dataclass(frozen=True, slots=True, eq=False)
class _BatchedPairs:
    """The same through ``costs(thetas)``."""

    evaluator: Evaluator
    costs: Callable[[Vector], Any]
    theta: Vector

    def __call__(self, chunk: Chunk) -> Evaluated:
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
        return Evaluated(costs.reshape(-1, 2), passes)

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
    """Compare the batched cost with the cost itself at θ and near it (three forward passes); return its J(θ)."""
    problem.evaluator.spend(2)
    shares = np.random.default_rng(0).uniform(-1, 1, problem.theta.size)
    near = problem.theta + default_steps(problem.theta, None) * shares
    expected = np.array([problem.value, problem.evaluator.cost_or_nan(near)])
    if np.isnan(expected[1]):
        near, expected[1] = problem.theta, problem.value
    got = _read_costs(costs(np.stack([problem.theta, near])), 2)
    if not np.all(np.abs(got - expected) <= max(SAME_BATCH, problem.nondeterminism) * np.abs(expected)):
        raise EvaluationError(
            f"costs: the batch gives J = {got.tolist()} where the cost itself gives {expected.tolist()}. The "
            "columns of thetas follow the order of the parameters; make both compute the same."
        )
    return float(got[0])


def tell_nobody(_count: int) -> None:
    """Tell nobody."""
