"""The residual g·v − slope of parts of one block: what is measured to locate a mistake.

The block is seen as a matrix: its rows are the indices of one axis, its columns all other axes together. Directions are
a ⊗ b, restricted to some rows, some columns, or some places of one row; ``a`` and ``b`` have random signs and sizes
between ½ and 3/2, so that a wrong coordinate alone is always seen, and errors of equal size do not cancel. Other turns
have other weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.directions import Directional, Directions
from fastcheck.parameters import Block, Vector
from fastcheck.rule import DTYPE_ULPS, SHARP

Places = NDArray[np.intp]
Matrix = NDArray[np.float64]
Judged = tuple[Vector, Vector, NDArray[np.bool_]]
"""Residuals, their bounds, and which directions meet kinks: all (k,)."""

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

    def outside(self, claimed: Vector) -> Vector:
        """Return how far claims lie above the interval, or below it, 0 inside."""
        return np.asarray(claimed - np.clip(claimed, self.lower, self.upper))

    def at(self, rows: NDArray[Any]) -> Slopes:
        """Return those of some coordinates."""
        return Slopes(self.central[rows], self.lower[rows], self.upper[rows], self.bound[rows])

    def put(self, rows: NDArray[np.intp], slopes: Slopes) -> None:
        """Replace those of some coordinates."""
        for name in ("central", "lower", "upper", "bound"):
            getattr(self, name)[rows] = getattr(slopes, name)


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

    def moved(self, array: NDArray[Any]) -> NDArray[Any]:
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
    ``typical``, the RMS of slopes, which is 0 until it is set. Directions may be restricted to a ``support``
    (block.size,), outside of which they are zero.
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
        self.support: NDArray[np.bool_] | None = None
        self.see(View(block.shape))

    def see(self, view: View) -> None:
        """See the block this way from now on; what is known or left out is forgotten."""
        self.view, self.rows, self.columns = view, view.rows, view.columns
        self.claims: Matrix = view.moved(self.claimed).reshape(view.rows, view.columns)
        self.left_out = np.zeros(self.rows, dtype=bool), np.zeros(self.columns, dtype=bool)
        self.known: dict[int, float] = {}
        self.restrict(self.support)

    def restrict(self, support: NDArray[np.bool_] | None) -> None:
        """Let directions be zero outside of this part of the block, None for all of it."""
        self.support, self.sought, self._inside = support, self.claims, None
        if support is not None:
            inside = self.view.moved(support.reshape(self.block.shape)).reshape(self.rows, self.columns)
            self.sought, self._inside = np.where(inside, self.claims, 0.0), inside
        self.sizes = np.einsum("ij,ij->i", self.sought, self.sought)

    def places_in_row(self, row: int) -> Places:
        """Return the places of a row, those in the support if there is one."""
        columns = np.arange(self.columns) if self._inside is None else np.flatnonzero(self._inside[row])
        return np.asarray(row * self.columns + columns)

    def take_out(self, places: Places, errors: Vector) -> None:
        """Take the errors of these coordinates out of what is measured from now on."""
        self.known.update(zip(places.tolist(), errors.tolist(), strict=True))

    def whole(self, turn: int) -> tuple[float, float, bool]:
        """Return the residual of the block, its bound, and whether the direction meets kinks."""
        residual, bound, kinked = self._of_rows([np.arange(self.rows)], turn)
        return float(residual[0]), float(bound[0]), bool(kinked[0])

    def of_rows(self, groups: Sequence[Places], turn: int) -> tuple[Vector, Vector]:
        """Return the residuals of groups of rows, by dense directions."""
        residuals, bounds, _ = self._of_rows(groups, turn)
        return residuals, bounds

    def _of_rows(self, groups: Sequence[Places], turn: int) -> Judged:
        a, b = self.weights(turn)
        others = self.view.others

        def fill(entries: Matrix, group: Places) -> None:
            entries[group] = (a[group, None] * b).reshape(group.size, *others)

        return self._dense(groups, a * self._row_claims(b), fill, self.sizes)

    def of_columns(self, groups: Sequence[Places], turn: int) -> tuple[Vector, Vector]:
        """Return the residuals of groups of columns, by dense directions."""
        a, b = self.weights(turn)
        claims, others = (a @ self.sought) * b, self.view.others
        for i, j, error in self._known_errors():
            claims[j] -= a[i] * b[j] * error

        def fill(entries: Matrix, group: Places) -> None:
            index: list[Any] = [slice(None), *np.unravel_index(group, others)]
            entries[tuple(index)] = a[:, None] * b[group]

        sizes = np.einsum("ij,ij->j", self.sought, self.sought)
        residuals, bounds, _ = self._dense(groups, claims, fill, sizes)
        return residuals, bounds

    def of_each_row(self, rows: Places, turn: int) -> tuple[Vector, Vector]:
        """Return the residual of each of these rows, many in one run."""
        _, b = self.weights(turn)
        claims, found = self._row_claims(b)[rows], []
        for start, part in self._parts(rows, self.columns):
            entries = np.broadcast_to(b, (part.size, b.size))
            if self._inside is not None:
                entries = entries * self._inside[part]
            slopes = self._in_rows(part, entries)
            found.append(self._judged(slopes, claims[start : start + part.size], self.sizes[part]))
        residuals, bounds, _ = _joined(found)
        return residuals, bounds

    def inside_rows(self, groups: Sequence[Places], turn: int) -> tuple[Vector, Vector]:
        """Return the residuals of groups of places, each of which lies in one row, within the support."""
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
        residuals, bounds, _ = _joined(found)
        return residuals, bounds

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
        claims = np.asarray(self.sought @ b)
        for i, j, error in self._known_errors():
            claims[i] -= b[j] * error
        return claims

    def _known_errors(self) -> Iterator[tuple[int, int, float]]:
        """Yield row, column and error of what is known, in the support if there is one."""
        for place, error in self.known.items():
            i, j = divmod(place, self.columns)
            if self._inside is None or self._inside[i, j]:
                yield i, j, error

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
    ) -> Judged:
        found = []
        for start, part in self._parts(np.arange(len(groups)), self.block.size):
            some = groups[start : start + part.size]
            entries = np.zeros((part.size, *self.block.shape))
            for own, group in zip(entries, some, strict=True):
                fill(self.view.moved(own), group)
            if self.support is not None:
                entries *= self.support.reshape(self.block.shape)
            slopes = self.directions.along(self.block, entries.reshape(part.size, -1))
            del entries
            sums = np.array([claims[group].sum() for group in some])
            found.append(self._judged(slopes, sums, np.array([sizes[group].sum() for group in some])))
        return _joined(found)

    def _judged(self, slopes: Directional, claims: Vector, sizes: Vector) -> Judged:
        """Return residuals, bounds, and which meet kinks; there the bound covers what lies between both sides."""
        between = np.where(slopes.kinked, np.abs(slopes.right - slopes.left) / 2, 0.0)
        tolerated = self.share * SHARP * self.typical / 8  # weights of coordinates are at least a quarter
        rounding = HEAVIEST * ROUNDING * self.unit * np.sqrt(sizes)
        bound = slopes.bound + between + tolerated + rounding
        return claims - (slopes.right + slopes.left) / 2, bound, slopes.kinked

    def _parts(self, items: Places, entries: int) -> list[tuple[int, Places]]:
        """Return the items in parts whose directions, of so many entries each, fit in memory; and where they start."""
        size = max(1, min(ROWS_AT_ONCE, self.entries_at_once // entries))
        return [(start, items[start : start + size]) for start in range(0, items.size, size)]


def _joined(found: Sequence[Judged]) -> Judged:
    residuals, bounds, kinked = zip(*found, strict=True)
    return np.concatenate(residuals), np.concatenate(bounds), np.concatenate(kinked)
