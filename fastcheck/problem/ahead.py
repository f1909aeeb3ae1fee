"""Points that are known in advance are evaluated by workers, before they are asked for one by one.

What looks along lines, at suspects or in directions is written as if it were alone: it evaluates one point, then
another. Where it can say beforehand which points these are, workers evaluate them all at once, and their values are
found when they are asked for: the same calls, in the same order, with the same results.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterable

from fastcheck.errors import EvaluationError, LostEvaluationError
from fastcheck.execution import Execution
from fastcheck.problem.elsewhere import (
    LOST_COORDINATES,
    AtPoints,
    Point,
    SeveralPoints,
    kept_of,
    offers_batches,
    out_of_harm,
)
from fastcheck.problem.evaluating import Kept
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

LEAST_SECONDS = 0.005
"""Seconds of an evaluation from which on it is worth a task of its own."""

SECONDS_OF_NUMBER = 5e-8
"""Seconds of an evaluation for each parameter, below which finding a vector again takes a share of them."""

SECONDS_OF_TASK = 0.02
"""Seconds of a task with several points, if one takes less."""

SHARE_OF_MEMORY = 0.25
"""Share of the memory of batches that vectors take that wait for workers."""

COPIES_OF_WORKER = 4
"""Arrays of the size of θ that a worker makes at most: a point, what tells that it stays, a batch of two."""

DIGEST_BYTES = 16


def with_workers(problem: Problem, execution: Execution) -> Problem:
    """Return the same problem, for evaluations that workers may make ahead, and that end within the timeout.

    Raises `InvalidProblemError` where there is a timeout, and the cost cannot be sent to another process.
    """
    if execution.timeout is None and not execution.may_use_workers():
        return problem
    execution.pools.bytes_of_worker = COPIES_OF_WORKER * problem.theta.nbytes
    work = AtPoints.elsewhere(problem)
    ahead = WorkersAhead(problem, execution, work)
    evaluator = dataclasses.replace(problem.evaluator, known=ahead, ahead=ahead)
    return out_of_harm(dataclasses.replace(problem, evaluator=evaluator), execution, work)


def work_elsewhere(problem: Problem) -> AtPoints:
    """Return the work that evaluates this problem's cost as workers do, the same one for all of a check."""
    ahead = problem.evaluator.ahead
    if isinstance(ahead, WorkersAhead):
        work = ahead.work
        if work.evaluator.cost is problem.evaluator.cost and work.theta is problem.theta:
            return work
    return AtPoints.elsewhere(problem)


def execution_of(problem: Problem) -> Execution:
    """Return how parts of a check are run that nobody watches: with its workers, if it has any."""
    ahead = problem.evaluator.ahead
    return ahead.execution if isinstance(ahead, WorkersAhead) else Execution(n_jobs=1, progress=False)


class WorkersAhead:
    """Has points evaluated by workers, and knows what came of them, besides what was known anyway."""

    def __init__(self, problem: Problem, execution: Execution, work: AtPoints) -> None:
        self.kept, self.work, self.layout = problem.evaluator.known, work, problem.layout
        self.execution = dataclasses.replace(execution, progress=False)
        if not getattr(work.evaluator.cost, "threads", True):
            self.execution = self.execution.without_threads()
        self.found: dict[bytes, Kept] = {}
        self.measured = problem.measured
        self.seconds = problem.seconds
        self.suits = suited(problem)
        size = problem.theta.size
        self.most_at_once = int(SHARE_OF_MEMORY * execution.max_memory / (8 * max(size, 1)))
        self.pays = self.seconds >= max(LEAST_SECONDS, SECONDS_OF_NUMBER * size)

    # --- what is known

    @property
    def keeps(self) -> bool:
        """Whether evaluations are kept that somebody asked for."""
        return self.kept is not None

    def point(self, theta: Vector) -> bytes | None:
        """Return the key of a point, None for θ itself."""
        if self.kept is not None:
            return self.kept.point(theta)
        return self._key(theta) if self.found else None

    def moved(self, coordinate: int, value: float) -> bytes | None:
        """Return the same of θ with one coordinate at this value, if that may be known."""
        return None if self.kept is None else self.kept.moved(coordinate, value)

    def find(self, key: bytes) -> Kept | None:
        """Return what an evaluation gave, None if it is not known."""
        found = self.found.get(key)
        if found is None and self.kept is not None:
            return self.kept.find(key)
        return found

    def add(self, key: bytes, kept: Kept) -> None:
        """Keep what an evaluation gave, if evaluations are."""
        if self.kept is not None:
            self.kept.add(key, kept)

    def _key(self, theta: Vector) -> bytes | None:
        if self.kept is not None:
            return self.kept.point(theta)
        return hashlib.blake2b(theta.tobytes(), digest_size=DIGEST_BYTES).digest()

    # --- what is evaluated ahead

    def __call__(self, count: int, points: Callable[[], Iterable[Vector]]) -> None:
        """Have points evaluated by workers, if that saves time."""
        if self.measured.get(LOST_COORDINATES):  # points may be lost, and each is tried more than once
            return
        if not self.pays or not 2 <= count <= self.most_at_once:
            return
        if not self.execution.pays(self.suits, count * self.seconds, count):
            return
        missing: dict[bytes, Point] = {}
        for theta in points():
            key = self._key(theta)
            if key is not None and key not in missing and self.find(key) is None:
                missing[key] = Point(theta, key)
        if len(missing) > 1:
            self._evaluate(list(missing.values()))

    def _evaluate(self, points: list[Point]) -> None:
        """Have points evaluated, in as many tasks as there are workers at least, unless there are fewer points."""
        workers = max(1, self.execution.workers(self.suits).size)
        size = min(-(-len(points) // workers), max(1, round(SECONDS_OF_TASK / max(self.seconds, 1e-9))))
        tasks = [SeveralPoints(points[start : start + size]) for start in range(0, len(points), size)]
        came = self.execution.each(
            self.work,
            tasks,
            seconds=len(points) * self.seconds,
            suits=self.suits,
            describe=lambda _: "points near θ",
            only_elsewhere=True,
        )
        try:
            for task, results in came:
                if isinstance(results, LostEvaluationError):
                    self.found |= {point.key: Kept(math.nan, results) for point in task.points}
                    continue
                for point, result in zip(task.points, results, strict=True):
                    self.found[point.key] = kept = kept_of(result)
                    self.add(point.key, kept)
        except (EvaluationError, MemoryError):  # those who ask meet it where it belongs
            self.pays = False


def suited(problem: Problem) -> str:
    """Return the kind of workers that suits a cost: threads where it evaluates batches, which is done in NumPy."""
    return "threads" if offers_batches(problem.evaluator.cost) else "processes"
