"""Double backward: the backward pass as a function of the inputs and of its upstream gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fastcheck.errors import EvaluationError
from fastcheck.torch.claims import floating_outputs
from fastcheck.torch.inputs import Call, Input


class SecondOrder:
    """(x, u) ↦ the gradients of ⟨u, fn(x)⟩ with respect to x, which a double backward pass differentiates.

    Called without autograd, as the truth is, it runs the backward pass alone; under autograd it keeps the graph of it.
    """

    def __init__(self, first: Call, places: Sequence[int], upstream: Sequence[torch.Tensor]) -> None:
        self.first, self.places = first, tuple(places)
        names = ["grad_output"] if len(upstream) == 1 else [f"grad_output[{k}]" for k in range(len(upstream))]
        self.names = [f"upstream {name}" if name in first.checked else name for name in names]
        tensors = zip(self.names, upstream, strict=True)
        self.checked: Mapping[str, Input] = {
            **first.checked,
            **{name: Input(name=name, tensor=u.detach()) for name, u in tensors},
        }

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the function's own inputs."""
        return self.first.dtype

    @property
    def functions(self) -> tuple[Any, ...]:
        """The user's functions."""
        return self.first.functions

    def call(self, tensors: Mapping[str, torch.Tensor]) -> Any:
        """Return the gradients that there are."""
        differentiated = torch.is_grad_enabled()
        with torch.enable_grad():
            leaves = {
                name: tensors[name]
                if tensors[name].requires_grad
                else tensors[name].detach().requires_grad_()
                for name in self.first.checked
            }
            outputs = floating_outputs(self.first.call(leaves))
            gradients = torch.autograd.grad(
                [outputs[place] for place in self.places],
                list(leaves.values()),
                [tensors[name] for name in self.names],
                create_graph=differentiated,
                allow_unused=True,
            )
        found = [gradient for gradient in gradients if gradient is not None]
        if any(
            gradient.grad_fn is not None and gradient.grad_fn.name().endswith("::Error") for gradient in found
        ):
            raise EvaluationError(
                "backward: it is marked as once_differentiable, and order=2 differentiates it. Write it with "
                "operations that autograd knows, and without the decorator, if it is to be differentiated."
            )
        return found
