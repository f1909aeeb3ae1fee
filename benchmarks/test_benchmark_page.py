"""The page of large reports: its size, and the time to write it, at first with the record of the cost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks.zoo.networks.perceptron import Perceptron, Shape
from fastcheck import Report, check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture

MOST_BYTES = 5_000_000


Problem = tuple["Callable[[Any], Any]", "dict[str, Any]", "dict[str, Any]"]
"""Cost, parameters and claim."""


def large_problem() -> Problem:
    """Return eight million parameters in three blocks, with a right claim."""
    rng = np.random.default_rng(0)
    parameters = {"W1": rng.standard_normal((2000, 2000)), "W2": rng.standard_normal((2000, 1999))}
    parameters["b"] = rng.standard_normal(2000)
    claim = {name: 2 * array for name, array in parameters.items()}
    return lambda p: sum(np.sum(p[name] ** 2) for name in p), parameters, claim


def large_report() -> Report:
    """Return the report of the same with one row that is wrong."""
    cost, parameters, claim = large_problem()
    claim["W1"][17] *= -1
    return check(cost, parameters, claim, progress=False)


def course_report() -> Report:
    """Return that of the three-layer network of the course, the first weights of which are wrong."""
    net = Perceptron(Shape(sizes=(4, 5, 3, 1), samples=5), seed=0)
    claim = net.backward(net.parameters)
    claim["W1"] = 2 * claim["W1"]
    return check(net.cost, net.parameters, claim, progress=False)


def many_blocks_report() -> Report:
    """Return that of two thousand blocks of twelve parameters, each tenth of which is wrong."""
    rng = np.random.default_rng(0)
    parameters = {f"layers[{k}].weight": rng.standard_normal((4, 3)) for k in range(2000)}
    claim = {name: (2 if k % 10 else 3) * array for k, (name, array) in enumerate(parameters.items())}
    return check(lambda p: sum(np.sum(p[name] ** 2) for name in p), parameters, claim, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [large_report, many_blocks_report], ids=["8 million parameters", "2,000 blocks"]
)
def test_page(benchmark: BenchmarkFixture, tmp_path: Path, make: Callable[[], Report]) -> None:
    report = make()
    start = time.perf_counter()
    path = report.save_html(tmp_path / "report.html")
    first = time.perf_counter() - start
    benchmark.group = "page"
    benchmark(lambda: report.save_html(path))
    benchmark.extra_info["seconds_at_first"] = round(first, 2)
    benchmark.extra_info["bytes"] = path.stat().st_size
    benchmark.extra_info["bytes_in_notebooks"] = len(report._repr_html_())
    assert path.stat().st_size < MOST_BYTES
    assert len(report._repr_html_()) < 100_000
