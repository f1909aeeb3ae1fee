"""The slope of one coordinate, measured with smaller and smaller steps, across θ and on either side of it.

A central difference is misled where θ ± h straddle a kink. For J = max(θ, 0) at θ = 1e-5 with h = 1e-3 it is 0.505, and
1 with any step below 1e-5: two steps that agree are believed. One side is enough where a kink lies close to θ on the
other, and where the sides agree on different slopes θ itself is a kink.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fastcheck.engines.plain.ends import explained
from fastcheck.engines.plain.noise import rounding_bound
from fastcheck.engines.plain.steps import LARGEST_CHOSEN, STEP_RATIO, USUAL_STEP, default_steps
from fastcheck.engines.slopes import Slope
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

T = TypeVar("T")

SMALLEST_PROBE_STEP = 2.0**-27
"""Relative to max(1, |θ|); below 7e-9 noise drowns the rest."""

FINER_STEPS = 4
"""Steps below that, where slopes are so large that noise leaves enough of them."""

STEPS_BELOW_SIZE = 6
"""Steps below the size of a parameter that is smaller than those."""

SLOPES_OF_ITS_SIZE = 3
"""Such steps at which slopes are measured for a parameter alone."""

STEPS_IN_DISTANCE = 16.0
"""Distance of random points around θ over the step at these points."""

WAYS_AROUND = 3
"""Ways of drawing them: all blocks move as far, each moves another distance, or later blocks move farther."""

ROUNDING_OF_BENDS = math.sqrt(6)
"""Bound on the rounding error of (J(θ+h) − 2 J(θ) + J(θ−h)) / h, over that of a central difference: one has √6 σ/h, the
other is taken to have σ/h."""


class Sides(NamedTuple):
    """The slopes with one step to the left, across and to the right of θ, NaN where the domain of J ends within it."""

    left: Slope
    across: Slope
    right: Slope


class Resolved(NamedTuple):
    """What steps agree on: the slopes of both sides, one number but at a kink, and the bound on their errors.

    ``truncation`` is the part of the bound that comes from steps that do not agree. Where no kink is seen,
    ``hidden_kink`` is how far the slopes of the two sides may be from this one all the same: noise may hide a kink that
    is smaller. ``by_finer_steps`` tells that larger ones do not agree.
    """

    lower: float
    upper: float
    bound: float
    truncation: float = 0.0
    hidden_kink: float = 0.0
    by_finer_steps: bool = False

    @property
    def is_kink(self) -> bool:
        """Whether the sides have different slopes."""
        return self.lower < self.upper


def resolve(
    sides_with: Callable[[float], Sides], steps: Iterable[float], finer_steps: Iterable[float], allowed: float
) -> Resolved | None:
    """Return the slope, or the slopes of the two sides, on which steps agree, and the bound on their error.

    Slopes need agree no closer than what is ``allowed``. ``finer_steps`` are taken only where ``steps`` do not agree;
    where those do not either, the last ones tell the bound if they come nearer to each other. None where they do not,
    as at √θ close to zero, and where the cost is hardly defined around θ.
    """
    rungs = [sides_with(step) for step in steps]
    resolved = _resolved_by(rungs, allowed)
    if resolved is not None:
        return resolved
    for step in finer_steps:
        rungs.append(sides_with(step))
        resolved = _resolved_by(rungs, allowed)
        if resolved is not None:
            return resolved._replace(by_finer_steps=True)
    across = [sides.across for sides in rungs if np.isfinite(sides.across.value)]
    if len(across) < 2:
        return None
    last, rest = across[-1], _change_to_come([slope.value for slope in across])
    if not np.isfinite(rest):
        return None
    return Resolved(last.value, last.value, last.bound + rest, rest, largest_kink(rungs, allowed) / 2)


def _resolved_by(rungs: Sequence[Sides], allowed: float) -> Resolved | None:
    """Return what steps agree on, None if they do not."""
    agreed = agreements(rungs, allowed)
    across, left, right = agreed
    if left and right and abs(left.value - right.value) > left.bound + right.bound + allowed:
        lower, upper = sorted((left.value, right.value))
        return Resolved(lower, upper, max(left.bound, right.bound))
    known = [slope for slope in agreed if slope]
    if not known:
        return None
    best = min(known, key=lambda slope: slope.bound)
    kink = largest_kink(rungs, allowed)
    return Resolved(best.value, best.value, best.bound, hidden_kink=kink / 2 if best is across else kink)


def _change_to_come(slopes: Sequence[float]) -> float:
    """Return how far from the last of slopes their limit is, as far as their changes shrink; infinite if they do not.

    Changes that are halved each time add up to no more than the last.
    """
    changes = np.abs(np.diff(slopes[-3:]))
    if changes.size < 2:
        return float(changes[-1])
    before, last = changes.tolist()
    if last >= before:
        return math.inf if last else 0.0
    return float(last * max(1.0, last / (before - last)))


def largest_kink(rungs: Sequence[Sides], allowed: float) -> float:
    """Return a bound on how far the slopes of the two sides of θ are apart; 0 where J is not defined on one of them.

    Central differences tell nothing of it: those of |x| agree on 0.
    """
    bends = [
        Slope(right.value - left.value, ROUNDING_OF_BENDS * across.bound)
        for left, across, right in rungs
        if np.isfinite(right.value - left.value)
    ]
    if not bends:
        return 0.0
    bend = best_agreement(extrapolated(bends), allowed) or bends[-1]
    return abs(bend.value) + bend.bound


def agreements(rungs: Sequence[Sides], allowed: float) -> tuple[Slope | None, Slope | None, Slope | None]:
    """Return the slopes across, to the left and to the right of θ on which steps agree, of those that are known."""
    left, across, right = ([s for s in side if np.isfinite(s.value)] for side in zip(*rungs, strict=True))
    return (
        best_agreement(across, allowed) or best_agreement(extrapolated(across, 2), allowed),
        best_agreement(extrapolated(left), allowed),
        best_agreement(extrapolated(right), allowed),
    )


def extrapolated(slopes: Sequence[Slope], order: int = 1) -> list[Slope]:
    """Remove the share proportional to h, or h² if the order is 2, from slopes with steps h, h/8, …, two by two."""
    factor = STEP_RATIO**order
    return [
        Slope((factor * b.value - a.value) / (factor - 1), (factor * b.bound + a.bound) / (factor - 1))
        for a, b in pairwise(slopes)
    ]


def best_agreement(slopes: Sequence[Slope], allowed: float) -> Slope | None:
    """Return the slope with the smallest bound among those that the next larger step agrees with, or None.

    Never the one with the larger step: noise may hide a truncation error as large as the bound of the other. Nor one
    that a smaller step contradicts: those that are too large agree on what is beyond a kink or a pole.
    """

    def agree(a: Slope, b: Slope) -> bool:
        return abs(a.value - b.value) <= a.bound + b.bound + allowed

    confirmed = [
        b
        for k, (a, b) in enumerate(pairwise(slopes))
        if agree(a, b) and all(agree(b, finer) for finer in slopes[k + 2 :])
    ]
    return min(confirmed, key=lambda slope: slope.bound, default=None)


class Probe:
    """Evaluates J around θ for one coordinate at a time, and counts its forward ``passes``.

    ``noise`` is that of J, ``epsilon`` the step of the plan. A check with a budget looks at growing samples of a block;
    what it evaluated for one of them is ``remembered``, and not evaluated again.
    """

    def __init__(self, problem: Problem, noise: float, epsilon: float | None) -> None:
        self.problem, self.noise, self.epsilon, self.passes = problem, noise, epsilon, 0
        has_budget = problem.evaluator.meter is not None
        self.remembered: dict[Hashable, Any] | None = (
            problem.measured.setdefault(Probe, {}) if has_budget else None
        )

    def resolved(self, i: int, allowed: float, agreeing: float | None = None) -> Resolved | None:
        """Return what steps agree on: see `resolve`. 10 to 16 forward passes, up to 20 more for finer steps.

        Noise may leave what is ``allowed``. Steps agree if they are not farther apart than ``agreeing``, which is that
        as well unless it is given: a claim that is much larger than the slopes would allow them to be anything.
        """
        self.expect_steps([(i, allowed)])
        return resolve(
            lambda step: self.sides(i, step),
            self.steps(i, allowed),
            self.finer_steps(i, allowed),
            allowed if agreeing is None else agreeing,
        )

    def expect_steps(self, suspects: Sequence[tuple[int, float]]) -> None:
        """Say that these coordinates are resolved next, with what noise may leave of each: workers may share them."""
        if self.problem.evaluator.ahead is None:
            return
        steps = [(i, step) for i, allowed in suspects for step in self.steps(i, allowed)]
        remembered = self.remembered or {}
        steps = [(i, step) for i, step in steps if (i, "at", step) not in remembered]
        theta = self.problem.theta
        self.problem.evaluator.expect(
            2 * len(steps),
            lambda: (end for i, step in steps for end in _ends(theta, i, step)),
            certain=False,
        )

    def steps(self, i: int, allowed: float = math.inf) -> Iterator[float]:
        """Yield steps from the plan's downwards, and at least from one above the default one.

        They begin with larger ones as long as noise leaves more than what is ``allowed`` of the second.
        """
        default = float(default_steps(self.problem.theta[[i]], None)[0])
        step = max(STEP_RATIO * default, self.epsilon or 0.0)
        largest = LARGEST_CHOSEN / USUAL_STEP * default
        while step < largest and rounding_bound(self.noise, step / STEP_RATIO) > allowed:
            step *= STEP_RATIO
        while step >= SMALLEST_PROBE_STEP / USUAL_STEP * default:
            yield step
            step /= STEP_RATIO

    def finer_steps(self, i: int, allowed: float) -> Iterator[float]:
        """Yield smaller steps, for slopes that change over the smallest of those, as far as noise lets them be told.

        What is not zero and smaller than all steps gets steps that are small beside it: log(θ) at 1e-20 changes there.
        """
        step, size = SMALLEST_PROBE_STEP * self.unit(i), abs(float(self.problem.theta[i]))
        for _ in range(FINER_STEPS):
            step /= STEP_RATIO
            if rounding_bound(self.noise, step) > allowed:
                break
            yield step
        if size < step:
            for _ in range(STEPS_BELOW_SIZE):
                size /= STEP_RATIO
                if size:
                    yield size

    def unit(self, i: int) -> float:
        """Return the unit of distances along a coordinate."""
        return max(1.0, abs(float(self.problem.theta[i])))

    def sides(self, i: int, step: float) -> Sides:
        """Return the slopes on the sides of θ, with their bounds from rounding."""
        minus, plus = self._costs_at_theta(i, step)
        value, center = self.problem.value, self.problem.theta[i]
        below, above = center - (center - step), (center + step) - center
        bound = float(rounding_bound(self.noise, step))
        return Sides(
            Slope((value - minus) / below, 2 * bound),
            Slope((plus - minus) / (above + below), bound),
            Slope((plus - value) / above, 2 * bound),
        )

    def slopes_of_its_size(self, i: int) -> Vector:
        """Return slopes with steps that are small beside a parameter; none where it is not smaller than usual steps."""
        size = abs(float(self.problem.theta[i]))
        if not 0 < size < USUAL_STEP:
            return np.zeros(0)
        steps = [size / STEP_RATIO**k for k in range(1, SLOPES_OF_ITS_SIZE + 1)]
        return np.array([self.sides(i, step).across.value for step in steps if step])

    def stands_still(self, i: int, distance: float) -> bool:
        """Tell whether J at this distance on both sides of θ is what it is there, to the last bit."""
        return self._costs_at_theta(i, distance) == (self.problem.value,) * 2

    def distance_to_see(self, i: int, change: float) -> float:
        """Return the distance at which `changes_around` shows such a change of slopes in spite of noise."""
        return STEPS_IN_DISTANCE * 2 * float(rounding_bound(self.noise, change)) / self.unit(i)

    def changes_around(
        self, i: int, distance: float, ends: tuple[float, float], points: range, spread: float = 1.0
    ) -> Vector:
        """Return by how much the slopes at random points around θ differ for sure from both ``ends``, those at θ.

        Negative where noise may make the difference. No kink of θ is left there, but one may lie within the step on one
        side: the smaller difference counts. ``distance`` is relative to max(1, |θ|); some blocks are moved up to
        ``spread`` times as far as others: what a backward pass finds at kinks behind kinks may be met only where the
        biases of the second layer are moved much farther than those of the first. ``points`` are numbers of points.
        """
        step = distance / STEPS_IN_DISTANCE * self.unit(i)
        halves = self._once(
            (i, "around", distance, points, spread),
            lambda: self._slopes_around(i, points, distance, step, spread),
        )
        changes = np.abs(halves[:, :, None] - np.array(ends)).min(axis=(1, 2))
        return np.asarray(changes - 2 * rounding_bound(self.noise, step))

    def _slopes_around(self, i: int, points: range, distance: float, step: float, spread: float) -> Vector:
        """Return the slopes to the right and left of random points this far from θ, by their numbers, (k, 2)."""
        self.problem.evaluator.expect(
            3 * len(points),
            lambda: (
                theta
                for number in points
                for point in [self._around(i, number, distance, spread)]
                for theta in (*_ends(point, i, step), point)
            ),
        )
        return np.array(
            [self._slopes_at(i, self._around(i, number, distance, spread), step) for number in points]
        )

    def _around(self, i: int, number: int, distance: float, spread: float) -> Vector:
        """Return a random point this far from θ, by its number."""
        theta, sizes = self.problem.theta, [block.size for block in self.problem.layout.blocks]
        rng = np.random.default_rng((i, number))  # the same side at every distance
        exponents, way = rng.random(len(sizes)), number % WAYS_AROUND
        if way == 0:
            exponents[:] = 0.0
        elif way == 1:
            exponents.sort()
        distances = distance * np.repeat(spread ** (exponents - exponents.min()), sizes)
        shares = rng.uniform(-1.0, 1.0, theta.size)
        return np.asarray(theta + distances * np.maximum(1.0, np.abs(theta)) * shares)

    def _slopes_at(self, i: int, point: Vector, step: float) -> tuple[float, float]:
        """Return the slopes to the right and left of a point."""
        minus, plus = self._costs(i, step, point)
        with explained(self.problem.layout, i, 0.0):
            value = self.problem.evaluator.cost_or_nan(point.copy())
        self.passes += 1
        center = point[i]
        above, below = (center + step) - center, center - (center - step)
        return (plus - value) / above, (value - minus) / below

    def _costs_at_theta(self, i: int, step: float) -> tuple[float, float]:
        """Return the costs at θ minus and plus the step."""
        return self._once((i, "at", step), lambda: self._costs(i, step, self.problem.theta))

    def _once(self, what: Hashable, evaluate: Callable[[], T]) -> T:
        """Return what ``evaluate`` returns, or what it returned in an earlier look."""
        if self.remembered is None:
            return evaluate()
        if what not in self.remembered:
            self.remembered[what] = evaluate()
        result: T = self.remembered[what]
        return result

    def _costs(self, i: int, step: float, center: Vector) -> tuple[float, float]:
        """Return the costs at the center, minus and plus the step; NaN where they are not defined."""
        costs = []
        with explained(self.problem.layout, i, step):
            for theta in _ends(center, i, step):
                costs.append(self.problem.evaluator.cost_or_nan(theta))
                self.passes += 1
        return costs[0], costs[1]


def _ends(center: Vector, i: int, step: float) -> Iterator[Vector]:
    """Yield the center with one coordinate minus and plus the step."""
    for end in (center[i] - step, center[i] + step):
        theta = center.copy()
        theta[i] = end
        yield theta
