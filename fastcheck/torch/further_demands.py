"""What gradcheck asks of a backward pass besides right gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd.gradcheck import GradcheckError

Tensors = list[torch.Tensor]
Graph = Callable[[], tuple[Tensors, Tensors]]
"""Runs the function: its checked inputs as leaves, and its differentiable outputs."""

ROUNDINGS = 1e4
"""Two ways to the same gradient differ by fewer units in the last place of its largest entry, unless one is wrong."""


class Undefined(torch.autograd.Function):
    """Hands on what it gets, and no gradient at all."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        """Return x."""
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> None:
        """Return no gradient."""
        return


def demand_repeatable(graph: Graph, generator: torch.Generator, tolerance: float) -> None:
    """Raise unless a backward pass gives the same gradient when it runs again, and so does another call."""
    inputs, outputs = graph()
    upstream = cotangents(outputs, generator)
    first = gradients(inputs, outputs, upstream)
    _demand_same(
        first, gradients(inputs, outputs, upstream), tolerance, "the backward pass runs a second time"
    )
    inputs, outputs = graph()
    _demand_same(
        first, gradients(inputs, outputs, upstream), tolerance, "the function is called a second time"
    )


def _demand_same(first: Tensors, second: Tensors, tolerance: float, when: str) -> None:
    for number, (one, two) in enumerate(zip(first, second, strict=True)):
        difference = _largest(one - two)
        if not difference <= tolerance:
            raise GradcheckError(
                f"The gradient of input {number} is another when {when}, for the same gradients of the outputs: "
                f"it differs by {difference:.2g}, and nondet_tol is {tolerance:g}. Is a buffer kept, or a saved tensor "
                "written into?"
            )


def demand_undefined(graph: Graph, generator: torch.Generator) -> None:
    """Raise unless outputs without a gradient count as ones with a gradient of zeros."""
    _, outputs = graph()
    everything = range(len(outputs))
    for missing in [everything] if len(outputs) < 2 else [everything, *([k] for k in everything)]:
        inputs, outputs = graph()
        upstream = cotangents(outputs, generator)
        zeros = [torch.zeros_like(u) if k in missing else u for k, u in enumerate(upstream)]
        expected = gradients(inputs, outputs, zeros)
        inputs, outputs = graph()
        cut = [Undefined.apply(out) if k in missing else out for k, out in enumerate(outputs)]
        which = "all outputs have" if missing is everything else f"output {missing[0]} has"
        try:
            found = gradients(inputs, cut, upstream)
        except Exception as error:
            raise GradcheckError(
                f"The backward pass raises {type(error).__name__} when {which} no gradient (None): {error}"
            ) from error
        for number, (one, two) in enumerate(zip(expected, found, strict=True)):
            if not is_same(one, two):
                raise GradcheckError(
                    f"The gradient of input {number} is wrong when {which} no gradient (None): expected the same as "
                    f"for a gradient of zeros, and it differs by {_largest(one - two):.2g}. gradcheck(…, "
                    "check_undefined_grad=False) does not ask for that."
                )


def demand_dtypes(graph: Graph, generator: torch.Generator) -> None:
    """Raise unless gradients have the dtypes of their inputs."""
    inputs, outputs = graph()
    found = torch.autograd.grad(outputs, inputs, cotangents(outputs, generator), allow_unused=True)
    for number, (x, gradient) in enumerate(zip(inputs, found, strict=True)):
        if gradient is not None and gradient.dtype != x.dtype:
            raise GradcheckError(
                f"The gradient of input {number} is {gradient.dtype}, and the input {x.dtype}."
            )


def demand_batches(graph: Graph, generator: torch.Generator) -> None:
    """Raise unless the backward pass gives the same for several gradients of an output at once, by vmap."""
    inputs, outputs = graph()
    for number, out in enumerate(outputs):
        several = torch.stack([cotangents([out], generator)[0] for _ in range(2)])
        each = [gradients(inputs, [out], [u]) for u in several]
        try:
            together = torch.autograd.grad(
                [out], inputs, [several], retain_graph=True, allow_unused=True, is_grads_batched=True
            )
        except RuntimeError as error:
            raise GradcheckError(f"The backward pass cannot run in a batch, by vmap: {error}") from error
        for k, gradient in enumerate(together):
            expected = torch.stack([one[k] for one in each])
            found = torch.zeros_like(expected) if gradient is None else gradient
            if not is_same(expected, found):
                raise GradcheckError(
                    f"The gradient of input {k} is another in a batch, by vmap: it differs by "
                    f"{_largest(expected - found):.2g} for output {number}."
                )


def cotangents(outputs: Sequence[torch.Tensor], generator: torch.Generator) -> Tensors:
    """Return random gradients of the outputs."""
    return [
        torch.randn(out.shape, dtype=torch.float64, generator=generator).to(
            device=out.device, dtype=out.dtype
        )
        for out in outputs
    ]


def gradients(inputs: Tensors, outputs: Sequence[torch.Tensor], upstream: Tensors) -> Tensors:
    """Return what the backward pass makes of gradients of the outputs; zeros where it returns none."""
    found = torch.autograd.grad(list(outputs), inputs, upstream, retain_graph=True, allow_unused=True)
    return [
        torch.zeros_like(x) if gradient is None else gradient.detach().clone()
        for x, gradient in zip(inputs, found, strict=True)
    ]


def is_same(one: torch.Tensor, two: torch.Tensor) -> bool:
    """Tell whether two gradients are the same but for rounding."""
    unit: float = torch.finfo(one.dtype).eps
    return _largest(one - two) <= ROUNDINGS * unit * _largest(one)


def _largest(x: torch.Tensor) -> float:
    return float(x.abs().max()) if x.numel() else 0.0
