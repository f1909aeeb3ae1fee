# ruff: noqa: NPY002
"""Costs that draw random numbers, frozen."""

import random

import numpy as np
import pytest

from fastcheck import (
    EvaluationError,
    InvalidProblemError,
    check,
    check_backprop,
    check_layer,
    check_object,
    frozen_randomness,
)

KEEP = 0.6
DATA = np.random.default_rng(1).standard_normal((4, 6))
LABELS = np.array([[1, 0, 1, 1, 0, 0]])


def parameters():
    rng = np.random.default_rng(2)
    return {"W1": 0.5 * rng.standard_normal((5, 4)), "W2": 0.5 * rng.standard_normal((1, 5))}


def network(draw, *, scaled=True):
    """Forward and backward pass of a network with dropout, whose mask ``draw(shape)`` gives."""

    def forward(X, Y, p):
        A1 = np.tanh(p["W1"] @ X)
        D1 = draw(A1.shape) < KEEP
        A1 = A1 * D1 / KEEP
        A2 = 1 / (1 + np.exp(-(p["W2"] @ A1)))
        return -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)), (p, A1, D1, A2)

    def backward(X, Y, cache):
        p, A1, D1, A2 = cache
        dZ2 = (A2 - Y) / X.shape[1]
        dA1 = p["W2"].T @ dZ2 * D1 / (KEEP if scaled else 1)
        return {"dW1": (dA1 * (1 - (A1 * KEEP) ** 2)) @ X.T, "dW2": dZ2 @ A1.T}

    return forward, backward


def same_state(before, after):
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_cost_that_draws_is_explained():
    forward, backward = network(np.random.random_sample)
    with pytest.raises(EvaluationError, match="frozen_randomness"):
        check_backprop(forward, backward, parameters(), DATA, LABELS)


@pytest.mark.parametrize("method", ["auto", "difference", "plain", "reference"])
def test_a_pattern_of_the_global_generator_is_checked(method):
    before = np.random.get_state()
    for scaled in (True, False):
        with frozen_randomness():
            report = check_backprop(
                *network(np.random.random_sample, scaled=scaled), parameters(), DATA, LABELS, method=method
            )
        assert report.passed is scaled
        assert report.blocks["W2"].verdict == "pass"
        if method == "auto":
            assert report.method == "difference"
    assert same_state(before[1:], np.random.get_state()[1:])


@pytest.mark.parametrize(
    "make", [np.random.default_rng, np.random.RandomState], ids=["Generator", "RandomState"]
)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_generators_that_are_passed_in_repeat_themselves(make, n_jobs):
    rng, twin = make(5), make(5)
    draw = rng.random if hasattr(rng, "random") else rng.random_sample
    forward, backward = network(draw)
    with frozen_randomness(3, rng):
        report = check_backprop(forward, backward, parameters(), DATA, LABELS, method="plain", n_jobs=n_jobs)
    assert report.passed
    assert rng.uniform() == twin.uniform()


def test_a_backward_pass_that_draws_the_mask_again():
    rng = np.random.default_rng(0)

    def forward(x, w):
        return x @ w * (rng.random((3, 2)) < 0.5), (x, w)

    def backward(dout, cache):
        x, w = cache
        dout = dout * (rng.random((3, 2)) < 0.5)
        return dout @ w.T, x.T @ dout

    x, w = np.random.default_rng(1).standard_normal((2, 3, 4)), np.ones((4, 2))
    with frozen_randomness(0, rng):
        assert check_layer(forward, backward, x[0], w).passed


def test_objects_and_python_s_own_generator():
    class Network:
        def __init__(self):
            self.w = np.array([1.0, -2.0, 0.5])

        def loss(self):
            self.noise = [random.random() for _ in self.w]
            return np.sum(self.w**2 * np.array(self.noise))

        def gradient(self):
            return {"w": 2 * self.w * np.array(self.noise)}

    net = Network()
    state = random.getstate()
    with frozen_randomness(1):
        assert check_object(net, net.loss, {"w": net.w}, net.gradient).passed
    assert random.getstate() == state


def test_another_seed_freezes_another_pattern():
    seen = []

    def cost(w):
        seen.append(np.random.random_sample())
        return np.sum(w**2) * 1.0

    for seed in (0, 1):
        with frozen_randomness(seed):
            check(cost, np.ones(2), 2 * np.ones(2), method="plain")
    assert len(set(seen)) == 2


def test_states_survive_an_exception():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state

    def cost(w):
        rng.random()
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"), frozen_randomness(0, rng):
        check(cost, np.ones(2), np.ones(2))
    assert rng.bit_generator.state == before
    with pytest.raises(EvaluationError):  # outside of the block nothing is frozen any more
        check(lambda w: rng.random() * w[0], np.ones(2), np.ones(2))


@pytest.mark.parametrize("seed", [-1, 0.5, "0", True])
def test_wrong_seeds(seed):
    with pytest.raises(InvalidProblemError, match="seed: expected"), frozen_randomness(seed):
        pass


def test_wrong_generators():
    with pytest.raises(InvalidProblemError, match="generators: expected"), frozen_randomness(0, np.random):
        pass
