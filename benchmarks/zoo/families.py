"""The families: kinds of networks at kinds of points, each built from a seed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from benchmarks.zoo.lines import WrongLine
from benchmarks.zoo.mistakes import Mistake
from benchmarks.zoo.networks.attention import Attention
from benchmarks.zoo.networks.convolution import Convolutional
from benchmarks.zoo.networks.normalised import Normalised
from benchmarks.zoo.networks.perceptron import Perceptron, Shape
from benchmarks.zoo.networks.recurrent import Recurrent

Arrays = dict[str, Any]
Builder = Callable[[int], "Network"]


class Network(Protocol):
    """What the families are made of."""

    parameters: Arrays

    def cost(self, p: Arrays) -> Any:
        """Return J."""

    def backward(self, p: Arrays, wrong: WrongLine | None = None) -> Arrays:
        """Return the gradient, with a wrong line if one is given."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network at one point."""

    family: str
    seed: int
    network: Network

    @property
    def parameters(self) -> Arrays:
        """The point: named arrays."""
        return self.network.parameters

    @property
    def cost(self) -> Callable[[Arrays], Any]:
        """J as a function of the parameters, plain NumPy."""
        return self.network.cost

    def backward(self, parameters: Arrays, mistake: Mistake | None = None) -> Arrays:
        """Return the gradient, with the mistake if one is given; `NotHereError` where it cannot be made."""
        if mistake is None:
            return self.network.backward(parameters)
        if isinstance(mistake.how, WrongLine):
            return self.network.backward(parameters, mistake.how)
        rng = np.random.default_rng([self.seed, zlib.crc32(mistake.name.encode())])
        return mistake.how(self.network.backward(parameters), rng)


def perceptron(*sizes: int, samples: int, **options: Any) -> Builder:
    """Return the function that builds such a perceptron from a seed."""
    shape = Shape(sizes=sizes, samples=samples, **options)
    return lambda seed: Perceptron(shape, seed)


FAMILIES: dict[str, Builder] = {
    "course": perceptron(4, 5, 3, 1, samples=3, gain=1.5, bias=1.0),
    "L2": perceptron(6, 6, 4, 1, samples=20, lambd=0.7),
    "wide": perceptron(60, 30, 1, samples=32),
    "deep sigmoid": perceptron(*[4] * 12, 1, samples=16, hidden="sigmoid", gain=1.0),
    "deep ReLU": perceptron(*[5] * 10, 2, samples=12, loss="squares", gain=4.0),
    "tanh": perceptron(5, 6, 6, 2, samples=15, hidden="tanh", loss="squares", lambd=0.3),
    "softmax": perceptron(6, 7, 7, 4, samples=15, loss="softmax", lambd=0.1, log_eps=1e-3),
    "tiny cost": perceptron(6, 6, 4, 1, samples=20, lambd=0.7, scale=1e-9),
    "huge cost": perceptron(6, 6, 4, 1, samples=20, lambd=0.7, scale=1e9),
    "saturated": perceptron(5, 6, 6, 1, samples=20, hidden="sigmoid", gain=8.0, clip=1e-2),
    "trained": perceptron(6, 8, 8, 1, samples=30, lambd=0.05, steps=300, rate=0.2),
    "float32": perceptron(6, 6, 4, 1, samples=20, lambd=0.7, dtype=np.float32),
    "dropout": perceptron(6, 10, 10, 1, samples=20, keep=0.7),
    "recurrent": Recurrent,
    "convolution": Convolutional,
    "batch normalisation": Normalised,
    "attention": Attention,
}
"""From name to the function that builds the network from a seed."""

LARGE: dict[str, Builder] = {
    "64-50-30-10, 512 samples": perceptron(64, 50, 30, 10, samples=512, loss="softmax", lambd=0.1),
    "784-100-10, 128 samples": perceptron(784, 100, 10, samples=128, loss="softmax", lambd=0.1),
    "784-300-10, 64 samples": perceptron(784, 300, 10, samples=64, loss="softmax", lambd=0.1),
    "784-300-1, 512 samples": perceptron(784, 300, 1, samples=512, lambd=0.1),
}
"""Large ReLU networks, for right gradients."""


def build(family: str, seed: int) -> Case:
    """Return a case of a family, large or not; the same one for the same seed."""
    network = (FAMILIES | LARGE)[family](seed)
    return Case(family=family, seed=seed, network=network)
