"""Small networks that stand on kinks, and backward passes that choose there as they are told."""

from __future__ import annotations

import numpy as np


def assigned(z):
    a = z.copy()
    a[z < 0] = 0
    return a


RELU = {
    "maximum(z, 0)": lambda z: np.maximum(z, 0),
    "maximum(0, z)": lambda z: np.maximum(0, z),
    "fmax": lambda z: np.fmax(z, 0),
    "minimum": lambda z: -np.minimum(-z, 0),
    "z * (z > 0)": lambda z: z * (z > 0),
    "(z >= 0).astype(float) * z": lambda z: (z >= 0).astype(float) * z,
    "z * (1 - ~(z > 0))": lambda z: z * (1 - ~(z > 0)),
    "where": lambda z: np.where(z >= 0, z, 0.0),
    "where not": lambda z: np.where(z <= 0, 0, z),
    "select": lambda z: np.select([z > 0], [z], 0.0),
    "clip": lambda z: np.clip(z, 0, None),
    "clip at both ends": lambda z: z.clip(0, 1e3),
    "(z + |z|) / 2": lambda z: (z + np.abs(z)) / 2,
    "max over an axis": lambda z: np.max(np.stack([z, np.zeros_like(z)]), axis=0),
    "reduce": lambda z: np.maximum.reduce(np.stack([z, 0 * z]), axis=0),
    "a[z < 0] = 0": assigned,
}
"""Ways to write max(z, 0)."""

CONVENTIONS = ("first", "last", "split", "per line", "per entry")


class Choices:
    """What a backward pass takes: of ReLU'(0), of tied maxima, of |0|'."""

    def __init__(self, how, rng):
        self.how, self.rng = how, rng

    def part(self, shape):
        """Return the part, 0 to 1, that is taken of the way from one side of a kink to the other."""
        usual = {"first": 1.0, "last": 0.0, "split": 0.5}
        if self.how == "per entry":
            return self.rng.random(shape)
        return np.full(shape, usual.get(self.how, self.rng.choice([0.0, 0.3, 0.5, 1.0])))

    def shares(self, ties):
        """Return what each of the tied entries, last axis, gets of the whole."""
        order = np.cumsum(ties, axis=-1)
        first, last = ties & (order == 1), ties & (order == order[..., -1:])
        split = ties / ties.sum(axis=-1, keepdims=True)
        if self.how in ("first", "last", "split"):
            return {"first": first, "last": last, "split": split}[self.how] * 1.0
        if self.how == "per line":
            a, b = self.rng.dirichlet((1, 1))
            return a * first + b * split
        parts = ties * self.rng.exponential(size=ties.shape)
        return parts / parts.sum(axis=-1, keepdims=True)


class Network:
    """ReLU layers, each followed by a maximum over pairs of units if ``pooled``, an L1 term, and squares.

    Samples may be blank or alike, units have weights of zero, or are copies of others, biases are zero: kinks of all
    kinds, also behind one another.
    """

    def __init__(self, seed, relu="maximum(z, 0)", layers=2, pooled=False, l1=0.0):
        rng = np.random.default_rng(seed)
        self.relu, self.pooled, self.l1 = RELU[relu], pooled, l1
        self.X = rng.standard_normal((3, 4))
        self.X[:, 0] = 0
        self.X[:, 1] = self.X[:, 2]
        self.parameters, sizes = {}, [3]
        for k in range(layers):
            W = rng.standard_normal((4, sizes[-1]))
            W[rng.integers(4)] = 0
            W[3] = W[2]
            self.parameters |= {f"W{k}": W, f"b{k}": np.zeros((4, 1))}
            sizes.append(2 if pooled else 4)
        self.parameters["v"] = rng.standard_normal((2, sizes[-1]))
        self.layers, self.Y = layers, rng.standard_normal((2, 4))

    def forward(self, p):
        A, kept = self.X, []
        for k in range(self.layers):
            Z = p[f"W{k}"] @ A + p[f"b{k}"]
            R = self.relu(Z)
            B = R.reshape(2, 2, -1).max(axis=1) if self.pooled else R
            kept.append((A, Z, R))
            A = B
        return kept, A

    def cost(self, p):
        A = self.forward(p)[1]
        J = np.sum((p["v"] @ A - self.Y) ** 2)
        return J + self.l1 * np.sum(np.abs(p["W0"])) if self.l1 else J

    def gradients(self, choices):
        p = self.parameters
        kept, A = self.forward(p)
        d = 2 * (p["v"] @ A - self.Y)
        found = {"v": d @ A.T}
        d = p["v"].T @ d
        for k in reversed(range(self.layers)):
            before, Z, R = kept[k]
            if self.pooled:
                pairs = np.moveaxis(R.reshape(2, 2, -1), 1, -1)
                shares = choices.shares(pairs == pairs.max(axis=-1, keepdims=True))
                d = np.moveaxis(shares * d[..., None], -1, 1).reshape(R.shape)
            d = d * np.where(Z == 0, choices.part(Z.shape), Z > 0)
            found |= {f"W{k}": d @ before.T, f"b{k}": d.sum(axis=1, keepdims=True)}
            d = p[f"W{k}"].T @ d
        if self.l1:
            at_zero = 2 * choices.part(p["W0"].shape) - 1
            found["W0"] = found["W0"] + self.l1 * np.where(p["W0"] == 0, at_zero, np.sign(p["W0"]))
        return found
