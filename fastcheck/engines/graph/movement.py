"""Nodes that move entries: reshaping, indexing, joining; and memory that is written into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.nodes import Array, Node, Slopes, plain

Positions = NDArray[np.intp]


class Reshape(Node):
    """The same entries in the same order (that of C), in another shape."""

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope in the old shape."""
        return [slope.reshape(np.shape(plain(self.operands[0])))]


class Transpose(Node):
    """The axes in another order."""

    __slots__ = ("axes",)

    def __init__(self, value: Any, x: Node, axes: tuple[int, ...]) -> None:
        super().__init__(value, (x,))
        self.axes = axes

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope with the axes back in their order."""
        return [slope.transpose(np.argsort(self.axes))]


class Section(Node):
    """``x[key]`` with integers, slices, None and Ellipsis: no entry twice."""

    __slots__ = ("key",)

    def __init__(self, value: Any, x: Node, key: Any) -> None:
        super().__init__(value, (x,))
        self.key = key

    def add_to(self, slope: Array, slopes: Slopes) -> None:
        """Add the slope where the entries are, without an array of zeros around it."""
        slopes.own(self.operands[0])[self.key] += slope


class Pick(Node):
    """Entries anywhere in x: ``positions`` in its order of C, −1 for entries that are constant."""

    __slots__ = ("positions",)

    def __init__(self, value: Any, x: Node, positions: Positions | Callable[[], Positions]) -> None:
        super().__init__(value, (x,))
        self.positions = positions

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slopes of all entries, added up where one was picked more than once."""
        positions = self.positions() if callable(self.positions) else self.positions
        shape = np.shape(plain(self.operands[0]))
        at, weights = np.ravel(positions), np.ravel(slope)
        if at.size and at.min() < 0:
            inside = at >= 0
            at, weights = at[inside], weights[inside]
        size = int(np.prod(shape, dtype=np.intp))
        return [np.bincount(at, weights, size).reshape(shape)]


class Join(Node):
    """Arrays one after the other along an axis."""

    __slots__ = ("axis",)

    def __init__(self, value: Any, operands: Sequence[Any], axis: int) -> None:
        super().__init__(value, operands)
        self.axis = axis

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the piece of each."""
        lengths = [np.shape(plain(x))[self.axis] for x in self.operands]
        pieces = np.split(slope, np.cumsum(lengths)[:-1], self.axis)
        return [piece if self.wants(k) else None for k, piece in enumerate(pieces)]


class Open(Node):
    """An array's memory becomes a buffer that is written into: from here on its entries are known by position."""

    __slots__ = ("buffer", "positions")

    def __init__(self, x: Any, buffer: int, positions: Positions) -> None:
        super().__init__(None, (x,))
        self.buffer, self.positions = buffer, positions

    def add_to(self, slopes: Slopes) -> None:
        """Hand the slopes of the buffer to the array that it was."""
        flat = slopes.buffers.pop(self.buffer, None)
        if flat is not None and self.wants(0):
            slopes.add(self.operands[0], flat[self.positions])


class Write(Node):
    """Entries of a buffer are set to those of the operand, or added to."""

    __slots__ = ("adds", "buffer", "positions")

    def __init__(self, x: Any, buffer: int, positions: Positions, adds: bool) -> None:
        super().__init__(None, (x,))
        self.buffer, self.positions, self.adds = buffer, positions, adds

    def add_to(self, slopes: Slopes) -> None:
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


class Read(Node):
    """Entries of a buffer as they are now."""

    __slots__ = ("buffer", "positions")

    def __init__(self, value: Any, buffer: int, positions: Positions, live: bool) -> None:
        super().__init__(value, ())
        self.buffer, self.positions, self.live = buffer, positions, live

    def add_to(self, slope: Array, slopes: Slopes, size: int) -> None:
        """Add the slope to the buffer's."""
        flat = slopes.buffers.setdefault(self.buffer, np.zeros(size))
        at = np.ravel(self.positions)
        if at.size < 2 or (np.diff(at) > 0).all():
            flat[self.positions] += slope
        else:
            np.add.at(flat, self.positions, slope)
