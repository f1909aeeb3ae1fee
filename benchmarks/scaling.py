"""Time against parameters: `check_mlp` and the reference loop, from 1e3 to 1e7 parameters.

``python -m benchmarks.scaling`` measures and writes docs/results/scaling.svg and scaling.md. Needs the extra
``plots``.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.test_benchmark_mlp import Network, loop_seconds
from fastcheck import check_mlp

RESULTS = Path(__file__).parent.parent / "docs" / "results"

WIDTHS = (
    (12, 32, 16),
    (48, 64, 32),
    (256, 96, 64),
    (784, 128, 64),
    (1024, 512, 256),
    (3072, 1024, 512),
    (3072, 2560, 1024),
)
"""Units of X and of the two hidden layers; one output, 64 samples."""


def measure(network: Network) -> tuple[int, float, float, float]:
    """Return parameters, seconds of a check and of the loop, and the true error."""
    model, parameters, X, Y = network.build()
    gradients = model.gradients(parameters, X, Y)
    times, report = [], None
    for _ in range(5):
        start = time.perf_counter()
        report = check_mlp(parameters, gradients, X, Y, activations=network.activations, progress=False)
        times.append(time.perf_counter() - start)
    assert report is not None
    assert report.passed
    return report.checked, statistics.median(times), loop_seconds(network), report.difference


def plot(rows: list[tuple[int, float, float, float]], path: Path) -> None:
    """Draw both times against the parameters, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "fastcheck"
    parameters, ours, loop, _ = map(np.array, zip(*rows, strict=True))
    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    axes.loglog(parameters, loop, "o--", color="0.45", label="reference loop (extrapolated from a sample)")
    axes.loglog(parameters, ours, "o-", color="tab:blue", label="check_mlp, every coordinate")
    axes.set_xlabel("parameters")
    axes.set_ylabel("seconds for a full check")
    axes.set_title("Three layers, ReLU and sigmoid, 64 samples")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})


def page(rows: list[tuple[int, float, float, float]]) -> str:
    """Return the table as Markdown."""
    lines = [
        "# Time against parameters",
        "",
        "Three layers, ReLU and sigmoid, 64 samples, float64, one thread; all coordinates, the default step, right",
        "gradient. The loop is extrapolated from a sample measured in the same run. Made by",
        "`python -m benchmarks.scaling`.",
        "",
        "![seconds against parameters](scaling.svg)",
        "",
        "| parameters | check_mlp | reference loop | ratio | time per parameter | difference |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for parameters, ours, loop, error in rows:
        lines.append(
            f"| {parameters:,} | {1e3 * ours:,.1f} ms | {loop:,.1f} s | {loop / ours:,.0f} | "
            f"{1e9 * ours / parameters:,.0f} ns | {error:.0e} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, write the page and the plot, and print the table."""
    rows: list[Any] = []
    for widths in WIDTHS:
        rows.append(measure(Network(activations=("relu", "relu", "sigmoid"), sizes=(*widths, 1))))
        print(f"{rows[-1][0]:>12,} parameters: {1e3 * rows[-1][1]:.1f} ms, loop {rows[-1][2]:.1f} s")
    RESULTS.mkdir(exist_ok=True)
    plot(rows, RESULTS / "scaling.svg")
    (RESULTS / "scaling.md").write_text(page(rows))


if __name__ == "__main__":
    main()
