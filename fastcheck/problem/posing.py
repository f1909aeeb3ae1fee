"""The question, validated: a cost, parameters, and a claimed gradient that fit together.

This is the one place for bad input. Everything behind it may rely on a finite, deterministic cost of a float64 vector.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import math
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import EvaluationError, InvalidProblemError
from fastcheck.norms import largest
from fastcheck.problem.evaluating import Evaluator, PassCounter
from fastcheck.problem.functions import expect_arguments
from fastcheck.problem.holding import HeldCost, keeping
from fastcheck.problem.options import is_real
from fastcheck.problem.other_arrays import other_arrays
from fastcheck.problem.parameters import (
    Layout,
    Vector,
    read_gradients,
    read_parameters,
)
from fastcheck.problem.randomness import how_to_repeat

ROUNDING_OF_REPEATS = 16 * float(np.finfo(float).eps)
"""Two evaluations at θ may differ by this much, relatively: threads may sum in another order."""

REORDERED_FLOAT32 = 2.0**10 * float(np.finfo(np.float32).eps)
"""Costs that differ by less, relatively, may be sums in float32 that are added up in another order: 1.2e-4."""

MORE_EVALUATIONS = 8
"""Evaluations at θ that tell by how much a cost differs from call to call, once it does."""

SAFETY_OF_SPREAD = 4.0
"""Costs of later evaluations may differ by this many times as much as those few."""


UNCERTIFIED = "uncertified"
"""Key of `Problem.measured`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """A validated question. Arrays are read-only copies: the caller's are never touched again.

    ``value`` is J(θ), ``seconds`` what one forward pass took, ``forward_passes`` how many were spent here. ``claims``
    holds an array for each block, in the dtype it was computed in; none where no gradient was claimed.
    ``largest_claim`` is the largest of their absolute values. ``repeats_exactly``: two evaluations at θ gave the same J
    to the last bit. ``nondeterminism`` is the share of J by which evaluations may differ, if the caller gave one, or 0.
    ``claimed_by`` is the function that the claim came from, None where arrays were given, ``others`` are arrays that
    came with it, by key, such as ``dZ1``. ``measured`` keeps what was measured of the cost since, so that it is not
    measured again.
    """

    evaluator: Evaluator
    layout: Layout
    theta: Vector
    value: float
    seconds: float
    forward_passes: int
    claims: tuple[NDArray[Any], ...] = ()
    largest_claim: float = 0.0
    repeats_exactly: bool = True
    nondeterminism: float = 0.0
    claimed_by: Callable[..., Any] | None = None
    others: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    measured: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def is_uncertified(self) -> bool:
        """Whether difference propagation was tried, and found slopes that it could not certify."""
        return UNCERTIFIED in self.measured

    def note_uncertified(self) -> None:
        """Note that difference propagation cannot certify its slopes, so that no message advises it."""
        self.measured[UNCERTIFIED] = True

    def counted(self) -> tuple[Problem, PassCounter]:
        """Return the same problem for work that may come to nothing, and what counts the passes made for it."""
        counter = PassCounter(self.evaluator.meter)
        return dataclasses.replace(
            self, evaluator=dataclasses.replace(self.evaluator, meter=counter)
        ), counter

    def without_claims(self) -> Problem:
        """Return the same cost at the same parameters, for what asks nothing else, and whose passes nobody counts."""
        evaluator = self.evaluator
        if evaluator.meter is not None:
            evaluator = dataclasses.replace(evaluator, meter=None)
        return dataclasses.replace(
            self, evaluator=evaluator, claims=(), claimed_by=None, others={}, measured=dict(self.measured)
        )

    @contextlib.contextmanager
    def work(self) -> Iterator[Vector]:
        """Yield a vector that holds θ, to be changed for an evaluation and changed back.

        It is a copy, which the cost may do anything to; where the cost is ``pure``, it is θ itself.
        """
        if not getattr(self.evaluator.cost, "pure", False):
            yield self.theta.copy()
            return
        self.theta.flags.writeable = True
        try:
            yield self.theta
        finally:
            self.theta.flags.writeable = False


def pose(
    cost: Callable[[Any], Any],
    parameters: Any,
    gradients: Any = None,
    nondeterminism: float | None = None,
    try_first: Callable[[Evaluator, Vector], None] | None = None,
) -> Problem:
    """Validate a question and return it as a `Problem`.

    Costs two forward passes (the second proves that the cost repeats itself, but for a share ``nondeterminism`` of J),
    and one backward pass if ``gradients`` is a function. ``try_first`` makes a forward pass before these, where one
    that hangs can be ended. Raises `InvalidProblemError` or `EvaluationError`.
    """
    share = validate_nondeterminism(nondeterminism)
    if not callable(cost):
        raise InvalidProblemError(
            f"cost: expected a function of the parameters, got {type(cost).__name__}. "
            "Pass the function itself: check(cost, …), not check(cost(parameters), …)."
        )
    if inspect.isroutine(parameters):
        raise InvalidProblemError(
            f"parameters: expected arrays, got the function {parameters.__name__}. "
            "The order is check(cost, parameters, gradients)."
        )
    expect_arguments("cost", cost, "parameters", given=parameters)
    layout, theta = read_parameters(parameters)
    evaluator = Evaluator(cost, layout)
    if try_first is not None:
        try_first(evaluator, theta.copy())
    work = _copy_unless_pure(theta, cost)
    references = sys.getrefcount(work)
    with keeping() as kept:
        value = evaluator(work)
    if kept.values:
        evaluator = Evaluator(HeldCost(cost, kept.values), layout)
    keeps_parameters = sys.getrefcount(work) > references
    check_unchanged(layout, theta, work, "cost")
    start = time.perf_counter()
    again = evaluator(work)
    seconds = time.perf_counter() - start
    if abs(again - value) > max(share, ROUNDING_OF_REPEATS) * max(abs(value), abs(again)):
        raise _differing([value, again], evaluator, work)
    del work
    claims: tuple[NDArray[Any], ...] = ()
    others: dict[str, NDArray[Any]] = {}
    if gradients is not None:
        returned = _call_gradients(gradients, layout, theta)
        arrays = read_gradients(layout, returned)
        others = other_arrays(layout, returned)
        claims = tuple(_copy_unless_pure(array, cost) for array in arrays)
    theta.flags.writeable = False
    return Problem(
        evaluator=Evaluator(evaluator.cost, layout, fresh=True) if keeps_parameters else evaluator,
        layout=layout,
        theta=theta,
        value=value,
        seconds=seconds,
        forward_passes=2 if try_first is None else 3,
        claims=claims,
        largest_claim=max((largest(array) for array in claims), default=0.0),
        repeats_exactly=again == value and not share,
        nondeterminism=share,
        claimed_by=gradients if callable(gradients) else None,
        others=others,
    )


def validate_nondeterminism(share: Any) -> float:
    """Return the share of J by which evaluations may differ, 0 if None; `InvalidProblemError` unless it is below 1."""
    if share is None:
        return 0.0
    if is_real(share) and 0 <= float(share) < 1:
        return float(share)
    raise InvalidProblemError(
        f"nondeterminism: expected the share of J by which evaluations may differ, such as 1e-12, got {share!r}."
    )


def _differing(costs: list[float], evaluator: Evaluator, work: Vector) -> EvaluationError:
    """Return the error that says by how much the cost differs from call to call, and what may be the reason."""
    what = f"cost: called twice with the same parameters, it returned {costs[0]!r} and then {costs[1]!r}."
    if _spread(costs) <= REORDERED_FLOAT32:
        costs = costs + [evaluator(work) for _ in range(MORE_EVALUATIONS)]
    if _spread(costs) > REORDERED_FLOAT32:
        return EvaluationError(f"{what} A check needs the same cost every time: {how_to_repeat()}")
    share = next_power_of_ten(SAFETY_OF_SPREAD * _spread(costs))
    return EvaluationError(
        f"{what} They differ by {_spread(costs[:2]):.1g} of J, as sums do that are added up in another order each "
        "time (threads, atomics, reductions in float32). Run it on one thread, or accept it: with "
        f"nondeterminism={share:.0e}, mistakes are seen that exceed this noise."
    )


def _spread(costs: list[float]) -> float:
    """Return by how much costs differ, relatively."""
    return (max(costs) - min(costs)) / max(map(abs, costs))


def next_power_of_ten(value: float) -> float:
    """Return the least power of ten that is not below a positive value."""
    return float(f"1e{math.ceil(math.log10(value))}") if math.isfinite(value) else value


def check_unchanged(layout: Layout, before: Vector, after: Vector, who: str) -> None:
    """Raise `EvaluationError` naming the first coordinate at which two vectors differ."""
    changed = np.flatnonzero(before != after)
    if changed.size:
        i = int(changed[0])
        was, became = f"{before[i]:.6g}", f"{after[i]:.6g}"
        if was == became:
            was, became = f"{before[i]:.17g}", f"{after[i]:.17g}"
        raise EvaluationError(
            f"{who}: it changes its parameters in place: {layout.coordinate_name(i)} was "
            f"{was} before the call and {became} after it. Work on a copy, or write "
            "W = W - … instead of W -= …."
        )


def _copy_unless_pure(array: NDArray[Any], cost: Callable[[Any], Any]) -> NDArray[Any]:
    """Return an array that stays as it is, or may be changed, whatever the cost does: a copy unless it is ``pure``."""
    return array if getattr(cost, "pure", False) else array.copy()


def _call_gradients(gradients: Any, layout: Layout, theta: Vector) -> Any:
    if not callable(gradients):
        return gradients
    work = theta.copy()
    parameters = layout.build(work)
    expect_arguments("gradients", gradients, "parameters", given=parameters)
    result = gradients(parameters)
    check_unchanged(layout, theta, work, "gradients")
    return result
