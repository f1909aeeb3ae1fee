"""Forward passes of blocks in PyTorch that people train: recorded, beside their plain forward and autograd.

``python -m benchmarks.torch_forwards`` writes docs/results/torch-forwards.md.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from threadpoolctl import threadpool_limits
from torch import nn

import fastcheck
from fastcheck.engines.graph.frameworks.torch.cost import TorchCost
from fastcheck.engines.graph.recording.record import record

RESULT = Path(__file__).parents[1] / "docs" / "results" / "torch-forwards.md"


class SelfAttention(nn.Module):
    """Causal attention with several heads, its products written out or as PyTorch's one operation."""

    def __init__(self, width: int, heads: int, fused: bool) -> None:
        super().__init__()
        self.heads, self.fused = heads, fused
        self.into = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, steps, width = x.shape
        parts = self.into(x).split(width, dim=2)
        q, k, v = (part.view(batch, steps, self.heads, -1).transpose(1, 2) for part in parts)
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
            later = torch.ones(steps, steps, dtype=torch.bool).triu(1)
            y = scores.masked_fill(later, -math.inf).softmax(-1) @ v
        return self.out(y.transpose(1, 2).contiguous().view(batch, steps, width))


class GPTBlock(nn.Module):
    """A block of GPT-2: attention and a perceptron, each after a layer norm and beside a residual path."""

    def __init__(self, width: int, heads: int, fused: bool) -> None:
        super().__init__()
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, fused)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.before_attention(x))
        return x + self.mlp(self.before_mlp(x))


class LlamaBlock(nn.Module):
    """A block of Llama: RMS norms, rotated queries and keys, a gated perceptron."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.RMSNorm(width), nn.RMSNorm(width)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.gate, self.up = (nn.Linear(width, 2 * width, bias=False) for _ in range(2))
        self.down = nn.Linear(2 * width, width, bias=False)

    @staticmethod
    def rotated(x: torch.Tensor) -> torch.Tensor:
        steps, size = x.shape[-2:]
        speeds = 10000.0 ** (-torch.arange(0, size, 2) / size)
        angles = torch.outer(torch.arange(steps).double(), speeds).repeat(1, 2)
        left, right = x.chunk(2, dim=-1)
        return x * angles.cos() + torch.cat([-right, left], dim=-1) * angles.sin()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, steps, width = x.shape
        h = self.before_attention(x)
        q, k, v = (f(h).view(batch, steps, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(self.rotated(q), self.rotated(k), v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, steps, width))
        h = self.before_mlp(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class ResidualBlock(nn.Module):
    """A block of ResNet with batch norms in training, and a head of pooling."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.max_pool2d(F.relu(x + self.body(x)), 2)
        return F.adaptive_avg_pool2d(y, 1).flatten(1)


class CellLoop(nn.Module):
    """An LSTM cell in a loop of Python's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = None
        for step in x.unbind(1):
            state = self.cell(step, state)
        return state[0]


class WholeLSTM(nn.Module):
    """An LSTM of two layers, as PyTorch runs it whole."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x)[0]


class TiledAttention(nn.Module):
    """Attention tile by tile, with a running maximum and a running sum."""

    def __init__(self, width: int, tile: int) -> None:
        super().__init__()
        self.tile, self.into = tile, nn.Linear(width, 3 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.into(x).chunk(3, dim=-1)
        result = torch.zeros_like(q)
        total, largest = q.new_zeros(*q.shape[:-1], 1), q.new_full((*q.shape[:-1], 1), -1e30)
        for start in range(0, x.shape[1], self.tile):
            here = slice(start, start + self.tile)
            scores = q @ k[:, here].mT / math.sqrt(q.shape[-1])
            new = torch.maximum(largest, scores.amax(-1, keepdim=True))
            weights, shrunk = torch.exp(scores - new), torch.exp(largest - new)
            total.mul_(shrunk).add_(weights.sum(-1, keepdim=True))
            result = result * shrunk + weights @ v[:, here]
            largest = new
        return result / total


class WordsAndLosses(nn.Module):
    """An embedding, and a sum of losses."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.table, self.out = nn.Embedding(words, width), nn.Linear(width, words)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        words = torch.arange(x.shape[0]) % self.out.out_features
        scores = self.out(F.softplus(self.table(words)) * x)
        targets = torch.ones_like(self.out.bias)
        return (
            F.cross_entropy(scores, words, label_smoothing=0.1)
            + F.mse_loss(self.out.weight.std(dim=0), torch.ones(x.shape[1]))
            + F.huber_loss(self.out.bias, targets)
            + F.binary_cross_entropy_with_logits(self.out.bias, targets)
        )


Build = Callable[[int], tuple[nn.Module, tuple[int, ...]]]

FORWARDS: dict[str, Build] = {
    "GPT-2 block": lambda n: (GPTBlock(8 * n, n, fused=False), (2, 2 * n, 8 * n)),
    "GPT-2 block, fused attention": lambda n: (GPTBlock(8 * n, n, fused=True), (2, 2 * n, 8 * n)),
    "Llama block": lambda n: (LlamaBlock(8 * n, n), (2, 2 * n, 8 * n)),
    "ResNet block, batch norm in training": lambda n: (ResidualBlock(n), (4, n, n, n)),
    "LSTM cell in a loop": lambda n: (CellLoop(2 * n), (4, n, 2 * n)),
    "nn.LSTM of two layers": lambda n: (WholeLSTM(2 * n), (4, n, 2 * n)),
    "attention in tiles": lambda n: (TiledAttention(2 * n, n), (2, 4 * n, 2 * n)),
    "embedding and losses": lambda n: (WordsAndLosses(6 * n, 2 * n), (4 * n, 2 * n)),
}
"""Name → a module, and the shape of its input, that grow with a number."""


@dataclass(frozen=True, slots=True)
class Forward:
    """A module as a cost of its parameters and its input, and what autograd says of the gradient."""

    cost: TorchCost
    parameters: dict[str, Any]
    gradients: dict[str, Any]


def forward_of(name: str, size: int, seed: int = 0) -> Forward:
    """Return a forward pass of that size with random parameters, input and cotangent."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module, shape = FORWARDS[name](size)
        module.double()
        x = torch.randn(shape, dtype=torch.float64)
        tensors = {key: p.detach().clone() for key, p in module.named_parameters()} | {"input": x}

    def function(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        own = {key: value for key, value in tensors.items() if key != "input"}
        result: torch.Tensor = torch.func.functional_call(module, own, (tensors["input"],))
        return result

    leaves = {key: p.clone().requires_grad_() for key, p in tensors.items()}
    before = {key: buffer.clone() for key, buffer in module.named_buffers()}
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        y = function(leaves)
    finally:
        torch.set_default_dtype(default)
    cotangent = torch.from_numpy(np.random.default_rng(seed).standard_normal(y.shape))
    gradients = torch.autograd.grad(y, list(leaves.values()), cotangent)
    for key, buffer in module.named_buffers():
        buffer.copy_(before[key])
    return Forward(
        TorchCost(function, [cotangent.numpy()]),
        {key: p.numpy() for key, p in tensors.items()},
        {key: g.numpy() for key, g in zip(leaves, gradients, strict=True)},
    )


def main(size: int = 8) -> None:
    """Measure all forwards, and write the table."""
    torch.set_num_threads(1)
    with threadpool_limits(1):
        rows = [_row(name, forward_of(name, size)) for name in FORWARDS]
    RESULT.write_text(_page(rows), encoding="utf-8")
    print("\n".join(rows))


def _row(name: str, forward: Forward) -> str:
    cost, parameters = forward.cost, forward.parameters
    plain = _shortest(lambda: cost(parameters))
    keys, leaves = list(parameters), list(parameters.values())

    def run() -> Any:
        recording = record(cost, lambda arrays: dict(zip(keys, arrays, strict=True)), leaves, 2**32)
        return recording, recording.slopes()

    run()
    recorded = _shortest(run)
    recording, slopes = run()
    errors = [
        np.linalg.norm(s - g) / np.linalg.norm(g)
        for s, g in zip(slopes, forward.gradients.values(), strict=True)
        if np.linalg.norm(g) > 1e-12
    ]
    report = fastcheck.check(cost, parameters, forward.gradients)
    checked = _shortest(lambda: fastcheck.check(cost, parameters, forward.gradients))
    count = sum(x.size for x in leaves)
    recorded_too = "yes" if report.method == "difference" else "no"
    return (
        f"| {name} | {count:,} | {len(recording.tape.nodes)} | {1e3 * plain:.1f} | {recorded / plain:.0f} | "
        f"{checked / plain:.0f} | {max(errors):.0e} | {report.verdict} | {recorded_too} |"
    )


def _shortest(run: Callable[[], Any], times: int = 3) -> float:
    durations = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        durations.append(time.perf_counter() - start)
    return min(durations)


def _page(rows: list[str]) -> str:
    return f"""# Forward passes in PyTorch

Written by `python -m benchmarks.torch_forwards`; do not edit. Python {platform.python_version()}, torch
{torch.__version__}, one thread.

Blocks that people train, as a cost of all of their parameters and their input, with a random cotangent. *Plain* is
one evaluation of the cost in milliseconds; *slopes* is recording it and sending slopes of all numbers backwards,
*check* the whole check of the right gradient, both in plain evaluations. *Error* is the largest
‖slopes − autograd‖ / ‖autograd‖ of a block. *Recorded* tells that the check did without plain evaluation.

| forward | numbers | operations | plain, ms | slopes | check | error | verdict | recorded |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |
{chr(10).join(rows)}
"""


if __name__ == "__main__":
    main()
