"""Slopes of which rounding leaves few digits, or none, though θ and J look well known: verdicts on both sides."""

from __future__ import annotations

import numpy as np
import pytest

from fastcheck import check


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


LOSSES = {
    "logaddexp": lambda z, y: np.mean(np.logaddexp(0, z) - y * z),
    "log1p": lambda z, y: np.mean(np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - y * z),
}


def saturated_logits(loss, left):
    """Return a cost, θ and the gradient by A − Y; of 1 − σ(z) only this much is left."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((3, 6)), np.array([[1, 0, 1, 1, 0, 1.0]])
    theta = {"W": 0.1 * rng.standard_normal((1, 3)), "b": np.array([[0.1]])}
    offset = (2 * Y - 1) * np.log(1 / left)

    def cost(p):
        return LOSSES[loss](p["W"] @ X + p["b"] + offset, Y)

    error = (sigmoid(theta["W"] @ X + theta["b"] + offset) - Y) / 6
    return cost, theta, {"W": error @ X.T, "b": error.sum(axis=1, keepdims=True)}


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_of_logits_that_are_nearly_saturated_are_told_right_from_wrong(loss):
    cost, theta, right = saturated_logits(loss, 1e-6)
    report = check(cost, theta, right)
    assert report.passed
    assert report.method == "difference"
    for name in right:
        wrong = {**right, name: right[name] * 1.001}
        assert check(cost, theta, wrong).blocks[name].verdict == "fail"


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("left", [1e-9, 1e-12, 1e-14])
def test_a_right_gradient_of_saturated_logits_never_fails(loss, left):
    cost, theta, right = saturated_logits(loss, left)
    assert check(cost, theta, right).verdict != "fail"


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("left", [1e-9, 1e-12])
def test_twice_the_gradient_of_saturated_logits_fails(loss, left):
    cost, theta, right = saturated_logits(loss, left)
    assert check(cost, theta, {**right, "b": 2 * right["b"]}).blocks["b"].verdict == "fail"


@pytest.mark.parametrize("away", [0.0, 1e-16])
def test_at_a_minimum_of_least_squares_rounding_is_right_and_a_penalty_is_wrong(away):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((8, 3)), rng.standard_normal(8)
    w = np.linalg.lstsq(X, y)[0] + away * rng.standard_normal(3)

    def cost(w):
        return np.mean((X @ w - y) ** 2)

    right = 2 * X.T @ (X @ w - y) / 8
    report = check(cost, w, right)
    assert report.passed
    assert report.method == "difference"
    assert check(cost, w, right + 1e-3 * w).verdict == "fail"


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_a_sum_with_one_is_no_saturated_unit(offset):
    """J = 1 + x is linear in x = 3e-16: of 1 / (1 + x) a backward pass might form (1 − s) s, of J it does not."""
    w = np.ones(3) + 1e-4

    def cost(w):
        return np.sum((w - 1) ** 4) + offset

    right = 4 * (w - 1) ** 3
    assert check(cost, w, right).passed
    for factor in (0, 1.001, 2, -1):
        assert check(cost, w, factor * right).verdict == "fail"


@pytest.mark.parametrize("distance", [1e-7, 1e-10, 1e-14])
def test_kinks_nearer_than_all_steps_are_told_from_those_at_theta(distance):
    rng = np.random.default_rng(0)
    X, T = rng.standard_normal((3, 6)), rng.standard_normal((2, 6))
    W = rng.standard_normal((2, 3))
    theta = {"W": W, "b": distance - (W @ X)[:, :1]}

    def cost(p):
        return np.sum((np.maximum(0, p["W"] @ X + p["b"]) - T) ** 2)

    z = W @ X + theta["b"]
    error = 2 * (np.maximum(0, z) - T) * (z > 0)
    right = {"W": error @ X.T, "b": error.sum(axis=1, keepdims=True)}
    report = check(cost, theta, right)
    assert report.passed
    assert report.method == "difference"
    other = (error * (z > 2 * distance)) @ X.T  # the slope on the other side of the kink
    assert check(cost, theta, {**right, "W": other}).blocks["W"].verdict == "fail"
    assert check(cost, theta, {**right, "b": 0.5 * right["b"]}).blocks["b"].verdict == "fail"
