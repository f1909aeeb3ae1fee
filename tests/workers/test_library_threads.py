"""Threads of libraries inside workers of every kind: one for each, and as before afterwards."""

import contextlib
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from fastcheck.execution import Execution
from fastcheck.workers.library_threads import one_thread


class Threads:
    """Work that tells how many threads each library would use."""

    redone_whole = False

    def __init__(self, *modules):
        self.modules = modules

    def __call__(self, chunk):
        for module in self.modules:
            __import__(module)
        np.ones((4, 4)) @ np.ones((4, 4))
        return threads_here()

    def pieces(self, chunk):
        return [chunk]


def threads_here():
    """Return the number of threads of each library of this process, as this thread sees them."""
    numbers = {library["filepath"]: library["num_threads"] for library in threadpool_info()}
    for name in ("numba", "torch"):
        if name in sys.modules:
            numbers[name] = sys.modules[name].get_num_threads()
    return numbers


def in_workers(backend, *modules):
    execution = Execution(n_jobs=2, backend=backend)
    came = execution.each(Threads(*modules), range(4), seconds=1e6, suits="threads", describe=str)
    return [result for _, result in came]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_a_worker_has_one_thread_of_blas_and_numba(backend):
    pytest.importorskip("numba")
    with threadpool_limits(2):
        before = threads_here()
        for numbers in in_workers(backend, "numba"):
            assert "numba" in numbers
            assert set(numbers.values()) == {1}
        assert before.items() <= threads_here().items()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_a_worker_has_one_thread_of_torch(backend):
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for numbers in in_workers(backend, "torch"):
            assert numbers["torch"] == 1
        assert torch.get_num_threads() == 2
        other = []
        thread = threading.Thread(target=lambda: other.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert other == [2]
    finally:
        torch.set_num_threads(before)


def test_numbers_are_as_before_in_whatever_order_workers_leave():
    with threadpool_limits(2, user_api="blas"):
        before = threads_here()
        first, second = one_thread(), one_thread()
        first.__enter__()
        with contextlib.ExitStack() as stack:
            stack.callback(second.__exit__, None, None, None)
            second.__enter__()
            assert set(threads_here().values()) == {1}
        first.__exit__(None, None, None)
        assert threads_here() == before


NUMBA_NOT_STARTED = """
import numba, torch
from fastcheck.workers.library_threads import one_thread
torch.set_num_threads(2)
with one_thread():
    print(torch.get_num_threads(), numba.get_num_threads())
"""


@pytest.mark.slow
def test_a_worker_has_one_thread_of_torch_where_numba_starts_its_own_just_then():
    pytest.importorskip("torch")
    pytest.importorskip("numba")
    done = subprocess.run(
        [sys.executable, "-c", NUMBA_NOT_STARTED], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "1"]
