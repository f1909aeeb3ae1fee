"""Seconds of a check on W workers as a sum of what it does, fitted to runs that were measured.

    seconds = start + c₀·bytes + (W + 1)/2 · (latency + bytes/bandwidth)      until a worker has the work, on average
            + rounds · per_task + evaluations · (seconds of one + per_evaluation)      of the worker with the most
            + (evaluations of the calling process) · (seconds of one) + n · per_coordinate

or, where a scheduler hands out tasks more slowly than the workers do them, tasks · dispatch in place of the second
line. All of it but that is linear in what is not known, and fitted by least squares of relative errors, with no
negative number.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.workers_simulation import Cluster, Work

INSIDE = ("start", "once_per_byte", "latency", "per_byte", "per_task", "per_evaluation")
"""Fields of `Cluster` that are fitted to the time that tasks take, in the order of `_features`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A run: what it did, on how many workers, its seconds, and how many of these were those of its tasks."""

    work: Work
    workers: int
    seconds: float
    in_tasks: float


@dataclass(frozen=True, slots=True)
class Fit:
    """Parameters that fit runs, and by how much each run differs from them: predicted / measured − 1."""

    cluster: Cluster
    residuals: NDArray[np.float64]

    @property
    def rms(self) -> float:
        """Root mean square of the residuals."""
        return float(np.sqrt(np.mean(self.residuals**2)))


def predict(work: Work, cluster: Cluster) -> float:
    """Return the seconds of a check on these workers; what fails, and how evaluations vary, is left out."""
    rounds, evaluations = _busiest(work, cluster.workers)
    sending = _sendings(cluster.workers) * cluster.sending(work.payload)
    by_workers = rounds * (cluster.dispatch + cluster.per_task)
    by_workers += evaluations * (work.seconds + cluster.per_evaluation)
    by_scheduler = work.tasks * cluster.dispatch
    tasks = cluster.start + cluster.once_per_byte * work.payload + sending + max(by_workers, by_scheduler)
    return tasks + work.alone * work.seconds + cluster.per_coordinate * work.coordinates


def fit(runs: Sequence[Measured], dispatch: float) -> Fit:
    """Return the parameters that these runs are explained by, given the scheduler's seconds per task."""
    from scipy.optimize import nnls

    features = np.array([_features(run.work, run.workers) for run in runs])
    known = np.array([_busiest(run.work, run.workers)[1] * run.work.seconds for run in runs])
    in_tasks = np.array([run.in_tasks for run in runs])
    scale = np.abs(features).max(axis=0)
    found, _ = nnls(features / scale / in_tasks[:, None], (in_tasks - known) / in_tasks)
    inside = dict(zip(INSIDE, (found / scale).tolist(), strict=True))
    inside["per_task"] = max(0.0, inside["per_task"] - dispatch)

    outside = np.array([run.seconds - run.in_tasks - run.work.alone * run.work.seconds for run in runs])
    sizes = np.array([[1.0, run.work.coordinates] for run in runs])
    (constant, per_coordinate), _ = nnls(sizes, outside)
    inside["start"] += constant
    cluster = Cluster(workers=0, dispatch=dispatch, per_coordinate=float(per_coordinate), **inside)
    predicted = [predict(run.work, with_workers(cluster, run.workers)) for run in runs]
    return Fit(cluster, np.array(predicted) / [run.seconds for run in runs] - 1)


def with_workers(cluster: Cluster, workers: int, **changes: float) -> Cluster:
    """Return the same with so many workers."""
    return dataclasses.replace(cluster, workers=workers, **changes)


def _features(work: Work, workers: int) -> list[float]:
    rounds, evaluations = _busiest(work, workers)
    sendings = _sendings(workers)
    return [1.0, work.payload, sendings, sendings * work.payload, rounds, evaluations]


def _sendings(workers: int) -> float:
    """Return after how many sendings of the work the average worker has it."""
    return (workers + 1) / 2


def _busiest(work: Work, workers: int) -> tuple[int, int]:
    """Return the tasks and the evaluations of the worker with the most, if each takes the next task when it is free."""
    rounds = -(-work.tasks // workers)
    last_is_alone = work.tasks % workers == 1 or workers == 1
    return rounds, work.task_size * (rounds - 1) + (work.last if last_is_alone else work.task_size)
