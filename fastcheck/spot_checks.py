"""A few coordinates of a block, each measured by itself, to see what an error is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.directions import Directions
from fastcheck.parameters import Block, Vector
from fastcheck.plan import Coordinates
from fastcheck.problem import Problem
from fastcheck.residuals import claim_of, norm, outside
from fastcheck.verdict import SHARP

COUNT = 32
"""Coordinates of a block that are measured."""

MANY = 0.25
"""Share of the coordinates in which an error must show to count as one of the whole block."""

HEAVY = 8.0
"""A few coordinates may underestimate the norm of the error by this factor: some are much larger than most."""

BYTES = 2**26
"""Memory for one-hot directions."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spots:
    """Some coordinates of one block; arrays of shape (m,).

    ``positions`` are theirs inside the block. ``residual`` is how far the claim lies from the slope that is right,
    ``slope``, which is known to ± ``bound``.
    """

    block: Block
    positions: Coordinates
    claimed: Vector
    slope: Vector
    residual: Vector
    bound: Vector

    def wrong(self, relative: float, typical: float, sharp: bool) -> NDArray[np.bool_]:
        """Return which are off by more than the tolerance, relative to themselves and the block's ``typical`` entry.

        ``sharp`` holds a coordinate far below the typical one to its own size, as `check` does where no costs were
        subtracted.
        """
        size = np.maximum(np.abs(self.claimed), np.abs(self.slope))
        allowed = relative * np.maximum(size, (SHARP if sharp else 1.0) * typical)
        return np.asarray(np.abs(self.residual) > self.bound + allowed)

    def spread(self) -> bool:
        """Whether the error shows in many coordinates, of those that have a gradient."""
        alive = (self.claimed != 0) | (self.slope != 0)
        seen = np.abs(self.residual) > self.bound
        return bool(seen.sum() >= MANY * alive.sum())

    def explain(self, error: float) -> bool:
        """Whether errors like these make up an error of the whole block with this norm."""
        return self._scaled(self.residual) >= error

    def could_hide(self, error: float) -> bool:
        """Whether an error of this norm, spread over the block, would be lost in the bounds."""
        return self._scaled(self.bound) >= error

    def _scaled(self, values: Vector) -> float:
        return HEAVY * norm(values) * float(np.sqrt(self.block.size / self.positions.size))


def spot_check(problem: Problem, directions: Directions, number: int, *, seed: int) -> Spots:
    """Measure up to `COUNT` random coordinates of block ``number``, in about two forward passes."""
    block = problem.layout.blocks[number]
    rng = np.random.default_rng([seed, number])
    positions = np.arange(block.size)
    if block.size > COUNT:
        positions = np.sort(rng.choice(block.size, COUNT, replace=False))
    width = block.size // block.shape[0] if block.shape else 1
    at_once = max(1, BYTES // (8 * width))
    parts = []
    for start in range(0, positions.size, at_once):
        chosen = positions[start : start + at_once]
        entries = np.zeros((chosen.size, width))
        entries[np.arange(chosen.size), chosen % width] = 1.0
        found = (
            directions.along_rows(block, chosen // width, entries)
            if block.shape
            else directions.along(block, entries)
        )
        claimed = claim_of(problem, block)[chosen]
        parts.append((claimed, *outside(claimed, found), found.bound))
    claimed, residual, slope, bound = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Spots(
        block=block, positions=positions, claimed=claimed, slope=slope, residual=residual, bound=bound
    )
