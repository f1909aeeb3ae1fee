"""Costs that are no networks: steep, flat, cancelling, with parameters of very different size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Arrays = dict[str, Any]


class Expression:
    """A cost of named arrays; no backward pass is known."""

    def __init__(self, function: Callable[[Arrays], Any], parameters: Arrays) -> None:
        self.cost, self.parameters = function, parameters


def rosenbrock(p: Arrays) -> Any:
    x = p["x"]
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def quotients(p: Arrays) -> Any:
    return np.sum((p["a"] + 1) / (3 + p["b"] ** 2)) + np.sqrt(np.sum(p["a"] ** 2) + 1)


def powers(p: Arrays) -> Any:
    return np.sum(np.exp(-p["a"]) * p["b"] ** 3) + np.log(np.sum(np.exp(3 * p["b"])))


def cancelling(p: Arrays) -> Any:
    rest = p["a"] - np.mean(p["a"])
    return np.sum(np.tanh(rest / np.sqrt(np.mean(rest**2) + 1e-5)) * p["b"])


def offset(p: Arrays) -> Any:
    return 1e3 + np.sum(np.sin(p["a"]) * p["b"]) ** 2


def large(p: Arrays) -> Any:
    return np.sum((p["a"] - 1) ** 2 * 1e-3) + np.sum(np.tanh(p["b"]) ** 2)


def _two(rng: np.random.Generator, scale: float = 1.0) -> Arrays:
    return {"a": scale * rng.standard_normal(30), "b": rng.standard_normal(30)}


EXPRESSIONS: dict[str, Callable[[int], Expression]] = {
    "Rosenbrock": lambda seed: Expression(rosenbrock, {"x": np.random.default_rng(seed).standard_normal(40)}),
    "quotients": lambda seed: Expression(quotients, _two(np.random.default_rng(seed))),
    "powers": lambda seed: Expression(powers, _two(np.random.default_rng(seed))),
    "cancelling": lambda seed: Expression(cancelling, _two(np.random.default_rng(seed))),
    "a large constant": lambda seed: Expression(offset, _two(np.random.default_rng(seed))),
    "large parameters": lambda seed: Expression(large, _two(np.random.default_rng(seed), 1e4)),
}
"""From name to the function that builds the expression from a seed."""
