"""The residual g·v − slope of parts of one block: what is measured to locate a mistake.

The block is seen as a matrix: rows are axis 0, columns all other axes together. Directions are a ⊗ b, restricted to
some rows, some columns, or some places of one row; ``a`` and ``b`` have random signs and sizes between ½ and 3/2, so
that a wrong coordinate alone is always seen, and errors of equal size do not cancel. Other turns have other weights.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.directions import Directional, Directions
from fastcheck.parameters import Block, Vector
from fastcheck.verdict import SHARP

Places = NDArray[np.intp]
Matrix = NDArray[np.float64]

ROUNDING = 8 * 2.0**-52
"""Rounding error of a claim in float64, relative to its size."""

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


class Parts:
    """The residuals of one block, less the errors that are known, outside of what has been described already.

    Each measurement returns residuals and their bounds, both (k,): a residual beyond its bound means that something is
    wrong by more than the tolerance and rounding allow. ``share`` is the relative tolerance of the block, ``unit`` the
    rounding unit of the claim's dtype. The tolerance is relative to ``typical``, the RMS of slopes, 0 until it is set.
    """

    def __init__(
        self,
        claimed: Vector,
        block: Block,
        directions: Directions,
        *,
        share: float,
        unit: float,
        seed: int,
        max_memory: int,
    ) -> None:
        rows = block.shape[0] if block.shape else 1
        self.block, self.directions = block, directions
        self.claims: Matrix = claimed.reshape(rows, -1)
        self.rows, self.columns = self.claims.shape
        self.seed, self.share, self.rounding = seed, share, ROUNDING * unit / 2.0**-52
        self.entries_at_once = max(1, max_memory // (8 * COPIES))
        self.sizes = np.einsum("ij,ij->i", self.claims, self.claims)
        self.typical = 0.0
        self.left_out = np.zeros(self.rows, dtype=bool), np.zeros(self.columns, dtype=bool)
        self.known: dict[int, float] = {}
        self._weights = functools.lru_cache(maxsize=2)(self._draw)

    def whole(self, turn: int) -> tuple[float, float]:
        """Return the residual of the block."""
        residual, bound = self.of_rows([np.arange(self.rows)], turn)
        return float(residual[0]), float(bound[0])

    def of_rows(self, groups: Sequence[Places], turn: int) -> tuple[Vector, Vector]:
        """Return the residuals of groups of rows, by dense directions."""
        a, b = self.weights(turn)
        claims = a * self._row_claims(turn)

        def fill(entries: Matrix, group: Places) -> None:
            entries[group] = a[group, None] * b

        return self._dense(groups, claims, fill, self.sizes)

    def of_columns(self, groups: Sequence[Places], turn: int) -> tuple[Vector, Vector]:
        """Return the residuals of groups of columns, by dense directions."""
        a, b = self.weights(turn)
        claims = (a @ self.claims) * b
        for place, error in self.known.items():
            i, j = divmod(place, self.columns)
            claims[j] -= a[i] * b[j] * error

        def fill(entries: Matrix, group: Places) -> None:
            entries[:, group] = a[:, None] * b[group]

        return self._dense(groups, claims, fill, np.einsum("ij,ij->j", self.claims, self.claims))

    def of_each_row(self, rows: Places, turn: int) -> tuple[Vector, Vector]:
        """Return the residual of each of these rows, many in one run."""
        _, b = self.weights(turn)
        claims = self._row_claims(turn)[rows]
        found = [
            self._judged(
                self.directions.along_rows(self.block, part, np.broadcast_to(b, (part.size, b.size))),
                claims[start : start + part.size],
                self.sizes[part],
            )
            for start, part in self._parts(rows, self.columns)
        ]
        return _joined(found)

    def inside_rows(self, groups: Sequence[Places], turn: int) -> tuple[Vector, Vector]:
        """Return the residuals of groups of coordinates, flat places in the block; each group lies in one row."""
        _, b = self.weights(turn)
        flat = self.claims.reshape(-1)
        found = []
        for start, part in self._parts(np.arange(len(groups)), self.columns):
            entries = np.zeros((part.size, self.columns))
            claims, sizes = np.empty(part.size), np.empty(part.size)
            rows = np.empty(part.size, dtype=np.intp)
            for k, group in enumerate(groups[start : start + part.size]):
                rows[k], inside = group[0] // self.columns, group % self.columns
                entries[k, inside] = b[inside]
                own = flat[group]
                claims[k], sizes[k] = own @ b[inside] - self._known_in(group, b), own @ own
            found.append(self._judged(self.directions.along_rows(self.block, rows, entries), claims, sizes))
        return _joined(found)

    def one_by_one(self, places: Places) -> Slopes:
        """Return the slopes of single coordinates, flat places in the block."""
        found = []
        for _, part in self._parts(places, self.columns):
            rows, inside = np.divmod(part, self.columns)
            entries = np.zeros((part.size, self.columns))
            entries[np.arange(part.size), inside] = 1.0
            found.append(
                self.directions.along_rows(self.block, rows, entries)
                if self.block.shape
                else self.directions.along(self.block, entries)
            )
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
        a, b = self._weights(turn)
        rows, columns = self.left_out
        return np.where(rows, 0.0, a), np.where(columns, 0.0, b)

    def take_out(self, places: Places, errors: Vector) -> None:
        """Take the errors of these coordinates out of what is measured from now on."""
        self.known.update(zip(places.tolist(), errors.tolist(), strict=True))

    def _known_in(self, group: Places, b: Vector) -> float:
        """Return what the known errors add to the claim along the columns' weights, in a group of one row."""
        inside = [place for place in self.known if group[0] <= place <= group[-1] and place in group]
        return sum(self.known[place] * float(b[place % self.columns]) for place in inside)

    def _draw(self, turn: int) -> tuple[Vector, Vector]:
        rng = np.random.default_rng([self.seed, self.block.start, turn])
        x = 2 * rng.random(self.rows + self.columns) - 1
        x += np.copysign(0.5, x)
        return x[: self.rows], x[self.rows :]

    def _row_claims(self, turn: int) -> Vector:
        """Return g·b of each row, less what is known."""
        _, b = self.weights(turn)
        claims = np.asarray(self.claims @ b)
        for place, error in self.known.items():
            i, j = divmod(place, self.columns)
            claims[i] -= b[j] * error
        return claims

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
            entries = np.zeros((part.size, self.rows, self.columns))
            for own, group in zip(entries, some, strict=True):
                fill(own, group)
            slopes = self.directions.along(self.block, entries.reshape(part.size, -1))
            del entries
            sums = np.array([claims[group].sum() for group in some])
            found.append(self._judged(slopes, sums, np.array([sizes[group].sum() for group in some])))
        return _joined(found)

    def _judged(self, slopes: Directional, claims: Vector, sizes: Vector) -> tuple[Vector, Vector]:
        """Return residuals and bounds; at a kink the bound covers what lies between both sides."""
        between = np.where(slopes.kinked, np.abs(slopes.right - slopes.left) / 2, 0.0)
        tolerated = self.share * SHARP * self.typical / 2
        rounding = HEAVIEST * self.rounding * np.sqrt(sizes)
        return claims - (slopes.right + slopes.left) / 2, slopes.bound + between + tolerated + rounding

    def _parts(self, items: Places, entries: int) -> list[tuple[int, Places]]:
        """Return the items in parts whose directions, of so many entries each, fit in memory; and where they start."""
        size = max(1, min(ROWS_AT_ONCE, self.entries_at_once // entries))
        return [(start, items[start : start + size]) for start in range(0, items.size, size)]


def _joined(found: Sequence[tuple[Vector, Vector]]) -> tuple[Vector, Vector]:
    residuals, bounds = zip(*found, strict=True)
    return np.concatenate(residuals), np.concatenate(bounds)
