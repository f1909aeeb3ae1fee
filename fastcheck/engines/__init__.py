"""Engines: ways of computing the numerical gradient ĝ with a bound on its error.

An engine is one class with a name and one method. To add one: a new module, and a line in `ENGINES`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from fastcheck.errors import FastcheckError, InvalidProblemError

if TYPE_CHECKING:
    from fastcheck.engines.kinks import KinkPlace, Kinks
    from fastcheck.engines.rounding import Shaken
    from fastcheck.execution import Execution
    from fastcheck.parameters import Vector
    from fastcheck.plan import Coordinates, Part, Plan
    from fastcheck.problem import Problem

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """The bound u of k coordinates: ``relative`` times |ĝ|, plus what is ``absolute``, for all or each (k,)."""

    relative: float
    absolute: float | Vector

    def at(self, rows: slice | Coordinates, numerical: Vector) -> Vector:
        """Return u of some of the coordinates, given ĝ of these."""
        absolute = self.absolute if isinstance(self.absolute, float) else self.absolute[rows]
        return np.asarray(self.relative * np.abs(numerical) + absolute)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimate:
    """The numerical gradient of the k coordinates of one part of a plan, all arrays of shape (k,).

    ``numerical`` is the central difference with the step of the plan. ``lower`` and ``upper`` are the slopes
    between which a claim counts as right: the best value known, one array except where there are kinks. The true
    derivative lies within ``bound`` of that interval. ``plain`` (at most k) are the rows that were evaluated plainly,
    where the rounding noise of one evaluation of J is ``noise``, and may need a second look. ``kinks`` tells which
    coordinates meet kinks, None if none do or none are known. In plain evaluation ``bound`` is what rounding does,
    and ``truncation`` is to be added for what the finite step does to ``numerical``: a claim that agrees nevertheless
    is right, and another gets a second look, after which ``bound`` is all of it and ``truncation`` what no step
    settled. It is None as long as nobody asked: then ``closer`` returns the estimate with noise, step and truncation
    measured, and the forward passes this took, none when asked again. ``single_precision`` tells that the cost
    computes in float32 or float16, or rounds its parameters to it; ``loses_digits`` that ``bound`` holds rounding that
    hides. ``shaken``, in engines that know the operations, returns the slopes at some places of the block while these
    are rounded otherwise. ``outside`` tells of rows at a border of the domain of J what the cost does beyond it,
    ``step_given`` that the step is one of the user's.
    """

    part: Part
    numerical: Vector
    lower: Vector
    upper: Vector
    bound: Bound
    noise: float
    plain: Coordinates
    kinks: Kinks | None = None
    truncation: Vector | None = None
    single_precision: bool = False
    loses_digits: bool = False
    shaken: Callable[[Coordinates], Shaken | None] | None = None
    closer: Callable[[], tuple[Estimate, int]] | None = None
    outside: Mapping[int, str] = field(default_factory=dict)
    step_given: bool = False


class Certified(Protocol):
    """What was certified of slopes: with probability 1 - ``alpha`` those of every block are right to ``relative``.

    That is relative to the norm of the block, and follows from ``directions`` random directions. ``str()`` says it.
    """

    @property
    def relative(self) -> float:
        """The relative error that is left possible."""
        ...

    @property
    def alpha(self) -> float:
        """The probability of a larger one."""
        ...

    @property
    def directions(self) -> int:
        """The number of directions."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimates(Generic[T]):
    """What became of the estimates of all parts, in their order, and how they were made.

    ``notes`` are sentences for the report, ``kinks`` the places in the cost where kinks were met, where they are
    known, ``certified`` what was certified of them, and how. ``said_of_kinks`` returns the sentence about so many
    coordinates at kinks, where their claims were judged together.
    """

    method: str
    results: tuple[T, ...]
    forward_passes: int
    notes: tuple[str, ...] = ()
    kinks: tuple[KinkPlace, ...] = ()
    certified: Certified | None = None
    said_of_kinks: Callable[[int], str] | None = None


class DisagreementError(FastcheckError):
    """The reference loop does not confirm what a fast engine found, or the engine cannot be trusted here."""


class Engine(Protocol):
    """What the rest of fastcheck knows of an engine."""

    name: str
    """The name in reports, and the value of ``method=``."""

    def estimate(
        self, problem: Problem, plan: Plan, execution: Execution, use: Callable[[Estimate], T]
    ) -> Estimates[T]:
        """Return ``use`` of the estimate of each part of the plan.

        One part is estimated at a time, so that nothing of the size of θ need be kept beside it.
        """
        ...


ENGINES = {
    "auto": "fastcheck.engines.automatic:AutomaticEngine",
    "difference": "fastcheck.engines.difference.engine:DifferenceEngine",
    "graph": "fastcheck.engines.graph.engine:GraphEngine",
    "mlp": "fastcheck.engines.mlp.engine:MLPEngine",
    "reference": "fastcheck.engines.loop:ReferenceEngine",
    "plain": "fastcheck.engines.plain:PlainEngine",
}
"""The method's name → the module and class, imported when first used."""


def choose_engine(method: str) -> Engine:
    """Return the engine for ``method=``."""
    if method not in ENGINES:
        known = ", ".join(map(repr, ENGINES))
        raise InvalidProblemError(f"method: expected one of {known}, got {method!r}.")
    module, _, attribute = ENGINES[method].partition(":")
    engine: Any = getattr(importlib.import_module(module), attribute)()
    return engine  # type: ignore[no-any-return]
