"""The noise and the precision of a cost, which may compute in float64, float32 or float16.

A cost that computes in single precision stands still over distances of 1e-9, along lines through all parameters or, if
it only rounds its parameters, in most of these by themselves. J = float32(θ)² at θ = 1, say, has no other slope over
1e-9 than 0, and needs steps of 1e-3. Then the lines are made longer, and the noise is that of float32.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.engines.plain.lines import POINTS, Line, equidistant, rounded_to
from fastcheck.engines.plain.noise import (
    AWAY,
    LINES,
    LONG,
    LONG_LINES,
    SPACING,
    UNKNOWN,
    costs_along,
    declared_noise,
    level_of,
    noise_level,
    noise_of_jumps,
    noise_of_lines,
    rounding_bound,
)
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

DOUBLE_EPSILON = float(np.finfo(np.float64).eps)

COARSER = ((2.0**-20, float(np.finfo(np.float32).eps)), (2.0**-10, float(np.finfo(np.float16).eps)))
"""Larger distances, for costs in single or half precision, which stand still at the first, and the ε of these."""

DTYPES = {float(np.finfo(dtype).eps): np.dtype(dtype) for dtype in (np.float64, np.float32, np.float16)}
"""From the ε of an arithmetic to its numbers."""

NEGLIGIBLE_MOVE = 1 / 8
"""Steps that rounding of the parameters changes by less are known well enough."""

MUCH_LESS = 1 / 8
"""Noise below this share of that where all parameters change is taken to be the noise without their rounding."""

COARSE = 2.0**-36
"""Noise above this share of J is no longer that of double precision, if the cost stands still besides."""

NORMAL_MEDIAN = 0.6745
"""Median of the absolute value of a standard normal variable."""

STANDING_STILL = 0.05
"""Share of neighbouring points with the same cost from which on it counts as standing still."""

MOSTLY_STILL = 0.75
"""The same over distances at which a cost in single or half precision moves, as a rule."""

QUIET = 2.0**-44
"""Noise below this share of J comes from no rounding of parameters, and needs no closer measurement to begin with."""

STEEP = 4.0
"""Jumps of more than so many rounding units of J are not those of such a cost."""

MOST_PROBED, LEAST_MOVING = 12, 4
"""Parameters that are moved by themselves, and of these such as must move J."""

UNITS_PREDICTED = 16.0
"""Units in the last place of J that a small step should move it by, to conclude something if it does not."""

PROBE_STEP = 2.0**-17
"""Step in single parameters that tells whether they are rounded; `LONG` where J stands still over it."""

NEAR = 2.0**-18
"""First distance of points where no claim looks wrong: lines as long as the steps that suspects are measured with."""

NEARLY_ZERO = 0.25
"""Where J changes by more than this share of itself over 1e-8, it is near zero, and has more noise a step away."""


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
        return self.precision > DOUBLE_EPSILON

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
        noise = np.where(moved <= NEGLIGIBLE_MOVE, self.arithmetic, self.level)
        return rounding_bound(noise, steps) + moved * np.abs(slopes)


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
        return CostNoise(level=level, arithmetic=level, precision=DOUBLE_EPSILON, passes=tally.passes)
    return dataclasses.replace(measured_noise(problem, step), passes=tally.passes)


def noise_is_known(problem: Problem) -> bool:
    """Tell whether `first_noise` takes no forward pass: the noise is measured, or the first line is."""
    return _is_measured(problem) or (0, SPACING, 0.0) in problem.measured


def first_to_come(problem: Problem) -> int:
    """Return the forward passes that `first_noise` takes if J is quiet: 9, or 0 if the line is known."""
    return 0 if noise_is_known(problem) else POINTS


def _is_quiet(problem: Problem) -> bool:
    """Tell whether the first line shows what rounding in double precision does, and nothing else."""
    costs = costs_along(problem, 0, SPACING)
    moves = np.mean(np.diff(costs) == 0) <= STANDING_STILL and np.ptp(costs) <= NEARLY_ZERO * abs(
        problem.value
    )
    return bool(moves and level_of(costs) <= QUIET * np.abs(costs).max())


def noise_to_come(problem: Problem) -> int:
    """Return the forward passes that `measured_noise` takes of a smooth cost: 0 if it is known, 57 if nothing is."""
    if _is_measured(problem):
        return 0
    lines = sum(POINTS for line in range(LINES) if (line, SPACING, 0.0) not in problem.measured)
    return lines + min(MOST_PROBED, 2 * problem.theta.size) + LONG_LINES * POINTS


def _measured_noise(problem: Problem, longest: float) -> CostNoise:
    problem, tally = problem.counted()
    level, _ = noise_of_lines(problem)
    lines = _finite_lines(problem, SPACING)
    is_nearly_zero = len(lines) and np.ptp(lines) > NEARLY_ZERO * abs(problem.value)
    if is_nearly_zero:
        away = [level_of(costs_along(problem, line, SPACING, AWAY)) for line in range(LINES)]
        level = max(level, float(np.nan_to_num(away).max()))
    level, precision, finest = _by_coarser_lines(problem, level, lines)
    is_coarse = precision > DOUBLE_EPSILON
    if is_coarse:
        longest = max(longest, LONG)
    jumps, _ = noise_of_jumps(problem, level, min(finest, longest), longest=longest)
    arithmetic = max(level, jumps)
    if is_coarse:
        between_held = _noise_between_held(problem, DTYPES[precision], finest)
        if between_held < MUCH_LESS * level:
            arithmetic = between_held  # and the jumps are those of rounded parameters
    return CostNoise(level=max(level, jumps), arithmetic=arithmetic, precision=precision, passes=tally.passes)


def _by_coarser_lines(problem: Problem, level: float, lines: Vector) -> tuple[float, float, float]:
    """Return σ, the ε of the precision, and the distance of points that showed it.

    Lines become longer as long as J stands still on the ``lines`` before; ``level`` is the σ that the first ones show.
    """
    precision, finest, rounded = DOUBLE_EPSILON, SPACING, _rounds_parameters(problem)
    for spacing, epsilon in COARSER:
        if not np.any(lines):
            break  # there are none, or zeros, which tell nothing about their precision
        stands_still = rounded or np.mean(np.diff(lines) == 0) > STANDING_STILL
        if not stands_still:
            break
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
        third_differences = float(np.median(np.abs(np.diff(lines, 3))))
        level = max(level, third_differences / (NORMAL_MEDIAN * math.sqrt(20)))
        if level > COARSE * abs(problem.value):
            precision = epsilon
    return level, precision, finest


def _has_steps(problem: Problem, lines: Vector, epsilon: float) -> bool:
    """Tell whether J stands still along these or much longer lines, but for jumps above those of its precision."""
    steps = np.abs(np.diff(lines))
    if not steps.any():
        steps = np.abs(np.diff(_finite_lines(problem, COARSER[-1][0])))
    if not steps.any():
        return True
    jumps = steps.max() > STEEP * epsilon * np.abs(lines).max()
    return bool(jumps and np.mean(steps == 0) > MOSTLY_STILL)


def _finite_lines(problem: Problem, spacing: float) -> Vector:
    """Return the costs along those lines on which J is defined, (k, 9)."""
    lines = np.array([costs_along(problem, line, spacing) for line in range(LINES)])
    return np.asarray(lines[np.isfinite(lines).all(axis=1)])


def _noise_between_held(problem: Problem, dtype: np.dtype[Any], spacing: float) -> float:
    """Return the median of σ along lines of numbers of this dtype, as one of them may cross a kink.

    It is infinite where J is not defined there, and where θ itself does not consist of such numbers.
    """
    if not np.array_equal(rounded_to(dtype, problem.theta), problem.theta):
        return math.inf
    levels = []
    for number in range(LINES):
        line = Line(problem, number, (dtype, spacing))
        levels.append(level_of(line.costs(equidistant(1.0))))
    return max(float(np.median(np.nan_to_num(levels, nan=np.inf))), declared_noise(problem))


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
    probed = np.unique(np.linspace(0, problem.theta.size - 1, MOST_PROBED).astype(np.intp))
    moving = still = 0
    for done, i in enumerate(probed.tolist(), start=1):
        if (stands_still := _stands_still(problem, i)) is not None:
            moving += 1
            still += stands_still
        most_still = still + probed.size - done
        if moving - still >= most_still:
            break  # whatever the others do
    return moving >= LEAST_MOVING and still > moving / 2


def _stands_still(problem: Problem, i: int) -> bool | None:
    """Tell whether a parameter that moves J leaves it as it is over 1e-9; None if it moves J too little to tell."""
    theta, least = problem.theta, UNITS_PREDICTED * float(np.spacing(abs(problem.value)))

    def change(step: float) -> float:
        moved = theta.copy()
        moved[i] += step
        cost = problem.evaluator.cost_or_nan(moved)
        return 0.0 if np.isnan(cost) else abs(cost - problem.value)

    unit, small = max(1.0, abs(theta[i])), SPACING * abs(theta[i])
    large = PROBE_STEP * unit
    by_large, by_small = change(large), change(small)
    if not (by_large or by_small):
        large = LONG * unit
        by_large = change(large)
    predicted = by_large * small / large
    return by_small == 0 if predicted > least else None
