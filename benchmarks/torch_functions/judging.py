"""The judge of the benchmark itself: what autograd makes of a forward pass, and what a mistake changes."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.torch_functions.planting import Call, CustomFunction, Mistake

SEED = 123


class _NoContext:
    """What a forward pass is given where autograd looks on: it keeps nothing."""

    needs_input_grad = (True,) * 32

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: None


@contextlib.contextmanager
def without_backward_passes() -> Iterator[None]:
    """Let autograd differentiate the forward passes of custom Functions, whose own backward passes do not run."""
    kept = torch.autograd.Function.__dict__["apply"]

    def apply(cls: Any, *arguments: Any) -> Any:
        has_setup = cls.setup_context is not torch.autograd.Function.setup_context
        return cls.forward(*arguments) if has_setup else cls.forward(_NoContext(), *arguments)

    torch.autograd.Function.apply = classmethod(apply)  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        torch.autograd.Function.apply = kept


def gradients(call: Call, arguments: Sequence[Any], *, before: int = 0) -> list[Tensor]:
    """Return the gradients of the inputs that require one, for random gradients of the outputs.

    ``before`` backward passes run first, for other gradients of the outputs.
    """
    generator = torch.Generator().manual_seed(SEED)
    for _ in range(before + 1):
        outputs = differentiable(call(*arguments))
        cotangents = [torch.randn(out.shape, dtype=out.dtype, generator=generator) for out in outputs]
        inputs = checked(arguments)
        found = torch.autograd.grad(outputs, inputs, cotangents, allow_unused=True)
    return [
        torch.zeros_like(x) if gradient is None else gradient.detach().clone()
        for x, gradient in zip(inputs, found, strict=True)
    ]


def checked(arguments: Sequence[Any]) -> list[Tensor]:
    """Return the inputs that require a gradient."""
    return [x for x in arguments if isinstance(x, Tensor) and x.requires_grad]


def differentiable(outputs: Any) -> list[Tensor]:
    """Return the outputs that have a gradient."""
    several = outputs if isinstance(outputs, tuple | list) else (outputs,)
    return [out for out in several if isinstance(out, Tensor) and out.requires_grad]


@functools.cache
def right_gradients(function: CustomFunction, *, before: int = 0) -> list[Tensor]:
    """Return what autograd makes of the forward pass, or of its twin."""
    if function.twin is not None:
        return gradients(function.twin, function.inputs(), before=before)
    with without_backward_passes():
        return gradients(function.call, function.inputs(), before=before)


def largest_change(right: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """Return the largest difference of an entry, in typical entries (RMS) of the right gradient of its input."""
    changes = [0.0]
    for one, two in zip(right, other, strict=True):
        difference = float((one - two).abs().max()) if one.numel() else 0.0
        typical = float(one.abs().square().mean().sqrt()) if one.numel() else 0.0
        changes.append(difference / typical if typical else (math.inf if difference else 0.0))
    return max(changes)


def effect(function: CustomFunction, planted: Mistake | None) -> float:
    """Return how far the backward pass is from autograd's gradient, with a mistake or without."""
    before = planted.after if planted else 0
    claimed = gradients(function.with_mistake(planted), function.inputs(), before=before)
    return largest_change(right_gradients(function, before=before), claimed)
