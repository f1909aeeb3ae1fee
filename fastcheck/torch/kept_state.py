"""What the user's tensors, modules and PyTorch itself hold is as before after a check."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from fastcheck.engines.graph.frameworks.torch.evaluation import Draws, OneEvaluation
from fastcheck.engines.graph.recording.reaching import Reached, reached
from fastcheck.engines.graph.recording.restoring import Snapshot
from fastcheck.undoing import Undoable


class StateKept(Undoable):
    """Keeps, for the time of a check, what functions of the user's can reach, and what tensors say of themselves.

    Attributes, lists and dicts hold what they held, modules are in the mode in which they were (``training`` is an
    attribute), ``grad`` and ``requires_grad`` of tensors are as before, and so are generators, the default dtype and
    autograd's mode. ``draws`` are the states of generators at the beginning.
    """

    def __init__(self, functions: Iterable[Any], tensors: Iterable[torch.Tensor]) -> None:
        self.functions, self.tensors = tuple(functions), list(tensors)
        self.draws = Draws(())
        self.process: OneEvaluation | None = None
        self.snapshot: Snapshot | None = None
        self.flags: list[tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None, bool]] = []

    def do(self) -> None:
        """Take note of everything."""
        found = reached(self.functions)
        modules = _modules_in(found)
        for module in modules:
            found.holders.extend((vars(module), module._parameters, module._buffers, module._modules))
        self.snapshot = Snapshot.of(found)
        self.draws = Draws.now(x for x in found.strangers if isinstance(x, torch.Generator))
        self.process = OneEvaluation(self.draws, dtype=None)
        self.process.do()
        tensors = [x for x in found.strangers if isinstance(x, torch.Tensor)]
        tensors += [x for module in modules for x in module.parameters(recurse=False)]
        self.flags = [_flags_of(x) for x in {id(x): x for x in (*self.tensors, *tensors)}.values()]

    def restore(self) -> None:
        """Put back what functions of the user's have stored since."""
        if self.snapshot is not None:
            self.snapshot.restore()
            self.snapshot.restore_entries()

    def undo(self) -> None:
        """Put everything back."""
        self.restore()
        for tensor, grad, values, requires_grad in self.flags:
            if tensor.is_leaf and tensor.grad is not grad:
                tensor.grad = grad
            if grad is not None and values is not None and not torch.equal(grad, values):
                grad.detach().copy_(values)
            if tensor.is_leaf and tensor.requires_grad != requires_grad:
                tensor.requires_grad_(requires_grad)
        if self.process is not None:
            self.process.undo()


def _modules_in(found: Reached) -> list[torch.nn.Module]:
    """Return the modules that functions hold, with all that these consist of."""
    roots = [x for x in found.strangers if isinstance(x, torch.nn.Module)]
    for holder in found.holders:
        values = holder.values() if isinstance(holder, dict) else ()
        roots += [x for x in values if isinstance(x, torch.nn.Module)]
    return list(dict.fromkeys(module for root in roots for module in root.modules()))


def _flags_of(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None, bool]:
    """Return a tensor with its gradient, the values of that, and whether it requires one."""
    grad = tensor.grad if tensor.is_leaf else None
    values = None if grad is None else grad.detach().clone()
    return tensor, grad, values, tensor.requires_grad
