"""Plain evaluation of a plan with steps that the claim suggests, and a closer look at blocks where that is not enough.

Claims that agree with slopes computed without them are right, whatever else is known of the error: two forward passes
for each coordinate tell. Where one does not agree, or noise hides whether it does, the noise of the cost is measured
carefully, and in that block the step that suits it and the truncation which that step has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from fastcheck.engines import Bound, Estimate, Estimates, T
from fastcheck.engines.borders import Bounded, bounded
from fastcheck.engines.noise import (
    DOUBLE,
    SAFETY,
    CostNoise,
    first_noise,
    first_to_come,
    measured_noise,
    noise_level,
    noise_to_come,
)
from fastcheck.engines.slopes import picked_rows
from fastcheck.engines.steps import (
    STEP,
    Slopes,
    chosen_step,
    default_steps,
    suggested_step,
    units,
)
from fastcheck.errors import EvaluationError
from fastcheck.norms import root_mean_square
from fastcheck.parameters import Block, Vector
from fastcheck.plan import Coordinates, Part, Plan
from fastcheck.problem import Problem

SOME = 64
"""Entries of a block that tell whether its claim suggests a step, before it is looked at."""

CHOOSING = 24
"""Forward passes that choosing the step of a block takes, usually."""

ALIKE = 2.0
"""Steps that differ by no larger factor are as good as each other."""


MUCH = 2.0**-27
"""Bound on rounding, as a share of the slopes, from which on a longer step is worth measuring them again."""


class Measuring(Protocol):
    """A way of measuring slopes plainly; ``passes`` are the forward passes so far, ``noise`` that of J if known.

    ``raised`` holds what the cost raised where some of the coordinates were moved.
    """

    passes: int
    noise: CostNoise | None
    raised: dict[int, Exception]

    def slopes(self, coordinates: Coordinates, steps: Vector) -> Slopes:
        """Return central differences, and by how much the slopes on the two sides of θ differ; both (k,).

        They are NaN where J is not defined at one of the ends.
        """
        ...

    def measure(self, coordinates: Coordinates, steps: Vector) -> Slopes:
        """Return the same of a few coordinates, without telling the progress."""
        ...

    def rounding(self, noise: CostNoise, coordinates: Coordinates, steps: Vector, slopes: Slopes) -> Vector:
        """Return a bound on what rounding does to the central differences with these steps, (k,)."""
        ...


def looked_at(
    method: str,
    problem: Problem,
    plan: Plan,
    measuring: Measuring,
    epsilon: float | None,
    use: Callable[[Estimate], T],
) -> Estimates[T]:
    """Return ``use`` of the estimates of a plan, all with the step ``epsilon`` if there is one.

    Costs two forward passes for each coordinate, and nine for the noise of a quiet cost. A block whose claim suggests
    no step takes those that choose one. Where nothing is claimed, all blocks get the closer look, and those of which a
    step leaves the domain of J get it anyway.
    """
    looks, passes = _prepared(problem, plan, measuring, epsilon)
    central, bend = measuring.slopes(plan.coordinates, np.concatenate([look.steps for look in looks]))
    for look, rows in zip(looks, plan.rows, strict=True):
        look.slopes = central[rows], bend[rows]
    passes += measuring.passes
    results = []
    for look in looks:
        estimate, more = (look.first(), 0) if problem.claims and look.inside else look.closer()
        passes += more
        results.append(use(estimate))
    return Estimates(method=method, results=tuple(results), forward_passes=passes)


def _prepared(
    problem: Problem, plan: Plan, measuring: Measuring, epsilon: float | None
) -> tuple[list[Look], int]:
    """Return the parts of a plan with their steps, and the forward passes that the noise took."""
    try:
        noise = (first_noise if problem.claims else measured_noise)(problem, plan.epsilon)
    except EvaluationError:
        # Raises the same and names the coordinate, if one does it.
        measuring.slopes(plan.coordinates, default_steps(problem.theta[plan.coordinates], epsilon))
        raise
    passes, parts = noise.passes, plan.parts
    suggested = [_suggested(problem, part, noise.level) if epsilon is None else None for part in parts]
    if epsilon is None and None in suggested:
        noise = measured_noise(problem, plan.epsilon)
        passes += noise.passes
    measuring.noise = noise
    looks = [
        Look(problem, measuring, part, noise, plan.epsilon, suggested=step)
        for part, step in zip(parts, suggested, strict=True)
    ]
    for look in looks:
        step = look.suggested or (look.measured_step() if epsilon is None else 0.0)
        look.steps = step * look.units if epsilon is None else np.full(look.part.size, epsilon)
    return looks, passes


def passes_to_come(problem: Problem, blocks: Sequence[Block], *, chooses: bool) -> int:
    """Return the forward passes that the first look at blocks takes besides those for its coordinates, usually.

    ``chooses`` tells that steps are chosen. A few entries of each block tell whether its claim suggests one.
    """
    passes = first_to_come(problem)
    noise = float(np.spacing(abs(problem.value))) if passes else noise_level(problem)
    if not chooses or not problem.claims:
        return passes
    parts = [Part(block=block, places=picked_rows(block.size, SOME)) for block in blocks]
    unknown = [part for part in parts if (STEP, part.block.name) not in problem.measured]
    choosing = sum(_suggested(problem, part, noise) is None for part in unknown)
    return passes + CHOOSING * choosing + (noise_to_come(problem) if choosing else 0)


def _suggested(problem: Problem, part: Part, noise: float) -> float | None:
    """Return the step, in `units`, that the claim suggests, None if there is none."""
    if not problem.claims:
        return None
    some, claims = slice(0, part.size), problem.claims[problem.layout.number(part.block)]
    claimed = np.asarray(part.take(claims, some), dtype=np.float64)
    return suggested_step(claimed, units(problem.theta[part.block.start + part.at(some)]), noise)


@dataclass(slots=True, eq=False)
class Look:
    """One part of a plan, its ``steps`` (k,), and the ``slopes`` found with them, given the ``noise`` known of J.

    ``epsilon`` is the user's step, ``suggested`` the one in `units`, if it is that which the claim suggests. ``found``
    is the estimate after the closer look.
    """

    problem: Problem
    measuring: Measuring
    part: Part
    noise: CostNoise
    epsilon: float | None
    steps: Vector = field(default_factory=lambda: np.empty(0))
    suggested: float | None = None
    slopes: Slopes = field(default_factory=lambda: (np.empty(0), np.empty(0)))
    found: Estimate | None = None

    @property
    def coordinates(self) -> Coordinates:
        """Their positions in θ, (k,)."""
        return self.part.block.start + self.part.at(slice(0, self.part.size))

    @property
    def units(self) -> Vector:
        """The units of steps, (k,)."""
        return units(self.problem.theta[self.coordinates])

    @property
    def inside(self) -> bool:
        """Whether no step left the domain of J."""
        return bool(np.isfinite(self.slopes).all())

    def measured_step(self) -> float:
        """Return the step, in units, that noise and curvature ask for: that of the block, chosen once for a problem."""
        block, known = self.part.block, self.problem.measured
        if (STEP, block.name) not in known:
            theta, sigma = self.problem.theta, self.noise.arithmetic
            known[STEP, block.name] = chosen_step(block, theta, sigma, self.measuring.measure)
        step: float = known[STEP, block.name]
        return step

    def first(self) -> Estimate:
        """Return the estimate by these slopes, of which the truncation is not known."""
        central = self.slopes[0]
        return self._estimate(Bounded(central, self._rounding(), np.zeros_like(central)), closer=self.closer)

    def closer(self) -> tuple[Estimate, int]:
        """Return the estimate with noise, step and truncation measured, and the forward passes this took."""
        if self.found is not None:
            return self.found, 0
        measuring, before = self.measuring, self.measuring.passes
        noise, again = measured_noise(self.problem, self.epsilon), False
        if noise.single_precision and not self.noise.single_precision:
            again = True  # between parameters that this precision can hold
        self.noise = measuring.noise = noise
        if self.suggested is not None:
            step = self.measured_step()
            if step < self.suggested / ALIKE or (step > self.suggested * ALIKE and self._hidden()):
                self.steps, again = step * self.units, True
            self.suggested = None
        if again:
            self.slopes = measuring.measure(self.coordinates, self.steps)
        known = bounded(
            self.problem,
            self.coordinates,
            self.steps,
            self.slopes,
            self._rounding(),
            measuring.measure,
            noise.level,
            measuring.raised,
        )
        self.found = self._estimate(known)
        return self.found, measuring.passes - before + noise.passes + known.passes

    def _hidden(self) -> bool:
        """Tell whether rounding hides much of the slopes, as far as these are known."""
        inside = np.isfinite(self.slopes).all(axis=0)
        slopes, rounding = self.slopes[0][inside], self._rounding()[inside]
        return bool(rounding.max(initial=0.0) > MUCH * root_mean_square(slopes))

    def _rounding(self) -> Vector:
        """Return the bound on what rounding does to the slopes, (k,).

        The costs at the ends may be much larger than J at θ, and so are their rounding errors.
        """
        central, bend = self.slopes
        rounding = self.measuring.rounding(self.noise, self.coordinates, self.steps, self.slopes)
        return rounding + SAFETY * DOUBLE * (np.abs(central) + bend)

    def _estimate(self, known: Bounded, closer: Callable[[], tuple[Estimate, int]] | None = None) -> Estimate:
        return Estimate(
            part=self.part,
            numerical=known.central,
            lower=known.central,
            upper=known.central,
            bound=Bound(0.0, known.rounding),
            noise=self.noise.level,
            plain=np.arange(self.part.size),
            truncation=None if closer else known.truncation,
            single_precision=self.noise.single_precision,
            closer=closer,
            outside=known.outside,
            step_given=self.epsilon is not None,
        )
