"""A small convolutional network on (N, C, H, W) images: convolution, ReLU, max-pooling, convolution, ReLU, softmax."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.zoo.lines import Lines, WrongLine

N, SIDE, CHANNELS, FILTERS, CLASSES = 3, 8, 2, 3, 3
HALF = SIDE // 2
WEIGHTS = ("K1", "K2", "W")

Arrays = dict[str, Any]


def windows(x):
    """Return the 3×3 neighbourhood of every pixel, zeros outside: (N, C, H, W, 3, 3)."""
    return sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), axis=(2, 3))


def convolve(x, K, k):
    return np.einsum("nchwij,fcij->nfhw", windows(x), K) + k[:, None, None]


def cells(x):
    """Return the four values of each cell of 2×2 along the last axis: (N, C, H / 2, W / 2, 4)."""
    n, c = x.shape[:2]
    return x.reshape(n, c, HALF, 2, HALF, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, HALF, HALF, 4)


def image(c):
    """Undo `cells`."""
    n, channels = c.shape[:2]
    return (
        c.reshape(n, channels, HALF, HALF, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, channels, SIDE, SIDE)
    )


class Convolutional:
    """Images have an empty half, as drawings have, so that maxima are tied there for any weights."""

    def __init__(self, seed: int) -> None:
        self.seed, rng = seed, np.random.default_rng(seed)
        self.x = rng.standard_normal((N, 1, SIDE, SIDE))
        self.x[:, :, HALF:] = 0
        self.labels = np.eye(CLASSES)[rng.integers(0, CLASSES, N)]
        self.lambd = 0.1
        self.parameters: Arrays = {
            "K1": 0.5 * rng.standard_normal((CHANNELS, 1, 3, 3)),
            "k1": 0.2 + 0.1 * rng.random(CHANNELS),
            "K2": 0.4 * rng.standard_normal((FILTERS, CHANNELS, 3, 3)),
            "k2": 0.1 * rng.standard_normal(FILTERS),
            "W": 0.3 * rng.standard_normal((FILTERS * HALF * HALF, CLASSES)),
            "b": 0.1 * rng.standard_normal(CLASSES),
        }

    def forward(self, p: Arrays) -> SimpleNamespace:
        """Return everything that is computed on the way to the probabilities."""
        v = SimpleNamespace(net=self, p=p, x=self.x, Y=self.labels, m=N, samples=0, lambd=self.lambd)
        v.loss = "softmax"
        v.z1 = convolve(v.x, p["K1"], p["k1"])
        v.a1 = np.maximum(v.z1, 0)
        v.pooled = cells(v.a1).max(axis=-1)
        v.z2 = convolve(v.pooled, p["K2"], p["k2"])
        v.a2 = np.maximum(v.z2, 0)
        v.flat = v.a2.reshape(N, -1)
        scores = v.flat @ p["W"] + p["b"]
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        v.A = e / e.sum(axis=1, keepdims=True)
        return v

    def cost(self, p: Arrays) -> Any:
        """Return the mean cross-entropy and an L2 penalty on the weights."""
        cross_entropy = -np.sum(self.labels * np.log(self.forward(p).A)) / N
        penalty = self.lambd / (2 * N) * sum(np.sum(p[name] ** 2) for name in WEIGHTS)
        return cross_entropy + penalty

    def backward(self, p: Arrays, wrong: WrongLine | None = None) -> Arrays:
        """Return the gradients; with a mistake in one of the lines of `RIGHT` if one is given."""
        line = Lines(RIGHT, wrong, self.seed, {"penalty": WEIGHTS})
        v = line("forward", SimpleNamespace(net=self, p=p))
        v.dscores = line("loss", v)
        gradients = {"W": v.flat.T @ v.dscores, "b": line("output bias", v)}
        v.da2 = line("unflatten", v)
        v.dz = v.dz2 = v.da2 * line("slope", v)
        gradients |= {"K2": line("kernel", v), "k2": line("kernel bias", v)}
        v.dpooled = line("input", v)
        v.dz1 = line("pool", v) * (v.z1 > 0)
        gradients |= {"K1": line("first kernel", v), "k1": v.dz1.sum(axis=(0, 2, 3))}
        for name in WEIGHTS:
            v.layer, v.W = name, p[name]
            gradients[name] = gradients[name] + line("penalty", v)
        return gradients


def input_gradient(v: SimpleNamespace) -> Any:
    """Return the gradient of the second convolution's input: each pixel's share of nine neighbours."""
    padded = np.zeros((N, CHANNELS, HALF + 2, HALF + 2))
    for i in range(3):
        for j in range(3):
            padded[:, :, i : i + HALF, j : j + HALF] += np.einsum(
                "nfhw,fc->nchw", v.dz2, v.p["K2"][:, :, i, j]
            )
    return padded[:, :, 1:-1, 1:-1]


def to_the_winner(v: SimpleNamespace) -> Any:
    """Return the gradient of the pooling's input: all of it to the first of the largest."""
    values = cells(v.a1)
    routed = np.arange(4) == values.argmax(axis=-1)[..., None]
    return image(routed * v.dpooled[..., None])


RIGHT = {
    "forward": lambda v: v.net.forward(v.p),
    "loss": lambda v: (v.A - v.Y) / v.m,
    "output bias": lambda v: v.dscores.sum(axis=0),
    "unflatten": lambda v: (v.dscores @ v.p["W"].T).reshape(v.a2.shape),
    "slope": lambda v: (v.z2 > 0) * 1.0,
    "kernel": lambda v: np.einsum("nchwij,nfhw->fcij", windows(v.pooled), v.dz2),
    "kernel bias": lambda v: v.dz2.sum(axis=(0, 2, 3)),
    "input": input_gradient,
    "pool": to_the_winner,
    "first kernel": lambda v: np.einsum("nchwij,nfhw->fcij", windows(v.x), v.dz1),
    "penalty": lambda v: v.lambd / v.m * v.W,
}
