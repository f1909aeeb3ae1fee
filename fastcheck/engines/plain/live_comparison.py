"""Claims beside slopes as these come, for whoever watches a long run: nothing of the verdict is made of it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from fastcheck.engines.plain.noise import rounding_bound
from fastcheck.norms import root_mean_square
from fastcheck.plan.coordinates import Coordinates, Plan
from fastcheck.plan.tolerances import tolerance_in
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.progress.differing import Differing

LOOKS_APART = 0.1
"""Seconds between two comparisons, but for the last one: nobody looks more often."""

Compare = Callable[[Coordinates, Vector, Vector], None]
"""Is told of coordinates, their steps and their slopes, all (k,), as soon as these are known."""


def live_comparison(
    problem: Problem, plan: Plan, noise: float, differing: Differing | None
) -> Compare | None:
    """Return what compares the claims of a plan with slopes, None where there are none or nobody wants to know.

    A claim differs if it is off by more than its tolerance and rounding of σ = ``noise``, held to the RMS of the claims
    of its block. Kinks and truncation are not looked at. A dozen operations on vectors, ten times a second at most.
    """
    if differing is None or not problem.claims:
        return None
    coordinates = plan.coordinates
    claimed, relative, typical = np.empty((3, coordinates.size))
    for part, rows in zip(plan.parts, plan.rows, strict=True):
        array = problem.claims[problem.layout.number(part.block)]
        claimed[rows] = part.take(array, slice(0, part.size))
        relative[rows] = tolerance_in(array.dtype, plan.tolerance)
        typical[rows] = root_mean_square(claimed[rows])

    waiting: list[tuple[Coordinates, Vector, Vector]] = []
    seen, since = 0, time.monotonic()

    def compare(some: Coordinates, steps: Vector, slopes: Vector) -> None:
        nonlocal seen, since
        waiting.append((some, steps, slopes))
        seen += some.size
        if seen < coordinates.size and time.monotonic() - since < LOOKS_APART:
            return
        some, steps, slopes = map(np.concatenate, zip(*waiting, strict=True))
        waiting.clear()
        rows = np.searchsorted(coordinates, some)
        size = np.maximum(np.maximum(np.abs(claimed[rows]), np.abs(slopes)), typical[rows])
        allowed = rounding_bound(noise, steps) + relative[rows] * size
        differing.compare(some, claimed[rows], slopes, allowed)
        since = time.monotonic()

    return compare
