"""The rungs of the ladder of closer looks at one coordinate that was evaluated plainly.

Each takes the doubts of a block and a row of it, and either says more about the row or leaves it as it is:

    smaller_steps     across θ and on either side of it, until two steps agree
    several_kinks     at points around θ: may a backward pass find what lies beyond the two slopes at θ?
    hidden_by_jumps   along long lines: does rounding stand still over all steps, and jump then?
    no_influence      far away: a claim of zero, where ĝ is zero too
    larger_step       where the noise of a small step hides more than is allowed
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

AROUND = 2.0**-24, 2.0**-20
"""Distances from θ, relative to max(1, |θ|), at which kinks that θ stands on are seen from random sides. What these
kinks do to a slope is the same at both; what curvature and other kinks do shrinks."""

REACH_OF_KINKS = 16.0
"""A claim may be due to kinks up to this many times as far from the two slopes at θ as slopes around θ are."""

LIKELY_JUMPS = 16.0
"""Jumps may be those of rounding up to this many times the size that the largest error of the block would make."""


def smaller_steps(doubts: Doubts, probe: Probe, row: int) -> None:
    """Replace the slope by what smaller steps agree on, or make it undecided where the cost is hardly defined."""
    resolved = probe.resolved(int(doubts.coordinates[row]), float(doubts.allowed[row]))
    if resolved is None:
        doubts.make_undecided(np.array([row]))
        return
    first = doubts.first.slopes
    if first.truncation is not None and not resolved.is_kink:
        # A cost in single precision got a larger step than any here: it may know more than they do, unless they
        # contradict it, as where it straddles a kink.
        bound = doubts.rounding[row] + float(first.truncation[row])
        agree = abs(resolved.lower - doubts.central[row]) <= resolved.bound + bound
        if bound < resolved.bound and agree:
            doubts.bound[row], doubts.truncation[row] = bound, first.truncation[row]
            return
    doubts.replace(row, resolved)


def several_kinks(doubts: Doubts, probe: Probe, row: int) -> bool:
    """Tell whether kinks that θ stands on may explain a wrong claim, and make it undecided if they do.

    With zero weights and biases all units of a layer stand on their kinks, and a backward pass may take another side at
    each, where a step along one coordinate takes them all together. That several are met shows at points around θ,
    where slopes differ from the two at θ. Costs 48 or 96 forward passes.
    """
    beyond, changes = doubts.error(row), []
    ends = (float(doubts.lower[row]), float(doubts.upper[row]))
    for distance in AROUND:
        changes.append(probe.changes_around(int(doubts.coordinates[row]), distance, ends))
        if REACH_OF_KINKS * changes[-1].max() < beyond:
            return False
    near, far = changes
    lasting = REACH_OF_KINKS * near[near > far / 2].max(initial=0.0)
    if lasting < beyond:
        return False
    doubts.bound[row] += lasting
    doubts.at_several_kinks.append(row)
    return True


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
    """Measure what the noise of a step smaller than the default one leaves undecided; tell whether that was done.

    The report shows the slope with the step that was asked for.
    """
    _, second_step = islice(probe.steps(int(doubts.coordinates[row])), 2)
    if rounding_bound(doubts.first.noise, second_step) > doubts.allowed[row]:
        return False
    smaller_steps(doubts, probe, row)
    doubts.central[row] = doubts.first.slopes.central[row]
    return True
