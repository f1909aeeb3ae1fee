"""Checks of costs that keep a processor busy, or wait, for a known time, on the workers of this machine."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from benchmarks.workers_model import Measured
from benchmarks.workers_simulation import Work
from fastcheck import Report, check
from fastcheck.engines.plain import batches
from fastcheck.execution import WORKERS_PAY_AFTER, Execution

BACKENDS = ("loky", "threading", "multiprocessing", "dask")

ENTRIES = 16_384
"""Numbers in the array that a busy cost works on: NumPy lets other threads run meanwhile."""


@dataclass(frozen=True, slots=True, eq=False)
class BusyCost:
    """J = Σ cos θ, after a processor was busy for so many rounds."""

    rounds: int

    def __call__(self, theta: NDArray[np.float64]) -> float:
        work = np.full(ENTRIES, 0.5)
        for _ in range(self.rounds):
            np.sin(work, out=work)
        return float(np.sum(np.cos(theta)))


@dataclass(frozen=True, slots=True, eq=False)
class WaitingCost:
    """The same after so many seconds in which nothing is done here: of a simulation elsewhere. It has ``data``."""

    seconds: float
    data: NDArray[np.uint8]

    def __call__(self, theta: NDArray[np.float64]) -> float:
        time.sleep(self.seconds)
        return float(np.sum(np.cos(theta)))


def busy_cost(seconds: float) -> BusyCost:
    """Return a cost that takes so many seconds of a processor."""
    rounds, taken = 1, 0.0
    while taken < 0.05:
        rounds *= 2
        taken = min(processor_seconds(BusyCost(rounds)) for _ in range(3))
    return BusyCost(max(1, round(rounds * seconds / taken)))


def processor_seconds(cost: Callable[[Any], float], theta: NDArray[np.float64] | None = None) -> float:
    """Return the processor's time of one evaluation."""
    start = time.process_time()
    cost(np.zeros(1) if theta is None else theta)
    return time.process_time() - start


def start_of(coordinates: int) -> NDArray[np.float64]:
    """Return θ."""
    return np.random.default_rng(0).uniform(0.5, 1.5, coordinates)


def timed_check(cost: Any, coordinates: int, **options: Any) -> tuple[float, Report]:
    """Return the seconds of a check of the right gradient, evaluated plainly, and its report."""
    theta = start_of(coordinates)
    begin = time.perf_counter()
    report = check(cost, theta, -np.sin(theta), method="plain", progress=False, **options)
    return time.perf_counter() - begin, report


def what_must_agree(report: Report) -> str:
    """Return what is the same of the reports of all backends, to the last bit."""
    contents = report.to_dict()
    return json.dumps(
        {name: contents[name] for name in ("verdict", "difference", "blocks", "forward_passes")}
    )


@contextlib.contextmanager
def workers_of(backend: str | None, workers: int) -> Iterator[None]:
    """Configure joblib for workers of a backend, with a cluster of its own for dask; None configures nothing."""
    import joblib

    if backend is None:
        yield
    elif backend != "dask":
        with joblib.parallel_config(backend, n_jobs=workers):
            yield
    else:
        from distributed import Client, LocalCluster

        options = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
        with (
            LocalCluster(n_workers=workers, **options) as cluster,
            Client(cluster),
            joblib.parallel_config("dask"),
        ):
            yield


def eager() -> contextlib.AbstractContextManager[Any]:
    """Have workers used within a block, whether they pay or not."""
    return mock.patch.dict(WORKERS_PAY_AFTER, dict.fromkeys(WORKERS_PAY_AFTER, 0.0))


def measured_run(work: Work, workers: int) -> Measured:
    """Check a cost that waits, on workers that are configured, and return what that took."""
    cost = WaitingCost(work.seconds, np.ones(int(work.payload), dtype=np.uint8))
    tasks = -(-2 * work.coordinates // work.task_size)
    clock = _Clock()
    with (
        eager(),
        mock.patch.object(batches, "TASKS", tasks),
        mock.patch.object(batches, "SECONDS_OF_TASK", 1e6),
        mock.patch.object(Execution, "each", clock.timing(Execution.each)),
    ):
        seconds, report = timed_check(cost, work.coordinates)
    assert report.passed, report
    waited = slept(work.seconds)
    as_it_was = Work(
        coordinates=work.coordinates,
        seconds=waited,
        task_size=work.task_size,
        payload=work.payload,
        alone=report.forward_passes - 2 * work.coordinates,
    )
    return Measured(work=as_it_was, workers=workers, seconds=seconds, in_tasks=clock.seconds)


def slept(seconds: float) -> float:
    """Return how long ``time.sleep`` of so many seconds takes, which is a little longer."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        time.sleep(seconds)
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


class _Clock:
    """Adds up the seconds in which tasks run."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timing(self, each: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """Return the same function, whose iteration is timed."""

        def timed(*arguments: Any, **options: Any) -> Iterator[Any]:
            begin = time.perf_counter()
            yield from each(*arguments, **options)
            self.seconds += time.perf_counter() - begin

        return timed


def tasks_in_a_second(workers: int) -> float:
    """Return how many tasks that do nothing the configured workers do in a second: one evaluation each."""
    rates = []
    for coordinates in (500, 1500):
        work = Work(coordinates=coordinates, seconds=0.0, task_size=1)
        rates.append(measured_run(work, workers).in_tasks)
    return 2000 / max(rates[1] - rates[0], 1e-9)
