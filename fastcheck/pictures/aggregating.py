"""From the coordinates of a block to the numbers of its pictures, in one run over them, piece by piece.

The smallest example that needs all of it is a sample of a block of three axes with a claim at a kink: its cells are
those of a matrix, most of them were not looked at, and the error at the kink is that to the nearest right slope.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Slopes
from fastcheck.norms import PIECE_SIZE
from fastcheck.pictures.block_errors import (
    MOST_ALONG,
    MOST_CELLS,
    MOST_PAIRS,
    NOT_LOOKED_AT,
    RIGHT,
    WRONG,
    BlockErrors,
    ErrorMap,
    Pairs,
)
from fastcheck.pictures.comparing import OF_STANDING, POWERS, ComparedPiece, comparison_for
from fastcheck.plan.coordinates import Coordinates, Part, spread_rows
from fastcheck.problem.parameters import Vector
from fastcheck.verdict.rule import Rule

MOST_LARGEST = MOST_PAIRS // 2
"""Pairs with the largest errors, at most; as many others are spread evenly."""

FEW_COLUMNS = 64
"""Columns of a matrix below which its transpose is copied to find the largest entry of each."""

NONE = np.float32(-1)
"""Below all errors, where nothing was looked at."""


Claims = Callable[[slice | Coordinates], Vector]
"""What returns the claims of some rows."""


class Judged(NamedTuple):
    """What the verdict says of a part: whether all are right, and the places of the worst that the report names."""

    part: Part
    rule: Rule
    all_right: bool
    worst: tuple[int, ...]


class Piece(NamedTuple):
    """A rectangle of a block that lies side by side in memory: full rows, or a part of one."""

    row: int
    rows: int
    column: int
    columns: int
    places: slice


def aggregate(judged: Judged, claimed: Claims, slopes: Slopes) -> BlockErrors:
    """Return the errors of the coordinates of a part; no vector of its size is made."""
    part, rule = judged.part, judged.rule
    compare = comparison_for(slopes, rule, all_right=judged.all_right)
    total = _Total(part)
    with np.errstate(all="ignore"):
        if part.places is None:
            for piece in _pieces_of(total.shape):
                total.add_whole(piece, compare(claimed(piece.places), slopes, piece.places, rule))
        else:
            for piece in _pieces_of((1, part.size)):
                total.add_sample(piece.places, compare(claimed(piece.places), slopes, piece.places, rule))
        return total.errors(judged, claimed, slopes)


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the shape of a block as a matrix: one axis is a row, the first of several goes downwards."""
    if len(shape) < 2:
        return 1, math.prod(shape)
    return shape[0], math.prod(shape[1:])


def edges(length: int, most: int) -> NDArray[np.intp]:
    """Return where pieces of ``length`` begin, and the end: ``most`` of about the same size, or one for each."""
    count = min(length, most)
    return np.arange(count + 1, dtype=np.intp) * length // max(1, count)


def _pieces_of(shape: tuple[int, int]) -> Iterator[Piece]:
    """Yield rectangles that cover a matrix in the order of its memory."""
    height, width = shape
    if width <= PIECE_SIZE:
        step = max(1, PIECE_SIZE // max(1, width))
        for row in range(0, height, step):
            rows = min(step, height - row)
            yield Piece(row, rows, 0, width, slice(row * width, (row + rows) * width))
        return
    for row in range(height):
        for column in range(0, width, PIECE_SIZE):
            columns = min(PIECE_SIZE, width - column)
            start = row * width + column
            yield Piece(row, 1, column, columns, slice(start, start + columns))


class _Total:
    """The cells, the line along θ, the histogram and the pairs so far."""

    def __init__(self, part: Part) -> None:
        self.part, self.shape = part, matrix_shape(part.block.shape)
        self.row_edges, self.column_edges = (edges(length, MOST_CELLS) for length in self.shape)
        self.along_edges = edges(part.block.size, MOST_ALONG)
        cells = self.row_edges.size - 1, self.column_edges.size - 1
        self.relative = np.full(cells, NONE)
        self.standing = np.full(cells, NOT_LOOKED_AT, dtype=np.int8)
        self.along = np.full(self.along_edges.size - 1, NONE)
        self.at_least = np.zeros(POWERS.size, dtype=np.intp)
        self.largest_wrong, self.largest_others = _Largest(MOST_LARGEST), _Largest(MOST_LARGEST)

    def add_whole(self, piece: Piece, compared: ComparedPiece) -> None:
        """Add a rectangle of which all coordinates were compared."""
        self._count(piece.places.start, compared)
        cuts = _Cuts.of(self.along_edges, piece.places.start, piece.places.stop)
        along = np.maximum.reduceat(compared.relative, cuts.starts)
        np.maximum(self.along[cuts.cells], along, out=self.along[cuts.cells])
        down = _Cuts.of(self.row_edges, piece.row, piece.row + piece.rows)
        right = _Cuts.of(self.column_edges, piece.column, piece.column + piece.columns)
        cells = self.relative[down.cells, right.cells]
        np.maximum(cells, _largest_in(compared.relative, piece, down, right), out=cells)
        standing = self.standing[down.cells, right.cells]
        if compared.standings is None:
            np.maximum(standing, RIGHT, out=standing)
        else:
            np.maximum(standing, _largest_in(compared.standings, piece, down, right), out=standing)

    def add_sample(self, rows: slice, compared: ComparedPiece) -> None:
        """Add some coordinates, wherever in the block they are."""
        self._count(rows.start, compared)
        places = self.part.at(rows)
        np.maximum.at(self.along, _cells_of(places, self.along_edges), compared.relative)
        row, column = np.divmod(places, self.shape[1])
        cells = _cells_of(row, self.row_edges), _cells_of(column, self.column_edges)
        np.maximum.at(self.relative, cells, compared.relative)
        standings = RIGHT if compared.standings is None else compared.standings
        np.maximum.at(self.standing, cells, np.int8(standings))

    def _count(self, start: int, compared: ComparedPiece) -> None:
        self.at_least += compared.at_least
        if compared.standings is None or compared.errors is None:
            return
        wrong = compared.standings == WRONG
        self.largest_others.add(start, np.where(wrong, NONE, compared.errors))
        if wrong.any():
            self.largest_wrong.add(start, np.where(wrong, compared.errors, NONE))

    def errors(self, judged: Judged, claimed: Claims, slopes: Slopes) -> BlockErrors:
        """Return what was added up, and the pairs."""
        counts = np.array([self.part.size, *self.at_least, 0])
        cells = ErrorMap(
            row_edges=self.row_edges,
            column_edges=self.column_edges,
            relative=np.where(self.relative == NONE, np.float32(np.nan), self.relative),
            standing=self.standing,
        )
        return BlockErrors(
            start=self.part.block.start,
            cells=cells,
            along_edges=self.along_edges,
            along=np.where(self.along == NONE, np.float32(np.nan), self.along),
            shares=counts[:-1] - counts[1:],
            pairs=self._pairs(judged, claimed, slopes),
        )

    def _pairs(self, judged: Judged, claimed: Claims, slopes: Slopes) -> Pairs:
        """Return the coordinates with the largest errors, wrong ones first, and as many others, evenly spread.

        Where all are right, the largest errors are those that the report names.
        """
        size = self.part.size
        if size <= MOST_PAIRS:
            rows = np.arange(size)
        else:
            worst = self.part.rows(np.array(judged.worst, dtype=np.intp))
            largest = dict.fromkeys([*worst, *self.largest_wrong.rows, *self.largest_others.rows])
            shown = np.array([*largest][:MOST_LARGEST], dtype=np.intp)
            rows = np.union1d(shown, spread_rows(size, MOST_PAIRS - shown.size))
        some, g = slopes.at(rows), claimed(rows)
        standings = OF_STANDING[judged.rule.standings(g, some)]
        return Pairs(self.part.at(rows), g, some.nearest(g), standings)


class _Cuts(NamedTuple):
    """Where a range is cut by edges: the cells that it touches, and where each begins in it."""

    cells: slice
    starts: NDArray[np.intp]

    @classmethod
    def of(cls, edges: NDArray[np.intp], start: int, stop: int) -> _Cuts:
        """Return those of the range from ``start`` to before ``stop``."""
        first = int(np.searchsorted(edges, start, side="right")) - 1
        last = int(np.searchsorted(edges, stop, side="left"))
        return cls(slice(first, last), np.maximum(edges[first:last] - start, 0))


def _largest_in(values: NDArray[np.generic], piece: Piece, down: _Cuts, right: _Cuts) -> NDArray[np.generic]:
    """Return the largest of the values of a rectangle in each of the cells that it touches."""
    rows = values.reshape(piece.rows, piece.columns)
    if piece.rows > down.starts.size:
        ends = [*down.starts[1:], piece.rows]
        rows = np.stack(
            [_largest_of_rows(rows[first:last]) for first, last in zip(down.starts, ends, strict=True)]
        )
    if right.starts.size == piece.columns:
        return rows
    reduced: NDArray[np.generic] = np.maximum.reduceat(rows, right.starts, axis=1)
    return reduced


def _largest_of_rows(rows: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the largest in each column: of few columns NumPy finds it fast where these lie side by side.

    In single precision a maximum over rows of 3 takes 8.5 ns for each entry, and 0.4 ns with the copy; `reduceat` along
    them 13 ns at any width.
    """
    if rows.shape[1] < FEW_COLUMNS:
        largest: NDArray[np.generic] = np.ascontiguousarray(rows.T).max(axis=1)
    else:
        largest = rows.max(axis=0)
    return largest


def _cells_of(places: Coordinates, edges: NDArray[np.intp]) -> Coordinates:
    """Return the cells in which positions lie."""
    return np.searchsorted(edges, places, side="right") - 1


class _Largest:
    """The rows with the largest errors so far."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._rows = np.empty(0, dtype=np.intp)
        self._errors = np.empty(0)
        self._least = float(NONE)

    @property
    def rows(self) -> Coordinates:
        """The rows, that with the largest error first."""
        return self._rows[np.argsort(-self._errors, kind="stable")]

    def add(self, start: int, errors: NDArray[np.floating]) -> None:
        """Add rows from ``start`` on with these errors, `NONE` for those that do not count; any of equal ones stay."""
        larger = np.flatnonzero(errors > self._least)
        if not larger.size:
            return
        self._rows = np.concatenate([self._rows, start + larger])
        self._errors = np.concatenate([self._errors, errors[larger]])
        if self._rows.size > self.most:
            kept = np.argpartition(self._errors, -self.most)[-self.most :]
            self._rows, self._errors = self._rows[kept], self._errors[kept]
            self._least = float(self._errors.min())
