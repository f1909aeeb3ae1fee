"""Every fault under every backend: the run completes, what is left is judged, and is what it is without the fault."""

import contextlib
import os
import re
import signal
import threading
import time

import joblib
import numpy as np
import pytest

from fastcheck import Verdict, check, numerical_gradient
from fastcheck.errors import UnknownSlopeWarning

THETA = np.linspace(0.1, 1.0, 96)
AT = 40
"""The coordinate at which the cost does something where it is moved, alone, in a worker."""

PLANTED = 70


def raise_it():
    raise RuntimeError("the solver diverged")


def exhaust_memory():
    np.empty(2**62, dtype=np.int8)


def hang_in_python():
    while True:
        pass


def hang_in_c():
    pow(10, 10**9)


def end_program():
    raise SystemExit(4)


def raise_without_text():
    class MuteError(Exception):
        def __str__(self):
            raise ValueError

    raise MuteError


FAULTS = {
    "killed": (lambda: os.kill(os.getpid(), signal.SIGKILL), None, "no worker came back with it"),
    "ends": (lambda: os._exit(3), None, "no worker came back with it"),
    "raises": (raise_it, None, "the cost raised RuntimeError: the solver diverged, in 3 tries"),
    "mute": (raise_without_text, None, r"the cost raised \S*MuteError"),
    "exits": (end_program, None, r"the cost ends the program \(SystemExit: 4\), in 3 tries"),
    "memory": (exhaust_memory, None, r"there was too little memory, in 3 tries: .*MemoryError"),
    "sleeps": (lambda: time.sleep(1000), 2.0, "took longer than its timeout, in 2 tries: it was still at"),
    "loops": (
        hang_in_python,
        2.0,
        "took longer than its timeout, in 2 tries: it was still at .*hang_in_python",
    ),
    "hangs": (hang_in_c, 2.0, "took longer than its timeout|hangs in C for longer than timeout=2"),
}
"""Faults: what the cost does, the timeout, and what is said of it."""


class Cost:
    """Sums sines, and does something where one coordinate alone is moved in another process."""

    def __init__(self, fault=None):
        self.fault, self.here = fault, os.getpid()

    def __call__(self, w):
        time.sleep(0.002)
        moved = np.flatnonzero(w != THETA)
        if self.fault is not None and os.getpid() != self.here and moved.tolist() == [AT]:
            FAULTS[self.fault][0]()
        return float(np.sum(np.sin(w)))


@pytest.fixture
def client():
    """A cluster of two processes of this machine, for one test: not all that end are started again."""
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    )
    with cluster, distributed.Client(cluster, set_as_default=False) as connected:
        yield connected


@contextlib.contextmanager
def backend_of(name, request):
    """Configure a backend of joblib's."""
    options = {}
    if name == "dask":
        client = request.getfixturevalue("client")
        client.wait_for_workers(2, timeout=60)
        options["client"] = client
    with joblib.parallel_config(name, n_jobs=2, **options):
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "dask"])
def test_a_fault_costs_its_coordinate_and_changes_no_other(backend, fault, request):
    _, timeout, said = FAULTS[fault]
    theta, claim = THETA.copy(), np.cos(THETA)
    claim[PLANTED] *= 1.01
    before = theta.tobytes(), claim.tobytes()
    serial = numerical_gradient(Cost(), THETA, method="plain", epsilon=1e-5)
    with backend_of(backend, request):
        with pytest.warns(UnknownSlopeWarning, match=rf"theta\[{AT}\]: .*{said}"):
            gradient = numerical_gradient(Cost(fault), theta, method="plain", epsilon=1e-5, timeout=timeout)
        report = check(Cost(fault), theta, claim, method="plain", timeout=timeout)
    assert (theta.tobytes(), claim.tobytes()) == before
    assert np.flatnonzero(np.isnan(gradient)).tolist() == [AT]
    assert np.array_equal(np.delete(gradient, AT), np.delete(serial, AT))
    block = report.blocks["theta"]
    assert (report.verdict, block.wrong, block.undecided) == (Verdict.FAIL, 1, 1)
    note = next(note for note in report.notes if "lost evaluations" in note)
    assert f"theta[{AT}] undecided" in note
    assert re.search(said, note)


class SlowCost(Cost):
    """The same, which takes its time."""

    def __call__(self, w):
        time.sleep(0.02)
        return super().__call__(w)


@pytest.mark.slow
@pytest.mark.usefixtures("eager_workers")
def test_where_the_cluster_is_closed_in_mid_run_the_rest_is_evaluated_here(client):
    claim = np.cos(THETA)
    claim[PLANTED] *= 1.01
    closing = threading.Timer(1.0, client.cluster.close)
    closing.start()
    with joblib.parallel_config("dask", client=client):
        report = check(SlowCost(), THETA, claim, method="plain")
    closing.join()
    block = report.blocks["theta"]
    assert (report.verdict, block.wrong, block.undecided) == (Verdict.FAIL, 1, 0)
    assert any(note.startswith("dask had no workers any more") for note in report.notes)
