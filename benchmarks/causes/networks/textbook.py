"""A perceptron as textbooks have it, in three personal styles, with 22 mistakes that everybody makes once.

10-8-8-4, tanh, a sigmoid with dropout, softmax, cross-entropy and an L2 penalty on the weights. The backward pass
is one for all styles, features first; a style tells what its own names and shapes are.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from benchmarks.causes.planting import Arrays, Picking, PlantedNetwork, Planting, plant
from benchmarks.causes.vocabulary import INSTEAD, LEFT_OUT, ORDER, SHIFTED, STALE, penalty, row, times

SIZES, M, LAM, KEEP = (10, 8, 8, 4), 7, 0.3, 0.8


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Textbook(PlantedNetwork):
    """What the styles have in common: data, the backward pass, the mistakes."""

    sizes = SimpleNamespace(m=M, keep=KEEP, penalty=LAM / M)

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.X = rng.normal(size=(SIZES[0], M))
        self.Y = np.eye(SIZES[-1])[:, rng.integers(0, SIZES[-1], M)]
        self.mask = (rng.random((SIZES[2], M)) < KEEP) * 1.0
        self.mask[0, 0] = 0.0
        weights = [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in pairwise(SIZES)]
        biases = [0.3 * rng.normal(size=(b, 1)) for b in SIZES[1:]]
        self.parameters = self.named(weights, biases)

    def named(self, weights, biases) -> Arrays:
        """Return weights (out × in) and biases (out × 1) as this style has them."""
        raise NotImplementedError

    def unnamed(self, p):
        """Return weights (out × in) and biases (out × 1)."""
        raise NotImplementedError

    def backward(self, p, mistakes=()):
        pick = Picking(mistakes)
        (W1, W2, W3), (b1, b2, b3) = self.unnamed(p)
        Z1 = W1 @ self.X + b1
        A1 = np.tanh(Z1)
        Z2 = W2 @ A1 + b2
        S2 = sigmoid(Z2)
        A2 = S2 * self.mask / KEEP
        E = np.exp(W3 @ A2 + b3)
        dZ3 = pick(
            (E / E.sum(axis=0) - self.Y) / M,
            {
                "1/m forgotten": lambda: E / E.sum(axis=0) - self.Y,
                "Y − A for A − Y": lambda: (self.Y - E / E.sum(axis=0)) / M,
            },
        )
        dW3 = pick(dZ3 @ A2.T, {"W3 from the layer before": lambda: dZ3 @ A1.T})
        db3 = dZ3.sum(axis=1, keepdims=True)
        updated = W3 - 0.1 * dW3
        dA2 = pick(W3.T @ dZ3, {"W3 updated before it is used": lambda: updated.T @ dZ3})
        dS2 = pick(
            dA2 * self.mask / KEEP,
            {"dropout mask forgotten": lambda: dA2 / KEEP, "dropout not rescaled": lambda: dA2 * self.mask},
        )
        dZ2 = pick(dS2 * S2 * (1 - S2), {"sigmoid' with the activation for it": lambda: dS2 * S2})
        dW2, db2 = dZ2 @ A1.T, dZ2.sum(axis=1, keepdims=True)
        dA1 = pick(
            W2.T @ dZ2,
            {"halves of the units exchanged": lambda: np.roll(W2.T @ dZ2, SIZES[1] // 2, axis=0)},
        )
        dZ1 = pick(
            dA1 * (1 - A1**2),
            {
                "tanh' forgotten": lambda: dA1,
                "tanh' at A": lambda: dA1 * (1 - np.tanh(A1) ** 2),
                "sigmoid' for tanh'": lambda: dA1 * sigmoid(Z1) * (1 - sigmoid(Z1)),
                "1 − A for 1 − A²": lambda: dA1 * (1 - A1),
                "A for tanh'": lambda: dA1 * A1,
            },
        )
        dW1, db1 = dZ1 @ self.X.T, dZ1.sum(axis=1, keepdims=True)
        dW1 = pick(dW1, {"the last sample lost": lambda: dZ1[:, :-1] @ self.X[:, :-1].T})
        dW2 = pick(
            dW2,
            {
                "dW2 doubled": lambda: 2 * dW2,
                "the last row lost": lambda: np.vstack([dW2[:-1], -LAM / M * W2[-1:]]),
                "dW2 never written": lambda: -LAM / M * W2,
            },
        )
        db2 = pick(
            db2,
            {
                "db2 a mean": lambda: dZ2.mean(axis=1, keepdims=True),
                "db2 over everything": lambda: np.full_like(db2, dZ2.sum()),
                "L2 on the bias": lambda: db2 + LAM / M * b2,
            },
        )
        share = {
            "L2 forgotten": lambda W: 0 * W,
            "L2 twice": lambda W: 2 * LAM / M * W,
            "L2 subtracted": lambda W: -LAM / M * W,
        }
        share_of = pick(lambda W: LAM / M * W, {name: lambda how=how: how for name, how in share.items()})
        weights = [gradient + share_of(W) for gradient, W in ((dW1, W1), (dW2, W2), (dW3, W3))]
        return self.named(weights, [db1, db2, db3])


def mistakes_at(lines: Mapping[str, str]) -> dict[str, Planting]:
    """Return the mistakes of a perceptron whose lines these are, by what they compute."""
    to_j, tanh = lines["to J"], lines["tanh"]
    return {
        "1/m forgotten": plant("constant factor", times(lambda s: s.m, to_j)),
        "Y − A for A − Y": plant("wrong sign", times(-1, to_j)),
        "W3 from the layer before": plant("index, stride, padding", row(INSTEAD, lines["Z3"])),
        "W3 updated before it is used": plant("stale or overwritten", STALE),
        "dropout mask forgotten": plant("mask", row(LEFT_OUT, lines["mask"])),
        "dropout not rescaled": plant(
            "constant factor",
            row(f"0\\.8|mask only|{LEFT_OUT}", f"{lines['mask']}|{lines['sigmoid']}|{lines['Z3']}"),
        ),
        "sigmoid' with the activation for it": plant(
            "activation derivative",
            row(r"itself|activation|value|result|instead|in place|\ba\b", lines["sigmoid"]),
        ),
        "halves of the units exchanged": plant(
            "blocks swapped", row(f"{SHIFTED}|{ORDER}|exchang|swap", f"{lines['Z2']}|{tanh}")
        ),
        "tanh' forgotten": plant("activation derivative", row(LEFT_OUT, tanh)),
        "tanh' at A": plant("activation derivative", row(r"output|at its own|taken at|at A", tanh)),
        "sigmoid' for tanh'": plant("activation derivative", row(r"sigmoid|logistic|σ|1 ?− ?a", tanh)),
        "1 − A for 1 − A²": plant("activation derivative", row(r"1 ?− ?[avy]|square", tanh)),
        "A for tanh'": plant(
            "activation derivative", row(r"itself|activation|value|result|instead|in place|\ba\b", tanh)
        ),
        "the last sample lost": plant(
            "index, stride, padding", row(r"(?:last|sample|row|column)", lines["Z1"])
        ),
        "dW2 doubled": plant("constant factor", times(2, lines["Z2"])),
        "the last row lost": plant("index, stride, padding", row(r"row|column|last|index|slice|unit")),
        "dW2 never written": plant("no gradient", row(r"zero|not computed|left out|lacks|no slope")),
        "db2 a mean": plant("broadcast, reduction, axis", times(lambda s: 1 / s.m, lines["b2"])),
        "db2 over everything": plant(
            "broadcast, reduction, axis", row(r"everything|all|sum|\bax[ie]s|same", lines["b2"])
        ),
        "L2 on the bias": plant("penalty", row(r"penalty|L2|θ|[·×] ?b|times b")),
        "L2 forgotten": plant("penalty", penalty(0, lines["penalty"])),
        "L2 twice": plant("penalty", penalty(2, lines["penalty"])),
        "L2 subtracted": plant("penalty", penalty(-1, lines["penalty"])),
    }


class FeaturesFirst(Textbook):
    """W @ A + b with columns for samples, everything in one function."""

    def named(self, weights, biases):
        return {f"W{k}": W for k, W in enumerate(weights, 1)} | {f"b{k}": b for k, b in enumerate(biases, 1)}

    def unnamed(self, p):
        return [p["W1"], p["W2"], p["W3"]], [p["b1"], p["b2"], p["b3"]]

    def cost(self, p):
        Z1 = np.dot(p["W1"], self.X) + p["b1"]
        A1 = np.tanh(Z1)
        Z2 = np.dot(p["W2"], A1) + p["b2"]
        A2 = 1 / (1 + np.exp(-Z2))
        D2 = A2 * self.mask
        D2 = D2 / KEEP
        Z3 = np.dot(p["W3"], D2) + p["b3"]
        E = np.exp(Z3 - np.max(Z3, axis=0))
        A3 = E / np.sum(E, axis=0)
        cross_entropy = -1 / M * np.sum(self.Y * np.log(A3))
        L2 = LAM / (2 * M) * (np.sum(p["W1"] ** 2) + np.sum(p["W2"] ** 2) + np.sum(p["W3"] ** 2))
        return cross_entropy + L2

    MISTAKES: ClassVar = mistakes_at(
        {
            "to J": r"Z3|E =|A3|cross_entropy",
            "penalty": r"L2",
            "tanh": r"np\.tanh",
            "sigmoid": r"np\.exp\(-Z2\)",
            "mask": r"D2 =",
            "Z1": r"Z1 =",
            "Z2": r"Z2 =",
            "b2": r"Z2 =",
            "Z3": r"Z3 =",
        }
    )


class SamplesFirst(Textbook):
    """X @ W + b with rows for samples, helper functions, a list of layers in a loop, names of words."""

    def named(self, weights, biases):
        names = ("first", "second", "last")
        return {f"{name} weights": W.T for name, W in zip(names, weights, strict=True)} | {
            f"{name} bias": b[:, 0] for name, b in zip(names, biases, strict=True)
        }

    def unnamed(self, p):
        names = ("first", "second", "last")
        return [p[f"{name} weights"].T for name in names], [p[f"{name} bias"][:, None] for name in names]

    def cost(self, p):
        hidden = np.tanh(dense(p, "first", self.X.T))
        deeper = logistic(dense(p, "second", hidden))
        dropped_out = drop(deeper, self.mask.T)
        scores = dense(p, "last", dropped_out)
        loss = softmax_loss(scores, self.Y.T)
        for name in ("first", "second", "last"):
            loss = loss + decay(p[f"{name} weights"])
        return loss

    MISTAKES: ClassVar = mistakes_at(
        {
            "to J": r"scores|loss|picked|weights\"\] \+|dense",
            "penalty": r"decay|LAM",
            "tanh": r"np\.tanh",
            "sigmoid": r"np\.exp\(-|logistic",
            "mask": r"mask|drop",
            "Z1": r'weights"\] \+|"first"',
            "Z2": r'weights"\] \+|"second"',
            "b2": r'bias"\]|"second"',
            "Z3": r'weights"\] \+|"last"',
        }
    )


def dense(p, name, inputs):
    return inputs @ p[f"{name} weights"] + p[f"{name} bias"]


def logistic(z):
    return 1 / (1 + np.exp(-z))


def drop(values, mask):
    return values * mask / KEEP


def softmax_loss(scores, one_hot):
    log_sum = np.log(np.exp(scores).sum(axis=1))
    picked = (scores * one_hot).sum(axis=1)
    return np.mean(log_sum - picked)


def decay(weights):
    return LAM / (2 * M) * np.sum(np.square(weights))


class Layer:
    """A dense layer that holds its weights and the result of its last call."""

    def __init__(self, W, b, activation):
        self.W, self.b, self.activation = W, b, activation

    def __call__(self, a):
        self.z = self.W @ a + self.b
        self.a = self.activation(self.z)
        return self.a

    def squares(self):
        return (self.W * self.W).sum()


class WithAttributes(Textbook):
    """A network of layer objects, one vector of biases for each, attributes for what is computed."""

    def named(self, weights, biases):
        return {f"W{k}": W for k, W in enumerate(weights, 1)} | {
            f"b{k}": b[:, 0] for k, b in enumerate(biases, 1)
        }

    def unnamed(self, p):
        return [p["W1"], p["W2"], p["W3"]], [p[f"b{k}"][:, None] for k in (1, 2, 3)]

    def cost(self, p):
        activations = (np.tanh, sigmoid, lambda z: z)
        self.layers = [
            Layer(p[f"W{k}"], p[f"b{k}"].reshape(-1, 1), activation)
            for k, activation in enumerate(activations, 1)
        ]
        a = self.layers[0](self.X)
        a = self.layers[1](a)
        a = a * (self.mask / KEEP)
        z = self.layers[2](a)
        total = np.exp(z).sum(axis=0)
        self.probability = (np.exp(z) * self.Y).sum(axis=0) / total
        self.loss = -np.log(self.probability).mean()
        return self.loss + sum(0.5 * LAM / M * layer.squares() for layer in self.layers)

    MISTAKES: ClassVar = mistakes_at(
        {
            "to J": r"self\.loss|self\.probability|total|self\.W @|self\.layers\[2\]|activation",
            "penalty": r"squares|self\.W \* self\.W|LAM",
            "tanh": r"self\.activation|np\.tanh",
            "sigmoid": r"np\.exp\(-z\)|self\.activation",
            "mask": r"self\.mask",
            "Z1": r"self\.W @",
            "Z2": r"self\.W @",
            "b2": r"self\.b|reshape",
            "Z3": r"self\.W @",
        }
    )


STYLES = {"features first": FeaturesFirst, "samples first": SamplesFirst, "with attributes": WithAttributes}
"""What builds each, from a seed."""
