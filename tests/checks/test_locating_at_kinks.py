"""Mistakes in blocks that stand on kinks: located among them, and never where a backward pass may take any side."""

import numpy as np
import pytest
from budgeted_costs import Counted

from fastcheck import Verdict, check, locate

L1 = 0.3
METHODS = ("difference", "plain")


def sparse(zeros, shape=(60, 90)):
    """A cost with an L1 term at weights of which some are zero: cost, W, and its gradient with sign(0) = 0."""
    rng = np.random.default_rng(zeros)
    W, C = rng.standard_normal(shape), rng.standard_normal(shape)
    W.flat[rng.choice(W.size, zeros, replace=False)] = 0

    def cost(p):
        return np.sum(C * np.sin(p["W"])) + L1 * np.sum(np.abs(p["W"]))

    return cost, W, C * np.cos(W) + L1 * np.sign(W)


def located(cost, W, claim, method="difference"):
    report = locate(cost, {"W": W}, {"W": claim}, method=method)
    assert report.verdict is Verdict.FAIL
    return report.blocks["W"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("zeros", [10, 20, 400, 4000])
def test_one_wrong_coordinate_away_from_kinks(zeros, method):
    cost, W, claim = sparse(zeros)
    row, column = np.argwhere(W)[100]
    claim[row, column] += 0.01
    block = located(cost, W, claim, method)
    assert [c.index for c in block.worst[: block.wrong]] == [(row, column)]
    assert block.located.sentence.startswith(f"W[{row}, {column}] is wrong by a factor of ")
    searched = method == "difference" or zeros <= 16
    assert ("that are zero, at kinks, were not searched" in block.located.sentence) is not searched
    assert block.located.complete is searched


def test_one_wrong_coordinate_at_one_of_few_kinks():
    cost, W, claim = sparse(40)
    row, column = np.argwhere(W == 0)[7]
    claim[row, column] += 1
    block = located(cost, W, claim)
    assert block.located.sentence.startswith(f"W[{row}, {column}] is wrong by a factor of ")
    assert block.located.complete


def test_a_row_half_of_which_is_at_kinks():
    cost, W, claim = sparse(2700)
    claim[7] += np.where(W[7] == 0, 0, 0.01)
    block = located(cost, W, claim, "plain")
    assert block.located.regions == ("W[7, :]",)
    assert "row 7 of W (90 coordinates) is wrong in about " in block.located.sentence
    block = located(cost, W, claim)
    assert block.wrong == np.count_nonzero(W[7])
    assert block.located.sentence.startswith(f"{block.wrong} coordinates of W are wrong: W[7, ")


def test_a_term_of_which_zeros_do_not_tell():
    """All coordinates that are not zero are wrong: in plain evaluation a sample says how many that is."""
    cost, W, claim = sparse(2700)
    claim -= 2 * L1 * np.sign(W)
    block = located(cost, W, claim, "plain")
    assert block.located.how == "dense"
    assert block.located.share == pytest.approx(0.5, abs=0.25)
    assert "not searched" not in block.located.sentence
    assert located(cost, W, claim).located.share == 0.5


@pytest.mark.parametrize("method", METHODS)
def test_what_screening_measured_one_by_one_is_not_measured_again(method):
    cost, W, claim = sparse(100, (200,))
    wrong = np.flatnonzero(W)[[3, 50]]
    claim[wrong] *= 1.5
    block = located(cost, W, claim, method)
    assert block.checked == 200
    assert {c.index for c in block.worst[: block.wrong]} == {(i,) for i in wrong}
    assert block.located.complete


def dead_units(samples=40):
    """One layer of ReLUs, half of which have weights of zero, and an L1 term: cost, W, and a backward pass."""
    rng = np.random.default_rng(0)
    W, X, C = (
        rng.standard_normal((60, 100)),
        rng.standard_normal((100, samples)),
        rng.standard_normal((60, 1)),
    )
    W[::2] = 0

    def cost(p):
        return np.sum(C * np.maximum(p["W"] @ X, 0)) + L1 * np.sum(np.abs(p["W"]))

    Z = W @ X
    return cost, W, (C * np.where(Z == 0, 0.5, Z > 0)) @ X.T + L1 * np.where(W == 0, 1, np.sign(W))


@pytest.mark.parametrize("method", METHODS)
def test_right_claims_at_many_kinks_are_not_called_wrong(method):
    """One-sided slopes do not bound what is right in a unit without weights, which meets a kink in each sample."""
    cost, W, right = dead_units()
    claim = right.copy()
    claim[7, 30] *= 1.5
    block = located(cost, W, claim, method)
    assert block.wrong == 1
    assert block.worst[0].index == (7, 30)
    assert check(cost, {"W": W}, {"W": right}, coordinates={"W": 0.02}).passed


def test_kinks_that_are_no_zeros_may_hide_more():
    rng = np.random.default_rng(0)
    W, X = rng.integers(-1, 2, (60, 100)).astype(float), rng.integers(-1, 2, (100, 40)).astype(float)
    W[W == 0] = 2.0
    C = rng.standard_normal((60, 1))

    def cost(p):
        return np.sum(C * np.maximum(p["W"] @ X, 0))

    Z = W @ X
    right = (C * np.where(Z == 0, 0.5, Z > 0)) @ X.T
    block = located(cost, W, 1.01 * right, "plain")
    assert block.located.how == "dense"
    assert block.located.sentence.startswith("W (6,000 coordinates) is wrong in about ")
    assert not block.located.complete
    block = located(cost, W, 1.01 * right)
    assert (block.located.how, block.located.complete) == ("dense", True)


def test_forward_passes_are_counted():
    cost, W, claim = dead_units()
    claim[7, 30] *= 1.5
    counted = Counted(cost)
    report = locate(counted, {"W": W}, {"W": claim}, method="plain")
    assert report.forward_passes == counted.calls


@pytest.mark.parametrize("zeros", [20, 400, 4000])
def test_where_all_slopes_are_known_zeros_are_searched_like_others(zeros):
    cost, W, right = sparse(zeros)
    for row, column in (np.argwhere(W)[100], np.argwhere(W == 0)[7]):
        claim = right.copy()
        claim[row, column] += 1.0
        block = located(cost, W, claim, "auto")
        assert [c.index for c in block.worst[: block.wrong]] == [(row, column)]
        assert block.located.sentence.startswith(f"W[{row}, {column}] is wrong by a factor of ")
        assert "not searched" not in block.located.sentence
        assert block.located.complete
