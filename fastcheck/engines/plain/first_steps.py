"""The noise and the steps with which plain evaluation begins: what claims suggest, and what that takes to know.

epsilon given            a step of the user's; the noise along a line                       9 forward passes
claims agree             with slopes of a few coordinates, which are measured anyway        none
they do not              the noise along a line, and steps that suit it                     9
claims that are zero     whether J is flat there, for all such blocks together              2 to 8
claims that hardly show  the noise measured carefully, and the step of each such block      57, and 16 or more
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from fastcheck.engines.plain.agreement import (
    Pilots,
    agreed_noise,
    choose_pilots,
    guessed_noise,
    is_small_enough,
    may_agree,
)
from fastcheck.engines.plain.cost_noise import (
    DOUBLE_EPSILON,
    CostNoise,
    first_noise,
    first_to_come,
    measured_noise,
    noise_is_known,
    noise_to_come,
)
from fastcheck.engines.plain.keeping_known import KeepingKnown
from fastcheck.engines.plain.live_comparison import Compare
from fastcheck.engines.plain.noise import noise_level
from fastcheck.engines.plain.steps import (
    CentralDifferences,
    chosen_step,
    default_steps,
    suggested_step,
    units,
)
from fastcheck.engines.plain.zero_claims import flat_along
from fastcheck.errors import EvaluationError
from fastcheck.norms import largest
from fastcheck.plan.coordinates import Coordinates, Part, Plan, spread_rows
from fastcheck.plan.tolerances import VANISHING
from fastcheck.problem.parameters import Block, Vector
from fastcheck.problem.posing import Problem

SAMPLED_CLAIMS = 64
"""Entries of a block that tell whether its claim suggests a step, before it is looked at."""

SAME_STEP_FACTOR = 2.0
"""Steps that differ by no larger factor are as good as each other."""

PASSES_OF_CHOOSING = 24
"""Forward passes that choosing the step of a block takes, usually."""


class Measuring(Protocol):
    """A way of measuring slopes plainly; ``passes`` are the forward passes so far, ``noise`` that of J if known.

    ``raised`` holds what the cost raised where some of the coordinates were moved. ``compare`` is told of differences
    as they come, as long as somebody wants to know; ``keeping`` tells whether an interruption ended it.
    """

    passes: int
    noise: CostNoise | None
    raised: dict[int, BaseException]
    compare: Compare | None
    keeping: KeepingKnown

    def differences(self, coordinates: Coordinates, steps: Vector, *, known: int = 0) -> CentralDifferences:
        """Return central differences, and by how much the slopes on the two sides of θ differ; both (k,).

        They are NaN where J is not defined at one of the ends. Progress is told of as many others that are ``known``.
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


class FirstSteps(NamedTuple):
    """What plain evaluation begins with.

    ``suggested`` holds a step in `units` for each part, None where none is suggested; ``epsilon`` is that of all parts
    if there is one. ``pilots`` were measured already, None if none were. ``still`` are the numbers of parts that do not
    move J at all, all coordinates together. ``passes`` does not count those of the pilots.
    """

    noise: CostNoise
    suggested: list[float | None]
    epsilon: float | None
    pilots: Pilots | None
    still: frozenset[int]
    passes: int


def first_steps(problem: Problem, plan: Plan, measuring: Measuring, epsilon: float | None) -> FirstSteps:
    """Return the noise and the steps to begin with."""
    if epsilon is not None:
        noise = _noise_of_line(problem, plan, measuring, epsilon)
        return FirstSteps(noise, [None] * len(plan.parts), epsilon, None, frozenset(), noise.passes)
    zeros = [k for k, part in enumerate(plan.parts) if _is_zero(problem, part)]
    pilots, agreed, suggested = None, None, list[float | None]()
    if not (zeros or noise_is_known(problem)) and may_agree(problem):
        pilots, agreed, suggested = _by_agreement(problem, plan, measuring)
    noise = agreed or _noise_of_line(problem, plan, measuring, epsilon)
    if agreed is None:
        guessed, suggested = suggested, [_suggested(problem, part, noise.level) for part in plan.parts]
        suggested = list(map(_as_good, guessed or suggested, suggested))
    passes, still = noise.passes, frozenset[int]()
    if zeros:
        coordinates = plan.coordinates
        flat = flat_along(problem, np.concatenate([coordinates[plan.rows[k]] for k in zeros]), noise.level)
        passes += flat.passes
        if flat.distance:
            suggested = [flat.distance if k in zeros else step for k, step in enumerate(suggested)]
            still = frozenset(zeros if flat.stands_still else ())
    if None in suggested:
        noise = measured_noise(problem, plan.epsilon)
        passes += noise.passes
    return FirstSteps(noise, suggested, None, pilots, still, passes)


def _as_good(guessed: float | None, step: float | None) -> float | None:
    """Return a step that was guessed, if the one to be taken is no better: coordinates may be measured with it."""
    if guessed is None or step is None:
        return step
    return guessed if max(guessed / step, step / guessed) <= SAME_STEP_FACTOR else step


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
    scale = units(problem.theta[part.block.start + part.at(slice(0, part.size))])
    return suggested_step(_claimed(problem, part), scale, noise)


def _is_zero(problem: Problem, part: Part) -> bool:
    """Tell whether the claim for a part is zero but for rounding, as that of a bias before a batch normalisation is."""
    return (
        bool(problem.claims)
        and largest(_claimed(problem, part)) <= VANISHING * DOUBLE_EPSILON * problem.largest_claim
    )


def _claimed(problem: Problem, part: Part) -> Vector:
    """Return what is claimed of a part, float64 (k,)."""
    claims = problem.claims[problem.layout.number(part.block)]
    return np.asarray(part.take(claims, slice(0, part.size)), dtype=np.float64)


def _noise_of_line(problem: Problem, plan: Plan, measuring: Measuring, epsilon: float | None) -> CostNoise:
    """Return the noise that a line shows, or several; an error of the cost there names a coordinate if one does it."""
    try:
        return (first_noise if problem.claims else measured_noise)(problem, plan.epsilon)
    except EvaluationError:
        measuring.differences(plan.coordinates, default_steps(problem.theta[plan.coordinates], epsilon))
        raise


def _by_agreement(
    problem: Problem, plan: Plan, measuring: Measuring
) -> tuple[Pilots | None, CostNoise | None, list[float | None]]:
    """Measure pilots of a plan, and return them, the noise that they tell, and the step of each part.

    Steps are those that claims suggest for noise as small as rounding can make it. There is no noise where claims do
    not agree, or where it would hide too much of some other block.
    """
    guess = guessed_noise(problem)
    suggested = [_suggested(problem, part, guess) for part in plan.parts]
    claimed = np.concatenate([_claimed(problem, part) for part in plan.parts])
    rows = choose_pilots(plan, claimed, [step is not None for step in suggested])
    if not rows.size:
        return None, None, suggested
    coordinates = plan.coordinates[rows]
    part_of_row = np.searchsorted([part.stop for part in plan.rows], rows, side="right")
    steps = np.array([suggested[int(k)] for k in part_of_row]) * units(problem.theta[coordinates])
    pilots = Pilots(rows, steps, measuring.measure(coordinates, steps))
    noise = agreed_noise(pilots, claimed[rows], plan.tolerance)
    if noise is not None and not all(
        is_small_enough(noise.level, step, claimed[part_rows], plan.tolerance)
        for step, part_rows in zip(suggested, plan.rows, strict=True)
        if step is not None
    ):
        noise = None
    return pilots, noise, suggested
