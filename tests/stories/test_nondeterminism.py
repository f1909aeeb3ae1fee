"""Costs that differ from call to call: by as little as the order of a sum, or because they draw at random."""

import random
import re

import numpy as np
import pytest

from fastcheck import (
    EvaluationError,
    InvalidProblemError,
    Verdict,
    check,
    check_backprop,
    check_layer,
    check_object,
    frozen_randomness,
    locate,
    numerical_gradient,
    screen,
)

ENTRIES = [
    (look, method)
    for look in (check, screen, locate)
    for method in ("auto", "plain", "difference", "reference")
    if look is check or method != "reference"
]


def noisy(relative, seed):
    """Return a cost with relative noise, its parameters, its gradient, and one with a doubled coordinate."""
    rng, noise = np.random.default_rng(seed), np.random.default_rng(seed)
    X, W, b = rng.standard_normal((20, 6)), rng.standard_normal((6, 3)), rng.standard_normal(3)

    def cost(p):
        J = np.sum(np.tanh(X @ p["W"] + p["b"]) ** 2)
        return J * (1 + relative * noise.standard_normal())

    T = np.tanh(X @ W + b)
    right = {"W": X.T @ (2 * T * (1 - T * T)), "b": np.sum(2 * T * (1 - T * T), axis=0)}
    wrong = {"W": right["W"].copy(), "b": right["b"]}
    wrong["W"][2, 1] *= 2
    return cost, {"W": W, "b": b}, right, wrong


@pytest.mark.parametrize(("look", "method"), ENTRIES)
def test_bounds_contain_the_noise_that_was_declared(look, method):
    cost, parameters, right, wrong = noisy(1e-10, 0)
    report = look(cost, parameters, right, nondeterminism=1e-9, method=method)
    assert report.verdict is not Verdict.FAIL
    if report.verdict is Verdict.INCONCLUSIVE:
        assert report.blocks["W"].cause.startswith("non-determinism")
    report = look(cost, parameters, wrong, nondeterminism=1e-9, method=method)
    assert report.blocks["W"].verdict is Verdict.FAIL
    assert report.blocks["b"].verdict is not Verdict.FAIL


@pytest.mark.parametrize(("look", "method"), ENTRIES)
def test_noise_that_hides_a_mistake_is_named_as_the_cause(look, method):
    cost, parameters, right, wrong = noisy(1e-4, 0)
    if method == "difference":
        method = "auto"
    for claim in (right, wrong):
        report = look(cost, parameters, claim, nondeterminism=1e-3, method=method)
        assert report.verdict is not Verdict.FAIL or claim is wrong
        assert report.blocks["b"].cause.startswith("non-determinism")


def test_small_noise_is_accepted_on_the_advice_of_the_error_and_decides_at_a_larger_tolerance():
    rng, order = np.random.default_rng(3), np.random.default_rng(4)
    X, W = rng.standard_normal((50, 6)), rng.standard_normal((6, 3))

    def cost(p):  # as a reduction in float32 with atomics
        v = np.tanh(X @ p["W"]).astype(np.float32).ravel()
        return float(np.sum(v[order.permutation(v.size)], dtype=np.float32) + np.float32(7))

    right = {"W": X.T @ (1 - np.tanh(X @ W) ** 2)}

    def checked_often():  # some orders give the same sum
        for _ in range(20):
            check(cost, {"W": W}, right)

    with pytest.raises(EvaluationError, match="nondeterminism=") as error:
        checked_often()
    assert "dropout" not in str(error.value)
    share = float(re.search(r"nondeterminism=(\S+),", str(error.value)).group(1))
    assert share <= 1e-4
    for look in (check, screen):
        report = look(cost, {"W": W}, right, nondeterminism=share, tolerance=0.05)
        assert report.verdict is not Verdict.FAIL
        doubled = look(cost, {"W": W}, {"W": 2 * right["W"]}, nondeterminism=share, tolerance=0.05)
        assert doubled.verdict is Verdict.FAIL
    assert check(cost, {"W": W}, right, nondeterminism=share, tolerance=0.05).passed


def test_dropout_is_named_only_where_costs_differ_by_more_than_rounding():
    draw = np.random.default_rng(0)
    w = np.linspace(1, 2, 8)
    with pytest.raises(EvaluationError, match="dropout") as error:
        check(lambda w: np.sum(w * (draw.random(8) < 0.5)), w, np.ones(8))
    assert "nondeterminism=" not in str(error.value)


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState, random.Random])
def test_inside_frozen_randomness_the_error_says_to_pass_a_generator_of_ones_own(make):
    rng = make()

    def cost(w):
        return np.sum(w**2 * np.array([rng.random() for _ in range(3)]))

    def gradient(w):
        return 2 * w * np.array([rng.random() for _ in range(3)])

    w = np.array([1.0, -2.0, 3.0])
    with frozen_randomness(5), pytest.raises(EvaluationError, match=r"frozen_randomness\(5, rng\)"):
        check(cost, w, gradient)
    with frozen_randomness(5, rng):
        assert check(cost, w, gradient).passed
        assert check(cost, w, lambda w: 1.01 * gradient(w)).verdict is Verdict.FAIL


def test_every_entry_point_takes_the_noise():
    noise = np.random.default_rng(0)

    def unsteady(J):
        return J * (1 + 1e-12 * noise.standard_normal())

    w = np.array([1.0, 2.0])
    accepted = {"nondeterminism": 1e-11}

    class Line:
        w = np.array([1.0, 2.0])

        def loss(self):
            return unsteady(np.sum(self.w**2))

    line = Line()
    line.w = w
    forward, backward = lambda X, Y, p: (unsteady(np.sum(p**2)), p), lambda X, Y, p: 2 * p
    assert check_backprop(forward, backward, w, 0, 0, **accepted).passed
    assert check_object(line, line.loss, {"w": line.w}, {"w": 2 * w}, **accepted).passed
    assert check_layer(lambda x: unsteady(x**2), lambda d: 2 * w * d, w, **accepted).passed
    found = numerical_gradient(lambda w: unsteady(np.sum(w**2)), w, **accepted)
    assert np.allclose(found, 2 * w, rtol=1e-9)
    assert check(lambda w: unsteady(np.sum(w**2)), w, 2 * w, time_budget=60, **accepted).passed


@pytest.mark.parametrize("share", [-1e-3, 1.0, np.nan, "1e-3", True, [1e-3]])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(InvalidProblemError, match="nondeterminism: expected the share"):
        check(np.sum, np.ones(2), np.ones(2), nondeterminism=share)
