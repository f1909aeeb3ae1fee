"""The backward pass of a function as a function: from inputs and gradients of outputs to gradients of inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from fastcheck.errors import InvalidProblemError
from fastcheck.torch.structures import Path, map_tensors, tensors_in

SEED = 1


class BackwardPass:
    """A function of ``arguments``: those of another function, and gradients of its outputs that have one.

    Parameters
    ----------
    func, inputs
        The function, and a tensor or a tuple of arguments.
    grad_outputs
        A tensor or a tuple; random ones if None, in order in memory or not.
    """

    def __init__(self, func: Callable[..., Any], inputs: Any, grad_outputs: Any, *, contiguous: bool) -> None:
        if not callable(func):
            raise InvalidProblemError(
                f"fn of gradgradcheck: expected a function of tensors, got {type(func).__name__}."
            )
        self.func = func
        self.inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
        outputs = _with_gradient(func(*self.inputs))
        if grad_outputs is None:
            self.grad_outputs = _drawn(outputs, contiguous)
        else:
            self.grad_outputs = tuple(tensors_in(grad_outputs))
        if [u.shape for u in self.grad_outputs] != [out.shape for out in outputs]:
            raise InvalidProblemError(
                "grad_outputs of gradgradcheck: expected a tensor for each output that has a gradient, of shapes "
                f"{_shapes(outputs)}, got {_shapes(self.grad_outputs)}."
            )
        self.checked = {path for path, x in _paths(self.inputs) if x.requires_grad}

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What it is called with."""
        return (*self.inputs, *self.grad_outputs)

    def __call__(self, *arguments: Any) -> tuple[torch.Tensor, ...]:
        """Return the gradients of the inputs; those that there are."""
        inputs, upstream = arguments[: len(self.inputs)], arguments[len(self.inputs) :]
        leaves: list[torch.Tensor] = []

        def tracked(path: Path, x: torch.Tensor) -> torch.Tensor:
            if path not in self.checked:
                return x
            leaves.append(x.requires_grad_())
            return leaves[-1]

        with torch.enable_grad():
            outputs = _with_gradient(self.func(*map_tensors(tracked, inputs)))
            found = torch.autograd.grad(outputs, leaves, upstream, create_graph=True, allow_unused=True)
        return tuple(gradient for gradient in found if gradient is not None)


def _paths(structure: Any) -> list[tuple[Path, torch.Tensor]]:
    found: list[tuple[Path, torch.Tensor]] = []

    def note(path: Path, x: torch.Tensor) -> torch.Tensor:
        found.append((path, x))
        return x

    map_tensors(note, structure)
    return found


def _with_gradient(outputs: Any) -> list[torch.Tensor]:
    return [out for out in tensors_in(outputs) if out.requires_grad]


def _drawn(outputs: Sequence[torch.Tensor], contiguous: bool) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(SEED)
    drawn = []
    for out in outputs:
        dtype = torch.complex128 if out.is_complex() else torch.float64
        shape = out.shape if contiguous else (*out.shape, 2)
        u = torch.randn(shape, dtype=dtype, generator=generator).to(device=out.device, dtype=out.dtype)
        drawn.append((u if contiguous else u[..., 0]).requires_grad_())
    return tuple(drawn)


def _shapes(tensors: Sequence[torch.Tensor]) -> str:
    return ", ".join(str(tuple(x.shape)) for x in tensors) or "none"
