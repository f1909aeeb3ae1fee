"""The slope of one coordinate, measured with smaller and smaller steps, across θ and on either side of it.

A central difference is misled where θ ± h straddle a kink. For J = max(θ, 0) at θ = 1e-5 with h = 1e-3 it is 0.505, and
1 with any step below 1e-5: two steps that agree are believed. One side is enough where a kink lies close to θ on the
other, and where the sides agree on different slopes θ itself is a kink.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.plain.batches import explained
from fastcheck.engines.plain.noise import rounding_bound
from fastcheck.engines.plain.steps import STEP_RATIO, USUAL_STEP, default_steps
from fastcheck.engines.slopes import Slope
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

T = TypeVar("T")

SMALLEST_PROBE_STEP = 2.0**-27
"""Relative to max(1, |θ|); below 7e-9 noise drowns the rest."""

FINER_STEPS = 4
"""Steps below that, where slopes are so large that noise leaves enough of them."""

POINTS_AROUND = 16
"""Random points around θ, at one distance, at which slopes are measured."""


class Sides(NamedTuple):
    """The slopes with one step to the left, across and to the right of θ, NaN where the domain of J ends within it."""

    left: Slope
    across: Slope
    right: Slope


class Resolved(NamedTuple):
    """What steps agree on: the slopes of both sides, one number but at a kink, and the bound on their errors.

    ``truncation`` is the part of the bound that comes from steps that do not agree.
    """

    lower: float
    upper: float
    bound: float
    truncation: float = 0.0

    @property
    def is_kink(self) -> bool:
        """Whether the sides have different slopes."""
        return self.lower < self.upper


def resolve(
    sides_with: Callable[[float], Sides], steps: Iterable[float], finer_steps: Iterable[float], allowed: float
) -> Resolved | None:
    """Return the slope, or the slopes of the two sides, on which steps agree, and the bound on their error.

    Slopes need agree no closer than what is ``allowed``. ``finer_steps`` are taken only where ``steps`` do not agree;
    where those do not either, the last two tell the bound. None where the cost is hardly defined around θ.
    """
    rungs = [sides_with(step) for step in steps]
    agreed = agreements(rungs, allowed)
    for step in () if any(agreed) else finer_steps:
        rungs.append(sides_with(step))
        agreed = agreements(rungs, allowed)
        if any(agreed):
            break
    _, left, right = agreed
    if left and right and abs(left.value - right.value) > left.bound + right.bound + allowed:
        lower, upper = sorted((left.value, right.value))
        return Resolved(lower, upper, max(left.bound, right.bound))
    known = [slope for slope in agreed if slope]
    if known:
        best = min(known, key=lambda slope: slope.bound)
        return Resolved(best.value, best.value, best.bound)
    across = [sides.across for sides in rungs if np.isfinite(sides.across.value)]
    if len(across) < 2:
        return None
    last, apart = across[-1], abs(across[-1].value - across[-2].value)
    return Resolved(last.value, last.value, last.bound + apart, apart)


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

    Never the one with the larger step: noise may hide a truncation error as large as the bound of the other.
    """
    confirmed = [b for a, b in pairwise(slopes) if abs(a.value - b.value) <= a.bound + b.bound + allowed]
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

    def resolved(self, i: int, allowed: float) -> Resolved | None:
        """Return what steps agree on: see `resolve`. 12 forward passes, up to 8 more for finer steps."""
        return resolve(lambda step: self.sides(i, step), self.steps(i), self.finer_steps(i, allowed), allowed)

    def steps(self, i: int) -> Iterator[float]:
        """Yield steps from the plan's downwards, and at least from one above the default one."""
        default = float(default_steps(self.problem.theta[[i]], None)[0])
        step = max(STEP_RATIO * default, self.epsilon or 0.0)
        while step >= SMALLEST_PROBE_STEP / USUAL_STEP * default:
            yield step
            step /= STEP_RATIO

    def finer_steps(self, i: int, allowed: float) -> Iterator[float]:
        """Yield smaller steps, for slopes that change over the smallest of those, as far as noise lets them be told."""
        step, unit = SMALLEST_PROBE_STEP, self.unit(i)
        for _ in range(FINER_STEPS):
            step /= STEP_RATIO
            if rounding_bound(self.noise, step * unit) > allowed:
                return
            yield step * unit

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

    def stands_still(self, i: int, distance: float) -> bool:
        """Tell whether J at this distance on both sides of θ is what it is there, to the last bit."""
        return self._costs_at_theta(i, distance) == (self.problem.value,) * 2

    def changes_around(self, i: int, distance: float, ends: tuple[float, float]) -> Vector:
        """Return by how much the slopes at random points around θ differ for sure from both ``ends``, those at θ.

        Negative where noise may make the difference. No kink of θ is left there, but one may lie within the step on one
        side: the smaller difference counts. ``distance`` is relative to max(1, |θ|).
        """
        step = distance / 16 * self.unit(i)
        halves = self._once((i, "around", distance), lambda: self._slopes_around(i, distance, step))
        changes = np.abs(halves[:, :, None] - np.array(ends)).min(axis=(1, 2))
        return np.asarray(changes - 2 * rounding_bound(self.noise, step))

    def _slopes_around(self, i: int, distance: float, step: float) -> NDArray[np.float64]:
        """Return the slopes to the right and left of random points this far from θ, (POINTS_AROUND, 2)."""
        theta = self.problem.theta
        rng = np.random.default_rng(i)  # the same sides at every distance
        halves = np.empty((POINTS_AROUND, 2))
        for k in range(POINTS_AROUND):
            point = theta + distance * np.maximum(1.0, np.abs(theta)) * rng.uniform(-1.0, 1.0, theta.size)
            minus, plus = self._costs(i, step, point)
            with explained(self.problem.layout, i, 0.0):
                value = self.problem.evaluator.cost_or_nan(point.copy())
            self.passes += 1
            halves[k] = (plus - value) / step, (value - minus) / step
        return halves

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
            for end in (center[i] - step, center[i] + step):
                theta = center.copy()
                theta[i] = end
                costs.append(self.problem.evaluator.cost_or_nan(theta))
                self.passes += 1
        return costs[0], costs[1]
