"""Causal self-attention with two heads, samples × time × features; mean squared error."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.zoo.lines import Lines, WrongLine

N, T, HEADS, SIZE = 2, 4, 2, 2
WIDTH = HEADS * SIZE
CAUSAL = np.tril(np.ones((T, T), dtype=bool))

Arrays = dict[str, Any]


def softmax(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def split(x):
    """Return (N, heads, T, size) from (N, T, heads · size)."""
    return x.reshape(N, T, HEADS, SIZE).transpose(0, 2, 1, 3)


def join(x):
    """Undo `split`."""
    return x.transpose(0, 2, 1, 3).reshape(N, T, WIDTH)


class Attention:
    """Queries, keys, values and an output, each a square matrix."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.standard_normal((N, T, WIDTH))
        self.targets = rng.standard_normal((N, T, WIDTH))
        self.parameters: Arrays = {
            name: 0.7 * rng.standard_normal((WIDTH, WIDTH)) for name in ("Wq", "Wk", "Wv", "Wo")
        } | {"bo": 0.1 * rng.standard_normal(WIDTH)}

    def forward(self, p: Arrays) -> SimpleNamespace:
        """Return everything that is computed on the way to the output."""
        v = SimpleNamespace(net=self, p=p, x=self.x, Y=self.targets, m=N * T, samples=0, loss="squares")
        v.Q, v.K, v.V = (split(v.x @ p[name]) for name in ("Wq", "Wk", "Wv"))
        v.scores = v.Q @ v.K.transpose(0, 1, 3, 2) / np.sqrt(SIZE)
        v.P = softmax(np.where(CAUSAL, v.scores, -1e9))
        v.joined = join(v.P @ v.V)
        v.A = v.joined @ p["Wo"] + p["bo"]
        return v

    def cost(self, p: Arrays) -> Any:
        """Return half the squared error, averaged over samples and time."""
        return np.sum((self.forward(p).A - self.targets) ** 2) / (2 * N * T)

    def backward(self, p: Arrays, wrong: WrongLine | None = None) -> Arrays:
        """Return the gradients; with a mistake in one of the lines of `RIGHT` if one is given."""
        line = Lines(RIGHT, wrong)
        v = line("forward", SimpleNamespace(net=self, p=p))
        v.dout = line("loss", v)
        gradients = {"Wo": np.einsum("nti,ntj->ij", v.joined, v.dout), "bo": line("bias", v)}
        v.dheads = line("split", v)
        v.dP = v.dheads @ v.V.transpose(0, 1, 3, 2)
        v.dscores = line("softmax", v) * line("root", v)
        parts = {"Wq": line("queries", v), "Wk": line("keys", v), "Wv": line("values", v)}
        for name, part in parts.items():
            gradients[name] = np.einsum("nti,ntj->ij", v.x, join(part))
        return gradients


RIGHT = {
    "forward": lambda v: v.net.forward(v.p),
    "loss": lambda v: (v.A - v.Y) / v.m,
    "bias": lambda v: v.dout.sum(axis=(0, 1)),
    "split": lambda v: split(v.dout @ v.p["Wo"].T),
    "softmax": lambda v: v.P * (v.dP - np.sum(v.P * v.dP, axis=-1, keepdims=True)),
    "root": lambda v: 1 / np.sqrt(SIZE),
    "queries": lambda v: v.dscores @ v.K,
    "keys": lambda v: v.dscores.transpose(0, 1, 3, 2) @ v.Q,
    "values": lambda v: v.P.transpose(0, 1, 3, 2) @ v.dheads,
}
