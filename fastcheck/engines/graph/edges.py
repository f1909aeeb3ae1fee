"""Masks at θ's edge: comparisons of equal numbers, the sign of zero, and what is computed with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.nodes import Array, Node, plain
from fastcheck.engines.graph.steps import COMPARISONS, Guard, Step

Edge = tuple[Array, Array]


def edges_of(flow: Flow) -> dict[int, Edge]:
    """Return the values of masks that change where numbers that are compared and equal move, by number of the node.

    The first if what the parameters reach were a little larger than what it is compared with, the second if it were
    smaller.
    """
    edges: dict[int, Edge] = {}
    for node in flow.nodes:
        if node.live or not node.moves or isinstance(node, Guard) or node.value is None:
            continue
        edge = _derived(node, edges)
        own = _of_step(node, edge) if isinstance(node, Step) else None
        edge = own or edge
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


def _of_step(node: Step, edge: Edge | None) -> Edge | None:
    """Return the values of a comparison where some numbers are equal, and of the sign where they are zero."""
    if node.function in COMPARISONS and any(isinstance(x, Node) and x.live for x in node.operands):
        x, y = node.operands
        tie = np.equal(plain(x), plain(y))
        ahead = 1.0 if isinstance(x, Node) and x.live else -1.0
    elif node.function is np.sign:
        tie, ahead = np.equal(plain(node.operands[0]), 0), 1.0
    else:
        return None
    if not np.any(tie):
        return None

    def side(move: float) -> Array:
        there: Any = node.function(move, 0.0) if node.function in COMPARISONS else move
        return np.where(tie, float(there), np.asarray(node.value, dtype=float))

    return side(ahead), side(-ahead)
