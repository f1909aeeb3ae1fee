"""A function as gradcheck is asked about it: from the tensors that require gradients to real outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from fastcheck.errors import InvalidProblemError
from fastcheck.torch.structures import Path, map_tensors, tensors_in

Tensors = list[torch.Tensor]


class SparseTensorError(InvalidProblemError):
    """A tensor is not dense: PyTorch itself can answer."""


class AskedFunction:
    """A function of the tensors that require gradients, and its outputs that have one.

    Complex tensors, in and out, are pairs of real numbers, as of `torch.view_as_real`: what autograd returns for them
    is the gradient by these pairs.

    Parameters
    ----------
    func
        Takes the arguments, and returns a tensor or several.
    inputs
        The arguments: a tensor, or a tuple of anything; tensors are also found in lists, tuples and dicts.
    names
        What the arguments are called.

    Raises
    ------
    InvalidProblemError
        ``func`` is no function, or no tensor requires a gradient.
    SparseTensorError
        An input that requires one, or an output that has one, is sparse.
    """

    def __init__(self, func: Callable[..., Any], inputs: Any, names: Callable[[int], Sequence[str]]) -> None:
        if not callable(func):
            raise InvalidProblemError(
                f"fn of gradcheck: expected a function of tensors, got {type(func).__name__}."
            )
        self.func = func
        self.arguments = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
        self.names: dict[Path, str] = {}
        self.point: dict[str, torch.Tensor] = {}
        called = names(len(self.arguments))

        def note(path: Path, x: torch.Tensor) -> torch.Tensor:
            if x.requires_grad:
                _expect_strided(x, f"input {path[0]}")
                self.names[path] = name = _name(called[path[0]], path[1:])
                self.point[name] = real(x.detach())
            return x

        map_tensors(note, self.arguments)
        if not self.point:
            raise InvalidProblemError(
                "inputs of gradcheck: expected at least one tensor with requires_grad=True, and got none."
            )
        outputs = tensors_in(self.called(self.leaves()))
        self.places = [number for number, out in enumerate(outputs) if out.requires_grad]
        self.is_constant = not self.places
        if self.is_constant:
            self.places = [
                number for number, out in enumerate(outputs) if out.is_floating_point() or out.is_complex()
            ]
        for number in self.places:
            _expect_strided(outputs[number], f"output {number}")

    def leaves(self) -> dict[str, torch.Tensor]:
        """Return the tensors at which the question is asked, each at the beginning of a graph of its own."""
        return {name: x.clone().requires_grad_() for name, x in self.point.items()}

    def __call__(self, **tensors: torch.Tensor) -> Tensors:
        """Return the outputs for other values of the tensors."""
        if self.is_constant and torch.is_grad_enabled():
            return list(_Constant.apply(self, tuple(tensors), *tensors.values()))
        return self.outputs(tensors)

    def outputs(self, tensors: Mapping[str, torch.Tensor]) -> Tensors:
        """Return the outputs, which may have no gradient."""
        outputs = tensors_in(self.called(tensors))
        return [real(outputs[number]) for number in self.places]

    def called(self, tensors: Mapping[str, torch.Tensor]) -> Any:
        """Return what the function itself returns."""

        def chosen(path: Path, x: torch.Tensor) -> torch.Tensor:
            name = self.names.get(path)
            if name is None:
                return x
            return torch.view_as_complex(tensors[name].contiguous()) if x.is_complex() else tensors[name]

        return self.func(*map_tensors(chosen, self.arguments))

    def graph(self) -> tuple[Tensors, Tensors]:
        """Return leaves, and the outputs for them."""
        leaves = self.leaves()
        return list(leaves.values()), self(**leaves)


class _Constant(torch.autograd.Function):
    """A function of which autograd says that nothing depends on its inputs."""

    @staticmethod
    def forward(ctx: Any, asked: AskedFunction, names: Sequence[str], *tensors: torch.Tensor) -> Any:
        ctx.save_for_backward(*tensors)
        return tuple(out.clone() for out in asked.outputs(dict(zip(names, tensors, strict=True))))

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        return None, None, *map(torch.zeros_like, ctx.saved_tensors)


def real(x: torch.Tensor) -> torch.Tensor:
    """Return a tensor of real numbers: a complex one as pairs of these."""
    return torch.view_as_real(x.resolve_conj()) if x.is_complex() else x


def _expect_strided(x: torch.Tensor, what: str) -> None:
    if x.layout is not torch.strided:
        raise SparseTensorError(
            f"{what} of gradcheck: expected a dense tensor (torch.strided), got {x.layout}. torch.autograd.gradcheck "
            "checks sparse ones."
        )


def _name(argument: str, path: Path) -> str:
    return argument + "".join(f"[{key!r}]" for key in path)
