"""A few coordinates of slopes that were found all at once, against central differences of the cost itself.

Looked at are, in each block, the coordinates in which the claim is off by most and a few random ones. All of them move
together, each by its own random length, so that two forward passes tell of all: an error in one of them is seen beside
the rounding of J, whatever the others do. It is not believed before it is the same with smaller steps, which truncation
and kinks close to θ are not; where a block of θ is small, with steps that are small beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import DisagreementError
from fastcheck.engines.noise import declared_noise
from fastcheck.engines.steps import STEP
from fastcheck.engines.verification import evaluated_away, some_names
from fastcheck.norms import pieces, root_mean_square
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates, Part, Plan
from fastcheck.problem import Problem

WORST, RANDOM = 2, 2
"""Coordinates of each block in which the claim is off by most, and others."""

SHRINK, STEPS = 8.0, 4
"""Factor from one step to the next, and steps that are tried at most: of two forward passes each."""

SAME = 2.0**-26
"""Share of what all coordinates do to J that differences may be off by, besides rounding: that is truncation."""

NOISE_MARGIN = 64.0
"""Differences of J may be off by this many times its rounding noise."""

STEADY = 0.125
"""An error is the same with two steps if it changes by less than this share."""


def confirm_coordinates(
    problem: Problem, plan: Plan, slopes: Sequence[NDArray[np.float64]], noise: Callable[[], float]
) -> int:
    """Raise `DisagreementError` if the cost itself finds other slopes in a few coordinates of each part of the plan.

    ``slopes`` holds an array for each block of the problem, ``noise`` tells the rounding noise of J, which is not asked
    for where differences agree to the last digits. Errors that it hides are not seen, nor those where the cost is not
    defined. Costs two forward passes, and up to fourteen more where the first step does not confirm the slopes. Returns
    them.
    """
    positions, expected = _looked_at(problem, plan, slopes)
    rng = np.random.default_rng([plan.seed, positions.size, 2])
    random = rng.uniform(0.5, 1.5, positions.size) * rng.choice([-1.0, 1.0], positions.size)
    usual = STEP * np.maximum(1.0, np.abs(problem.theta[positions]))
    contradicted, passes = _contradicted(problem, positions, usual * random, expected, noise)
    if contradicted is not False:
        own = STEP * _sizes(problem, plan)[positions]
        if (SHRINK * own < usual).any():  # steps that leave what is small behind
            least = np.minimum(usual, own)
            contradicted, more = _contradicted(problem, positions, least * random, expected, noise)
            passes += more
    if contradicted:
        raise DisagreementError(
            "The cost itself finds other slopes than those that were sent backwards, in a few coordinates of "
            f"{some_names([part.block.name for part in plan.parts])}. method='auto' computes slopes in other "
            "ways then."
        )
    return passes


def _sizes(problem: Problem, plan: Plan) -> Vector:
    """Return the size of every coordinate of θ, or that of its block if it is larger; 1 in blocks of zeros."""
    sizes = np.abs(problem.theta)
    for part in plan.parts:
        rows = slice(part.block.start, part.block.stop)
        sizes[rows] = np.maximum(sizes[rows], root_mean_square(sizes[rows]) or 1.0)
    return sizes


def _contradicted(
    problem: Problem,
    positions: Coordinates,
    lengths: Vector,
    expected: Vector,
    noise: Callable[[], float],
) -> tuple[bool | None, int]:
    """Return whether the cost finds other slopes, the same with several steps, or None; and the forward passes."""
    before, steady = None, False
    for number in range(STEPS):
        share = SHRINK**-number
        off, known = _compared(problem, positions, share * lengths, expected)
        if abs(off) > known:
            known += NOISE_MARGIN * max(noise(), declared_noise(problem))
        off, known = off / share, known / share
        same = before is not None and abs(off - before) <= STEADY * abs(before) + known * steady
        if same and steady:
            return True, 2 * (number + 1)
        if abs(off) <= known:
            return False, 2 * (number + 1)
        before, steady = off if np.isfinite(off) else None, same
    return None, 2 * STEPS


def _looked_at(
    problem: Problem, plan: Plan, slopes: Sequence[NDArray[np.float64]]
) -> tuple[Coordinates, Vector]:
    """Return the positions of the coordinates in θ, and their slopes."""
    rng = np.random.default_rng([plan.seed, 1])
    positions, expected = [], []
    for part in plan.parts:
        found = slopes[problem.layout.number(part.block)]
        if part.size > WORST + RANDOM:
            some = rng.integers(part.size, size=RANDOM)
            rows = np.unique(np.concatenate([_worst(problem, part, found), some]))
        else:
            rows = np.arange(part.size)
        positions.append(part.block.start + part.at(rows))
        expected.append(part.take(found, rows))
    return np.concatenate(positions), np.concatenate(expected)


def _worst(problem: Problem, part: Part, slopes: NDArray[np.float64]) -> Coordinates:
    """Return the rows of a part in which the claim is off by most; none if there is no claim."""
    if not problem.claims:
        return np.empty(0, np.intp)
    claimed = problem.claims[problem.layout.number(part.block)]
    rows, errors = np.empty(0, np.intp), np.empty(0)
    for piece in pieces(part.size):
        error = np.abs(np.asarray(part.take(claimed, piece), dtype=np.float64) - part.take(slopes, piece))
        for _ in range(min(WORST, error.size)):
            largest = int(np.argmax(error))
            rows, errors = np.append(rows, piece.start + largest), np.append(errors, error[largest])
            error[largest] = -1.0
        order = np.argsort(-errors, kind="stable")[:WORST]
        rows, errors = rows[order], errors[order]
    return rows


def _compared(
    problem: Problem, positions: Coordinates, lengths: Vector, slopes: Vector
) -> tuple[float, float]:
    """Return by how much J differs from what the slopes say, NaN if it is undefined, and what is no difference."""
    ends, values = [], []
    for sign in (1.0, -1.0):
        theta = problem.theta.copy()
        theta[positions] += sign * lengths
        ends.append(theta[positions])
        values.append(evaluated_away(problem, theta))
    moved = ends[0] - ends[1]
    expected, size = float(moved @ slopes), float(np.abs(moved) @ np.abs(slopes))
    largest = max(abs(problem.value), *map(abs, values))
    known = NOISE_MARGIN * float(np.finfo(float).eps) * largest + SAME * size
    return values[0] - values[1] - expected, known
