"""ReLU networks with blank samples, zero biases and logits that are nearly saturated: kinks where digits are lost."""

from __future__ import annotations

import numpy as np
from networks_at_kinks import RELU


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


def log_sum_exp(z):
    return z.max(axis=0) + np.log(np.exp(z - z.max(axis=0)).sum(axis=0))


LOSSES = {
    "logaddexp": (sigmoid, lambda z, y: np.mean(np.logaddexp(0, z) - y * z)),
    "log1p": (sigmoid, lambda z, y: np.mean(np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - y * z)),
    "log": (sigmoid, lambda z, y: np.mean(np.maximum(z, 0) - z * y + np.log(1 + np.exp(-np.abs(z))))),
    "probabilities": (
        sigmoid,
        lambda z, y: -np.mean(y * np.log(sigmoid(z)) + (1 - y) * np.log(1 - sigmoid(z))),
    ),
    "log-sum-exp": (softmax, lambda z, y: np.mean(log_sum_exp(z) - (y * z).sum(axis=0))),
    "log softmax": (softmax, lambda z, y: -np.mean((y * (z - log_sum_exp(z))).sum(axis=0))),
    "softmax": (softmax, lambda z, y: -np.mean((y * np.log(softmax(z))).sum(axis=0))),
}
"""Outputs and losses of logits, (classes, samples), and labels."""

CONVENTIONS = (0.0, 0.5, 1.0)
"""What backward passes take for ReLU'(0)."""


class SaturatedNetwork:
    """A network with one or two ReLU layers, pairs of units of the last being reduced to their maximum if ``pooled``.

    Logits are shifted by up to ``largest`` to the side of their labels, or one in ten to the other.
    """

    def __init__(self, seed, layers=1, largest=8.0, pooled=False, loss=None):
        rng = np.random.default_rng(seed)
        self.layers, self.pooled = layers, pooled
        loss = loss or rng.choice(list(LOSSES))
        self.output, self.loss = LOSSES[loss]
        self.relu = RELU[rng.choice(list(RELU))]
        samples, inputs, units = (int(n) for n in rng.integers((3, 2, 2), (9, 5, 4)))
        classes = 3 if self.output is softmax else 1
        self.X = rng.standard_normal((inputs, samples))
        self.X[:, : rng.integers(1, 3)] = 0
        labels = rng.integers(0, max(classes, 2), samples)
        self.Y = np.eye(3)[:, labels] if classes > 1 else labels[None] * 1.0
        sides = (2 * self.Y - 1) * np.where(rng.random(samples) < 0.1, -1, 1)
        self.shift = rng.uniform(0, largest, self.Y.shape) * sides
        sizes = [inputs, *([2 * units] * layers)]
        self.parameters = {}
        for k in range(layers):
            self.parameters[f"W{k + 1}"] = rng.standard_normal((sizes[k + 1], sizes[k]))
            self.parameters[f"b{k + 1}"] = np.zeros((sizes[k + 1], 1))
        width = units if pooled else 2 * units
        self.parameters["V"] = 0.3 * rng.standard_normal((classes, width))
        self.parameters["c"] = np.zeros((classes, 1))

    def forward(self, p):
        """The logits, and inputs and results of each layer."""
        a, seen = self.X, []
        for k in range(1, self.layers + 1):
            z = p[f"W{k}"] @ a + p[f"b{k}"]
            seen.append((a, z))
            a = self.relu(z)
        if self.pooled:
            a = np.maximum(a[::2], a[1::2])
        return p["V"] @ a + p["c"] + self.shift, a, seen

    def cost(self, p):
        return self.loss(self.forward(p)[0], self.Y)

    def gradient(self, at_zero):
        """The gradient as backward passes compute it that take this for ReLU'(0), and the first of equal maxima."""
        p = self.parameters
        logits, a, seen = self.forward(p)
        error = (self.output(logits) - self.Y) / self.X.shape[1]
        slopes = {"V": error @ a.T, "c": error.sum(axis=1, keepdims=True)}
        back = p["V"].T @ error
        if self.pooled:
            units = self.relu(seen[-1][1])
            first = units[::2] >= units[1::2]
            back = np.stack([back * first, back * ~first], axis=1).reshape(units.shape)
        for k in range(self.layers, 0, -1):
            below, z = seen[k - 1]
            back = back * np.where(z == 0, at_zero, z > 0)
            slopes |= {f"W{k}": back @ below.T, f"b{k}": back.sum(axis=1, keepdims=True)}
            back = p[f"W{k}"].T @ back
        return {name: slopes[name] for name in p}

    def mistakes(self, right):
        """Yield wrong gradients by their names; no choice at kinks gives them."""
        yield "a factor", right | {"c": 1.001 * right["c"]}
        yield "a sign", right | {"c": -right["c"]}
        yield "the sum", {name: self.X.shape[1] * values for name, values in right.items()}
        if right["V"].any():
            coordinate = right["V"].copy()
            coordinate.flat[np.argmax(np.abs(coordinate))] *= 1.5
            yield "one coordinate", right | {"V": coordinate}
