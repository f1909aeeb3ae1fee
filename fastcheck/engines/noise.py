"""How noisy is a cost? The rounding noise of J, measured from a difference table."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.engines.lines import POINTS as POINTS
from fastcheck.engines.lines import REMARKABLE, Line, defined_line, equidistant, largest_jump, rounded_to
from fastcheck.norms import root_mean_square
from fastcheck.parameters import Vector
from fastcheck.problem import Problem

SPACING = 2.0**-30
"""Distance of the points, relative to max(1, |θ|): third differences of a smooth cost vanish beside 1e-16."""

DOUBLE = float(np.finfo(np.float64).eps)

COARSER = ((2.0**-20, float(np.finfo(np.float32).eps)), (2.0**-10, float(np.finfo(np.float16).eps)))
"""Larger distances, for costs in single or half precision, which stand still at the first, and the ε of these."""

DTYPES = {float(np.finfo(dtype).eps): np.dtype(dtype) for dtype in (np.float64, np.float32, np.float16)}
"""From the ε of an arithmetic to its numbers."""

SLIGHT = 1 / 8
"""Steps that rounding of the parameters changes by less are known well enough."""

LESS = 1 / 8
"""Noise below this share of that where all parameters change is taken to be the noise without their rounding."""

COARSE = 2.0**-36
"""Noise above this share of J is no longer that of double precision, if the cost stands still besides."""

NORMAL_MEDIAN = 0.6745
"""Median of the absolute value of a standard normal variable."""

STILL = 0.05
"""Share of neighbouring points with the same cost from which on it counts as standing still."""

QUIET = 2.0**-44
"""Noise below this share of J comes from no rounding of parameters, and needs no closer measurement to begin with."""
MOSTLY_STILL = 0.75
"""The same over distances at which a cost in single or half precision moves, as a rule."""

STEEP = 4.0
"""Jumps of more than so many rounding units of J are not those of such a cost."""

PROBES = 12
"""Parameters that are moved by themselves."""

PREDICTED = 16.0
"""Units in the last place of J that a small step should move it by, to conclude something if it does not."""

LINES = 3
"""Lines along which σ is measured: one may show a tenth of it."""

LONG = 2.0**-11
"""First distance of points between which J may jump, in units of max(1, |θ|): lines as long as the largest steps."""

NEAR = 2.0**-18
"""The same where no claim looks wrong: lines as long as the steps with which suspects are measured again."""

PROBE = 2.0**-17
"""Step in single parameters that tells whether they are rounded; `LONG` where J stands still over it."""

SINGULAR = 2.0**12
"""Noise above this many units in the last place of J may be what a singular point at θ does: a root, or a distance."""

AWAY = 2.0**-17
"""Distance from θ at which such a point does it no more."""

FARTHEST = 1 / 16
"""Distance of points up to which J may stand still and jump then, as what is left of 1 in a sigmoid that saturates."""

NEARLY_ZERO = 0.25
"""Where J changes by more than this share of itself over 1e-8, it is near zero, and has more noise a step away."""

UNKNOWN = 16.0
"""Units in the last place of J that its noise is taken to be, where J is defined along no line."""

LONG_LINES = 2, 5
"""Such lines, and as many where J jumps: one may hide a jump behind kinks, or find one that is not the largest."""

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
    level, place = (
        level_of(costs_along(problem, line, SPACING), double=double),
        float(np.spacing(abs(problem.value))),
    )
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CostNoise:
    """The rounding noise σ of J, and ε of the arithmetic that J is computed in, as far as both show.

    ``level`` is σ where all parameters change, ``arithmetic`` σ between parameters that this precision can hold: less
    if J rounds its parameters and then computes in double precision, and only if θ consists of such numbers: otherwise
    the slopes at θ are not those that J shows. ``passes`` are the forward passes that this cost.
    """

    level: float
    arithmetic: float
    precision: float
    passes: int

    @property
    def single_precision(self) -> bool:
        """Whether the cost computes in single or half precision, or rounds its parameters to it."""
        return self.precision > DOUBLE

    def held(self, values: Vector) -> Vector:
        """Return the nearest parameters that the cost's precision can hold, float64 (k,)."""
        return rounded_to(DTYPES[self.precision], values)

    def bound(self, above: Vector, below: Vector, slopes: Vector) -> Vector:
        """Return what rounding does to the ``slopes``, central differences between these parameters; all (k,).

        If the cost rounds the parameters, by how much is known. If that is much of the step, σ where all of them are
        rounded tells what it may do.
        """
        steps = (above - below) / 2
        moved = (np.abs(self.held(above) - above) + np.abs(self.held(below) - below)) / steps
        noise = np.where(moved <= SLIGHT, self.arithmetic, self.level)
        return rounding_bound(noise, steps) + moved * np.abs(slopes)


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
    if known is not None and (known[0] <= noise or known[1]):
        return known[1], 0
    height, passes = 0.0, 0
    for number in range(LONG_LINES[1]):
        if number == LONG_LINES[0] and not height:
            break
        found, spent = _jump_along(problem, number, finest, noise, longest)
        height, passes = max(height, found), passes + spent
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


def careful_noise(problem: Problem, *, double: bool = False) -> tuple[float, int]:
    """Return σ of short lines and of the jumps along long ones, and the forward passes this took: 45 to 357.

    What is known already takes none. ``double`` is that of `noise_of_lines`.
    """
    level, passes = noise_of_lines(problem, double=double)
    jumps, searched = noise_of_jumps(problem, level, SPACING)
    return max(level, jumps), passes + searched


def measured_noise(problem: Problem, step: float | None = None) -> CostNoise:
    """Return the noise of J, the largest that several lines show; 57 forward passes for a smooth J, or more.

    What the noise is measured for is central differences with a ``step``, None for the default one: lines are not
    much longer.

    A cost that computes in single precision, or that rounds its parameters to it, hardly moves when they change by
    1e-9: then the lines are measured again with a larger spacing. What is known already takes no forward passes.
    """
    key = CostNoise, NEAR if step is None else min(step / 2, LONG)
    known: CostNoise | None = problem.measured.get(key)
    if known is None:
        known = problem.measured[key] = _measured_noise(problem, key[1])
        return known
    return dataclasses.replace(known, passes=0)


def _is_measured(problem: Problem) -> bool:
    """Tell whether `measured_noise` is known, for whatever steps."""
    return any(isinstance(key, tuple) and key[0] is CostNoise for key in problem.measured)


def first_noise(problem: Problem, step: float | None = None) -> CostNoise:
    """Return the noise that one line shows, if J is quiet there, and else `measured_noise`; 9 forward passes, or more.

    One line may show too little: that serves to find claims that agree with slopes, not to tell why others do not.
    """
    if _is_measured(problem):
        return measured_noise(problem, step)
    problem, tally = problem.counted()
    level = noise_level(problem)
    if _is_quiet(problem):
        return CostNoise(level=level, arithmetic=level, precision=DOUBLE, passes=tally.passes)
    return dataclasses.replace(measured_noise(problem, step), passes=tally.passes)


def first_to_come(problem: Problem) -> int:
    """Return the forward passes that `first_noise` takes if J is quiet: 9, or 0 if the line is known."""
    return 0 if _is_measured(problem) or (0, SPACING, 0.0) in problem.measured else POINTS


def _is_quiet(problem: Problem) -> bool:
    """Tell whether the first line shows what rounding in double precision does, and nothing else."""
    costs = costs_along(problem, 0, SPACING)
    moves = np.mean(np.diff(costs) == 0) <= STILL and np.ptp(costs) <= NEARLY_ZERO * abs(problem.value)
    return bool(moves and level_of(costs) <= QUIET * np.abs(costs).max())


def noise_to_come(problem: Problem) -> int:
    """Return the forward passes that `measured_noise` takes of a smooth cost: 0 if it is known, 57 if nothing is."""
    if _is_measured(problem):
        return 0
    lines = sum(POINTS for line in range(LINES) if (line, SPACING, 0.0) not in problem.measured)
    return lines + min(PROBES, 2 * problem.theta.size) + LONG_LINES[0] * POINTS


def _measured_noise(problem: Problem, longest: float) -> CostNoise:
    problem, tally = problem.counted()
    level, _ = noise_of_lines(problem)
    lines, precision = _finite_lines(problem, SPACING), DOUBLE
    finest = SPACING
    if len(lines) and np.ptp(lines) > NEARLY_ZERO * abs(problem.value):
        away = [level_of(costs_along(problem, line, SPACING, AWAY)) for line in range(LINES)]
        level = max(level, float(np.nan_to_num(away).max()))
    rounded = _rounds_parameters(problem)
    for spacing, epsilon in COARSER:
        still = len(lines) and (rounded or np.mean(np.diff(lines) == 0) > STILL)
        if not still or not np.any(lines):
            break  # zeros tell nothing about their precision
        if DTYPES[epsilon] == np.float16 and not _is_half(problem, lines):
            break
        lines = _finite_lines(problem, spacing)
        if not len(lines):
            break  # so far from θ the cost is not defined
        finest = spacing
        if _has_steps(problem, lines, epsilon):
            level = min(level, UNKNOWN * float(np.spacing(abs(problem.value))))
            continue
        # The median, as single points of lines this long may lie beyond a kink.
        wide = float(np.median(np.abs(np.diff(lines, 3)))) / (NORMAL_MEDIAN * math.sqrt(20))
        level = max(level, wide)
        if level > COARSE * abs(problem.value):
            precision = epsilon
    longest = max(longest, LONG if precision > DOUBLE else 0.0)
    jumps, _ = noise_of_jumps(problem, level, min(finest, longest), longest=longest)
    arithmetic, dtype = max(level, jumps), DTYPES[precision]
    if precision > DOUBLE and np.array_equal(rounded_to(dtype, problem.theta), problem.theta):
        held = max(_noise_between_held(problem, dtype, finest), declared_noise(problem))
        if held < LESS * level:
            arithmetic = held  # and the jumps are those of rounded parameters
    level = max(level, jumps)
    return CostNoise(level=level, arithmetic=arithmetic, precision=precision, passes=tally.passes)


def _has_steps(problem: Problem, lines: Vector, epsilon: float) -> bool:
    """Tell whether J stands still along these or much longer lines, but for jumps above those of its precision."""
    steps = np.abs(np.diff(lines))
    if not steps.any():
        steps = np.abs(np.diff(_finite_lines(problem, COARSER[-1][0])))
    jumps = steps.max(initial=0.0) > STEEP * epsilon * np.abs(lines).max()
    return bool(not steps.any() or (jumps and np.mean(steps == 0) > MOSTLY_STILL))


def _finite_lines(problem: Problem, spacing: float) -> Vector:
    """Return the costs along those lines on which J is defined, (k, 9)."""
    lines = np.array([costs_along(problem, line, spacing) for line in range(LINES)])
    return np.asarray(lines[np.isfinite(lines).all(axis=1)])


def _noise_between_held(problem: Problem, dtype: np.dtype[Any], spacing: float) -> float:
    """Return the median of σ along lines of numbers of this dtype, infinite where J is not defined there.

    The median, as one of them may cross a kink.
    """
    levels = []
    for number in range(LINES):
        line = Line(problem, number, (dtype, spacing))
        levels.append(level_of(line.costs(equidistant(1.0))))
    return float(np.median(np.nan_to_num(levels, nan=np.inf)))


def _is_half(problem: Problem, lines: Vector) -> bool:
    """Tell whether the costs along lines are numbers of half precision, or parameters beside θ are rounded to it.

    Two forward passes.
    """
    half = np.dtype(np.float16)
    if np.array_equal(rounded_to(half, lines), lines):
        return True
    line = Line(problem, 0)
    return line.cost(LONG) == line.cost(LONG, half)


def _rounds_parameters(problem: Problem) -> bool:
    """Tell whether single parameters move J by a larger step, and not at all by one of 1e-9.

    Along a line through all parameters some of many always move.
    """
    theta, least = problem.theta, PREDICTED * float(np.spacing(abs(problem.value)))
    moved, still, few = 0, 0, np.unique(np.linspace(0, theta.size - 1, PROBES).astype(np.intp))

    def change(i: int, step: float) -> float:
        beside = theta.copy()
        beside[i] += step
        cost = problem.evaluator.beside(beside)
        return 0.0 if np.isnan(cost) else abs(cost - problem.value)

    for done, i in enumerate(few, start=1):
        unit, small = max(1.0, abs(theta[i])), SPACING * abs(theta[i])
        changes, large = (change(i, PROBE * unit), change(i, small)), PROBE * unit
        if not any(changes):
            changes, large = (change(i, LONG * unit), 0.0), LONG * unit
        if changes[0] * small / large > least:
            moved += 1
            still += changes[1] == 0
        if moved - still >= few.size - done + still:
            break  # whatever the others do
    return bool(moved >= PROBES // 3 and still > moved / 2)


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
