"""Multilayer perceptrons in the convention of the courses: features × samples, W1, b1, W2, b2 and so on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.zoo.lines import Lines, WrongLine

Arrays = dict[str, Any]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(Z):
    E = np.exp(Z - Z.max(axis=0, keepdims=True))
    return E / E.sum(axis=0, keepdims=True)


ACTIVATIONS = {"relu": lambda Z: np.maximum(Z, 0), "sigmoid": sigmoid, "tanh": lambda Z: np.tanh(Z)}
SLOPES = {
    "relu": lambda Z, A: (Z > 0).astype(Z.dtype),
    "sigmoid": lambda Z, A: A * (1 - A),
    "tanh": lambda Z, A: 1 - A**2,
}
OUTPUTS = {"logistic": sigmoid, "softmax": softmax, "squares": lambda Z: Z}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What kind of perceptron.

    Initial weights are normal with deviation gain / √inputs, biases with deviation ``bias``. ``log_eps`` is added
    before logarithms are taken, outputs are clipped to [clip, 1 − clip], the cost is multiplied by ``scale``.
    ``keep`` is the share of units that dropout keeps, ``steps`` the number of steps of gradient descent, with the
    learning ``rate``, before the gradient is checked.
    """

    sizes: tuple[int, ...]
    samples: int
    hidden: str = "relu"
    loss: str = "logistic"
    gain: float = 1.4
    bias: float = 0.1
    lambd: float = 0.0
    keep: float = 1.0
    log_eps: float = 0.0
    clip: float = 0.0
    scale: float = 1.0
    steps: int = 0
    rate: float = 0.5
    dtype: Any = np.float64


class Perceptron:
    """Hidden layers, an output with its loss, L2 on the weights, inverted dropout with fixed masks."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape, self.seed, self.depth = shape, seed, len(shape.sizes) - 1
        rng = np.random.default_rng(seed)
        self.X = rng.standard_normal((shape.sizes[0], shape.samples)).astype(shape.dtype)
        self.Y = self._labels(rng).astype(shape.dtype)
        self.parameters: Arrays = {}
        for k, (n_in, n_out) in enumerate(pairwise(shape.sizes), start=1):
            W = rng.standard_normal((n_out, n_in)) * shape.gain / np.sqrt(n_in)
            self.parameters[f"W{k}"] = W.astype(shape.dtype)
            self.parameters[f"b{k}"] = (shape.bias * rng.standard_normal((n_out, 1))).astype(shape.dtype)
        self.masks = [
            (rng.random((n, shape.samples)) < shape.keep).astype(shape.dtype) for n in shape.sizes[1:-1]
        ]
        for _ in range(shape.steps):
            gradients = self.backward(self.parameters)
            self.parameters = {
                name: value - shape.rate * gradients[name] for name, value in self.parameters.items()
            }

    def _labels(self, rng):
        n, m = self.shape.sizes[-1], self.shape.samples
        if self.shape.loss == "softmax":
            return np.eye(n)[:, rng.integers(0, n, m)]
        if self.shape.loss == "squares":
            return rng.standard_normal((n, m))
        return (rng.random((n, m)) < 0.5) * 1.0

    def forward(self, p: Arrays) -> tuple[list[Any], list[Any]]:
        """Return Z1, Z2, … and A0, A1, …, from X to the output."""
        Zs, As = [], [self.X]
        for k in range(1, self.depth + 1):
            Z = p[f"W{k}"] @ As[-1] + p[f"b{k}"]
            if k == self.depth:
                A = OUTPUTS[self.shape.loss](Z)
            else:
                A = ACTIVATIONS[self.shape.hidden](Z)
                if self.shape.keep < 1:
                    A = A * self.masks[k - 1] / self.shape.keep
            Zs.append(Z)
            As.append(A)
        return Zs, As

    def cost(self, p: Arrays) -> Any:
        """Return the loss over the samples and the L2 penalty, times the scale of the cost."""
        o, m, Y = self.shape, self.X.shape[1], self.Y
        A = self.forward(p)[1][-1]
        if o.loss == "squares":
            loss = np.sum((A - Y) ** 2) / (2 * m)
        elif o.loss == "softmax":
            loss = -np.sum(Y * np.log(A + o.log_eps)) / m
        else:
            if o.clip:
                A = np.clip(A, o.clip, 1 - o.clip)
            loss = -np.sum(Y * np.log(A + o.log_eps) + (1 - Y) * np.log(1 - A + o.log_eps)) / m
        if o.lambd:
            squares = sum(np.sum(p[f"W{k}"] ** 2) for k in range(1, self.depth + 1))
            loss = loss + o.lambd / (2 * m) * squares
        return o.scale * loss

    def backward(self, p: Arrays, wrong: WrongLine | None = None) -> Arrays:
        """Return the gradients of W1, b1, …; with a mistake in one of the lines of `RIGHT` if one is given."""
        L, o, gradients = self.depth, self.shape, {}
        hidden, every = range(1, L), range(1, L + 1)
        layers = {"slope": hidden, "back": range(2, L + 1), "weights": every, "bias": every}
        layers |= {"dropout": hidden if o.keep < 1 else (), "penalty": every if o.lambd else ()}
        line = Lines(RIGHT, wrong, self.seed, layers)
        Zs, As = line("forward", SimpleNamespace(net=self, p=p, layer=None))
        dA = None
        for k in range(L, 0, -1):
            v = SimpleNamespace(net=self, p=p, layer=k, m=self.X.shape[1], samples=1, Y=self.Y, dA=dA)
            v.loss, v.lambd = o.loss, o.lambd
            v.W, v.b, v.Z, v.A, v.A_before = p[f"W{k}"], p[f"b{k}"], Zs[k - 1], As[k], As[k - 1]
            v.Z_before = Zs[k - 2] if k > 1 else None
            if k == L:
                v.dZ = line("loss", v) * o.scale
            else:
                v.mask, v.A = self.masks[k - 1], ACTIVATIONS[o.hidden](v.Z)
                v.dA = line("dropout", v) if o.keep < 1 else v.dA
                v.dZ = v.dA * line("slope", v)
            gradients[f"W{k}"] = line("weights", v) + o.scale * line("penalty", v)
            gradients[f"b{k}"] = line("bias", v)
            if k > 1:
                dA = line("back", v)
        return {name: gradients[name] for name in p}


def loss_gradient(v: SimpleNamespace) -> Any:
    """Return dJ/dZ of the output layer, before the scale of the cost."""
    o, A, Y = v.net.shape, v.A, v.Y
    if o.loss == "squares" or not (o.log_eps or o.clip):
        return (A - Y) / v.m
    if o.loss == "softmax":
        dA = -Y / (A + o.log_eps)
        return A * (dA - np.sum(A * dA, axis=0)) / v.m
    clipped = np.clip(A, o.clip, 1 - o.clip)
    dA = (1 - Y) / (1 - clipped + o.log_eps) - Y / (clipped + o.log_eps)
    return np.where(clipped == A, dA * A * (1 - A), 0) / v.m


RIGHT = {
    "forward": lambda v: v.net.forward(v.p),
    "loss": loss_gradient,
    "dropout": lambda v: v.dA * v.mask / v.net.shape.keep,
    "slope": lambda v: SLOPES[v.net.shape.hidden](v.Z, v.A),
    "weights": lambda v: v.dZ @ v.A_before.T,
    "penalty": lambda v: v.lambd / v.m * v.W,
    "bias": lambda v: v.dZ.sum(axis=1, keepdims=True),
    "back": lambda v: v.W.T @ v.dZ,
}
