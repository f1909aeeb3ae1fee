"""The table of mistakes, and the measure of what each of them does to a gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.zoo.corruptions import CORRUPTIONS, Corruption
from benchmarks.zoo.lines import WrongLine
from benchmarks.zoo.wrong_lines import WRONG_LINES

NOTHING = 64 * np.finfo(float).eps
"""Entries this small beside the largest of the network are zero but for rounding, and the same."""

SMALLEST = {np.dtype(np.float64): 1e-6, np.dtype(np.float32): 2e-5}
"""Relative effects from here on must be found. A gradient in float32 has errors of 1e-6 of its own."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A named mistake: a wrong line in a backward pass, or a corruption of the gradients it returned."""

    name: str
    group: str
    how: WrongLine | Corruption


MISTAKES = tuple(
    Mistake(name=name, group=group, how=how)
    for table in (WRONG_LINES, CORRUPTIONS)
    for group, mistakes in table.items()
    for name, how in mistakes.items()
)
"""All of them; no two have the same name."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The largest change of a coordinate: relative to itself, and to at least its block's typical entry (RMS).

    ``blocks`` are those with a change; ``small`` is True if the change need not be found.
    """

    relative: float
    to_block: float
    blocks: frozenset[str]
    small: bool


def effect(right: Mapping[str, Any], claimed: Mapping[str, Any]) -> Effect:
    """Measure what a mistake did to the right gradient."""
    nothing = NOTHING * max(float(np.max(np.abs(g))) for g in right.values())
    relative, to_block, blocks, small = 0.0, 0.0, set(), True
    for name, array in right.items():
        g, wrong = array.astype(float), np.asarray(claimed[name], float)
        change = np.where(np.maximum(np.abs(g), np.abs(wrong)) > nothing, np.abs(wrong - g), 0)
        if not change.any():
            continue
        blocks.add(name)
        largest = float(np.max(change / np.maximum(np.abs(g), nothing)))
        typical = float(np.sqrt(np.mean(g**2)))
        relative = max(relative, largest)
        to_block = max(to_block, float(np.max(change / np.maximum(np.maximum(np.abs(g), typical), nothing))))
        small = small and largest < SMALLEST[array.dtype] * (1 - 1e-6)
    return Effect(relative=relative, to_block=to_block, blocks=frozenset(blocks), small=small)
