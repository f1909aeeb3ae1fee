"""What every fast engine has to stand up to: plain evaluation along a random direction in every block."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastcheck.engines import DisagreementError
from fastcheck.engines.noise import careful_noise, noise_of_lines, rounding_bound
from fastcheck.errors import EvaluationError
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates
from fastcheck.problem import Problem

NEGLIGIBLE = 2.0**-40
"""Slopes that differ by less than this share of the network's largest are equal but for rounding."""


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
            noise = max(noise, measure(counted)[0])
        else:
            return noise, tally.passes
    verify(counted, noise)
    return noise, tally.passes


def confirm_loop(
    problem: Problem,
    where: str,
    work: Vector,
    places: Coordinates | slice,
    ends: tuple[Vector, Vector],
    step: float,
    found: float,
    noise: float,
) -> None:
    """Raise `DisagreementError` unless (J₊ - J₋) / 2h, evaluated at two ends, is what a fast engine found.

    The ends are what ``work``, which holds θ and will again, holds at its ``places``. Both compute the same finite
    difference, kinks and truncation included, so they must agree within the loop's rounding noise. ``where`` names
    the blocks. Cost: two forward passes.
    """
    costs, before = [], work[places].copy()
    try:
        for end in ends:
            work[places] = end
            costs.append(evaluated_beside(problem, work, where))
    finally:
        work[places] = before
    plus, minus = costs
    loop = (plus - minus) / (2 * step)
    allowed = 2 * float(rounding_bound(max(noise, float(np.spacing(max(abs(plus), abs(minus))))), step))
    if not abs(loop - found) <= allowed:
        raise DisagreementError(
            "The reference loop does not confirm the fast engine: along a random direction in "
            f"{where}, with the step {step:g}, it finds {loop:.12g} and not {found:.12g}, and rounding explains "
            f"{allowed:.1g} only."
        )


def confirm_end(problem: Problem, where: str, cost: float, found: float, noise: float) -> None:
    """Raise `DisagreementError` unless ``cost`` - J(θ) is the difference that a fast engine found.

    ``where`` names the blocks, ``cost`` was evaluated at a point beside θ as it is rounded.
    """
    evaluated = cost - problem.value
    allowed = 4 * float(rounding_bound(max(noise, float(np.spacing(abs(cost)))), 1.0))
    if not abs(evaluated - found) <= allowed:
        raise DisagreementError(
            f"Evaluation does not confirm difference propagation: along a random direction in {where} the cost changes "
            f"by {evaluated:.12g} and not by {found:.12g}, and rounding explains {allowed:.1g} only."
        )


def evaluated_beside(problem: Problem, theta: Vector, where: str) -> float:
    """Return J at a point beside θ; `DisagreementError` where there is none."""
    try:
        return problem.evaluator(theta)
    except EvaluationError as error:
        raise DisagreementError(f"Beside θ, in {where}: {error}") from error


def confirm_sum(where: str, total: float, found: float, allowed: float) -> None:
    """Raise `DisagreementError` unless the slopes of the coordinates add up to the slope along a direction."""
    if not abs(total - found) <= allowed:
        raise DisagreementError(
            f"The fast engine contradicts itself: along a random direction in {where} it finds {found:.12g}, "
            f"and the slopes of the coordinates add up to {total:.12g}."
        )
