"""Bundles of directions in one block: as members of a run, and how noisy the slopes along them are."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.difference.forms import Form
from fastcheck.engines.difference.trace import Flags
from fastcheck.engines.slopes import Slopes
from fastcheck.normal import normal_numbers
from fastcheck.norms import norm, root_mean_square
from fastcheck.parameters import Block, Vector

LEAST = 2.0**-53
"""Least noise of a slope, relative to the slopes of the block: half a rounding unit."""

MEASURED = 2
"""Directions of each small block whose rounding noise is measured."""

LARGE = 2**13
"""Entries from which on the rounding noise of an array is measured in a few of its rows."""

MEASURED_ROWS = 4
"""The number of these rows."""

VERIFICATION = 2**32 - 1
"""Second part of the key of random numbers that no block's number is."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """Directions in one block: ``entries`` (k, block.size), or (k, row size) with their ``rows`` (k,) of an axis."""

    block: Block
    entries: NDArray[np.float64]
    rows: NDArray[np.intp] | None = None
    axis: int = 0

    def at(self, which: slice | NDArray[np.intp]) -> Bundle:
        """Return some of the directions."""
        rows = None if self.rows is None else self.rows[which]
        return Bundle(self.block, self.entries[which], rows, self.axis)

    def zero_where(self, flags: Flags) -> Bundle:
        """Return directions that are zero in the entries of the block that are flagged."""
        if self.rows is not None:
            axes = np.moveaxis(flags.reshape(self.block.shape), self.axis, 0)
            flags = axes[self.rows].reshape(self.entries.shape)
        return Bundle(self.block, np.where(flags, 0.0, self.entries), self.rows, self.axis)

    def halves(self) -> tuple[Bundle, Bundle]:
        """Return the directions in two halves."""
        half = len(self.entries) // 2
        return self.at(slice(half)), self.at(slice(half, None))

    def passes(self) -> int:
        """Return the forward passes that the directions are worth at most."""
        return math.ceil(self.entries.size / self.block.size)

    @functools.cached_property
    def lengths(self) -> Vector:
        """The norms of the directions, shape (k,)."""
        return np.array([norm(entry) for entry in self.entries])

    def form(self, step: float, start: int, members: int) -> Form:
        """Return the differences of the block in a run in which these are members from ``start`` on."""
        k, shape = len(self.entries), self.block.shape
        dims, at = shape, {}
        if self.rows is not None and shape[self.axis] > 1:
            dims = (*shape[: self.axis], 1, *shape[self.axis + 1 :])
            at = {self.axis: np.pad(self.rows, (start, members - start - k))}
        data = self.entries.reshape(k, *dims)
        if k < members:
            data, entries = np.zeros((members, *dims)), data
            data[start : start + k] = entries
        # No entry of a direction is longer than the direction.
        peak = abs(step) * float(self.lengths.max(initial=0.0))
        return Form(data, shape, at, coef=np.full((1,) * len(shape), step), peak=peak)


def few(block: Block) -> Bundle:
    """Return a few directions in a block: dense ones, or in a large array in one row each."""
    if block.size <= LARGE or len(block.shape) < 2:
        count, rows = MEASURED, None
    else:
        count = min(MEASURED_ROWS, block.shape[0])
        rows = np.linspace(0, block.shape[0] - 1, count).astype(np.intp)
    width = block.size if rows is None else block.size // block.shape[0]
    numbers = normal_numbers(count * width, block.start, VERIFICATION)
    return Bundle(block, numbers.reshape(count, width), rows)


@dataclass(frozen=True, slots=True)
class SlopeNoise:
    """Rounding noise in one block: per unit of length of the direction, and relative to the slope."""

    per_length: float
    relative: float

    @classmethod
    def of(cls, part: Bundle, slopes: Slopes, beside: Slopes, declared: float) -> SlopeNoise | None:
        """Compare slopes along some directions with those ``beside`` θ; None where all of them meet kinks.

        ``declared`` is the share of J by which runs of the cost may differ.
        """
        ignored = beside.kinked | slopes.kinked | beside.unsupported | slopes.unsupported
        if ignored.all():
            return None
        central, least = slopes.central, LEAST + declared
        typical, length = root_mean_square(central), root_mean_square(part.lengths)
        change = float(np.abs(beside.central - central)[~ignored].max())
        return cls(
            per_length=(change + least * typical) / length if length else 0.0,
            relative=change / typical + least if typical else least,
        )

    def of_slopes(self, lengths: Vector, slopes: Vector) -> Vector:
        """Return the noise of slopes along directions of these lengths."""
        return np.maximum(self.per_length * lengths, self.relative * np.abs(slopes))
