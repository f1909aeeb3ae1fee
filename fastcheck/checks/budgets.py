"""Budgets: what a check may spend, in seconds and forward passes.

Two things keep a check within its budget. Each piece of it, such as a batch, is asked for beforehand: it begins only if
it is expected to fit. And where it takes more than expected, because a claim is wrong or a cost has kinks, the `Budget`
stops it at the next evaluation of the cost, which is the one place that all of them pass: so the forward passes are
never exceeded, and the seconds by a grace of 5 % and one evaluation, or one run on recording arrays. A piece that is
stopped is as good as not begun, whatever the claim is; what looks wrong and could not be looked at closer is
inconclusive.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from fastcheck.errors import BudgetUsedUp, InvalidProblemError
from fastcheck.interrupting import interruptions_raised, reason_of
from fastcheck.problem.posing import Problem

T = TypeVar("T")

USED_UP = 0.25
"""A budget of which less than this share is left is called used up."""

GRACE = 1.05
"""An evaluation may begin until this many times the seconds of a budget: clocks are less exact than plans."""


@dataclass(slots=True)
class Budget:
    """What a check may spend: ``seconds`` since ``start``, ``forward_passes``, or None for as much as it takes.

    ``ended`` says why nothing may be spent any more, whatever is left: one without limits is a check that may be
    interrupted.
    """

    seconds: float | None
    forward_passes: int | None
    start: float = field(default_factory=lambda: time.perf_counter())
    passes_so_far: int = 0
    ended: str | None = None

    @classmethod
    def read(cls, time_budget: Any, max_forward_passes: Any) -> Budget | None:
        """Return the budget asked for, None if none was; `InvalidProblemError` for impossible ones."""
        if time_budget is None and max_forward_passes is None:
            return None
        return cls(
            None if time_budget is None else _positive_seconds(time_budget),
            None if max_forward_passes is None else _positive_passes(max_forward_passes),
        )

    def metered(self, problem: Problem) -> Problem:
        """Return the same problem, every evaluation of which is asked for; those that posed it are spent already."""
        self.passes_so_far += problem.forward_passes
        return dataclasses.replace(problem, evaluator=dataclasses.replace(problem.evaluator, meter=self))

    def spend(self, passes: int) -> None:
        """Take note of forward passes that are about to be made; `BudgetUsedUp` if they do not fit or time is over."""
        if self.ended:
            raise BudgetUsedUp(self.stopped)
        over = self.forward_passes is not None and self.passes_so_far + passes > self.forward_passes
        late = self.seconds is not None and time.perf_counter() - self.start > GRACE * self.seconds
        if over or late:
            raise BudgetUsedUp(self.stopped)
        self.passes_so_far += passes

    def allows(self, passes: float) -> bool:
        """Tell whether so many forward passes may be made."""
        return self.fits(0.0, passes) >= 1

    def correct(self, before: int, passes: int) -> None:
        """Correct ``passes_so_far`` after a piece of work that says how many passes it made: some in other processes.

        Where the budget cut it, more were made than it says.
        """
        self.passes_so_far = before + max(passes, self.passes_so_far - before)

    def fits(self, seconds: float, passes: float, shares: tuple[float, float] = (1.0, 1.0)) -> float:
        """Return how many times a piece of work that takes this much fits into these shares of what is left."""
        times = 0.0 if self.ended else math.inf
        if self.seconds is not None:
            left = self.seconds - (time.perf_counter() - self.start)
            times = min(times, shares[0] * left / max(seconds, 1e-9))
        if self.forward_passes is not None:
            left = self.forward_passes - self.passes_so_far
            times = min(times, shares[1] * left / max(passes, 1e-9))
        return max(0.0, times)

    def watched(self) -> contextlib.AbstractContextManager[None]:
        """Leave the ``with`` block where the budget stops it, or Ctrl-C, after which nothing may be spent any more."""
        return _Watched(self)

    def finished(self, work: Callable[[], T]) -> T:
        """Return what ``work`` does; after Ctrl-C, what it does without spending anything."""
        try:
            with interruptions_raised():
                return work()
        except KeyboardInterrupt as error:
            self.end(error)
            return work()

    def end(self, error: KeyboardInterrupt) -> None:
        """Let nothing be spent any more; the second interruption passes through."""
        if self.ended:
            raise error
        self.ended = reason_of(error)

    @property
    def deadline(self) -> float | None:
        """The time of `time.perf_counter` at which the seconds are used up, None where they are not limited."""
        return None if self.seconds is None else self.start + self.seconds

    @property
    def stopped(self) -> str:
        """Why a check ended before all was done."""
        if self.ended:
            return self.ended
        is_used_up = self.fits(self.seconds or 0.0, self.forward_passes or 0.0) < USED_UP
        return f"{self} was used up" if is_used_up else f"the rest of {self} is too little for the next step"

    def __str__(self) -> str:
        timed = self.seconds is not None and math.isfinite(self.seconds)
        parts = [f"the time budget of {self.seconds:g} s"] if timed else []
        if self.forward_passes is not None:
            plural = "" if self.forward_passes == 1 else "es"
            parts.append(f"the budget of {self.forward_passes:,} forward pass{plural}")
        return " or ".join(parts)


class _Watched(contextlib.AbstractContextManager[None]):
    """What `Budget.watched` returns. Wherever an interruption comes, at its beginning or end, too, the budget ends."""

    def __init__(self, budget: Budget) -> None:
        self.budget, self.raised = budget, interruptions_raised()

    def __enter__(self) -> None:
        try:
            self.raised.__enter__()
        except KeyboardInterrupt as waiting:
            self.budget.end(waiting)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        late: KeyboardInterrupt | None = None
        try:
            self.raised.__exit__()
        except KeyboardInterrupt as came:
            late = came
        for interruption in (error, late):
            if isinstance(interruption, KeyboardInterrupt):
                self.budget.end(interruption)
        return isinstance(error, (BudgetUsedUp, KeyboardInterrupt))


def _positive_seconds(time_budget: Any) -> float:
    number = isinstance(time_budget, (int, float, np.number)) and not isinstance(time_budget, bool)
    if number and float(time_budget) > 0:
        return float(time_budget)
    raise InvalidProblemError(
        f"time_budget: expected a positive number of seconds, such as 2.0, got {time_budget!r}."
    )


def _positive_passes(max_forward_passes: Any) -> int:
    whole = isinstance(max_forward_passes, (int, np.integer)) and not isinstance(max_forward_passes, bool)
    if whole and max_forward_passes > 0:
        return int(max_forward_passes)
    raise InvalidProblemError(
        f"max_forward_passes: expected a positive whole number, such as 1000, got {max_forward_passes!r}."
    )
