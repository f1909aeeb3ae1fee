"""`check_mlp` against the reference loop, and PyTorch's fast gradcheck if it is there.

The loop is timed on a sample of the coordinates of the same network in the same run, and extrapolated. Recorded: the
ratio to the loop, forward passes per parameter, and the true error. `benchmarks/scaling.py` plots time against
parameters.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fastcheck import MLP, check, check_mlp

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

SAMPLED = 20


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network with random data."""

    activations: tuple[str, ...]
    sizes: tuple[int, ...]
    samples: int = 64

    @property
    def name(self) -> str:
        return "-".join(map(str, self.sizes)) + " " + ", ".join(dict.fromkeys(self.activations))

    def build(self) -> tuple[MLP, dict[str, Any], Any, Any]:
        """Return model, parameters, X and Y."""
        model = MLP(self.activations)
        parameters = model.initialize(self.sizes, seed=0)
        rng = np.random.default_rng(1)
        X = rng.standard_normal((self.sizes[0], self.samples))
        Y = rng.integers(0, max(2, self.sizes[-1]), self.samples)
        return model, parameters, X, Y


NETWORKS = [
    Network(activations=("relu", "relu", "sigmoid"), sizes=(784, 128, 64, 1)),
    Network(activations=("relu", "relu", "softmax"), sizes=(784, 128, 64, 10)),
    Network(activations=("tanh", "tanh", "softmax"), sizes=(784, 128, 64, 10)),
    Network(activations=("relu",) * 4 + ("softmax",), sizes=(784, 256, 128, 64, 32, 10)),
]
LARGE = Network(activations=("relu", "relu", "softmax"), sizes=(3072, 2048, 1024, 10), samples=8)


def loop_seconds(network: Network) -> float:
    """Return what the loop takes for all coordinates: the median over a few samples, extrapolated."""
    model, parameters, X, Y = network.build()
    gradients = model.gradients(parameters, X, Y)
    times = []
    for seed in range(3):
        wish = {name: min(SAMPLED, value.size) for name, value in parameters.items()}
        start = time.perf_counter()
        report = check(
            lambda p: model.cost(p, X, Y),
            parameters,
            gradients,
            method="reference",
            coordinates=wish,
            seed=seed,
        )
        times.append((time.perf_counter() - start) / report.checked)
    return statistics.median(times) * sum(value.size for value in parameters.values())


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_all_coordinates(benchmark: BenchmarkFixture, network: Network) -> None:
    model, parameters, X, Y = network.build()
    gradients = model.gradients(parameters, X, Y)
    benchmark.group = "check_mlp, all coordinates"
    report = benchmark(
        check_mlp, parameters, gradients, X, Y, activations=network.activations, progress=False
    )
    assert report.passed
    assert report.method == "difference"
    assert report.difference < 1e-14
    benchmark.extra_info["parameters"] = report.checked
    benchmark.extra_info["true_error"] = report.difference
    if benchmark.stats:
        loop = loop_seconds(network)
        benchmark.extra_info["loop_seconds"] = round(loop, 1)
        benchmark.extra_info["times_the_loop"] = round(loop / benchmark.stats.stats.median)


def test_eight_million_parameters(benchmark: BenchmarkFixture) -> None:
    """Where benchmarks only run as tests, a small network stands in."""
    network = LARGE if benchmark.enabled else replace(LARGE, sizes=(30, 20, 10, 10))
    model, parameters, X, Y = network.build()
    gradients = model.gradients(parameters, X, Y)

    def run() -> Any:
        return check_mlp(parameters, gradients, X, Y, activations=network.activations, progress=False)

    tracemalloc.start()
    run()
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    benchmark.group = "check_mlp, all coordinates"
    report = benchmark.pedantic(run, rounds=3)
    assert report.difference < 1e-14
    size = sum(value.nbytes for value in parameters.values())
    benchmark.extra_info["parameters"] = report.checked
    benchmark.extra_info["true_error"] = report.difference
    benchmark.extra_info["extra_memory_in_parameters"] = round(memory / size, 1)


def test_pytorch_fast_gradcheck(benchmark: BenchmarkFixture) -> None:
    """One random projection of the same network, for comparison with all coordinates above."""
    torch = pytest.importorskip("torch")
    _, parameters, X, Y = NETWORKS[0].build()
    tensors = [torch.tensor(value, requires_grad=True) for value in parameters.values()]
    inputs, labels = torch.tensor(X), torch.tensor(Y, dtype=torch.float64)[None]

    def cost(W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any) -> Any:
        A1 = torch.relu(W1 @ inputs + b1)
        A2 = torch.relu(W2 @ A1 + b2)
        return torch.nn.functional.binary_cross_entropy_with_logits(W3 @ A2 + b3, labels)

    torch.set_num_threads(1)
    benchmark.group = "check_mlp, all coordinates"
    assert benchmark(torch.autograd.gradcheck, cost, tensors, fast_mode=True)
