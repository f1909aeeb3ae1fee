"""Rounding that hides: the last rung of the ladder, for claims that look wrong after all others.

Where 1 − σ(z) is 1e-9 it is known to 1e-7 of its size, and so are slopes through it; costs close to θ show nothing of
that. A claim by other formulas may then be off by more than the tolerance and still be right.
"""

from __future__ import annotations

import numpy as np

from fastcheck.engines import Bound, Estimate
from fastcheck.engines.plain.noise import LONG, SPACING, costs_along, noise_of_jumps, noise_of_lines
from fastcheck.engines.rounding import COST_MARGIN, Perturbed
from fastcheck.errors import BudgetUsedUp
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.verdict.judging import Judgement
from fastcheck.verdict.rule import MOST_TOLERANCES_UNDECIDED

SHOWN_BY_JUMPS = 2.0**-6
"""Errors above this share of the RMS of a block are not those of rounding that jumps of J show."""

SHOWN_BY_PERTURBING = 0.5
"""Nor, above this share, of rounding that shows when operations are rounded otherwise."""

OF_THE_CLAIM = 0.9
"""Where the claim is larger than the slopes, that share is of this much of it: a claim of twice the slope is wrong."""

BEHIND_SATURATION = 2.0**-24
"""But for blocks with slopes below this share of the network's largest claim: those behind units that saturate, where
backward passes may lose all digits."""

JUMP_MARGIN = 2.0**12
"""Relative error of slopes over the jumps of J: the mean over m samples, of which one dominates the slopes, jumps by
1/m of its error."""


def may_hide(problem: Problem, error: float, typical: float, claimed: float) -> bool:
    """Tell whether rounding that hides may explain an ``error``, given the block's ``typical`` slope and a claim."""
    is_moderate = error <= SHOWN_BY_PERTURBING * max(typical, OF_THE_CLAIM * claimed)
    is_behind_saturated_units = typical <= BEHIND_SATURATION * max(problem.largest_claim, abs(problem.value))
    return is_moderate or is_behind_saturated_units


def bound_with_hidden_rounding(
    problem: Problem, estimate: Estimate, judgement: Judgement
) -> tuple[Bound | None, int, str | None]:
    """Return the bound with rounding that hides, None if it explains nothing, and the forward passes this took.

    Where operations cannot be rounded otherwise, or that does not tell, jumps of J are looked for: not by engines that
    do not run the user's formulas, of which J has no noise. Plain evaluation, which bounds its truncation, has counted
    all that. The passes of the engine are not counted here. Where a budget ends the measurement, the sentence that says
    so comes third, and the bound is above all errors.
    """
    slopes, typical, error = estimate.slopes, judgement.rule.typical, judgement.worst[0].error
    bound = slopes.known_to
    if slopes.truncation is not None:
        return None, 0, None
    try:
        absolute = _by_other_roundings(problem, estimate, judgement)
        if absolute is not None:
            return Bound(bound.relative, bound.absolute + absolute), 0, None
        if not estimate.noise or error > SHOWN_BY_JUMPS * typical:
            return None, 0, None
        share, passes = jump_rounding(problem, error / typical)
    except BudgetUsedUp as reason:
        unknown = error + 2 * MOST_TOLERANCES_UNDECIDED * judgement.rule.relative * typical
        name = judgement.part.block.name
        cut = f"the noise of the cost, which may explain errors in {name}, is not known, as {reason}."
        return Bound(bound.relative, bound.absolute + unknown), 0, cut
    if not share:
        return None, passes, None
    return Bound(max(bound.relative, share), bound.absolute + share * typical), passes, None


def _by_other_roundings(problem: Problem, estimate: Estimate, judgement: Judgement) -> float | None:
    """Return the bound that the worst coordinates show while operations are rounded otherwise; None if that tells not.

    At kinks it is that of the choice which is nearest to the claim.
    """
    places = np.array([coordinate.place for coordinate in judgement.worst])
    worst = estimate.slopes.at(estimate.part.rows(places))
    followed = ~np.broadcast_to(worst.subtracted, worst.size)  # others have no slope with the tiny step
    if estimate.perturbed is None or not followed[0]:
        return None
    return perturbed_rounding(
        problem,
        estimate.perturbed(places[followed]),
        worst.central[followed],
        judgement.worst[0].error,
        judgement.rule.typical,
    )


def perturbed_rounding(
    problem: Problem, perturbed: Perturbed | None, slopes: Vector, error: float, typical: float
) -> float | None:
    """Return a bound on the rounding of ``slopes`` (k,), given how they change when all operations are perturbed.

    None where that does not tell: where slopes are NaN, and where it does not explain an ``error``, but J is rounded by
    more than that is relative to the ``typical`` slope: then a claim computed by other formulas may be off.
    """
    if perturbed is None:
        return None
    if not np.isfinite(perturbed.costs).all():
        return error  # other roundings leave nothing to take a logarithm or a root of
    bound = float(np.abs(perturbed.slopes - slopes).max())
    change_of_cost = float(np.abs(perturbed.costs - problem.value).max())
    quiet = change_of_cost * typical < error * abs(problem.value)
    explained = bound >= error
    return bound if explained or (quiet and not np.isnan(bound)) else None


def jump_rounding(problem: Problem, error: float) -> tuple[float, int]:
    """Return the relative error of slopes by a rounding that shows as jumps of J, and the forward passes: 54 to 366.

    Less than would explain a relative ``error`` is not looked for. Costs are compared with the largest along a long
    line, as J itself may be near zero by chance; 0 where J is not defined there.
    """
    problem, tally = problem.counted()
    largest = float(np.max(np.abs(costs_along(problem, 0, LONG))))
    if np.isnan(largest):
        return 0.0, tally.passes
    noise, _ = noise_of_lines(problem)
    jumps, _ = noise_of_jumps(problem, noise, SPACING, error * largest / JUMP_MARGIN)
    most = max(COST_MARGIN * noise, JUMP_MARGIN * jumps)
    return (min(1.0, most / largest) if largest else 0.0), tally.passes
