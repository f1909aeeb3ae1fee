"""Difference propagation on networks of many kinds: time in forward passes, against the loop, with the accuracy.

``python -m benchmarks.proposing`` measures and writes docs/results/proposing.md.
"""

from __future__ import annotations

import itertools
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fastcheck import check, numerical_gradient
from fastcheck.engines import EngineRun, choose_engine
from fastcheck.execution import Execution
from fastcheck.norms import Comparison
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import pose
from fastcheck.workers.library_threads import one_blas_thread

PAGE = Path(__file__).parent.parent / "docs" / "results" / "proposing.md"
REPEATS = 7
SAMPLED = 8
"""Coordinates of each block of which finite differences are sent forwards one by one, to say how far off slopes are."""

STEP = 1e-9
"""Their step: truncation is below rounding."""

Cost = Callable[[dict[str, Any]], Any]
Network = tuple[dict[str, np.ndarray], Cost]


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def cross_entropy(scores: Any, labels: Any) -> Any:
    scores = scores - scores.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(labels)), labels])


def lstm() -> Network:
    """32 inputs, 64 hidden units, 20 steps, 16 samples."""
    rng, inputs, hidden, steps, samples = np.random.default_rng(0), 32, 64, 20, 16
    X, labels = rng.standard_normal((samples, steps, inputs)), rng.integers(0, 10, samples)
    parameters = {
        "W": rng.standard_normal((inputs + hidden, 4 * hidden)) / 10,
        "b": 0.1 * rng.standard_normal(4 * hidden),
        "V": rng.standard_normal((hidden, 10)) / 8,
        "c": 0.1 * rng.standard_normal(10),
    }

    def cost(p: dict[str, Any]) -> Any:
        h = c = np.zeros((samples, hidden))
        for t in range(steps):
            z = np.concatenate([X[:, t], h], axis=1) @ p["W"] + p["b"]
            gates, g = sigmoid(z[:, : 3 * hidden]), np.tanh(z[:, 3 * hidden :])
            i, f, o = gates[:, :hidden], gates[:, hidden : 2 * hidden], gates[:, 2 * hidden :]
            c = f * c + i * g
            h = o * np.tanh(c)
        return cross_entropy(h @ p["V"] + p["c"], labels)

    return parameters, cost


def layer_normalisation() -> Network:
    """256-128-10, tanh of normalised units, 64 samples."""
    rng = np.random.default_rng(0)
    X, labels = rng.standard_normal((64, 256)), rng.integers(0, 10, 64)
    parameters = {
        "W": rng.standard_normal((256, 128)) / 16,
        "g": 1 + 0.1 * rng.standard_normal(128),
        "b": 0.1 * rng.standard_normal(128),
        "V": rng.standard_normal((128, 10)) / 11,
    }

    def cost(p: dict[str, Any]) -> Any:
        Z = X @ p["W"]
        Z = (Z - Z.mean(axis=1, keepdims=True)) / np.sqrt(Z.var(axis=1, keepdims=True) + 1e-5)
        return cross_entropy(np.tanh(Z * p["g"] + p["b"]) @ p["V"], labels)

    return parameters, cost


def transformer() -> Network:
    """Width 64, 4 heads, 32 positions, 4 samples: attention, normalisation, two layers."""
    rng, n, t, d, heads = np.random.default_rng(0), 4, 32, 64, 4
    X, targets = rng.standard_normal((n, t, d)), rng.standard_normal((n, t, d))
    parameters = {f"W{name}": rng.standard_normal((d, d)) / 8 for name in "qkvo"}
    parameters |= {"W1": rng.standard_normal((d, 4 * d)) / 8, "b1": 0.1 * rng.standard_normal(4 * d)}
    parameters |= {"W2": rng.standard_normal((4 * d, d)) / 16, "g": 1 + 0.1 * rng.standard_normal(d)}
    causal = np.tril(np.ones((t, t), dtype=bool))

    def split(x: Any) -> Any:
        return x.reshape(n, t, heads, d // heads).transpose(0, 2, 1, 3)

    def cost(p: dict[str, Any]) -> Any:
        q, k, v = (split(X @ p[f"W{name}"]) for name in "qkv")
        scores = np.where(causal, q @ k.swapaxes(-1, -2) / np.sqrt(d // heads), -1e9)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights = weights / weights.sum(axis=-1, keepdims=True)
        x = X + (weights @ v).transpose(0, 2, 1, 3).reshape(n, t, d) @ p["Wo"]
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * p["g"]
        z = x @ p["W1"] + p["b1"]
        x = x + 0.5 * z * (1 + np.tanh(0.79788456 * (z + 0.044715 * z**3))) @ p["W2"]
        return np.mean((x - targets) ** 2)

    return parameters, cost


def im2col() -> Network:
    """16 filters of 3 × 3 on 8 images of 3 × 16 × 16, ReLU, pooling, two layers."""
    rng, n, f, size = np.random.default_rng(0), 8, 16, 16
    X, labels = rng.standard_normal((n, 3, size, size)), rng.integers(0, 10, n)
    padded = np.pad(X, ((0, 0), (0, 0), (1, 1), (1, 1)))
    columns = sliding_window_view(padded, (3, 3), (2, 3)).transpose(0, 2, 3, 1, 4, 5).reshape(n * size**2, -1)
    half = size // 2
    parameters = {
        "K": 0.2 * rng.standard_normal((f, 27)),
        "k": 0.1 * rng.standard_normal(f),
        "W": rng.standard_normal((f * half**2, 100)) / 32,
        "b": 0.1 * rng.standard_normal(100),
        "V": rng.standard_normal((100, 10)) / 10,
    }

    def cost(p: dict[str, Any]) -> Any:
        maps = np.maximum(columns @ p["K"].T + p["k"], 0).reshape(n, size, size, f).transpose(0, 3, 1, 2)
        pooled = maps.reshape(n, f, half, 2, half, 2).max(axis=(3, 5)).reshape(n, -1)
        return cross_entropy(np.maximum(pooled @ p["W"] + p["b"], 0) @ p["V"], labels)

    return parameters, cost


def loops() -> Network:
    """4 filters of 3 × 3 on 2 images of 2 × 10 × 10 in loops, entry by entry, into an array of zeros; two layers."""
    rng, n, channels, f, size = np.random.default_rng(0), 2, 2, 4, 10
    X, out = rng.standard_normal((n, channels, size, size)), size - 2
    parameters = {
        "K": 0.3 * rng.standard_normal((f, channels, 3, 3)),
        "k": 0.1 * rng.standard_normal(f),
        "W": rng.standard_normal((f * out * out, 64)) / 16,
        "V": rng.standard_normal((64, 5)) / 8,
    }
    labels = rng.integers(0, 5, n)

    def cost(p: dict[str, Any]) -> Any:
        maps = np.zeros((n, f, out, out))
        for s in range(n):
            for c in range(f):
                for i in range(out):
                    for j in range(out):
                        maps[s, c, i, j] = np.sum(X[s, :, i : i + 3, j : j + 3] * p["K"][c]) + p["k"][c]
        return cross_entropy(np.tanh(np.tanh(maps).reshape(n, -1) @ p["W"]) @ p["V"], labels)

    return parameters, cost


class TwoLayers:
    """A class in the style of course code, its products methods of plain arrays."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.X, self.y = rng.standard_normal((20, 10)), rng.integers(0, 5, 20)
        self.parameters = {
            "W1": 0.5 * rng.standard_normal((10, 18)),
            "b1": 0.1 * rng.standard_normal(18),
            "W2": 0.5 * rng.standard_normal((18, 5)),
            "b2": 0.1 * rng.standard_normal(5),
        }

    def loss(self, p: dict[str, Any]) -> Any:
        hidden = np.maximum(0, self.X.dot(p["W1"]) + p["b1"])
        scores = hidden.dot(p["W2"]) + p["b2"]
        return cross_entropy(scores, self.y) + 0.05 * (np.sum(p["W1"] ** 2) + np.sum(p["W2"] ** 2))


def classes() -> Network:
    """10-18-5 in a class, 20 samples."""
    network = TwoLayers()
    return network.parameters, network.loss


def perceptron(*sizes: int, samples: int = 64) -> Callable[[], Network]:
    """Return a network of ReLU layers and softmax with samples in rows."""

    def build() -> Network:
        rng = np.random.default_rng(0)
        X, labels = rng.standard_normal((samples, sizes[0])), rng.integers(0, sizes[-1], samples)
        parameters: dict[str, np.ndarray] = {}
        for k, (before, after) in enumerate(itertools.pairwise(sizes)):
            parameters[f"W{k}"] = rng.standard_normal((before, after)) * np.sqrt(2 / before)
            parameters[f"b{k}"] = 0.1 * rng.standard_normal(after)

        def cost(p: dict[str, Any]) -> Any:
            A = X
            for k in range(len(sizes) - 1):
                A = A @ p[f"W{k}"] + p[f"b{k}"]
                A = A if k == len(sizes) - 2 else np.maximum(A, 0)
            return cross_entropy(A, labels)

        return parameters, cost

    build.__doc__ = "-".join(map(str, sizes)) + f", ReLU, {samples} samples."
    return build


NETWORKS: dict[str, Callable[[], Network]] = {
    "LSTM": lstm,
    "tanh and layer normalisation": layer_normalisation,
    "transformer block": transformer,
    "convolution by im2col": im2col,
    "convolution by loops": loops,
    "class-style course network": classes,
    "784-128-64-1": perceptron(784, 128, 64, 2),
    "784-1024-10": perceptron(784, 1024, 10),
}


def measure(build: Callable[[], Network]) -> tuple[str, ...]:
    """Return the cells of a row: parameters, times of a forward pass and of the engines, ratios, and accuracy."""
    parameters, cost = build()
    count = sum(x.size for x in parameters.values())
    rng = np.random.default_rng(1)
    claim = {
        name: slopes
        * (1 + 2.0**-50 * rng.uniform(-1, 1, slopes.shape))  # as another order of summing up would have it
        for name, slopes in numerical_gradient(cost, parameters, method="difference").items()
    }
    forward, whole, report = [], [], None
    for _ in range(REPEATS):
        with one_blas_thread():
            begun = time.process_time()
            for _ in range(3):
                cost(parameters)
            forward.append((time.process_time() - begun) / 3)
        begun = time.process_time()
        report = check(cost, parameters, claim, method="difference", progress=False)
        whole.append(time.process_time() - begun)
    assert report is not None
    assert report.passed
    found = re.match(r"every slope within (\S+) of its block.*?(?:agrees to (\S+))?$", report.certified or "")
    assert found is not None
    ours, pass_ = statistics.median(whole), statistics.median(forward)
    return (
        f"{count:,}",
        shown(pass_),
        shown(ours),
        f"{ours / pass_:.0f}",
        f"{2 * count * pass_ / ours:,.0f}",
        shown(2 * count * pass_),
        f"{error(parameters, cost, claim):.0e}",
        found[1],
        found[2] or "by block",
    )


def error(parameters: dict[str, np.ndarray], cost: Cost, claim: dict[str, np.ndarray]) -> float:
    """Return the relative difference between slopes and finite differences sent forwards, in a few coordinates."""
    problem = pose(cost, parameters, claim)
    plan = make_plan(problem.layout, problem.theta, SAMPLED, STEP, 0)
    with EngineRun(choose_engine("difference"), problem, plan, Execution(progress=False)) as run:
        return Comparison.joined(
            Comparison.of(estimate.slopes.central[estimate.at_step[0]], estimate.at_step[1])
            for estimate in run
            if estimate.at_step is not None
        ).difference


def shown(seconds: float) -> str:
    """Return a time with its unit."""
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:,.3g} s"


def main() -> None:
    """Measure, write the page, and print it."""
    rows = [(name, *measure(build)) for name, build in NETWORKS.items()]
    head = (
        "network",
        "parameters",
        "forward pass",
        "check, all coordinates",
        "in forward passes",
        "× the loop",
        "the loop",
        "error",
        "certified",
        "cost agrees",
    )
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    lines.insert(1, "| --- |" + " ---: |" * (len(head) - 1))
    docs = "\n".join(
        f"* {name}: {' '.join((build.__doc__ or '').split())}" for name, build in NETWORKS.items()
    )
    text = (
        "# Difference propagation: all coordinates, on networks of many kinds\n\n"
        f"Processor seconds of `check`, certificates included, medians of {REPEATS}, BLAS on one thread; the loop\n"
        "takes two forward passes a coordinate. *error* is the difference between the slopes and finite differences\n"
        f"sent forwards one by one, in {SAMPLED} coordinates of each block, *certified* the relative bound on every\n"
        "block at 1 − 1e-9, *cost agrees* how far the cost itself confirms the recorded one. Made by\n"
        "`python -m benchmarks.proposing`; [why you can trust it](../why-you-can-trust-it.md).\n\n"
        + "\n".join(lines)
        + "\n\n"
        + docs
        + "\n"
    )
    PAGE.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
