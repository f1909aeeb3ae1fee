"""Engines: ways of computing the numerical gradient ĝ with a bound on its error.

An engine is one class with a name and one method, a generator of estimates: it yields what it knows of one part of the
plan after the other, and calls nothing back. Whoever runs it judges, in a loop of its own:

    with EngineRun(choose_engine("plain"), problem, plan, execution) as run:
        gradient = [estimate.slopes.central for estimate in run]
    print(run.summary.method, run.summary.forward_passes)

To add one: a new module, and a line in `ENGINES`.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from fastcheck.callers import level_of_caller
from fastcheck.engines.slopes import Bound, Slope, Slopes
from fastcheck.errors import BudgetUsedUp, FastcheckError, InvalidProblemError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fastcheck.engines.kink_place import KinkPlace
    from fastcheck.engines.rounding import Perturbed
    from fastcheck.execution import Execution
    from fastcheck.plan.coordinates import Coordinates, Part, Plan
    from fastcheck.problem.parameters import Vector
    from fastcheck.problem.posing import Problem

__all__ = [
    "ENGINES",
    "Bound",
    "Certified",
    "DisagreementError",
    "Engine",
    "EngineRun",
    "Estimate",
    "Slope",
    "Slopes",
    "Summary",
    "choose_engine",
]


TOGETHER = 2**14
"""Coordinates of which estimates may wait for others, so that they are judged together."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimate:
    """What an engine knows of the k coordinates of one part of a plan.

    Attributes
    ----------
    part
        The coordinates.
    slopes
        Their slopes. In plain evaluation the bound is what rounding does, and the truncation, what the finite step
        does, is added to it. As long as that is None nobody has asked for it: a claim that agrees nevertheless is
        right, another needs a closer look.
    noise
        The rounding noise of one evaluation of J.
    at_kinks
        Which coordinates meet kinks, (k,); None if none do or none are known.
    single_precision
        Whether the cost computes in float32 or float16, or rounds its parameters to it.
    loses_digits
        Whether the bound holds rounding that hides.
    perturbed
        In engines that know the operations: returns the slopes at some places of the block while these are rounded
        otherwise.
    closer
        In plain evaluation: returns the estimate with noise, step and truncation measured, and the forward passes this
        took, none when asked again.
    outside
        For rows at a border of the domain of J: what the cost does beyond it.
    lost
        For rows of which no evaluation came back: why. They are not evaluated again.
    step_given
        Whether the step is one of the user's.
    can_wait
        Whether it may be judged once the engine has gone on, or has ended: nothing here needs its run.
    at_step
        In engines that know slopes without a step: rows, and their central differences with the step of the user's.
    """

    part: Part
    slopes: Slopes
    noise: float
    at_kinks: NDArray[np.bool_] | None = None
    single_precision: bool = False
    loses_digits: bool = False
    perturbed: Callable[[Coordinates], Perturbed | None] | None = None
    closer: Callable[[], tuple[Estimate, int]] | None = None
    outside: Mapping[int, str] = field(default_factory=dict)
    lost: Mapping[int, str] = field(default_factory=dict)
    step_given: bool = False
    can_wait: bool = False
    at_step: tuple[Coordinates, Vector] | None = None

    def coordinate(self, row: int) -> int:
        """Return the position in θ of a row."""
        return int(self.part.block.start + self.part.at(slice(row, row + 1))[0])


class Certified(Protocol):
    """What was certified of slopes: with probability 1 - ``alpha`` their error in every block is within `error_in`.

    That follows from ``directions`` random directions. ``str()`` says how large it is, relative to a block.
    """

    def error_in(self, number: int) -> float:
        """Return the bound on the norm of the error of the slopes of block ``number``."""
        ...

    @property
    def alpha(self) -> float:
        """The probability of a larger one."""
        ...

    @property
    def directions(self) -> int:
        """The number of directions."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How the estimates of all parts were made, known once the last of them is.

    ``notes`` are sentences for the report, ``kinks`` the places in the cost where kinks were met, where they are
    known, and ``at_kinks`` the names of the blocks whose slopes depend on the choice there. ``certified``: what was
    certified of them, and how. ``said_of_kinks`` returns the sentence about so many coordinates at kinks, where their
    claims were judged together.
    """

    method: str
    forward_passes: int
    notes: tuple[str, ...] = ()
    kinks: tuple[KinkPlace, ...] = ()
    at_kinks: frozenset[str] = frozenset()
    certified: Certified | None = None
    said_of_kinks: Callable[[int], str] | None = None


class DisagreementError(FastcheckError):
    """The cost itself does not confirm what an engine found, or the engine cannot be trusted with it."""


class Engine(Protocol):
    """What the rest of fastcheck knows of an engine."""

    name: str
    """The name in reports, and the value of ``method=``."""

    def estimates(
        self, problem: Problem, plan: Plan, execution: Execution
    ) -> Generator[Estimate, None, Summary]:
        """Yield the estimate of each part of the plan, in their order, and return how they were made.

        Where a run is interrupted, and what is known is kept, estimates are of those coordinates that are known.
        One part is estimated at a time, so that nothing of the size of θ need be kept beside it. An engine that cannot
        do it raises before it yields anything.
        """
        ...


class EngineRun:
    """One run of an engine over a plan: the estimates, to be iterated over once, and then the ``summary``.

    As a context manager it ends the run however the loop over the estimates is left: what an engine does to the cost
    while it runs, it undoes before an exception reaches the caller.
    """

    def __init__(self, engine: Engine, problem: Problem, plan: Plan, execution: Execution) -> None:
        self._estimates = engine.estimates(problem, plan, execution)
        self._summary: Summary | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._estimates.close()

    def __iter__(self) -> Iterator[Estimate]:
        """Yield the estimate of each part."""
        self._summary = yield from self._estimates

    def together(self) -> Iterator[list[Estimate]]:
        """Yield the estimates in lists: those that can wait, up to `TOGETHER` coordinates or to one that cannot."""
        several, size = list[Estimate](), 0
        try:
            for estimate in self:
                several.append(estimate)
                size += estimate.part.size
                complete = size >= TOGETHER or not estimate.can_wait
                del estimate  # whoever gets the list may take it out
                if complete:
                    yield several
                    several, size = [], 0
        except (KeyboardInterrupt, BudgetUsedUp):
            if several:
                yield several
            raise
        if several:
            yield several

    @property
    def is_complete(self) -> bool:
        """Whether all estimates were made."""
        return self._summary is not None

    @property
    def summary(self) -> Summary:
        """How the estimates were made; only after the last of them."""
        if self._summary is None:
            raise RuntimeError("The summary of an engine's run is known once all estimates are.")
        return self._summary


ENGINES = {
    "auto": "fastcheck.engines.automatic:AutomaticEngine",
    "difference": "fastcheck.engines.graph.engine:GraphEngine",
    "plain": "fastcheck.engines.plain.batches:PlainEngine",
    "reference": "fastcheck.engines.plain.loop:ReferenceEngine",
    "complex-step": "fastcheck.engines.plain.complex_step:ComplexStepEngine",
}
"""The method's name → the module and class, imported when first used."""

FORMER = {
    "graph": "method='graph' is method='difference' now: write that, or leave it out.",
    "mlp": "method='mlp' is method='difference' now, which is as fast for any network: write that, or leave it out.",
}
"""What to write instead of names that methods once had."""


def choose_engine(method: str) -> Engine:
    """Return the engine for ``method=``."""
    if method in FORMER:
        warnings.warn(FORMER[method], DeprecationWarning, stacklevel=level_of_caller())
        method = "difference"
    if method not in ENGINES:
        known = ", ".join(map(repr, ENGINES))
        raise InvalidProblemError(f"method: expected one of {known}, got {method!r}.")
    module, _, attribute = ENGINES[method].partition(":")
    engine: Any = getattr(importlib.import_module(module), attribute)()
    return engine  # type: ignore[no-any-return]
