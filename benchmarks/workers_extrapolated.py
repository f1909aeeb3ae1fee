"""What the model and the simulation say of clusters that nobody measured: tables and a figure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workers_model import predict, with_workers
from benchmarks.workers_simulation import Cluster, Work, simulate

LINK: dict[str, Any] = {
    "latency": 1e-3,
    "per_byte": 1e-9,
    "once_per_byte": 0.0,
    "variation": 0.1,
    "failures": 1e-3,
    "restart": 60.0,
}
"""What is assumed of a cluster: a link of 1 GB/s, evaluations that vary by 10 %, one failure in 1,000 hours."""

PAYLOAD = 1e7
WORKERS = (2, 64, 1024)
COORDINATES = (100, 1_000, 10_000, 100_000)
SECONDS = (0.01, 0.1, 1.0, 10.0)
DAY = 86_400.0
WORTH = 0.5
"""Share of the workers' time that goes into evaluations, from which on they are worthwhile."""

Cuts = Callable[..., Work]
"""Returns the tasks of a check: of so many coordinates, and seconds of an evaluation."""


def speed_up(cluster: Cluster, work: Work) -> float:
    """Return how many times faster than serial evaluation a check is, simulated."""
    return work.serial / simulate(work, cluster, np.random.default_rng(0)).seconds


def speed_ups(cluster: Cluster, cuts: Cuts) -> list[str]:
    """Return a table of speed-ups: workers and seconds of an evaluation, by coordinates."""
    lines = [
        f"| workers | one evaluation | {' | '.join(f'{n:,} coordinates' for n in COORDINATES)} |",
        "| ---: | ---: |" + " ---: |" * len(COORDINATES),
    ]
    for workers in WORKERS:
        some = with_workers(cluster, workers)
        for seconds in SECONDS:
            cells = [_times(speed_up(some, cuts(n, seconds, payload=PAYLOAD))) for n in COORDINATES]
            lines.append(f"| {workers:,} | {_time(seconds)} | {' | '.join(cells)} |")
    return lines


def worthwhile(cluster: Cluster, cuts: Cuts) -> list[str]:
    """Return a table of the least and most coordinates that are worthwhile, by the model."""
    lines = [
        f"| one evaluation | {' | '.join(f'{workers:,} workers' for workers in WORKERS)} |",
        "| ---: |" + " ---: |" * len(WORKERS),
    ]
    for seconds in (1e-3, *SECONDS, 100.0):
        cells = [_range(with_workers(cluster, workers), cuts, seconds) for workers in WORKERS]
        lines.append(f"| {_time(seconds)} | {' | '.join(cells)} |")
    return lines


def at_most_a_day() -> list[str]:
    """Say what the empty cells mean."""
    return [
        "A dash: never. Tasks take a quarter of a second, or as long as one evaluation if that takes longer; if they",
        "end faster than the scheduler hands out new ones, more workers are of no use.",
    ]


def _range(cluster: Cluster, cuts: Cuts, seconds: float) -> str:
    """Return between which numbers of coordinates a check is worthwhile."""
    counts = np.unique(np.round(np.geomspace(1, 1e10, 2_000)).astype(int))
    good = [n for n in counts.tolist() if _is_worthwhile(cluster, cuts(n, seconds, payload=PAYLOAD))]
    return f"{_rounded(good[0])} – {_rounded(good[-1])}" if good else "–"


def _is_worthwhile(cluster: Cluster, work: Work) -> bool:
    taken = predict(work, cluster)
    return taken <= DAY and work.serial / (cluster.workers * taken) >= WORTH


def plot(cluster: Cluster, cuts: Cuts, path: Path) -> None:
    """Draw speed-up against coordinates, a panel for each number of workers."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "fastcheck"
    figure, panels = plt.subplots(1, len(WORKERS), figsize=(9.6, 3.6), layout="constrained")
    counts = np.unique(np.round(np.geomspace(10, 1e5, 25)).astype(int)).tolist()
    for panel, workers in zip(panels, WORKERS, strict=True):
        some = with_workers(cluster, workers)
        for seconds, color in zip(SECONDS, ("tab:red", "tab:orange", "tab:green", "tab:blue"), strict=True):
            found = [speed_up(some, cuts(n, seconds, payload=PAYLOAD)) for n in counts]
            panel.loglog(counts, found, color=color, label=f"{_time(seconds)} an evaluation")
        panel.axhline(workers, color="0.6", linestyle=":")
        panel.set_title(f"{workers:,} workers")
        panel.set_xlabel("coordinates")
        panel.grid(True, which="major", alpha=0.3)
    panels[0].set_ylabel("times faster than serial")
    panels[0].legend()
    figure.savefig(path, metadata={"Date": None})


def _time(seconds: float) -> str:
    return f"{1e3 * seconds:g} ms" if seconds < 1 else f"{seconds:g} s"


def _times(factor: float) -> str:
    """Return a factor to three digits."""
    return f"{factor:,.0f}" if factor >= 100 else f"{factor:.3g}"


def _rounded(count: int) -> str:
    """Return a number to two digits: the model knows no more."""
    return f"{float(f'{count:.2g}'):,.0f}"
