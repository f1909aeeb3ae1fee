"""Points that are known in advance: the same calls, in the same order, whoever evaluates them."""

import threading

import numpy as np
import pytest

from fastcheck import check, locate, screen
from fastcheck.errors import EvaluationError

pytestmark = pytest.mark.usefixtures("eager_workers")

W = np.linspace(-1.0, 1.3, 12)
"""Parameters that stand on no kink of the costs here."""


class Counted:
    """A cost that notes in which threads it was evaluated."""

    def __init__(self, cost):
        self.cost, self.threads = cost, []

    def __call__(self, w):
        self.threads.append(threading.current_thread() is threading.main_thread())
        return self.cost(w)

    @property
    def here(self):
        return sum(self.threads)


def smooth(w):
    return float(np.sum(np.sin(w)) + 1e3)


def kinked(w):
    return float(np.sum(np.maximum(w - 1e-6, 0.0) * 3) + np.sum(np.abs(w)))


def with_a_border(w):
    return float(np.sum(np.sqrt(w - W.min())) + w.sum() + np.sum(np.log(2 - w)))


def with_a_kink_at_theta(w):
    return float(np.abs(w[3:] - W[3:]).sum() + w.sum())


def in_float32(w):
    return np.float32(np.sum(np.sin(w.astype(np.float32))))


SLOPES = {
    smooth: np.cos(W),
    kinked: 3.0 * (W > 1e-6) + np.sign(W),
    with_a_border: 1 / (2 * np.sqrt(np.maximum(W - W.min(), 1e-300))) + 1 - 1 / (2 - W),
    with_a_kink_at_theta: np.r_[np.ones(3), np.full(9, 2.0)],
    in_float32: np.cos(W).astype(np.float32),
}
"""Costs with their slopes; that at the border of the square root is infinite."""

MISTAKES = {
    "none": lambda slopes: slopes,
    "one": lambda slopes: slopes + 0.3 * (np.arange(W.size) == 5),
    "everywhere": lambda slopes: slopes * 1.2 + 0.1,
    "zeros": lambda slopes: np.where(np.arange(W.size) < 6, 0.0, slopes),
}


def told(report):
    """Return what a report says, but for the time it took."""
    said = report.to_dict()
    said.pop("seconds", None)
    return said


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("cost", SLOPES, ids=lambda cost: cost.__name__)
def test_reports_and_forward_passes_are_those_of_one_worker(cost, mistake):
    claim = MISTAKES[mistake](SLOPES[cost])
    counted = Counted(cost)
    alone = told(check(cost, W, claim, method="plain", n_jobs=1))
    shared = told(check(counted, W, claim, method="plain", n_jobs=2, backend="threads"))
    assert shared == alone
    if mistake == "none":
        assert alone["verdict"] == (
            "pass" if cost in (smooth, kinked, with_a_kink_at_theta) else "inconclusive"
        )
    else:
        assert alone["verdict"] == "fail"
    assert counted.here < 0.6 * len(counted.threads)


@pytest.mark.parametrize("look", [screen, locate])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_directions_are_shared_too(look, mistake):
    claim = MISTAKES[mistake](SLOPES[smooth])
    counted = Counted(smooth)
    alone = told(look(smooth, W, claim, method="plain"))
    shared = told(look(counted, W, claim, method="plain", n_jobs=2, backend="threads"))
    assert shared == alone
    assert (alone["verdict"] == "pass") == (mistake == "none")
    assert counted.here < 0.6 * len(counted.threads)


@pytest.mark.parametrize("passes", [70, 110, 200])
def test_a_budget_is_kept_by_all_workers_together(passes):
    claim = MISTAKES["everywhere"](SLOPES[smooth])
    counted = Counted(smooth)
    alone = told(check(smooth, W, claim, method="plain", max_forward_passes=passes))
    shared = told(
        check(counted, W, claim, method="plain", max_forward_passes=passes, n_jobs=2, backend="threads")
    )
    assert shared == alone
    assert len(counted.threads) <= passes


def test_an_error_is_met_where_it_belongs():
    def cost(w):
        return "much" if w[5] > W[5] else float(np.sum(w**2))

    said = []
    for n_jobs in (1, 2):
        with pytest.raises(EvaluationError) as caught:
            check(cost, W, 2 * W, method="plain", n_jobs=n_jobs, backend="threads")
        said.append(str(caught.value))
    assert said[0] == said[1]
