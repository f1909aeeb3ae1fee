"""Difference propagation through the user's own NumPy code against the reference loop.

The loop is timed on a sample of the coordinates of the same network in the same run, and extrapolated. Recorded
for each: the ratio to the loop, forward passes per parameter, the true error, and the extra memory.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fastcheck import check, course
from fastcheck.bench import Network

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

SAMPLED = 20


@dataclass(frozen=True, kw_only=True)
class Case:
    """A cost with its parameters, the right gradients if they are known, and options of `check`."""

    name: str
    cost: Callable[[Any], Any]
    parameters: Any
    gradients: Any
    options: dict[str, Any]


def features_first() -> Case:
    parameters, gradients, X, Y = Network(sizes=(784, 128, 64, 1), samples=64).build()
    return Case(
        name="784-128-64-1, features x samples",
        cost=lambda p: course.forward_propagation_n(X, Y, p)[0],
        parameters=parameters,
        gradients=gradients,
        options={"n_jobs": 2},
    )


def samples_first() -> Case:
    parameters, gradients, X, Y = Network(sizes=(784, 128, 64, 1), samples=64).build()
    data, labels = np.ascontiguousarray(X.T), np.ascontiguousarray(Y.T)

    def cost(p: dict[str, Any]) -> Any:
        A1 = np.maximum(0, data @ p["W1"] + p["b1"])
        A2 = np.maximum(0, A1 @ p["W2"] + p["b2"])
        A3 = 1 / (1 + np.exp(-(A2 @ p["W3"] + p["b3"])))
        return -np.mean(labels * np.log(A3) + (1 - labels) * np.log(1 - A3))

    return Case(
        name="784-128-64-1, samples x features",
        cost=cost,
        parameters={name: np.ascontiguousarray(value.T) for name, value in parameters.items()},
        gradients={name: np.ascontiguousarray(gradients[f"d{name}"].T) for name in parameters},
        options={"n_jobs": 2},
    )


def lstm() -> Case:
    """16 units over 12 steps, 8 samples: 1,800 parameters."""
    rng = np.random.default_rng(0)
    n, d, steps, samples = 16, 8, 12, 8
    x = rng.standard_normal((steps, samples, d))
    parameters = {
        "W": 0.3 * rng.standard_normal((d + n, 4 * n)),
        "b": np.zeros(4 * n),
        "V": 0.3 * rng.standard_normal((n, 1)),
    }

    def cost(p: dict[str, Any]) -> Any:
        h, c, total = np.zeros((samples, n)), np.zeros((samples, n)), 0.0
        for t in range(steps):
            gates = np.concatenate([x[t], h], axis=1) @ p["W"] + p["b"]
            i, f, o = (1 / (1 + np.exp(-gates[:, k * n : (k + 1) * n])) for k in range(3))
            c = f * c + i * np.tanh(gates[:, 3 * n :])
            h = o * np.tanh(c)
            total = total + np.mean((h @ p["V"]) ** 2)
        return total

    return Case(
        name="LSTM, 16 units, 12 steps",
        cost=cost,
        parameters=parameters,
        gradients=None,
        options={"n_jobs": 2},
    )


def convolution() -> Case:
    """Two 3×3 convolutions by im2col and a dense layer on 8 images of 10×10: about 1,000 parameters."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 1, 10, 10))
    labels = rng.integers(0, 4, 8)
    parameters = {
        "K1": 0.4 * rng.standard_normal((6, 1, 3, 3)),
        "k1": np.zeros(6),
        "K2": 0.2 * rng.standard_normal((8, 6, 3, 3)),
        "k2": np.zeros(8),
        "W": 0.2 * rng.standard_normal((8 * 3 * 3, 4)),
        "b": np.zeros(4),
    }

    def convolved(x: Any, K: Any, b: Any) -> Any:
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
        return np.einsum("nchwij,fcij->nfhw", windows, K) + b[:, None, None]

    def cost(p: dict[str, Any]) -> Any:
        h = np.maximum(convolved(x, p["K1"], p["k1"]), 0)
        h = np.maximum(convolved(h, p["K2"], p["k2"]), 0)
        h = h.reshape(8, 8, 3, 2, 3, 2).max(axis=(3, 5)).reshape(8, -1)
        scores = h @ p["W"] + p["b"]
        scores = scores - scores.max(axis=1, keepdims=True)
        return -np.mean(scores[np.arange(8), labels] - np.log(np.sum(np.exp(scores), axis=1)))

    return Case(
        name="convolution, 2 layers", cost=cost, parameters=parameters, gradients=None, options={"n_jobs": 2}
    )


CASES = [features_first, samples_first, lstm, convolution]


def loop_seconds(case: Case, gradients: Any) -> float:
    """Return what the loop takes for one coordinate: the median over a few, each for itself."""
    times = []
    for seed in range(3):
        wish = {name: min(SAMPLED, np.size(value)) for name, value in case.parameters.items()}
        start = time.perf_counter()
        report = check(case.cost, case.parameters, gradients, method="reference", coordinates=wish, seed=seed)
        times.append((time.perf_counter() - start) / report.checked)
    return statistics.median(times)


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_all_coordinates(benchmark: BenchmarkFixture, make: Callable[[], Case]) -> None:
    case = make()
    gradients = case.gradients
    if gradients is None:
        from fastcheck import numerical_gradient

        gradients = numerical_gradient(case.cost, case.parameters, method="difference")

    def run() -> Any:
        return check(
            case.cost, case.parameters, gradients, method="difference", progress=False, **case.options
        )

    tracemalloc.start()
    report = run()
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    benchmark.group = "difference propagation, all coordinates"
    benchmark(run)
    assert report.passed
    benchmark.extra_info["parameters"] = report.checked
    benchmark.extra_info["true_error"] = report.difference if case.gradients is not None else None
    benchmark.extra_info["extra_memory_MiB"] = round(memory / 2**20, 1)
    if benchmark.stats:
        loop = loop_seconds(case, gradients) * report.checked
        benchmark.extra_info["loop_seconds"] = round(loop, 3)
        benchmark.extra_info["times_the_loop"] = round(loop / benchmark.stats.stats.median, 1)
