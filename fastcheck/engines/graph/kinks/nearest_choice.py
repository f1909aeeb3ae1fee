"""What a check hands to the judge where θ stands on kinks: the slopes of the choice that is nearest to the claim.

The claim of all blocks is judged together, whatever is asked of it: one backward pass makes one choice at each kink.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.certificate import NotCertifiedError, UnconfirmedError, expect_confirmed
from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.kinks.claim import Claim, claim_at_kinks
from fastcheck.engines.graph.kinks.feasible import Flags
from fastcheck.engines.graph.kinks.places import places_of
from fastcheck.engines.graph.kinks.search import Answer, SearchedChoice, search_choice, usual_choice
from fastcheck.engines.graph.kinks.slopes_at_kinks import Interval, Kinks
from fastcheck.engines.graph.lost_digits import Rounding, noise_of_slopes, with_other_roundings
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.recording.record import Recording
from fastcheck.engines.graph.runs import PerturbedRun, Runs
from fastcheck.engines.kink_place import KinkPlace
from fastcheck.norms import root_mean_square
from fastcheck.plan.coordinates import FEWEST_DIRECTIONS, Plan
from fastcheck.problem.parameters import Layout, Vector

NEGLIGIBLE = 2.0**-40
"""Share of the slopes of a block, or of what J makes of ties, below which it is rounding, as behind a softmax."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NearestChoice:
    """Slopes of a choice at all kinks, one array for each block, and the least and largest of any choice.

    The smallest example is relu(2w + b) at w = b = 0 with the claim (2, 0), which no choice gives: of the slopes
    (2t, t) those of t = 0.2 are nearest to it, errors being weighed by the sizes of the blocks. ``lower`` is (0, 0) and
    ``upper`` (2, 1).

    ``undecided`` flags where the claim is not that of the nearest choice, if it may be that of another. ``possible``:
    each coordinate of the claim may be given by some choice; those that may not be are wrong, whatever the ``answer``
    for the others is. ``rounding`` is that of the slopes of each block, ``perturbed`` returns the slopes of this choice
    with other roundings, None where they are not known; ``flow`` sends changes forwards with it. ``places`` tells where
    the kinks are, and ``count`` how many.
    """

    slopes: list[Array]
    lower: list[Array]
    upper: list[Array]
    undecided: list[Flags]
    possible: bool
    rounding: Sequence[Rounding]
    perturbed: Callable[[], list[PerturbedRun] | None]
    flow: Flow
    places: tuple[KinkPlace, ...]
    answer: Answer
    count: int

    def largest(self) -> list[Array]:
        """Return the largest size of the slopes that choices may give."""
        return [np.maximum(np.abs(x), np.abs(y)) for x, y in zip(self.lower, self.upper, strict=True)]

    def names_at_kinks(self, layout: Layout) -> frozenset[str]:
        """Return the names of the blocks of which some slope depends on the choice."""
        bounds = zip(layout.blocks, self.lower, self.upper, strict=True)
        return frozenset(block.name for block, lower, upper in bounds if (lower < upper).any())

    def said(self, coordinates: int) -> str:
        """Return the sentence about the coordinates of a check that are at kinks."""
        at = "1 coordinate is at a kink" if coordinates == 1 else f"{coordinates:,} coordinates are at kinks"
        what = "all of the claim" if self.possible else "all else that is claimed"
        if self.answer is Answer.WITNESS:
            return f"{at}, and one choice there gives {what}."
        kinks = "the kink" if self.count == 1 else f"the {self.count:,} kinks"
        if self.answer is Answer.UNDECIDED:
            return f"whether one choice at {kinks} gives {what} is not known."
        return f"no choice at {kinks} gives {what}: it is compared with the nearest that one gives."


def nearest_choice(runs: Runs, plan: Plan, kinks: Kinks, near: Recording) -> NearestChoice:
    """Return the choice at kinks that is nearest to the claim; ``near`` is the cost recorded again, at jittered θ.

    (At θ, if it takes another way there.) The noise of J is asked for only if the claim is not that of a usual backward
    pass. Raises `NotCertifiedError` where slopes are not known, or their rounding is not.
    """
    problem, interval = runs.problem, kinks.interval()
    rounding = _certified_rounding(runs, kinks, near, interval, plan.seed)
    claim, impossible = claim_at_kinks(problem, plan, interval, rounding, 0.0), None
    result = usual_choice(kinks, claim, interval)
    if result is None:
        claim = claim_at_kinks(problem, plan, interval, rounding, runs.relative_noise)
        impossible = claim.impossible(interval)
        claim = claim.without(impossible)
        result = search_choice(kinks, claim, interval, plan.seed)
    lower, upper = _around(problem.layout, interval, result.slopes)
    matters = _ties_that_matter(interval, lower, upper)
    return NearestChoice(
        slopes=_in_blocks(problem.layout, result.slopes),
        lower=_in_blocks(problem.layout, lower),
        upper=_in_blocks(problem.layout, upper),
        undecided=_in_blocks(problem.layout, _undecided(claim, result, lower, upper)),
        possible=impossible is None or not impossible.any(),
        rounding=rounding,
        perturbed=functools.cache(functools.partial(_perturbed, runs, kinks, result.weights)),
        flow=kinks.with_weights(result.weights),
        places=places_of(kinks, matters),
        answer=result.answer,
        count=int(matters.sum()),
    )


def _certified_rounding(
    runs: Runs, kinks: Kinks, near: Recording, interval: Interval, seed: int
) -> Sequence[Rounding]:
    """Return the rounding of the slopes of each block: as seen in two places, or that of terms that cancel.

    Raises `NotCertifiedError` unless the slopes of random weights are certified, on which all that follows rests. Where
    directions do not confirm them, there may be rounding that shows when all operations are rounded otherwise.
    """
    layout, kinks_near = runs.problem.layout, kinks.on(near)
    if kinks_near is None:
        raise NotCertifiedError("Recorded again, the cost took another way.")
    weights = kinks.feasible.random(np.random.default_rng(seed))
    here, there = kinks.slopes(weights).slopes, kinks_near.slopes(weights).slopes
    if not all(np.isfinite(values).all() for values in (interval.centre, interval.radius, here, there)):
        raise NotCertifiedError("Some slope at kinks is infinite or undefined.")
    unit, rounding, noise = float(np.finfo(float).eps), [], 0.0
    for block in layout.blocks:
        rows = slice(block.start, block.stop)
        change = float(np.max(np.abs(here[rows] - there[rows]), initial=0.0))
        rounding.append(max(change, unit * root_mean_square(interval.largest[rows])))
        noise = max(noise, rounding[-1] / (root_mean_square(here[rows]) or 1.0))
    slopes, flow = _in_blocks(layout, here), kinks.with_weights(weights)
    try:
        expect_confirmed(flow, slopes, noise, seed, FEWEST_DIRECTIONS)
    except UnconfirmedError:
        perturbed = _perturbed(runs, kinks, weights)
        if perturbed is None:
            raise
        with_others = with_other_roundings(slopes, rounding, perturbed)
        typical = [root_mean_square(block.reshape(-1)) for block in slopes]
        noise, allowances = noise_of_slopes(runs.problem, typical, slopes, with_others, None)
        expect_confirmed(flow, slopes, noise, seed, FEWEST_DIRECTIONS, allowances=allowances)
        return with_others
    return rounding


def _perturbed(runs: Runs, kinks: Kinks, weights: Array) -> list[PerturbedRun] | None:
    """Return J and the slopes of some weights with other roundings of all operations, None where they are not known."""

    def slopes(recording: Recording) -> list[Array] | None:
        on_recording = kinks.on(recording)
        if on_recording is None:
            return None
        return _in_blocks(runs.problem.layout, on_recording.slopes(weights).slopes)

    return runs.perturbed_with(slopes)


def _around(layout: Layout, interval: Interval, slopes: Vector) -> tuple[Vector, Vector]:
    """Return the least and largest slopes; away from kinks, those that there are."""
    at_kinks = np.zeros(slopes.size, dtype=bool)
    for block in layout.blocks:
        rows = slice(block.start, block.stop)
        at_kinks[rows] = interval.radius[rows] > NEGLIGIBLE * root_mean_square(interval.largest[rows])
    lower = np.where(at_kinks, np.minimum(interval.lower, slopes), slopes)
    upper = np.where(at_kinks, np.maximum(interval.upper, slopes), slopes)
    return lower, upper


def _undecided(claim: Claim, result: SearchedChoice, lower: Vector, upper: Vector) -> Flags:
    """Return where the claim may be that of a choice that was not found."""
    if result.answer is not Answer.UNDECIDED:
        return np.zeros(lower.size, dtype=bool)
    return (lower < upper) & claim.off(result.slopes)


def _ties_that_matter(interval: Interval, lower: Vector, upper: Vector) -> Flags:
    """Return of which ties J makes something, (rows,)."""
    size = np.abs(interval.of_ties) + interval.radius_of_ties
    if not (lower < upper).any():
        return np.zeros(size.size, dtype=bool)
    return np.asarray(size > NEGLIGIBLE * float(size.max()))


def _in_blocks(layout: Layout, values: NDArray[Any]) -> list[Any]:
    """Return a vector, (n,), as one array for each block."""
    return [values[block.start : block.stop].reshape(block.shape) for block in layout.blocks]
