"""A wrong claim of which it is known what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.causes.expecting import Expected

Arrays = Mapping[str, Any]

SAME_CLAIM = 1e-6
"""Claims are the same if they differ by less than this part of the error of either, entry by entry."""

ROUNDING = 1e-13
"""Differences of this size beside the largest slope of a network are rounding."""


@dataclass(frozen=True, kw_only=True)
class WrongClaim:
    """A gradient with one planted mistake, or with two.

    ``set`` is where it is from, ``group`` the family or network, ``kind`` the kind of mistake. ``expected`` has one
    entry for each planted mistake: the things that may be said of it, all equally right.
    """

    set: str
    group: str
    kind: str
    mistake: str
    seed: int
    cost: Callable[[Any], Any]
    parameters: Arrays
    right: Arrays
    claimed: Arrays
    expected: tuple[tuple[Expected, ...], ...]
    sizes: SimpleNamespace

    @property
    def name(self) -> str:
        """Where and what, for lists."""
        return f"{self.group}, seed {self.seed}: {self.mistake}"

    @property
    def wrong_blocks(self) -> frozenset[str]:
        """The blocks that the mistake changes."""
        return changed_blocks(self.right, self.claimed)


def changed_blocks(right: Arrays, claimed: Arrays) -> frozenset[str]:
    """Return the blocks of which a claim differs from the right gradient by more than rounding."""
    nothing = _nothing(right)
    return frozenset(name for name in right if _difference(right[name], claimed[name]) > nothing)


def is_same_claim(one: Arrays, other: Arrays, right: Arrays) -> bool:
    """Tell whether two wrong claims are the same but for rounding."""
    nothing = _nothing(right)
    for name in right:
        error = min(_difference(one[name], right[name]), _difference(other[name], right[name]))
        if _difference(one[name], other[name]) > SAME_CLAIM * error + nothing:
            return False
    return True


def _difference(one: Any, other: Any) -> float:
    difference = np.abs(np.asarray(one, float) - np.asarray(other, float))
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0))


def _nothing(right: Arrays) -> float:
    return ROUNDING * max(float(np.max(np.abs(g))) for g in right.values())
