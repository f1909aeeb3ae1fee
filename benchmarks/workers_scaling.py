"""Checks on workers: what this machine measures, a model of it, and what the model says of 64 and 1,024 workers.

``python -m benchmarks.workers_scaling`` measures for some fifteen minutes, and writes docs/results/workers.md and
workers.svg. Needs the extras ``dask`` and ``plots``, and a machine that does nothing else: the page says what share of
the processors others had. ``--quick`` measures 200 coordinates at 5 ms, and writes nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.workers_extrapolated import LINK, at_most_a_day, plot, speed_ups, worthwhile
from benchmarks.workers_measuring import (
    BACKENDS,
    busy_cost,
    measured_run,
    processor_seconds,
    start_of,
    tasks_in_a_second,
    timed_check,
    what_must_agree,
    workers_of,
)
from benchmarks.workers_model import Fit, Measured, fit, predict, with_workers
from benchmarks.workers_simulation import Work, simulate
from fastcheck.engines.plain.batches import SECONDS_OF_TASK, TASKS

RESULTS = Path(__file__).parent.parent / "docs" / "results"

GUIDE = RESULTS.parent / "how-to" / "cluster.md"
WRITTEN, UNTIL_HERE = "<!-- written by benchmarks/workers_scaling.py -->", "<!-- until here -->"

QUICK = 200, 5e-3
WORKERS = 2

AUTO = ((2_000, 1e-4), (1_000, 1e-3), (200, 5e-3), (100, 2e-2))
"""Coordinates and seconds of an evaluation, about, for which ``n_jobs="auto"`` chooses."""

MODELLED = ("loky", "dask")
MANY = (2, 4, 8)
"""Workers that costs which wait are measured with: there may be more of them than cores."""


@dataclass(frozen=True, slots=True)
class Row:
    """A backend: seconds of a check, how many times as fast as the serial one, and what an evaluation takes besides.

    ``beyond`` are the seconds of an evaluation beyond those that it would take if the serial check were shared without
    any loss.
    """

    backend: str
    seconds: float
    times: float
    overhead: float
    beyond: float


def compared(coordinates: int, seconds: float, backends: tuple[str, ...], repeats: int) -> list[Row]:
    """Return the best of some runs of each backend, in turn; their reports must agree to the last bit."""
    cost = busy_cost(seconds)
    expected, best = "", dict.fromkeys(("serial", *backends), np.inf)
    for _ in range(repeats):
        for name in best:
            with workers_of(None if name == "serial" else name, WORKERS):
                taken, report = timed_check(cost, coordinates)
            expected = expected or what_must_agree(report)
            assert what_must_agree(report) == expected, f"{name} differs from serial"
            best[name] = min(best[name], taken)
    one = min(processor_seconds(cost, start_of(coordinates)) for _ in range(9))
    rows, serial = [], best["serial"]
    for name, taken in best.items():
        busy = 1 if name == "serial" else WORKERS
        overhead = busy * taken / (2 * coordinates) - one
        beyond = (taken - serial / busy) / (2 * coordinates)
        rows.append(Row(name, taken, serial / taken, overhead, beyond))
    return rows


def chosen(coordinates: int, seconds: float) -> tuple[float, float, float, float]:
    """Return the seconds of an evaluation, and of checks: serial, with two workers, with as many as ``"auto"`` takes.

    Those of checks are the best of three.
    """
    cost = busy_cost(seconds)
    options: list[dict[str, Any]] = [{"n_jobs": 1}, {"n_jobs": WORKERS}, {"n_jobs": "auto"}]
    best = [np.inf] * 3
    for _ in range(3):
        for k, option in enumerate(options):
            best[k] = min(best[k], timed_check(cost, coordinates, **option)[0])
    one = min(processor_seconds(cost, start_of(coordinates)) for _ in range(9))
    return one, best[0], best[1], best[2]


def swept(workers: int) -> list[Work]:
    """Return checks of which one quantity varies: seconds, coordinates, size of tasks, bytes; most on two workers."""
    usual = Work(coordinates=128, seconds=5e-3, task_size=4)
    changes: list[dict[str, Any]] = [
        {},
        {"seconds": 2e-2},
        {"coordinates": 512},
        {"task_size": 1},
        {"payload": 1e8},
    ]
    if workers == WORKERS:
        changes += [
            {"seconds": 1e-3},
            *({"coordinates": n} for n in (64, 2048)),
            *({"task_size": size} for size in (2, 16)),
            *({"payload": payload} for payload in (1e3, 1e6, 1e7, 1e9)),
        ]
    return [dataclasses.replace(usual, **change) for change in changes]


@dataclass(frozen=True, slots=True)
class Modelled:
    """A backend's parameters, runs that they were fitted to, and the greatest errors of model and simulation."""

    backend: str
    fit: Fit
    runs: list[Measured]
    rate: float

    @property
    def simulated(self) -> float:
        """The greatest relative error of the simulation of the runs."""
        rng = np.random.default_rng(0)
        errors = [
            simulate(run.work, with_workers(self.fit.cluster, run.workers), rng).seconds / run.seconds - 1
            for run in self.runs
        ]
        return float(np.max(np.abs(errors)))


def modelled(backend: str) -> Modelled:
    """Measure checks of costs that wait, and fit the model to them."""
    runs, rate = [], 0.0
    for workers in MANY:
        with workers_of(backend, workers):
            measured_run(Work(coordinates=16, seconds=1e-3, task_size=1), workers)  # all workers have started
            if workers == WORKERS:
                rate = tasks_in_a_second(workers)
            runs += [measured_run(work, workers) for work in swept(workers)]
    return Modelled(backend, fit(runs, 1 / rate), runs, rate)


def as_fastcheck_cuts(coordinates: int, seconds: float, **more: Any) -> Work:
    """Return a check in the tasks that fastcheck cuts it into."""
    size = max(1, min(-(-2 * coordinates // TASKS), int(SECONDS_OF_TASK / seconds)))
    return Work(coordinates=coordinates, seconds=seconds, task_size=size, **more)


def main() -> None:
    """Measure, write page and figure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers_scaling", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 coordinates at 5 ms, nothing is written")
    parser.add_argument("--coordinates", type=int, default=2_000)
    parser.add_argument("--milliseconds", type=float, default=20.0, help="of one evaluation")
    parser.add_argument("--repeats", type=int, default=2)
    asked = parser.parse_args()
    if asked.quick:
        print("\n".join(_table_of_backends(compared(*QUICK, BACKENDS, repeats=1))))
        return
    seconds, load = asked.milliseconds / 1e3, _Load()
    models = [modelled(backend) for backend in MODELLED]
    print("\n".join(_table_of_parameters(models)), flush=True)
    rows = compared(asked.coordinates, seconds, BACKENDS, asked.repeats)
    print("\n".join(_table_of_backends(rows)), flush=True)
    auto = [(n, *chosen(n, one)) for n, one in AUTO]
    print("\n".join(_table_of_auto(auto)), flush=True)
    cluster = dataclasses.replace(models[-1].fit.cluster, **LINK)
    plot(cluster, as_fastcheck_cuts, RESULTS / "workers.svg")
    load_of_others = load.of_others()
    lines = [
        *BEGIN.format(
            milliseconds=asked.milliseconds,
            coordinates=asked.coordinates,
            workers=WORKERS,
            cores=os.cpu_count(),
            repeats=asked.repeats,
            others=load_of_others,
        ).splitlines(),
        *BUSY.splitlines() * (load_of_others > QUIET),
        "",
        *_table_of_backends(rows),
        *CHOSEN.splitlines(),
        "",
        *_table_of_auto(auto),
        *MODEL.format(many=", ".join(map(str, MANY))).splitlines(),
        "",
        *_table_of_parameters(models),
        "",
        _held_out(as_fastcheck_cuts(asked.coordinates, seconds), rows, models),
        *SIMULATION.splitlines(),
        "",
        *speed_ups(cluster, as_fastcheck_cuts),
        *WORTHWHILE.splitlines(),
        "",
        *worthwhile(cluster, as_fastcheck_cuts),
        "",
        *at_most_a_day(),
    ]
    (RESULTS / "workers.md").write_text("\n".join(lines) + "\n")
    _renew_guide(worthwhile(cluster, as_fastcheck_cuts))


def _renew_guide(table: list[str]) -> None:
    """Write the table of what is worthwhile into the guide to clusters."""
    before, _, rest = GUIDE.read_text().partition(WRITTEN)
    _, _, after = rest.partition(UNTIL_HERE)
    GUIDE.write_text("\n".join([before + WRITTEN, "", *table, "", UNTIL_HERE + after]))


class _Load:
    """The share of the processors that other processes had since it was made."""

    def __init__(self) -> None:
        self.begin, self.busy, self.own = time.perf_counter(), self._busy(), self._own()

    def of_others(self) -> float:
        """Return it."""
        others = (self._busy() - self.busy) - (self._own() - self.own)
        return max(0.0, others / ((time.perf_counter() - self.begin) * (os.cpu_count() or 1)))

    def _busy(self) -> float:
        times = psutil.cpu_times()
        return float(times.user + times.system + times.nice)

    def _own(self) -> float:
        """Return the processor's time of this process, and of those that it started and that have ended."""
        times = psutil.Process().cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)


def _table_of_backends(rows: list[Row]) -> list[str]:
    return [
        "| backend | seconds | times serial | beyond serial / workers, each | besides the cost, each |",
        "| --- | ---: | ---: | ---: | ---: |",
        *[
            f"| {r.backend} | {r.seconds:.2f} | {r.times:.2f} | {1e3 * r.beyond:.2f} ms | {1e3 * r.overhead:.2f} ms |"
            for r in rows
        ],
    ]


def _table_of_auto(auto: list[Any]) -> list[str]:
    lines = [
        '| one evaluation | coordinates | serial | two workers | `n_jobs="auto"` | beside the better |',
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for n, one, serial, two, auto_seconds in auto:
        beside = auto_seconds / min(serial, two)
        lines.append(
            f"| {1e3 * one:.2g} ms | {n:,} | {serial:.2f} s | {two:.2f} s | {auto_seconds:.2f} s | {beside:.2f} |"
        )
    return lines


def _table_of_parameters(models: list[Modelled]) -> list[str]:
    def row(title: str, cells: list[str]) -> str:
        return f"| {title} | {' | '.join(cells)} |"

    fits = [model.fit.cluster for model in models]
    return [
        row("", [model.backend for model in models]),
        row("---", ["---:"] * len(models)),
        row("once", [f"{1e3 * c.start:.0f} ms" for c in fits]),
        row("a task, in its worker", [f"{1e3 * c.per_task:.2f} ms" for c in fits]),
        row("a task, in the scheduler", [f"{1e3 * c.dispatch:.2f} ms" for c in fits]),
        row("empty tasks in a second", [f"{model.rate:,.0f}" for model in models]),
        row("an evaluation, besides the cost", [f"{1e6 * c.per_evaluation:.0f} µs" for c in fits]),
        row("a coordinate, in the calling process", [f"{1e6 * c.per_coordinate:.0f} µs" for c in fits]),
        row("work to one worker", [f"{1e3 * c.latency:.0f} ms" for c in fits]),
        row("a GB of it, for each worker", [f"{1e9 * c.per_byte:.2f} s" for c in fits]),
        row("a GB of it, once", [f"{1e9 * c.once_per_byte:.2f} s" for c in fits]),
        row("runs", [str(len(model.runs)) for model in models]),
        row("residuals, root mean square", [f"{model.fit.rms:.1%}" for model in models]),
        row("residuals, largest", [f"{np.max(np.abs(model.fit.residuals)):.1%}" for model in models]),
        row("largest error of the simulation", [f"{model.simulated:.1%}" for model in models]),
    ]


def _held_out(work: Work, rows: list[Row], models: list[Modelled]) -> str:
    """Say what the model predicts for the runs of the first table, to which it was not fitted."""
    measured = {row.backend: row.seconds for row in rows}
    said = []
    for model in models:
        predicted, taken = predict(work, with_workers(model.fit.cluster, WORKERS)), measured[model.backend]
        said.append(f"{model.backend} {predicted:.1f} s for {taken:.1f} s ({predicted / taken - 1:+.1%})")
    return (
        f"Of the runs in the first table, which it was not fitted to, the model predicts: {', '.join(said)}."
    )


BEGIN = """\
# Workers

A cost that keeps a processor busy for {milliseconds:g} ms, {coordinates:,} coordinates, evaluated plainly; {workers}
workers on {cores} cores. The best of {repeats} runs each, in turn; the script asserts that the reports of all of them
are the same to the last bit. "Beyond" are the seconds beyond an equal share of the serial check, divided by the
evaluations: the start of processes is part of it. "Besides" is what is left of a worker's time for an evaluation after
the cost itself: overhead, waiting, what the calling process does alone, and that a processor computes more slowly while
the other one works. Meanwhile other processes had {others:.0%} of the processors. Made by
`python -m benchmarks.workers_scaling`.
"""

QUIET = 0.1
"""Share of the processors that others may have."""

BUSY = """
**That is too much: the figures of this page say little, and are to be measured again on a machine that is idle.**
"""

CHOSEN = """
## `n_jobs="auto"`
"""

MODEL = """
## A model

A check takes: what it takes once; the work on its way to the workers, one after the other; for the worker with the
most to do, what each task and each evaluation takes; and what the calling process does alone. Or, where a scheduler
hands out tasks more slowly than they are done, the scheduler's time. Costs that wait were checked on {many} workers:
the seconds of an evaluation, the coordinates, the size of tasks and the bytes of the work (1 kB to 1 GB for each
worker) were varied one by one, and the parameters fitted by least squares of relative errors.
"""

SIMULATION = """
## 64 and 1,024 workers, simulated

Nobody here has that many. The simulation takes the parameters of dask, event by event: a scheduler that hands out one
task after the other, a link over which the work is sent to one worker after the other, evaluations that vary, and
workers that fail at random instants, whose tasks are done again one evaluation at a time.

What was not measured is assumed: work of 10 MB, a link of 1 GB/s with 1 ms of latency; evaluations vary by 10 %; a
worker fails once in 1,000 hours, and is back after a minute. Waiting for the machines of a cluster is not counted.
dask's own documentation says that a task costs the scheduler about a millisecond.

![speed-up against coordinates](workers.svg)

Times faster than one process that evaluates serially, for one check of a right gradient:
"""

WORTHWHILE = """
## What is worthwhile

A check is worthwhile on a number of workers if at least half of their time goes into evaluations of the cost, and if it
takes no longer than a day. From so many coordinates on, and up to so many:
"""


if __name__ == "__main__":
    main()
