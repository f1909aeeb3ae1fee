"""The judgement of a block after closer looks: at coordinates that look wrong, and at rounding that hides."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from fastcheck.engines import Bound, Estimate
from fastcheck.engines.rounding import jump_rounding, shaken_rounding
from fastcheck.errors import BudgetUsedUp
from fastcheck.problem import Problem
from fastcheck.rule import FEW
from fastcheck.second_look import look_again
from fastcheck.verdict import Judgement, judge

SLIGHT = 2.0**-6
"""Errors above this share of the RMS of a block are not those of rounding that jumps of J show."""

MOST = 0.5
"""Nor, above this share, of rounding that shows when operations are shaken."""

TWICE = 0.9
"""Where the claim is larger than the slopes, that share is of this much of it: a claim of twice the slope is wrong."""

FADED = 2.0**-24
"""But for blocks with slopes below this share of the network's largest claim: those behind units that saturate, where
backward passes may lose all digits."""


class Judged(NamedTuple):
    """A judgement and what it rests on. ``cut`` says why a closer look is not complete, None if it is."""

    estimate: Estimate
    judgement: Judgement
    forward_passes: int
    notes: tuple[str, ...]
    cut: str | None


def judged(problem: Problem, epsilon: float | None, tolerance: float, first: Estimate) -> Judged:
    """Judge a block by the engine's estimate, by a second look at it, and by a careful look at rounding."""
    estimate, passes, notes, cut = look_again(problem, epsilon, first, tolerance)
    judgement = judge(problem, estimate, tolerance)
    worst = judgement.worst[0] if judgement.wrong else None
    if worst is not None and may_hide(problem, worst.error, judgement.rule.typical, abs(worst.claimed)):
        bound, more, late = _careful_bound(problem, estimate, judgement)
        if bound is not estimate.bound:
            estimate = dataclasses.replace(estimate, bound=bound, loses_digits=True)
            judgement = judge(problem, estimate, tolerance)
        passes, cut = passes + more, cut or late
    return Judged(estimate, judgement, passes, notes, cut)


def may_hide(problem: Problem, error: float, typical: float, claimed: float) -> bool:
    """Tell whether rounding that hides may explain an ``error``, given the block's ``typical`` slope and a claim."""
    return error <= MOST * max(typical, TWICE * claimed) or typical <= FADED * max(
        problem.flow, abs(problem.value)
    )


def _careful_bound(
    problem: Problem, estimate: Estimate, judgement: Judgement
) -> tuple[Bound, int, str | None]:
    """Return the bound with rounding that hides, and the forward passes this took, those of the engine's not counted.

    Where operations cannot be shaken, or that does not tell, jumps of J are looked for: not by engines that do not run
    the user's formulas, of which J has no noise. Plain evaluation, which bounds its truncation, has counted all that.
    Where a budget ends the measurement, the sentence that says so comes third, and the bound is above all errors.
    """
    bound, typical, error = estimate.bound, judgement.rule.typical, judgement.worst[0].error
    if estimate.truncation is not None:
        return bound, 0, None
    places = np.array([one.place for one in judgement.worst])
    rows = estimate.part.rows(places)
    followed = ~np.isin(rows, estimate.plain)  # what was evaluated plainly has no slope with the tiny step
    slopes = np.where(estimate.lower[rows] == estimate.upper[rows], estimate.lower[rows], np.nan)
    try:
        shaken = estimate.shaken(places[followed]) if estimate.shaken is not None and followed[0] else None
        absolute = shaken_rounding(problem, shaken, slopes[followed], error, typical)
        if absolute is not None:
            return Bound(bound.relative, bound.absolute + absolute), 0, None
        if not estimate.noise or error > SLIGHT * typical:
            return bound, 0, None
        share, passes = jump_rounding(problem, error / typical)
    except BudgetUsedUp as reason:
        unknown = error + 2 * FEW * judgement.rule.relative * typical
        name = judgement.part.block.name
        cut = f"the noise of the cost, which may explain errors in {name}, is not known, as {reason}."
        return Bound(bound.relative, bound.absolute + unknown), 0, cut
    if share:
        bound = Bound(max(bound.relative, share), bound.absolute + share * typical)
    return bound, passes, None
