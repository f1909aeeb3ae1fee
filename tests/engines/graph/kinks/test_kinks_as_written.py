"""Functions with one kink, in many spellings: claims between the slopes on both sides are right, others wrong."""

import numpy as np
import pytest

from fastcheck import check

SLOPES = {
    "|x|": (lambda x: 2 * np.abs(x).sum(), 0.0, -2, 2),
    "L1 norm": (lambda x: np.linalg.norm(x, 1), 0.0, -1, 1),
    "largest modulus": (lambda x: np.linalg.norm(x, np.inf), 0.0, -1, 1),
    "sqrt of a square": (lambda x: np.sqrt(np.square(x).sum()), 0.0, -1, 1),
    "sign": (lambda x: np.sum(np.sign(x) * x), 0.0, -1, 1),
    "steps": (lambda x: np.sum(x * ((x > 0) * 1.0 - (x < 0))), 0.0, -1, 1),
    "leaky": (lambda x: np.sum(np.where(x > 0, x, 0.25 * x)), 0.0, 0.25, 1),
    "leaky by a slope": (lambda x: np.sum(x * np.where(x > 0, 1, 0.25)), 0.0, 0.25, 1),
    "leaky by a maximum": (lambda x: np.sum(np.maximum(x, 0.25 * x)), 0.0, 0.25, 1),
    "relu6 at 0": (lambda x: np.sum(np.minimum(np.maximum(x, 0), 6)), 0.0, 0, 1),
    "relu6 at 6": (lambda x: np.sum(np.minimum(np.maximum(x, 0), 6)), 6.0, 0, 1),
    "relu6 by masks": (lambda x: np.sum(x * ((x > 0) & (x < 6)) + 6.0 * (x >= 6)), 0.0, 0, 1),
    "clip at its lower end": (lambda x: np.sum(np.clip(x, -1, 1)), -1.0, 0, 1),
    "clip at its upper end": (lambda x: np.sum(x.clip(-1, 1)), 1.0, 0, 1),
    "hard tanh in place": (lambda x: np.sum(np.clip(x, -1, 1, out=np.empty(x.shape))), 1.0, 0, 1),
    "hinge at its margin": (lambda x: np.sum(np.maximum(0, 1 - 3 * x)), 1 / 4 + 1 / 12, -3, 0),
    "Huber": (lambda x: np.sum(np.where(np.abs(x) <= 1, x**2, 4 * np.abs(x) - 3)), 1.0, 2, 4),
    "max of two": (lambda x: np.max(np.stack([x, 3 * x]), axis=0).sum(), 0.0, 1, 3),
    "min of two": (lambda x: np.min(np.stack([x, 3 * x]), axis=0).sum(), 0.0, 1, 3),
    "range": (lambda x: np.ptp(np.stack([x, 3 * x, 0 * x]), axis=0).sum(), 0.0, -3, 3),
    "elu": (lambda x: np.sum(np.where(x > 0, x, 0.5 * np.expm1(x))), 0.0, 0.5, 1),
    "remainder": (lambda x: np.sum(np.abs(x % 2 - 1)), 1.0, -1, 1),
}
"""Cost, a point, and the slopes on both sides of it."""

DUAL = {"largest modulus": 1, "sqrt of a square": 2}
"""Norms of several zeros: a claim is right if this norm of it is at most 1."""


@pytest.mark.verdicts_alone
@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize("size", [1, 3])
def test_between_the_slopes_is_right_and_outside_is_wrong(name, size):
    cost, point, low, high = SLOPES[name]
    x = np.full(size, point)
    for share in (0.0, 0.3, 0.5, 1.0):
        claim = np.full(size, low + share * (high - low))
        right = name not in DUAL or np.linalg.norm(claim, DUAL[name]) <= 1
        assert check(cost, x, claim, method="difference").verdict == ("pass" if right else "fail"), share
    for wrong in (low - 0.1, high + 0.1):
        assert check(cost, x, np.full(size, wrong), method="difference").verdict == "fail"


@pytest.mark.parametrize(
    "cost",
    [
        lambda x: np.sum((x > 0) * x + (x <= 0) * 0.25 * x),
        lambda x: np.sum(np.where(x > 0, x, 0.25 * np.expm1(np.minimum(x, 0)))),
    ],
)
def test_a_kink_that_is_written_twice_counts_as_two(cost):
    x = np.zeros(3)
    for slope in (0.25, 0.6, 1.0):
        assert check(cost, x, np.full(3, slope), method="difference").passed
    for slope in (-0.1, 1.3):
        assert check(cost, x, np.full(3, slope), method="difference").verdict == "fail"


def test_branches_that_meet_but_for_rounding_are_continuous():
    """At x = d the branches differ by a rounding error: over the tiny step that would be a slope of 1e9."""
    d = 3.1
    level = d * d * d * 3 / 3
    assert 0 < abs(d * d * d - level) < 1e-14

    def cost(x):
        return np.sum(np.where(x <= d, x * x * x, level + 2 * (x - d)))

    x = np.array([d, 1.0])
    for slope in (2.0, 10.0, 3 * d * d):
        assert check(cost, x, np.array([slope, 3.0])).passed
    for wrong in ([1.9, 3.0], [29.0, 3.0], [10.0, 3.001]):
        assert check(cost, x, np.array(wrong)).verdict == "fail"


def test_a_mask_of_rows_is_assigned_through():
    w = np.array([0.0, 1.0, -2.0])
    c = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    def cost(w):
        rows = w[:, None] * c
        rows[w < 0] = 0
        return np.sum(rows)

    for at_zero in (0.0, 1.5, 3.0):
        assert check(cost, w, np.array([at_zero, 7.0, 0.0]), method="difference").passed
    assert check(cost, w, np.array([3.1, 7.0, 0.0]), method="difference").verdict == "fail"


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_a_step_of_any_value_at_zero(at_zero):
    x = np.array([0.0, 2.0, -1.0])
    for claim, verdict in ((0.0, "pass"), (0.5, "pass"), (1.0, "pass"), (-0.6, "fail"), (1.6, "fail")):
        report = check(lambda x: np.sum(x * np.heaviside(x, at_zero)), x, np.array([claim, 1.0, 0.0]))
        assert report.verdict == verdict


def test_a_line_that_runs_several_times_is_named_once():
    def cost(w):
        return sum(np.sum(np.maximum(w, 0)) * (k + 1) for k in range(5))

    (note,) = check(cost, np.zeros(3), np.full(3, 7.5)).notes
    assert note.count("maximum in line") == 1
    assert "more places" not in note


@pytest.mark.parametrize("method", ["difference", "plain"])
def test_entries_that_move_together_have_no_kink_at_their_tie(method):
    def cost(b):
        return np.max(np.array([1.0, 1.0, 0.5]) + b)

    assert check(cost, np.array(0.3), np.array(1.0), method=method).passed
    for claim in (0.0, 2.0):
        assert check(cost, np.array(0.3), np.array(claim), method=method).verdict == "fail"


def test_a_penalty_of_sparse_weights():
    rng = np.random.default_rng(0)
    w = rng.normal(size=(20, 30)) * (rng.random((20, 30)) < 0.1)
    x = rng.normal(size=30)

    def cost(w):
        return np.sum(np.tanh(w @ x)) + 0.1 * np.abs(w).sum()

    smooth = (1 - np.tanh(w @ x) ** 2)[:, None] * x
    for at_zero in (-1.0, 0.0, 0.7, 1.0):
        right = smooth + 0.1 * np.where(w == 0, at_zero, np.sign(w))
        assert check(cost, w, right, method="difference").passed
    wrong = smooth + 0.1 * np.where(w == 0, 1.01, np.sign(w))
    assert check(cost, w, wrong, method="difference").verdict == "fail"


def test_a_decision_at_its_border_that_changes_nothing():
    w = np.array([0.0, 0.7, -0.3])

    def cost(w):
        total = np.sum(w**2)
        if w[0] > 0:
            total = total + 0.0 * w[0]
        return total

    assert check(cost, w, 2 * w).passed
    assert not check(cost, w, 2 * w + 0.001).passed
