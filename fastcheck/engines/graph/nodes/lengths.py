"""Nodes of polar coordinates: the length of vectors and the angle of points, which are smooth but at the origin."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.node import Array, Moves, Node, aligned, plain
from fastcheck.engines.graph.nodes.smooth import Elementwise


class Norm(Node):
    """The 2-norm along the last axis."""

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope times x over its norm; nothing where that is zero."""
        x = plain(self.operands[0])
        length = np.asarray(self.value)[..., None]
        return [slope[..., None] * np.divide(x, length, out=np.zeros(x.shape), where=length != 0)]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the moves along x over its norm."""
        move, x = moves[0], plain(self.operands[0])
        assert move is not None
        length = np.asarray(self.value)[..., None]
        unit = np.divide(x, length, out=np.zeros(x.shape), where=length != 0)
        return np.asarray((move * unit).sum(axis=-1))

    def difference(self, moves: Moves, many: int) -> Array:
        """Return the difference of squares over the sum of both norms."""
        move, x = moves[0], plain(self.operands[0])
        assert move is not None
        end = x + move
        there = np.sqrt((end * end).sum(axis=-1))
        both = there + self.value
        squares = (move * (2 * x + move)).sum(axis=-1)
        quotient = np.divide(squares, both, out=np.zeros(both.shape), where=both != 0)
        return np.where(np.asarray(self.value) == 0, _length(move), quotient)

    def kinked(self, moves: Moves) -> bool:
        """Whether a vector of length zero moves."""
        move = moves[0]
        assert move is not None
        return bool((move[:, np.asarray(self.value) == 0] != 0).any())


def _length(move: Array) -> Array:
    """Return the norms of vectors that may be too small to be squared."""
    largest = np.max(np.abs(move), axis=-1, keepdims=True, initial=0.0)
    scaled = np.divide(move, largest, out=np.zeros(move.shape), where=largest > 0)
    return np.asarray(largest[..., 0] * np.sqrt((scaled * scaled).sum(axis=-1)))


class Polar(Elementwise):
    """The angle of a point."""

    __slots__ = ()

    @property
    def at_origin(self) -> Any:
        """Where both numbers are zero."""
        return np.equal(plain(self.operands[0]), 0) & np.equal(plain(self.operands[1]), 0)

    def kinked(self, moves: Moves) -> bool:
        """Whether a point moves away from the origin."""
        at_origin = self.at_origin
        if not np.any(at_origin):
            return False
        ndim = np.ndim(self.value)
        return any(
            move is not None and bool(np.any(at_origin & (aligned(move, ndim) != 0))) for move in moves
        )
