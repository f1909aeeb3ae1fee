"""A few coordinates of slopes that were found all at once, against central differences of the cost itself.

Looked at are, in each block, the coordinates in which the claim is off by most and a few random ones. All of them move
together, each by its own random length, so that two forward passes tell of all: an error in one of them is seen beside
the rounding of J, whatever the others do. It is not believed before it is the same with smaller steps, which truncation
and kinks close to θ are not; where a block of θ is small, with steps that are small beside it.

The smallest example is J = x², recorded with the slope 2x + 0.1. With the steps h, h/8 and h/64 the cost differs from
what that slope says by 0.2 h, 0.2 h/8 and 0.2 h/64: per step by 0.2 each time, so the slope is wrong. For J = |x - h/2|
and the slope -1 at 0, it differs by h at first and by nothing from the second step on: the slope is right.

A kink that is nearer to θ than all steps looks like a wrong slope. It is one if the graph, too, finds the slope with a
tiny step, and with the large one what the cost does.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.away import evaluated_away, names_of
from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.nodes.smooth import TINY_STEP
from fastcheck.engines.graph.recording.advice import INSTEAD
from fastcheck.engines.graph.runs import Runs
from fastcheck.engines.plain.noise import declared_noise
from fastcheck.engines.plain.steps import USUAL_STEP
from fastcheck.norms import pieces, root_mean_square
from fastcheck.plan.coordinates import Coordinates, Part, Plan
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.workers.library_threads import one_blas_thread

WORST, RANDOM = 2, 2
"""Coordinates of each block in which the claim is off by most, and others."""

SHRINK, STEPS = 8.0, 4
"""Factor from one step to the next, and steps that are tried at most: of two forward passes each."""

TRUNCATION_SHARE = 2.0**-26
"""Share of what all coordinates do to J that differences may be off by, besides rounding: that is truncation."""

NOISE_MARGIN = 64.0
"""Differences of J may be off by this many times its rounding noise."""

STEADY = 0.125
"""An error is the same with two steps if it changes by less than this share."""


class Outcome(enum.Enum):
    """What a comparison with the cost itself says of slopes."""

    CONFIRMED = "the cost finds the same"
    CONTRADICTED = "the cost finds other ones, the same with every step"
    UNKNOWN = "differences are not the same with every step"


def confirm_coordinates(runs: Runs, flow: Flow, plan: Plan, slopes: Sequence[NDArray[np.float64]]) -> int:
    """Raise `DisagreementError` if the cost itself finds other slopes in a few coordinates of each part of the plan.

    ``slopes`` holds an array for each block of the problem. The rounding noise of J is not measured where differences
    agree to the last digits. Errors that it hides are not seen, nor those where the cost is not defined. Costs two
    forward passes, and up to fourteen more where the first step does not confirm the slopes. Returns them.
    """
    problem = runs.problem
    positions, expected = _looked_at(problem, plan, slopes)
    rng = np.random.default_rng([plan.seed, positions.size, 2])
    random = rng.uniform(0.5, 1.5, positions.size) * rng.choice([-1.0, 1.0], positions.size)
    usual = USUAL_STEP * np.maximum(1.0, np.abs(problem.theta[positions]))
    outcome, passes = _compare(runs, flow, positions, usual * random, expected)
    if outcome is not Outcome.CONFIRMED:
        small = USUAL_STEP * _sizes(problem, plan)[positions]
        if (SHRINK * small < usual).any():  # steps that leave what is small behind
            outcome, more = _compare(runs, flow, positions, np.minimum(usual, small) * random, expected)
            passes += more
    if outcome is Outcome.CONTRADICTED:
        raise DisagreementError(
            "The cost itself finds other slopes than those that were sent backwards, in a few coordinates of "
            f"{names_of([part.block.name for part in plan.parts])}. {INSTEAD}"
        )
    return passes


def _sizes(problem: Problem, plan: Plan) -> Vector:
    """Return the size of every coordinate of θ, or that of its block if it is larger; 1 in blocks of zeros."""
    sizes = np.abs(problem.theta)
    for part in plan.parts:
        rows = slice(part.block.start, part.block.stop)
        sizes[rows] = np.maximum(sizes[rows], root_mean_square(sizes[rows]) or 1.0)
    return sizes


def _compare(
    runs: Runs, flow: Flow, positions: Coordinates, lengths: Vector, expected: Vector
) -> tuple[Outcome, int]:
    """Return whether the cost finds these slopes, or others, the same with three steps; and the forward passes.

    A kink that is nearer to θ than all steps is no contradiction: the graph finds the same beyond it.
    """
    off_before, same_before = None, False
    for number in range(STEPS):
        passes, share = 2 * (number + 1), SHRINK**-number
        measured = _measured(runs.problem, positions, share * lengths)
        off, explained = measured.compared(expected)
        if abs(off) > explained:
            explained += NOISE_MARGIN * max(runs.noise, declared_noise(runs.problem))
        off, explained = off / share, explained / share
        same = False
        if off_before is not None:
            changes_by_at_most = STEADY * abs(off_before) + (explained if same_before else 0.0)
            same = abs(off - off_before) <= changes_by_at_most
        if same and same_before:
            is_hidden = share * abs(off) <= NOISE_MARGIN * runs.perturbed_change()
            explains = is_hidden or _is_a_kink(runs.problem, flow, measured, expected, share * explained)
            return Outcome.CONFIRMED if explains else Outcome.CONTRADICTED, passes
        if abs(off) <= explained:
            return Outcome.CONFIRMED, passes
        off_before, same_before = (off if np.isfinite(off) else None), same
    return Outcome.UNKNOWN, 2 * STEPS


def _looked_at(
    problem: Problem, plan: Plan, slopes: Sequence[NDArray[np.float64]]
) -> tuple[Coordinates, Vector]:
    """Return the positions of the coordinates in θ, and their slopes."""
    rng = np.random.default_rng([plan.seed, 1])
    positions, expected = [], []
    for part in plan.parts:
        block_slopes = slopes[problem.layout.number(part.block)]
        if part.size > WORST + RANDOM:
            random = rng.integers(part.size, size=RANDOM)
            rows = np.array(sorted({*_worst(problem, part, block_slopes), *random.tolist()}))
        else:
            rows = np.arange(part.size)
        positions.append(part.block.start + part.at(rows))
        expected.append(part.take(block_slopes, rows))
    return np.concatenate(positions), np.concatenate(expected)


def _worst(problem: Problem, part: Part, slopes: NDArray[np.float64]) -> list[int]:
    """Return the rows of a part in which the claim is off by most; none if there is no claim."""
    if not problem.claims:
        return []
    claimed = problem.claims[problem.layout.number(part.block)]
    errors_and_rows: list[tuple[float, int]] = []
    for piece in pieces(part.size):
        error = np.asarray(part.take(claimed, piece), dtype=np.float64) - part.take(slopes, piece)
        np.abs(error, out=error)
        for _ in range(min(WORST, error.size)):
            row = int(error.argmax())
            errors_and_rows.append((float(error[row]), piece.start + row))
            error[row] = -1.0
        errors_and_rows.sort(key=lambda both: -both[0])
        del errors_and_rows[WORST:]
    return [row for _, row in errors_and_rows]


class _Measured(NamedTuple):
    """By how much J changes from one end to the other, NaN if it is undefined, and the largest J.

    ``ends`` are the two points, of which ``moved`` is the difference in the coordinates that are looked at.
    """

    ends: tuple[Vector, Vector]
    moved: Vector
    change: float
    largest: float

    def compared(self, slopes: Vector) -> tuple[float, float]:
        """Return by how much J differs from what the slopes say, and what is no difference."""
        size = float(np.abs(self.moved) @ np.abs(slopes))
        known = NOISE_MARGIN * float(np.finfo(float).eps) * self.largest + TRUNCATION_SHARE * size
        return self.change - float(self.moved @ slopes), known


def _measured(problem: Problem, positions: Coordinates, lengths: Vector) -> _Measured:
    """Return what J does between the two ends of a step."""
    above, below = problem.theta.copy(), problem.theta.copy()
    above[positions] += lengths
    below[positions] -= lengths
    values = evaluated_away(problem, above), evaluated_away(problem, below)
    return _Measured(
        ends=(above, below),
        moved=above[positions] - below[positions],
        change=values[0] - values[1],
        largest=max(abs(problem.value), *map(abs, values)),
    )


def _is_a_kink(problem: Problem, flow: Flow, measured: _Measured, expected: Vector, explained: float) -> bool:
    """Tell whether the graph finds these slopes with a tiny step, and with a large one what the cost does.

    False where the cost takes another way.
    """
    moves = np.stack(measured.ends) - problem.theta
    steps = np.concatenate([TINY_STEP * moves, moves])
    with np.errstate(all="ignore"), one_blas_thread():
        blocks = [steps[:, block.start : block.stop] for block in problem.layout.blocks]
        differences = flow.differences(blocks, len(steps))
    tiny_up, tiny_down, up, down = differences.change
    slopes_are_the_same = abs((tiny_up - tiny_down) / TINY_STEP - measured.moved @ expected) <= explained
    cost_is_the_same = abs(up - down - measured.change) <= explained
    return bool(slopes_are_the_same and cost_is_the_same and not differences.elsewhere.any())
