"""Plain evaluation of a plan with steps that the claim suggests, and a closer look at blocks where that is not enough.

Claims that agree with slopes computed without them are right, whatever else is known of the error: two forward passes
for each coordinate tell. Where one does not agree, or noise hides whether it does, the noise of the cost is measured
carefully, and in that block the step that suits it and the truncation which that step has.

The claim cos(θ) for J = 1000 + sin(θ), say, suggests a step of 3e-5, with which rounding leaves 7e-9; the usual step of
8e-6 would leave 3e-8. A wrong claim may suggest a wrong step: then it does not agree, and gets the closer look.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Generator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound, Estimate, Slopes, Summary
from fastcheck.engines.plain.agreement import Pilots
from fastcheck.engines.plain.borders import borders_among, bounded
from fastcheck.engines.plain.cost_noise import (
    DOUBLE_EPSILON,
    CostNoise,
    measured_noise,
)
from fastcheck.engines.plain.first_steps import SAME_STEP_FACTOR, FirstSteps, Measuring, first_steps
from fastcheck.engines.plain.flat_plan import FlatPlan
from fastcheck.engines.plain.keeping_known import KeepingKnown
from fastcheck.engines.plain.live_comparison import live_comparison
from fastcheck.engines.plain.noise import SAFETY
from fastcheck.engines.plain.steps import (
    CentralDifferences,
    chosen_step,
    units,
)
from fastcheck.errors import BudgetUsedUp
from fastcheck.norms import root_mean_square
from fastcheck.plan.coordinates import Coordinates, Part, Plan
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.progress.watching_checks import comparing, entering

MUCH_HIDDEN = 2.0**-27
"""Bound on rounding, as a share of the slopes, from which on a longer step is worth measuring them again."""


def first_looks(
    method: str, problem: Problem, plan: Plan, measuring: Measuring, epsilon: float | None
) -> Generator[Estimate, None, Summary]:
    """Yield the estimates of a plan, all with the step ``epsilon`` if there is one.

    Costs two forward passes for each coordinate; nine for the noise of a quiet cost, unless claims and slopes agree so
    well that they tell it; and eight for all blocks together whose claim is zero. A block whose claim suggests no step
    otherwise takes those that choose one. Where nothing is claimed, all blocks get the closer look, and those of which
    a step leaves the domain of J get it anyway.
    """
    entering("measuring the noise of the cost")
    flat = FlatPlan(problem, plan.parts)
    first = first_steps(problem, plan, flat, measuring, epsilon)
    measuring.noise, passes = first.noise, first.passes
    looks = _looks(problem, plan, measuring, first)
    steps = _steps(problem, flat, looks, first)
    entering("evaluating the cost")
    with comparing(problem.layout.coordinate_name) as differing:
        measuring.compare = live_comparison(problem, plan, first.noise.level, differing)
        differences = _differences(measuring, flat.coordinates, steps, first.pilots)
        measuring.compare = None
    _hand_out(looks, measuring, flat, steps, differences, first.still)
    del first, flat, steps, differences
    passes += measuring.passes
    entering("judging the claims")
    while looks:
        look = looks.pop(0)  # what it holds is not kept while the next estimate is made
        if problem.claims and look.is_inside:
            yield look.first()
        else:
            estimate, more = _closer_or_cut_short(look, measuring.keeping)
            passes += more
            if estimate is not None:
                yield estimate
            del estimate
        del look
    return Summary(method=method, forward_passes=passes)


def _differences(
    measuring: Measuring, coordinates: Coordinates, steps: Vector, pilots: Pilots | None
) -> CentralDifferences:
    """Return the differences with these steps, (k,), those of the pilots being known if they had these steps."""
    is_known = np.zeros(steps.size, dtype=bool)
    if pilots is not None:
        same_step = steps[pilots.rows] == pilots.steps
        is_known[pilots.rows[same_step]] = True
    if pilots is None or not is_known.any():
        return measuring.differences(coordinates, steps)
    differences = np.empty((2, steps.size))
    those_known = pilots.differences.at(same_step)
    differences[:, is_known] = those_known
    if measuring.compare is not None:
        measuring.compare(coordinates[is_known], steps[is_known], those_known.central)
    left = np.flatnonzero(~is_known)
    if left.size:
        differences[:, left] = measuring.differences(
            coordinates[left], steps[left], known=steps.size - left.size
        )
    return CentralDifferences(*differences)


def _closer_or_cut_short(look: Look, keeping: KeepingKnown) -> tuple[Estimate | None, int]:
    """Return the estimate of a closer look, or what is known without it if that is kept after an interruption."""
    if keeping.reason is None:
        try:
            return look.closer()
        except (KeyboardInterrupt, BudgetUsedUp) as error:
            if not keeping.keeps(error):
                raise
    return look.cut_short(), 0


def _looks(problem: Problem, plan: Plan, measuring: Measuring, first: FirstSteps) -> list[Look]:
    """Return the parts of a plan, each with the step that is suggested for it."""
    suggested = [None if math.isnan(step) else step for step in first.suggested.tolist()]
    return [
        Look(problem, measuring, part, first.noise, plan.epsilon, step)
        for part, step in zip(plan.parts, suggested, strict=True)
    ]


def _steps(problem: Problem, flat: FlatPlan, looks: Sequence[Look], first: FirstSteps) -> Vector:
    """Return the steps to begin with, (k,): one for all, or those that are suggested, or those of the blocks."""
    if first.epsilon is not None:
        return np.full(flat.coordinates.size, first.epsilon)
    steps = [look.suggested or look.measured_step() for look in looks]
    return np.asarray(flat.units * np.repeat(steps, flat.sizes))


def _hand_out(
    looks: Sequence[Look],
    measuring: Measuring,
    flat: FlatPlan,
    steps: Vector,
    differences: CentralDifferences,
    still: NDArray[np.bool_],
) -> None:
    """Give each look its rows of the steps and differences, and of what rounding does to these.

    What does not move J with all coordinates together, the parts that stand ``still`` (p,), does not with one of them.
    """
    rounding = rounding_of(measuring, looks[0].noise, flat.coordinates, steps, differences)
    if still.any():
        central, bend = differences
        rounding[np.repeat(still, flat.sizes) & (central == 0) & (bend == 0)] = 0.0
    inside = np.logical_and.reduceat(np.isfinite(differences.central + differences.bend), flat.starts)
    for look, rows, is_inside in zip(looks, flat.rows, inside.tolist(), strict=True):
        look.steps, look.differences = steps[rows], differences.at(rows)
        look.first_rounding, look.is_inside = rounding[rows], is_inside


def rounding_of(
    measuring: Measuring,
    noise: CostNoise,
    coordinates: Coordinates,
    steps: Vector,
    differences: CentralDifferences,
) -> Vector:
    """Return the bound on what rounding does to slopes with these steps, (k,).

    The costs at the ends may be much larger than J at θ, and so are their rounding errors.
    """
    central, bend = differences
    rounding = measuring.rounding(noise, coordinates, steps, differences)
    return np.asarray(rounding + SAFETY * DOUBLE_EPSILON * (np.abs(central) + bend))


class Look:
    """One part of a plan: central differences with the steps that its claim suggests, and a closer look at them.

    ``noise`` is what is known of that of J, ``epsilon`` the user's step, ``suggested`` the step in `units` that the
    claim suggests, as long as nobody asked whether there is a better one. ``is_inside`` tells that no step left the
    domain of J, ``first_rounding`` what rounding does to the first slopes.
    """

    steps: Vector
    differences: CentralDifferences
    first_rounding: Vector
    is_inside: bool

    def __init__(
        self,
        problem: Problem,
        measuring: Measuring,
        part: Part,
        noise: CostNoise,
        epsilon: float | None,
        suggested: float | None,
    ) -> None:
        self.problem, self.measuring, self.part = problem, measuring, part
        self.noise, self.epsilon, self.suggested = noise, epsilon, suggested
        self._closer: Estimate | None = None

    @property
    def coordinates(self) -> Coordinates:
        """Their positions in θ, (k,)."""
        return self.part.coordinates

    @property
    def units(self) -> Vector:
        """The units of steps, (k,)."""
        return units(self.problem.theta[self.coordinates])

    def measured_step(self) -> float:
        """Return the step, in units, that noise and curvature ask for: that of the block, chosen once for a problem."""
        block, known = self.part.block, self.problem.measured
        if (chosen_step, block.name) not in known:
            theta, sigma = self.problem.theta, self.noise.arithmetic
            known[chosen_step, block.name] = chosen_step(block, theta, sigma, self.measuring.measure)
        step: float = known[chosen_step, block.name]
        return step

    def first(self) -> Estimate:
        """Return the estimate by these differences, of which the truncation is not known."""
        known_to = Bound(0.0, self.first_rounding)
        slopes = Slopes(central=self.differences.central, known_to=known_to, subtracted=True)
        return self._estimate(slopes, closer=self.closer)

    def cut_short(self) -> Estimate | None:
        """Return the estimate of those coordinates that are known, None if none are.

        Nothing may be evaluated any more. What is left of a random sample is none, as it was evaluated in some order.
        """
        is_known = np.isfinite(self.differences).all(axis=0)
        rows = np.flatnonzero(is_known)
        if not rows.size:
            return None
        slopes = Slopes(
            central=self.differences.central[rows],
            known_to=Bound(0.0, self._rounding()[rows]),
            subtracted=True,
        )
        part = Part(block=self.part.block, places=self.part.at(rows))
        return dataclasses.replace(self._estimate(slopes), part=part)

    def closer(self) -> tuple[Estimate, int]:
        """Return the estimate with noise, step and truncation measured, and the forward passes this took."""
        if self._closer is not None:
            return self._closer, 0
        measuring, passes_before = self.measuring, self.measuring.passes
        noise = measured_noise(self.problem, self.epsilon)
        precision_is_new = noise.single_precision and not self.noise.single_precision
        self.noise = measuring.noise = noise
        step_is_new = self._take_better_step()
        if step_is_new or precision_is_new:  # then between parameters that this precision can hold
            self.differences = measuring.measure(self.coordinates, self.steps)
        self.differences, borders = borders_among(
            self.problem,
            self.coordinates,
            self.steps,
            self.differences,
            measuring.measure,
            noise.level,
            measuring.raised,
        )
        slopes = bounded(
            self.problem,
            self.coordinates,
            self.steps,
            self.differences,
            self._rounding(),
            measuring.measure,
            borders,
        )
        self._closer = self._estimate(slopes, outside=borders.outside, lost=borders.lost)
        return self._closer, measuring.passes - passes_before + noise.passes + borders.passes

    def _take_better_step(self) -> bool:
        """Take the step that noise and curvature ask for instead of a suggested one, if it is better by much."""
        if self.suggested is None:
            return False
        step, suggested = self.measured_step(), self.suggested
        self.suggested = None
        much_smaller, much_larger = step < suggested / SAME_STEP_FACTOR, step > suggested * SAME_STEP_FACTOR
        is_better = much_smaller or (much_larger and self._rounding_hides_much())
        if is_better:
            self.steps = step * self.units
        return is_better

    def _rounding_hides_much(self) -> bool:
        """Tell whether rounding hides much of the slopes, as far as these are known."""
        inside = np.isfinite(self.differences).all(axis=0)
        slopes, rounding = self.differences.central[inside], self._rounding()[inside]
        return bool(rounding.max(initial=0.0) > MUCH_HIDDEN * root_mean_square(slopes))

    def _rounding(self) -> Vector:
        """Return the bound on what rounding does to the slopes, as far as noise is known now, (k,)."""
        return rounding_of(self.measuring, self.noise, self.coordinates, self.steps, self.differences)

    def _estimate(
        self,
        slopes: Slopes,
        closer: Callable[[], tuple[Estimate, int]] | None = None,
        outside: Mapping[int, str] | None = None,
        lost: Mapping[int, str] | None = None,
    ) -> Estimate:
        return Estimate(
            part=self.part,
            slopes=slopes,
            noise=self.noise.level,
            single_precision=self.noise.single_precision,
            closer=closer,
            outside=outside or {},
            lost=lost or {},
            step_given=self.epsilon is not None,
            can_wait=True,
        )
