"""What views of one array share: which of them a write changes."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from fastcheck.engines.graph.nodes.movement import Positions
from fastcheck.engines.graph.nodes.node import Array, Node


class Memory:
    """What views of one array share. Once it is written into, ``buffer`` is its number on the tape.

    The smallest case that breaks without it: ``y = x[1:]; x[2] = w; return np.sum(y)``, y being read after the write.
    """

    __slots__ = ("array", "base", "buffer", "live", "moves", "numbers", "version", "views")

    def __init__(self, array: Array) -> None:
        base = array
        while isinstance(base.base, np.ndarray):
            base = base.base
        self.array, self.base = array, base
        self.version = 0
        self.buffer: int | None = None
        self.live = self.moves = False
        self.numbers: Positions | None = None
        self.views: list[Node] = []

    @property
    def dense(self) -> bool:
        """Whether its entries lie close, whatever the order of its axes: those of NumPy's results do."""
        flags, steps = self.base.flags, sorted(zip(self.base.strides, self.base.shape, strict=True))
        expected, close = self.base.itemsize, True
        for step, length in steps:
            close = close and (step == expected or length == 1)
            expected *= length
        return bool(flags.forc) or close

    def positions(self, array: Array) -> Positions:
        """Return where in the memory, counted in entries, each entry of a view lies."""
        if self.numbers is None:
            self.numbers = np.arange(self.base.size)
        item = self.base.itemsize
        start = array.__array_interface__["data"][0] - self.base.__array_interface__["data"][0]
        strides = [step // item * self.numbers.itemsize for step in array.strides]
        return as_strided(self.numbers[start // item :], array.shape, strides, writeable=False)
