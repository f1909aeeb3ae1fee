"""Nodes that move entries: reshaping, indexing, joining; and memory that is written into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.nodes.node import (
    Array,
    Moves,
    Node,
    SlopeSums,
    aligned,
    plain,
    spread,
    summed_to,
)

Positions = NDArray[np.intp]

RANKS = 64
"""Units in the last place by which entries are moved, at most, to see which of those with one value come first."""

TINIEST = float(np.finfo(float).tiny)


class Reshape(Node):
    """The same entries in the same order (that of C), in another shape."""

    rounds = False

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope in the old shape."""
        return [slope.reshape(np.shape(plain(self.operands[0])))]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the moves in the new shape."""
        move = moves[0]
        assert move is not None
        return move.reshape(many, *np.shape(self.value))


class Transpose(Node):
    """The axes in another order."""

    rounds = False

    __slots__ = ("axes",)

    def __init__(self, value: Any, x: Node, axes: tuple[int, ...]) -> None:
        super().__init__(value, (x,))
        self.axes = axes

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope with the axes back in their order."""
        return [slope.transpose(np.argsort(self.axes))]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the moves with their axes in the new order."""
        move = moves[0]
        assert move is not None
        return move.transpose(0, *(k + 1 for k in self.axes))


class Section(Node):
    """``x[key]`` with integers, slices, None and Ellipsis: no entry twice."""

    rounds = False

    __slots__ = ("key",)

    def __init__(self, value: Any, x: Node, key: Any) -> None:
        super().__init__(value, (x,))
        self.key = key

    def add_to(self, slope: Array, slopes: SlopeSums) -> None:
        """Add the slope where the entries are, without an array of zeros around it."""
        slopes.own(self.operands[0])[self.key] += slope

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the moves of the entries that are taken."""
        move = moves[0]
        assert move is not None
        key = self.key if isinstance(self.key, tuple) else (self.key,)
        return np.asarray(move[(slice(None), *key)])


class Pick(Node):
    """Entries anywhere in x: ``positions`` in its order of C, −1 for entries that are constant."""

    rounds = False

    __slots__ = ("_positions",)

    def __init__(self, value: Any, x: Node, positions: Positions | Callable[[], Positions]) -> None:
        super().__init__(value, (x,))
        self._positions = positions

    @property
    def positions(self) -> Positions:
        """Where in x each entry of the result lies."""
        if callable(self._positions):
            self._positions = np.asarray(self._positions(), dtype=np.intp)
        return self._positions

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slopes of all entries, added up where one was picked more than once."""
        shape = np.shape(plain(self.operands[0]))
        at, weights = np.ravel(self.positions), np.ravel(slope)
        if at.size and at.min() < 0:
            inside = at >= 0
            at, weights = at[inside], weights[inside]
        size = int(np.prod(shape, dtype=np.intp))
        return [np.bincount(at, weights, size).reshape(shape)]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the moves of the entries that are picked."""
        move = moves[0]
        assert move is not None
        at = self.positions
        picked: Array = np.take(move.reshape(many, -1), at, axis=1, mode="clip")
        if at.size and at.min() < 0:
            picked[:, at < 0] = 0.0
        return picked


class Spread(Pick):
    """An array in a shape that it is broadcast to."""

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the sum of the slopes of each entry's copies."""
        return [summed_to(slope, np.shape(plain(self.operands[0])))]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the moves in the larger shape."""
        move = moves[0]
        assert move is not None
        return spread(move, np.shape(self.value))


class Selected(Pick):
    """Entries of x that its values select: the largest along some ``axes``, or those that are sorted along one.

    ``places`` of values are the positions of those that they select, ``name`` is the function that does.
    """

    __slots__ = ("axes", "name", "places")

    def __init__(
        self,
        value: Any,
        x: Node,
        places: Callable[[Array], Positions],
        axes: tuple[int, ...],
        name: str,
    ) -> None:
        super().__init__(value, x, lambda: places(np.asarray(x.value)))
        self.places, self.axes, self.name = places, axes, name

    @property
    def sorts(self) -> bool:
        """Whether all entries are selected, in an order."""
        return self.name in ("sort", "partition")

    def has_equal(self) -> bool:
        """Whether some entries that are equal could be selected for each other."""
        x = np.asarray(plain(self.operands[0]))
        if self.sorts:
            return bool((np.diff(np.sort(x, axis=self.axes[0]), axis=self.axes[0]) == 0).any())
        lengths = [1 if k in self.axes else n for k, n in enumerate(x.shape)]
        return bool(((x == np.reshape(self.value, lengths)).sum(axis=self.axes) > 1).any())

    def difference(self, moves: Moves, many: int) -> Array:
        """Return how the selected entries change: at their new values, others may be selected."""
        move = moves[0]
        assert move is not None
        x, here = np.asarray(plain(self.operands[0]), dtype=float), self.positions
        result, equal = np.empty((many, *np.shape(self.value))), self.has_equal()
        for k in range(many):
            end = x + move[k]
            there = self.places(self._untied(end, move[k]) if equal else end)
            result[k] = np.where(
                there == here,
                np.take(move[k], here),
                np.take(move[k], there) + (np.take(x, there) - np.take(x, here)),
            )
        return result

    def _untied(self, end: Array, move: Array) -> Array:
        """Return numbers of which those are selected that are ahead, and have moved most among equal ones."""
        if self.sorts:
            return _ranked(end, move)
        best, rest = (np.max, -np.inf) if self.name == "max" else (np.min, np.inf)
        return np.where(end == best(end, axis=self.axes, keepdims=True), move, rest)

    def kinked(self, moves: Moves) -> bool:
        """Whether entries of one value, of which one is selected, move apart."""
        move = moves[0]
        assert move is not None
        x = np.asarray(plain(self.operands[0]))
        spacing = np.where(np.isfinite(x), np.spacing(x), 0.0)
        largest = max(float(np.max(np.abs(move), initial=0.0)), TINIEST)
        for d in move:
            ranks = np.round(d / largest * RANKS)
            for nudged in (x + spacing * ranks, x - spacing * ranks):
                there, here = self.places(nudged), self.positions
                if (np.take(ranks, there) != np.take(ranks, here)).any():
                    return True
        return False


def _ranked(values: Array, move: Array) -> Array:
    """Return numbers in the order of values, those of equal ones in the order of their moves."""
    order = np.lexsort((move.ravel(), values.ravel()))
    pairs = np.stack([values.ravel()[order], move.ravel()[order]])
    ranks = np.empty(order.size)
    ranks[order] = np.cumsum(np.concatenate([[False], (pairs[:, 1:] != pairs[:, :-1]).any(axis=0)]))
    return ranks.reshape(values.shape)


class Join(Node):
    """Arrays one after the other along an axis."""

    rounds = False

    __slots__ = ("axis",)

    def __init__(self, value: Any, operands: Sequence[Any], axis: int) -> None:
        super().__init__(value, operands)
        self.axis = axis

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the piece of each."""
        lengths = [np.shape(plain(x))[self.axis] for x in self.operands]
        pieces = np.split(slope, np.cumsum(lengths)[:-1], self.axis)
        return [piece if self.wants(k) else None for k, piece in enumerate(pieces)]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the moves one after the other."""
        pieces = [
            np.zeros((many, *np.shape(plain(x)))) if move is None else move
            for x, move in zip(self.operands, moves, strict=True)
        ]
        return np.concatenate(pieces, self.axis + 1)


class Open(Node):
    """An array's memory becomes a buffer that is written into: from here on its entries are known by position."""

    rounds = False

    __slots__ = ("buffer", "positions")

    def __init__(self, x: Any, buffer: int, positions: Positions) -> None:
        super().__init__(None, (x,))
        self.buffer, self.positions = buffer, positions

    def add_to(self, slopes: SlopeSums) -> None:
        """Hand the slopes of the buffer to the array that it was."""
        flat = slopes.buffers.pop(self.buffer, None)
        if flat is not None and self.wants(0):
            slopes.add(self.operands[0], flat[self.positions])

    def move_to(self, moves: Moves, many: int, buffers: dict[int, Array], size: int) -> None:
        """Hand the moves of the array to the buffer."""
        buffers[self.buffer] = np.zeros((many, size))
        if moves[0] is not None:
            buffers[self.buffer][:, self.positions] = moves[0]


class Write(Node):
    """Entries of a buffer are set to those of the operand, or added to; it has no more axes than ``positions``."""

    rounds = False

    __slots__ = ("adds", "buffer", "positions")

    def __init__(self, x: Any, buffer: int, positions: Positions, adds: bool) -> None:
        super().__init__(None, (x,))
        self.buffer, self.positions, self.adds = buffer, positions, adds

    def add_to(self, slopes: SlopeSums) -> None:
        """Hand the slopes of the entries to the operand; what they were before has none."""
        flat = slopes.buffers.get(self.buffer)
        if flat is None:
            return
        slope = np.array(flat[self.positions])
        if not self.adds:
            flat[self.positions] = 0.0
            slope = self._last_written(slope)
        if self.wants(0):
            slopes.add(self.operands[0], slope)

    def _last_written(self, slope: Array) -> Array:
        """Return the slope of the last of several operands that were written to one place."""
        flat = np.ravel(self.positions)
        low = int(flat.min()) if flat.size else 0
        last = np.zeros(int(flat.max()) - low + 1 if flat.size else 0, dtype=np.intp)
        last[flat - low] = np.arange(flat.size)
        stays = (last[flat - low] == np.arange(flat.size)).reshape(np.shape(slope))
        return np.where(stays, slope, 0.0)

    def move_to(self, moves: Moves, many: int, buffers: dict[int, Array], size: int) -> None:
        """Set the moves of the entries, or add to them."""
        flat, move = buffers.setdefault(self.buffer, np.zeros((many, size))), moves[0]
        if move is not None:
            move = aligned(move, self.positions.ndim)
        if not self.adds:
            flat[:, self.positions] = 0.0 if move is None else move
        elif move is not None:
            for row, part in zip(flat, move, strict=True):
                np.add.at(row, self.positions, part)


class Read(Node):
    """Entries of a buffer as they are now."""

    rounds = False

    __slots__ = ("buffer", "positions")

    def __init__(self, value: Any, buffer: int, positions: Positions, live: bool) -> None:
        super().__init__(value, ())
        self.buffer, self.positions, self.live, self.moves = buffer, positions, live, True

    def add_to(self, slope: Array, slopes: SlopeSums, size: int) -> None:
        """Add the slope to the buffer's."""
        flat = slopes.buffers.setdefault(self.buffer, np.zeros(size))
        at = np.ravel(self.positions)
        if at.size < 2 or (np.diff(at) > 0).all():
            flat[self.positions] += slope
        else:
            np.add.at(flat, self.positions, slope)

    def move_from(self, buffers: dict[int, Array]) -> Array | None:
        """Return the moves of the entries."""
        flat = buffers.get(self.buffer)
        return None if flat is None else np.asarray(flat[:, self.positions])
