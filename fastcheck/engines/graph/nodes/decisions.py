"""Nodes of what has no slope: comparisons, indices, rounded values; and decisions that were made by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.choices import apart_at
from fastcheck.engines.graph.nodes.node import Array, Moves, Node, aligned, plain

RANKING = 64
"""Units in the last place by which operands are moved, at most, to see whether a function jumps at θ."""

COMPARISONS = (np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal)


NOWHERE = object()
"""Stands for the value of a function where it has none."""


class Step(Node):
    """A function without slope: a comparison, a rounded value, an index, anything made of those."""

    rounds = False

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any], value: Any, operands: Sequence[Any]) -> None:
        super().__init__(value, operands)
        self.live = False
        self.function = function

    def difference(self, moves: Moves, many: int) -> Array:
        """Return the difference of its values, as floats: NaN where it has none."""
        here = np.asarray(self.value, dtype=float)
        ends = [
            np.nan if there is NOWHERE else np.asarray(there, float) for there in self.at_ends(moves, many)
        ]
        return np.asarray([there - here for there in ends]).reshape(many, *here.shape)

    def at_ends(self, moves: Moves, many: int) -> list[Any]:
        """Return its values where the operands have moved, `NOWHERE` where it raises."""
        pairs = [(plain(x), move) for x, move in zip(self.operands, moves, strict=True)]
        return [
            self._at([x if move is None else ended(x, move[k]) for x, move in pairs]) for k in range(many)
        ]

    def _at(self, values: list[Any]) -> Any:
        try:
            return self.function(*values)
        except Exception:  # int(NaN), an index that is none: whatever the cost would raise
            return NOWHERE

    def kinked(self, moves: Moves) -> bool:
        """Whether it jumps at θ: takes another value where operands move to either side by a few roundings."""
        if len(moves) == 2 and self.function in COMPARISONS:
            return apart_at(np.equal(*map(plain, self.operands)), moves, self.value)
        nudges = [
            nudged(plain(x), move) if move is not None and isinstance(x, Node) and x.live else None
            for x, move in zip(self.operands, moves, strict=True)
        ]
        many = next((len(nudge) for nudge in nudges if nudge is not None), 0)
        return any(
            self.differs([None if n is None else sign * n for n in nudges], many).any() for sign in (1, -1)
        )

    def differs(self, moves: Moves, many: int) -> Array:
        """Return for which moves its value is another one."""
        ends = self.at_ends(moves, many)
        return np.array([there is NOWHERE or not same(self.value, there) for there in ends], dtype=bool)


class Guard(Step):
    """A value by which the cost decides what to do: a truth value, an index, a number of rounds.

    The smallest case that breaks without it: ``return x if x > 0 else 0.0``, where a change of x may cross zero.
    """

    __slots__ = ()


def same(x: Any, y: Any) -> bool:
    """Whether two results are equal; also tuples of arrays."""
    if isinstance(x, (tuple, list)):
        return len(x) == len(y) and all(map(same, x, y))
    x, y = np.asarray(x), np.asarray(y)
    return x.shape == y.shape and bool(np.array_equal(x, y, equal_nan=x.dtype.kind == "f"))


def ended(x: Any, move: Array) -> Any:
    """Return an operand at its end, in its dtype."""
    dtype = np.asarray(x).dtype
    end = np.asarray(x + move)
    return (end if dtype.kind == "f" else np.rint(end)).astype(dtype)[()]


def nudged(x: Any, move: Array) -> Array:
    """Return moves of some units in the last place, in proportion to their sizes."""
    axes = tuple(range(1, move.ndim))
    largest = np.max(np.abs(move), axis=axes, keepdims=True, initial=0.0)
    ranks = np.round(move / np.where(largest > 0, largest, 1.0) * RANKING)
    spacing = np.where(np.isfinite(x), np.spacing(np.abs(x)), 0.0)
    return np.asarray(ranks * aligned(spacing[None], move.ndim - 1))
