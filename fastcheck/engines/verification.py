"""What every fast engine has to stand up to: plain evaluation along a random direction in every block."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import DisagreementError
from fastcheck.engines.noise import careful_noise, noise_of_lines, rounding_bound
from fastcheck.engines.slopes import ROUNDING, jittered
from fastcheck.norms import norm
from fastcheck.parameters import Vector
from fastcheck.problem import Problem

NEGLIGIBLE = 2.0**-40
"""Slopes that differ by less than this share of the network's largest are equal but for rounding."""

LARGE = 0.1
"""Length of the first step along a direction in a block, relative to what θ holds there, and in blocks of zeros for
each entry: so large that rounding of J hides nothing, and yet the cost is usually defined there."""

FACTOR = 16.0
"""Between one step and the next, where a step is too long for the cost, or too short to show anything."""

USEFUL = 2.0**-13
"""Errors of slopes above this share must show, or the report says that nothing confirms them: 0.012 %."""

ASSUMED, MOST_ASSUMED = 1.0, 4.0
"""Noise of J, in units of its last place, that a verification starts with, at least and at most; it is measured if that
is too little. Near kinks and infinite slopes lines show more than there is, which would hide mistakes."""

PIECES = 8
"""Of a random direction, each of which may be turned round."""

NEIGHBOURS = 4
"""Points at which the rounding of J is measured away from θ."""

NAMED = 3
"""Blocks that a message names."""


def confirmed(verify: Callable[[Problem, float], None], problem: Problem, noise: float) -> tuple[float, int]:
    """Run ``verify(problem, noise)``.

    If it raises `DisagreementError`, noise is measured more carefully and it is run again, at most twice. Returns the
    noise that was allowed, and the forward passes spent: those of attempts that failed, too.
    """
    counted, tally = problem.counted()
    for measure in (noise_of_lines, careful_noise):
        try:
            verify(counted, noise)
        except DisagreementError:
            noise = max(noise, measure(counted, double=True)[0])
        else:
            return noise, tally.passes
    verify(counted, noise)
    return noise, tally.passes


def evaluated_away(problem: Problem, theta: Vector) -> float:
    """Return J at a point away from θ, NaN where there is none: whatever the cost raises there."""
    try:
        with np.errstate(all="ignore"):
            return problem.evaluator(theta)
    except Exception:
        return math.nan


def expect_defined(problem: Problem, where: str, theta: Vector) -> None:
    """Raise `DisagreementError` where J is not defined at a point beside θ."""
    if np.isnan(problem.evaluator.beside(theta)):
        raise DisagreementError(f"Beside θ, in {where}: {problem.evaluator.complaint(theta)}")


def confirm_end(
    problem: Problem,
    where: str,
    theta: Vector,
    cost: float,
    found: float,
    noise: float,
    size: float = 0.0,
    hidden: Callable[[], float] | None = None,
) -> float:
    """Raise `DisagreementError` unless ``cost`` - J(θ) is the difference that a fast engine found.

    ``where`` names the blocks, ``cost`` was evaluated at ``theta``, away from θ and as it is rounded. Both are the same
    finite difference, kinks and truncation included, so they must agree within rounding, which is returned: that of J,
    and that of the terms that differences add up, of which ``size`` is the sum. Where they do not, ``hidden`` may tell
    of rounding that hides, and that at ``theta`` is measured, at four forward passes.
    """
    evaluated, value = cost - problem.value, problem.value
    larger = max(1.0, abs(cost / value)) if value else 1.0
    unit = max(noise * larger, float(np.spacing(max(abs(cost), abs(value)))))
    allowed = 4 * float(rounding_bound(unit, 1.0)) + ROUNDING * max(abs(found), size)
    if not abs(evaluated - found) <= allowed and hidden is not None:
        rounding = hidden()
        if rounding > NEGLIGIBLE * max(abs(cost), abs(value)):  # digits are lost
            allowed += rounding
    if not abs(evaluated - found) <= allowed:
        beside = [evaluated_away(problem, jittered(theta, seed=seed)) for seed in range(NEIGHBOURS)]
        allowed += float(rounding_bound(max(abs(other - cost) for other in beside), 1.0))
    if not abs(evaluated - found) <= allowed:
        raise DisagreementError(
            f"The cost does not confirm the fast engine: along a random direction in {where} it changes by "
            f"{evaluated:.12g} and not by {found:.12g}, and rounding explains {allowed:.1g} only."
        )
    return allowed


def turn(entries: Vector, claimed: NDArray[Any]) -> None:
    """Turn pieces of a random direction (k,) so that the slopes along them, if the claim (k,) is right, do not cancel.

    One direction in a hundred has a slope of a hundredth of the typical one, beside which rounding hides more.
    """
    ends = np.linspace(0, entries.size, PIECES + 1).astype(np.intp)
    for first, last in pairwise(ends):
        with np.errstate(over="ignore", invalid="ignore"):
            slope = entries[first:last] @ claimed[first:last]
        if slope < 0:
            entries[first:last] *= -1


def first_step(values: Vector) -> float:
    """Return the length of the step along a unit vector that is tried first where θ holds these values."""
    size = norm(values)
    return LARGE * (size if 0 < size < math.inf else math.sqrt(values.size))


def length_that_shows(step: float, first: float, change: float, slope: float) -> float:
    """Return the length of a step over which an error of the ``slope`` grows to what J ``change``s by.

    That of the step itself, unless it is longer than the ``first`` one and J does not go on as it begins.
    """
    return min(step, max(first, change / slope)) if slope else step


def unconfirmed_notes(problem: Problem, resolution: Mapping[str, float]) -> tuple[str, ...]:
    """Return the sentence about blocks in which no step shows whether the slopes are right.

    ``resolution`` holds for each block the least error that shows, as a share of the slopes.
    """
    hidden = {name: share for name, share in resolution.items() if not share <= USEFUL}
    if not hidden:
        return ()
    worst = max(hidden.values())
    seen = f"can only see errors above {100 * worst:.2g} % of them" if worst < 1 else "cannot see them"
    return (
        f"nothing independent confirms the slopes in {some_names(list(hidden))}: with the largest steps that the cost "
        f"bears plain evaluation {seen}, beside J = {problem.value:.6g} and its rounding.",
    )


def some_names(names: Sequence[str]) -> str:
    """Return the names of blocks, or of a few of many."""
    more = f" and {len(names) - NAMED:,} more blocks" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def confirm_sum(where: str, total: float, found: float, allowed: float) -> None:
    """Raise `DisagreementError` unless the slopes of the coordinates add up to the slope along a direction."""
    if not abs(total - found) <= allowed:
        raise DisagreementError(
            f"The fast engine contradicts itself: along a random direction in {where} it finds {found:.12g}, "
            f"and the slopes of the coordinates add up to {total:.12g}."
        )
