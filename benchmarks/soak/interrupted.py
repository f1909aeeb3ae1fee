"""A check that is interrupted at random instants and resumed from its checkpoint, beside one that is not."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.soak.cases import WORKERS, Case, case_folder, eager_workers, judged
from benchmarks.soak.leaks import PATIENCE, of_session
from fastcheck import Report, check

NAMES = ("SIGINT", "SIGTERM", "SIGKILL")
SIGNALS = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
MOST_INTERRUPTS = 3
SECONDS = 2.0
"""What the evaluations of such a case take together, one after the other."""
LONGEST_RUN = 120.0
BACKENDS = ("sequential", "loky", "threading", "multiprocessing")
RESULT = "report.json"
ANY_CALLER = 0
"""Number of the calling process in a cost without faults: a checkpoint is of one cost, which must stay the same."""


@dataclass(slots=True)
class Interrupted:
    """What came of it: the signals that were sent to runs that were not done yet, and what is wrong.

    ``orphans`` are processes that outlived a SIGKILL of their caller, ``files`` such runs that left temporary files.
    """

    case: Case
    signals: list[str] = field(default_factory=list)
    what: str = ""
    complaints: list[str] = field(default_factory=list)
    orphans: int = 0
    files: int = 0


def drawn(seed: int) -> Case:
    """Return a case without faults, which evaluates the same each time it is run."""
    case = Case.drawn(seed, BACKENDS)
    return dataclasses.replace(case, fault="none", keeps=True, seconds=SECONDS)


def interrupt_and_resume(case: Case) -> Interrupted:
    """Interrupt a case some times, let it end, and compare what it says with a run that was not interrupted."""
    rng, told = np.random.default_rng([case.seed, 2]), Interrupted(case)
    with case_folder() as folder:
        for _ in range(int(rng.integers(1, MOST_INTERRUPTS + 1))):
            number = SIGNALS[int(rng.integers(len(SIGNALS)))]
            _one_run(case, folder, told, number, float(rng.uniform(0.5, 4.0)))
        resumed = _one_run(case, folder, told, None, 0.0)
        if resumed is None:
            told.complaints.append("it does not end after it was interrupted")
            return told
        told.what = resumed["verdict"]
        expected = _uninterrupted(case)
        if differing := [key for key in expected if expected[key] != resumed.get(key)]:
            told.complaints.append(f"resumed and uninterrupted differ in {', '.join(differing)}")
    return told


def _one_run(case: Case, folder: str, told: Interrupted, number: int | None, after: float) -> Any:
    """Run the case in a process of its own, which gets a signal after some seconds; return its report, if any."""
    result = Path(folder, RESULT)
    result.unlink(missing_ok=True)
    words = [
        sys.executable,
        "-m",
        __name__,
        str(case.seed),
        folder,
        *([] if number is None else ["interrupted"]),
    ]
    errors, temporary = Path(folder, "stderr"), Path(folder, "temporary")
    temporary.mkdir(exist_ok=True)
    environment = os.environ | {"TMPDIR": str(temporary)}
    with errors.open("wb") as stderr:
        process = subprocess.Popen(words, stderr=stderr, start_new_session=True, env=environment)
        try:
            if number is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(after)
                if process.poll() is None:
                    process.send_signal(number)
                    told.signals.append(signal.Signals(number).name)
            process.wait(LONGEST_RUN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            signals = ", ".join(told.signals)
            told.complaints.append(
                f"it runs for more than {LONGEST_RUN:g} s; signals so far: {signals or 'none'}"
            )
    _look_for_orphans(process.pid, told, number)
    _look_for_files(temporary, told, number)
    if process.returncode not in _statuses(number):
        told.complaints.append(f"exit status {process.returncode}: {errors.read_text()[-1500:]!r}")
    if not result.exists():
        return None
    report = json.loads(result.read_text())
    told.complaints += report.pop("complaints")
    return report


def _statuses(number: int | None) -> set[int]:
    """Return how a run may end: with a report, or by the signal that it got, or by KeyboardInterrupt in its place."""
    return {0} if number is None else {0, -number, 128 + number, -signal.SIGINT, 128 + signal.SIGINT}


def _look_for_orphans(leader: int, told: Interrupted, number: int | None) -> None:
    """Wait until all processes of a run are gone, and end those that stay."""
    end = time.monotonic() + PATIENCE
    while (left := of_session(leader)) and time.monotonic() < end:
        time.sleep(0.05)
    for process in left:
        words = " ".join(process.cmdline())[:100] if process.is_running() else "one that just ended"
        process.kill()
        if is_kill(number):
            told.orphans += 1
        else:
            told.complaints.append(f"process left behind by a run: {words}")


def _look_for_files(temporary: Path, told: Interrupted, number: int | None) -> None:
    """Count the temporary files of a run that was killed, complain about those of any other, and remove them."""
    left = sorted(path.name for path in temporary.iterdir())
    shutil.rmtree(temporary)
    if left and is_kill(number):
        told.files += 1
    elif left:
        told.complaints.append(f"temporary files left behind by a run: {', '.join(left)}")


def is_kill(number: int | None) -> bool:
    """Tell whether nobody can clean up after this signal."""
    return number is not None and signal.Signals(number).name == "SIGKILL"


def _uninterrupted(case: Case) -> dict[str, Any]:
    with case_folder() as folder:
        cost, p, claim = case.problem(folder, ANY_CALLER)
        options = case.options(folder)
        options.pop("checkpoint", None)
        options.pop("log", None)
        return compared(check(cost, p, claim, **options))


def compared(report: Report) -> dict[str, Any]:
    """Return what must be the same of two reports, to the last bit."""
    contents = json.loads(json.dumps(report.to_dict()))
    return {key: contents[key] for key in ("verdict", "difference", "blocks", "causes") if key in contents}


def main(seed: str, folder: str, *interrupted: str) -> None:
    """Run a case, and write its report; a run that is interrupted writes what it knows, or nothing."""
    import joblib

    case = drawn(int(seed))
    cost, p, claim = case.problem(folder, ANY_CALLER)
    with eager_workers(), joblib.parallel_config(case.backend, n_jobs=WORKERS):
        report = check(cost, p, claim, **case.options(folder))
    contents = compared(report) | {"complaints": judged(case, report, bool(interrupted))}
    Path(folder, RESULT).write_text(json.dumps(contents))


if __name__ == "__main__":
    main(*sys.argv[1:])
