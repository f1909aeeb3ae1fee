"""Coordinates that the claim contradicts, and others, are confirmed by the cost itself, whatever was certified."""

from __future__ import annotations

import numpy as np
import pytest

from fastcheck import check
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph import certified_slopes
from fastcheck.engines.graph.certificate import Certificate
from fastcheck.engines.graph.nodes import products
from fastcheck.engines.graph.recording.session import session_of
from fastcheck.engines.graph.runs import Runs
from fastcheck.engines.graph.single_coordinates import confirm_coordinates
from fastcheck.execution import Execution
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import pose

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((30, 12)), RNG.standard_normal((2, 12))
THETA = {
    "W": RNG.standard_normal((20, 30)) / 5,
    "b": RNG.standard_normal((20, 1)),
    "V": RNG.standard_normal((2, 20)),
}


def cost(p):
    return np.mean((p["V"] @ np.tanh(p["W"] @ X + p["b"]) - Y) ** 2)


def gradients(p):
    hidden = np.tanh(p["W"] @ X + p["b"])
    output = 2 * (p["V"] @ hidden - Y) / Y.size
    inner = p["V"].T @ output * (1 - hidden**2)
    return {"W": inner @ X.T, "b": inner.sum(1, keepdims=True), "V": output @ hidden.T}


def spoiled(slopes, name, index, factor):
    wrong = {key: value.copy() for key, value in slopes.items()}
    wrong[name][index] *= factor
    return wrong


@pytest.fixture
def certify_anything(monkeypatch):
    """The certificate lets everything pass."""

    def certify(*_, seed, alpha, directions, **__):
        return Certificate(
            relative=1e-15,
            scales=(),
            largest_allowance=1.0,
            alpha=alpha,
            directions=directions,
            seed=seed,
            agreement=1e-15,
            noise=0.0,
            forward_passes=0,
        )

    monkeypatch.setattr(certified_slopes, "certify", certify)


def break_the_product(monkeypatch, spoil):
    """Spoil what is sent back to the first factor of W @ X."""
    right = products.Matmul.backward

    def wrong(self, slope):
        first, second = right(self, slope)
        if first is not None and np.shape(first) == (20, 30):
            first = np.array(first)
            spoil(first)
        return [first, second]

    monkeypatch.setattr(products.Matmul, "backward", wrong)


def everywhere(slopes):
    slopes *= 1.5


def one_coordinate(slopes):
    slopes[7, 11] *= 1.001


@pytest.mark.parametrize("spoil", [everywhere, one_coordinate])
def test_a_right_claim_does_not_fail_by_wrong_slopes(monkeypatch, certify_anything, spoil):
    assert check(cost, THETA, gradients(THETA), method="difference").passed
    break_the_product(monkeypatch, spoil)
    report = check(cost, THETA, gradients(THETA))
    assert report.passed
    assert report.method != "difference"
    with pytest.raises(DisagreementError, match="other slopes than those that were sent backwards"):
        check(cost, THETA, gradients(THETA), method="difference")


def test_a_wrong_claim_does_not_pass_by_slopes_that_are_wrong_in_the_same_way(monkeypatch, certify_anything):
    """No coordinate of the claim looks wrong then; some are looked at all the same."""
    break_the_product(monkeypatch, everywhere)
    report = check(cost, THETA, spoiled(gradients(THETA), "W", ..., 1.5))
    assert report.blocks["W"].verdict == "fail"
    assert report.method != "difference"


def test_wrong_coordinates_are_still_found_where_other_slopes_are_wrong(monkeypatch, certify_anything):
    """The claim fails either way, and not by a coordinate that is right."""
    break_the_product(monkeypatch, one_coordinate)
    report = check(cost, THETA, spoiled(gradients(THETA), "V", (1, 3), 1.01))
    assert {name: block.wrong for name, block in report.blocks.items()} == {"W": 0, "b": 0, "V": 1}
    assert report.blocks["V"].worst[0].index == (1, 3)


def looked_at(slopes, claim, cost=cost, theta=THETA, seed=0):
    """Return the forward passes that it took to confirm slopes."""
    calls = []

    def counted(p):
        calls.append(None)
        return cost(p)

    problem = pose(counted, theta, claim)
    plan = make_plan(problem.layout, problem.theta, "all", None, seed)
    arrays = [slopes[block.name] for block in problem.layout.blocks]
    with session_of(counted) as session:
        runs = Runs(problem, Execution(), counted, session.snapshot)
        assert runs.noise >= 0  # measured before
        flow = runs.at_theta().flow()
        calls.clear()
        passes = confirm_coordinates(runs, flow, plan, arrays)
        assert passes == len(calls)
    return passes


@pytest.mark.parametrize("seed", range(20))
def test_right_slopes_take_two_forward_passes_whatever_the_claim_is(seed):
    right = gradients(THETA)
    for claim in (right, spoiled(right, "W", (7, 11), -1), spoiled(right, "b", ..., 2.0), None):
        assert looked_at(right, claim, seed=seed) == 2


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("name", "index"), [("W", (7, 11)), ("b", (3, 0)), ("V", (1, 3))])
def test_one_slope_that_is_wrong_by_a_thousandth_is_seen(name, index, seed):
    right = gradients(THETA)
    with pytest.raises(DisagreementError):
        looked_at(spoiled(right, name, index, 1.001), right, seed=seed)


def test_steps_shrink_until_truncation_is_small():
    """Slopes of sin(10⁵ w) are those of far smaller steps."""
    theta = {"w": np.linspace(0.1, 0.2, 5)}

    def steep(p):
        return np.sum(np.sin(1e5 * p["w"]))

    right = {"w": 1e5 * np.cos(1e5 * theta["w"])}
    assert 2 < looked_at(right, right, steep, theta) <= 8


def test_a_kink_close_by_contradicts_nothing():
    for distance in 10.0 ** -np.arange(5.0, 9.0):
        theta = {"w": np.array([distance, 1.0])}
        right = {"w": np.array([1.0, 2.0])}
        assert looked_at(right, right, lambda p: np.abs(p["w"][0]) + p["w"][1] ** 2, theta) <= 8


def test_what_the_noise_of_the_cost_hides_contradicts_nothing():
    right = gradients(THETA)
    assert looked_at(spoiled(right, "W", (7, 11), 1.001), right, lambda p: cost(p) + 1e9) == 2


def test_a_cost_that_is_not_defined_beside_theta_contradicts_nothing():
    theta = {"w": np.array([1e-9, 1.0])}
    right = {"w": 0.5 / np.sqrt(theta["w"])}

    def root(p):
        if (p["w"] < 0).any():
            raise ValueError("below 0")
        return np.sum(np.sqrt(p["w"]))

    assert looked_at(right, right, root, theta) <= 8


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-9, 1e-12, 1e-20])
def test_slopes_of_small_parameters_are_not_contradicted_by_steps_that_are_large_beside_them(size):
    def cost(p):
        return np.sum(np.tanh(p["large"]) ** 2) + np.sum(np.sin(p["small"] / size))

    x = np.random.default_rng(0).standard_normal(6)
    theta = {"large": x, "small": x * size}
    right = {"large": 2 * np.tanh(x) / np.cosh(x) ** 2, "small": np.cos(x) / size}
    assert check(cost, theta, right, method="difference").passed
    wrong = {**right, "small": right["small"] * (1 + 1e-3)}
    assert not check(cost, theta, wrong, method="difference").passed
    problem = pose(cost, theta)
    plan = make_plan(problem.layout, problem.theta, "all", None, 0)
    with session_of(cost) as session:
        runs = Runs(problem, Execution(), cost, session.snapshot)
        runs.noise = 1e-16
        flow = runs.at_theta().flow()
        with pytest.raises(DisagreementError):
            confirm_coordinates(runs, flow, plan, [wrong["large"], wrong["small"]])
