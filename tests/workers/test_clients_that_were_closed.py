"""The client of a cluster is closed by whoever made it: before a check, or in the midst of one."""

import threading
import time

import joblib
import numpy as np
import pytest

from fastcheck import check

distributed = pytest.importorskip("distributed")

THETA = np.linspace(0.1, 1.0, 40)


def slow(w):
    """Return a cost that takes some milliseconds."""
    time.sleep(2e-3)
    return float(np.sum(np.sin(w)))


def off_by(factor):
    claim = np.cos(THETA)
    claim[7] *= factor
    return claim


@pytest.fixture
def client():
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


def assert_judged(report, factor):
    assert report.passed == (factor == 1.0)
    assert report.blocks["theta"].wrong == (factor != 1.0)
    assert any("the connection to the scheduler was closed" in note for note in report.notes)


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_a_check_after_that_is_evaluated_here_and_a_note_says_so(client, factor):
    client.close()
    with joblib.parallel_config("dask"):
        assert_judged(check(slow, THETA, off_by(factor), method="plain"), factor)


@pytest.mark.slow
@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize("factor", [1.0, 1.001])
def test_the_rest_of_a_check_is_evaluated_here_and_a_note_says_so(client, factor):
    timer = threading.Timer(0.1, client.close)
    timer.start()
    with joblib.parallel_config("dask"):
        assert_judged(check(slow, THETA, off_by(factor), method="plain"), factor)
    timer.join()
