"""A cluster that has no workers at the beginning is done without, and that is told."""

import time

import joblib
import numpy as np
import pytest

from fastcheck import Verdict, check
from fastcheck.progress.saying import hearing

pytest.importorskip("distributed")

THETA = np.linspace(0.1, 1.0, 24)
SENTENCE = "dask has no workers (none came within 0.2 s): everything was evaluated on this machine."


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def cost(w):
    time.sleep(0.001)
    return float(f"{np.sum(np.sin(w)):.17g}")


@pytest.mark.parametrize("chosen_by", ["configuration", "argument"])
def test_the_check_is_made_here_and_says_so_at_once(client, chosen_by):
    options = {"backend": "dask"} if chosen_by == "argument" else {}
    wrong = np.cos(THETA) * np.where(np.arange(24) == 7, 1.01, 1.0)
    for claim, verdict in ((np.cos(THETA), Verdict.PASS), (wrong, Verdict.FAIL)):
        heard = []
        with joblib.parallel_config("dask", wait_for_workers_timeout=0.2), hearing(heard.append):
            report = check(cost, THETA, claim, method="plain", **options)
        assert report.verdict is verdict
        assert report.notes.count(SENTENCE) == 1
        assert heard == [SENTENCE]
    assert report.worst[0].name == "theta[7]"
