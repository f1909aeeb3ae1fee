"""The residual g·v − slope of parts of one block: what is measured to locate a mistake.

The block is seen as a matrix: its rows are the indices of the first axis, its columns all other axes together.
Directions are a ⊗ b, restricted to some rows, some columns, or some places of one row; ``a`` and ``b`` have random
signs and sizes between ½ and 3/2, so that a wrong coordinate alone is always seen, and errors of equal size do not
cancel. Other turns have other weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound, Slopes
from fastcheck.engines.plain.directions import Directions, OneSidedSlopes
from fastcheck.plan.tolerances import SHARP, tolerance_in
from fastcheck.problem.parameters import Block, Vector

Places = NDArray[np.intp]
Matrix = NDArray[np.float64]

ROUNDING_UNITS = 8.0
"""Rounding error of a claim, in rounding units of its dtype, relative to its size."""

LIGHTEST, HEAVIEST = 0.5**2, 1.5**2
"""Smallest and largest weight of a coordinate."""


def rows_and_columns(block: Block) -> tuple[int, int]:
    """Return the numbers of rows and columns of a block as a matrix."""
    rows = block.shape[0] if block.shape else 1
    return rows, block.size // rows


class Parts:
    """The residuals of parts of one block, less the errors that are known, outside of what has been described already.

    Each measurement returns residuals and their bounds, both (k,): a residual beyond its bound means that something is
    wrong by more than the tolerance and rounding allow. The tolerance is that of the claim's dtype, relative to
    ``typical``, the RMS of slopes, which is 0 until it is set. Directions may be restricted to a ``support``
    (block.size,), outside of which they are zero.
    """

    def __init__(
        self, claimed: NDArray[Any], block: Block, directions: Directions, *, tolerance: float, seed: int
    ) -> None:
        self.block, self.directions, self.seed = block, directions, seed
        self.unit = float(np.finfo(claimed.dtype).eps)
        self.share = tolerance_in(claimed.dtype, tolerance)
        self.typical = 0.0
        self.rows, self.columns = rows_and_columns(block)
        self.claims: Matrix = np.asarray(claimed, dtype=np.float64).reshape(self.rows, self.columns)
        self.left_out = np.zeros(self.rows, dtype=bool), np.zeros(self.columns, dtype=bool)
        self.known: dict[int, float] = {}
        self.restrict(None)

    def restrict(self, support: NDArray[np.bool_] | None) -> None:
        """Let directions be zero outside of this part of the block, None for all of it."""
        self.sought, self.support = self.claims, None
        if support is not None:
            self.support = support.reshape(self.claims.shape)
            self.sought = np.where(self.support, self.claims, 0.0)

    def places_in_row(self, row: int) -> Places:
        """Return the places of a row, those in the support if there is one."""
        columns = np.arange(self.columns) if self.support is None else np.flatnonzero(self.support[row])
        return np.asarray(row * self.columns + columns)

    def take_out(self, places: Places, errors: Vector) -> None:
        """Take the errors of these coordinates out of what is measured from now on."""
        self.known.update(zip(places.tolist(), errors.tolist(), strict=True))

    def whole(self, turn: int) -> tuple[float, float, bool]:
        """Return the residual of the block, its bound, and whether the direction meets kinks."""
        a, b = self.weights(turn)
        entries = np.outer(a, b)
        if self.support is not None:
            entries *= self.support
        slopes = self.directions.along(self.block, entries)
        residual, bound = self._residual(
            slopes, float(a @ self._row_claims(b)), float(np.sum(self.sought**2))
        )
        return residual, bound, slopes.kinked

    def of_rows(self, groups: Sequence[Places], turn: int) -> tuple[Vector, Vector]:
        """Return the residuals of groups of rows."""
        a, b = self.weights(turn)

        def fill(entries: Matrix, group: Places) -> None:
            entries[group] = a[group, None] * b

        return self._of_lines(groups, a * self._row_claims(b), np.sum(self.sought**2, axis=1), fill)

    def of_columns(self, groups: Sequence[Places], turn: int) -> tuple[Vector, Vector]:
        """Return the residuals of groups of columns."""
        a, b = self.weights(turn)
        claims = (a @ self.sought) * b
        for i, j, error in self._known_errors():
            claims[j] -= a[i] * b[j] * error

        def fill(entries: Matrix, group: Places) -> None:
            entries[:, group] = a[:, None] * b[group]

        return self._of_lines(groups, claims, np.sum(self.sought**2, axis=0), fill)

    def inside_rows(self, groups: Sequence[Places], turn: int) -> tuple[Vector, Vector]:
        """Return the residuals of groups of places, each of which lies in one row, within the support."""
        _, b = self.weights(turn)
        pairs = []
        self.directions.expect(
            len(groups), lambda: ((b[group % self.columns], group) for group in groups), self.block
        )
        for group in groups:
            row, inside = group[0] // self.columns, group % self.columns
            claims = self.claims[row, inside]
            claimed = float(claims @ b[inside]) - self._known_in(group, b)
            slopes = self.directions.along(self.block, b[inside], group)
            pairs.append(self._residual(slopes, claimed, float(claims @ claims)))
        return _columns(pairs)

    def one_by_one(self, places: Places) -> Slopes:
        """Return the slopes of single coordinates."""
        length = np.ones(1)
        self.directions.expect(
            places.size, lambda: ((length, places[k : k + 1]) for k in range(places.size)), self.block
        )
        measured = [self.directions.along(self.block, length, places[k : k + 1]) for k in range(places.size)]
        sides = np.array([sorted((slopes.left, slopes.right)) for slopes in measured])
        return Slopes(
            central=np.array([slopes.central for slopes in measured]),
            known_to=Bound(0.0, np.array([slopes.bound for slopes in measured])),
            interval=(sides[:, 0], sides[:, 1]),
            subtracted=True,
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
            if self.support is None or self.support[i, j]:
                yield i, j, error

    def _known_in(self, group: Places, b: Vector) -> float:
        """Return what the known errors add to the claim along the columns' weights, in a group of one row."""
        inside = [place for place in self.known if group[0] <= place <= group[-1] and place in group]
        return sum(self.known[place] * float(b[place % self.columns]) for place in inside)

    def _of_lines(
        self,
        groups: Sequence[Places],
        claims: Vector,
        squares: Vector,
        fill: Callable[[Matrix, Places], None],
    ) -> tuple[Vector, Vector]:
        """Return the residuals of groups of lines; ``claims`` and ``squares`` of claims are those of each line."""

        def entries_of(group: Places) -> Matrix:
            entries = np.zeros((self.rows, self.columns))
            fill(entries, group)
            return entries if self.support is None else entries * self.support

        pairs = []
        self.directions.expect(
            len(groups), lambda: ((entries_of(group), None) for group in groups), self.block
        )
        for group in groups:
            slopes = self.directions.along(self.block, entries_of(group))
            pairs.append(self._residual(slopes, float(claims[group].sum()), float(squares[group].sum())))
        return _columns(pairs)

    def _residual(self, slopes: OneSidedSlopes, claimed: float, square: float) -> tuple[float, float]:
        """Return a residual and its bound; at kinks that covers what lies between both sides."""
        between = abs(slopes.right - slopes.left) / 2
        tolerated = self.share * SHARP * self.typical * LIGHTEST / 2
        rounding = HEAVIEST * ROUNDING_UNITS * self.unit * np.sqrt(square)
        return claimed - slopes.central, slopes.bound + between + tolerated + rounding


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[Vector, Vector]:
    """Return residuals and bounds as arrays."""
    return np.array([residual for residual, _ in pairs]), np.array([bound for _, bound in pairs])
