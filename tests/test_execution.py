import os
import platform
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from fastcheck import InvalidProblemError, check
from fastcheck.execution import Execution
from fastcheck.workers.library_threads import one_blas_thread


def square(x):
    return x * x


def process_id(_):
    return os.getpid()


def blas_threads(_=None):
    return max((p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"), default=1)


class Applied:
    """Work that applies a function to chunks, which are no smaller pieces."""

    redone_whole = False

    def __init__(self, function):
        self.function = function

    def __call__(self, chunk):
        return self.function(chunk)

    def pieces(self, chunk):
        return [chunk]


def results_of(execution, function, chunks, seconds=1e6, suits="threads"):
    """Return what a function makes of the chunks, in their order."""
    came = dict(execution.each(Applied(function), chunks, seconds=seconds, suits=suits, describe=str))
    return [came[chunk] for chunk in chunks]


def mapped(function, chunks, seconds=1e6, backend="threads", **options):
    return results_of(Execution(**options), function, chunks, seconds, backend)


@pytest.mark.parametrize("backend", ["processes", "threads"])
@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_results_come_in_the_order_of_the_chunks(backend, n_jobs):
    assert mapped(square, list(range(50)), n_jobs=n_jobs, backend=backend) == [i * i for i in range(50)]


def test_processes_are_others_and_threads_are_not():
    assert os.getpid() not in mapped(process_id, range(4), n_jobs=2, backend="processes")
    assert set(mapped(process_id, range(4), n_jobs=2, backend="threads")) == {os.getpid()}
    seen = mapped(lambda _: threading.get_ident(), range(4), n_jobs=2, backend="threads")
    assert threading.get_ident() not in seen


def test_the_caller_s_backend_goes_before_the_engine_s():
    chosen = Execution(n_jobs=2, backend="threads")
    pids = results_of(chosen, process_id, range(4), suits="processes")
    assert set(pids) == {os.getpid()}


@pytest.mark.parametrize(("seconds", "n_jobs", "chunks"), [(0.01, 2, 4), (1e6, 1, 4), (1e6, 2, 1)])
def test_workers_start_only_where_they_pay(seconds, n_jobs, chunks):
    pids = mapped(process_id, range(chunks), seconds=seconds, n_jobs=n_jobs, backend="processes")
    assert set(pids) == {os.getpid()}


def test_a_blas_that_is_imported_later_runs_on_one_thread_too():
    code = """
from fastcheck.workers.library_threads import one_blas_thread
with one_blas_thread():
    pass
import scipy.linalg, threadpoolctl
with one_blas_thread():
    print(sorted({p["num_threads"] for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[1]"


def test_blas_runs_on_one_thread_everywhere_and_as_before_afterwards():
    before = blas_threads()
    with one_blas_thread():
        assert blas_threads() == 1
    assert blas_threads() == before
    for backend, n_jobs in [("processes", 1), ("processes", 2), ("threads", 2)]:
        assert set(mapped(blas_threads, range(4), n_jobs=n_jobs, backend=backend)) == {1}
    assert blas_threads() == before


@pytest.mark.parametrize("n_jobs", [0, 1.0, "2", "many", True])
def test_impossible_workers(n_jobs):
    with pytest.raises(
        InvalidProblemError, match="n_jobs: expected a positive number of workers, -1 for all"
    ):
        Execution(n_jobs=n_jobs)


@pytest.mark.parametrize("backend", ["processors", 2])
def test_impossible_backends(backend):
    with pytest.raises(InvalidProblemError, match="backend: expected one of 'processes', 'threads', 'loky'"):
        Execution(backend=backend)


# --- progress -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_function_is_told_the_coordinates_done(n_jobs):
    told, theta = [], np.linspace(0.1, 1.0, 200)
    check(
        lambda w: time.sleep(1e-3) or np.sum(w**2),
        theta,
        2 * theta,
        method="plain",
        n_jobs=n_jobs,
        backend="threads",
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (200, 200)
    assert told == sorted(told)
    assert len(told) > 10


# --- what cannot be sent ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("eager_workers")
def test_a_function_that_cannot_be_sent_runs_here_with_a_note():
    lock = threading.Lock()

    def locked(x):
        with lock:
            return os.getpid()

    run = Execution(n_jobs=2)
    assert set(results_of(run, locked, range(3), seconds=1.0, suits="processes")) == {os.getpid()}
    assert "n_jobs=2 was not used: the cost cannot be sent to other processes" in run.notes[0]


@pytest.mark.usefixtures("eager_workers")
def test_closures_and_lambdas_can_be_sent():
    data = np.arange(3.0)
    results = mapped(lambda i: float(data[i] * 2), range(3), n_jobs=2, backend="processes")
    assert results == [0.0, 2.0, 4.0]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries do not adapt what they keep")
def test_memory_of_freed_arrays_is_kept_for_the_next():
    """Two arrays of 16 MB have 7,812 pages: none of them comes anew."""
    program = """
        import resource
        import numpy as np
        import fastcheck.execution

        def pages():
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

        new = []
        for _ in range(4):
            before = pages()
            arrays = [np.ones(2_000_000), np.ones(2_000_000)]
            del arrays
            new.append(pages() - before)
        print(min(new))
    """
    untuned = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, env=untuned
    )
    assert int(found.stdout) < 1000


# --- BLAS ---------------------------------------------------------------------------------------------------


@pytest.fixture
def two_threads():
    with threadpool_limits(2, user_api="blas"):
        yield blas_threads()


@pytest.mark.parametrize("order", ["first in, first out", "last in, first out"])
def test_blas_has_its_threads_back_after_overlapping_blocks_in_any_order(two_threads, order):
    first, second = one_blas_thread(), one_blas_thread()
    entered = [threading.Event(), threading.Event()]
    leave = [threading.Event(), threading.Event()]

    def run(number, block):
        with block:
            entered[number].set()
            assert leave[number].wait(60)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate((first, second))]
    for number, thread in enumerate(threads):
        thread.start()
        assert entered[number].wait(60)
        assert blas_threads() == 1
    for number in (0, 1) if order.startswith("first") else (1, 0):
        leave[number].set()
        threads[number].join()
        assert blas_threads() == (1 if any(thread.is_alive() for thread in threads) else two_threads)


def test_blas_has_its_threads_back_after_concurrent_checks(two_threads):
    w = np.arange(1.0, 5.0)
    threads = [threading.Thread(target=check, args=(lambda w: np.sum(w**2), w, 2 * w)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert blas_threads() == two_threads


def test_a_number_of_threads_that_somebody_sets_meanwhile_stays(two_threads):
    with one_blas_thread():
        threadpool_limits(3, user_api="blas")
        three = blas_threads()
    assert blas_threads() == three


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of Unix")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_blas_has_its_threads_in_a_process_that_is_forked_meanwhile(two_threads):
    with one_blas_thread():
        child = os.fork()
        if child == 0:
            good = blas_threads() == two_threads
            with one_blas_thread():
                good = good and blas_threads() == 1
            os._exit(0 if good and blas_threads() == two_threads else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert blas_threads() == two_threads
