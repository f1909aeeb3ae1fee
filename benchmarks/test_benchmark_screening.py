"""Screening of right and wrong gradients, in units of the user's own forward and backward pass."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import pytest

from benchmarks.screening import network, timed
from fastcheck import Verdict, screen

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.parametrize("mistake", [None, "a row negated", "times 1.01"])
@pytest.mark.parametrize("sizes", [(48, 64, 10), (784, 300, 10)], ids=str)
def test_screening(benchmark: BenchmarkFixture, sizes: tuple[int, ...], mistake: str | None) -> None:
    net = network(sizes)
    claim = net.backward(net.parameters)
    if mistake:
        claim["W1"] = claim["W1"].copy()
        claim["W1"][3 if mistake == "a row negated" else slice(None)] *= (
            -1 if mistake == "a row negated" else 1.01
        )
    report = screen(net.cost, net.parameters, claim, progress=False)
    benchmark.group = f"screening, {'-'.join(map(str, sizes))}"
    benchmark(lambda: screen(net.cost, net.parameters, claim, progress=False))
    assert report.blocks["W1"].verdict is (Verdict.FAIL if mistake else Verdict.PASS)
    assert all(report.blocks[name].verdict is Verdict.PASS for name in ("b1", "W2", "b2"))
    benchmark.extra_info["forward_passes"] = report.forward_passes
    benchmark.extra_info["relative_bound"] = max(
        block.screened.relative_bound for block in report.blocks.values() if block.screened
    )
    if benchmark.stats:
        user = statistics.median(timed(lambda: net.backward(net.parameters))[0] for _ in range(9))
        benchmark.extra_info["times_forward_and_backward"] = round(benchmark.stats.stats.median / user, 1)
