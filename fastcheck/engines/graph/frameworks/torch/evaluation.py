"""What PyTorch holds for the whole process is as before after each evaluation of the user's code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from fastcheck.undoing import Undoable


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """The states of generators, from which they draw the same numbers each time: PyTorch's own, and the user's."""

    states: Sequence[tuple[torch.Generator, torch.Tensor]]

    @classmethod
    def now(cls, generators: Iterable[torch.Generator] = ()) -> Draws:
        """Return the states in which generators are, PyTorch's own among them."""
        of_devices = torch.cuda.default_generators if torch.cuda.is_initialized() else ()
        every = {id(x): x for x in (torch.default_generator, *of_devices, *generators)}
        return cls([(x, x.get_state()) for x in every.values()])

    def after(self) -> Draws:
        """Return the states in which the same generators are now."""
        return Draws([(x, x.get_state()) for x, _ in self.states])

    def begin(self) -> None:
        """Put the generators into these states."""
        for generator, state in self.states:
            generator.set_state(state)


class OneEvaluation(Undoable):
    """An evaluation of the user's code: it draws the same random numbers each time, and new tensors are double.

    It runs on one thread, on which sums are the same every time.

    ``draws`` are the states of generators at its beginning; None leaves generators alone, before and after. ``dtype``
    is that of new tensors, None for the present one.
    """

    def __init__(self, draws: Draws | None = None, dtype: torch.dtype | None = torch.float64) -> None:
        self.draws, self.dtype = draws, dtype
        self.before: tuple[Draws | None, torch.dtype, bool, int] | None = None

    def do(self) -> None:
        """Begin."""
        draws = None if self.draws is None else self.draws.after()
        settings: Any = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()
        self.before = draws, *settings
        torch.set_num_threads(1)
        if self.draws is not None:
            self.draws.begin()
        if self.dtype is not None:
            torch.set_default_dtype(self.dtype)

    def undo(self) -> None:
        """Put the generators, the default dtype, the mode of autograd and the number of threads back."""
        if self.before is not None:
            draws, dtype, grad_is_enabled, threads = self.before
            if draws is not None:
                draws.begin()
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(grad_is_enabled)
            torch.set_num_threads(threads)
