"""The residual g·v − slope of parts of one block: what is measured to locate a mistake.

The block is seen as a matrix: its rows are the indices of one axis, its columns all other axes together. Directions are
a ⊗ b, restricted to some rows, some columns, or some places of one row; ``a`` and ``b`` have random signs and sizes
between ½ and 3/2, so that a wrong coordinate alone is always seen, and errors of equal size do not cancel. Other turns
have other weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.directions import Directional, Directions
from fastcheck.parameters import Block, Vector
from fastcheck.verdict import DTYPE_ULPS, SHARP

Places = NDArray[np.intp]
Matrix = NDArray[np.float64]

ROUNDING = 8.0
"""Rounding error of a claim, in rounding units of its dtype, relative to its size."""

HEAVIEST = 1.5**2
"""Largest weight of a coordinate."""

ROWS_AT_ONCE = 256
"""Rows of one run: more leave the cache."""

COPIES = 12
"""Arrays as large as the directions of a run that may exist at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """Slopes of k single coordinates: the interval in which a claim is right, its bound, and the centre; all (k,)."""

    central: Vector
    lower: Vector
    upper: Vector
    bound: Vector


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A block of any shape as a matrix, its rows the indices of one axis. Places are flat places in the matrix."""

    shape: tuple[int, ...]
    axis: int = 0

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.shape[self.axis] if self.shape else 1

    @property
    def columns(self) -> int:
        """Number of columns."""
        return math.prod(self.others)

    @property
    def others(self) -> tuple[int, ...]:
        """Lengths of the axes that make up the columns."""
        return (*self.shape[: self.axis], *self.shape[self.axis + 1 :])

    def moved(self, array: Matrix) -> Matrix:
        """Return an array of the block's shape with the axis of the rows in front: a view."""
        return np.moveaxis(array, self.axis, 0) if self.shape else array.reshape(1)

    def in_block(self, places: Places) -> Places:
        """Return places of the matrix as flat places of the block."""
        if self.axis == 0:
            return places
        row, column = np.divmod(places, self.columns)
        index = list(np.unravel_index(column, self.others))
        return np.ravel_multi_index((*index[: self.axis], row, *index[self.axis :]), self.shape)

    def in_matrix(self, places: Places) -> Places:
        """Return flat places of the block as places of the matrix."""
        if self.axis == 0:
            return places
        index = list(np.unravel_index(places, self.shape))
        row = index.pop(self.axis)
        return np.asarray(row * self.columns + np.ravel_multi_index(tuple(index), self.others))


class Parts:
    """The residuals of parts of one block, less the errors that are known, outside of what has been described already.

    Each measurement returns residuals and their bounds, both (k,): a residual beyond its bound means that something is
    wrong by more than the tolerance and rounding allow. The tolerance is that of the claim's dtype, relative to
    ``typical``, the RMS of slopes, which is 0 until it is set.
    """

    def __init__(
        self,
        claimed: NDArray[Any],
        block: Block,
        directions: Directions,
        *,
        tolerance: float,
        seed: int,
        max_memory: int,
    ) -> None:
        self.block, self.directions, self.seed = block, directions, seed
        self.claimed = np.asarray(claimed, dtype=np.float64).reshape(block.shape)
        self.unit = float(np.finfo(claimed.dtype).eps)
        self.share = max(tolerance, DTYPE_ULPS * self.unit)
        self.entries_at_once = max(1, max_memory // (8 * COPIES))
        self.typical = 0.0
        self.see(View(block.shape))

    def see(self, view: View) -> None:
        """See the block this way from now on; what is known or left out is forgotten."""
        self.view, self.rows, self.columns = view, view.rows, view.columns
        self.claims: Matrix = view.moved(self.claimed).reshape(view.rows, view.columns)
        self.sizes = np.einsum("ij,ij->i", self.claims, self.claims)
        self.left_out = np.zeros(self.rows, dtype=bool), np.zeros(self.columns, dtype=bool)
        self.known: dict[int, float] = {}

    def take_out(self, places: Places, errors: Vector) -> None:
        """Take the errors of these coordinates out of what is measured from now on."""
        self.known.update(zip(places.tolist(), errors.tolist(), strict=True))

    def whole(self, turn: int) -> tuple[float, float]:
        """Return the residual of the block."""
        residual, bound = self.of_rows([np.arange(self.rows)], turn)
        return float(residual[0]), float(bound[0])

    def of_rows(self, groups: Sequence[Places], turn: int) -> tuple[Vector, Vector]:
        """Return the residuals of groups of rows, by dense directions."""
        a, b = self.weights(turn)
        others = self.view.others

        def fill(entries: Matrix, group: Places) -> None:
            entries[group] = (a[group, None] * b).reshape(group.size, *others)

        return self._dense(groups, a * self._row_claims(b), fill, self.sizes)

    def of_columns(self, groups: Sequence[Places], turn: int) -> tuple[Vector, Vector]:
        """Return the residuals of groups of columns, by dense directions."""
        a, b = self.weights(turn)
        claims, others = (a @ self.claims) * b, self.view.others
        for place, error in self.known.items():
            i, j = divmod(place, self.columns)
            claims[j] -= a[i] * b[j] * error

        def fill(entries: Matrix, group: Places) -> None:
            index: list[Any] = [slice(None), *np.unravel_index(group, others)]
            entries[tuple(index)] = a[:, None] * b[group]

        return self._dense(groups, claims, fill, np.einsum("ij,ij->j", self.claims, self.claims))

    def of_each_row(self, rows: Places, turn: int) -> tuple[Vector, Vector]:
        """Return the residual of each of these rows, many in one run."""
        _, b = self.weights(turn)
        claims, found = self._row_claims(b)[rows], []
        for start, part in self._parts(rows, self.columns):
            slopes = self._in_rows(part, np.broadcast_to(b, (part.size, b.size)))
            found.append(self._judged(slopes, claims[start : start + part.size], self.sizes[part]))
        return _joined(found)

    def inside_rows(self, groups: Sequence[Places], turn: int) -> tuple[Vector, Vector]:
        """Return the residuals of groups of places, each of which lies in one row."""
        _, b = self.weights(turn)
        found = []
        for start, part in self._parts(np.arange(len(groups)), self.columns):
            entries = np.zeros((part.size, self.columns))
            claims, sizes = np.empty(part.size), np.empty(part.size)
            rows = np.empty(part.size, dtype=np.intp)
            for k, group in enumerate(groups[start : start + part.size]):
                rows[k], inside = group[0] // self.columns, group % self.columns
                entries[k, inside] = b[inside]
                own = self.claims[rows[k], inside]
                claims[k], sizes[k] = own @ b[inside] - self._known_in(group, b), own @ own
            found.append(self._judged(self._in_rows(rows, entries), claims, sizes))
        return _joined(found)

    def one_by_one(self, places: Places) -> Slopes:
        """Return the slopes of single coordinates."""
        found = []
        for _, part in self._parts(places, self.columns):
            rows, inside = np.divmod(part, self.columns)
            entries = np.zeros((part.size, self.columns))
            entries[np.arange(part.size), inside] = 1.0
            found.append(self._in_rows(rows, entries))
        right, left, bound, kinked = (
            np.concatenate([getattr(one, name) for one in found])
            for name in ("right", "left", "bound", "kinked")
        )
        central = (right + left) / 2
        return Slopes(
            central=central,
            lower=np.where(kinked, np.minimum(right, left), central),
            upper=np.where(kinked, np.maximum(right, left), central),
            bound=bound,
        )

    def weights(self, turn: int) -> tuple[Vector, Vector]:
        """Return the weights of rows and columns, 0 where they are left out."""
        rng = np.random.default_rng([self.seed, self.block.start, turn])
        x = 2 * rng.random(self.rows + self.columns) - 1
        x += np.copysign(0.5, x)
        x[np.concatenate(self.left_out)] = 0.0
        return x[: self.rows], x[self.rows :]

    def _row_claims(self, b: Vector) -> Vector:
        """Return g·b of each row, less what is known."""
        claims = np.asarray(self.claims @ b)
        for place, error in self.known.items():
            i, j = divmod(place, self.columns)
            claims[i] -= b[j] * error
        return claims

    def _known_in(self, group: Places, b: Vector) -> float:
        """Return what the known errors add to the claim along the columns' weights, in a group of one row."""
        inside = [place for place in self.known if group[0] <= place <= group[-1] and place in group]
        return sum(self.known[place] * float(b[place % self.columns]) for place in inside)

    def _in_rows(self, rows: Places, entries: Matrix) -> Directional:
        if not self.block.shape:
            return self.directions.along(self.block, entries)
        return self.directions.along_rows(self.block, rows, entries, axis=self.view.axis)

    def _dense(
        self,
        groups: Sequence[Places],
        claims: Vector,
        fill: Callable[[Matrix, Places], None],
        sizes: Vector,
    ) -> tuple[Vector, Vector]:
        found = []
        for start, part in self._parts(np.arange(len(groups)), self.block.size):
            some = groups[start : start + part.size]
            entries = np.zeros((part.size, *self.block.shape))
            for own, group in zip(entries, some, strict=True):
                fill(self.view.moved(own), group)
            slopes = self.directions.along(self.block, entries.reshape(part.size, -1))
            del entries
            sums = np.array([claims[group].sum() for group in some])
            found.append(self._judged(slopes, sums, np.array([sizes[group].sum() for group in some])))
        return _joined(found)

    def _judged(self, slopes: Directional, claims: Vector, sizes: Vector) -> tuple[Vector, Vector]:
        """Return residuals and bounds; at a kink the bound covers what lies between both sides."""
        between = np.where(slopes.kinked, np.abs(slopes.right - slopes.left) / 2, 0.0)
        tolerated = self.share * SHARP * self.typical / 8  # weights of coordinates are at least a quarter
        rounding = HEAVIEST * ROUNDING * self.unit * np.sqrt(sizes)
        return claims - (slopes.right + slopes.left) / 2, slopes.bound + between + tolerated + rounding

    def _parts(self, items: Places, entries: int) -> list[tuple[int, Places]]:
        """Return the items in parts whose directions, of so many entries each, fit in memory; and where they start."""
        size = max(1, min(ROWS_AT_ONCE, self.entries_at_once // entries))
        return [(start, items[start : start + size]) for start in range(0, items.size, size)]


def _joined(found: Sequence[tuple[Vector, Vector]]) -> tuple[Vector, Vector]:
    residuals, bounds = zip(*found, strict=True)
    return np.concatenate(residuals), np.concatenate(bounds)
