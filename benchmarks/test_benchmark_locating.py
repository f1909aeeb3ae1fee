"""A few wrong coordinates, and other mistakes, among 8.4 million parameters: what locating them costs.

The network is written in NumPy. Recorded: seconds and forward passes of the whole call beside that for a right
gradient, where all slopes are found at once; and of a search by plain evaluation, on a smaller network.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import fastcheck

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

LARGE, SMALL, PLAIN = (3072, 2048, 1024, 10), (60, 50, 30, 10), (784, 300, 100, 10)
SAMPLES = 8

Arrays = dict[str, np.ndarray[Any, Any]]


def network(sizes: tuple[int, ...]) -> tuple[Callable[[Arrays], float], Arrays, Arrays]:
    """Return the cost of ReLU layers and a softmax, parameters and their right gradient."""
    rng = np.random.default_rng(0)
    parameters = {}
    for layer, (height, width) in enumerate(zip(sizes[1:], sizes[:-1], strict=True), 1):
        parameters[f"W{layer}"] = rng.standard_normal((height, width)) * np.sqrt(2 / width)
        parameters[f"b{layer}"] = 0.01 * rng.standard_normal((height, 1))
    X = rng.standard_normal((sizes[0], SAMPLES))
    Y = np.eye(sizes[-1])[:, rng.integers(sizes[-1], size=SAMPLES)]
    return lambda p: forward(p, X, Y), parameters, right_gradient(parameters, X, Y)


def forward(p: Arrays, X: Any, Y: Any) -> float:
    A1 = np.maximum(p["W1"] @ X + p["b1"], 0)
    A2 = np.maximum(p["W2"] @ A1 + p["b2"], 0)
    Z3 = p["W3"] @ A2 + p["b3"]
    Z3 = Z3 - Z3.max(axis=0)
    return np.sum(Y * (np.log(np.sum(np.exp(Z3), axis=0)) - Z3)) / SAMPLES


def right_gradient(p: Arrays, X: Any, Y: Any) -> Arrays:
    Z1 = p["W1"] @ X + p["b1"]
    A1 = np.maximum(Z1, 0)
    Z2 = p["W2"] @ A1 + p["b2"]
    A2 = np.maximum(Z2, 0)
    E3 = np.exp(p["W3"] @ A2 + p["b3"])
    dZ3 = (E3 / E3.sum(axis=0) - Y) / SAMPLES
    dZ2 = (p["W3"].T @ dZ3) * (Z2 > 0)
    dZ1 = (p["W2"].T @ dZ2) * (Z1 > 0)
    gradients = {}
    for layer, (delta, inputs) in enumerate(((dZ1, X), (dZ2, A1), (dZ3, A2)), 1):
        gradients[f"W{layer}"] = delta @ inputs.T
        gradients[f"b{layer}"] = delta.sum(axis=1, keepdims=True)
    return gradients


def spoil(weight: Any, mistake: str) -> None:
    """Change the claimed gradient of one block in place."""
    rng = np.random.default_rng(1)
    if mistake == "row":
        weight[17] *= -1
    elif mistake == "column":
        weight[:, 5] *= 2
    elif mistake == "factor":
        weight *= 1.01
    elif mistake == "scattered":
        weight.flat[rng.choice(weight.size, size=weight.size // 1000, replace=False)] += 1e-3
    else:
        chosen = rng.choice(np.flatnonzero(weight), size=int(mistake.split()[0]), replace=False)
        weight.flat[chosen] *= 1.001


MISTAKES = ["1 coordinate", "10 coordinates", "row", "column", "factor", "scattered"]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_failing_beside_passing(benchmark: BenchmarkFixture, mistake: str) -> None:
    """Where benchmarks only run as tests, a small network stands in."""
    benchmark.group = "locating one mistake among 8.4 million parameters"
    measure(benchmark, LARGE if benchmark.enabled else SMALL, mistake, "difference")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_searching_plainly(benchmark: BenchmarkFixture, mistake: str) -> None:
    """The same by plain evaluation."""
    benchmark.group = "searching one mistake among 266,000 parameters by plain evaluation"
    measure(benchmark, PLAIN if benchmark.enabled else SMALL, mistake, "plain")


def measure(benchmark: BenchmarkFixture, sizes: tuple[int, ...], mistake: str, method: str) -> None:
    """Locate a mistake, and record what that took beside a right gradient."""
    cost, parameters, gradients = network(sizes)
    start = time.perf_counter()
    right = fastcheck.locate(cost, parameters, gradients, method=method, progress=False)
    passing = time.perf_counter() - start
    assert right.verdict is not fastcheck.Verdict.FAIL
    spoil(gradients["W1"], mistake)
    options = {"method": method, "progress": False}
    report = benchmark.pedantic(fastcheck.locate, (cost, parameters, gradients), options, rounds=1)
    assert report.blocks["W1"].verdict is fastcheck.Verdict.FAIL
    benchmark.extra_info["sentence"] = report.blocks["W1"].located.sentence
    benchmark.extra_info["parameters"] = report.size
    benchmark.extra_info["forward_passes"] = report.forward_passes
    benchmark.extra_info["forward_passes_of_passing"] = right.forward_passes
    if benchmark.enabled:
        benchmark.extra_info["times_passing"] = round(benchmark.stats.stats.median / passing, 1)
