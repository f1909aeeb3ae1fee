"""Both sides of masks that change at θ: comparisons of equal numbers, the sign of zero, what is computed with them.

The smallest example is x * (x > 0) at x = 0. The recorded mask is False, and a sweep along it finds the slope 0 to both
sides of θ, while the cost has the slope 1 above. The mask must be known as it is on both sides, (1, 0), and so must
``1 - mask`` and ``mask * 0.9`` be that are computed with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.nodes.choices import EQUAL_OPERANDS
from fastcheck.engines.graph.nodes.decisions import COMPARISONS, Guard, Step
from fastcheck.engines.graph.nodes.node import Array, Node, aligned, plain
from fastcheck.engines.graph.nodes.smooth import TINY_STEP

Sides = tuple[Array, Array]
"""Values if what the parameters reach were a little larger than what it is compared with, and if it were smaller."""

Masks = Mapping[int, Sides]
"""The sides of masks that change, by the number of their node."""


def masks_that_change(flow: Flow) -> dict[int, Sides]:
    """Return both sides of the masks that change where numbers that are compared and equal move."""
    masks: dict[int, Sides] = {}
    equal = _apart_when_moved(flow, _equal_numbers(flow))
    for node in flow.nodes:
        may_be_mask = node.moves and not node.live and node.value is not None
        if not may_be_mask or isinstance(node, Guard):
            continue
        if isinstance(node, Step) and node.number in equal:
            sides: Sides | None = _sides_of_step(node, equal[node.number])
        else:
            sides = _computed_with(node, masks)
        if sides is not None and not np.array_equal(*sides):
            masks[node.number] = sides
    return masks


def _computed_with(node: Node, masks: Masks) -> Sides | None:
    """Return both sides of what is computed with masks that change; None if it is computed with none."""
    sides_of_operands = [masks.get(x.number) if isinstance(x, Node) else None for x in node.operands]
    if all(sides is None for sides in sides_of_operands):
        return None
    moves = [
        None if sides is None else np.stack([side - np.asarray(plain(x), dtype=float) for side in sides])
        for sides, x in zip(sides_of_operands, node.operands, strict=True)
    ]
    here = np.asarray(node.value, dtype=float)
    above, below = here + node.difference(moves, 2)
    return above, below


def _equal_numbers(flow: Flow) -> dict[int, Array]:
    """Return where comparisons are those of equal numbers, or signs those of zero, by the number of their node."""
    equal = {}
    for node in flow.nodes:
        if not isinstance(node, Step) or isinstance(node, Guard):
            continue
        if node.function in COMPARISONS and any(isinstance(x, Node) and x.live for x in node.operands):
            flags = np.equal(*map(plain, node.operands))
        elif node.function is np.sign:
            flags = np.equal(plain(node.operands[0]), 0)
        else:
            continue
        if np.any(flags):
            equal[node.number] = np.asarray(flags)
    return equal


def _apart_when_moved(flow: Flow, equal: Mapping[int, Array]) -> dict[int, Array]:
    """Return where equal numbers move apart along a tiny random step, to one side or the other."""
    if not equal:
        return {}
    rng = np.random.default_rng(0)
    steps = [TINY_STEP * (rng.random(leaf.value.shape) - 0.5) for leaf in flow.leaves]
    moving: dict[int, Array] = {}
    with np.errstate(all="ignore"):
        for node, moves in flow.exact_moves([np.stack([step, -step]) for step in steps], 2):
            flags = equal.get(node.number)
            if flags is None:
                continue
            x, *others = (np.zeros(()) if move is None else aligned(move, flags.ndim) for move in moves)
            y = others[0] if others else np.zeros(())
            apart = np.abs(x - y) > EQUAL_OPERANDS * np.maximum(np.abs(x), np.abs(y))
            moving[node.number] = flags & apart.any(axis=0)
    return {number: flags for number, flags in moving.items() if flags.any()}


def _sides_of_step(node: Step, equal: Array) -> Sides:
    """Return both sides of a comparison where some numbers are equal, or of the sign where they are zero."""
    x = node.operands[0]
    ahead = 1.0 if isinstance(x, Node) and x.live else -1.0

    def side(move: float) -> Array:
        value: Any = node.function(move, 0.0) if node.function in COMPARISONS else move
        return np.where(equal, float(value), np.asarray(node.value, dtype=float))

    return side(ahead), side(-ahead)
