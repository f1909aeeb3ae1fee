"""Nodes that choose between operands: where, maximum, |x|."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.node import Array, Moves, Node, aligned, moved, plain, spread

EQUAL_OPERANDS = 1e-9
"""Operands whose moves differ by less than this share of them move alike."""


class Choice(Node):
    """One of two operands in each entry: the second where the first, a mask, is true, else the third."""

    rounds = False

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope where the operand was chosen."""
        mask = plain(self.operands[0])
        first = np.where(mask, slope, 0.0) if self.wants(1) else None
        return [None, first, np.where(mask, 0.0, slope) if self.wants(2) else None]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the moves of the operand that was chosen."""
        ndim = np.ndim(self.value)
        x, y = (0.0 if move is None else aligned(move, ndim) for move in moves[1:])
        return spread(np.where(plain(self.operands[0]), x, y), np.shape(self.value))

    def linear(self, moves: Moves) -> bool:
        """Whether the mask stays."""
        return moves[0] is None

    def difference(self, moves: Moves, many: int) -> Array:
        """Return the same, and what changes where another operand is chosen then."""
        if moves[0] is None:
            return self.tangent(moves, many)
        mask = np.asarray(plain(self.operands[0]))
        there = (mask + aligned(moves[0], np.ndim(self.value))) != 0
        return switched(mask, there, self.operands[1:], moves[1:], self.value)


class Extremum(Node):
    """The larger, or smaller, of two operands; the first of them if they are equal."""

    rounds = False

    __slots__ = ("ufunc",)

    def __init__(self, ufunc: np.ufunc, value: Any, operands: Sequence[Any]) -> None:
        super().__init__(value, operands)
        self.ufunc = ufunc

    @property
    def mask(self) -> Array:
        """Where the first operand was chosen."""
        return self._first(*map(plain, self.operands))

    def _first(self, x: Any, y: Any) -> Array:
        ahead = np.greater_equal if self.ufunc in (np.maximum, np.fmax) else np.less_equal
        return np.asarray(ahead(x, y) | np.isnan(y))

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope where the operand was chosen."""
        mask = self.mask
        first = np.where(mask, slope, 0.0) if self.wants(0) else None
        return [first, np.where(mask, 0.0, slope) if self.wants(1) else None]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the moves of the operand that was chosen."""
        ndim = np.ndim(self.value)
        x, y = (0.0 if move is None else aligned(move, ndim) for move in moves)
        return spread(np.where(self.mask, x, y), np.shape(self.value))

    def difference(self, moves: Moves, many: int) -> Array:
        """Return the same, and what changes where the other operand is ahead then."""
        ndim = np.ndim(self.value)
        (x, y), (dx, dy) = map(plain, self.operands), moves
        there = self._first(moved(x, dx, ndim), moved(y, dy, ndim))
        tie = np.equal(x, y)
        if np.any(tie):
            first, second = (np.zeros(()) if move is None else aligned(move, ndim) for move in moves)
            there = np.where(tie, self._first(first, second), there)
        return switched(self.mask, there, self.operands, moves, self.value)

    def kinked(self, moves: Moves) -> bool:
        """Whether operands that are equal move apart."""
        return apart_at(np.equal(*map(plain, self.operands)), moves, self.value)


class Absolute(Node):
    """|x|."""

    rounds = False

    __slots__ = ()

    @property
    def sign(self) -> Array:
        """The slope."""
        return np.where(plain(self.operands[0]) < 0, -1.0, 1.0)

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope with the sign of x."""
        return [slope * self.sign]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the moves with the sign of x."""
        assert moves[0] is not None
        return np.asarray(moves[0] * self.sign)

    def difference(self, moves: Moves, many: int) -> Array:
        """Return the same, and what changes where x is on the other side of zero then."""
        move, x = moves[0], plain(self.operands[0])
        assert move is not None
        stays = (x + move < 0) == (x < 0)
        return np.where(stays, move * self.sign, -self.sign * (2 * x + move))

    def kinked(self, moves: Moves) -> bool:
        """Whether a zero moves."""
        return apart_at(np.equal(plain(self.operands[0]), 0), (moves[0], None), self.value)


def switched(here: Array, there: Array, operands: Sequence[Any], moves: Moves, value: Any) -> Array:
    """Return how a choice between two operands changes: the first is taken ``here``, and at the other end ``there``."""
    (x, y), ndim = (np.asarray(plain(x), dtype=float) for x in operands), np.ndim(value)
    dx, dy = (np.zeros(()) if move is None else aligned(move, ndim) for move in moves)
    first = dx + np.where(here, 0.0, np.subtract(x, y))
    second = dy + np.where(here, np.subtract(y, x), 0.0)
    return spread(np.where(there, first, second), np.shape(value))


def apart_at(tie: Any, moves: Moves, value: Any) -> bool:
    """Whether two operands move apart where they are equal."""
    if not np.any(tie):
        return False
    x, y = (np.zeros(()) if move is None else aligned(move, np.ndim(value)) for move in moves)
    return bool(np.any(tie & (np.abs(x - y) > EQUAL_OPERANDS * np.maximum(np.abs(x), np.abs(y)))))
