"""The rungs of the ladder of closer looks at one coordinate that was evaluated plainly.

Each takes the doubts of a block and a row of it, and either says more about the row or leaves it as it is:

    smaller_steps       across θ and on either side of it, until two steps agree
    steps_of_its_size   beside a parameter that is tiny: is the claim what J does over such distances?
    kink_in_noise       may noise hide a kink at θ that explains the claim?
    several_kinks       at points around θ: may a backward pass find what lies beyond the two slopes at θ?
    hidden_by_jumps     along long lines: does rounding stand still over all steps, and jump then?
    no_influence        far away: a claim of zero, where ĝ is zero too
    larger_step         where the noise of a small step hides more than is allowed, or than the claim is off
"""

from __future__ import annotations

import math
from itertools import islice

import numpy as np

from fastcheck.engines.plain.lines import POINTS
from fastcheck.engines.plain.noise import (
    FARTHEST,
    LONG,
    SPACING,
    noise_of_jumps,
    noise_of_lines,
    rounding_bound,
)
from fastcheck.engines.plain.probing import Probe
from fastcheck.engines.plain.steps import USUAL_STEP
from fastcheck.verdict.doubts import Doubts

STEPS_WITHOUT_INFLUENCE = (1.0, 2.0**-10)
"""Distances, relative to max(1, |θ|), at one of which what has no influence must leave the cost as it is, bit for bit:
the cost may not be defined at the larger one."""

NEAR, NEAR_AT_MOST, FAR_OVER_NEAR = 2.0**-34, 2.0**-8, 16.0
"""Distance from θ, relative to max(1, |θ|), at which kinks that θ stands on are seen from random sides, at least and at
most, and how much farther they are seen again. What these kinks do to a slope is the same at both distances; what
curvature and other kinks do shrinks."""

LARGEST_SPREAD, FARTHEST_AROUND = 2.0**10, 2.0**-6
"""Blocks are moved by up to this many times that distance, but none farther than this."""

NOISE_AROUND = 8.0
"""Error of the claim over the noise of slopes that are measured there."""

POINTS_AROUND, MORE_POINTS_AROUND = range(16), range(16, 48)
"""Points at each of the two distances, and others that are looked at where the slopes at θ tell that it is a kink."""

SHARE_OF_ANOTHER_SLOPE = 0.25
"""Claims that are farther than this from a slope, relatively, are not the same with some error, but another one."""

REACH_OF_KINKS = 16.0
"""A claim may be due to kinks up to this many times as far from the two slopes at θ as slopes around θ are."""

WORTH_A_STEP = 4.0
"""Error of an undecided claim over the noise of a larger step, from which on that step is taken."""

LIKELY_JUMPS = 16.0
"""Jumps may be those of rounding up to this many times the size that the largest error of the block would make."""


def smaller_steps(doubts: Doubts, probe: Probe, row: int) -> None:
    """Replace the slope by what smaller steps agree on, or make it undecided where the cost is hardly defined."""
    i, allowed = int(doubts.coordinates[row]), float(doubts.allowed[row])
    resolved = probe.resolved(i, allowed, doubts.allowed_by_slopes(row))
    if resolved is None:
        doubts.make_undecided(np.array([row]))
        return
    first = doubts.first.slopes
    if first.truncation is not None and not (resolved.is_kink or resolved.by_finer_steps):
        # A cost in single precision got a larger step than any here: it may know more than they do, unless they
        # contradict it, as where it straddles a kink.
        bound = doubts.rounding[row] + float(first.truncation[row])
        agree = abs(resolved.lower - doubts.central[row]) <= resolved.bound + bound
        if bound < resolved.bound and agree:
            doubts.bound[row], doubts.truncation[row] = bound, first.truncation[row]
            doubts.hidden_kink[row] = resolved.hidden_kink
            return
    doubts.replace(row, resolved)


def steps_of_its_size(doubts: Doubts, probe: Probe, row: int) -> bool:
    """Tell whether a claim is what J does over distances that are small beside the parameter; undecided if it is.

    At θ = 1e-8 the slope of 1/θ is -1e16, and no step above 1e-8 tells anything of it: the cost beyond a pole seems
    to be all noise. Costs 6 forward passes for a parameter below all usual steps, none for others.
    """
    claimed, error = abs(float(doubts.claimed[row])), doubts.error(row)
    if error < SHARE_OF_ANOTHER_SLOPE * claimed:
        return False
    slopes = probe.slopes_of_its_size(int(doubts.coordinates[row]))
    near_enough = np.abs(slopes - doubts.claimed[row]) < SHARE_OF_ANOTHER_SLOPE / 2 * claimed
    if not near_enough.any():
        return False
    doubts.bound[row] += max(error, float(doubts.not_overlooked(row)))
    return True


def kink_in_noise(doubts: Doubts, _probe: Probe, row: int) -> bool:
    """Tell whether a kink at θ that noise hides may explain a wrong claim, and make it undecided if it does.

    Central differences across a kink agree on the mean of both slopes, whichever of them a backward pass finds.
    """
    if doubts.error(row) > doubts.bound[row] + doubts.hidden_kink[row]:
        return False
    doubts.bound[row] += max(doubts.hidden_kink[row], float(doubts.not_overlooked(row)))
    return True


def several_kinks(doubts: Doubts, probe: Probe, row: int) -> bool:
    """Tell whether kinks that θ stands on may explain a wrong claim, and make it undecided if they do.

    With zero weights and biases all units of a layer stand on their kinks, and a backward pass may take another side at
    each, where a step along one coordinate takes them all together. That several are met shows at points around θ,
    where slopes differ from the two at θ. Costs 48 or 96 forward passes, and up to 288 at a kink.
    """
    reach = _reach_of_kinks(doubts, probe, row, POINTS_AROUND)
    if not reach and doubts.is_kink(row):
        reach = _reach_of_kinks(doubts, probe, row, MORE_POINTS_AROUND)
    if not reach:
        return False
    doubts.bound[row] += reach
    doubts.at_several_kinks.append(row)
    return True


def _reach_of_kinks(doubts: Doubts, probe: Probe, row: int, points: range) -> float:
    """Return how far beyond the slopes at θ kinks may take a claim, by slopes at points around it; 0 if not that far.

    Distances are such that noise leaves enough of these slopes to be seen.
    """
    beyond, changes, i = doubts.error(row), [], int(doubts.coordinates[row])
    ends = (float(doubts.lower[row]), float(doubts.upper[row]))
    distance = float(np.clip(probe.distance_to_see(i, beyond / NOISE_AROUND), NEAR, NEAR_AT_MOST))
    spread = float(np.clip(FARTHEST_AROUND / (FAR_OVER_NEAR * distance), 1.0, LARGEST_SPREAD))
    for times in (1.0, FAR_OVER_NEAR):
        changes.append(probe.changes_around(i, times * distance, ends, points, spread))
        if REACH_OF_KINKS * changes[-1].max() < beyond:
            return 0.0
    near, far = changes
    lasting = float(REACH_OF_KINKS * near[near > far / 2].max(initial=0.0))
    return lasting if lasting >= beyond else 0.0


def hidden_by_jumps(doubts: Doubts, probe: Probe, row: int) -> bool:
    """Tell whether steps of J, over which it stands still, may explain a wrong claim; make it undecided if they do.

    What is left of 1 in a sigmoid that saturates stands still until z has changed by much more than the steps here, and
    jumps then. A slope e that is hidden so makes jumps of e·d in a distance of d; a pole makes larger ones. Costs 18
    forward passes for a problem of which J is smooth, and more where it is not.
    """
    if doubts.first.single_precision:
        return False
    problem, error = doubts.problem, doubts.error(row)
    noise, passes = noise_of_lines(problem)
    level, searched = noise_of_jumps(problem, noise, SPACING)
    probe.passes += passes + searched
    unit = probe.unit(int(doubts.coordinates[row]))
    length = (POINTS - 1) * (LONG if doubts.central[row] else FARTHEST)
    distance = length * unit * math.sqrt(problem.theta.size)
    largest_error = float(np.abs(doubts.claimed - doubts.first.slopes.central).max())
    height = level * math.sqrt(12)
    jumps_like_rounding = 0 < height <= LIKELY_JUMPS * largest_error * distance
    if not jumps_like_rounding or error > rounding_bound(level, USUAL_STEP * unit):
        return False
    doubts.bound[row] += max(error, float(doubts.not_overlooked(row)))
    doubts.loses_digits = True
    return True


def no_influence(doubts: Doubts, probe: Probe, row: int) -> None:
    """Prove of a claim of exactly zero, where ĝ is zero too, that the cost does not depend on the coordinate."""
    i = int(doubts.coordinates[row])
    if any(probe.stands_still(i, distance * probe.unit(i)) for distance in STEPS_WITHOUT_INFLUENCE):
        doubts.bound[row] = 0.0


def larger_step(doubts: Doubts, probe: Probe, row: int) -> bool:
    """Measure what the noise of a step that is too small leaves undecided; tell whether that was done.

    It is where larger steps leave no more noise than is allowed, or too little for the claim to be so far off. The
    report shows the slope with the step that was asked for.
    """
    i, allowed = int(doubts.coordinates[row]), float(doubts.allowed[row])
    _, second_step = islice(probe.steps(i, allowed), 2)
    if rounding_bound(doubts.first.noise, second_step) > max(allowed, doubts.error(row) / WORTH_A_STEP):
        return False
    smaller_steps(doubts, probe, row)
    doubts.central[row] = doubts.first.slopes.central[row]
    return True
