"""np.maximum(Z, 0) where Z is 0: backward passes take either slope, or half of each."""

from __future__ import annotations

import numpy as np

from fastcheck.engines.graph.nodes.choices import Extremum
from fastcheck.engines.graph.nodes.node import Array, Moves, Node, aligned, plain, spread

WEIGHTS = (1.0, 0.0, 0.5)
"""Of the first operand: np.maximum(Z, 0) has slope 1, 0 or ½ at 0."""


class TiedExtremum(Extremum):
    """The larger, or smaller, of two operands, of which equal ones share."""

    __slots__ = ("weight",)

    weight: float

    @property
    def share_of_first(self) -> Array:
        """The slope of the result in the first operand."""
        return np.where(_ties(self), self.weight, np.asarray(self.mask, dtype=float))

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the share of each operand."""
        share = self.share_of_first
        first = slope * share if self.wants(0) else None
        return [first, slope * (1 - share) if self.wants(1) else None]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the moves of both operands, each times its share."""
        ndim, share = np.ndim(self.value), self.share_of_first
        x, y = (0.0 if move is None else aligned(move, ndim) for move in moves)
        return spread(np.asarray(x * share + y * (1 - share)), np.shape(self.value))


def _ties(node: Extremum) -> Array:
    return np.asarray(np.equal(*map(plain, node.operands)))


def is_tied(node: Extremum) -> bool:
    """Whether some operands are equal."""
    return bool(np.any(_ties(node)))


def tied(node: Extremum, weight: float) -> Node:
    """Return the same operation, in which the first of equal operands has this weight."""
    new = TiedExtremum(node.ufunc, node.value, node.operands)
    new.number, new.weight = node.number, weight
    return new
