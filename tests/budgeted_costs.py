"""A cost that can be recorded, one that cannot, and costs that count their calls or may be interrupted."""

import itertools
import math

import numpy as np

rng = np.random.default_rng(0)
X = rng.standard_normal((6, 9))
THETA = {"W": rng.standard_normal((50, 6)), "b": rng.standard_normal((50, 1)), "v": rng.standard_normal(3)}


def cost(p):
    return np.sum(np.tanh(p["W"] @ X + p["b"])) + np.sum(np.exp(p["v"]))


def plain_cost(p):
    """The same, in a way that difference propagation cannot follow."""
    return math.ldexp(np.sum(np.tanh(p["W"] @ X + p["b"])), 0) + sum(math.exp(v) for v in p["v"])


def right():
    slope = 1 - np.tanh(THETA["W"] @ X + THETA["b"]) ** 2
    return {"W": slope @ X.T, "b": slope.sum(axis=1, keepdims=True), "v": np.exp(THETA["v"])}


class Interruptible:
    """A cost that cannot be followed, and may be interrupted."""

    def __init__(self, interrupted_at=None):
        self.interrupted_at, self.calls = interrupted_at, 0

    def __call__(self, p):
        self.calls += 1
        if self.calls == self.interrupted_at:
            raise KeyboardInterrupt
        return plain_cost(p)


class Counted:
    """A cost that counts all of its calls, also those on perturbed arrays, and lets a clock of its own tick.

    Attributes would be put back after runs on perturbed arrays; what `itertools.count` holds is not.
    """

    def __init__(self, function, seconds=0.0):
        self.function, self.seconds, self.counter = function, seconds, itertools.count()

    def __call__(self, *arguments):
        next(self.counter)
        return self.function(*arguments)

    @property
    def calls(self):
        return int(repr(self.counter)[len("count(") : -1])

    def clock(self):
        return self.calls * self.seconds
