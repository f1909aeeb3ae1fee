"""Places that are infinitely steep and that nothing moves, infinite entries, and what has no digits far from θ."""

from __future__ import annotations

import numpy as np
import pytest
from recorded_costs import plain_slopes

from fastcheck import check
from fastcheck.engines.graph.certificate import NotCertifiedError
from fastcheck.engines.graph.nodes import smooth

THETA = {
    "x": np.random.default_rng(1).standard_normal(6),
    "A": np.random.default_rng(2).standard_normal((4, 4)),
}
LOWER = np.tril(np.ones((4, 4), dtype=bool))
COSTS = []


def case(cost):
    COSTS.append(cost)
    return cost


def distances(points):
    return np.sqrt(np.sum((points[:, None] - points[None]) ** 2, -1))


@case
def roots_of_a_padded_array(p):
    return np.sum(np.sqrt(np.pad(p["x"] ** 2 + 1, 2))) + np.sum(p["A"] ** 2)


@case
def roots_of_a_buffer_that_is_filled_in_part(p):
    buffer = np.zeros((3, 6))
    buffer[1] = p["x"] ** 2 + 0.1
    return np.sum(np.sqrt(buffer)) + np.sum(buffer**0.3) + np.sum(p["A"] ** 2)


@case
def the_deviation_of_what_was_written_over(p):
    buffer = p["x"] * 1.0
    buffer[:] = 0.3
    return np.std(buffer) + np.sum(p["x"] ** 2) + np.sum(p["A"] ** 2)


@case
def distances_without_the_diagonal(p):
    return np.sum(distances(p["A"]) * (1 - np.eye(4))) + np.sum(p["x"] ** 2)


@case
def distances_with_the_diagonal(p):
    return np.sum(np.exp(-distances(p["A"]))) + np.sum(p["x"] ** 2)


@case
def norms_of_differences(p):
    return np.sum(np.linalg.norm(p["A"][:, None] - p["A"][None], axis=-1)) + np.sum(p["x"] ** 2)


@case
def attention_that_is_masked_with_infinity(p):
    scores = np.where(LOWER, p["A"], -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.sum(weights / weights.sum(axis=1, keepdims=True) * np.arange(4)) + np.sum(p["x"] ** 2)


@case
def softplus_as_it_is_written_by_hand(p):
    return np.sum(np.log(1 + np.exp(p["x"] * 400))) * 1e-3 + np.sum(p["A"] ** 2)


@pytest.mark.parametrize("cost", COSTS, ids=lambda cost: cost.__name__)
def test_slopes_are_certified(cost):
    right = plain_slopes(cost, THETA)
    report = check(cost, THETA, right)
    assert (report.verdict, report.method) == ("pass", "difference")
    for name in right:
        wrong = {other: np.array(block) for other, block in right.items()}
        wrong[name].flat[1] += 1e-4 * np.abs(right[name]).max()
        assert not check(cost, THETA, wrong).passed


@pytest.mark.parametrize(
    "length",
    [
        lambda x: np.sqrt(x**2 * np.cos(x)),
        lambda x: np.sqrt((x**2) * np.array([1.0, 2.0])) / np.sqrt(np.array([1.0, 2.0])),
        lambda x: (x**4) ** 0.25,
        lambda x: (x**2 * 3.0) ** 0.5 / 3.0**0.5,
    ],
)
def test_a_root_of_what_moves_to_second_order_is_a_kink_not_flat(length):
    """It is |x|: slopes between -1 and 1 are right at zero, others are not."""
    x = np.array([0.0, 1.0])
    slope = plain_slopes(lambda p: float(length(p["x"])[1]), {"x": x})["x"][1]
    for first in (-1.0, 0.0, 0.5, 1.0):
        report = check(lambda x: np.sum(length(x)), x, np.array([first, slope]))
        assert report.verdict != "fail", (first, report)
    assert check(lambda x: np.sum(length(x)), x, np.array([1.5, slope])).verdict == "fail"


def test_what_is_infinitely_steep_and_moves_is_not_certified():
    with pytest.raises(NotCertifiedError):
        check(lambda x: np.sum(np.sqrt(x)), np.array([0.0, 1.0]), np.array([0.0, 0.5]), method="difference")


def test_a_difference_that_is_wrong_at_every_step_is_not_certified(monkeypatch):
    def wrong(self, moves, many):
        return right(self, moves, many) * (1 + 1e-9 * (np.abs(moves[0]).max() > 1e-9))

    right = smooth.Elementwise.difference
    monkeypatch.setattr(smooth.Elementwise, "difference", wrong)
    with pytest.raises(NotCertifiedError, match="The cost itself finds another difference"):
        check(
            lambda p: np.sum(np.exp(p["x"])),
            {"x": THETA["x"]},
            {"x": np.exp(THETA["x"])},
            method="difference",
        )
