"""The model of workers and its simulation: they agree, are found again from runs, and failures take their time."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from benchmarks.workers_extrapolated import worthwhile
from benchmarks.workers_measuring import eager, measured_run, workers_of
from benchmarks.workers_model import Measured, fit, predict, with_workers
from benchmarks.workers_scaling import as_fastcheck_cuts, compared
from benchmarks.workers_simulation import Cluster, Work, simulate

KNOWN = Cluster(
    workers=2,
    start=0.3,
    dispatch=1e-3,
    per_task=4e-3,
    per_evaluation=2e-4,
    per_coordinate=5e-5,
    latency=0.01,
    per_byte=2e-9,
    once_per_byte=1e-9,
)


def works() -> list[Work]:
    """Return checks of which each quantity varies by itself."""
    usual = Work(coordinates=400, seconds=5e-3, task_size=12)
    changes: list[dict[str, Any]] = [
        *({"seconds": seconds} for seconds in (1e-3, 2e-2)),
        *({"coordinates": n} for n in (64, 130, 1000)),
        *({"task_size": size} for size in (4, 100)),
        *({"payload": payload} for payload in (1e3, 1e7, 1e9)),
    ]
    return [usual, *(dataclasses.replace(usual, **change) for change in changes)]


@pytest.mark.parametrize("workers", [1, 2, 7, 64])
def test_the_model_is_the_simulation_where_nothing_is_drawn(workers: int) -> None:
    rng = np.random.default_rng(0)
    for work in works():
        cluster = with_workers(KNOWN, workers)
        simulated = simulate(work, cluster, rng).seconds
        a_task = cluster.per_task + work.task_size * (work.seconds + cluster.per_evaluation)
        late = workers * (cluster.sending(work.payload) / 2 + cluster.dispatch)
        assert predict(work, cluster) == pytest.approx(simulated, abs=a_task + late)
        if workers == 1:
            assert predict(work, cluster) == pytest.approx(simulated, rel=1e-12)


def test_evaluations_that_take_long_are_done_as_fast_as_there_are_workers() -> None:
    work, rng = Work(coordinates=64_000, seconds=1.0, task_size=20, alone=0), np.random.default_rng(0)
    for workers in (1, 2, 64):
        assert simulate(work, with_workers(KNOWN, workers), rng).seconds == pytest.approx(
            work.serial / workers, rel=0.01
        )


def test_more_workers_than_tasks_are_of_no_use_nor_are_they_where_the_scheduler_is_slow() -> None:
    rng, ideal = np.random.default_rng(0), Cluster(workers=64)
    few = Work(coordinates=1_600, seconds=1.0, task_size=50)
    assert simulate(few, ideal, rng).seconds == simulate(few, with_workers(ideal, 1024), rng).seconds
    many = Work(coordinates=50_000, seconds=1e-4, task_size=1)
    slow = with_workers(ideal, 1024, dispatch=1e-3)
    assert simulate(many, slow, rng).seconds == pytest.approx(100, rel=0.01)


def test_what_failing_workers_had_is_done_again_and_takes_its_time() -> None:
    work, calm = Work(coordinates=3_200, seconds=1.0, task_size=20), with_workers(KNOWN, 16)
    failing = with_workers(calm, 16, failures=5.0, restart=10.0)
    quiet, told = (
        simulate(work, calm, np.random.default_rng(0)),
        simulate(work, failing, np.random.default_rng(0)),
    )
    assert (quiet.failed, quiet.redone) == (0, 0)
    assert told.failed > 0
    assert (
        told.failed <= told.redone <= 20 * told.failed
    )  # a task has twenty evaluations, its pieces have one
    assert told.seconds > quiet.seconds
    expected = 5.0 * 16 * (work.serial / 16) / 3600
    assert told.failed == pytest.approx(expected, abs=4 * np.sqrt(expected))


def runs(cluster: Cluster, scatter: float = 0.0) -> list[Measured]:
    """Return runs that take exactly what the model says, or up to so much more or less."""
    rng, measured = np.random.default_rng(1), []
    for work in works():
        for workers in (2, 4, 8):
            outside = work.alone * work.seconds + cluster.per_coordinate * work.coordinates
            inside = predict(work, with_workers(cluster, workers)) - outside
            inside *= 1 + scatter * rng.uniform(-1, 1)
            measured.append(Measured(work=work, workers=workers, seconds=inside + outside, in_tasks=inside))
    return measured


def test_parameters_are_found_again_from_runs() -> None:
    found = fit(runs(KNOWN), KNOWN.dispatch)
    assert found.rms < 1e-6
    for name in (
        "start",
        "per_task",
        "per_evaluation",
        "per_coordinate",
        "latency",
        "per_byte",
        "once_per_byte",
    ):
        assert getattr(found.cluster, name) == pytest.approx(getattr(KNOWN, name), rel=1e-4), name


def test_residuals_tell_how_well_the_model_fits() -> None:
    assert 0.001 < fit(runs(KNOWN, scatter=0.05), KNOWN.dispatch).rms < 0.05
    others = [*runs(KNOWN), *runs(dataclasses.replace(KNOWN, per_task=1.0))]
    assert fit(others, KNOWN.dispatch).rms > 0.2


def test_reports_of_all_workers_agree_and_their_seconds_are_told() -> None:
    with eager():
        rows = compared(6, 1e-4, ("threading", "multiprocessing"), repeats=1)
    assert [row.backend for row in rows] == ["serial", "threading", "multiprocessing"]
    assert all(row.seconds > 0 for row in rows)
    assert rows[0].times == 1.0
    assert all(row.times == rows[0].seconds / row.seconds for row in rows)


def test_a_run_tells_the_time_of_its_tasks_and_what_the_calling_process_evaluates() -> None:
    with workers_of("threading", 2):
        run = measured_run(Work(coordinates=10, seconds=1e-3, task_size=2, payload=1e3), 2)
    assert 10e-3 <= run.in_tasks < run.seconds
    assert run.work.alone > 0
    assert run.work.tasks == 10


def test_checks_are_cut_as_fastcheck_cuts_them() -> None:
    assert as_fastcheck_cuts(2_000, 20e-3).task_size == 20
    assert as_fastcheck_cuts(100, 1e-3).task_size == 4
    assert as_fastcheck_cuts(100_000, 5.0).task_size == 1


def test_what_is_worthwhile_grows_with_the_workers_and_ends_with_the_scheduler() -> None:
    free = with_workers(Cluster(workers=1), 1)
    for cells in _cells(worthwhile(free, as_fastcheck_cuts)):
        assert "–" not in cells
    slow = with_workers(free, 1, dispatch=1e-2)
    by_seconds = {cells[0]: cells[1:] for cells in _cells(worthwhile(slow, as_fastcheck_cuts))}
    assert by_seconds["1 ms"][2] == "–"
    assert by_seconds["100 s"][2] != "–"


def _cells(table: list[str]) -> list[list[str]]:
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[2:]]
