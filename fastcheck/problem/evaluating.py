"""The cost as a function of the vector θ, and what its evaluations are told of and taken from.

`Evaluator` is the one place that calls the user's function in plain evaluation.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from fastcheck.errors import EvaluationError, LostEvaluationError, UndefinedCostError
from fastcheck.problem.cost_value import read_cost
from fastcheck.problem.parameters import Layout, Vector
from fastcheck.workers.exceptions import text_of
from fastcheck.workers.limits import is_limited, limited


class PassMeter(Protocol):
    """What keeps account of forward passes."""

    def spend(self, passes: int) -> None:
        """Take note of passes that are about to be made, or raise `BudgetUsedUp`."""
        ...

    def allows(self, passes: float) -> bool:
        """Tell whether so many may be made."""
        ...


@dataclass(slots=True)
class PassCounter:
    """A meter that counts the passes of work that may come to nothing, and tells the meter of the whole check.

    Without it, passes of an engine that gives up would not be in the report of the engine that takes over.
    """

    whole: PassMeter | None
    passes: int = 0

    def spend(self, passes: int) -> None:
        """Count, after the meter of the whole had a chance to refuse."""
        if self.whole is not None:
            self.whole.spend(passes)
        self.passes += passes

    def allows(self, passes: float) -> bool:
        """Ask the meter of the whole."""
        return self.whole is None or self.whole.allows(passes)


class Kept(NamedTuple):
    """What an evaluation gave: J, NaN where it is not defined, and what the cost raised where it raised."""

    value: float
    error: Exception | None


class KnownCosts(Protocol):
    """Evaluations that are finished, by a key of their point: of a run that was interrupted, say."""

    @property
    def keeps(self) -> bool:
        """Whether evaluations are kept that somebody asked for; others are only those that workers made ahead."""
        ...

    def point(self, theta: Vector) -> bytes | None:
        """Return the key of a point, (n,); None for θ itself, where J is always evaluated."""
        ...

    def moved(self, coordinate: int, value: float) -> bytes | None:
        """Return the same of θ with one coordinate at this value."""
        ...

    def find(self, key: bytes) -> Kept | None:
        """Return what the evaluation gave, None if it is not known."""
        ...

    def add(self, key: bytes, kept: Kept) -> None:
        """Keep what an evaluation gave; whatever cannot be kept raises nothing."""
        ...


class Ahead(Protocol):
    """What has points evaluated, by workers, before they are asked for one by one; they are known then."""

    def __call__(self, count: int, points: Callable[[], Iterable[Vector]], /) -> None:
        """Have so many points evaluated, unless that does not pay; their passes are counted when they are asked for."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Evaluator:
    """The cost as a function of the vector θ, shape (n,): ``evaluator(theta)`` is one forward pass.

    The cost gets views of ``theta`` in the user's structure. Raises `EvaluationError` if it returns anything
    but one finite real number; whatever the cost itself raises passes through. ``meter`` is told of every pass, None
    if nobody counts them. ``known`` are evaluations that need not be made again; ``place`` is where the others are
    made, in this process if it is None or returns None; ``ahead`` makes them before they are asked for, None if there
    are no workers.

    ``theta`` is changed in place from one pass to the next. A cost that keeps what it got gets ``fresh`` memory each
    time, or this one would return the same J for ever, as the array that it kept always equals the one that it gets::

        def cost(w):
            if kept is None or not np.array_equal(w, kept[0]):
                kept = w, expensive(w)
            return kept[1]
    """

    cost: Callable[[Any], Any]
    layout: Layout
    meter: PassMeter | None = None
    fresh: bool = False
    known: KnownCosts | None = None
    place: Callable[[Vector], Kept | None] | None = None
    ahead: Ahead | None = None

    def __call__(self, theta: Vector) -> float:
        """Return J(θ)."""
        if self.meter is not None:
            self.spend(1)
        made = None if self.place is None else self.place(theta)
        if made is not None:
            if made.error is not None:
                raise made.error
            return made.value
        parameters = self.layout.build(theta.copy() if self.fresh else theta)
        try:
            return read_cost(self.cost(parameters))
        except SystemExit as error:
            raise UndefinedCostError(f"the cost ends the program (SystemExit: {error})") from error

    def cost_or_nan(self, theta: Vector) -> float:
        """Return J at a point near θ; NaN where it is not defined: it raises there, or J is no finite real number.

        An error of one coordinate at the edge of the domain does not end the check of all others. At θ itself J is
        defined: that is checked first.
        """
        return self.attempt(theta)[0]

    def complaint(self, theta: Vector) -> str:
        """Return what the cost does at a point where it is not defined, in words. One forward pass."""
        _, error = self.attempt(theta)
        if error is None:
            return "it is defined there in some calls, and in others not"
        return str(error) if isinstance(error, EvaluationError) else text_of(error)

    def attempt(self, theta: Vector) -> tuple[float, Exception | None]:
        """Return what `cost_or_nan` does, and what was raised where that is NaN, as it is where memory is scarce."""
        key = None if self.known is None else self.known.point(theta)
        kept = None if self.known is None or key is None else self.known.find(key)
        if kept is not None:
            self.spend(1)
            return kept
        try:
            kept = Kept(*self.attempt_with_memory(theta))
        except MemoryError as error:
            return math.nan, LostEvaluationError(f"there was too little memory: {text_of(error)}")
        if self.known is not None and key is not None and not isinstance(kept.error, LostEvaluationError):
            self.known.add(key, kept)
        return kept

    def attempt_with_memory(self, theta: Vector) -> tuple[float, Exception | None]:
        """Return the same of an evaluation that is made now; raises `MemoryError`, for what can try it again."""
        try:
            if not is_limited():
                return self(theta), None
            with limited():
                return self(theta), None
        except (UndefinedCostError, LostEvaluationError) as error:
            return math.nan, error
        except (EvaluationError, MemoryError):
            raise
        except Exception as error:
            return math.nan, error

    def expect(self, count: int, points: Callable[[], Iterable[Vector]], *, certain: bool = True) -> None:
        """Say which points, each a vector of its own, are asked for next, so that workers may share them.

        Where it is not ``certain`` that all of them are, a budget of passes has none to spare. Nothing else changes by
        it: what is asked for, in which order, and how many passes are counted.
        """
        passes = count if certain else math.inf
        if self.ahead is not None and (self.meter is None or self.meter.allows(passes)):
            self.ahead(count, points)

    def here(self) -> Evaluator:
        """Return the same without what is known, for work of which all is evaluated, in this process."""
        is_alone = self.known is None and self.place is None and self.ahead is None
        if is_alone:
            return self
        return dataclasses.replace(self, known=None, place=None, ahead=None)

    def elsewhere(self) -> Evaluator:
        """Return the same for a worker, which does what it is asked; passes are counted where it is."""
        here = self.here()
        return here if here.meter is None else dataclasses.replace(here, meter=None)

    def spend(self, passes: int) -> None:
        """Tell the meter of passes that are made next, and not by a call of this; it may raise `BudgetUsedUp`."""
        if self.meter is not None:
            self.meter.spend(passes)
