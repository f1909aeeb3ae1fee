"""Blocks whose slopes are tiny beside J, against the cost itself: with steps so large that rounding hides no mistake.

Along a joint direction the rounding of J hides such a block behind the others. Here each has a random direction of its
own, or shares it with blocks of slopes of like size where there are many. The graph and plain evaluation compute the
same finite difference, kinks and truncation included, whatever the step: at 1e-7 of θ the rounding of J leaves 2e-6 of
it, at a tenth of θ 1e-12. Steps are shorter where the cost would take another way or is not defined, and longer where
slopes are tiny beside J.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.away import evaluated_away, expect_same_difference, names_of
from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.runs import Runs
from fastcheck.engines.plain.noise import (
    declared_noise,
    noise_of_lines,
    noise_with_jumps,
    rounding_bound,
)
from fastcheck.engines.rounding import CANCELLED
from fastcheck.norms import norm
from fastcheck.plan.coordinates import Coordinates, Part, Plan
from fastcheck.plan.tolerances import VANISHING
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.workers.library_threads import one_blas_thread

FIRST_STEP = 0.1
"""Length of the first step along a direction in a block, relative to what θ holds there, and in blocks of zeros for
each entry: so large that rounding of J hides nothing, and yet the cost is usually defined there."""

FACTOR = 16.0
"""Between one step and the next, where a step is too long for the cost, or too short to show anything."""

SHARES = FACTOR ** np.arange(-4.0, 5.0)
"""Lengths of steps over the first one that are tried where that does not serve: 1.5e-5 to 65,536."""

MOST_LARGE_STEPS = 3
"""Of these, steps with which the cost is evaluated at most."""

USEFUL = 2.0**-13
"""Errors of slopes above this share must show, or the report says that nothing confirms them: 0.012 %."""

LEAST_NOISE, MOST_NOISE = 1.0, 4.0
"""Noise of J, in units of its last place, to begin with, at least and at most; it is measured if that is too little.
Near kinks and infinite slopes lines show more than there is, which would hide mistakes."""

SHARE_OF_LARGEST = 2.0**-20
"""Share of the network's largest slopes that errors of such a block are compared with."""

TURNED_PIECES = 8
"""Pieces of a random direction, each of which may be turned round."""

MOST_DIRECTION_GROUPS = 16
"""Directions that are looked at by themselves; where there are more, several small blocks are moved at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """A random unit vector among the planned coordinates of one block: ``entries`` at these ``places`` in θ, (k,).

    ``size`` is that of the block's slopes that an error is compared with, ``first`` the length of the first step.
    """

    part: Part
    places: Coordinates
    entries: Vector
    size: float
    first: float

    @property
    def name(self) -> str:
        """The name of the block."""
        return self.part.block.name


@dataclass(frozen=True, slots=True, eq=False)
class LargeStep:
    """A ``share`` of the first steps along the directions of a group.

    ``changes`` (2,) is what the graph makes J change by at both ends: NaN where the cost takes another way.
    """

    group: Sequence[Direction]
    share: float
    changes: Vector

    @property
    def possible(self) -> bool:
        """Whether the graph knows J at both ends."""
        return bool(np.isfinite(self.changes).all())

    def sizes(self) -> list[float]:
        """Return what the slopes of each block make of the step.

        Of a step that is longer than the first one only the length counts over which they grow to what J changes by:
        J may not go on as it begins.
        """
        change, sizes = float(np.abs(self.changes).max()), []
        for direction in self.group:
            length = self.share * direction.first
            if direction.size:
                length = min(length, max(direction.first, change / direction.size))
            sizes.append(direction.size * length)
        return sizes


def confirm_blocks(
    runs: Runs, flow: Flow, plan: Plan, sizes: Mapping[str, float]
) -> tuple[dict[str, float], int]:
    """Raise `DisagreementError` unless the cost itself changes as the graph says, along a direction in each block.

    ``sizes`` are those of the slopes or claims of each block. Returns the least error that shows in each, as a share of
    its slopes, infinite where no step can be taken; and the forward passes: two for each block, or group of blocks,
    and up to six more where too little shows. Where the noise of J is too small to explain a difference, it is measured
    more carefully, twice, and everything is compared again.
    """
    problem, tally = runs.problem.counted()
    unit = float(np.spacing(abs(problem.value)))
    usual_noise = float(np.clip(runs.noise, LEAST_NOISE * unit, MOST_NOISE * unit))
    noise = max(usual_noise, declared_noise(problem))
    directions = _directions(problem, plan, _sizes_at_stake(problem, sizes, runs.relative_noise))
    for measure in (noise_of_lines, noise_with_jumps):
        try:
            return _Comparison(problem, runs, flow, noise).least_visible_errors(directions), tally.passes
        except DisagreementError:
            noise = max(noise, measure(problem, double=True)[0])
    return _Comparison(problem, runs, flow, noise).least_visible_errors(directions), tally.passes


class _Comparison:
    """Compares the graph with plain evaluation, where one evaluation of J has the rounding ``noise``."""

    def __init__(self, problem: Problem, runs: Runs, flow: Flow, noise: float) -> None:
        self.problem, self.runs, self.flow, self.noise = problem, runs, flow, noise
        self.shows: dict[str, float] = {}

    def least_visible_errors(self, directions: Sequence[Direction]) -> dict[str, float]:
        """Return the least error that shows in each block."""
        for group in grouped(directions):
            self.shows |= self._compared(self._step(group, 1.0))
        hidden = [direction for direction in directions if not self.shows[direction.name] <= USEFUL]
        waiting = grouped(sorted(hidden, key=lambda direction: direction.size))
        while waiting:
            group = waiting.pop()
            self._take_other_steps(group)
            immovable = any(self.shows[direction.name] == math.inf for direction in group)
            if immovable and len(group) > 1:
                waiting += grouped(group, 2)
        return self.shows

    def _take_other_steps(self, group: Sequence[Direction]) -> None:
        """Note what shows with other steps, from the most promising one on, as long as it is too little."""
        shortest, evaluated = math.inf, 0
        steps = self._promising_steps(group)
        for step in steps:
            if step.share >= shortest:
                continue
            shares = self._compared(step)
            if not all(map(math.isfinite, shares.values())):
                shortest = step.share  # the cost is not defined there
                continue
            self.shows |= {name: min(share, self.shows[name]) for name, share in shares.items()}
            evaluated += 1
            enough = max(self.shows[direction.name] for direction in group) <= USEFUL
            if enough or evaluated == MOST_LARGE_STEPS:
                break
        nowhere_defined = bool(steps) and not evaluated and self.shows[group[0].name] == math.inf
        if nowhere_defined and len(group) == 1:
            self._expect_defined(min(steps, key=lambda step: step.share))

    def _promising_steps(self, group: Sequence[Direction]) -> list[LargeStep]:
        """Return steps of other lengths: the nearest that promise enough, then the others, the best first."""

        def order(step: LargeStep) -> tuple[float, float]:
            growth = max(1.0, float(np.abs(step.changes).max()) / abs(self.problem.value or 1.0))
            allowed = 4 * float(rounding_bound(self.noise * growth, 1.0))
            share = max(_least_share(allowed, size) for size in step.sizes())
            return (0.0, abs(math.log(step.share))) if share <= USEFUL / FACTOR else (1.0, share)

        steps = [self._step(group, share) for share in SHARES.tolist()]
        return sorted((step for step in steps if step.possible), key=order)

    def _step(self, group: Sequence[Direction], share: float) -> LargeStep:
        """Return a step with what the graph makes of it."""
        changes = np.empty(2)
        with np.errstate(all="ignore"), one_blas_thread():
            for end, sign in enumerate((1.0, -1.0)):
                moves: list[NDArray[Any] | None] = [None] * len(self.problem.layout.blocks)
                for direction in group:
                    block, values = direction.part.block, self.problem.theta[direction.places]
                    moved = values + sign * share * direction.first * direction.entries
                    move = np.zeros((1, block.size))
                    move[0, direction.places - block.start] = moved - values
                    moves[self.problem.layout.number(block)] = move
                differences = self.flow.differences(moves, 1)
                changes[end] = np.nan if differences.elsewhere[0] else differences.change[0]
        return LargeStep(group, share, changes)

    def _compared(self, step: LargeStep) -> dict[str, float]:
        """Evaluate the cost at both ends of a step; return the least error that shows in each of its blocks."""
        names = [direction.name for direction in step.group]
        if not step.possible:
            return dict.fromkeys(names, math.inf)
        sizes, allowed = step.sizes(), 0.0
        for sign, change in zip((1.0, -1.0), step.changes.tolist(), strict=True):
            with self._moved(step, sign) as point:
                cost = evaluated_away(self.problem, point)
                if not math.isfinite(cost):
                    return dict.fromkeys(names, math.inf)
                where = names_of(names)
                rounding = expect_same_difference(
                    self.runs, where, point, cost, change, self.noise, sum(sizes)
                )
                allowed = max(allowed, rounding)
        return {name: _least_share(allowed, size) for name, size in zip(names, sizes, strict=True)}

    def _expect_defined(self, step: LargeStep) -> None:
        """Raise `DisagreementError` with what the cost says where it is not defined at an end of a step."""
        for sign in (1.0, -1.0):
            with self._moved(step, sign) as point:
                if np.isnan(self.problem.evaluator.cost_or_nan(point)):
                    complaint = self.problem.evaluator.complaint(point)
                    raise DisagreementError(f"Near θ, in {step.group[0].name}: {complaint}")

    @contextlib.contextmanager
    def _moved(self, step: LargeStep, sign: float) -> Iterator[Vector]:
        """Lend θ at one end of a step."""
        with self.problem.work() as work:
            before = [work[direction.places] for direction in step.group]
            try:
                for values, direction in zip(before, step.group, strict=True):
                    work[direction.places] = values + sign * step.share * direction.first * direction.entries
                yield work
            finally:
                for values, direction in zip(before, step.group, strict=True):
                    work[direction.places] = values


def grouped(items: Sequence[Direction], most: int = MOST_DIRECTION_GROUPS) -> list[Sequence[Direction]]:
    """Return items in so many groups at most, of about the same length, in their order."""
    count = min(most, len(items))
    ends = [len(items) * k // count for k in range(count + 1)] if count else []
    return [items[first:last] for first, last in pairwise(ends)]


def unconfirmed_notes(problem: Problem, shows: Mapping[str, float]) -> tuple[str, ...]:
    """Return the sentence about blocks in which no step shows whether the slopes are right.

    ``shows`` holds for each block the least error that shows, as a share of the slopes.
    """
    hidden = {name: share for name, share in shows.items() if not share <= USEFUL}
    if not hidden:
        return ()
    worst = max(hidden.values())
    seen = f"can only see errors above {100 * worst:.2g} % of them" if worst < 1 else "cannot see them"
    return (
        f"nothing independent confirms the slopes in {names_of(list(hidden))}: with the largest steps that the cost "
        f"bears plain evaluation {seen}, beside J = {problem.value:.6g} and its rounding.",
    )


def _sizes_at_stake(problem: Problem, sizes: Mapping[str, float], relative_noise: float) -> dict[str, float]:
    """Return the size of slopes that an error in each block is compared with.

    Where they are zero but for rounding, as before a batch normalisation, it is a small share of the network's largest.
    """
    scale = max([problem.largest_claim, *sizes.values()])
    zero = VANISHING * max(float(np.finfo(float).eps), min(relative_noise, CANCELLED)) * scale
    return {name: size if size > zero else SHARE_OF_LARGEST * scale for name, size in sizes.items()}


def _directions(problem: Problem, plan: Plan, sizes: Mapping[str, float]) -> list[Direction]:
    """Return a random direction among the planned coordinates of each block."""
    rng, directions = np.random.default_rng(plan.seed), []
    for part in plan.parts:
        rows = np.arange(part.size)
        entries = rng.standard_normal(rows.size)
        if problem.claims:
            turn_pieces(entries, part.take(problem.claims[problem.layout.number(part.block)], rows))
        entries /= np.linalg.norm(entries)
        places = part.block.start + part.at(rows)
        size = norm(problem.theta[places])
        first = FIRST_STEP * (size if 0 < size < math.inf else math.sqrt(rows.size))
        directions.append(Direction(part, places, entries, sizes[part.block.name], first))
    return directions


def turn_pieces(entries: Vector, claimed: NDArray[Any]) -> None:
    """Turn pieces of a random direction (k,) so that the slopes along them, if the claim (k,) is right, do not cancel.

    One direction in a hundred has a slope of a hundredth of the typical one, beside which rounding hides more.
    """
    ends = np.linspace(0, entries.size, TURNED_PIECES + 1).astype(np.intp)
    for first, last in pairwise(ends):
        with np.errstate(over="ignore", invalid="ignore"):
            slope = entries[first:last] @ claimed[first:last]
        if slope < 0:
            entries[first:last] *= -1


def _least_share(allowed: float, size: float) -> float:
    """Return the least error that shows as a share of the ``size`` of slopes; 0 where there is nothing to be seen."""
    return allowed / size if size else (0.0 if math.isfinite(allowed) else math.inf)
