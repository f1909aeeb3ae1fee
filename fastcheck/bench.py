"""``fastcheck bench``: speed and accuracy on this machine, against the naive loop, in one run.

The networks here are those of the folder benchmarks, which measures the same with pytest-benchmark.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fastcheck import course
from fastcheck.checks import check
from fastcheck.engines.mlp.three_layer import ThreeLayerCost
from fastcheck.execution import one_blas_thread
from fastcheck.report.result import Report
from fastcheck.report.text import make_console


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A three-layer network to measure on, and the coordinates to check (as for `check`)."""

    sizes: tuple[int, int, int, int]
    samples: int
    coordinates: Any = "all"

    @property
    def name(self) -> str:
        """The units of each layer: ``20-25-15-1``."""
        return "-".join(map(str, self.sizes))

    def build(self) -> tuple[dict[str, Any], dict[str, Any], Any, Any]:
        """Return parameters, right gradients, X and Y; the same ones every time."""
        rng = np.random.default_rng(0)
        parameters = {}
        for layer, (n_in, n_out) in enumerate(zip(self.sizes[:-1], self.sizes[1:], strict=True), start=1):
            parameters[f"W{layer}"] = rng.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in)
            parameters[f"b{layer}"] = 0.1 * rng.standard_normal((n_out, 1))
        X = rng.standard_normal((self.sizes[0], self.samples))
        Y = (rng.random((self.sizes[-1], self.samples)) < 0.5).astype(float)
        _, cache = course.forward_propagation_n(X, Y, parameters)
        return parameters, course.backward_propagation_n(X, Y, cache), X, Y


NETWORKS = (
    Network(sizes=(4, 5, 3, 1), samples=3),
    Network(sizes=(20, 25, 15, 1), samples=64),
    Network(sizes=(64, 64, 32, 1), samples=64),
    Network(
        sizes=(784, 128, 64, 1),
        samples=64,
        coordinates={"W1": 200, "b1": 20, "W2": 50, "b2": 20, "W3": 20, "b3": 1},
    ),
)
"""The course's network, two small ones in full, and a sample of a large one."""

METHODS: dict[str, dict[str, Any]] = {
    "reference loop": {"method": "reference"},
    "plain": {"method": "plain"},
    "plain, batched": {"method": "plain", "batched": True},
    "plain, batched, 2 threads": {"method": "plain", "batched": True, "n_jobs": 2},
    "difference propagation": {"method": "difference"},
    "kernels": {"method": "mlp"},
}
"""The rows for each network: options of `check`, and whether the cost offers batches."""

REPEATS = 5


def make_check(network: Network, *, batched: bool = False, **options: Any) -> Callable[[], Report]:
    """Return a function of nothing that checks the right gradient of a network."""
    parameters, gradients, X, Y = network.build()
    cost: Callable[[Any], Any] = lambda p: course.forward_propagation_n(X, Y, p)[0]  # noqa: E731
    if batched:
        cost = ThreeLayerCost(X, Y, network.sizes)
    options = {"coordinates": network.coordinates, "progress": False, **options}
    return lambda: check(cost, parameters, gradients, **options)


def forward_pass_seconds(network: Network) -> float:
    """Return the median wall time of one forward pass of the NumPy code, on one thread."""
    parameters, _, X, Y = network.build()
    with one_blas_thread():
        return _median(lambda: course.forward_propagation_n(X, Y, parameters), 50)[0]


def run_bench(console: Console | None = None) -> None:
    """Measure every network with every method and print the table; takes well under a minute."""
    console = console or make_console()
    console.print(
        Text(
            "ms: median wall time of a whole check. passes: that time for each parameter, in\n"
            "forward passes of the NumPy code; 2 by definition for the loop. error: relative\n"
            "difference between the numerical gradient and the true one.\n"
        )
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("network")
    for title in ("checked", "method", "ms", "passes", "× loop", "error"):
        table.add_column(title, justify="left" if title == "method" else "right")
    for network in NETWORKS:
        one_pass = forward_pass_seconds(network)
        loop = 0.0
        for name, options in METHODS.items():
            run = make_check(network, **options)
            run()
            seconds, report = _median(run, REPEATS)
            loop = loop or seconds
            passes = 2.0 if options["method"] == "reference" else seconds / one_pass / report.checked
            table.add_row(
                network.name if options["method"] == "reference" else "",
                f"{report.checked:,}" if options["method"] == "reference" else "",
                name,
                f"{1e3 * seconds:.1f}",
                f"{passes:.2f}",
                f"{loop / seconds:.1f}",
                f"{report.difference:.0e}",
            )
    console.print(table)


def _median(function: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the median wall time of several calls, and the last result."""
    times, result = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result
