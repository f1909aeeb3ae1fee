"""``fastcheck bench``: speed and accuracy on this machine, against the naive loop, in one run.

The networks here are those of the folder benchmarks, which measures the same with pytest-benchmark.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from fastcheck import course
from fastcheck.checks.check import check
from fastcheck.mlp.three_layer import ThreeLayerCost
from fastcheck.report.console import make_console
from fastcheck.report.result import Report
from fastcheck.workers.library_threads import one_blas_thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A three-layer network to measure on, and the coordinates to check (as for `check`)."""

    sizes: tuple[int, int, int, int]
    samples: int
    coordinates: Any = "all"

    @property
    def checked(self) -> int:
        """The number of coordinates to check."""
        if isinstance(self.coordinates, dict):
            return sum(self.coordinates.values())
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.sizes))

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

ROWS: dict[str, dict[str, Any]] = {
    "reference loop": {"method": "reference"},
    "plain": {"method": "plain"},
    "plain, batched": {"method": "plain", "batched": True},
    "plain, batched, 2 threads": {"method": "plain", "batched": True, "n_jobs": 2},
    "difference propagation": {"method": "difference"},
}
"""The rows for each network: options of `check`, and whether the cost offers batches."""

REFERENCE_LOOP = "reference loop"
"""The row that the others are compared with."""

ROWS_OF_TWO_PASSES = {REFERENCE_LOOP, "plain"}
"""Rows of which each parameter takes two forward passes."""

MOST_REPEATS = 5
"""Runs of a row after the first, which warms up."""

TIME_LIMIT = 45.0
"""Seconds of all rows, of the minute that the whole command may take."""

ROW_FORMAT = "{:<16}{:>7}  {:<25}{:>8}{:>8}{:>8}{:>6}"
"""One row: 80 columns at most."""


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


def run_bench(console: Console | None = None, limit: float = TIME_LIMIT) -> None:
    """Measure every network with every method, and print each row as soon as it is known.

    No row begins that is not expected to end within ``limit`` seconds, and it is repeated as long as its share of them
    lasts: the first run of a row counts if there is no time for another.
    """
    console, clock = console or make_console(), _Clock(limit, len(NETWORKS) * len(ROWS))
    console.print(
        Text(
            "ms: median wall time of a whole check. passes: that time for each parameter, in\n"
            "forward passes of the NumPy code; 2 by definition for the loop. error: relative\n"
            "difference between the numerical gradient and the true one.\n"
            "Compiling what is compiled, and then measuring:\n"
        )
    )
    for options in ROWS.values():
        make_check(NETWORKS[0], **options)()
    console.print(
        Text(ROW_FORMAT.format("network", "checked", "method", "ms", "passes", "× loop", "error").rstrip())
    )
    for network in NETWORKS:
        one_pass, loop = forward_pass_seconds(network), math.nan
        for name, options in ROWS.items():
            is_first = name == REFERENCE_LOOP
            title = (network.name, f"{network.checked:,}") if is_first else ("", "")
            least = 2 * one_pass * network.checked if name in ROWS_OF_TWO_PASSES else 0.0
            measured = clock.measured(make_check(network, **options), least)
            if measured is None:
                console.print(Text(f"{title[0]:<16}{title[1]:>7}  {name:<25}not measured: no time was left"))
                continue
            seconds, report = measured
            loop = seconds if is_first else loop
            passes = 2.0 if is_first else seconds / one_pass / report.checked
            times = "" if math.isnan(loop) else f"{loop / seconds:.1f}"
            row = f"{1e3 * seconds:.1f}", f"{passes:.2f}", times, f"{report.difference:.0e}"
            console.print(Text(ROW_FORMAT.format(*title, name, *row)))


class _Clock:
    """Shares out the seconds of a row of measurements."""

    def __init__(self, limit: float, rows: int) -> None:
        self.end, self.rows = time.perf_counter() + limit, rows

    @property
    def left(self) -> float:
        """The seconds left."""
        return self.end - time.perf_counter()

    def measured(self, run: Callable[[], Report], least: float) -> tuple[float, Report] | None:
        """Return the median wall time of a run and its result, None if not even one of ``least`` seconds fits."""
        share, self.rows = self.left / self.rows, self.rows - 1
        if self.left <= least:
            return None
        begun = time.perf_counter()
        first, report = _median(run, 1)
        repeats = int(min(MOST_REPEATS, (begun + share - time.perf_counter()) / max(first, 1e-9)))
        return _median(run, repeats) if repeats > 0 else (first, report)


def _median(function: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the median wall time of several calls, and the last result."""
    times, result = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result
