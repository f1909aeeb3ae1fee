"""Engines: ways of computing the numerical gradient ĝ with a bound on its error.

An engine is one class with a name and one method. To add one: a new module, and a line in `ENGINES`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fastcheck.errors import FastcheckError, InvalidProblemError

if TYPE_CHECKING:
    from fastcheck.execution import Execution
    from fastcheck.parameters import Vector
    from fastcheck.plan import Coordinates, Plan
    from fastcheck.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimates:
    """The numerical gradient of the k coordinates of a plan, all arrays of shape (k,).

    ``numerical`` is the central difference with the step of the plan. ``lower`` and ``upper`` are the slopes
    between which a claim counts as right: the best value known, one number except at a kink. ``bound`` is u:
    the true derivative lies within u of that interval. ``noise`` is the rounding noise of one evaluation of
    J, ``plain`` (at most k) the rows that were evaluated plainly and may need a second look. ``notes`` are
    sentences for the report. In plain evaluation u is what rounding does, and ``truncation`` is to be added for what
    the finite step does to ``numerical``: a claim that agrees nevertheless is right, and another gets a second look.
    ``single_precision`` tells that the cost computes in float32 or float16, or rounds its parameters to it.
    """

    method: str
    numerical: Vector
    lower: Vector
    upper: Vector
    bound: Vector
    noise: float
    plain: Coordinates
    forward_passes: int
    notes: tuple[str, ...] = ()
    truncation: Vector | None = None
    single_precision: bool = False


class DisagreementError(FastcheckError):
    """The reference loop does not confirm what a fast engine found, or the engine cannot be trusted here."""


class Engine(Protocol):
    """What the rest of fastcheck knows of an engine."""

    name: str
    """The name in reports, and the value of ``method=``."""

    def estimate(self, problem: Problem, plan: Plan, execution: Execution) -> Estimates:
        """Return ĝ and its bound for every coordinate of the plan."""
        ...


ENGINES = {
    "auto": "fastcheck.engines.automatic:AutomaticEngine",
    "difference": "fastcheck.engines.difference.engine:DifferenceEngine",
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
