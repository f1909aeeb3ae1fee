"""Derivatives in forward mode: J v by dual numbers, as something that can be checked like a backward pass."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.autograd import forward_ad
from torch.autograd.gradcheck import GradcheckError

from fastcheck.torch.further_demands import is_same

Tensors = list[torch.Tensor]
Function = Callable[..., Sequence[torch.Tensor]]

DIRECTIONS = 4
"""Random directions for each input: what is wrong with J v shows in all of them, but with probability 0."""


class AlongDirections(torch.autograd.Function):
    """The outputs of a function at x + Σ (sₖ − 1) vₖ; by sₖ they change, at s = 1, as forward mode says of J vₖ.

    There is one vector s for each input x, whose directions move that input alone.
    """

    @staticmethod
    def forward(ctx: Any, walk: Walk, *steps: torch.Tensor) -> Any:
        """Return the outputs."""
        ctx.walk = walk
        return tuple(walk.function(*walk.at(steps)))

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        """Return ⟨cotangents, J vₖ⟩ for each direction."""
        walk: Walk = ctx.walk
        return None, *(
            torch.stack([_inner(upstream, walk.derivative(number, v)) for v in directions])
            for number, directions in enumerate(walk.directions)
        )


class Walk:
    """A function of tensors, and the directions in which these move.

    Parameters
    ----------
    function
        Takes the tensors, and returns a sequence of outputs.
    point
        The tensors x, by name.
    generator
        Draws the directions.
    """

    def __init__(
        self, function: Function, point: Mapping[str, torch.Tensor], generator: torch.Generator
    ) -> None:
        self.function = function
        self.names = list(point)
        self.point = [x.detach() for x in point.values()]
        self.directions = [
            [torch.randn(x.shape, dtype=torch.float64, generator=generator).to(x) for _ in range(DIRECTIONS)]
            for x in self.point
        ]

    def steps(self) -> dict[str, torch.Tensor]:
        """Return s = 1 for each input."""
        return {name: torch.ones(DIRECTIONS, dtype=torch.float64) for name in self.names}

    def outputs(self, **steps: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return the outputs at other steps."""
        outputs: Sequence[torch.Tensor] = AlongDirections.apply(self, *steps.values())
        return outputs

    def at(self, steps: Sequence[torch.Tensor]) -> Tensors:
        """Return x + Σ (sₖ − 1) vₖ."""
        moved = []
        for x, s, directions in zip(self.point, steps, self.directions, strict=True):
            for k, v in enumerate(directions):
                x = x + (s[k] - 1).to(x.dtype) * v
            moved.append(x)
        return moved

    def derivative(self, number: int, v: torch.Tensor) -> Tensors:
        """Return J v at x by forward mode, where v moves one input."""
        _load_rules_of_forward_mode()
        try:
            with forward_ad.dual_level():
                tensors = [
                    forward_ad.make_dual(x, v if at == number else torch.zeros_like(x))
                    for at, x in enumerate(self.point)
                ]
                duals = [forward_ad.unpack_dual(out) for out in self.function(*tensors)]
                return [_tangent(primal, tangent) for primal, tangent in duals]
        except NotImplementedError as error:
            raise GradcheckError(f"The function has no derivative in forward mode: {error}") from error


def demand_batched_forward_mode(walk: Walk) -> None:
    """Raise unless J v is the same for several v at once, by `torch.func.vmap`."""
    point = tuple(walk.point)
    for number, directions in enumerate(walk.directions):
        each = [walk.derivative(number, v) for v in directions]

        def derivative(v: torch.Tensor, number: int = number) -> Any:
            moved = tuple(v if at == number else torch.zeros_like(x) for at, x in enumerate(point))
            _, tangents = torch.func.jvp(lambda *x: tuple(walk.function(*x)), point, moved)
            return tangents

        try:
            together = torch.func.vmap(derivative)(torch.stack(directions))
        except RuntimeError as error:
            raise GradcheckError(f"Forward mode cannot run in a batch, by vmap: {error}") from error
        for k, found in enumerate(together):
            if not is_same(torch.stack([one[k] for one in each]), found):
                raise GradcheckError(
                    f"The derivative of output {k} by {walk.names[number]} in forward mode is another in a batch, by "
                    "vmap."
                )


@functools.cache
def _load_rules_of_forward_mode() -> None:
    """Let PyTorch load these, which it does when they are needed first, with warnings of its own functions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with forward_ad.dual_level():
            forward_ad.make_dual(torch.zeros(1), torch.zeros(1))


def _tangent(primal: torch.Tensor, tangent: torch.Tensor | None) -> torch.Tensor:
    return torch.zeros_like(primal) if tangent is None else tangent.clone()


def _inner(one: Sequence[torch.Tensor], two: Sequence[torch.Tensor]) -> torch.Tensor:
    parts = [(u.double() * t.double()).sum() for u, t in zip(one, two, strict=True)]
    return torch.stack(parts).sum()
