"""The soak notices what is wrong and what is left behind, and a few of its cases."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.soak.__main__ import Soak, own_temporary_folder
from benchmarks.soak.cases import BACKENDS, IN_PROCESSES, Case, judged
from benchmarks.soak.cluster import OwnCluster
from benchmarks.soak.costs import FAULTS, MISTAKES
from benchmarks.soak.leaks import SHARED, Snapshot, left_behind
from benchmarks.soak.summary import Summary, write_page

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="there are no sessions and no SIGALRM")


def case(**changes: Any) -> Case:
    """Return a case of six parameters and one column, with some of it changed."""
    usual: dict[str, Any] = {
        "seed": 1,
        "backend": "loky",
        "fault": "none",
        "mistake": None,
        "rows": 6,
        "columns": 3,
    }
    return Case(
        **usual | {"planted": 2, "coordinate": 2, "keeps": False, "logs": False, "seconds": 0.05} | changes
    )


def said(verdict: str) -> Any:
    return SimpleNamespace(verdict=verdict, stopped=None, difference=1e-3)


SIGN = "one entry has the wrong sign"


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, {"pass"}),
        ({"fault": "SIGKILL, once"}, {"pass"}),
        ({"fault": "SIGKILL"}, {"pass", "inconclusive"}),
        ({"mistake": SIGN}, {"fail"}),
        ({"mistake": SIGN, "fault": "NaN"}, {"fail", "inconclusive"}),
        ({"mistake": SIGN, "fault": "NaN", "coordinate": 7}, {"fail"}),
        ({"mistake": "b is a mean", "fault": "raises"}, {"fail"}),
    ],
    ids=lambda value: str(sorted(value.items() if isinstance(value, dict) else value)),
)
def test_verdicts_that_are_wrong_are_noticed(changes: dict[str, Any], allowed: set[str]) -> None:
    verdicts = {"pass", "fail", "inconclusive"}
    assert {verdict for verdict in verdicts if not judged(case(**changes), said(verdict))} == allowed


@pytest.mark.parametrize("mistake", [None, SIGN])
def test_a_run_that_was_stopped_may_know_nothing_but_nothing_wrong(mistake: str | None) -> None:
    right, wrong = ("pass", "fail") if mistake is None else ("fail", "pass")
    assert not judged(case(mistake=mistake), said("inconclusive"), interrupted=True)
    assert not judged(case(mistake=mistake), said(right), interrupted=True)
    assert judged(case(mistake=mistake), said(wrong), interrupted=True)


def test_what_is_left_behind_is_named() -> None:
    with own_temporary_folder():
        folder = tempfile.gettempdir()
        before = Snapshot.now()
        held, freed = (
            threading.Event(),
            subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE),
        )
        thread = threading.Thread(target=held.wait, name="a forgotten thread")
        shared = SHARED / f"forgotten-{os.getpid()}"
        thread.start()
        try:
            with Path(folder, "forgotten.txt").open("w"):
                if SHARED.exists():
                    shared.touch()
                left = "\n".join(left_behind(before, patience=0))
        finally:
            held.set()
            thread.join()
            freed.communicate(b"\n")
            shared.unlink(missing_ok=True)
            Path(folder, "forgotten.txt").unlink()
        assert "thread: a forgotten thread (+1)" in left
        assert "input()" in left
        assert "temporary file: forgotten.txt" in left
        if SHARED.exists():
            assert f"shared memory: forgotten-{os.getpid()}" in left
            assert "file descriptor: pipe (+1)" in left
        assert left_behind(before, patience=1) == []


def test_the_case_of_a_seed_is_always_the_same_and_all_kinds_are_drawn() -> None:
    cases = [Case.drawn(seed) for seed in range(400)]
    assert cases[17] == Case.drawn(17)
    assert {one.backend for one in cases} == set(BACKENDS)
    assert {one.fault for one in cases} == set(FAULTS)
    assert {one.mistake for one in cases} == {None, *MISTAKES}
    assert not [one for one in cases if FAULTS[one.fault].needs_processes and one.backend not in IN_PROCESSES]


def test_each_planted_mistake_changes_the_claim() -> None:
    for name in MISTAKES:
        cost, p, claim = case(mistake=name).problem(tempfile.gettempdir(), os.getpid())
        right = cost.gradient(p)
        assert any((claim[key] != right[key]).any() for key in claim)


def test_the_page_counts_what_was_seen(tmp_path: Path) -> None:
    summary = Summary(backends=BACKENDS)
    summary.note_left(3, ["thread: a forgotten thread (+1)"])
    write_page(summary, tmp_path / "soak.md")
    page = (tmp_path / "soak.md").read_text()
    assert "- seed 3: thread: a forgotten thread (+1)" in page
    assert "What was wrong: nothing." in page
    assert summary.is_bad


FEW = (
    case(backend="threading", fault="NaN"),
    case(backend="loky", fault="SIGKILL, once", keeps=True),
    case(backend="sequential", fault="raises", mistake=SIGN, coordinate=7, logs=True),
)


@needs_signals
def test_a_few_cases() -> None:
    """Seconds, where the soak takes half an hour; without dask and interrupts."""
    summary = Summary(backends=("sequential", "threading", "loky"), talks=True)
    with own_temporary_folder() as folder:
        soak = Soak(summary.backends, summary, OwnCluster(folder))
        soak.case(case(backend="loky"))
        soak.before = Snapshot.now()
        for one in FEW:
            soak.case(one)
            soak.look(one.seed)
    assert (summary.complaints, summary.left) == ([], [])
    assert sum(summary.cases.values()) == 1 + len(FEW)


@needs_signals
@pytest.mark.slow
def test_a_minute_with_dask_and_interrupts() -> None:
    pytest.importorskip("distributed")
    summary = Summary(backends=BACKENDS, talks=True)
    with own_temporary_folder() as folder:
        soak = Soak(BACKENDS, summary, OwnCluster(folder))
        try:
            soak.warm_up()
            soak.for_minutes(1.0, first_seed=1001)
        finally:
            soak.cluster.close()
    assert (summary.complaints, summary.left) == ([], [])
    assert summary.interrupted
