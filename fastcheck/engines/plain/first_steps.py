"""The noise and the steps with which plain evaluation begins: what claims suggest, and what that takes to know.

epsilon given            a step of the user's; the noise along a line                       9 forward passes
claims agree             with slopes of a few coordinates, which are measured anyway        none
they do to the last bit  the same with other steps: they may be differences themselves      2 to 8
they do not              the noise along a line, and steps that suit it                     9
claims that are zero     whether J is flat there, for all such blocks together              2 to 8
claims that hardly show  the noise measured carefully, and the step of each such block      57, and 16 or more
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.plain.agreement import (
    Pilots,
    agree_too_well,
    agreed_noise,
    choose_pilots,
    clear_parts,
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
from fastcheck.engines.plain.flat_plan import FlatPlan, suggested_steps
from fastcheck.engines.plain.keeping_known import KeepingKnown
from fastcheck.engines.plain.live_comparison import Compare
from fastcheck.engines.plain.noise import noise_level
from fastcheck.engines.plain.steps import (
    CentralDifferences,
    chosen_step,
    default_steps,
)
from fastcheck.engines.plain.zero_claims import flat_along
from fastcheck.errors import EvaluationError
from fastcheck.plan.coordinates import Coordinates, Part, Plan, spread_rows
from fastcheck.plan.tolerances import VANISHING
from fastcheck.problem.parameters import Block, Vector
from fastcheck.problem.posing import Problem

SAMPLED_CLAIMS = 64
"""Entries of a block that tell whether its claim suggests a step, before it is looked at."""

SAME_STEP_FACTOR = 2.0
"""Steps that differ by no larger factor are as good as each other."""

ROUNDS_OF_PILOTS = 2
"""Times that a few coordinates are measured first: more of them leave less noise possible, if all agree."""

ANOTHER_STEP = 187 / 256
"""Share of a step that is measured with instead, where claims may have been found with that step: in no simple ratio,
as differences of a J that moves on a grid may be the same for such."""

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

    ``suggested`` holds a step in `units` for each part, (p,), NaN where none is suggested; ``epsilon`` is that of all
    parts if there is one. ``pilots`` were measured already, None if none were. ``still`` tells which parts do not
    move J at all, all coordinates together, (p,). ``passes`` does not count those of the pilots.
    """

    noise: CostNoise
    suggested: Vector
    epsilon: float | None
    pilots: Pilots | None
    still: NDArray[np.bool_]
    passes: int


def first_steps(
    problem: Problem, plan: Plan, flat: FlatPlan, measuring: Measuring, epsilon: float | None
) -> FirstSteps:
    """Return the noise and the steps to begin with, ``flat`` being the whole plan."""
    still = np.zeros(flat.sizes.size, dtype=bool)
    if epsilon is not None:
        noise = _noise_of_line(problem, plan, measuring, epsilon)
        return FirstSteps(noise, np.full(still.size, np.nan), epsilon, None, still, noise.passes)
    zeros = _are_zero(problem, flat)
    pilots, agreed, guessed = None, None, np.full(still.size, np.nan)
    if not (zeros.any() or noise_is_known(problem)) and may_agree(problem):
        pilots, agreed, guessed = _by_agreement(problem, plan, flat, measuring)
    noise = agreed or _noise_of_line(problem, plan, measuring, epsilon)
    suggested = guessed if agreed else _as_good(guessed, suggested_steps(flat, noise.level))
    passes = noise.passes
    if zeros.any():
        of_zeros = flat_along(problem, flat.coordinates[np.repeat(zeros, flat.sizes)], noise.level)
        passes += of_zeros.passes
        if of_zeros.distance:
            suggested = np.where(zeros, of_zeros.distance, suggested)
            still = zeros & of_zeros.stands_still
    if np.isnan(suggested).any():
        noise = measured_noise(problem, plan.epsilon)
        passes += noise.passes
    return FirstSteps(noise, suggested, None, pilots, still, passes)


def _as_good(guessed: Vector, steps: Vector) -> Vector:
    """Return steps (p,) that were guessed, where those to be taken are no better: some were measured with them."""
    is_as_good = np.maximum(guessed / steps, steps / guessed) <= SAME_STEP_FACTOR  # NaN is not
    return np.where(is_as_good, guessed, steps)


def passes_to_come(problem: Problem, blocks: Sequence[Block], *, chooses: bool) -> int:
    """Return the forward passes that the first look at blocks takes besides those for its coordinates, usually.

    ``chooses`` tells that steps are chosen. A few entries of each block tell whether its claim suggests one.
    """
    passes = first_to_come(problem)
    noise = float(np.spacing(abs(problem.value))) if passes else noise_level(problem)
    if not chooses or not problem.claims:
        return passes
    unknown = [block for block in blocks if (chosen_step, block.name) not in problem.measured]
    if not unknown:
        return passes
    parts = [Part(block=block, places=spread_rows(block.size, SAMPLED_CLAIMS)) for block in unknown]
    choosing = int(np.count_nonzero(np.isnan(suggested_steps(FlatPlan(problem, parts), noise))))
    return passes + PASSES_OF_CHOOSING * choosing + (noise_to_come(problem) if choosing else 0)


def _are_zero(problem: Problem, flat: FlatPlan) -> NDArray[np.bool_]:
    """Tell of each part whether its claim is zero but for rounding, as of a bias before a batch normalisation; (p,)."""
    if not problem.claims:
        return np.zeros(flat.sizes.size, dtype=bool)
    return np.asarray(flat.largest_claims <= VANISHING * DOUBLE_EPSILON * problem.largest_claim)


def _noise_of_line(problem: Problem, plan: Plan, measuring: Measuring, epsilon: float | None) -> CostNoise:
    """Return the noise that a line shows, or several; an error of the cost there names a coordinate if one does it."""
    try:
        return (first_noise if problem.claims else measured_noise)(problem, plan.epsilon)
    except EvaluationError:
        measuring.differences(plan.coordinates, default_steps(problem.theta[plan.coordinates], epsilon))
        raise


def _by_agreement(
    problem: Problem, plan: Plan, flat: FlatPlan, measuring: Measuring
) -> tuple[Pilots | None, CostNoise | None, Vector]:
    """Measure pilots of a plan, and return them, the noise that they tell, and the step of each part.

    Steps are those that claims suggest for noise as small as rounding can make it, others where claims agree with these
    too well, or better ones for the noise that was told. That is none where claims do not agree, or where it would hide
    too much of some other block.
    """
    guess = guessed_noise(problem, flat)
    suggested = suggested_steps(flat, guess)
    usable = clear_parts(guess, suggested, flat, plan.tolerance).tolist()
    left, share, pilots = flat.claimed, 1.0, None
    for _ in range(ROUNDS_OF_PILOTS):
        rows = choose_pilots(flat.rows, left, usable)
        if not rows.size:
            break
        others = _measured(flat, rows, suggested, measuring)
        if agree_too_well(others, flat.claimed[rows]):
            if pilots is not None:
                break
            share = ANOTHER_STEP
            suggested = share * suggested
            others = _measured(flat, rows, suggested, measuring)
        pilots = others if pilots is None else pilots.with_others(others)
        noise = agreed_noise(pilots, flat.claimed[pilots.rows], plan.tolerance)
        if noise is None:
            break
        told = share * suggested_steps(flat, noise.level)
        long_enough = told <= SAME_STEP_FACTOR * suggested  # NaN is not
        better = np.where(long_enough, suggested, told)
        if is_small_enough(noise.level, better, flat, plan.tolerance):
            return pilots, noise, better
        left = left.copy()
        left[rows] = 0.0  # those are not chosen again
    return pilots, None, suggested


def _measured(flat: FlatPlan, rows: Coordinates, of_parts: Vector, measuring: Measuring) -> Pilots:
    """Measure rows with the steps of their parts, (p,)."""
    steps = of_parts[flat.starts.searchsorted(rows, side="right") - 1] * flat.units[rows]
    return Pilots(rows, steps, measuring.measure(flat.coordinates[rows], steps))
