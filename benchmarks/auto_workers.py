"""What n_jobs="auto" takes, beside one worker and beside two processes that are always started.

    python -m benchmarks.auto_workers            costs of 10 µs to 50 ms, 50 to 2,000 coordinates
    python -m benchmarks.auto_workers --most 5   only those that take one worker so many seconds

Costs keep a core busy. Each time is the least of a few, taken in turns: other programs may use the cores meanwhile.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from fastcheck import check
from fastcheck.execution import WORKERS_PAY_AFTER

SECONDS = (1e-5, 1e-4, 1e-3, 1e-2, 5e-2)
"""Seconds of an evaluation."""

COORDINATES = (50, 200, 1000, 2000)

TIMES = 3
"""Times that each is measured."""

MOST_SECONDS = 30.0
"""Seconds that one worker takes at most."""


class Row(NamedTuple):
    """Seconds of a check: with one worker, with two processes that are started whatever there is to do, by itself."""

    evaluation: float
    coordinates: int
    alone: float
    processes: float
    auto: float

    @property
    def loss(self) -> float:
        """How much longer it takes by itself than the better of both, as a share of that."""
        return self.auto / min(self.alone, self.processes) - 1

    def __str__(self) -> str:
        """Return a row of the table."""
        return (
            f"{1e3 * self.evaluation:9.2f} ms {self.coordinates:6,d} {self.alone:9.3f} s {self.processes:9.3f} s "
            f"{self.auto:9.3f} s {100 * self.loss:+7.0f} %"
        )


class Busy:
    """A cost that takes so many seconds of a core."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, w: NDArray[np.float64]) -> float:
        """Return Σ w², later."""
        end = time.process_time() + self.seconds
        value = float(w @ w)
        while time.process_time() < end:
            pass
        return value


def measured(seconds: float, coordinates: int, times: int = TIMES) -> Row:
    """Measure one cost with so many coordinates."""
    cost, w = Busy(seconds), np.linspace(0.1, 1.0, coordinates)
    ways: dict[str, Callable[[], Any]] = {
        "alone": lambda: check(cost, w, 2 * w, method="plain", n_jobs=1),
        "processes": lambda: _always(lambda: check(cost, w, 2 * w, method="plain", n_jobs=2)),
        "auto": lambda: check(cost, w, 2 * w, method="plain", n_jobs="auto"),
    }
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(times):
        for name, way in ways.items():
            start = time.perf_counter()
            assert way().passed
            least[name] = min(least[name], time.perf_counter() - start)
    return Row(seconds, coordinates, **least)


def _always(way: Callable[[], Any]) -> Any:
    """Have workers started, whatever there is to do."""
    with mock.patch.dict(WORKERS_PAY_AFTER, dict.fromkeys(WORKERS_PAY_AFTER, 0.0)):
        return way()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument(
        "--most", type=float, default=MOST_SECONDS, help="seconds that one worker takes at most"
    )
    parser.add_argument("--times", type=int, default=TIMES, help="times that each is measured")
    arguments = parser.parse_args()
    print("   one J(θ)    n   one worker  processes       auto   beyond the better")
    for seconds in SECONDS:
        for coordinates in COORDINATES:
            if 2 * coordinates * seconds <= arguments.most:
                print(measured(seconds, coordinates, arguments.times), flush=True)


if __name__ == "__main__":
    main()
