"""Coordinates at a border of the domain of J, beyond which the cost raises or returns no finite number.

Such is x = 0 of x**1.5, or of a square root: at θ the cost is defined, at θ - h it is not. A smaller step may stay
inside. Else the slope is that of the side that is inside, by a formula of second order; and where no step is, the
coordinate stays undecided. All others are what they would be without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fastcheck.engines.plain.noise import rounding_bound
from fastcheck.engines.plain.steps import STEP_RATIO, CentralDifferences, Measure
from fastcheck.engines.plain.truncation import TRUNCATION_MARGIN, truncation_bounds
from fastcheck.engines.slopes import Bound, Slope, Slopes
from fastcheck.errors import EvaluationError
from fastcheck.plan.coordinates import Coordinates
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

SMALLEST_BORDER_STEP = 2.0**-30
"""Smallest step, in units of max(1, |θ|)."""

ONE_SIDED = 8.0
"""Rounding error of a one-sided slope of second order over that of a central difference with the same step."""

NOTHING_KNOWN = 2.0**10
"""Bound on a slope of which nothing is known, over the largest claim of the network and 1."""


class Bounded(NamedTuple):
    """Slopes with their bounds, what the cost does beyond the borders that rows are at, and the forward passes."""

    slopes: Slopes
    outside: Mapping[int, str]
    passes: int


def bounded(
    problem: Problem,
    coordinates: Coordinates,
    steps: Vector,
    differences: CentralDifferences,
    rounding: Vector,
    measure: Measure,
    noise: float,
    raised: Mapping[int, Exception],
) -> Bounded:
    """Return the slopes of a block with their bounds, given central differences: NaN where a step left the domain.

    ``rounding`` is the bound on the error from noise, of which σ is ``noise``. At a border of which nothing is known ĝ
    is the claim, with a bound that leaves it undecided. Raises `EvaluationError` if the cost is not defined wherever
    the block is moved. Costs what `truncation_bounds` does, not counted in ``passes``, and up to 31 forward passes for
    each coordinate at a border.
    """
    inside = np.isfinite(differences.central) & np.isfinite(differences.bend)
    central, rounding = np.where(inside, differences.central, 0.0), np.where(inside, rounding, 0.0)
    truncation, rows_inside = np.zeros_like(central), np.flatnonzero(inside)
    if rows_inside.size:
        truncation[rows_inside] = truncation_bounds(
            coordinates[rows_inside],
            steps[rows_inside],
            differences.at(rows_inside),
            rounding[rows_inside],
            measure,
        )
    outside: dict[int, str] = {}
    passes, anything_known = 0, rows_inside.size > 0
    for row in np.flatnonzero(~inside).tolist():
        i = int(coordinates[row])
        cost = _Along(problem, i)
        slope = border_slope(cost, problem.value, float(steps[row]), SMALLEST_BORDER_STEP * cost.unit, noise)
        _expect_border(problem, cost, float(steps[row]), raised)
        anything_known |= slope is not None
        slope = slope or Slope(_claimed(problem, i), NOTHING_KNOWN * max(1.0, problem.largest_claim))
        central[row], rounding[row], truncation[row] = slope
        outside[row] = cost.complaint()
        passes += cost.passes
    if outside and not anything_known:
        _raise_there(problem, int(coordinates[0]), float(steps[0]))
    slopes = Slopes(central=central, known_to=Bound(0.0, rounding), truncation=truncation, subtracted=True)
    return Bounded(slopes, outside, passes)


def _expect_border(problem: Problem, cost: _Along, step: float, raised: Mapping[int, Exception]) -> None:
    """Raise what the cost ``raised`` before, in another process say, where it is defined after all: no border."""
    if cost.beyond:
        return
    if cost.i in raised:
        raise raised[cost.i]
    raise EvaluationError(
        f"at {problem.layout.coordinate_name(cost.i)} ± {step:g}: costs: expected finite numbers, got nan; called "
        "again, or by itself, the cost is defined there."
    )


def _claimed(problem: Problem, i: int) -> float:
    """Return the claim for a coordinate, 0 if there is none."""
    for block, claim in zip(problem.layout.blocks, problem.claims, strict=False):
        if block.start <= i < block.stop:
            return float(claim.flat[i - block.start])
    return 0.0


def border_slope(
    cost: Callable[[float], float], value: float, step: float, least: float, noise: float
) -> Slope | None:
    """Return the slope of a cost of one coordinate's distance from θ, where it is ``value``; None if none is known.

    It is NaN where it is not defined. Steps shrink from ``step`` until both ends are inside, or down to ``least``.
    """
    best: Slope | None = None
    while step >= least:
        right, left = ([cost(sign * step / k) for k in (4, 2, 1)] for sign in (1, -1))
        if np.isfinite(right + left).all():
            return _central(right, left, value, step, noise)
        for side, h in ((right, step), (left, -step)):
            if np.isfinite(side).all():
                slope = _one_sided(side, value, h, noise)
                best = slope if best is None or slope.bound < best.bound else best
        step /= STEP_RATIO
    return best


def _central(right: Sequence[float], left: Sequence[float], value: float, step: float, noise: float) -> Slope:
    """Return the central difference with half the step; a kink, of which the bend does not shrink, is truncation."""
    (_, near, far), (_, back, behind) = right, left
    fine, coarse = (near - back) / step, (far - behind) / (2 * step)
    bends = abs(near - 2 * value + back) / (step / 2), abs(far - 2 * value + behind) / step
    truncation = TRUNCATION_MARGIN * max(4 / 3 * abs(fine - coarse), abs(bends[0] - bends[1] / 2))
    return Slope(fine, float(rounding_bound(noise, step / 2)), truncation)


def _one_sided(costs: Sequence[float], value: float, step: float, noise: float) -> Slope:
    """Return the slope on one side, its error of second order where J is smooth; the left has a negative step."""
    quarter, half, whole = costs
    coarse = (4 * half - whole - 3 * value) / step
    fine = (4 * quarter - half - 3 * value) / (step / 2)
    return Slope(
        fine, ONE_SIDED * float(rounding_bound(noise, abs(step) / 2)), TRUNCATION_MARGIN * abs(fine - coarse)
    )


class _Along:
    """J at a distance from θ along one coordinate; remembers the last place where it was not defined."""

    def __init__(self, problem: Problem, i: int) -> None:
        self.problem, self.i, self.passes = problem, i, 0
        self.unit, self.beyond = max(1.0, abs(float(problem.theta[i]))), 0.0

    def __call__(self, distance: float) -> float:
        self.passes += 1
        cost = self.problem.evaluator.cost_or_nan(self._at(distance))
        if np.isnan(cost):
            self.beyond = distance
        return cost

    def complaint(self) -> str:
        """Return what the cost does beyond the border: the coordinate, the distance and its words."""
        self.passes += 1
        name = self.problem.layout.coordinate_name(self.i)
        return f"at {name} {self.beyond:+.1g} {self.problem.evaluator.complaint(self._at(self.beyond))}"

    def _at(self, distance: float) -> Vector:
        theta = self.problem.theta.copy()
        theta[self.i] += distance
        return theta


def _raise_there(problem: Problem, i: int, step: float) -> None:
    """Raise `EvaluationError` with what the cost raises: not a border, but a mistake that every evaluation meets."""
    theta, name = problem.theta.copy(), problem.layout.coordinate_name(i)
    theta[i] += step
    try:
        problem.evaluator(theta)
    except EvaluationError as error:
        raise EvaluationError(f"at {name} ± {step:g}: {error}") from error
    except Exception as error:
        raise EvaluationError(
            f"at {name} ± {step:g} the cost raises {type(error).__name__}: {error}. So it does wherever this block is "
            "moved; at the parameters themselves it does not."
        ) from error
    raise EvaluationError(
        f"at {name} ± {step:g}: the cost is defined there in some calls, and in others not."
    )
