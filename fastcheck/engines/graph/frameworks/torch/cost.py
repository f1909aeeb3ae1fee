"""A function of tensors as a cost: plain where arrays come, followed where recorded ones do."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastcheck.engines.graph.frameworks.torch.doubling import Doubling
from fastcheck.engines.graph.frameworks.torch.evaluation import Draws, OneEvaluation
from fastcheck.engines.graph.frameworks.torch.following import Following
from fastcheck.engines.graph.frameworks.torch.leaving import Leaving
from fastcheck.engines.graph.frameworks.torch.protecting import Drawn, Lowered, Protecting, Watched
from fastcheck.engines.graph.frameworks.torch.round_trips import Companion
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape


class TorchCost:
    """J = Σ ⟨cotangent, output⟩ of a function of named tensors, in double precision.

    ``function`` gets a dict of float64 tensors and returns tensors, or lists, tuples and dicts of them; ``cotangents``
    has an array for each of those that are floating-point, in their order. ``own`` is the dtype of the tensors in the
    user's own runs, ``as_drawn`` are the random numbers that these drew. Generators start each evaluation in the states
    ``draws``: those that they had when this was made. ``lowered`` tells where an evaluation first met numbers in less
    than double precision, which were read as double.
    """

    threads = False
    follows_itself = True

    def __init__(
        self,
        function: Callable[[dict[str, torch.Tensor]], Any],
        cotangents: Sequence[NDArray[Any]],
        own: torch.dtype = torch.float64,
    ) -> None:
        self.function, self.cotangents = function, tuple(cotangents)
        self.own, self.default = own, torch.get_default_dtype()
        self.draws = Draws.now()
        self.as_drawn: Sequence[Drawn] = ()
        self.in_double = True
        self.lowered: Lowered | None = None
        self.evaluated = False
        self.watched: Watched | None = None
        self.first: float | None = None

    @property
    def penalties(self) -> bool:
        """Whether a penalty may be a part of J: it is a number, and so are all outputs."""
        return all(np.ndim(cotangent) == 0 for cotangent in self.cotangents)

    def in_own_dtype(self) -> TorchCost:
        """Return the cost of a function that does not run in double: plainly, in the tensors' own dtype."""
        other = self.with_cotangent(self.cotangents)
        other.in_double = False
        return other

    def with_cotangent(self, cotangent: Sequence[NDArray[Any]]) -> TorchCost:
        """Return the same cost with other cotangents."""
        other = copy.copy(self)
        other.cotangents = tuple(cotangent)
        other.evaluated, other.watched, other.first = False, None, None
        return other

    def __call__(self, parameters: Mapping[str, Any]) -> Any:
        """Return J."""
        with OneEvaluation(self.draws, torch.float64 if self.in_double else None), torch.no_grad():
            if any(type(x) is Recorded for x in parameters.values()):
                return self._followed(parameters)
            return self._plain(parameters)

    def _plain(self, parameters: Mapping[str, Any]) -> float:
        """Return J of plain arrays.

        The first evaluation is followed. Where it changes nothing, and the second one, which is not followed, returns
        the same to the last bit, none is followed any more.
        """
        if self.watched is None:
            return self._protected(parameters)
        value = self._alone(parameters, self.watched)
        is_confirmed = self.first is None or value == self.first
        if value is None or not is_confirmed:
            self.watched = None
            return self._protected(parameters)
        self.first = None
        return value

    def _protected(self, parameters: Mapping[str, Any]) -> float:
        """Return J, the user's tensors being protected; operations are done in double precision if they can be."""
        tensors = self._tensors_of(parameters)
        doubling = Doubling(self.own, self.default, self.as_drawn)
        mode = doubling if self.in_double else Protecting()
        mode.note_made(list(tensors.values()))
        is_first, self.evaluated = not self.evaluated, True
        try:
            with mode:
                outputs = differentiable(self.function(tensors))
                values = [doubling.read(y).cpu().numpy() for y in outputs]
            value = self._sum(values)
            if is_first and self.in_double:
                self.watched = Watched.after(doubling)
        finally:
            mode.put_back()
        if self.in_double:
            self.lowered = self.lowered or doubling.lowered
        self.first = value if is_first else None
        return value

    def _alone(self, parameters: Mapping[str, Any], watched: Watched) -> float | None:
        """Return J as PyTorch computes it by itself, None if that is in less than double precision."""
        try:
            outputs = differentiable(self.function(self._tensors_of(parameters)))
            if any(y.dtype is not torch.float64 for y in outputs):
                return None
            return self._sum([y.detach().cpu().numpy() for y in outputs])
        finally:
            watched.put_back()

    def _tensors_of(self, parameters: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """Return tensors with copies of arrays."""
        tensors = {name: torch.from_numpy(np.array(x)) for name, x in parameters.items()}
        return tensors if self.in_double else {name: x.to(self.own) for name, x in tensors.items()}

    def _sum(self, values: Sequence[NDArray[Any]]) -> float:
        return float(sum(np.sum(u * y) for u, y in zip(self.cotangents, values, strict=True)))

    def _followed(self, parameters: Mapping[str, Any]) -> Any:
        if not self.in_double:
            raise current_tape().refusal("less than double precision", "the function does not run in double.")
        doubling = Doubling(self.own, self.default, self.as_drawn)
        doubled = doubling if self.watched is None else contextlib.nullcontext()
        following = Following(doubling)
        current_tape().companions["torch"] = Companion(following, lambda: None)
        tensors = {name: following.follow(x) for name, x in parameters.items()}
        try:
            with doubled, Leaving(following), following:
                outputs = differentiable(self.function(tensors))
            parts = []
            for u, y in zip(self.cotangents, outputs, strict=True):
                recorded = following.recorded(y)
                values = doubling.read(y).numpy() if recorded is None else recorded
                parts.append(np.sum(u * values))
            return sum(parts[1:], parts[0])
        finally:
            doubling.put_back()


def differentiable(result: Any) -> list[torch.Tensor]:
    """Return the floating-point tensors of what a function returned, in their order."""
    return [y for y in _tensors_in(result) if y.is_floating_point()]


def _tensors_in(result: Any) -> Iterator[torch.Tensor]:
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, Mapping):
        for part in result.values():
            yield from _tensors_in(part)
    elif isinstance(result, (list, tuple)):
        for part in result:
            yield from _tensors_in(part)
