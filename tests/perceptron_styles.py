"""Multilayer perceptrons the way people write them, and costs that are nearly one."""

import functools
import itertools
import math
from collections import namedtuple
from typing import Any

import numpy as np
import scipy.special
from scipy.special import expit, log_softmax, logsumexp

from fastcheck.problem.adapters import ForwardCost

M = 7
RNG = np.random.default_rng(7)


def normal(*shape, scale=1.0):
    return scale * RNG.standard_normal(shape)


X = normal(4, M)
XS = np.ascontiguousarray(X.T)
Y = (RNG.random((1, M)) < 0.5).astype(float)
y = Y.ravel()
LABELS = np.array([0, 2, 1, 1, 0, 2, 2])
ONE_HOT = np.eye(3)[LABELS]
SOFT = ONE_HOT * 0.9 + 0.1 / 3
T = normal(M, 3)


PERCEPTRONS: list[tuple[str, Any, Any]] = []
"""Each with its name, its cost and its parameters."""


def style(parameters, given=None):
    """Register a cost; ``given`` makes one of a function of other arguments."""

    def register(cost):
        PERCEPTRONS.append((cost.__name__, given(cost) if given else cost, parameters))
        return cost

    return register


def columns(*sizes, zero=False):
    """W1 (n1, n0), b1 (n1, 1), …, as in the courses."""
    found = {}
    for k, (n, n_out) in enumerate(itertools.pairwise(sizes), start=1):
        found[f"W{k}"] = normal(n_out, n, scale=0.5)
        found[f"b{k}"] = np.zeros((n_out, 1)) if zero else normal(n_out, 1, scale=0.5)
    return found


def rows(*sizes):
    """W1 (n0, n1), b1 (n1,), …"""
    found = {}
    for k, (n, n_out) in enumerate(itertools.pairwise(sizes), start=1):
        found[f"W{k}"], found[f"b{k}"] = normal(n, n_out, scale=0.5), normal(n_out)
    return found


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def relu(z):
    return np.maximum(0, z)


def bce(a, t=Y):
    return -np.mean(t * np.log(a) + (1 - t) * np.log(1 - a))


def cross_entropy(z, labels=LABELS):
    z = z - z.max(axis=1, keepdims=True)
    return -np.mean((z - np.log(np.exp(z).sum(axis=1, keepdims=True)))[np.arange(len(z)), labels])


# --- the courses, unchanged ------------------------------------------------------------------------------


@style(columns(4, 3, 1, zero=True), given=lambda forward: ForwardCost(forward, X, Y))
def planar_data(X, Y, parameters):
    W1, b1, W2, b2 = (parameters[name] for name in ("W1", "b1", "W2", "b2"))
    Z1 = np.dot(W1, X) + b1
    A1 = np.tanh(Z1)
    Z2 = np.dot(W2, A1) + b2
    A2 = sigmoid(Z2)
    m = Y.shape[1]
    logprobs = np.multiply(np.log(A2), Y) + np.multiply(np.log(1 - A2), 1 - Y)
    cost = float(np.squeeze(-np.sum(logprobs) / m))
    return cost, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}


# --- samples first ---------------------------------------------------------------------------------------


@style([(normal(4, 5), normal(1, 5)), (normal(5, 4), normal(1, 4)), (normal(4, 3), normal(1, 3))])
def list_of_pairs(layers):
    a = XS
    for w, b in layers[:-1]:
        a = a @ w + b
        a = a * sigmoid(a)
    w, b = layers[-1]
    z = a @ w + b
    return (logsumexp(z, axis=1) - (z * ONE_HOT).sum(axis=1)).mean()


Parameters = namedtuple("Parameters", "output_bias output hidden_bias hidden")


@style(Parameters(normal(3), normal(3, 6), normal(6), normal(6, 4)))
def any_order(p):
    z = np.einsum("hf,nf->nh", p.hidden, XS) + p.hidden_bias
    h = np.where(z > 0, z, 0.5 * (np.exp(z) - 1))
    out = np.einsum("nh,oh->no", h, p.output) + p.output_bias
    return ((out - T) ** 2).sum() / (2 * M)


# --- activations -----------------------------------------------------------------------------------------


def in_place(z):
    a = z.copy()
    a[a < 0] = 0
    return a


def stable_sigmoid(z):
    return np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))


SPELLINGS = {
    "relu": [lambda z: z * (z > 0), lambda z: np.where(z > 0, z, 0), in_place, lambda z: (z + np.abs(z)) / 2,
             lambda z: np.clip(z, 0, None)],
    "leaky_relu": [lambda z: np.maximum(0.01 * z, z), lambda z: np.where(z >= 0, z, z * 0.1),
                   lambda z: relu(z) - 0.3 * relu(-z)],
    "sigmoid": [sigmoid, expit, stable_sigmoid, lambda z: 0.5 * (1 + np.tanh(z / 2)),
                lambda z: np.exp(z) / (1 + np.exp(z))],
    "tanh": [np.tanh, lambda z: 2 * sigmoid(2 * z) - 1, lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))],
    "softplus": [lambda z: np.log(1 + np.exp(z)), lambda z: np.log1p(np.exp(z)),
                 lambda z: relu(z) + np.log1p(np.exp(-np.abs(z)))],
    "silu": [lambda z: z / (1 + np.exp(-z)), lambda z: z * expit(z)],
    "gelu": [lambda z: z * scipy.special.ndtr(z)],
    "gelu_tanh": [lambda z: z * sigmoid(2 * np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))],
    "elu": [lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda z: relu(z) + np.minimum(0, np.exp(z) - 1)],
    "identity": [lambda z: z],
}  # fmt: skip


def hidden_then_logistic(f, p):
    a = f(p["W1"] @ X + p["b1"])
    return bce(sigmoid(p["W2"] @ a + p["b2"]))


for name, functions in SPELLINGS.items():
    for number, function in enumerate(functions):
        cost = functools.partial(hidden_then_logistic, function)
        PERCEPTRONS.append((f"{name}_{number}", cost, columns(4, 5, 1)))


# --- outputs and losses ----------------------------------------------------------------------------------

LOSSES = {
    "binary_cross_entropy": [
        lambda z: np.mean(np.logaddexp(0, z) - Y * z),
        lambda z: np.sum(np.maximum(z, 0) - z * Y + np.log(1 + np.exp(-np.abs(z)))) / M,
        lambda z: -(Y * np.log(expit(z)) + (1 - Y) * np.log(expit(-z))).sum(),
        lambda z: -float(np.dot(y, np.log(sigmoid(z[0]))) + np.dot(1 - y, np.log(1 - sigmoid(z[0])))) / M,
        lambda z: np.average(-np.log(np.where(Y == 1, sigmoid(z), 1 - sigmoid(z)))),
        lambda z: sum(-math.log(sigmoid(z)[0, i] if y[i] else 1 - sigmoid(z)[0, i]) for i in range(M)) / M,
        lambda z: bce(np.clip(sigmoid(z), 1e-15, 1 - 1e-15)),
        lambda z: 0.5 * np.sum(-Y * np.log(sigmoid(z)) - (1 - Y) * np.log(1 - sigmoid(z)), axis=1)[0],
    ],
    "mean_squared_error": [
        lambda z: np.mean((z - Y) ** 2),
        lambda z: 1 / (2 * M) * np.sum(np.square(Y - z)),
        lambda z: np.sum((z.ravel() - y) ** 2),
        lambda z: 0.5 * np.linalg.norm(z - Y) ** 2,
        lambda z: ((z - Y) @ (z - Y).T).item() / M,
        lambda z: 3.7 * np.mean((z - Y) ** 2),
    ],
}


def hidden_then(loss, p):
    return loss(p["W2"] @ np.tanh(p["W1"] @ X + p["b1"]) + p["b2"])


for kind, functions in LOSSES.items():
    for number, function in enumerate(functions):
        cost = functools.partial(hidden_then, function)
        PERCEPTRONS.append((f"{kind}_{number}", cost, columns(4, 5, 1)))

CROSS_ENTROPIES = [
    lambda z: -np.mean(np.log(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))[np.arange(M), LABELS]),
    lambda z: -np.sum(ONE_HOT * np.log(np.exp(z) / np.sum(np.exp(z), axis=1)[:, None])) / M,
    lambda z: -np.sum(np.log(np.take_along_axis(scipy.special.softmax(z, axis=1), LABELS[:, None], axis=1))),
    lambda z: np.mean(np.log(np.sum(np.exp(z), axis=-1)) - z[np.arange(M), LABELS]),
    lambda z: -np.mean(np.sum(SOFT * log_softmax(z, axis=-1), axis=-1)),
    lambda z: -np.mean(ONE_HOT * log_softmax(z, axis=-1)),
    lambda z: -sum(np.log(np.exp(z[i]) / np.exp(z[i]).sum())[LABELS[i]] for i in range(M)) / M,
    lambda z: -np.trace(ONE_HOT.T @ log_softmax(z, axis=1)) / M,
]


def hidden_then_classes(loss, p):
    return loss(relu(XS @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"])


for number, function in enumerate(CROSS_ENTROPIES):
    cost = functools.partial(hidden_then_classes, function)
    PERCEPTRONS.append((f"cross_entropy_{number}", cost, rows(4, 5, 3)))


# --- other habits ----------------------------------------------------------------------------


Z_BUFFER, A_BUFFER = np.empty((5, M)), np.empty((5, M))


@style(columns(4, 5, 1))
def preallocated(p):
    Z_BUFFER[...] = p["W1"] @ X
    Z_BUFFER[...] += p["b1"]
    np.maximum(Z_BUFFER, 0, out=A_BUFFER)
    z = p["W2"] @ A_BUFFER
    z += p["b2"]
    return bce(sigmoid(z))


@style(columns(4, 5, 1))
def converted(p):
    W1, b1, W2, b2 = (np.asarray(p[name], dtype=float) for name in ("W1", "b1", "W2", "b2"))
    a = sigmoid(np.array(W2) @ np.maximum(W1.copy() @ np.array(X) + b1.reshape(-1, 1), 0.0) + b2)
    return bce(a, np.array([y])) + 0.4 / M / 2 * (np.trace(W1.T @ W1) + np.einsum("ij,ij->", W2, W2))


# --- nearly a multilayer perceptron ------------------------------------------------------------------------


def logits(p, f=relu):
    return p["W2"] @ f(p["W1"] @ X + p["b1"]) + p["b2"]


NET = columns(4, 5, 1)


@style(NET)
def penalised_biases(p):
    return bce(sigmoid(logits(p))) + 0.1 * sum(np.sum(block**2) for block in p.values())


@style({**columns(4, 5, 1), "slope": np.array([0.1])})
def extra_parameter(p):
    z = p["W1"] @ X + p["b1"]
    return bce(sigmoid(p["W2"] @ np.where(z > 0, z, p["slope"] * z) + p["b2"]))


@style(NET)
def thresholds_as_a_mask(p):
    z = p["W1"] @ X + p["b1"]
    gate = (z > 0.5) * np.array([[2.0]])
    return bce(sigmoid(p["W2"] @ (z * gate) + p["b2"]))


@style(NET)
def other_elsewhere(p):
    far = abs(float(p["W1"][0, 0]) - NET["W1"][0, 0]) > 0.05
    return bce(sigmoid(logits(p, np.tanh if far else relu)))
