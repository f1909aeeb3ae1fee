"""Plain evaluation: J(θ+h) and J(θ−h) of many coordinates per task, in batches and in parallel.

Any callable will do. A cost that also offers ``costs(thetas)``, from an array (batch, n) of parameter
vectors to the costs (batch,), is asked for whole batches at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import numpy as np

from fastcheck.engines import Estimate, Summary
from fastcheck.engines.plain.cost_noise import CostNoise
from fastcheck.engines.plain.ends import (
    BatchOfEnds,
    Ends,
    Evaluated,
    keep,
    known_among,
    nothing_of,
    read_costs,
)
from fastcheck.engines.plain.first_look import first_looks
from fastcheck.engines.plain.keeping_known import KeepingKnown, NotEvaluatedError
from fastcheck.engines.plain.live_comparison import Compare
from fastcheck.engines.plain.steps import CentralDifferences, default_steps
from fastcheck.errors import BudgetUsedUp, EvaluationError, LostEvaluationError
from fastcheck.execution import Execution
from fastcheck.plan.coordinates import Coordinates, Plan
from fastcheck.problem.ahead import suited, work_elsewhere
from fastcheck.problem.elsewhere import LOST_COORDINATES, AtPoints
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.workers.exceptions import Raised, received

TASKS = 64
"""Tasks that the work is cut into at least, if it is not short."""

SECONDS_OF_TASK = 0.4
"""Seconds that a task takes about, if one evaluation takes less: what comes back is kept, if evaluations are."""

LEAST_SECONDS_OF_TASK = 2e-3
"""Seconds that a task takes at least, about: handing one out and taking it back takes 1 % of that."""

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
        return first_looks(self.name, problem, plan, Evaluations(problem, execution, plan.size), plan.epsilon)


class Evaluations:
    """Evaluates J around θ, in batches if the cost offers them, and counts its forward passes.

    Once its ``noise`` is known, a cost that rounds its parameters is given such that need no rounding. ``raised`` holds
    what the cost raised where coordinates were moved, by coordinate, or why nothing came back from there. ``compare``
    is told of central differences as they come, if somebody wants to know. ``size`` are the coordinates that will be
    asked for at least.
    """

    def __init__(self, problem: Problem, execution: Execution, size: int = 0) -> None:
        if not getattr(problem.evaluator.cost, "threads", True):
            execution = execution.without_threads()
        self.problem, self.execution, self.size = problem, execution, size
        self.costs, self.value, self.passes = batched_costs(problem), problem.value, 0
        self.compare: Compare | None
        self.noise: CostNoise | None = None
        self.raised: dict[int, BaseException] = {}
        self.keeping, self.compare = KeepingKnown(execution), None
        if self.costs is not None:
            self.value = _verify_batched(problem, self.costs)
            self.passes = 3
        self.work, self.here = work_elsewhere(problem), AtPoints.here(problem)

    def differences(
        self,
        coordinates: Coordinates,
        steps: Vector,
        advance: Callable[[int], None] | None = None,
        *,
        known: int = 0,
    ) -> CentralDifferences:
        """Return central differences, and by how much the slopes on the two sides of θ differ; both (k,).

        They are NaN where J is not defined at one of the ends.
        ``advance`` is told of the coordinates done; None starts a progress of its own, of as many others, too, that are
        ``known``, and what is known then is kept if it is interrupted.
        """
        values, above, below = self._ends(coordinates, steps)
        if advance is None:
            with self.execution.tracking(coordinates.size + known) as tell:
                if known:
                    tell(known)
                pairs = self._pairs(coordinates, above, below, tell, self.keeping)
        else:
            pairs = self._pairs(coordinates, above, below, advance)
        plus, minus = pairs.T
        bend = np.abs((plus - self.value) / (above - values) - (self.value - minus) / (values - below))
        return CentralDifferences((plus - minus) / (above - below), bend)

    def _pairs(
        self,
        coordinates: Coordinates,
        above: Vector,
        below: Vector,
        advance: Callable[[int], None],
        keeping: KeepingKnown | None = None,
    ) -> Vector:
        """Return J at the ends to the right and left of θ, (k, 2); NaN where an interruption came before, if kept."""
        self.problem.evaluator.spend(0)  # no workers are started for what is not allowed any more
        ends = Ends(
            np.arange(2 * coordinates.size),
            np.repeat(coordinates, 2),
            np.stack([above, below], axis=1).reshape(-1),
        )
        costs, is_missing = np.full(ends.rows.size, np.nan), np.ones(ends.rows.size, dtype=bool)
        told = 0
        try:
            for chunk, evaluated in self._evaluated(ends):
                costs[chunk.rows] = evaluated.costs
                is_missing[chunk.rows] = False
                self.passes += evaluated.passes
                self._note_raised(chunk, evaluated.raised)
                if self.compare is not None:
                    rows = np.unique(chunk.rows // 2)
                    apart, (plus, minus) = above[rows] - below[rows], costs.reshape(-1, 2)[rows].T
                    self.compare(coordinates[rows], apart / 2, (plus - minus) / apart)
                told += chunk.rows.size
                advance(told // 2)
                told %= 2
        except (KeyboardInterrupt, BudgetUsedUp) as error:
            if keeping is None or not keeping.keeps(error):
                raise
            left = ends.at(is_missing)
            self._note_raised(left, nothing_of(left, NotEvaluatedError(keeping.reason)).raised)
        return costs.reshape(-1, 2)

    def _note_raised(self, chunk: Ends, raised: Mapping[int, BaseException | Raised]) -> None:
        """Take note of what the cost raised, without the frames, which hold arrays of the cost."""
        for place, error in raised.items():
            i = int(chunk.coordinates[place])
            if i not in self.raised or isinstance(error, LostEvaluationError):
                self.raised[i] = received(error).with_traceback(None)
            if isinstance(error, LostEvaluationError):
                self.problem.measured.setdefault(LOST_COORDINATES, set()).add(i)

    def _evaluated(self, ends: Ends) -> Iterator[tuple[Ends, Evaluated]]:
        """Yield the points, or chunks of them, with J there: those that are known, the others as they come."""
        problem, known = self.problem, self.problem.evaluator.known
        seconds, chunks = problem.seconds, list[Ends]()
        if self.costs is None:
            ends = yield from known_among(ends, known)
            least, most = (
                int(limit / max(seconds, 1e-9)) for limit in (LEAST_SECONDS_OF_TASK, SECONDS_OF_TASK)
            )
            size = max(1, least, min(-(-ends.rows.size // TASKS), most))
            chunks += ends.cut(size)
        else:
            size = max(1, min(LARGEST_BATCH, BATCH_BYTES // (16 * problem.theta.size)))
            # Batches are the same, whatever is known: they may round differently.
            for batch in BatchOfEnds(*ends).cut(2 * size):
                missing = yield from known_among(batch, known, all_or_none=True)
                chunks += [missing] if missing.rows.size else []
        came = self.execution.each(
            self.work,
            chunks,
            seconds=sum(chunk.rows.size for chunk in chunks) * seconds,
            suits=suited(problem),
            describe=self._names,
            here=self.here,
            whole=2 * self.size * seconds,
        )
        with contextlib.closing(came):
            for chunk, result in came:
                evaluated = result if isinstance(result, Evaluated) else nothing_of(chunk, result)
                keep(chunk, evaluated, known)
                if not evaluated.counted:
                    problem.evaluator.spend(evaluated.passes)
                yield chunk, evaluated

    def _names(self, chunk: Ends) -> str:
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


def _verify_batched(problem: Problem, costs: Callable[[Vector], Any]) -> float:
    """Compare the batched cost with the cost itself at θ and near it (three forward passes); return its J(θ)."""
    problem.evaluator.spend(2)
    shares = np.random.default_rng(0).uniform(-1, 1, problem.theta.size)
    near = problem.theta + default_steps(problem.theta, None) * shares
    expected = np.array([problem.value, problem.evaluator.cost_or_nan(near)])
    if np.isnan(expected[1]):
        near, expected[1] = problem.theta, problem.value
    got = read_costs(costs(np.stack([problem.theta, near])), 2)
    if not np.all(np.abs(got - expected) <= max(SAME_BATCH, problem.nondeterminism) * np.abs(expected)):
        raise EvaluationError(
            f"costs: the batch gives J = {got.tolist()} where the cost itself gives {expected.tolist()}. The "
            "columns of thetas follow the order of the parameters; make both compute the same."
        )
    return float(got[0])


def tell_nobody(_count: int) -> None:
    """Tell nobody."""
