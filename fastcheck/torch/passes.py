"""Forward and backward passes under autograd, to be run again for experiments with the upstream gradient."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from fastcheck.engines.graph.frameworks.torch.evaluation import Draws
from fastcheck.engines.graph.frameworks.torch.protecting import Protecting, address_of, targets_of
from fastcheck.problem.passes import Convert, LayerPasses
from fastcheck.torch.claims import ForwardRun, as_claims
from fastcheck.torch.inputs import Call


class TorchPasses(LayerPasses):
    """Those of a function of tensors: its outputs, and `torch.autograd.grad`."""

    __slots__ = ("draws", "dtypes", "inputs", "runs")

    cost: Any
    inputs: Call
    draws: Draws
    dtypes: Sequence[tuple[torch.dtype, torch.device]]
    runs: list[ForwardRun]

    def __init__(self, inputs: Call, run: ForwardRun, cost: Any, backward: Callable[..., Any]) -> None:
        values = {
            "cost": cost,
            "function": backward,
            "names": list(inputs.checked),
            "inputs": inputs,
            "draws": run.first_draws,
            "dtypes": [(y.dtype, y.device) for y in run.outputs],
            "runs": [],
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def functions(self) -> tuple[Any, ...]:
        """The user's functions."""
        return *self.inputs.functions, self.function

    @property
    def owner(self) -> Any:
        """The object that the backward pass belongs to: none that stores anything."""
        return None

    @property
    def cotangent(self) -> Any:
        """What the backward pass gets, as arrays."""
        return list(self.cost.cotangents)

    @contextlib.contextmanager
    def held(self, convert: Convert) -> Iterator[None]:
        """Return the context of a run, after which the user's tensors hold what they held."""
        try:
            yield
        finally:
            while self.runs:
                self.runs.pop().undo()

    def forward(self, convert: Convert) -> Any:
        """Return a run of the forward pass."""
        self.draws.begin()  # what is drawn afterwards is to be seen
        run = ForwardRun(self.inputs, None)
        self.runs.append(run)
        run.do()
        return run

    def backward(self, left: Any, cotangent: Any) -> Any:
        """Return the gradients."""
        upstream = [
            torch.from_numpy(np.array(u)).to(dtype=dtype, device=device)
            for u, (dtype, device) in zip(cotangent, self.dtypes, strict=True)
        ]
        if all(u.flags.writeable for u in cotangent):
            gradients = left.backward(upstream)
            for array, tensor in zip(cotangent, upstream, strict=True):
                array[...] = tensor.detach().cpu().double().numpy()
            return gradients
        with ReadOnly(upstream):
            return left.backward(upstream)

    def claims(self, result: Any) -> Any:
        """Return the gradients as arrays, by name."""
        return as_claims(self.inputs.checked, result)


class ReadOnly(Protecting):
    """Raises where tensors are written into, as NumPy does for arrays that are read-only."""

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.addresses = {address_of(x) for x in tensors}

    def done(self, func: Any, signature: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what an operation returns."""
        if any(address_of(x) in self.addresses for x in targets_of(signature, args, kwargs)):
            raise ValueError("the upstream gradient is read-only")
        return func(*args, **kwargs)


def users_backward(outputs: Iterable[torch.Tensor], otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """Return the backward pass of the one custom Function behind outputs; something else if there are others."""
    classes = {node._forward_cls for node in _nodes(outputs) if hasattr(node, "_forward_cls")}
    if len(classes) != 1:
        return otherwise
    backward: Callable[..., Any] = classes.pop().backward
    return backward


def _nodes(outputs: Iterable[torch.Tensor]) -> Iterator[Any]:
    waiting = [y.grad_fn for y in outputs]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        waiting += [following for following, _ in node.next_functions]
