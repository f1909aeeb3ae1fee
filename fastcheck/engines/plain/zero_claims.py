"""Blocks of which the claim is zero everywhere: how far J is flat there, by one random direction through all of them.

The bias before a batch normalisation has slopes that are zero but for rounding, parameters that nothing reads have
none, and neither claim suggests a step. Where J is flat along a direction through all coordinates of all such blocks,
over short and long distances, each coordinate takes the longest of these as its step: rounding hides least then.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastcheck.engines.plain.noise import SAFETY, rounding_bound
from fastcheck.engines.plain.steps import LARGEST_CHOSEN, USUAL_STEP, units
from fastcheck.plan.coordinates import Coordinates
from fastcheck.problem.posing import Problem

DISTANCES = (USUAL_STEP, 2.0**-11, LARGEST_CHOSEN, 1.0)
"""Distances along the direction, in the units of the parameters."""

LEAST_FLAT = LARGEST_CHOSEN
"""Distance up to which J must be flat."""

SEED = 0


class Flat(NamedTuple):
    """How far J is flat on both sides of θ, 0 if not far enough, and whether it ``stands_still``: to the last bit."""

    distance: float
    stands_still: bool
    passes: int


def flat_along(problem: Problem, coordinates: Coordinates, noise: float) -> Flat:
    """Return how far J is flat along a random direction through these coordinates; 2 to 8 forward passes.

    It is where it has no slope that its ``noise`` σ does not explain. Slopes may cancel along it by chance only, and it
    moves each coordinate at least as far as a step in this one does.
    """
    moved, center = problem.theta.copy(), problem.theta[coordinates]
    normal = np.random.default_rng(SEED).standard_normal(coordinates.size)
    direction = (normal + np.sign(normal)) * units(center)
    flat, stands_still, passes = 0.0, True, 0
    for distance in DISTANCES:
        costs = []
        for side in (distance, -distance):
            moved[coordinates] = center + side * direction
            costs.append(problem.evaluator.cost_or_nan(moved))
        passes += 2
        right, left = costs
        rounding = float(rounding_bound(noise, distance)) + SAFETY * float(np.spacing(abs(right))) / distance
        is_flat = abs(right - left) / (2 * distance) <= rounding  # NaN is not
        if not is_flat:
            break
        flat, stands_still = distance, stands_still and right == left == problem.value
    reaches_the_end = flat == DISTANCES[-1]
    return Flat(flat if flat >= LEAST_FLAT else 0.0, stands_still and reaches_the_end, passes)
