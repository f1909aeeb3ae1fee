"""Batch normalisation between two dense layers, samples × features; the first bias has a gradient of zero."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.zoo.lines import Lines, WrongLine

N, INPUTS, HIDDEN, OUTPUTS = 12, 5, 6, 3
EPS = 1e-3

Arrays = dict[str, Any]


class Normalised:
    """Dense, batch normalisation in training mode, tanh, dense; mean squared error."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.standard_normal((N, INPUTS))
        self.targets = rng.standard_normal((N, OUTPUTS))
        self.running = rng.standard_normal(HIDDEN) / 2, rng.uniform(0.5, 2, HIDDEN)
        self.parameters: Arrays = {
            "W1": 0.5 * rng.standard_normal((INPUTS, HIDDEN)),
            "b1": 0.5 * rng.standard_normal(HIDDEN),
            "gamma": 1 + 0.3 * rng.standard_normal(HIDDEN),
            "beta": 0.3 * rng.standard_normal(HIDDEN),
            "W2": 0.5 * rng.standard_normal((HIDDEN, OUTPUTS)),
            "b2": 0.1 * rng.standard_normal(OUTPUTS),
        }

    def forward(self, p: Arrays) -> SimpleNamespace:
        """Return everything that is computed on the way to the output."""
        v = SimpleNamespace(net=self, p=p, x=self.x, Y=self.targets, m=N, samples=0, loss="squares")
        v.z = v.x @ p["W1"] + p["b1"]
        v.mean, v.var = v.z.mean(axis=0), v.z.var(axis=0)
        v.centred = v.z - v.mean
        v.inverse = 1 / np.sqrt(v.var + EPS)
        v.normal = v.centred * v.inverse
        v.h = np.tanh(p["gamma"] * v.normal + p["beta"])
        v.A = v.h @ p["W2"] + p["b2"]
        return v

    def cost(self, p: Arrays) -> Any:
        """Return half the squared error, averaged over the samples."""
        return np.sum((self.forward(p).A - self.targets) ** 2) / (2 * N)

    def backward(self, p: Arrays, wrong: WrongLine | None = None) -> Arrays:
        """Return the gradients; with a mistake in one of the lines of `RIGHT` if one is given."""
        line = Lines(RIGHT, wrong)
        v = line("forward", SimpleNamespace(net=self, p=p))
        v.dout = line("loss", v)
        gradients = {"W2": v.h.T @ v.dout, "b2": line("output bias", v)}
        v.dy = (v.dout @ p["W2"].T) * line("slope", v)
        gradients |= {"gamma": line("gamma", v), "beta": line("bias", v)}
        v.dnormal = line("scale", v)
        v.dvar, v.dmean = line("statistics", v)
        v.dz = v.dnormal * line("deviation", v) + v.dvar * 2 * v.centred / N + v.dmean / N
        return gradients | {"W1": v.x.T @ v.dz, "b1": v.dz.sum(axis=0)}


RIGHT = {
    "forward": lambda v: v.net.forward(v.p),
    "loss": lambda v: (v.A - v.Y) / v.m,
    "output bias": lambda v: v.dout.sum(axis=0),
    "slope": lambda v: 1 - v.h**2,
    "gamma": lambda v: (v.dy * v.normal).sum(axis=0),
    "bias": lambda v: v.dy.sum(axis=0),
    "scale": lambda v: v.dy * v.p["gamma"],
    "statistics": lambda v: (
        (v.dnormal * v.centred).sum(axis=0) * -0.5 * v.inverse**3,
        -(v.dnormal * v.inverse).sum(axis=0),
    ),
    "deviation": lambda v: v.inverse,
}
