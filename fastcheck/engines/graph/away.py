"""The cost itself, evaluated plainly away from θ, and the difference from J(θ) that the graph finds there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.runs import Runs
from fastcheck.engines.plain.noise import rounding_bound
from fastcheck.engines.rounding import jittered
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

ADDED_UP = 2.0**13 * float(np.finfo(float).eps)
"""Two ways of adding up the same terms may differ by this share of the sum of their sizes: 1.8e-12."""

NEIGHBOURS = 4
"""Points at which the rounding of J is measured away from θ."""

MOST_BLOCKS_NAMED = 3
"""Blocks that a message names."""


def evaluated_away(problem: Problem, theta: Vector) -> float:
    """Return J at a point away from θ, NaN where there is none: whatever the cost raises there."""
    try:
        with np.errstate(all="ignore"):
            return problem.evaluator(theta)
    except Exception:
        return math.nan


def rounding_around(runs: Runs, theta: Vector, cost: float) -> float:
    """Return the rounding of J that shows at neighbours of a point away from θ, or where operations are perturbed.

    ``cost`` is J at the point. Costs four forward passes, and three runs that are recorded, once for all points.
    """
    problem = runs.problem
    near = [evaluated_away(problem, jittered(theta, seed=seed)) for seed in range(NEIGHBOURS)]
    at_point = max(abs(other - cost) for other in near)
    return max(at_point, runs.perturbed_change())


def expect_same_difference(
    runs: Runs,
    where: str,
    theta: Vector,
    cost: float,
    change: float,
    noise: float,
    size: float,
) -> float:
    """Raise `DisagreementError` unless ``cost`` − J(θ) is the ``change`` that the graph found.

    ``where`` names the blocks, ``cost`` was evaluated at ``theta``, away from θ and as it is rounded. Both are the same
    finite difference, kinks and truncation included, so they must agree within rounding, which is returned: that of J,
    with its ``noise``, and that of the terms that differences add up, of which ``size`` is the sum. Where they do not,
    `rounding_around` is measured.
    """
    value = runs.problem.value
    evaluated = cost - value
    highest = max(abs(cost), abs(value))
    unit = max(noise * (max(1.0, abs(cost / value)) if value else 1.0), float(np.spacing(highest)))
    allowed = 4 * float(rounding_bound(unit, 1.0)) + ADDED_UP * max(abs(change), size)
    apart = abs(evaluated - change)
    if not apart <= allowed:
        allowed += float(rounding_bound(rounding_around(runs, theta, cost), 1.0))
    if not apart <= allowed:
        raise DisagreementError(
            f"The cost does not confirm the slopes: along a random direction in {where} it changes by "
            f"{evaluated:.12g} and not by {change:.12g}, and rounding explains {allowed:.1g} only."
        )
    return allowed


def names_of(blocks: Sequence[str]) -> str:
    """Return the names of blocks, or of a few of many."""
    more = f" and {len(blocks) - MOST_BLOCKS_NAMED:,} more blocks" if len(blocks) > MOST_BLOCKS_NAMED else ""
    return ", ".join(blocks[:MOST_BLOCKS_NAMED]) + more
