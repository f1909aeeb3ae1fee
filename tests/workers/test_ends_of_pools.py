"""Processes end whatever they do and whatever waits for them, by Ctrl-C at any instant, and with their parent."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from leftovers import nothing_left, start_trackers
from threadpoolctl import threadpool_info

from fastcheck import check
from fastcheck.workers.parcels import Packed
from fastcheck.workers.pools import Lost, Processes, loky_processes, multiprocessing_processes
from fastcheck.workers.tasks import Done

if not os.path.isdir("/proc/self/fd"):
    pytest.skip("what a process holds is read from /proc", allow_module_level=True)

LARGE = 200_000
"""Numbers of a chunk that fills the pipe to a worker many times."""

HANGS, DIES, RETURNS = 0.0, 1.0, 2.0

KINDS = [multiprocessing_processes, pytest.param(loky_processes, marks=pytest.mark.slow)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for temporary files of this test, and of its workers, alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    start_trackers()
    return tmp_path


@pytest.fixture
def pools(folder):
    """Make pools of two processes that do as the first number of a chunk says; nothing is left in the end."""

    def work(chunk):
        if chunk[0] == HANGS:
            time.sleep(3600)
        if chunk[0] == DIES:
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
        return float(chunk[0])

    def pool_of(make):
        pool = Processes(2, make)
        pool.open(Packed(work), contextlib.nullcontext, None)
        return pool

    with nothing_left(folder):
        yield pool_of


def results_of(pool):
    came = {}
    while pool.waits_for:
        came |= pool.back()
    return came


@pytest.mark.parametrize("size", [1, LARGE])
@pytest.mark.parametrize("make", KINDS)
def test_processes_are_ended_whatever_waits_for_them(pools, make, size):
    pool = pools(make)
    begun = [pool.submit(np.array([RETURNS])) for _ in range(2)]
    assert results_of(pool) == dict.fromkeys(begun, Done(RETURNS))
    for _ in range(6):
        pool.submit(np.full(size, HANGS))
    time.sleep(0.1)
    pool.close()
    pool.close()  # as where Ctrl-C came in the midst of the first one


@pytest.mark.parametrize("make", KINDS)
def test_a_process_that_dies_ends_whatever_waited_for_it(pools, make):
    pool = pools(make)
    for first in (DIES, RETURNS, RETURNS, RETURNS):
        pool.submit(np.full(LARGE, first))
    came = results_of(pool)
    assert isinstance(came[0], Lost)
    assert came[1] == came[3] == Done(RETURNS)
    pool.close()


def test_a_pool_that_was_never_used_leaves_nothing(pools):
    pools(multiprocessing_processes).close()


# --- the parent is killed --------------------------------------------------------------------------------------------

CHECKS = """
    import os, sys, time
    import numpy as np
    from fastcheck import check, execution

    execution.WORKERS_PAY_AFTER = {"processes": 0.0, "threads": 0.0}
    execution.SECONDS_OF_SENDING, execution.seconds_of_imports = 0.0, lambda _: 0.0
    theta, here = np.linspace(0.1, 1.0, 40), os.getpid()

    def cost(w):
        if os.getpid() != here:
            os.write(1, b"hangs\\n")  # at once: two may say it at the same time
            time.sleep(3600)
        time.sleep(0.02)
        return float(np.sum(np.sin(w)))

    check(cost, theta, np.cos(theta), method="plain", n_jobs=2, backend=sys.argv[1])
"""


@pytest.mark.parametrize("backend", ["multiprocessing", pytest.param("loky", marks=pytest.mark.slow)])
def test_workers_end_with_a_parent_that_is_killed_and_take_their_folder_with_them(tmp_path, backend):
    script = tmp_path / "checks.py"
    script.write_text(textwrap.dedent(CHECKS))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, script, backend],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as parent:
        try:
            assert parent.stdout.readline() == b"hangs\n"
            children = psutil.Process(parent.pid).children(recursive=True)
            assert children
            assert any(temporary.iterdir())
        finally:
            parent.kill()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert not any(temporary.iterdir())


def test_a_worker_that_begins_after_the_end_of_who_started_it_ends_and_takes_the_folder_with_it(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    begins = "import sys, time; from fastcheck.workers.tasks import begin_worker; "
    begins += "begin_worker(sys.argv[1], int(sys.argv[2])); print('begun', flush=True); time.sleep(3600)"
    processes, folders = [], []
    for started_by in (gone.pid, os.getpid()):
        folders.append(tmp_path / str(started_by))
        folders[-1].mkdir()
        arguments = [sys.executable, "-c", begins, folders[-1], str(started_by)]
        processes.append(subprocess.Popen(arguments, stdout=subprocess.PIPE))
    late, other = processes
    try:
        assert late.wait(timeout=60) == -signal.SIGKILL
        assert other.stdout.readline() == b"begun\n"
        assert other.poll() is None
        assert [folder.exists() for folder in folders] == [False, True]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


# --- Ctrl-C at any instant --------------------------------------------------------------------------------------------


THETA = np.linspace(0.1, 1.0, 2000)


def takes_a_minute(w):
    time.sleep(0.03)
    return float(np.sum(np.sin(w)))


def state():
    """Return what belongs to the whole process."""
    blas = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    generators = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    return blas, generators, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), np.geterr()


def instants(count, latest, seed=0):
    """Return seconds after which Ctrl-C comes, the earliest first."""
    return sorted(np.random.default_rng(seed).uniform(0.02, latest, count).tolist())


QUICK = [("multiprocessing", instants(2, 0.4)), ("threading", instants(1, 0.2))]
ALL = [
    ("multiprocessing", instants(30, 0.6, 1)),
    ("loky", instants(30, 3.0)),
    ("threading", instants(30, 0.3, 1)),
]


@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize(
    ("backend", "seconds"), [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in ALL)]
)
def test_a_check_ends_by_ctrl_c_at_any_instant(folder, backend, seconds):
    check(lambda w: float(w @ w), THETA[:5], 2 * THETA[:5], method="plain")
    before, theta = state(), THETA.copy()
    for instant in seconds:
        with nothing_left(folder):
            timer = threading.Timer(instant, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                check(takes_a_minute, theta, np.cos(theta), method="plain", n_jobs=2, backend=backend)
            timer.join()
        assert state() == before
        assert np.array_equal(theta, THETA)


def test_a_folder_of_a_check_is_for_its_user_alone(pools, folder):
    pool = pools(multiprocessing_processes)
    assert [path.stat().st_mode & 0o777 for path in Path(folder).iterdir()] == [0o700]
    pool.close()
