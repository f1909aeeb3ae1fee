"""When workers are started: where what they save is more than what starting them takes."""

import os
import time

import cloudpickle
import numpy as np
import pytest

from fastcheck import check
from fastcheck.execution import Execution
from fastcheck.workers.imports import imported_for


class Slow:
    """Work that takes so long, and says where it was done."""

    redone_whole = False

    def __init__(self, seconds):
        self.seconds = seconds

    def __call__(self, chunk):
        time.sleep(self.seconds)
        return os.getpid()

    def pieces(self, chunk):
        return [chunk]


def places(execution, work, chunks, seconds):
    came = execution.each(work, range(chunks), seconds=seconds, suits="processes", describe=str)
    return [result for _, result in came]


def test_an_estimate_that_is_much_too_large_starts_no_workers():
    """The first evaluation of many a cost compiles something, or fills a cache."""
    assert set(places(Execution(n_jobs="auto"), Slow(0.0), chunks=10, seconds=4.0)) == {os.getpid()}


def test_an_estimate_that_is_much_too_small_does_not_keep_workers_from_being_started():
    """The second evaluation of a cost with a memory takes no time."""
    pids = places(Execution(n_jobs=2), Slow(0.2), chunks=12, seconds=0.0)
    here = pids.count(os.getpid())
    assert 1 <= here < 6
    assert len(set(pids)) >= 2


def test_workers_that_are_there_are_used_for_less():
    execution = Execution(n_jobs=2)
    with execution.workers_kept():
        assert os.getpid() not in places(execution, Slow(0.0), chunks=4, seconds=1e6)
        assert os.getpid() not in places(execution, Slow(0.0), chunks=4, seconds=0.2)
        assert set(places(execution, Slow(0.0), chunks=4, seconds=0.001)) == {os.getpid()}
    assert set(places(execution, Slow(0.0), chunks=4, seconds=0.2)) == {os.getpid()}


@pytest.mark.parametrize("n_jobs", [2, "auto", -1])
def test_a_fast_cost_is_evaluated_here(n_jobs):
    w, pids = np.linspace(0.1, 1.0, 200), set()

    def cost(w):
        pids.add(os.getpid())
        return float(np.sum(w**2))

    assert check(cost, w, 2 * w, method="plain", n_jobs=n_jobs).passed
    assert len(pids) == 1


def test_libraries_that_a_cost_needs_are_seen():
    numba = pytest.importorskip("numba")

    def uses_it(w):
        return numba.njit(lambda x: x)(w)

    assert imported_for(cloudpickle.dumps(uses_it)) == {"numba"}
    assert imported_for(cloudpickle.dumps(lambda w: np.sum(w))) == set()
    by_name = "fastcheck.mlp.kernels"
    __import__(by_name)
    assert imported_for(by_name.encode()) == {"numba"}
