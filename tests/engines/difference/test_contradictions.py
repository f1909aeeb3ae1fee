"""Slopes of coordinates that do not add up to the slope along a direction: infinite slopes, rounding, or a mistake."""

import dataclasses
import functools

import joined
import numpy as np
import pytest
from scenarios import relu_network

from fastcheck import check, numerical_gradient
from fastcheck.engines import DisagreementError
from fastcheck.engines.difference import engine as engine_module
from fastcheck.engines.difference.arrays import UFUNCS, DifferenceArray
from fastcheck.engines.difference.engine import DifferenceEngine
from fastcheck.engines.difference.runs import Runner
from fastcheck.plan import make_plan
from fastcheck.problem import pose

ROOTS = np.array([0.0, 0.5, 0.0, -1.2, 0.0, 0.7])
"""Where ∛ has infinite slopes, and where it has not."""

WEIGHTS = np.array([1.0, -2.0, 0.5, 3.0, -0.7, 1.5])


def roots(w):
    return np.sum(WEIGHTS[: len(w)] * np.cbrt(w)) + w @ w


@pytest.fixture
def one_hot_tanh(monkeypatch):
    """A rule of tanh that is wrong where the difference is zero but for one entry: directions do not meet it."""
    right = UFUNCS[np.tanh]

    def wrong(x):
        y = right(x)
        if y.form is None or not y.form.at:
            return y
        return DifferenceArray(y.value, y.form.scaled(1.001, y.shape))

    monkeypatch.setitem(UFUNCS, np.tanh, wrong)


def estimated(cost, w, epsilon=None):
    problem = pose(cost, w)
    return joined.estimated(
        DifferenceEngine(), problem, make_plan(problem.layout, problem.theta, "all", epsilon, 0)
    )


# --- infinite slopes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entries", [6, 3, 1])
@pytest.mark.parametrize("epsilon", [1e-2, 1e-4, 1e-9])
def test_central_differences_across_an_infinite_slope_are_exact(entries, epsilon):
    w = ROOTS[:entries]
    found = numerical_gradient(roots, w, epsilon=epsilon, method="difference")
    infinite = w == 0
    np.testing.assert_allclose(found[infinite], WEIGHTS[:entries][infinite] * epsilon ** (-2 / 3), rtol=1e-12)
    there = np.where(infinite, 1.0, w)
    slopes = WEIGHTS[:entries] * np.abs(there) ** (-2 / 3) / 3 + 2 * w
    np.testing.assert_allclose(found[~infinite], slopes[~infinite], rtol=20 * epsilon**2 + 1e-12)


@pytest.mark.parametrize("entries", [6, 3, 1])
def test_infinite_slopes_are_not_taken_for_slopes(entries):
    w = ROOTS[:entries]
    found = estimated(roots, w)
    np.testing.assert_array_equal(found.plain, np.flatnonzero(w == 0))
    assert "finds a slope that depends on it" in found.notes[0]
    assert np.abs(found.numerical).max() < 1e6
    assert found.bound[w != 0].max(initial=0.0) < 1e-8


def test_beside_infinite_slopes_others_are_checked_as_sharply():
    with np.errstate(divide="ignore"):
        right = WEIGHTS * np.abs(ROOTS) ** (-2 / 3) / 3 + 2 * ROOTS
    claimed = np.where(np.isinf(right), numerical_gradient(roots, ROOTS, method="difference"), right)
    report = check(roots, ROOTS, claimed, method="difference")
    assert report.blocks["theta"].wrong == 0
    claimed[3] *= 1.01
    report = check(roots, ROOTS, claimed, method="difference")
    assert (report.verdict, report.blocks["theta"].wrong) == ("fail", 1)
    assert report.blocks["theta"].worst[0].index == (3,)


def test_slopes_that_vanish_with_the_step_stay_as_small_as_they_are():
    found = numerical_gradient(lambda w: np.sum(w**3), np.zeros(4), method="difference")
    assert np.abs(found).max() < 1e-40


# --- rounding --------------------------------------------------------------------------------------------------


@functools.cache
def ill_conditioned():
    """A matrix of condition 1e13 and its inverse: their product with a vector loses thirteen digits."""
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((20, 20)))[0]
    matrix = rotation * np.logspace(0, -13, 20) @ rotation.T
    return matrix, np.linalg.inv(matrix)


def there_and_back(w):
    matrix, inverse = ill_conditioned()
    return np.sum(matrix * np.sum(inverse * w, axis=1))


def large_and_small(w):
    """The sum of all w: exactly so where they are perturbed one by one by powers of two, and not along directions."""
    large = 1e14 * np.cos(np.arange(20.0)) * np.exp(w)
    return np.sum(np.log((large + np.exp(w)) - large))


@pytest.mark.parametrize("cost", [there_and_back, large_and_small])
def test_what_rounding_explains_is_no_contradiction_but_part_of_the_bound(cost):
    w = np.random.default_rng(2).standard_normal(20)
    found = estimated(cost, w)
    assert not found.plain.size
    assert found.method == "difference"
    error = np.abs(found.numerical - 1)
    assert (error <= found.bound).all()
    assert 1e-6 < found.bound.max() < 10


@pytest.mark.parametrize("defined", [[1, 2], [0], []])
def test_shaken_runs_that_are_not_defined_tell_nothing_and_others_do(defined, monkeypatch):
    """As where a logarithm is of a number that rounding makes negative."""
    shaken = Runner.shaken

    def undefined(*arguments):
        found = shaken(*arguments)
        slopes = np.full(found.slopes.shape, np.nan)
        slopes[defined] = found.slopes[defined]
        return dataclasses.replace(found, slopes=slopes)

    monkeypatch.setattr(Runner, "shaken", undefined)
    w = np.random.default_rng(2).standard_normal(20)
    if defined:
        found = estimated(there_and_back, w)
        assert (np.abs(found.numerical - 1) <= found.bound).all()
    else:
        with pytest.raises(DisagreementError, match="contradicts itself"):
            estimated(there_and_back, w)


def test_so_it_is_beside_infinite_slopes():
    w = np.random.default_rng(2).standard_normal(20)
    w[:3] = 0
    found = estimated(lambda w: there_and_back(w) + np.sum(np.cbrt(w[:3])), w)
    np.testing.assert_array_equal(found.plain, [0, 1, 2])
    assert (np.abs(found.numerical - 1) <= found.bound)[3:].all()
    assert 1e-6 < found.bound[3:].max() < 1


def test_claims_are_undecided_where_rounding_hides_them():
    w = np.zeros(20)
    report = check(there_and_back, w, np.ones(20), method="difference")
    assert (report.verdict, report.blocks["theta"].wrong) == ("inconclusive", 0)
    assert check(there_and_back, w, np.full(20, 1.1), method="difference").blocks["theta"].wrong == 20


def test_where_rounding_leaves_nothing_of_slopes_claims_are_not_compared_with_them():
    w = np.random.default_rng(2).standard_normal(20)
    for claim in (0.0, 1.0, 3.0):
        with pytest.raises(DisagreementError, match="Rounding leaves nothing of the slopes in theta"):
            check(large_and_small, w, np.full(20, claim), method="difference")


# --- mistakes --------------------------------------------------------------------------------------------------

COSTS = {
    "alone": lambda w: np.sum(np.tanh(w) * WEIGHTS),
    "beside infinite slopes": lambda w: np.sum(np.tanh(w) * WEIGHTS) + roots(w),
    "beside faint slopes": lambda w: np.sum(np.tanh(w)[:3]) + 1e-20 * np.sum(np.tanh(w)[3:]),
    "beside rounding": lambda w: np.sum(np.tanh(w) * WEIGHTS) + 1e-9 * there_and_back(np.tile(w, 4)[:20]),
}


@pytest.mark.usefixtures("one_hot_tanh")
@pytest.mark.parametrize("cost", COSTS)
def test_a_rule_that_is_wrong_for_coordinates_only_contradicts(cost):
    with pytest.raises(DisagreementError, match=r"contradicts itself.*random direction in theta"):
        numerical_gradient(COSTS[cost], ROOTS + 0.0, method="difference")
    found = numerical_gradient(COSTS[cost], ROOTS + 0.0)
    assert found[1] == pytest.approx(numerical_gradient(COSTS[cost], ROOTS + 0.0, method="plain")[1])


@pytest.mark.usefixtures("one_hot_tanh")
@pytest.mark.parametrize("scale", [1e-6, 1e-10, 1e-13, 1e-16])
def test_it_contradicts_in_a_block_whose_slopes_are_tiny_beside_others(scale):
    def cost(p):
        return 1e3 * np.sum(p["b"] ** 2) + scale * np.sum(np.tanh(p["a"]) * WEIGHTS)

    with pytest.raises(DisagreementError, match=r"contradicts itself.*random direction in a"):
        numerical_gradient(cost, {"a": ROOTS + 0.3, "b": ROOTS + 1.0}, method="difference")


@pytest.mark.parametrize("cost", COSTS)
def test_and_none_where_the_rule_is_right(cost):
    numerical_gradient(COSTS[cost], ROOTS, method="difference")


def test_a_cost_that_takes_another_way_contradicts():
    def cost(w):
        return np.sum(w**2) + (0.0 if type(w) is np.ndarray else 1e-3 * np.sum((w - 0.5) ** 3 / 1e-14))

    with pytest.raises(DisagreementError):
        numerical_gradient(cost, np.full(3, 0.5), method="difference")


# --- what it costs ---------------------------------------------------------------------------------------------


def test_nothing_is_run_again_where_slopes_add_up(monkeypatch):
    def unexpected(*arguments):
        raise AssertionError("slopes add up")

    monkeypatch.setattr(engine_module, "reconciled", unexpected)
    cost, parameters, gradients = relu_network((12, 20, 8, 1), 9, seed=3, lambd=0.5)
    assert check(cost, parameters, gradients, method="difference").passed
