"""Time of a check in forward passes, from a hundred parameters to ten million, for networks of four kinds.

``python -m benchmarks.growing`` measures and writes docs/results/growing.svg and growing.md. Needs the extra ``plots``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.proposing import Network, cross_entropy, sigmoid
from fastcheck import check, numerical_gradient
from fastcheck.workers.library_threads import one_blas_thread

RESULTS = Path(__file__).parent.parent / "docs" / "results"
SAMPLES = 16


def perceptron(width: int) -> Network:
    """Three layers of one width and ten classes, ReLU."""
    rng = np.random.default_rng(0)
    X, labels = rng.standard_normal((SAMPLES, width)), rng.integers(0, 10, SAMPLES)
    sizes = (width, width, width, 10)
    p = {f"W{k}": rng.standard_normal(sizes[k : k + 2]) * np.sqrt(2 / sizes[k]) for k in range(3)}

    def cost(p: Any) -> Any:
        hidden = np.maximum(X @ p["W0"], 0)
        return cross_entropy(np.maximum(hidden @ p["W1"], 0) @ p["W2"], labels)

    return p, cost


def convolution(filters: int) -> Network:
    """Two layers of 3 × 3 filters by im2col on images of 8 × 8, pooling over the image, ten classes."""
    rng = np.random.default_rng(0)
    X, labels = rng.standard_normal((SAMPLES, 3, 8, 8)), rng.integers(0, 10, SAMPLES)
    p = {
        "F": rng.standard_normal((27, filters)) / np.sqrt(27),
        "G": rng.standard_normal((9 * filters, filters)) / np.sqrt(9 * filters),
        "W": rng.standard_normal((filters, 10)) / np.sqrt(filters),
    }

    def convolved(x: Any, F: Any) -> Any:
        windows = sliding_window_view(x, (3, 3), axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)
        return np.maximum(windows.reshape(*windows.shape[:3], -1) @ F, 0).transpose(0, 3, 1, 2)

    def cost(p: Any) -> Any:
        return cross_entropy(convolved(convolved(X, p["F"]), p["G"]).mean(axis=(2, 3)) @ p["W"], labels)

    return p, cost


def lstm(hidden: int) -> Network:
    """As many inputs as hidden units, 10 steps, ten classes."""
    rng = np.random.default_rng(0)
    X, labels = rng.standard_normal((SAMPLES, 10, hidden)), rng.integers(0, 10, SAMPLES)
    p = {
        "W": rng.standard_normal((2 * hidden, 4 * hidden)) / np.sqrt(2 * hidden),
        "V": rng.standard_normal((hidden, 10)) / np.sqrt(hidden),
    }

    def cost(p: Any) -> Any:
        h = c = np.zeros((SAMPLES, hidden))
        for t in range(X.shape[1]):
            z = np.concatenate([X[:, t], h], axis=1) @ p["W"]
            i, f, o = (sigmoid(z[:, k * hidden : (k + 1) * hidden]) for k in range(3))
            c = f * c + i * np.tanh(z[:, 3 * hidden :])
            h = o * np.tanh(c)
        return cross_entropy(h @ p["V"], labels)

    return p, cost


def attention(width: int) -> Network:
    """One head over 16 positions of 4 samples, and two layers after it."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((4, 16, width)), rng.standard_normal((4, 16, width))
    p = {name: rng.standard_normal((width, width)) / np.sqrt(width) for name in "qkvo"}
    p["W1"] = rng.standard_normal((width, 4 * width)) / np.sqrt(width)
    p["W2"] = rng.standard_normal((4 * width, width)) / np.sqrt(4 * width)

    def cost(p: Any) -> Any:
        q, k, v = X @ p["q"], X @ p["k"], X @ p["v"]
        scores = q @ k.swapaxes(-1, -2) / np.sqrt(width)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        x = X + (weights / weights.sum(axis=-1, keepdims=True)) @ v @ p["o"]
        return np.mean((x + np.tanh(x @ p["W1"]) @ p["W2"] - Y) ** 2)

    return p, cost


KINDS: dict[str, tuple[Callable[[int], Network], tuple[int, ...]]] = {
    "perceptron": (perceptron, (4, 16, 64, 256, 1024, 2236)),
    "convolution": (convolution, (2, 10, 33, 105, 333, 1054)),
    "LSTM": (lstm, (4, 11, 35, 112, 353, 1118)),
    "attention": (attention, (3, 9, 29, 91, 288, 913)),
}
"""What builds each, and the widths: 10² to 10⁷ parameters."""


def measure(build: Callable[[int], Network], width: int) -> tuple[int, float, float, float]:
    """Return parameters, seconds of a forward pass and of a check, and the difference that it found."""
    p, cost = build(width)
    count = sum(x.size for x in p.values())
    claim = {
        name: slopes * (1 + 2.0**-50 * np.cos(np.arange(float(slopes.size)).reshape(slopes.shape)))
        for name, slopes in numerical_gradient(cost, p, method="difference").items()
    }
    forward, whole = [], []
    for _ in range(5 if count < 3_000_000 else 3):
        with one_blas_thread():
            begun = time.process_time()
            for _ in range(3):
                cost(p)
            forward.append((time.process_time() - begun) / 3)
        begun = time.process_time()
        report = check(cost, p, claim, method="difference", progress=False)
        whole.append(time.process_time() - begun)
        assert report.passed
    return count, statistics.median(forward), statistics.median(whole), report.difference


def plot(rows: dict[str, list[tuple[int, float, float, float]]], path: Path) -> None:
    """Draw the time of a check in forward passes against the parameters, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "fastcheck"
    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    for name, measured in rows.items():
        counts = [row[0] for row in measured]
        axes.loglog(counts, [row[2] / row[1] for row in measured], "o-", label=name)
    counts = [row[0] for row in rows["perceptron"]]
    axes.loglog(counts, [2 * n for n in counts], "--", color="0.45", label="the loop: two a parameter")
    axes.set_xlabel("parameters, all of them checked")
    axes.set_ylabel("time of a check, in forward passes")
    axes.set_ylim(5, 3e4)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Measure, write the plot and the page, and print it."""
    rows = {name: [measure(build, width) for width in widths] for name, (build, widths) in KINDS.items()}
    plot(rows, RESULTS / "growing.svg")
    lines = ["| network | parameters | forward pass | check | in forward passes | difference |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, measured in rows.items():
        for count, forward, whole, difference in measured:
            lines.append(
                f"| {name} | {count:,} | {1e3 * forward:.3g} ms | {1e3 * whole:.3g} ms | {whole / forward:.0f} "
                f"| {difference:.0e} |"
            )
    docs = "\n".join(
        f"* {name}: {' '.join((build.__doc__ or '').split())}" for name, (build, _) in KINDS.items()
    )
    text = (
        "# Time of a check as networks grow\n\n"
        "Processor seconds of `check`, all coordinates, certificate included, BLAS on one thread,\n"
        f"{SAMPLES} samples. Small networks take what calls of Python take; larger ones some tens of forward passes,\n"
        "however large they are. Made by `python -m benchmarks.growing`.\n\n"
        "![time in forward passes against parameters](growing.svg)\n\n"
        + "\n".join(lines)
        + "\n\n"
        + docs
        + "\n"
    )
    (RESULTS / "growing.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
