"""A recorded operation, and what J makes of its operands, given what J makes of its result."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastcheck.norms import largest

Array = NDArray[Any]


Moves = Sequence[Array | None]
"""Changes of the operands of a node, several at once: shapes (many, \\*shape of the operand), None for no change."""


SAME_TO_FIRST_ORDER = 2.0**-34
"""Differences over a tiny step are linear to this, relative: 6e-11."""


class Node:
    """One operation of the cost: its operands (nodes or constants), its value, and whether parameters reach it.

    ``live`` nodes have slopes. The value of one that ``moves`` changes with the parameters, though it may be a mask,
    which has no slope. ``backward`` tells what J makes of a small change of each operand, ``slope`` being what J makes
    of one of the result; ``tangent`` and ``difference`` tell how the result changes with the operands.
    """

    live: bool
    moves: bool

    of_products: ClassVar[bool] = False
    """Whether it is a sum of products of entries of its operands."""

    rounds: ClassVar[bool] = True
    """Whether it computes results that are rounded: what moves or selects entries does not."""

    has_kinks: ClassVar[bool] = False
    """Whether nodes of its class may have kinks: they tell by ``kinked``."""

    has_difference: ClassVar[bool] = False
    """Whether nodes of its class have a ``difference`` besides ``tangent``."""

    __slots__ = ("live", "moves", "number", "operands", "value")

    def __init_subclass__(cls) -> None:
        cls.has_kinks = cls.kinked is not Node.kinked
        cls.has_difference = cls.difference is not Node.difference

    def __init__(self, value: Any, operands: Sequence[Any]) -> None:
        self.value = value
        self.operands = tuple(operands)
        self.live = self.moves = False
        for x in self.operands:
            if isinstance(x, Node):
                self.live = self.live or x.live
                self.moves = self.moves or x.moves
        self.number = -1

    def backward(self, slope: Array) -> list[Array | None]:
        """Return what J makes of each operand, in its shape or one that it was broadcast to; None for nothing."""
        raise NotImplementedError

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return ``many`` changes of the result to first order, by the slopes that ``backward`` uses."""
        raise NotImplementedError

    def difference(self, moves: Moves, many: int) -> Array:
        """Return ``many`` exact changes of the result, however large the moves: no use of slopes, no cancellation."""
        return self.tangent(moves, many)

    def linear(self, moves: Moves) -> bool:
        """Whether both rules are one for these moves."""
        return not self.has_difference

    def disagreement(self, moves: Moves, tangent: Array) -> float:
        """Return how far exact differences over tiny moves are from the change to first order: the worst entry.

        Up to `SAME_TO_FIRST_ORDER` a bound on that may be returned.
        """
        if self.linear(moves):
            return 0.0
        exact = self.difference(moves, len(tangent))
        worst = apart_at_most(exact, tangent)
        if worst <= SAME_TO_FIRST_ORDER:
            return worst
        size = np.abs(tangent)
        worst = apart(exact, tangent, size)
        if worst > SAME_TO_FIRST_ORDER and self.of_products:
            size = self.magnitude(moves)
            worst = apart(exact, tangent, size)
        if worst > SAME_TO_FIRST_ORDER:
            worst = apart(self.to_first_order(exact, moves, size), tangent, size)
        return worst

    def to_first_order(self, exact: Array, moves: Moves, size: Array) -> Array:
        """Return differences without what vanishes faster than the moves, where nothing changes to first order."""
        finer = 4 * self.difference([None if move is None else move / 4 for move in moves], len(exact))
        return np.where((size == 0) & (np.abs(finer) < 0.75 * np.abs(exact)), 0.0, exact)

    def magnitude(self, moves: Moves) -> Array:
        """Return the sum of the sizes of the products of which a change is the sum: they may cancel."""
        node = copy.copy(self)
        node.operands = tuple(np.abs(plain(x)) for x in self.operands)
        sizes = [None if move is None else np.abs(move) for move in moves]
        return node.tangent(sizes, next(len(size) for size in sizes if size is not None))

    @property
    def left_of_one(self) -> Array | None:
        """What is left of 1 where the result saturates, of which backward passes form its slope; None if none do."""
        return None

    def kinked(self, moves: Moves) -> bool:
        """Whether the result has two slopes along any of these moves, taken to be tiny."""
        return False

    def wants(self, k: int) -> bool:
        """Whether the slopes of operand ``k`` are asked for."""
        operand = self.operands[k]
        return isinstance(operand, Node) and operand.live


class Leaf(Node):
    """A block of the parameters."""

    __slots__ = ()

    def __init__(self, value: Array) -> None:
        super().__init__(value, ())
        self.live = self.moves = True


def plain(x: Any) -> Any:
    """Return an operand's value."""
    return x.value if isinstance(x, Node) else x


def aligned(move: Array, ndim: int) -> Array:
    """Return moves of an operand with axes of length 1 put in, so that they broadcast with entries of ``ndim`` axes."""
    missing = ndim + 1 - move.ndim
    return move.reshape(move.shape[0], *(1,) * missing, *move.shape[1:]) if missing > 0 else move


def spread(move: Array, shape: tuple[int, ...]) -> Array:
    """Return moves in the full shape of a result."""
    full = (move.shape[0], *shape)
    return move if move.shape == full else np.broadcast_to(aligned(move, len(shape)), full)


def moved(x: Any, move: Array | None, ndim: int) -> Any:
    """Return an operand where it has moved to."""
    return x if move is None else x + aligned(move, ndim)


SMALL_ENTRY = 2.0**-16
"""Differences of smaller entries than this share of the largest are compared with that share."""


def apart(exact: Array, expected: Array, size: Array) -> float:
    """Return the largest difference of entries, relative to their sizes, or a share of the largest of these.

    Entries that are not finite have none: nothing that J depends on makes use of them, or J is not finite, either.
    """
    difference = np.abs(exact - expected)
    most, worst = float(np.max(size, initial=0.0)), float(np.max(difference, initial=0.0))
    if not (math.isfinite(most) and math.isfinite(worst)):
        known = np.isfinite(difference) & np.isfinite(size)
        difference, size = np.where(known, difference, 0.0), np.where(known, size, 0.0)
        most, worst = float(np.max(size, initial=0.0)), float(np.max(difference, initial=0.0))
    if not worst or not most:
        return math.inf if worst else 0.0
    return float(np.max(difference / np.maximum(size, SMALL_ENTRY * most)))


def apart_at_most(exact: Array, expected: Array) -> float:
    """Return a bound on what `apart` returns of any sizes that are not below those of ``expected``.

    It is that of entries as small as any that are compared with their own size, and takes a third of the time. NaN
    where an entry is not finite.
    """
    worst, size = largest(exact - expected), largest(expected)
    if not worst < math.inf or not size < math.inf:
        return math.nan
    if not worst or not size:
        return math.inf if worst else 0.0
    return worst / (SMALL_ENTRY * size)


def summed_to(slope: Array, shape: tuple[int, ...]) -> Array:
    """Return slopes of an operand of this shape, given those of the array that it was broadcast to."""
    if slope.shape == shape:
        return slope
    lead = slope.ndim - len(shape)
    if lead > 0:
        slope = slope.sum(axis=tuple(range(lead)))
    stretched = tuple(k for k, n in enumerate(shape) if n == 1 and slope.shape[k] != 1)
    if stretched:
        slope = slope.sum(axis=stretched, keepdims=True)
    return slope if slope.shape == shape else np.broadcast_to(slope, shape)


class SlopeSums:
    """What J makes of every node and buffer, filled from the last node to the first."""

    def __init__(self, size: int) -> None:
        self._of: list[Array | None] = [None] * size
        self._own = [False] * size
        self.buffers: dict[int, Array] = {}

    def take(self, node: Node) -> Array | None:
        """Return the slopes of a node, which nothing is added to any more."""
        slope, self._of[node.number] = self._of[node.number], None
        return slope

    def add(self, node: Node, slope: Array) -> None:
        """Add what an operation makes of its operand."""
        slope = summed_to(slope, np.shape(node.value))
        k, old = node.number, self._of[node.number]
        if old is None:
            self._of[k], self._own[k] = slope, False
        elif self._own[k]:
            old += slope
        else:
            self._of[k], self._own[k] = np.add(old, slope), slope.ndim > 0

    def own(self, node: Node) -> Array:
        """Return an array of the slopes of a node that may be added to in place."""
        k, old = node.number, self._of[node.number]
        if old is None or not self._own[k]:
            new = np.zeros(np.shape(node.value)) if old is None else np.array(old, dtype=float)
            self._of[k], self._own[k] = new, True
            return new
        return old
