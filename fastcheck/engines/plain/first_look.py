"""Plain evaluation of a plan with steps that the claim suggests, and a closer look at blocks where that is not enough.

Claims that agree with slopes computed without them are right, whatever else is known of the error: two forward passes
for each coordinate tell. Where one does not agree, or noise hides whether it does, the noise of the cost is measured
carefully, and in that block the step that suits it and the truncation which that step has.

The claim cos(θ) for J = 1000 + sin(θ), say, suggests a step of 3e-5, with which rounding leaves 7e-9; the usual step of
8e-6 would leave 3e-8. A wrong claim may suggest a wrong step: then it does not agree, and gets the closer look.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Protocol

import numpy as np

from fastcheck.engines import Bound, Estimate, Slopes, Summary
from fastcheck.engines.plain.borders import bounded
from fastcheck.engines.plain.cost_noise import (
    DOUBLE_EPSILON,
    CostNoise,
    first_noise,
    first_to_come,
    measured_noise,
    noise_to_come,
)
from fastcheck.engines.plain.noise import SAFETY, noise_level
from fastcheck.engines.plain.steps import (
    CentralDifferences,
    chosen_step,
    default_steps,
    suggested_step,
    units,
)
from fastcheck.errors import EvaluationError
from fastcheck.norms import root_mean_square
from fastcheck.plan.coordinates import Coordinates, Part, Plan, spread_rows
from fastcheck.problem.parameters import Block, Vector
from fastcheck.problem.posing import Problem
from fastcheck.progress.watching_checks import entering

SAMPLED_CLAIMS = 64
"""Entries of a block that tell whether its claim suggests a step, before it is looked at."""

PASSES_OF_CHOOSING = 24
"""Forward passes that choosing the step of a block takes, usually."""

SAME_STEP_FACTOR = 2.0
"""Steps that differ by no larger factor are as good as each other."""

MUCH_HIDDEN = 2.0**-27
"""Bound on rounding, as a share of the slopes, from which on a longer step is worth measuring them again."""


class Measuring(Protocol):
    """A way of measuring slopes plainly; ``passes`` are the forward passes so far, ``noise`` that of J if known.

    ``raised`` holds what the cost raised where some of the coordinates were moved.
    """

    passes: int
    noise: CostNoise | None
    raised: dict[int, Exception]

    def differences(self, coordinates: Coordinates, steps: Vector) -> CentralDifferences:
        """Return central differences, and by how much the slopes on the two sides of θ differ; both (k,).

        They are NaN where J is not defined at one of the ends.
        """
        ...

    def measure(self, coordinates: Coordinates, steps: Vector) -> CentralDifferences:
        """Return the same of a few coordinates, without telling the progress."""
        ...

    def rounding(
        self, noise: CostNoise, coordinates: Coordinates, steps: Vector, differences: CentralDifferences
    ) -> Vector:
        """Return a bound on what rounding does to the central differences with these steps, (k,)."""
        ...


def first_looks(
    method: str, problem: Problem, plan: Plan, measuring: Measuring, epsilon: float | None
) -> Generator[Estimate, None, Summary]:
    """Yield the estimates of a plan, all with the step ``epsilon`` if there is one.

    Costs two forward passes for each coordinate, and nine for the noise of a quiet cost. A block whose claim suggests
    no step takes those that choose one. Where nothing is claimed, all blocks get the closer look, and those of which a
    step leaves the domain of J get it anyway.
    """
    entering("measuring the noise of the cost")
    looks, passes = _prepared(problem, plan, measuring, epsilon)
    entering("evaluating the cost")
    differences = measuring.differences(plan.coordinates, np.concatenate([look.steps for look in looks]))
    for look, rows in zip(looks, plan.rows, strict=True):
        look.differences = differences.at(rows)
    passes += measuring.passes
    entering("judging the claims")
    while looks:
        look = looks.pop(0)  # what it holds is not kept while the next estimate is made
        if problem.claims and look.is_inside:
            yield look.first()
        else:
            estimate, more = look.closer()
            passes += more
            yield estimate
            del estimate
        del look
    return Summary(method=method, forward_passes=passes)


def _prepared(
    problem: Problem, plan: Plan, measuring: Measuring, epsilon: float | None
) -> tuple[list[Look], int]:
    """Return the parts of a plan with their steps, and the forward passes that the noise took."""
    try:
        noise = (first_noise if problem.claims else measured_noise)(problem, plan.epsilon)
    except EvaluationError:
        # Raises the same and names the coordinate, if one does it.
        measuring.differences(plan.coordinates, default_steps(problem.theta[plan.coordinates], epsilon))
        raise
    passes = noise.passes
    suggested: list[float | None] = [None] * len(plan.parts)
    if epsilon is None:
        suggested = [_suggested(problem, part, noise.level) for part in plan.parts]
        if None in suggested:
            noise = measured_noise(problem, plan.epsilon)
            passes += noise.passes
    measuring.noise = noise
    looks = [
        Look(problem, measuring, part, noise, plan.epsilon, step)
        for part, step in zip(plan.parts, suggested, strict=True)
    ]
    for look in looks:
        look.take_first_steps(epsilon)
    return looks, passes


def passes_to_come(problem: Problem, blocks: Sequence[Block], *, chooses: bool) -> int:
    """Return the forward passes that the first look at blocks takes besides those for its coordinates, usually.

    ``chooses`` tells that steps are chosen. A few entries of each block tell whether its claim suggests one.
    """
    passes = first_to_come(problem)
    noise = float(np.spacing(abs(problem.value))) if passes else noise_level(problem)
    if not chooses or not problem.claims:
        return passes
    parts = [Part(block=block, places=spread_rows(block.size, SAMPLED_CLAIMS)) for block in blocks]
    unknown = [part for part in parts if (chosen_step, part.block.name) not in problem.measured]
    choosing = sum(_suggested(problem, part, noise) is None for part in unknown)
    return passes + PASSES_OF_CHOOSING * choosing + (noise_to_come(problem) if choosing else 0)


def _suggested(problem: Problem, part: Part, noise: float) -> float | None:
    """Return the step, in `units`, that the claim suggests, None if there is none."""
    if not problem.claims:
        return None
    everything, claims = slice(0, part.size), problem.claims[problem.layout.number(part.block)]
    claimed = np.asarray(part.take(claims, everything), dtype=np.float64)
    return suggested_step(claimed, units(problem.theta[part.block.start + part.at(everything)]), noise)


class Look:
    """One part of a plan: central differences with the steps that its claim suggests, and a closer look at them.

    ``noise`` is what is known of that of J, ``epsilon`` the user's step, ``suggested`` the step in `units` that the
    claim suggests, as long as nobody asked whether there is a better one.
    """

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
        self.steps = np.empty(0)
        self.differences = CentralDifferences(np.empty(0), np.empty(0))
        self._closer: Estimate | None = None

    @property
    def coordinates(self) -> Coordinates:
        """Their positions in θ, (k,)."""
        return self.part.block.start + self.part.at(slice(0, self.part.size))

    @property
    def units(self) -> Vector:
        """The units of steps, (k,)."""
        return units(self.problem.theta[self.coordinates])

    @property
    def is_inside(self) -> bool:
        """Whether no step left the domain of J."""
        return bool(np.isfinite(self.differences).all())

    def take_first_steps(self, epsilon: float | None) -> None:
        """Begin with the steps ``epsilon``; if there is none, with that which is suggested, or that of the block."""
        if epsilon is not None:
            self.steps = np.full(self.part.size, epsilon)
        else:
            self.steps = (self.suggested or self._measured_step()) * self.units

    def _measured_step(self) -> float:
        """Return the step, in units, that noise and curvature ask for: that of the block, chosen once for a problem."""
        block, known = self.part.block, self.problem.measured
        if (chosen_step, block.name) not in known:
            theta, sigma = self.problem.theta, self.noise.arithmetic
            known[chosen_step, block.name] = chosen_step(block, theta, sigma, self.measuring.measure)
        step: float = known[chosen_step, block.name]
        return step

    def first(self) -> Estimate:
        """Return the estimate by these differences, of which the truncation is not known."""
        slopes = Slopes(
            central=self.differences.central, known_to=Bound(0.0, self._rounding()), subtracted=True
        )
        return self._estimate(slopes, closer=self.closer)

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
        known = bounded(
            self.problem,
            self.coordinates,
            self.steps,
            self.differences,
            self._rounding(),
            measuring.measure,
            noise.level,
            measuring.raised,
        )
        self._closer = self._estimate(known.slopes, outside=known.outside)
        return self._closer, measuring.passes - passes_before + noise.passes + known.passes

    def _take_better_step(self) -> bool:
        """Take the step that noise and curvature ask for instead of a suggested one, if it is better by much."""
        if self.suggested is None:
            return False
        step, suggested = self._measured_step(), self.suggested
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
        """Return the bound on what rounding does to the slopes, (k,).

        The costs at the ends may be much larger than J at θ, and so are their rounding errors.
        """
        central, bend = self.differences
        rounding = self.measuring.rounding(self.noise, self.coordinates, self.steps, self.differences)
        return rounding + SAFETY * DOUBLE_EPSILON * (np.abs(central) + bend)

    def _estimate(
        self,
        slopes: Slopes,
        closer: Callable[[], tuple[Estimate, int]] | None = None,
        outside: Mapping[int, str] | None = None,
    ) -> Estimate:
        return Estimate(
            part=self.part,
            slopes=slopes,
            noise=self.noise.level,
            single_precision=self.noise.single_precision,
            closer=closer,
            outside=outside or {},
            step_given=self.epsilon is not None,
        )
