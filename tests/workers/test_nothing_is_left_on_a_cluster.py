"""A cluster is its owner's: after a check it holds nothing of it, and goes on."""

import gc
import time

import joblib
import numpy as np
import pytest
from leftovers import SETTLED_AFTER

from fastcheck import EvaluationError, Verdict, check

distributed = pytest.importorskip("distributed")

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("eager_workers")]

THETA = np.linspace(0.1, 1.0, 96)


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        yield client


class Sines:
    """A cost that does something where a coordinate is moved on the cluster; it holds an array of 8 MB."""

    def __init__(self, action=None):
        self.data, self.action = np.ones(1_000_000), action

    def __call__(self, w):
        if self.action is not None and w[63] != THETA[63]:
            self.action(w)
        return float(np.sum(np.sin(w))) * self.data[0]


def changes(w):
    w[0] += 1.0


def takes_long(_):
    time.sleep(0.5)


def held(client):
    """Return what the cluster and its client hold: tasks, data and opened work."""
    gc.collect()

    def of_scheduler(dask_scheduler):
        return list(dask_scheduler.tasks)

    def of_worker(dask_worker):
        import gc
        import sys

        gc.collect()
        parcels = sys.modules.get("fastcheck.workers.parcels")
        if parcels is None:
            return 0, len(dask_worker.data)
        there = [thing for thing in gc.get_objects() if type(thing) is parcels.Parcel]
        return len(parcels._open) + len(there), len(dask_worker.data)

    return [
        *client.run_on_scheduler(of_scheduler),
        *client.futures,
        *(sum(counts) for counts in client.run(of_worker).values() if any(counts)),
    ]


def settled(client):
    """Return what the cluster still holds after a while."""
    ends = time.monotonic() + 4 * SETTLED_AFTER
    while (left := held(client)) and time.monotonic() < ends:
        time.sleep(0.05)
    return left


def test_nothing_is_left_of_a_right_claim_and_of_a_wrong_one(cluster):
    with joblib.parallel_config(backend="dask", client=cluster):
        assert check(Sines(), THETA, np.cos(THETA), method="plain").passed
        assert settled(cluster) == []
        assert check(Sines(), THETA, np.sin(THETA), method="plain").verdict is Verdict.FAIL
        assert settled(cluster) == []


def test_nothing_is_left_where_an_evaluation_raises(cluster):
    with joblib.parallel_config(backend="dask", client=cluster), pytest.raises(EvaluationError):
        check(Sines(changes), THETA, np.cos(THETA), method="plain")
    assert settled(cluster) == []


def test_nothing_is_left_after_ctrl_c(cluster):
    def interrupts(done, total):
        if done > 10:
            raise KeyboardInterrupt

    with joblib.parallel_config(backend="dask", client=cluster), pytest.raises(KeyboardInterrupt):
        check(Sines(takes_long), THETA, np.cos(THETA), method="plain", progress=interrupts)
    assert settled(cluster) == []
    with joblib.parallel_config(backend="dask", client=cluster):
        assert check(Sines(), THETA, np.cos(THETA), method="plain").passed


def test_what_is_left_is_seen(cluster):
    future = cluster.scatter(np.ones(3))
    assert held(cluster)
    del future
    assert settled(cluster) == []
