"""A case of the soak: a check drawn from a seed, what comes of it, and what must not."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.soak.costs import FAULTS, IN_THE_CALLER, MISTAKES, Fault, FaultyCost
from fastcheck import Report, check
from fastcheck.errors import FastcheckError
from fastcheck.execution import WORKERS_PAY_AFTER

BACKENDS = ("sequential", "loky", "threading", "multiprocessing", "dask")
IN_PROCESSES = ("loky", "multiprocessing", "dask")

WORKERS = 3
"""Workers of a case: more than two cores, as evaluations sleep most of the time."""

SECONDS = 0.4
"""What the evaluations of a case take together, one after the other."""

GENEROUS = 60.0
"""The timeout of an evaluation that takes milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A check. ``mistake`` is what was planted in the claim, at entry ``planted`` of W; None where it is right."""

    seed: int
    backend: str
    fault: str
    mistake: str | None
    rows: int
    columns: int
    planted: int
    coordinate: int
    keeps: bool
    logs: bool
    seconds: float = SECONDS

    @classmethod
    def drawn(cls, seed: int, backends: tuple[str, ...] = BACKENDS) -> Case:
        """Return the case of a seed."""
        rng = np.random.default_rng(seed)
        backend = str(rng.choice(backends))
        faults = [name for name, fault in FAULTS.items() if _can_happen(fault, backend)]
        rows, columns = int(rng.integers(6, 16)), int(rng.integers(3, 8))
        is_right = rng.random() < 0.5
        return cls(
            seed=seed,
            backend=backend,
            fault=str(rng.choice(faults)),
            mistake=None if is_right else str(rng.choice(list(MISTAKES))),
            rows=rows,
            columns=columns,
            planted=int(rng.integers(rows * columns)),
            coordinate=int(rng.integers((rows + 1) * columns)),
            keeps=bool(rng.random() < 0.5),
            logs=bool(rng.random() < 0.5),
        )

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return (self.rows + 1) * self.columns

    @property
    def may_be_undecided(self) -> bool:
        """Whether evaluations are lost that the verdict may need."""
        return FAULTS[self.fault].loses

    @property
    def must_fail(self) -> bool:
        """Whether a mistake was planted where no evaluation is lost."""
        is_single = self.mistake is not None and self.mistake.startswith("one entry")
        is_lost = self.may_be_undecided and is_single and self.coordinate == self.planted
        return self.mistake is not None and not is_lost

    def problem(self, folder: str, caller: int) -> tuple[FaultyCost, dict[str, Any], dict[str, Any]]:
        """Return cost, parameters and claim."""
        rng = np.random.default_rng([self.seed, 1])
        p = {
            "W": rng.standard_normal((self.rows, self.columns)) / np.sqrt(self.rows),
            "b": rng.standard_normal(self.columns) / 2,
        }
        start = np.concatenate([p["W"].ravel(), p["b"].ravel()])
        delay = self.seconds / (2 * self.size)
        X = rng.standard_normal((9, self.rows))
        cost = FaultyCost(X, start, delay, self.fault, self.coordinate, folder, caller)
        claim = cost.gradient(p)
        if self.mistake is not None:
            MISTAKES[self.mistake](claim, self.planted)
        return cost, p, claim

    def options(self, folder: str) -> dict[str, Any]:
        """Return the options of the check."""
        options: dict[str, Any] = {"method": "plain", "progress": False}
        timeout = FAULTS[self.fault].timeout
        options["timeout"] = timeout or (GENEROUS if self.seed % 3 == 0 else None)
        if self.keeps:
            options["checkpoint"] = str(Path(folder, "run.fastcheck"))
        if self.logs:
            options["log"] = str(Path(folder, "run.jsonl"))
        return options


def _can_happen(fault: Fault, backend: str) -> bool:
    has_processes = backend in IN_PROCESSES or not fault.needs_processes
    return has_processes and fault.only in (None, backend)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case: a verdict or the name of an exception, and what is wrong with it."""

    what: str
    complaints: tuple[str, ...] = ()
    report: Report | None = None


def run(case: Case, workers: int = WORKERS) -> Outcome:
    """Run a case under its backend, as it is configured around the check, and judge what comes of it."""
    import joblib

    with case_folder() as folder:
        cost, p, claim = case.problem(folder, os.getpid())
        before = _what_is_the_callers(p, claim)
        arguments = {} if case.backend == "dask" else {"n_jobs": workers}
        what, report, complaints = "", None, []
        try:
            with eager_workers(), joblib.parallel_config(case.backend, **arguments):
                report = check(cost, p, claim, **case.options(folder))
        except FastcheckError as error:
            what = type(error).__name__
            if not _may_raise(case):
                complaints.append(f"raised {what}: {error}")
        except Exception as error:
            what = type(error).__name__
            if not (case.fault == "MemoryError" and isinstance(error, MemoryError)):
                complaints.append(f"raised {what}: {error}")
        if report is not None:
            what = str(report.verdict)
            complaints += judged(case, report)
        if _what_is_the_callers(p, claim) != before:
            complaints.append("the caller's arrays, or the state of np.random, were changed")
        if Path(folder, IN_THE_CALLER).exists():
            complaints.append("the calling process evaluated the cost where it ends or blocks a process")
    return Outcome(what, tuple(complaints), report)


def judged(case: Case, report: Report, interrupted: bool = False) -> list[str]:
    """Return what is wrong with a verdict, which may know less where the run was interrupted."""
    verdict = str(report.verdict)
    if case.mistake is None and verdict == "fail":
        return [f"a right claim failed: {report.difference:.1e}"]
    if case.mistake is not None and verdict == "pass":
        return [f"a planted mistake was passed: {case.mistake}"]
    if report.stopped is not None or interrupted:
        return [] if verdict == "inconclusive" else _only_if_seen(case, report, verdict)
    if verdict == "inconclusive" and not case.may_be_undecided:
        return ["undecided, and no evaluation was lost"]
    if verdict != "fail" and case.must_fail:
        return [f"a planted mistake was not found: {case.mistake}"]
    return []


def _only_if_seen(case: Case, report: Report, verdict: str) -> list[str]:
    """Say what is wrong with a verdict on a part of the coordinates: it can be wrong only where it claims something."""
    expected = "fail" if case.mistake is not None else "pass"
    return [] if verdict == expected else [f"stopped with {verdict}, expected {expected}"]


def _may_raise(case: Case) -> bool:
    """Tell whether an error of fastcheck is an answer: a thread cannot be ended."""
    return case.fault in ("slower than timeout=", "MemoryError")


def _what_is_the_callers(p: dict[str, Any], claim: dict[str, Any]) -> list[bytes]:
    state = np.random.get_state()[1]  # noqa: NPY002 — of the generator that all of a process share
    return [array.tobytes() for array in (*p.values(), *claim.values(), np.asarray(state))]


def eager_workers() -> contextlib.AbstractContextManager[Any]:
    """Have workers used within a block, however little there is to do."""
    return mock.patch.dict(WORKERS_PAY_AFTER, dict.fromkeys(WORKERS_PAY_AFTER, 0.0))


@contextlib.contextmanager
def case_folder() -> Iterator[str]:
    """Yield a folder that is removed afterwards."""
    folder = tempfile.mkdtemp(prefix="case-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
