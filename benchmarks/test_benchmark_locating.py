"""A few wrong coordinates, and other mistakes, among 8.4 million parameters: what locating them costs.

The network is written in NumPy, in both usual layouts. Recorded: seconds and forward passes (times of one forward pass
of that code) of locating alone, and of the whole call beside that of screening a right gradient; and the extra memory.
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

import fastcheck
from fastcheck.engines.directions import MAX_MEMORY, opened
from fastcheck.execution import Execution, one_blas_thread
from fastcheck.locating import locate_from
from fastcheck.problem import pose
from fastcheck.searching import Suspect

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

LARGE, SMALL = (3072, 2048, 1024, 10), (60, 50, 30, 10)
SAMPLES = 8
REPEATED = 7

Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Network:
    """ReLU layers and a softmax; weights are outputs × inputs, or inputs × outputs if ``samples_first``."""

    sizes: tuple[int, ...]
    samples_first: bool

    def build(self) -> tuple[Callable[[Arrays], float], Arrays, Arrays]:
        """Return the cost, parameters and their right gradient."""
        rng = np.random.default_rng(0)
        pairs = list(zip(self.sizes[1:], self.sizes[:-1], strict=True))
        parameters = {}
        for layer, (height, width) in enumerate(pairs, 1):
            parameters[f"W{layer}"] = rng.standard_normal((height, width)) * np.sqrt(2 / width)
            parameters[f"b{layer}"] = 0.01 * rng.standard_normal((height, 1))
        X = rng.standard_normal((self.sizes[0], SAMPLES))
        Y = np.eye(self.sizes[-1])[:, rng.integers(self.sizes[-1], size=SAMPLES)]
        gradients = right_gradient(parameters, X, Y)
        if not self.samples_first:
            return lambda p: features_first(p, X, Y), parameters, gradients
        turned, claims = (
            {name: np.ascontiguousarray(value.T) for name, value in arrays.items()}
            for arrays in (parameters, gradients)
        )
        return lambda p: samples_first(p, X.T, Y.T), turned, claims


def features_first(p: Arrays, X: Any, Y: Any) -> float:
    A1 = np.maximum(p["W1"] @ X + p["b1"], 0)
    A2 = np.maximum(p["W2"] @ A1 + p["b2"], 0)
    Z3 = p["W3"] @ A2 + p["b3"]
    Z3 = Z3 - Z3.max(axis=0)
    return np.sum(Y * (np.log(np.sum(np.exp(Z3), axis=0)) - Z3)) / SAMPLES


def samples_first(p: Arrays, X: Any, Y: Any) -> float:
    A1 = np.maximum(X @ p["W1"] + p["b1"], 0)
    A2 = np.maximum(A1 @ p["W2"] + p["b2"], 0)
    Z3 = A2 @ p["W3"] + p["b3"]
    Z3 = Z3 - Z3.max(axis=1, keepdims=True)
    return np.sum(Y * (np.log(np.sum(np.exp(Z3), axis=1, keepdims=True)) - Z3)) / SAMPLES


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


FEW_PASSES = {"1 coordinate": 150, "10 coordinates": 1000}
MISTAKES = [*FEW_PASSES, "row", "column", "factor", "scattered"]


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("layout", ["features first", "samples first"])
def test_locating(benchmark: BenchmarkFixture, layout: str, mistake: str) -> None:
    """Where benchmarks only run as tests, a small network stands in."""
    network = Network(LARGE if benchmark.enabled else SMALL, layout == "samples first")
    cost, parameters, gradients = network.build()
    spoil(gradients["W1"], mistake)
    problem = pose(cost, parameters, gradients)
    block = problem.layout.blocks[0]
    benchmark.group = "locating one mistake among 8.4 million parameters"
    with one_blas_thread(), opened(problem, Execution(progress=False), "difference") as directions:
        directions.along(
            block, np.ones((1, block.size))
        )  # as screening leaves it: rounding has been measured

        def run() -> Any:
            return locate_from(problem, directions, [Suspect(block)], tolerance=1e-7)[0]

        before = directions.forward_passes
        report = benchmark.pedantic(run, rounds=3 if benchmark.enabled else 1)["W1"]
        passes = directions.forward_passes - before
        assert report.verdict is fastcheck.Verdict.FAIL
        if mistake in FEW_PASSES:
            assert report.wrong == int(mistake.split()[0])
            assert report.located.complete
        benchmark.extra_info["sentence"] = report.located.sentence
        benchmark.extra_info["parameters"] = problem.layout.size
        if benchmark.enabled:
            seconds = benchmark.stats.stats.median
            equivalents = seconds / forward_seconds(cost, parameters)
            benchmark.extra_info["forward_passes"] = passes // 3
            benchmark.extra_info["forward_pass_equivalents"] = round(equivalents)
            benchmark.extra_info["memory_mib"] = round(extra_memory(run) / 2**20)
            assert extra_memory(run) < MAX_MEMORY
            if mistake in FEW_PASSES:
                assert equivalents < FEW_PASSES[mistake]
                assert seconds < 60


@pytest.mark.parametrize("mistake", MISTAKES)
def test_failing_beside_passing(benchmark: BenchmarkFixture, mistake: str) -> None:
    """The whole call, screening included, beside that for a right gradient."""
    cost, parameters, gradients = Network(LARGE if benchmark.enabled else SMALL, False).build()
    start = time.perf_counter()
    assert fastcheck.locate(cost, parameters, gradients, progress=False).passed
    passing = time.perf_counter() - start
    spoil(gradients["W1"], mistake)
    benchmark.group = "screening and locating, 8.4 million parameters"
    report = benchmark.pedantic(
        fastcheck.locate, (cost, parameters, gradients), {"progress": False}, rounds=1
    )
    assert report.blocks["W1"].verdict is fastcheck.Verdict.FAIL
    benchmark.extra_info["forward_passes"] = report.forward_passes
    if benchmark.enabled:
        ratio = benchmark.stats.stats.median / passing
        benchmark.extra_info["times_passing"] = round(ratio, 1)
        assert ratio < 10


def forward_seconds(cost: Callable[[Arrays], float], parameters: Arrays) -> float:
    """Return the median time of one forward pass."""
    times = []
    for _ in range(REPEATED):
        start = time.perf_counter()
        cost(parameters)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def extra_memory(run: Callable[[], Any]) -> int:
    """Return the peak of what is allocated."""
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak
