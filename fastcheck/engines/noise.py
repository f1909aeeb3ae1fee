"""How noisy is a cost? The rounding noise of J, measured from a difference table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.engines.lines import POINTS as POINTS
from fastcheck.engines.lines import REMARKABLE, Line, equidistant, largest_jump, rounded_to
from fastcheck.errors import EvaluationError
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

PROBES = 12
"""Parameters that are moved by themselves."""

PREDICTED = 16.0
"""Units in the last place of J that a small step should move it by, to conclude something if it does not."""

LINES = 3
"""Lines along which σ is measured: one may show a tenth of it."""

LONG = 2.0**-11
"""First distance of points between which J may jump, in units of max(1, |θ|): lines as long as the largest steps."""

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
    as non-determinism.
    Cost: 9 forward passes, once for each line. Source: J. J. Moré and S. M. Wild, Estimating computational noise, SIAM
    J. Sci. Comput. 33 (2011), equation (2.6).
    """
    return max(level_of(costs_along(problem, line, SPACING), double=double), declared_noise(problem))


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
    passes = sum(POINTS for line in range(lines) if (line, SPACING) not in problem.measured)
    return max(noise_level(problem, line, double=double) for line in range(lines)), passes


def noise_of_jumps(problem: Problem, noise: float, finest: float, least: float = 0.0) -> tuple[float, int]:
    """Return the σ of a rounding that shows as jumps of J along long lines, and the forward passes this took.

    Rounding to multiples of q makes jumps of q, and has a standard deviation of q/√12. ``noise`` is the σ that is known
    already, between points that are ``finest`` apart; jumps of a σ below ``least`` are not looked for. 18 forward
    passes for a smooth J, up to 132 where it has kinks, up to 330 where it jumps, none if this is known, too.
    """
    noise = max(noise, least / (REMARKABLE / 2))
    known: tuple[float, float] | None = problem.measured.get((largest_jump, finest))
    if known is not None and (known[0] <= noise or known[1]):
        return known[1], 0
    height, passes = 0.0, 0
    for number in range(LONG_LINES[1]):
        if number == LONG_LINES[0] and not height:
            break
        found, spent = _jump_along(problem, number, finest, noise)
        height, passes = max(height, found), passes + spent
    level = height / math.sqrt(12)
    problem.measured[largest_jump, finest] = noise, level
    return level, passes


def _jump_along(problem: Problem, number: int, finest: float, noise: float) -> tuple[float, int]:
    """Return the largest jump along one line, 0 where J is not defined so far from θ, and the forward passes."""
    line = Line(problem, number)
    try:
        return largest_jump(line, LONG, finest, noise, problem.measured.get((number, LONG))), line.passes
    except (EvaluationError, ArithmeticError, ValueError, Warning):
        return 0.0, line.passes


def careful_noise(problem: Problem, *, double: bool = False) -> tuple[float, int]:
    """Return σ of short lines and of the jumps along long ones, and the forward passes this took: 45 to 357.

    What is known already takes none. ``double`` is that of `noise_of_lines`.
    """
    level, passes = noise_of_lines(problem, double=double)
    jumps, searched = noise_of_jumps(problem, level, SPACING)
    return max(level, jumps), passes + searched


def measured_noise(problem: Problem) -> CostNoise:
    """Return the noise of J, the largest that several lines show; 57 forward passes for a smooth J, or more.

    A cost that computes in single precision, or that rounds its parameters to it, hardly moves when they change by
    1e-9: then the lines are measured again with a larger spacing. What is known already takes no forward passes.
    """
    known: CostNoise | None = problem.measured.get(CostNoise)
    if known is None:
        known = problem.measured[CostNoise] = _measured_noise(problem)
        return known
    return dataclasses.replace(known, passes=0)


def first_noise(problem: Problem) -> CostNoise:
    """Return the noise that one line shows, if J is quiet there, and else `measured_noise`; 9 forward passes, or more.

    One line may show too little: that serves to find claims that agree with slopes, not to tell why others do not.
    """
    if CostNoise in problem.measured:
        return measured_noise(problem)
    passes = first_to_come(problem)
    level = noise_level(problem)
    if _is_quiet(problem):
        return CostNoise(level=level, arithmetic=level, precision=DOUBLE, passes=passes)
    found = measured_noise(problem)
    return dataclasses.replace(found, passes=found.passes + passes)


def first_to_come(problem: Problem) -> int:
    """Return the forward passes that `first_noise` takes if J is quiet: 9, or 0 if the line is known."""
    return 0 if CostNoise in problem.measured or (0, SPACING) in problem.measured else POINTS


def _is_quiet(problem: Problem) -> bool:
    """Tell whether the first line shows what rounding in double precision does, and nothing else."""
    costs = costs_along(problem, 0, SPACING)
    moves = np.mean(np.diff(costs) == 0) <= STILL
    return bool(moves and level_of(costs) <= QUIET * np.abs(costs).max())


def noise_to_come(problem: Problem) -> int:
    """Return the forward passes that `measured_noise` takes of a smooth cost: 0 if it is known, 57 if nothing is."""
    if CostNoise in problem.measured:
        return 0
    lines = sum(POINTS for line in range(LINES) if (line, SPACING) not in problem.measured)
    return lines + min(PROBES, 2 * problem.theta.size) + LONG_LINES[0] * POINTS


def _measured_noise(problem: Problem) -> CostNoise:
    level, passes = noise_of_lines(problem)
    lines, precision = [costs_along(problem, line, SPACING) for line in range(LINES)], DOUBLE
    finest = SPACING
    rounded, probed = _rounds_parameters(problem)
    passes += probed
    for spacing, epsilon in COARSER:
        still = rounded or np.mean(np.diff(lines) == 0) > STILL
        if not still or not np.any(lines):
            break  # zeros tell nothing about their precision
        if DTYPES[epsilon] == np.float16:
            passes += 2
            if not _is_half(problem, lines):
                break
        try:
            lines = [costs_along(problem, line, spacing) for line in range(LINES)]
        except (EvaluationError, ArithmeticError, ValueError, Warning):
            break  # so far from θ the cost is not defined
        passes, finest = passes + LINES * POINTS, spacing
        # The median, as single points of lines this long may lie beyond a kink.
        wide = float(np.median(np.abs(np.diff(lines, 3)))) / (NORMAL_MEDIAN * math.sqrt(20))
        level = max(level, wide)
        if level > COARSE * abs(problem.value):
            precision = epsilon
    jumps, searched = noise_of_jumps(problem, level, finest)
    passes, arithmetic = passes + searched, max(level, jumps)
    dtype = DTYPES[precision]
    if precision > DOUBLE and np.array_equal(rounded_to(dtype, problem.theta), problem.theta):
        held, searched = _noise_between_held(problem, dtype, finest)
        held, passes = max(held, declared_noise(problem)), passes + searched
        if held < LESS * level:
            arithmetic = held  # and the jumps are those of rounded parameters
    level = max(level, jumps)
    return CostNoise(level=level, arithmetic=arithmetic, precision=precision, passes=passes)


def _noise_between_held(problem: Problem, dtype: np.dtype[Any], spacing: float) -> tuple[float, int]:
    """Return the median of σ along lines of numbers of this dtype, and the forward passes this took.

    The median, as one of them may cross a kink.
    """
    levels, passes = [], 0
    for number in range(LINES):
        line = Line(problem, number, (dtype, spacing))
        levels.append(level_of(line.costs(equidistant(1.0))))
        passes += line.passes
    return float(np.median(levels)), passes


def _is_half(problem: Problem, lines: Sequence[Vector]) -> bool:
    """Tell whether the costs along lines are numbers of half precision, or parameters beside θ are rounded to it.

    Two forward passes.
    """
    half = np.dtype(np.float16)
    if np.array_equal(rounded_to(half, np.array(lines)), lines):
        return True
    line = Line(problem, 0)
    try:
        return line.cost(LONG) == line.cost(LONG, half)
    except (EvaluationError, ArithmeticError, ValueError, Warning):
        return False  # so far from θ the cost is not defined


def _rounds_parameters(problem: Problem) -> tuple[bool, int]:
    """Tell whether single parameters move J by a large step, and not at all by one of 1e-9, and the forward passes.

    Along a line through all parameters some of many always move.
    """
    theta, least = problem.theta, PREDICTED * float(np.spacing(abs(problem.value)))
    moved, still, passes, few = 0, 0, 0, np.unique(np.linspace(0, theta.size - 1, PROBES).astype(np.intp))
    for i in few:
        changes, steps = [], (2.0**-10 * max(1.0, abs(theta[i])), SPACING * abs(theta[i]))
        for step in steps:
            beside = theta.copy()
            beside[i] += step
            try:
                changes.append(abs(problem.evaluator(beside) - problem.value))
            except (EvaluationError, ArithmeticError, ValueError, Warning):
                changes.append(0.0)
        passes += len(steps)
        if changes[0] * steps[1] / steps[0] > least:
            moved += 1
            still += changes[1] == 0
        if moved - still >= few.size - passes // len(steps) + still:
            break  # whatever the others do
    return moved >= PROBES // 3 and still > moved / 2, passes


def costs_along(problem: Problem, line: int, spacing: float) -> Vector:
    """Return J at equidistant points of a line from θ in a random direction, (9,); evaluated when first asked for."""
    known: Vector | None = problem.measured.get((line, spacing))
    if known is not None:
        return known
    problem.measured[line, spacing] = known = Line(problem, line).costs(equidistant(spacing))
    return known


def level_of(costs: Vector, *, double: bool = False) -> float:
    """Return the σ that costs at equidistant points show, which are known to be of ``double`` precision or are not."""
    table, levels = costs - costs[0], []
    for k in range(1, 7):
        table = np.diff(table)
        if k >= 3:
            levels.append(root_mean_square(table) / math.sqrt(math.comb(2 * k, k)))
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
