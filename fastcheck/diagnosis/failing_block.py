"""A block that fails, as the recognition of mistakes sees it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Estimate
from fastcheck.norms import largest
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.verdict.judging import Judgement
from fastcheck.verdict.rule import claims

MOST_RECOGNISED = 2**22
"""Entries of a block of which the mistake is recognised: beyond, a failure is described by where it is."""

CLAIM_ROUNDING = 8 * float(np.finfo(np.float64).eps)
"""Relative rounding error of a claim."""

Entries = NDArray[np.float64]


class FailingBlock(NamedTuple):
    """A block with wrong coordinates, all of which were looked at: arrays in its shape.

    ``slopes`` are those nearest to the claims that count as right, ``uncertain`` (size,) is what rounding may be of
    each difference. ``structure_only``: the slopes tell of the structure of a mistake and of no numbers, since kinks
    leave a choice of them. ``even``: the errors are small and alike, as those of precision are.
    """

    name: str
    theta: Entries
    claimed: Entries
    slopes: Entries
    uncertain: Vector
    structure_only: bool = False
    even: bool = False

    @property
    def rounding(self) -> float:
        """How far a right claim may be from a slope, at most."""
        return largest(self.uncertain)


def failing_block(problem: Problem, estimate: Estimate, judgement: Judgement) -> FailingBlock | None:
    """Return the block of an estimate, None where it does not fail or was not looked at as a whole."""
    part, block = estimate.part, estimate.part.block
    whole = part.size == block.size
    if not (judgement.wrong and whole and block.size <= MOST_RECOGNISED):
        return None
    every = slice(0, part.size)
    claimed, rows = claims(problem, part, every), estimate.slopes.at(every)
    return FailingBlock(
        name=block.name,
        theta=problem.theta[block.start : block.stop].reshape(block.shape),
        claimed=claimed.reshape(block.shape),
        slopes=rows.nearest(claimed).reshape(block.shape),
        uncertain=rows.bound + CLAIM_ROUNDING * np.abs(claimed),
        structure_only=estimate.slopes.kinks > 0,
    )
