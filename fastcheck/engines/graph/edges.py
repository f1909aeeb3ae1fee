"""Masks at θ's edge: comparisons of equal numbers, the sign of zero, and what is computed with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcheck.engines.graph.choices import ALIKE
from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.nodes import Array, Node, aligned, plain
from fastcheck.engines.graph.steps import COMPARISONS, Guard, Step
from fastcheck.engines.slopes import STEP

Edge = tuple[Array, Array]


def edges_of(flow: Flow) -> dict[int, Edge]:
    """Return the values of masks that change where numbers that are compared and equal move, by number of the node.

    The first if what the parameters reach were a little larger than what it is compared with, the second if it were
    smaller.
    """
    edges: dict[int, Edge] = {}
    ties = _that_move(flow, {node.number: tie for node in flow.nodes if (tie := _ties_of(node)) is not None})
    for node in flow.nodes:
        if node.live or not node.moves or isinstance(node, Guard) or node.value is None:
            continue
        edge = _derived(node, edges)
        tie = ties.get(node.number)
        if tie is not None and isinstance(node, Step):
            edge = _of_step(node, tie)
        if edge is not None and not np.array_equal(*edge):
            edges[node.number] = edge
    return edges


def _derived(node: Node, edges: dict[int, Edge]) -> Edge | None:
    """Return the values of what is computed with masks that change."""
    pairs = [edges.get(x.number) if isinstance(x, Node) else None for x in node.operands]
    if all(pair is None for pair in pairs):
        return None
    moves = [
        None if pair is None else np.stack([side - np.asarray(plain(x), dtype=float) for side in pair])
        for pair, x in zip(pairs, node.operands, strict=True)
    ]
    here = np.asarray(node.value, dtype=float)
    above, below = here + node.difference(moves, 2)
    return above, below


def _ties_of(node: Node) -> Array | None:
    """Return where a comparison is one of equal numbers, or a sign that of zero; None if nowhere."""
    if not isinstance(node, Step) or isinstance(node, Guard):
        return None
    if node.function in COMPARISONS and any(isinstance(x, Node) and x.live for x in node.operands):
        tie = np.equal(*map(plain, node.operands))
    elif node.function is np.sign:
        tie = np.equal(plain(node.operands[0]), 0)
    else:
        return None
    return np.asarray(tie) if np.any(tie) else None


def _that_move(flow: Flow, ties: dict[int, Array]) -> dict[int, Array]:
    """Return those ties whose two sides move apart along a tiny random step, to one side or the other."""
    if not ties:
        return {}
    rng = np.random.default_rng(0)
    steps = [STEP * (rng.random(leaf.value.shape) - 0.5) for leaf in flow.leaves]
    moving: dict[int, Array] = {}
    with np.errstate(all="ignore"):
        for node, operands in flow.exact_moves([np.stack([step, -step]) for step in steps], 2):
            tie = ties.get(node.number)
            if tie is not None:
                x, y = (
                    np.zeros(()) if move is None else aligned(move, tie.ndim)
                    for move in (*operands, None)[:2]
                )
                apart = np.abs(x - y) > ALIKE * np.maximum(np.abs(x), np.abs(y))
                moving[node.number] = tie & apart.any(axis=0)
    return {number: tie for number, tie in moving.items() if tie.any()}


def _of_step(node: Step, tie: Array) -> Edge:
    """Return the values of a comparison where some numbers are equal, or of the sign where they are zero."""
    x = node.operands[0]
    ahead = 1.0 if isinstance(x, Node) and x.live else -1.0

    def side(move: float) -> Array:
        there: Any = node.function(move, 0.0) if node.function in COMPARISONS else move
        return np.where(tie, float(there), np.asarray(node.value, dtype=float))

    return side(ahead), side(-ahead)
