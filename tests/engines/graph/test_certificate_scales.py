"""Slopes of any size are certified, relative to that size."""

import numpy as np
import pytest

from fastcheck import check
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.certificate import NotCertifiedError, certify
from fastcheck.engines.graph.nodes import products
from fastcheck.engines.graph.recording.session import session_of
from fastcheck.engines.graph.runs import Runs
from fastcheck.execution import Execution
from fastcheck.problem.posing import pose

RNG = np.random.default_rng(0)
X, THETA = RNG.standard_normal((5, 7)), {"W": RNG.standard_normal((4, 5)), "b": RNG.standard_normal((4, 1))}


@pytest.mark.parametrize("scale", [1e-200, 1e-160, 1.0, 1e160, 1e200])
def test_slopes_of_any_size_are_certified_and_wrong_ones_are_not(monkeypatch, scale):
    def cost(p):
        return scale * np.sum(np.tanh(p["W"] @ X + p["b"]))

    slope = scale * (1 - np.tanh(THETA["W"] @ X + THETA["b"]) ** 2)
    claim = {"W": slope @ X.T, "b": slope.sum(axis=1, keepdims=True)}
    report = check(cost, THETA, claim, method="difference")
    assert report.passed
    assert 1e-15 < float(report.certified.split()[3]) < 1e-11

    def wrong(self, slope):
        return [None if share is None else 1.01 * share for share in right(self, slope)]

    right = products.Matmul.backward
    monkeypatch.setattr(products.Matmul, "backward", wrong)
    with pytest.raises(NotCertifiedError, match="did not confirm the slopes"):
        check(cost, THETA, claim, method="difference")


@pytest.mark.parametrize(("alpha", "directions"), [(1e-9, 2), (1e-15, 3), (1e-2, 2), (1e-2, 40)])
def test_what_is_left_open_by_few_directions_is_certified_as_such(monkeypatch, alpha, directions):
    """Of the same residuals two directions leave a larger error possible than four, and a small α a larger one."""

    def cost(p):
        return np.sum(np.tanh(p["W"] @ X + p["b"]))

    slope = 1 - np.tanh(THETA["W"] @ X + THETA["b"]) ** 2
    claim = {"W": slope @ X.T, "b": slope.sum(axis=1, keepdims=True)}
    options = {"method": "difference", "alpha": alpha, "directions": directions}
    assert check(cost, THETA, claim, **options).passed
    right = products.Matmul.backward
    monkeypatch.setattr(
        products.Matmul,
        "backward",
        lambda self, slope: [None if s is None else (1 + 1e-9) * s for s in right(self, slope)],
    )
    with pytest.raises(NotCertifiedError, match="did not confirm the slopes"):
        check(cost, THETA, claim, **options)


FIRST, SECOND = np.random.default_rng(0).standard_normal((2, 6))


def beside_much(p):
    """A block with slopes that are small beside J, and functions that only a record follows."""
    at = np.searchsorted(np.linspace(-1, 2, 5), p["x"])
    rounds = int(np.abs(np.median(p["x"])) * 7)
    return np.sum(p["x"] ** 2 * at) + rounds * np.sum(np.sin(p["x"])) + 1e-10 * np.sum(p["y"] ** 3)


def slopes_beside_much():
    at, rounds = np.searchsorted(np.linspace(-1, 2, 5), FIRST), int(np.abs(np.median(FIRST)) * 7)
    return {"x": 2 * FIRST * at + rounds * np.cos(FIRST), "y": 3e-10 * SECOND**2}


def test_blocks_with_small_slopes_are_confirmed_alone_by_what_was_recorded():
    right = slopes_beside_much()
    report = check(beside_much, {"x": FIRST, "y": SECOND}, right)
    assert (report.verdict, report.method, report.notes) == ("pass", "difference", ())
    wrong = {**right, "y": right["y"] * (1 + 1e-3)}
    assert not check(beside_much, {"x": FIRST, "y": SECOND}, wrong).passed


def test_what_a_record_lacks_in_such_a_block_shows():
    def cost(p):
        more = 1e-10 * np.sum(p["y"] - SECOND) if type(p["y"]) is np.ndarray else 0.0
        return beside_much(p) + more

    with pytest.raises(DisagreementError):
        check(cost, {"x": FIRST, "y": SECOND}, slopes_beside_much(), method="difference")
    assert not check(cost, {"x": FIRST, "y": SECOND}, slopes_beside_much()).passed


def test_the_error_of_each_block_is_bounded_by_what_that_block_is_measured_by():
    """One that loses digits widens no other, and one that is zero but for rounding is measured by the largest."""
    factors = {"usual": 1.0, "loses digits": 1e3, "zero": np.inf}
    theta = {name: RNG.standard_normal(6) for name in factors}
    weights = {"usual": 3.0, "loses digits": 1.0, "zero": 1e-17}
    problem = pose(lambda p: sum(weights[name] * np.sum(np.tanh(p[name])) for name in theta), theta)
    with session_of(problem.evaluator.cost) as session:
        runs = Runs(problem, Execution(), problem.evaluator.cost, session.snapshot)
        recording = runs.at_theta()
        slopes = recording.slopes()
        certificate = certify(runs, recording.flow(), slopes, 0.0, list(factors.values()), seed=0)
    usual, losing, zero = (certificate.error_in(number) for number in range(3))
    sizes = [np.linalg.norm(block) for block in slopes]
    assert usual == pytest.approx(certificate.relative * sizes[0])
    assert losing == pytest.approx(1e3 * certificate.relative * sizes[1])
    assert zero == pytest.approx(certificate.relative * max(sizes))


@pytest.mark.parametrize("theta", [np.zeros(3), np.full(3, 1e-300)])
def test_slopes_beyond_the_numbers_are_said_to_be(theta):
    def cost(w):
        return np.sum(np.sqrt(w)) if not theta.any() else np.sum(np.log(w))

    with pytest.raises(NotCertifiedError, match="infinite or undefined"):
        check(cost, theta, np.ones(3), method="difference")
