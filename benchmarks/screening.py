"""Screening time against parameters, in units of the user's own forward and backward pass, from 1e3 to 1e7 parameters.

And what screening and locating cost on three networks, with all slopes found at once and by plain evaluation.

``python -m benchmarks.screening`` measures and writes docs/results/screening.svg and screening.md. Needs the extra
``plots``; if PyTorch is installed, its fast gradcheck is measured on the same network, in turn with screening.
"""

from __future__ import annotations

import functools
import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.proposing import lstm
from benchmarks.zoo.networks.perceptron import Perceptron, Shape
from fastcheck import Report, course, locate, numerical_gradient, screen
from fastcheck.workers.library_threads import one_blas_thread

RESULTS = Path(__file__).parent.parent / "docs" / "results"
SAMPLES = 64
SIZES = (
    (12, 32, 10),
    (48, 64, 10),
    (256, 96, 10),
    (784, 300, 10),
    (1024, 1024, 10),
    (3072, 1024, 10),
    (3072, 2560, 1024, 10),
)
"""Units of the layers; softmax, L2, 64 samples."""

PEER = (784, 300, 10)
"""The network on which PyTorch is measured, too."""

REPEATED = 9
EVALUATED = 20
"""Forward passes that are timed together."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was measured on one network: medians of seconds, and the largest relative bound of a block."""

    sizes: tuple[int, ...]
    parameters: int
    user: float
    screening: float
    failing: float
    bound: float
    forward_passes: int
    method: str
    peer: float | None


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one call took: forward passes by its own count, and seconds over those of one forward pass."""

    network: str
    parameters: int
    call: str
    method: str
    passes: int
    seconds: float
    times: float
    checked: int


def network(sizes: tuple[int, ...]) -> Perceptron:
    """Return the user's network: features × samples, plain NumPy."""
    return Perceptron(Shape(sizes=sizes, samples=SAMPLES, loss="softmax", lambd=0.1), seed=0)


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of processor time that one call takes on one thread, and what it returns."""
    with one_blas_thread():
        start = time.process_time()
        result = function()
        return time.process_time() - start, result


def measure(sizes: tuple[int, ...]) -> Row:
    """Measure in turn: the user's passes, screening of a right and of a wrong gradient, and the peer."""
    net = network(sizes)
    gradients = net.backward(net.parameters)
    wrong = gradients | {"W1": gradients["W1"].copy()}
    wrong["W1"][3] *= -1

    def passed(claim: Any) -> Report:
        return screen(net.cost, net.parameters, claim, progress=False)

    # The backward pass of the zoo runs the forward pass itself.
    jobs: list[Callable[[], Any]] = [
        lambda: net.backward(net.parameters),
        lambda: passed(gradients),
        lambda: passed(wrong),
    ]
    if sizes == PEER and importlib.util.find_spec("torch"):
        jobs.append(torch_gradcheck(net))
    for job in jobs[1:]:
        job()
    repeated = REPEATED if sum(np.size(value) for value in gradients.values()) < 1e6 else 3
    times = [[timed(job)[0] for job in jobs] for _ in range(repeated)]
    user, screening, failing, *peer = (statistics.median(column) for column in zip(*times, strict=True))
    report = passed(gradients)
    assert report.passed
    assert not passed(wrong).passed
    return Row(
        sizes=sizes,
        parameters=report.size,
        user=user,
        screening=screening,
        failing=failing,
        bound=max(block.screened.relative_bound for block in report.blocks.values() if block.screened),
        forward_passes=report.forward_passes,
        method=report.method,
        peer=peer[0] if peer else None,
    )


def torch_gradcheck(net: Perceptron) -> Callable[[], Any]:
    """Return PyTorch's fast gradcheck of the same cost."""
    import torch

    torch.set_num_threads(1)
    X, Y = torch.tensor(net.X), torch.tensor(net.Y)
    leaves = [torch.tensor(value, requires_grad=True) for value in net.parameters.values()]

    def cost(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        scores = W2 @ torch.relu(W1 @ X + b1) + b2
        penalty = (W1**2).sum() + (W2**2).sum()
        loss = -(Y * torch.log_softmax(scores, 0)).sum() / SAMPLES
        return loss + net.shape.lambd / (2 * SAMPLES) * penalty

    return lambda: torch.autograd.gradcheck(cost, leaves, fast_mode=True)


def evaluate(cost: Callable[[Any], Any], parameters: Any) -> None:
    """Run some forward passes."""
    for _ in range(EVALUATED):
        cost(parameters)


def three_networks() -> dict[str, tuple[Callable[[Any], Any], dict[str, Any], dict[str, Any]]]:
    """Return costs, parameters and right gradients of a perceptron, an LSTM, and the network of the courses."""
    perceptron = network((784, 128, 10))
    parameters, cost = lstm()
    theta, claim, X, Y = course.gradient_check_n_solved_case()
    return {
        "784-128-10, ReLU, softmax": (
            perceptron.cost,
            perceptron.parameters,
            perceptron.backward(perceptron.parameters),
        ),
        "LSTM, 64 units, 20 steps": (cost, parameters, numerical_gradient(cost, parameters)),
        "the network of the courses": (
            lambda p: course.forward_propagation_n(X, Y, p)[0],
            theta,
            {name: claim[f"d{name}"] for name in theta},
        ),
    }


def looks() -> list[Look]:
    """Measure `screen` and `locate` on these networks, both ways, the calls in turn with forward passes."""
    found = []
    for name, (cost, parameters, claim) in three_networks().items():
        first = next(iter(parameters))
        wrong = {key: np.array(value) for key, value in claim.items()}
        wrong[first].flat[int(np.argmax(np.abs(wrong[first])))] *= 1.001
        for title, call, gradients in (
            ("`screen`, right", screen, claim),
            ("`screen`, one coordinate wrong", screen, wrong),
            ("`locate`, one coordinate wrong", locate, wrong),
        ):
            for method in ("difference", "plain"):
                asked = functools.partial(call, cost, parameters, gradients, method=method, progress=False)
                report = asked()
                evaluated = functools.partial(evaluate, cost, parameters)
                pairs = [(timed(asked)[0], timed(evaluated)[0] / EVALUATED) for _ in range(REPEATED)]
                seconds, forward = (statistics.median(column) for column in zip(*pairs, strict=True))
                found.append(
                    Look(
                        network=name,
                        parameters=report.size,
                        call=title,
                        method=report.method,
                        passes=report.forward_passes,
                        seconds=seconds,
                        times=seconds / forward,
                        checked=report.checked,
                    )
                )
    return found


def plot(rows: list[Row], path: Path) -> None:
    """Draw the ratio to the user's passes, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "fastcheck"
    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    parameters = [row.parameters for row in rows]
    for label, ratio, style in (
        ("a right gradient", [row.screening / row.user for row in rows], "o-"),
        ("a gradient with one row negated", [row.failing / row.user for row in rows], "s--"),
    ):
        axes.loglog(parameters, ratio, style, label=label)
    axes.axhline(20, color="0.6", linewidth=0.8)
    axes.set_xlabel("parameters")
    axes.set_ylabel("screening / (forward + backward pass)")
    axes.set_title("ReLU and softmax, L2, 64 samples, the user's NumPy code")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})


def page(rows: list[Row], three: list[Look]) -> str:
    """Return the table as Markdown."""
    lines = [
        "# Screening: time against parameters",
        "",
        "ReLU layers, softmax and L2 on 64 samples, in the user's own NumPy code; float64. All coordinates are",
        "compared. Processor time on one thread; the user's forward and backward pass is measured in turn with",
        "screening. Made by `python -m benchmarks.screening`. [How it works](../screening.md).",
        "",
        "![screening time in units of a forward and backward pass](screening.svg)",
        "",
        "| layers | parameters | forward + backward | screening | ratio | row negated | relative bound | passes | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {'-'.join(map(str, row.sizes))} | {row.parameters:,} | {1e3 * row.user:,.1f} ms | "
        f"{1e3 * row.screening:,.1f} ms | {row.screening / row.user:.0f} | {1e3 * row.failing:,.0f} ms | "
        f"{row.bound:.0e} | {row.forward_passes} | `{row.method}` |"
        for row in rows
    ]
    for row in rows:
        if row.peer is not None:
            lines += [
                "",
                f"On {'-'.join(map(str, row.sizes))}, in turn with these, "
                f"`torch.autograd.gradcheck(fast_mode=True)` takes {1e3 * row.peer:.0f} ms: "
                "one direction through all blocks, and a tolerance of 1e-3.",
            ]
    lines += [
        "",
        "## All coordinates, or random directions by plain evaluation",
        "",
        "Both on three networks: coordinates compared one by one, forward passes counted, time of the call, and in",
        "times of one forward pass.",
        "",
        "| network | call | | coordinates | passes | time | forward passes' time |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {one.network} ({one.parameters:,}) | {one.call} | `{one.method}` | {one.checked:,} | {one.passes} | "
        f"{1e3 * one.seconds:,.1f} ms | {one.times:,.0f} |"
        for one in three
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, write the page and the plot, and print the table."""
    rows = []
    for sizes in SIZES:
        rows.append(measure(sizes))
        row = rows[-1]
        print(
            f"{row.parameters:>12,}: {1e3 * row.screening:8.1f} ms, {row.screening / row.user:5.1f} times "
            f"{1e3 * row.user:.1f} ms"
        )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "screening.md").write_text(page(rows, looks()))
    plot(rows, RESULTS / "screening.svg")


if __name__ == "__main__":
    main()
