"""Spellings of ``method=`` that have another name now: they work, and the warning names the caller's line."""

import warnings

import numpy as np
import pytest

import fastcheck
from fastcheck import check, check_backprop, check_layer, check_mlp, check_object, check_stages

X = np.random.default_rng(1).normal(size=(2, 5))
THETA = {"W": np.random.default_rng(0).normal(size=(3, 2))}
PERCEPTRON = {"W1": np.full((1, 2), 0.5), "b1": np.zeros((1, 1))}


def cost(p):
    return np.sum(np.tanh(p["W"] @ X) ** 2)


def gradient(p):
    t = np.tanh(p["W"] @ X)
    return {"dW": (2 * t * (1 - t**2)) @ X.T}


class Network:
    def __init__(self):
        self.W = THETA["W"].copy()
        self.dW = gradient({"W": self.W})["dW"]

    def loss(self):
        return cost({"W": self.W})


def watched_by_a_guard(method):
    guard = fastcheck.GradientGuard(at=(0,), method=method)
    guard(0, THETA, gradient(THETA), cost)


def of_a_layer(method):
    def backward(d, t):
        return d * (1 - t**2)

    return check_layer(lambda x: (np.tanh(x), np.tanh(x)), backward, X, method=method)


def of_a_perceptron(method):
    zeros = {name: np.zeros_like(value) for name, value in PERCEPTRON.items()}
    return check_mlp(PERCEPTRON, zeros, X, np.ones((1, 5)), activations=["sigmoid"], method=method)


def of_an_object(method):
    network = Network()
    W, dW = {"W": network.W}, {"W": network.dW}
    return check_object(network, network.loss, parameters=W, gradients=dW, method=method)


def of_stages(method):
    def look():
        return check(cost, THETA, gradient(THETA), method=method)

    return check_stages(lambda: None, look, at=(0,))


def of_backprop(method):
    def forward(X, Y, p):
        return cost(p), None

    def backward(X, Y, cache):
        return gradient(THETA)

    return check_backprop(forward, backward, THETA, X, X, method=method)


CALLS = {
    "check": lambda method: check(cost, THETA, gradient(THETA), method=method),
    "within a budget": lambda method: check(
        cost, THETA, gradient(THETA), method=method, max_forward_passes=99
    ),
    "screen": lambda method: fastcheck.screen(cost, THETA, gradient(THETA), method=method),
    "locate": lambda method: fastcheck.locate(cost, THETA, gradient(THETA), method=method),
    "numerical_gradient": lambda method: fastcheck.numerical_gradient(cost, THETA, method=method),
    "check_layer": of_a_layer,
    "check_mlp": of_a_perceptron,
    "check_object": of_an_object,
    "check_stages": of_stages,
    "check_backprop": of_backprop,
    "GradientGuard": watched_by_a_guard,
}


@pytest.mark.parametrize("method", ["graph", "mlp"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_former_spelling_warns_once_of_the_callers_line(call, method):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(method)
    (warning,) = caught
    assert warning.category is DeprecationWarning
    assert warning.filename == __file__
    assert f"method='{method}' is method='difference' now" in str(warning.message)
