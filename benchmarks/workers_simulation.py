"""A check on many workers, event by event: what no machine at hand has, with what was measured on one that is.

The caller starts the workers, sends each of them the work, and evaluates the cost some times by itself; a scheduler
hands out tasks, one after the other; workers fail at random instants, and what they had is done again.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A check that is evaluated plainly: two evaluations for each coordinate, ``task_size`` of them in a task.

    ``seconds`` is what one evaluation takes, ``payload`` the bytes that a worker needs before its first one, ``alone``
    the evaluations for which all workers but one wait: J(θ), twice, and the first of all coordinates, for the noise.
    """

    coordinates: int
    seconds: float
    task_size: int
    payload: float = 1e4
    alone: int = 3

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return -(-2 * self.coordinates // self.task_size)

    @property
    def last(self) -> int:
        """Evaluations in the last task; the others are of full size."""
        return 2 * self.coordinates - (self.tasks - 1) * self.task_size

    @property
    def serial(self) -> float:
        """Seconds of the same evaluations, one after the other, and nothing else."""
        return (2 * self.coordinates + self.alone) * self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What workers cost, in seconds: ``start`` all of them once, ``per_task`` and ``per_evaluation`` each its own.

    ``per_coordinate`` is what the calling process does for each coordinate, ``dispatch`` what the scheduler does for
    each task, one after the other. ``latency`` and ``per_byte`` are those of the one link over which each worker gets
    the work, ``once_per_byte`` what is done to it before, once. ``variation`` is the standard deviation of an
    evaluation, as a share of its time. ``failures`` are those of a worker in an hour; it is back after ``restart``.
    """

    workers: int
    start: float = 0.0
    dispatch: float = 0.0
    per_task: float = 0.0
    per_evaluation: float = 0.0
    per_coordinate: float = 0.0
    latency: float = 0.0
    per_byte: float = 0.0
    once_per_byte: float = 0.0
    variation: float = 0.0
    failures: float = 0.0
    restart: float = 30.0

    def sending(self, payload: float) -> float:
        """Return the seconds that the link is busy with one worker."""
        return self.latency + self.per_byte * payload


@dataclass(slots=True)
class Simulated:
    """What happened: seconds until the verdict, evaluations that were done again, and workers that failed."""

    seconds: float = 0.0
    redone: int = 0
    failed: int = 0


def simulate(work: Work, cluster: Cluster, rng: np.random.Generator) -> Simulated:
    """Return how long a check takes, with times and failures drawn from ``rng``."""
    return _Run(work, cluster, rng).run()


class _Run:
    """The state of a simulation: events by time, tasks that wait, and when scheduler and link are free again."""

    def __init__(self, work: Work, cluster: Cluster, rng: np.random.Generator) -> None:
        self.work, self.cluster, self.rng = work, cluster, rng
        self.order = itertools.count()
        self.events: list[tuple[float, int, Callable[[float, int, int], None], int, int]] = []
        self.waiting = deque([work.task_size] * (work.tasks - 1) + [work.last])
        self.unfinished = 2 * work.coordinates
        self.idle: list[int] = []
        self.scheduler_free = self.link_free = 0.0
        self.told = Simulated()

    def run(self) -> Simulated:
        """Start all workers, let them take tasks until none is left, and judge."""
        cluster, work, now = self.cluster, self.work, 0.0
        started = cluster.start + cluster.once_per_byte * work.payload
        for worker in range(cluster.workers):
            self._at(started, self._starts, worker)
        while self.unfinished:
            now, _, happens, worker, size = heapq.heappop(self.events)
            happens(now, worker, size)
        by_the_caller = work.alone * work.seconds + cluster.per_coordinate * work.coordinates
        self.told.seconds = now + by_the_caller
        return self.told

    def _starts(self, now: float, worker: int, _: int) -> None:
        """Send a worker the work, over a link that sends to one after the other."""
        self.link_free = max(now, self.link_free) + self.cluster.sending(self.work.payload)
        self._at(self.link_free, self._takes, worker)

    def _takes(self, now: float, worker: int, _: int) -> None:
        """Give a worker the next task: it will finish that, or fail before."""
        if not self.waiting:
            self.idle.append(worker)
            return
        size = self.waiting.popleft()
        begin = self.scheduler_free = max(now, self.scheduler_free) + self.cluster.dispatch
        end = begin + self._duration(size)
        rate = self.cluster.failures / SECONDS_PER_HOUR
        fails = begin + self.rng.exponential(1 / rate) if rate else np.inf
        if fails < end:
            self._at(fails, self._fails, worker, size)
        else:
            self._at(end, self._finishes, worker, size)

    def _finishes(self, now: float, worker: int, size: int) -> None:
        self.unfinished -= size
        self._takes(now, worker, 0)

    def _fails(self, now: float, worker: int, size: int) -> None:
        """Put back what a worker had, in its smallest pieces, for any of those that have nothing to do."""
        self.told.failed += 1
        self.told.redone += size
        self.waiting.extend([1] * size)
        for other in self.idle:
            self._at(now, self._takes, other)
        self.idle.clear()
        self._at(now + self.cluster.restart, self._starts, worker)

    def _duration(self, evaluations: int) -> float:
        """Return the seconds of a task, drawn."""
        cluster, mean = self.cluster, evaluations * self.work.seconds
        if cluster.variation:
            shape = evaluations / cluster.variation**2
            mean *= self.rng.gamma(shape) / shape
        return cluster.per_task + evaluations * cluster.per_evaluation + mean

    def _at(
        self, when: float, happens: Callable[[float, int, int], None], worker: int, size: int = 0
    ) -> None:
        heapq.heappush(self.events, (when, next(self.order), happens, worker, size))
