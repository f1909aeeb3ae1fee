"""What is known of a claim that fails: the claims and the slopes of every block."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.detective.hypotheses import EXPLAINS
from fastcheck.norms import largest

Entries = NDArray[np.float64]

SAME_AS_CLAIMED = 1e-7
"""Other slopes are those claimed if they leave at most this part of the error that there was."""

SMALL_BLOCK = 1e-3
"""Errors are compared with at least this share of the largest slope of the network."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockEvidence:
    """Claims and slopes of one block, arrays in its shape: float64, all entries known.

    ``rounding`` is how far a right claim may be from the slopes, at most: one number. ``wrong`` tells that the block
    fails. ``structure_only``: its slopes tell of the structure of a mistake, such as a transposition, and of no
    factors: at kinks there are several gradients that are right. ``even``: its errors are small and alike, as those of
    precision are, of which nothing is said but what random errors would not be.
    """

    name: str
    theta: Entries
    claimed: Entries
    slopes: Entries
    rounding: float
    wrong: bool
    structure_only: bool = False
    even: bool = False

    @functools.cached_property
    def error(self) -> float:
        """The largest error of an entry."""
        return largest(self.claimed - self.slopes)

    @functools.cached_property
    def size(self) -> float:
        """The largest slope or claim."""
        return max(largest(self.slopes), largest(self.claimed))

    def is_no_accident(self, entries: int, free: int) -> bool:
        """Tell whether random errors would hardly be explained in so many entries, with so many fitted coefficients."""
        share_of_rounding = self.rounding / self.error if self.error else 1.0
        by_chance = min(1.0, max(EXPLAINS, share_of_rounding)) ** max(entries - free, 0)
        return by_chance <= EXPLAINS


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """All blocks whose claims and slopes are known, in the order of the parameters.

    ``complete``: these are all blocks of the network, so that a cause may have to explain those that are right, too.
    ``single_precision``: some claim is known to single precision only. ``previous`` are earlier parameters, by block,
    where the user gave some.
    """

    blocks: Sequence[BlockEvidence]
    complete: bool
    single_precision: bool = False
    previous: Mapping[str, Entries] = field(default_factory=dict)

    @property
    def wrong(self) -> list[BlockEvidence]:
        """The blocks that fail."""
        return [block for block in self.blocks if block.wrong]

    def with_slopes(self, slopes: Mapping[str, Entries], *, without: Sequence[str] = ()) -> Evidence:
        """Return the same claims with other slopes, and without some blocks; blocks that agree are right then."""
        blocks = []
        for block in self.blocks:
            if block.name in without:
                continue
            apart = largest(block.claimed - slopes[block.name])
            is_wrong = apart > max(block.rounding, SAME_AS_CLAIMED * block.error)
            blocks.append(dataclasses.replace(block, slopes=slopes[block.name], wrong=is_wrong))
        return dataclasses.replace(self, blocks=blocks)

    def magnified(self, other: Evidence) -> float:
        """Return how many times larger errors are with other slopes, or what is small beside them: at least 1."""
        before = {block.name: block.error for block in self.wrong}
        larger = [block.error / before[block.name] for block in other.wrong if before.get(block.name)]
        return max([1.0, *larger, other.least / self.least if self.least else 1.0])

    @functools.cached_property
    def least(self) -> float:
        """Entries below this are small beside the largest slope of the network."""
        return SMALL_BLOCK * max((largest(block.slopes) for block in self.blocks), default=0.0)
