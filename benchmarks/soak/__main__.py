"""Random checks, faults, interrupts and resumes for some minutes; what is wrong or left behind is told with its seed.

``python -m benchmarks.soak --minutes 30`` writes docs/results/soak.md; ``--case SEED`` runs one case again.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from unittest import mock

from benchmarks.soak.cases import BACKENDS, Case, Outcome, run
from benchmarks.soak.cluster import OwnCluster
from benchmarks.soak.costs import SCHEDULER
from benchmarks.soak.interrupted import drawn, interrupt_and_resume
from benchmarks.soak.leaks import Snapshot, left_behind, memory
from benchmarks.soak.summary import Summary, write_page

EVERY = 5
"""One case of so many is interrupted and resumed."""

LONGEST_CASE = 150
"""Seconds after which a case hangs."""

GOES_AFTER = 0.3
"""Seconds after which a scheduler goes away, where it does."""

WARMING_UP = 2
"""Cases on each backend before anything is counted: they start what stays for good."""


class HangingError(BaseException):
    """A case took longer than `LONGEST_CASE`; no ``except Exception`` may catch it."""


class Soak:
    """Runs cases, one after the other, and looks after each at what it left behind."""

    def __init__(self, backends: tuple[str, ...], summary: Summary, cluster: OwnCluster) -> None:
        self.backends, self.summary, self.cluster = backends, summary, cluster
        self.before = Snapshot.now()

    def warm_up(self, cases: int = WARMING_UP) -> None:
        """Start what is started once: trackers of resources, pools of threads, modules that are imported late."""
        for backend in self.backends:
            for seed in range(cases):
                self.one_case(Case.drawn(seed, (backend,)))
        self.before = Snapshot.now()
        self.summary.memory_before = memory()

    def for_minutes(self, minutes: float, first_seed: int, most: int | None = None) -> None:
        """Run cases of consecutive seeds until the time is over, or so many."""
        end, seed = time.monotonic() + 60 * minutes, first_seed
        while time.monotonic() < end and (most is None or seed < first_seed + most):
            self.seed(seed)
            self.summary.memory_after = memory()
            seed += 1

    def seed(self, seed: int) -> None:
        """Run the case of a seed, and note what came of it."""
        if seed % EVERY == 0:
            self.summary.note_interrupted(interrupt_and_resume(drawn(seed)))
        else:
            self.case(Case.drawn(seed, self.backends))
        self.look(seed)

    def case(self, case: Case) -> None:
        """Run a case, and note what came of it."""
        self.summary.note(case, self.one_case(case))

    def look(self, seed: int) -> None:
        """Note what the case of a seed left behind."""
        left = left_behind(self.before, self.cluster.pids())
        self.summary.note_left(seed, left)
        if left:  # is told once
            self.before = Snapshot.now()

    def one_case(self, case: Case) -> Outcome:
        """Run a case, within the time that any case may take."""
        with self.cluster.client() if case.backend == "dask" else contextlib.nullcontext():
            try:
                with limited(), self.cluster_that_goes(case):
                    return run(case)
            except HangingError:
                return Outcome("hangs", (f"it takes longer than {LONGEST_CASE} s",))

    @contextlib.contextmanager
    def cluster_that_goes(self, case: Case) -> Iterator[None]:
        """Kill the cluster soon, if that is the fault of this case."""
        soon = threading.Timer(GOES_AFTER, self.cluster.kill)
        if case.fault == SCHEDULER:
            soon.start()
        try:
            yield
        finally:
            soon.cancel()
            if case.fault == SCHEDULER:
                soon.join()


@contextlib.contextmanager
def limited(seconds: int = LONGEST_CASE) -> Iterator[None]:
    """Raise `HangingError` in the main thread if the block takes longer."""

    def ends(_number: int, _frame: FrameType | None) -> None:
        raise HangingError

    previous = signal.signal(signal.SIGALRM, ends)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def main(words: list[str] | None = None) -> int:
    """Run the soak; the exit status is 1 if anything was wrong or left behind."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long it runs (default: 30)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (default: 1)")
    parser.add_argument("--case", type=int, help="run the case of this seed alone, and write no page")
    parser.add_argument("--no-dask", action="store_true", help="leave out dask.distributed")
    parser.add_argument("--no-page", action="store_true", help="write no page of results")
    arguments = parser.parse_args(words)
    has_dask = importlib.util.find_spec("distributed") is not None and not arguments.no_dask
    backends = BACKENDS if has_dask else tuple(name for name in BACKENDS if name != "dask")
    with own_temporary_folder() as folder:
        summary = Summary(backends=backends, first_seed=arguments.seed, talks=True)
        soak = Soak(backends, summary, OwnCluster(folder))
        try:
            soak.warm_up()
            if arguments.case is not None:
                soak.seed(arguments.case)
            else:
                soak.for_minutes(arguments.minutes, arguments.seed)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
        finally:
            soak.cluster.close()
    print(summary.sentence())
    if arguments.case is None and not arguments.no_page:
        write_page(summary)
    return 1 if summary.is_bad else 0


@contextlib.contextmanager
def own_temporary_folder() -> Iterator[Path]:
    """Let all temporary files of this process and its children lie in a folder that nobody else uses.

    Yields another one, for what does not belong to them.
    """
    with tempfile.TemporaryDirectory(prefix="fastcheck-soak-") as folder:
        own, others = Path(folder, "own"), Path(folder, "others")
        own.mkdir()
        others.mkdir()
        with environment("TMPDIR", str(own)), mock.patch.object(tempfile, "tempdir", None):
            yield others


@contextlib.contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """Set a variable of the environment within a block."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


if __name__ == "__main__":
    sys.exit(main())
