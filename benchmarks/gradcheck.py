"""A check of every coordinate beside `torch.autograd.gradcheck` in its fast mode, on the same network in one run.

``python -m benchmarks.gradcheck`` measures and writes docs/results/gradcheck.md. Needs PyTorch.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.proposing import cross_entropy
from fastcheck import check

PAGE = Path(__file__).parent.parent / "docs" / "results" / "gradcheck.md"
REPEATS = 9
SAMPLES = 64
NETWORKS = ((784, 300, 10), (784, 128, 10), (784, 1024, 10))
ERRORS = (-1.0, 0.5, 0.1, 1e-2, 1e-3, 1e-4)
"""What one wrong coordinate is off by, relative to itself."""

Arrays = dict[str, np.ndarray]


class Network:
    """A perceptron with ReLU, softmax and cross-entropy: its cost and its gradient, by hand."""

    def __init__(self, sizes: tuple[int, int, int]) -> None:
        rng = np.random.default_rng(0)
        inputs, hidden, classes = sizes
        self.X, self.labels = rng.standard_normal((SAMPLES, inputs)), rng.integers(0, classes, SAMPLES)
        self.parameters: Arrays = {
            "W1": rng.standard_normal((inputs, hidden)) / np.sqrt(inputs),
            "b1": 0.1 * rng.standard_normal(hidden),
            "W2": rng.standard_normal((hidden, classes)) / np.sqrt(hidden),
            "b2": 0.1 * rng.standard_normal(classes),
        }

    def cost(self, p: Any) -> Any:
        hidden = np.maximum(self.X @ p["W1"] + p["b1"], 0)
        return cross_entropy(hidden @ p["W2"] + p["b2"], self.labels)

    def gradients(self, p: Arrays) -> Arrays:
        z = self.X @ p["W1"] + p["b1"]
        hidden = np.maximum(z, 0)
        scores = hidden @ p["W2"] + p["b2"]
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        d = e / e.sum(axis=1, keepdims=True)
        d[np.arange(SAMPLES), self.labels] -= 1
        d /= SAMPLES
        back = (d @ p["W2"].T) * (z > 0)
        return {"W1": self.X.T @ back, "b1": back.sum(0), "W2": hidden.T @ d, "b2": d.sum(0)}


def gradcheck(network: Network, claim: Arrays) -> bool:
    """Return whether `torch.autograd.gradcheck` in its fast mode accepts a gradient written by hand."""
    import torch

    names = list(network.parameters)
    X, labels = torch.from_numpy(network.X), torch.from_numpy(network.labels)

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *arrays: Any) -> Any:
            p = dict(zip(names, arrays, strict=True))
            hidden = torch.clamp(X @ p["W1"] + p["b1"], min=0)
            return torch.nn.functional.cross_entropy(hidden @ p["W2"] + p["b2"], labels)

        @staticmethod
        def backward(ctx: Any, upstream: Any) -> Any:
            return tuple(upstream * torch.from_numpy(claim[name]) for name in names)

    inputs = [torch.tensor(network.parameters[name], requires_grad=True) for name in names]
    return bool(torch.autograd.gradcheck(Loss.apply, inputs, fast_mode=True, raise_exception=False))


def seconds(run: Callable[[], Any]) -> float:
    """Return the median time of a call."""
    run()
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def smallest_found(network: Network, accepts: Callable[[Arrays], bool]) -> str:
    """Return the least error of one coordinate of W1, of typical size, that is found."""
    found = "none"
    for error in ERRORS:
        claim = {name: array.copy() for name, array in network.gradients(network.parameters).items()}
        flat = claim["W1"].reshape(-1)
        flat[int(np.argsort(np.abs(flat))[flat.size * 3 // 4])] *= 1 + error
        if accepts(claim):
            break
        found = f"× {1 + error:g}"
    return found


def measure(sizes: tuple[int, int, int]) -> tuple[str, ...]:
    """Return the cells of a row."""
    network = Network(sizes)
    p, claim = network.parameters, network.gradients(network.parameters)

    def ours(claim: Arrays) -> Any:
        return check(network.cost, p, claim, progress=False)

    report = ours(claim)
    assert report.passed
    assert gradcheck(network, claim)
    mine, theirs = seconds(lambda: ours(claim)), seconds(lambda: gradcheck(network, claim))
    return (
        "-".join(map(str, sizes)),
        f"{report.checked:,}",
        f"{1e3 * theirs:.3g} ms",
        f"{1e3 * mine:.3g} ms",
        f"{mine / theirs:.2f}",
        f"{report.difference:.0e}",
        smallest_found(network, lambda claim: ours(claim).passed),
        smallest_found(network, lambda claim: gradcheck(network, claim)),
    )


def main() -> None:
    """Measure, write the page, and print it."""
    import torch

    torch.set_num_threads(1)
    head = (
        "network",
        "parameters",
        "gradcheck, fast mode",
        "check",
        "ratio",
        "difference",
        "least error found",
        "by gradcheck",
    )
    lines = [f"| {' | '.join(row)} |" for row in (head, *map(measure, NETWORKS))]
    lines.insert(1, "| --- |" + " ---: |" * (len(head) - 1))
    text = (
        "# Beside `torch.autograd.gradcheck`\n\n"
        f"Perceptrons with ReLU and cross-entropy, {SAMPLES} samples, float64; the gradient is right. gradcheck's\n"
        "fast mode compares one random direction; `check` compares every coordinate. Wall time, medians of\n"
        f"{REPEATS}, one thread each, one process. *least error\n"
        f"found*: the smallest of {', '.join(f'× {1 + e:g}' for e in ERRORS)} in one coordinate of W1\n"
        "(larger than three quarters of them) that is found.\n"
        "Made by `python -m benchmarks.gradcheck`.\n\n" + "\n".join(lines) + "\n"
    )
    PAGE.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
