"""However a check ends, nothing is left of what it took: no process, thread, descriptor, file or shared memory."""

import gc
import os
import signal
import tempfile
import threading
import time

import joblib
import numpy as np
import psutil
import pytest
from leftovers import left_over, nothing_left, start_trackers, take_stock

from fastcheck import EvaluationError, Verdict, check

if not os.path.isdir("/proc/self/fd"):
    pytest.skip("what a process holds is read from /proc", allow_module_level=True)

THETA = np.linspace(0.1, 1.0, 96)
HERE = os.getpid()
BACKENDS = ["loky", "multiprocessing", "threading", "sequential"]
PROCESSES = ["loky", "multiprocessing"]


class OddError(Exception):
    """The cost does not like a point."""


def is_moved(w, coordinate=63):
    return w[coordinate] != THETA[coordinate]


def sines(w):
    return float(np.sum(np.sin(w)))


def raises_at_once(w):
    raise OddError("it raises everywhere")


def raises_later(w):
    if is_moved(w):
        raise OddError("it raises at a point")
    return sines(w)


def changes_its_parameters(w):
    if is_moved(w):
        w[0] += 1.0
    return sines(w)


class Dies:
    """A cost whose process ends at a point, unless it is this one."""

    def __init__(self):
        self.here = HERE

    def __call__(self, w):
        if is_moved(w) and os.getpid() != self.here:
            os.kill(os.getpid(), signal.SIGKILL)
        return sines(w)


def hangs(w):
    if is_moved(w):
        time.sleep(3600)
    return sines(w)


def takes_long(w):
    time.sleep(0.02)
    return sines(w)


def passes(cost, **options):
    assert check(cost, THETA, np.cos(THETA), **options).passed


def fails(cost, **options):
    assert check(cost, THETA, np.cos(THETA) + 0.01, **options).verdict is Verdict.FAIL


def is_undecided(cost, **options):
    report = check(cost, THETA, np.cos(THETA), **options)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.blocks["theta"].undecided == 1


def raises(error):
    def ends_so(cost, **options):
        with pytest.raises(error):
            check(cost, THETA, np.cos(THETA), **options)

    return ends_so


def is_interrupted(cost, **options):
    """Ctrl-C while workers are at it."""
    timer = threading.Timer(0.15, os.kill, (HERE, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        check(cost, THETA, np.cos(THETA), **options)
    timer.join()


ENDINGS = {
    "success": (sines, passes, BACKENDS),
    "failure": (sines, fails, BACKENDS),
    "raises at once": (raises_at_once, raises(OddError), BACKENDS),
    "raises later": (raises_later, is_undecided, BACKENDS),
    "changes its parameters": (changes_its_parameters, raises(EvaluationError), BACKENDS),
    "Ctrl-C": (takes_long, is_interrupted, BACKENDS),
    "a worker dies": (Dies(), is_undecided, PROCESSES),
}
QUICK = {("success", "loky"), ("Ctrl-C", "loky")}
QUICK |= {(ending, backend) for ending in ENDINGS for backend in ("threading", "sequential")}


def cases():
    """Yield every ending with every backend."""
    for ending, (*_, backends) in ENDINGS.items():
        for backend in backends:
            marks = () if (ending, backend) in QUICK else pytest.mark.slow
            yield pytest.param(ending, backend, marks=marks, id=f"{ending}, {backend}")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for temporary files of this test, and of its workers, alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    start_trackers()
    passes(sines, method="plain")  # what is loaded the first time, and threads of numerical libraries
    return tmp_path


@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize(("ending", "backend"), list(cases()))
def test_nothing_is_left_of_a_check(folder, ending, backend):
    cost, ends_so, _ = ENDINGS[ending]
    with nothing_left(folder):
        ends_so(cost, method="plain", n_jobs=2, backend=backend)


@pytest.mark.slow
@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize("backend", PROCESSES)
def test_nothing_is_left_where_an_evaluation_hangs(folder, backend):
    with nothing_left(folder):
        is_undecided(hangs, method="plain", n_jobs=2, backend=backend, timeout=0.5)


@pytest.mark.slow
@pytest.mark.usefixtures("eager_workers")
def test_workers_of_joblib_s_that_the_caller_has_stay(folder):
    """Those of `joblib.Parallel` are kept for the next call, by joblib itself."""
    from joblib.externals.loky import get_reusable_executor

    with joblib.parallel_config(backend="loky", n_jobs=2):
        joblib.Parallel()(joblib.delayed(os.getpid)() for _ in range(8))
        theirs = take_stock(folder).processes
        with nothing_left(folder):
            passes(sines, method="plain")
        assert len(theirs) == 2
        assert theirs <= take_stock(folder).processes
    get_reusable_executor().shutdown(wait=True)


@pytest.mark.slow
@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize("backend", PROCESSES)
def test_nothing_is_left_of_twenty_checks_with_workers(folder, backend):
    process = psutil.Process()
    with nothing_left(folder):
        for number in range(20):
            (fails if number % 2 else passes)(sines, method="plain", n_jobs=2, backend=backend)
            gc.collect()
            if number == 9:
                half_way = process.memory_full_info().uss, len(gc.get_objects())
    assert process.memory_full_info().uss - half_way[0] < 4e6
    assert len(gc.get_objects()) - half_way[1] < 500


LEAKS = {
    "processes": lambda folder: os.posix_spawn("/bin/sleep", ["sleep", "7"], os.environ),
    "threads": lambda folder: threading.Thread(target=time.sleep, args=(6.0,), daemon=True).start(),
    "descriptors": lambda folder: os.open(folder, os.O_RDONLY),
    "files": lambda folder: (folder / "left").touch(),
    "shared_memory": lambda folder: open(f"/dev/shm/left-{HERE}", "x").close(),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_what_is_left_is_seen(folder, kind):
    before = take_stock(folder)
    made = LEAKS[kind](folder)
    assert kind in left_over(before, take_stock(folder))
    if kind == "processes":
        os.kill(made, signal.SIGKILL)
        os.waitpid(made, 0)
    elif kind == "descriptors":
        os.close(made)
    elif kind == "shared_memory":
        os.unlink(f"/dev/shm/left-{HERE}")
