"""A network of 109,386 parameters in PyTorch: `check_function` beside `torch.autograd.gradcheck` in fast mode.

``python -m benchmarks.torch_model`` writes docs/results/torch-model.md. Both take turns, so that both see the same
machine: by the clock, with PyTorch's usual number of threads, and by the processor's time on one thread, which other
work on the machine disturbs less.
"""

from __future__ import annotations

import itertools
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

import fastcheck
from fastcheck.engines.graph.frameworks.torch.cost import TorchCost
from fastcheck.torch import check_function

RESULT = Path(__file__).parents[1] / "docs" / "results" / "torch-model.md"

SIZES = (784, 128, 64, 10)

BATCH, PENALTY = 32, 0.1

ROUNDS = 30
"""Checks of each kind, in turn."""

MISTAKE = 1e-3
"""What is added to one coordinate of the first block, relative to the RMS of its gradient."""

Tensors = list[torch.Tensor]


def parameters(seed: int = 0) -> Tensors:
    """Return weights and biases of all layers."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    tensors = []
    for before, after in itertools.pairwise(SIZES):
        tensors += [drawn(after, before) / before**0.5, 0.1 * drawn(after)]
    return [x.requires_grad_() for x in tensors]


def loss_of(seed: int = 1) -> Callable[..., torch.Tensor]:
    """Return the loss of a batch: ReLU in the hidden layers, cross entropy, and a penalty on the weights."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(BATCH, SIZES[0], generator=generator, dtype=torch.float64)
    labels = torch.randint(0, SIZES[-1], (BATCH,), generator=generator)

    def loss(*tensors: torch.Tensor) -> torch.Tensor:
        activations, last = images, len(tensors) - 2
        for k in range(0, last, 2):
            activations = torch.relu(F.linear(activations, tensors[k], tensors[k + 1]))
        logits = F.linear(activations, tensors[last], tensors[last + 1])
        squares = sum((w * w).sum() for w in tensors[::2])
        return F.cross_entropy(logits, labels) + PENALTY / (2 * BATCH) * squares

    return loss


def function_of(loss: Callable[..., torch.Tensor], mistake: float = 0.0) -> type[torch.autograd.Function]:
    """Return the loss as a Function with a backward pass of its own, wrong by ``mistake`` in one coordinate."""

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(*tensors: torch.Tensor) -> torch.Tensor:
            return loss(*tensors)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, upstream: torch.Tensor) -> Any:
            with torch.enable_grad():
                leaves = [x.detach().requires_grad_() for x in ctx.saved_tensors]
                gradients = list(torch.autograd.grad(loss(*leaves), leaves))
            gradients[0].view(-1)[1234] += mistake * float(gradients[0].square().mean().sqrt())
            return tuple(upstream * g for g in gradients)

    return Loss


def differences(loss: Callable[..., torch.Tensor], tensors: Tensors) -> list[float]:
    """Return, for each block, the largest difference of slopes and autograd's over the largest of these."""
    names = [f"p{k}" for k in range(len(tensors))]
    cost = TorchCost(lambda given: loss(*given.values()), [np.ones(())])
    values = {name: x.detach().numpy() for name, x in zip(names, tensors, strict=True)}
    slopes = fastcheck.numerical_gradient(cost, values, method="difference")
    gradients = [g.numpy() for g in torch.autograd.grad(loss(*tensors), tensors)]
    return [
        float(np.max(np.abs(slopes[name] - g)) / np.max(np.abs(g)))
        for name, g in zip(names, gradients, strict=True)
    ]


def in_turn(
    checks: Sequence[Callable[[], Any]], clock: Callable[[], float], rounds: int = ROUNDS
) -> list[list[float]]:
    """Return the milliseconds of each check in each round."""
    times: list[list[float]] = [[] for _ in checks]
    for check in checks:
        check()
    for _ in range(rounds):
        for check, own in zip(checks, times, strict=True):
            start = clock()
            check()
            own.append(1e3 * (clock() - start))
    return times


def compared(checks: Sequence[Callable[[], Any]]) -> str:
    """Return medians by the processor's time and by the clock, and how many times the second the first takes."""
    usual = torch.get_num_threads()
    by_clock = in_turn(checks, time.perf_counter)
    torch.set_num_threads(1)
    try:
        by_processor = in_turn(checks, time.thread_time)
    finally:
        torch.set_num_threads(usual)
    cells = []
    for ours, theirs in (by_processor, by_clock):
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        cells.append(f"{statistics.median(ours):.1f} | {statistics.median(theirs):.1f} | {ratio:.2f}")
    return " | ".join(cells)


def gradcheck_passes(function: Callable[..., torch.Tensor], tensors: Tensors) -> bool:
    """Return whether PyTorch's check passes."""
    return bool(torch.autograd.gradcheck(function, tensors, fast_mode=True, raise_exception=False))


def main() -> None:
    """Measure, print and write the page."""
    tensors, loss = parameters(), loss_of()
    right, wrong = function_of(loss), function_of(loss, MISTAKE)
    rows = []
    for name, function in (("Function with its own backward", right), ("plain callable", loss)):
        called: Any = function.apply if isinstance(function, type) else function
        report = check_function(function, *tensors)
        checked = sum(block.checked for block in report.blocks.values())
        cells = compared(
            [
                lambda function=function: check_function(function, *tensors),  # type: ignore[misc]
                lambda called=called: gradcheck_passes(called, tensors),  # type: ignore[misc]
            ]
        )
        rows.append(f"| {name} | {checked:,} | {report.verdict} | {cells} |")
    found = check_function(wrong, *tensors)
    page = _page(rows, differences(loss, tensors), str(found.verdict), gradcheck_passes(wrong.apply, tensors))
    RESULT.write_text(page, encoding="utf-8")
    print(page)


def _page(rows: list[str], apart: list[float], found: str, passes: bool) -> str:
    blocks = ", ".join(f"{x:.0e}" for x in apart)
    return f"""# A network in PyTorch beside gradcheck

Written by `python -m benchmarks.torch_model`; do not edit. Python {platform.python_version()}, torch
{torch.__version__}, {torch.get_num_threads()} threads.

{"-".join(map(str, SIZES))}, batch {BATCH}, ReLU, cross entropy, L2: every parameter is judged by `check_function`, and
one random direction by `gradcheck(fast_mode=True)`. Both take turns, {ROUNDS} times. Milliseconds are medians, of the
processor's time on one thread and by the clock, and ratios medians of those of neighbours. The clock says little
where the machine does other work: PyTorch's threads wait for each other then, in gradcheck alone.

| loss | judged | verdict | fastcheck | gradcheck | ratio | fastcheck, clock | gradcheck, clock | ratio |
| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |
{chr(10).join(rows)}

The slopes that claims are compared with differ from autograd's, relative to the largest of each block, by at most
{blocks}.

One coordinate of the first block off by {MISTAKE:g} of the RMS of its gradient: `check_function` says {found}, and
gradcheck {"passes" if passes else "fails"}.
"""


if __name__ == "__main__":
    main()
