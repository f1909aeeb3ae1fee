"""What a function of tensors detaches, held at its values at θ: so autograd takes it, if that is declared.

The smallest function of which autograd and differences say something else::

    return x + (torch.round(x) - x).detach()

Constants of autograd's are what ``detach``, ``.data`` and ``item`` return, and what is computed under ``no_grad`` of
tensors that require a gradient. Inside of the forward pass of a `torch.autograd.Function` autograd sees nothing, and
``detach`` says nothing: what counts there is the backward pass.
"""

from __future__ import annotations

import math
import sys
import types
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

import fastcheck
from fastcheck.checkpoints.sections import section
from fastcheck.checks.held_on_purpose import with_undeclared
from fastcheck.engines.graph.frameworks.torch.cost import TorchCost
from fastcheck.errors import EvaluationError, FastcheckError
from fastcheck.problem.holding import Place
from fastcheck.report.result import Report
from fastcheck.torch.structures import tensors_in
from fastcheck.torch.truth import compared

DETACH = "detach"
"""The word that declares it."""

NOTHING_DETACHED = f"held_constant={DETACH!r}: the forward detaches nothing that the inputs reach."

DETACHING = frozenset(("detach", "detach_", "data", "item", "tolist", "__float__", "tensor"))
"""Functions of PyTorch's whose results autograd takes as constants."""

SAME = 1e-9
"""J with what is detached held may differ by this share."""

LIBRARY, OURS = (str(Path(str(package.__file__)).parent) for package in (torch, fastcheck))

APPLY = torch.autograd.Function.apply.__func__.__code__
"""The code in which forward passes of custom Functions run."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A call whose result may be a constant of autograd's: its name, and a copy of the result, None if it is none.

    What is written under ``no_grad`` into a tensor that keeps its gradient moves as it did ``before``.
    """

    name: str
    value: Any
    before: Any = None


Cuts = Mapping[Place, Sequence[Cut]]
"""Calls by the lines that make them, in their order."""


class HeldFunction:
    """A function of tensors that gets, where it detaches values, those of its first call."""

    def __init__(self, function: Callable[[dict[str, torch.Tensor]], Any]) -> None:
        self.function = function
        self.cuts: Cuts | None = None

    @property
    def complex(self) -> Sequence[str]:
        """Names of complex tensors."""
        return getattr(self.function, "complex", ())

    @property
    def places(self) -> list[Place]:
        """The lines that hold something."""
        return [place for place, cuts in (self.cuts or {}).items() if _hold(cuts)]

    def __call__(self, tensors: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        """Return the outputs."""
        mode = _Noting() if self.cuts is None else _Replaying(self.cuts)
        if self.cuts is None:
            tensors = {name: x.detach().requires_grad_() for name, x in tensors.items()}
        with torch.enable_grad(), mode:
            outputs = self.function(dict(tensors))
        if isinstance(mode, _Noting):
            self.cuts = mode.cuts
        return [y.detach() for y in tensors_in(outputs)]


def held(cost: TorchCost, parameters: Mapping[str, Any]) -> tuple[TorchCost, list[Place]]:
    """Return the cost that holds what is detached at its values for these parameters, and the lines that do so.

    Costs two evaluations. Raises `EvaluationError` where that is another function, even for these parameters.
    """
    function = HeldFunction(cost.function)
    other = cost.with_cotangent(cost.cotangents)
    other.function = function
    value = other.with_cotangent(cost.cotangents)(parameters)
    again = other.with_cotangent(cost.cotangents)(parameters)
    if function.places and not math.isclose(again, value, rel_tol=SAME, abs_tol=SAME):
        raise EvaluationError(
            f"held_constant={DETACH!r}: with what fn detaches held, its outputs are others. Does it write "
            "into what it detached, as in x.data.round_()? Write x + (torch.round(x) - x).detach()."
        )
    return other, function.places


def explained_by_detaching(
    report: Report,
    cost: TorchCost,
    parameters: Mapping[str, Any],
    claims: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Report:
    """Return a report that fails with the blocks that are right if what the function detaches is held constant."""
    try:
        other, places = held(cost, parameters)
        if not places:
            return report
        with section("what is detached is held"):
            tried = compared(other, parameters, claims, options)
    except FastcheckError:  # not what was asked
        return report
    return with_undeclared(report, tried, DETACH, "what the forward detaches", places)


class _Cutting(TorchFunctionMode):
    """Sees the calls whose results may be constants of autograd's, while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[Place] = Counter()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.nn.functional.gumbel_softmax:
            return self._gumbel_softmax(sys._getframe(1), *args, **kwargs)
        may_hold = _name(func) in DETACHING or not torch.is_grad_enabled()
        return self._called(sys._getframe(1), func, args, kwargs) if may_hold else func(*args, **kwargs)

    def _called(self, caller: types.FrameType, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Return the result of a call that may hold a value."""
        place = _place(caller)
        if place is None:
            return func(*args, **kwargs)
        number = self.calls[place]
        self.calls[place] += 1
        return self.cut(place, number, func, args, kwargs)

    def _gumbel_softmax(
        self,
        caller: types.FrameType,
        logits: Any,
        tau: float = 1,
        hard: bool = False,
        *others: Any,
        **named: Any,
    ) -> Any:
        """Return what PyTorch returns, whose ``detach`` for ``hard=True`` is not seen inside of its function."""
        soft = torch.nn.functional.gumbel_softmax(logits, tau, False, *others, **named)
        if not hard:
            return soft
        axis = named.get("dim", others[1] if len(others) > 1 else -1)
        largest = torch.zeros_like(soft).scatter_(axis, soft.argmax(axis, keepdim=True), 1.0)
        return largest + (soft - self._called(caller, torch.Tensor.detach, (soft,), {}))

    def cut(self, place: Place, number: int, func: Any, args: Any, kwargs: Any) -> Any:
        """Return the result of such a call, which is one of several of that line."""
        raise NotImplementedError


class _Noting(_Cutting):
    """Takes note of what is constant, as the tensors that it comes from require a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.cuts: dict[Place, list[Cut]] = {}

    def cut(self, place: Place, number: int, func: Any, args: Any, kwargs: Any) -> Any:
        """Keep a copy of the result."""
        is_constant = any(x.requires_grad for x in tensors_in((args, kwargs)))
        before = _copied(args[0]) if args else None
        result = func(*args, **kwargs)
        keeps_gradient = bool(args) and result is args[0] and result.requires_grad
        value = _copied(result) if is_constant else None
        self.cuts.setdefault(place, []).append(Cut(_name(func), value, before if keeps_gradient else None))
        return result


class _Replaying(_Cutting):
    """Gives back what was constant."""

    def __init__(self, cuts: Cuts) -> None:
        super().__init__()
        self.cuts = cuts

    def cut(self, place: Place, number: int, func: Any, args: Any, kwargs: Any) -> Any:
        """Return what this call of the line returned at θ, in the memory that it wrote into."""
        cuts = self.cuts.get(place, ())
        if not _hold(cuts):
            return func(*args, **kwargs)
        if number >= len(cuts) or cuts[number].name != _name(func):
            raise EvaluationError(
                f"held_constant: near θ the function detaches other values at {place} than at θ, so it is not known "
                "what to hold. Detach the same at all values of the inputs."
            )
        kept = _copied(cuts[number].value)
        if kept is not None and cuts[number].before is not None:
            kept = kept + (args[0].clone() - cuts[number].before)
        result = func(*args, **kwargs)
        if kept is None:
            return result
        if any(x is result for x in tensors_in((args, kwargs))):
            with torch.no_grad():
                return result.copy_(kept)
        return kept


def _hold(cuts: Sequence[Cut]) -> bool:
    return any(cut.value is not None for cut in cuts)


def _copied(value: Any) -> Any:
    """Return a copy of tensors and numbers, also of several; None for what has no slope."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        parts = [_copied(part) for part in value]
        return None if any(part is None for part in parts) else type(value)(parts)
    return value if isinstance(value, float) else None


def _name(func: Any) -> str:
    """Return the name of a function, or of the attribute that it reads."""
    name = str(getattr(func, "__name__", ""))
    return str(func.__self__.__name__) if name == "__get__" else name


def _place(caller: types.FrameType) -> Place | None:
    """Return the innermost line that is not PyTorch's; None where autograd sees nothing, or the call is ours."""
    frame = caller
    if caller.f_code.co_filename.startswith(OURS):
        return None
    while frame.f_back is not None and frame.f_code.co_filename.startswith(LIBRARY):
        frame = frame.f_back
    outer: types.FrameType | None = caller
    while outer is not None and outer.f_code.co_filename != __file__:
        if outer.f_code is APPLY:
            return None
        outer = outer.f_back
    line = caller if frame.f_code.co_filename.startswith(OURS) else frame
    return Place(line.f_code.co_filename, line.f_lineno)
