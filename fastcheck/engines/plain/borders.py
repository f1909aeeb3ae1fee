"""Coordinates at a border of the domain of J, beyond which the cost raises or returns no finite number.

Such is x = 0 of x**1.5, or of a square root: at θ the cost is defined, at θ - h it is not. A smaller step may stay
inside. Else the slope is that of the side that is inside, by a formula of second order; and where no step is, the
coordinate stays undecided. All others are what they would be without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.plain.noise import rounding_bound
from fastcheck.engines.plain.steps import STEP_RATIO, CentralDifferences, Measure
from fastcheck.engines.plain.truncation import TRUNCATION_MARGIN, truncation_bounds
from fastcheck.engines.slopes import Bound, Slope, Slopes
from fastcheck.errors import EvaluationError, LostEvaluationError
from fastcheck.plan.coordinates import Coordinates
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.workers.exceptions import text_of

SMALLEST_BORDER_STEP = 2.0**-30
"""Smallest step, in units of max(1, |θ|)."""

ONE_SIDED = 8.0
"""Rounding error of a one-sided slope of second order over that of a central difference with the same step."""

NOTHING_KNOWN = 2.0**10
"""Bound on a slope of which nothing is known, over the largest claim of the network and 1."""


REDONE = 2
"""Times that evaluations are redone that failed where the cost is defined."""

LOOKED_AT = 20
"""Rows that turned out to be at no border, all that were looked at, after which the others are not looked at."""


class Borders(NamedTuple):
    """What is known of rows at a border: slopes, None where there is none, and what the cost does beyond, by row.

    ``lost`` says why evaluations of rows are not there, ``passes`` are the forward passes of looking.
    """

    slopes: Mapping[int, Slope | None]
    outside: Mapping[int, str]
    lost: Mapping[int, str]
    passes: int


def borders_among(
    problem: Problem,
    coordinates: Coordinates,
    steps: Vector,
    differences: CentralDifferences,
    measure: Measure,
    noise: float,
    raised: Mapping[int, BaseException],
) -> tuple[CentralDifferences, Borders]:
    """Return the central differences, and what is known of rows where they are NaN: a step left the domain.

    Where the cost is defined after all, the evaluation had failed for another reason: it is redone, twice at most,
    which ``measure`` counts. ``raised`` holds what the cost raised, by coordinate; where an evaluation was lost,
    nothing is evaluated again. Costs up to 31 forward passes for each coordinate at a border. Raises `EvaluationError`
    where ``costs(thetas)`` is not finite, and the cost itself is.
    """
    lost: dict[int, str] = {}
    slopes: dict[int, Slope | None] = {}
    outside: dict[int, str] = {}
    failed: list[int] = []
    passes = 0
    for row in np.flatnonzero(~_is_known(differences)).tolist():
        i = int(coordinates[row])
        if isinstance(raised.get(i), LostEvaluationError):
            lost[row] = str(raised[i])
            continue
        if len(failed) >= LOOKED_AT and not outside:
            failed.append(row)
            continue
        cost = _Along(problem, i)
        slope = border_slope(cost, problem.value, float(steps[row]), SMALLEST_BORDER_STEP * cost.unit, noise)
        if cost.beyond:
            slopes[row], outside[row] = slope, cost.complaint()
        else:
            failed.append(row)
        passes += cost.passes
    differences, still = _redone(coordinates, steps, differences, measure, failed)
    for row in still:
        i = int(coordinates[row])
        if isinstance(raised.get(i), LostEvaluationError):
            lost[row] = str(raised[i])
        else:
            was_looked_at = row in failed[:LOOKED_AT]
            lost[row] = _failure(problem, i, float(steps[row]), raised.get(i), was_looked_at)
    return differences, Borders(slopes, outside, lost, passes)


def _is_known(differences: CentralDifferences) -> NDArray[np.bool_]:
    return np.isfinite(differences.central) & np.isfinite(differences.bend)


def _redone(
    coordinates: Coordinates,
    steps: Vector,
    differences: CentralDifferences,
    measure: Measure,
    failed: Sequence[int],
) -> tuple[CentralDifferences, list[int]]:
    """Return the differences where some rows were measured again, and the rows that still failed."""
    rows = np.array(failed, dtype=np.intp)
    central, bend = differences
    for _ in range(REDONE):
        if not rows.size:
            break
        again = measure(coordinates[rows], steps[rows])
        central, bend = central.copy(), bend.copy()
        central[rows], bend[rows] = again
        rows = rows[~_is_known(again)]
    return CentralDifferences(central, bend), rows.tolist()


def _failure(problem: Problem, i: int, step: float, error: BaseException | None, was_looked_at: bool) -> str:
    """Return what is said where a cost failed again and again that may be defined when it is called by itself.

    Raises `EvaluationError` where it did not raise: ``costs(thetas)`` computes something else than the cost.
    """
    if error is None:
        raise EvaluationError(
            f"at {problem.layout.coordinate_name(i)} ± {step:g}: costs: expected finite numbers, got nan; called "
            "again, or by itself, the cost is defined there."
        )
    what = str(error) if isinstance(error, EvaluationError) else f"the cost raised {text_of(error)}"
    said = f"{what}, in {REDONE + 1} tries"
    return f"{said}; called by itself, in this process, it is defined" if was_looked_at else said


def bounded(
    problem: Problem,
    coordinates: Coordinates,
    steps: Vector,
    differences: CentralDifferences,
    rounding: Vector,
    measure: Measure,
    borders: Borders,
) -> Slopes:
    """Return the slopes of a block with their bounds, given central differences, and what is known at ``borders``.

    ``rounding`` is the bound on the error from noise. At a border of which nothing is known ĝ is the claim, with a
    bound that leaves it undecided, and so it is where evaluations were lost. Raises `EvaluationError` if the cost is
    not defined wherever the only block is moved; beside others it is left undecided. Costs what `truncation_bounds`
    does.
    """
    inside = _is_known(differences)
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
    for row in np.flatnonzero(~inside).tolist():
        slope = borders.slopes.get(row) or _unknown(problem, int(coordinates[row]))
        central[row], rounding[row], truncation[row] = slope
    anything_known = rows_inside.size > 0 or any(slope is not None for slope in borders.slopes.values())
    nothing_else_is_checked = sum(block.size > 0 for block in problem.layout.blocks) == 1
    if borders.outside and not anything_known and nothing_else_is_checked:
        _raise_there(problem, int(coordinates[0]), float(steps[0]))
    return Slopes(central=central, known_to=Bound(0.0, rounding), truncation=truncation, subtracted=True)


def _unknown(problem: Problem, i: int) -> Slope:
    """Return what stands for a slope of which nothing is known: the claim, with a bound that leaves it undecided."""
    return Slope(_claimed(problem, i), NOTHING_KNOWN * max(1.0, problem.largest_claim))


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
