"""How noisy is a cost? The rounding noise of J, measured from a difference table.

Two costs that agree in ten digits leave six when they are subtracted, so noise decides how well plain evaluation knows
a slope. Σ sin(θ) over 1,000 parameters, for one, is rounded 1,000 times: σ is some ten units in its last place.
"""

from __future__ import annotations

import math

import numpy as np

from fastcheck.engines.plain.lines import (
    REMARKABLE,
    defined_line,
    equidistant,
    largest_jump,
)
from fastcheck.norms import root_mean_square
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

SPACING = 2.0**-30
"""Distance of the points, relative to max(1, |θ|): third differences of a smooth cost vanish beside 1e-16."""

LINES = 3
"""Lines along which σ is measured: one may show a tenth of it."""

LONG = 2.0**-11
"""First distance of points between which J may jump, in units of max(1, |θ|): lines as long as the largest steps."""

FARTHEST = 1 / 16
"""Distance of points up to which J may stand still and jump then, as what is left of 1 in a sigmoid that saturates."""

LONG_LINES, LONG_LINES_IF_JUMPS = 2, 5
"""Such lines, and as many where J jumps: one may hide a jump behind kinks, or find one that is not the largest."""

SINGULAR = 2.0**12
"""Noise above this many units in the last place of J may be what a singular point at θ does: a root, or a distance."""

AWAY = 2.0**-17
"""Distance from θ at which such a point does it no more."""

UNKNOWN = 16.0
"""Units in the last place of J that its noise is taken to be, where J is defined along no line."""

SAFETY = 4.0
"""Bounds are this many standard deviations: (δ₊ − δ₋)/2h has 0.7 σ/h; 4 σ/h is exceeded once in 1e7."""


def noise_level(problem: Problem, line: int = 0, *, double: bool = False) -> float:
    r"""Return the standard deviation σ of the rounding noise of J near θ, in the units of J.

    Evaluates J at nine points of a short line in a fixed random direction, another one for each number
    ``line``, that moves up to `MOVED` parameters. Takes differences of order k of neighbours: the smooth part
    cancels, and noise of variance σ² gives :math:`E[(Δ^k J)^2] = \binom{2k}{k} σ²`. The largest σ over k = 3 … 6 is
    returned, and at least half a unit in the last place of J: in single precision if J is, for then all nine may be
    the same number, unless it is known to compute in ``double`` precision. It is no less than what the caller accepts
    as non-determinism. Where θ is a singular point, such as a root of zero, noise is measured beside it.
    Cost: 9 forward passes, once for each line. Source: J. J. Moré and S. M. Wild, Estimating computational noise, SIAM
    J. Sci. Comput. 33 (2011), equation (2.6).
    """
    level = level_of(costs_along(problem, line, SPACING), double=double)
    place = float(np.spacing(abs(problem.value)))
    if np.isnan(level):
        level = UNKNOWN * place
    elif level > SINGULAR * place:
        away = level_of(costs_along(problem, line, SPACING, AWAY), double=double)
        level = min(level, away) if away > 0 else level
    return max(level, declared_noise(problem))


def declared_noise(problem: Problem) -> float:
    """Return the σ with which `rounding_bound` holds what the caller says that evaluations may differ by.

    If J(θ+h) and J(θ-h) may differ by δ, their difference over 2h is off by no more than δ/2h.
    """
    return problem.nondeterminism * abs(problem.value) / (2 * SAFETY)


def noise_of_lines(problem: Problem, lines: int = LINES, *, double: bool = False) -> tuple[float, int]:
    """Return the largest σ that lines show, and the forward passes this took: 9 for each that was not known yet.

    Where the cost is known to compute in ``double`` precision, a J that stands still is a J with tiny slopes.
    """
    problem, tally = problem.counted()
    return max(noise_level(problem, line, double=double) for line in range(lines)), tally.passes


def noise_of_jumps(
    problem: Problem, noise: float, finest: float, least: float = 0.0, longest: float = LONG
) -> tuple[float, int]:
    """Return the σ of a rounding that shows as jumps of J along long lines, and the forward passes this took.

    Rounding to multiples of q makes jumps of q, and has a standard deviation of q/√12. ``noise`` is the σ that is known
    already, between points that are ``finest`` apart; jumps of a σ below ``least`` are not looked for. Points are
    ``longest`` apart at first, and further where J stands still on all of a line of `LONG` ones. 18 forward passes for
    a smooth J, up to 132 where it has kinks, up to 330 where it jumps, none if this is known, too.
    """
    noise = max(noise, least / (REMARKABLE / 2))
    known: tuple[float, float] | None = problem.measured.get((largest_jump, finest, longest))
    if known is not None:
        known_noise, known_level = known
        if known_noise <= noise or known_level:
            return known_level, 0
    height, passes = 0.0, 0
    for number in range(LONG_LINES_IF_JUMPS):
        if number == LONG_LINES and not height:
            break
        jump, more = _jump_along(problem, number, finest, noise, longest)
        height, passes = max(height, jump), passes + more
    level = height / math.sqrt(12)
    problem.measured[largest_jump, finest, longest] = noise, level
    return level, passes


def _jump_along(
    problem: Problem, number: int, finest: float, noise: float, longest: float
) -> tuple[float, int]:
    """Return the largest jump along one line, 0 where J is not defined so far from θ, and the forward passes."""
    problem, tally = problem.counted()
    while True:
        line, costs = defined_line(problem, number, equidistant(longest))
        still = problem.value and (costs == problem.value).all()  # zeros tell nothing about their precision
        if not (still and LONG <= longest < FARTHEST):
            return largest_jump(line, longest, finest, noise, costs), tally.passes
        longest *= 8  # J stands still so far


def noise_with_jumps(problem: Problem, *, double: bool = False) -> tuple[float, int]:
    """Return σ of short lines and of the jumps along long ones, and the forward passes this took: 45 to 357.

    What is known already takes none. ``double`` is that of `noise_of_lines`.
    """
    level, passes = noise_of_lines(problem, double=double)
    jumps, searched = noise_of_jumps(problem, level, SPACING)
    return max(level, jumps), passes + searched


def costs_along(problem: Problem, line: int, spacing: float, away: float = 0.0) -> Vector:
    """Return J at equidistant points of a line in a random direction, (9,); evaluated when first asked for.

    The line begins at θ, or ``away`` from it; costs are NaN where J is not defined.
    """
    known: Vector | None = problem.measured.get((line, spacing, away))
    if known is None:
        _, known = defined_line(problem, line, away + equidistant(spacing))
        problem.measured[line, spacing, away] = known
    return known


def level_of(costs: Vector, *, double: bool = False) -> float:
    """Return the σ that costs at equidistant points show, which are known to be of ``double`` precision or are not."""
    table, levels = costs - costs[0], []
    for k in range(1, 7):
        table = np.diff(table)
        if k >= 3:
            levels.append(root_mean_square(table) / math.sqrt(math.comb(2 * k, k)))
    if not np.isfinite(costs).all():
        return math.nan
    unit = float(np.spacing(np.abs(costs)).max()) if double else _last_place(costs)
    return max(*levels, unit / 2)


def rounding_bound(noise: Vector | float, step: Vector | float) -> Vector:
    """Return the bound on the error that noise σ leaves in a central difference with step h, SAFETY · σ/h."""
    return np.asarray(SAFETY * noise / step)


def _last_place(costs: Vector) -> float:
    """Return the unit in the last place of costs (k,), in the lowest precision that holds all of them.

    Costs of zero tell nothing about their precision; theirs is the smallest number there is.
    """
    for dtype in (np.float16, np.float32) if costs.any() else ():
        with np.errstate(over="ignore", under="ignore"):
            rounded = costs.astype(dtype)
        if np.array_equal(rounded, costs):
            return float(np.spacing(np.abs(rounded)).max())
    return float(np.spacing(np.abs(costs)).max())
