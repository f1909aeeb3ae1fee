"""A cost that writes to arrays of its own must not run in several threads at once: nothing wrong is said of it then."""

import time

import numpy as np
import pytest

from fastcheck import Verdict, check
from fastcheck.checks.assembling import IN_THREADS

THETA = np.linspace(-1.2, 1.1, 8)


def with_a_buffer(w, buffer=np.empty(THETA.size)):  # noqa: B008 — shared by all calls, which is the mistake
    np.sin(w, out=buffer)
    time.sleep(3e-4)
    return float(np.sum(buffer))


def without(w):
    time.sleep(3e-4)
    return float(np.sum(np.sin(w)))


def noisy(w):
    time.sleep(3e-4)
    return float(f"{np.sum(np.sin(w)):.11f}")


IN_TWO_THREADS = {"n_jobs": 2, "backend": "threads"}


@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize("factor", [1.0, 1.1])
def test_nothing_wrong_is_said_of_evaluations_that_mix(factor):
    claim = np.cos(THETA)
    claim[3] *= factor
    right = Verdict.PASS if factor == 1.0 else Verdict.FAIL
    for cost, where in ((with_a_buffer, {}), (without, IN_TWO_THREADS)):
        report = check(cost, THETA, claim, method="plain", **where)
        assert report.verdict is right
        assert IN_THREADS not in report.notes
    mixed = check(with_a_buffer, THETA, claim, method="plain", **IN_TWO_THREADS)
    assert mixed.verdict in (right, Verdict.INCONCLUSIVE)


@pytest.mark.usefixtures("eager_workers")
def test_threads_are_named_where_noise_decides():
    assert IN_THREADS in check(noisy, THETA, np.cos(THETA), method="plain", **IN_TWO_THREADS).notes
    alone = check(noisy, THETA, np.cos(THETA), method="plain")
    assert alone.verdict is Verdict.INCONCLUSIVE
    assert IN_THREADS not in alone.notes
