"""The reference loop against plain evaluation, batched and parallel. See also ``fastcheck bench``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fastcheck.bench import NETWORKS, ROWS, Network, forward_pass_seconds, make_check

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.parametrize("method", ROWS)
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_check(benchmark: BenchmarkFixture, network: Network, method: str) -> None:
    options: dict[str, Any] = ROWS[method]
    run = make_check(network, **options)
    if benchmark.enabled:
        run()  # warm up
    benchmark.group = network.name
    report = benchmark(run)
    one_pass = forward_pass_seconds(network)
    benchmark.extra_info["parameters"] = report.checked
    benchmark.extra_info["true_error"] = report.difference
    if options["method"] == "reference":
        benchmark.extra_info["forward_passes_per_parameter"] = 2.0
    elif benchmark.stats:
        seconds = benchmark.stats.stats.median
        benchmark.extra_info["forward_passes_per_parameter"] = seconds / one_pass / report.checked
    assert report.passed
