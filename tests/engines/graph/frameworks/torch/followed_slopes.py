"""A function of tensors, recorded, beside what PyTorch's autograd says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from fastcheck.engines.graph.frameworks.torch.cost import TorchCost, differentiable
from fastcheck.engines.graph.recording.record import Recording, record

MUCH_MEMORY = 2**30


def tensors(*shapes: tuple[int, ...], seed: int = 1) -> list[torch.Tensor]:
    """Return random tensors in double precision."""
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.standard_normal(shape)) for shape in shapes]


def recorded(
    function: Callable[..., Any], *inputs: torch.Tensor, seed: int = 2
) -> tuple[Recording, TorchCost]:
    """Return the recording of J = Σ ⟨random cotangent, output⟩, and this cost."""
    torch.manual_seed(seed)
    outputs = differentiable(function(*(x.clone() for x in inputs)))
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    cost = TorchCost(lambda named: function(*named.values()), [rng.standard_normal(y.shape) for y in outputs])
    return _record(cost, *inputs), cost


def recording_of(function: Callable[..., Any], *inputs: torch.Tensor, cotangent: Any) -> Recording:
    """Return the recording of J = ⟨cotangent, output⟩, the function being called once."""
    return _record(TorchCost(lambda named: function(*named.values()), [cotangent]), *inputs)


def _record(cost: TorchCost, *inputs: torch.Tensor) -> Recording:
    names = [f"x{k}" for k in range(len(inputs))]
    leaves = [np.array(x.detach().numpy()) for x in inputs]
    return record(cost, lambda arrays: dict(zip(names, arrays, strict=True)), leaves, MUCH_MEMORY)


def slopes_by_autograd(function: Callable[..., Any], cost: TorchCost, *inputs: torch.Tensor) -> list[Any]:
    """Return the gradient of the same J by PyTorch."""
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    # What the function writes into is no leaf.
    cost.draws.begin()
    outputs = differentiable(function(*(x * 1.0 for x in leaves)))
    j = sum((torch.from_numpy(u) * y).sum() for u, y in zip(cost.cotangents, outputs, strict=True))
    gradients = torch.autograd.grad(j, leaves, allow_unused=True)
    return [np.zeros(x.shape) if g is None else g.numpy() for x, g in zip(leaves, gradients, strict=True)]


def expect_same_slopes(
    function: Callable[..., Any],
    *inputs: torch.Tensor,
    truth: Callable[..., Any] | None = None,
    seed: int = 2,
) -> Recording:
    """Expect that a function's slopes are those that autograd finds: of ``truth``, where it does not obey."""
    recording, cost = recorded(function, *inputs, seed=seed)
    plain = cost({f"x{k}": x.detach().numpy() for k, x in enumerate(inputs)})
    assert abs(recording.value - plain) <= 1e-12 * (1 + abs(plain))
    expected = slopes_by_autograd(truth or function, cost, *inputs)
    for slopes, right in zip(recording.slopes(), expected, strict=True):
        np.testing.assert_allclose(slopes, right, rtol=1e-11, atol=1e-12)
    return recording
