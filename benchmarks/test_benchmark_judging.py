"""What judging adds to the numerical gradient: closer looks, the verdicts, the power and the worst coordinates."""

from __future__ import annotations

import statistics
import time
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.test_benchmark_mlp import NETWORKS
from fastcheck import check, check_mlp
from fastcheck.checks.block_outcomes import report_block

SAMPLES = {"check_mlp": "all", "difference": "all", "plain": 500, "reference": 500}
"""Coordinates of each block that `check_mlp`, and each engine, checks."""


@pytest.mark.parametrize("method", SAMPLES)
def test_judging(benchmark: BenchmarkFixture, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = NETWORKS[0]
    model, parameters, X, Y = network.build()
    gradients = model.gradients(parameters, X, Y)
    coordinates = SAMPLES[method] if benchmark.enabled else 20
    judged = [0.0]

    def timed(*arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return report_block(*arguments)
        finally:
            judged[0] += time.perf_counter() - start

    monkeypatch.setattr("fastcheck.checks.chosen_coordinates.report_block", timed)
    shares = []

    def run() -> Any:
        judged[0], start = 0.0, time.perf_counter()
        if method == "check_mlp":
            layers = network.activations
            report = check_mlp(parameters, gradients, X, Y, activations=layers, progress=False)
        else:
            report = check(
                lambda p: model.cost(p, X, Y),
                parameters,
                gradients,
                method=method,
                coordinates=coordinates,
                progress=False,
            )
        seconds = time.perf_counter() - start
        shares.append(judged[0] / (seconds - judged[0]))
        return report

    benchmark.group = "judging"
    report = benchmark(run)
    assert report.passed
    benchmark.extra_info["judging_over_the_rest_percent"] = round(100 * statistics.median(shares), 1)
