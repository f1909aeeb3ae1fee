"""How noisy is a cost? The rounding noise of J, measured from a difference table."""

from __future__ import annotations

import math

import numpy as np

from fastcheck.norms import root_mean_square
from fastcheck.parameters import Vector
from fastcheck.problem import Problem

POINTS = 9
"""Evaluations along the line: enough for differences of order 3 to 6 with at least three entries each."""

SPACING = 2.0**-30
"""Distance of the points, relative to max(1, |θ|): third differences of a smooth cost vanish beside 1e-16."""

SAFETY = 4.0
"""Bounds are this many standard deviations: (δ₊ − δ₋)/2h has 0.7 σ/h; 4 σ/h is exceeded once in 1e7."""


def noise_level(problem: Problem, line: int = 0) -> float:
    r"""Return the standard deviation σ of the rounding noise of J near θ, in the units of J.

    Evaluates J at nine points of a short line in a fixed random direction, another one for each number
    ``line``, and takes differences of order k of neighbours: the smooth part cancels, and noise of variance σ² gives
    :math:`E[(Δ^k J)^2] = \binom{2k}{k} σ²`. The largest σ over k = 3 … 6 is returned, and at least half a
    unit in the last place of J: in single precision if J is, for then all nine may be the same number.
    Cost: 9 forward passes. Source: J. J. Moré and S. M. Wild, Estimating computational noise, SIAM J. Sci.
    Comput. 33 (2011), equation (2.6).
    """
    theta = problem.theta
    random = np.random.default_rng(line).standard_normal(theta.size)
    direction = random * np.maximum(1.0, np.abs(theta)) * SPACING
    costs = np.array([problem.evaluator(theta + k * direction) for k in range(POINTS)])
    table, levels = costs - costs[0], []
    for k in range(1, 7):
        table = np.diff(table)
        if k >= 3:
            levels.append(root_mean_square(table) / math.sqrt(math.comb(2 * k, k)))
    return max(*levels, _last_place(costs) / 2)


def rounding_bound(noise: float, step: Vector | float) -> Vector:
    """Return the bound on the error that noise σ leaves in a central difference with step h, SAFETY · σ/h."""
    return np.asarray(SAFETY * noise / step)


def _last_place(costs: Vector) -> float:
    """Return the unit in the last place of costs (k,), of float32 numbers if all of them are that.

    Costs of zero tell nothing about their precision; theirs is the smallest number there is.
    """
    with np.errstate(over="ignore"):
        single = costs.astype(np.float32)
    values = single if costs.any() and np.array_equal(single, costs) else costs
    return float(np.spacing(np.abs(values)).max())
