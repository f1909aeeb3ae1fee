"""A claimed matrix against the true one: entry by entry where these are few, otherwise along random vectors first.

What random vectors do not clear (`sketches`) is compared entry by entry.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.derivatives.matrices import ClaimedMatrix, Matrix, Places
from fastcheck.derivatives.sketches import Sketch, Sketches, sketches_of, sketches_with
from fastcheck.derivatives.truths import UNITS, Known, Truth
from fastcheck.plan.tolerances import SHARP
from fastcheck.problem.parameters import Vector

MOST_LINES = 256
"""Rows or columns up to which all entries are compared."""

MOST_LINES_PLAINLY = 1_000
"""The same where each column takes some evaluations of the function."""

LINES_AT_ONCE = 64
"""Rows or columns that are compared together."""

MOST_WRONG_LINES = 512
"""Rows or columns that are compared entry by entry, once some are known to be wrong."""

DIRECTIONS_PLAINLY, ALPHA_PLAINLY = 10, 1e-3
"""The same where products are known to some ten digits."""

USUAL_TOLERANCE = 1e-7

ROWS_TO_EXPLAIN = 16
"""Rows that look wrong of which it is first measured what rounding explains."""

UNEVEN = 100.0
"""Parameters whose sizes differ by more than this have scales of their own."""

ZERO = 64 * float(np.finfo(float).eps)
"""Claims up to this share of the largest entry are zero where the truth is zero but for rounding."""

MOST_PLACES = 3
"""Undecided entries that are named."""

MOST_KEPT = 100_000
"""Wrong entries that are kept."""

MOST_COLUMNS_SHOWN = 8
"""Rows, or columns, of a symmetric matrix that are compared entry by entry, once rows of it are known to be wrong."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """What is known of a claim.

    ``rows``, ``columns``, ``claimed`` and ``true`` are those of the entries that are wrong, as far as these were
    looked for: ``complete`` tells whether all others are right. ``count`` counts the wrong ones that were found,
    ``checked`` the entries compared, ``undecided`` those that could not be told; a few of these are named. ``forwards``
    and ``backwards`` are products with random vectors, if any were made.
    """

    rows: Places
    columns: Places
    claimed: Vector
    true: Vector
    count: int
    checked: int
    undecided: int
    complete: bool
    undecided_at: tuple[tuple[int, int], ...] = ()
    kinks: int = 0
    accuracy: float = 0.0
    forwards: Sketch | None = None
    backwards: Sketch | None = None
    unproved: float | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether some entry is known to be wrong."""
        return self.count > 0


class RowSizes(NamedTuple):
    """The RMS of the entries of rows, and that of the entries times the sizes of their parameters, if these differ.

    The smallest example in which the first is not enough is f = (1e12 x₀ + x₁, …) at x = (1e-12, 1): beside 1e12 any
    slope along x₁ would be as good as right.
    """

    plain: Vector
    weighted: Vector | None

    def at(self, columns: Places, weights: Vector | None) -> Matrix:
        """Return what entries of some columns are measured by at least, if they are small themselves."""
        if self.weighted is None or weights is None:
            return np.asarray(self.plain[:, None])
        return np.minimum(self.plain[:, None], self.weighted[:, None] / weights[columns])


class _Tally:
    """Entries that were compared, line by line."""

    def __init__(self, truth: Truth, tolerance: float, weights: Vector | None) -> None:
        self.truth, self.tolerance, self.weights = truth, tolerance, weights
        self.share = min(1.0, SHARP * max(1.0, tolerance / USUAL_TOLERANCE)) if truth.exact else 1.0
        self.found: list[tuple[Places, Places, Vector, Vector]] = []
        self.count = self.checked = self.undecided = self.kinks = self.kept = 0
        self.undecided_at: list[tuple[int, int]] = []
        self.accuracy = 0.0
        self.largest = 0.0

    def sizes_of(self, claimed: Matrix, true: Matrix) -> RowSizes:
        """Return the sizes of whole rows."""
        largest = np.maximum(np.abs(claimed), np.abs(true))
        weighted = None if self.weights is None else np.sqrt(np.mean((largest * self.weights) ** 2, axis=1))
        return RowSizes(np.sqrt(np.mean(largest**2, axis=1)), weighted)

    def add(self, rows: Places, columns: Places, claimed: Matrix, true: Known, sizes: RowSizes) -> None:
        """Compare entries of some rows and columns: ``claimed`` is (rows, columns)."""
        self.largest = max(self.largest, float(np.max(np.abs(true.values), initial=0.0)))
        self.checked += claimed.size
        error = np.abs(claimed - true.values)
        size = np.maximum(np.abs(claimed), np.abs(true.values))
        size = np.maximum(size, self.share * sizes.at(columns, self.weights))
        allowed = self.tolerance * size
        rounding = 2 * UNITS * sizes.plain[:, None]
        wrong = ~(error <= allowed + true.bounds + rounding)
        lost = np.zeros_like(wrong)
        if wrong.any():
            explained, lost = self._rounding_explains(rows, columns, wrong, error, size, true.values)
            wrong &= ~(explained | lost)
        size = true.sizes(size)
        unsure = lost | (~wrong & (true.bounds > 10 * self.tolerance * size))
        if true.kinked is not None:
            self.kinks += int(np.count_nonzero(true.kinked))
            unsure &= ~true.kinked.astype(bool)
        known = size > 0
        relative = true.bounds[known] / size[known]
        finite = relative[np.isfinite(relative)]
        self.accuracy = max(self.accuracy, float(np.quantile(finite, 0.99)) if finite.size else 0.0)
        self.undecided += int(np.count_nonzero(unsure))
        places = [(int(rows[i]), int(columns[j])) for i, j in np.argwhere(unsure)[:MOST_PLACES]]
        self.undecided_at = (self.undecided_at + places)[:MOST_PLACES]
        self._keep(rows, columns, wrong, claimed, true.values)

    def _keep(self, rows: Places, columns: Places, wrong: Mask, claimed: Matrix, true: Matrix) -> None:
        at, of = np.nonzero(wrong)
        self.count += at.size
        at, of = at[: MOST_KEPT - self.kept], of[: MOST_KEPT - self.kept]
        self.kept += at.size
        if at.size:
            self.found.append((rows[at], columns[of], claimed[at, of], true[at, of]))

    def _rounding_explains(
        self, rows: Places, columns: Places, wrong: Mask, error: Matrix, size: Matrix, true: Matrix
    ) -> tuple[Mask, Mask]:
        """Tell which entries differ by no more than other roundings of the function change them.

        Of those that this changes by half of their size nothing is known: digits are lost there, and these are the
        second mask. Rows with the smallest errors are looked at first, and others as long as some are explained.
        """
        explained, lost = np.zeros_like(wrong), np.zeros_like(wrong)
        relative = np.where(wrong, error / np.where(size > 0, size, 1.0), np.inf)
        suspects = np.flatnonzero(wrong.any(axis=1))
        suspects = suspects[np.argsort(relative[suspects].min(axis=1), kind="stable")]
        start, many = 0, ROWS_TO_EXPLAIN
        while start < suspects.size:
            some = suspects[start : start + many]
            spread = self.truth.rounding_of_rows(rows[some])
            if spread is None:
                break
            spread = spread[:, columns]
            within = wrong[some] & (error[some] <= self.tolerance * size[some] + spread)
            is_zero = (np.abs(true[some]) <= spread) & (error[some] <= ZERO * self.largest)
            is_known = spread <= size[some] / 2
            explained[some] = (within & is_known) | (wrong[some] & is_zero)
            lost[some] = within & ~is_known & ~is_zero
            if not (explained[some].any() or lost[some].any()):
                break
            start, many = start + many, LINES_AT_ONCE
        return explained, lost

    def compared(self, *, complete: bool) -> Compared:
        """Return what is known."""
        empty = np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0), np.zeros(0)
        parts = list(zip(*self.found, strict=True)) or [(part,) for part in empty]
        rows, columns, claimed, true = (np.concatenate(part) for part in parts)
        return Compared(
            rows=rows,
            columns=columns,
            claimed=claimed,
            true=true,
            count=self.count,
            checked=self.checked,
            undecided=self.undecided,
            undecided_at=tuple(self.undecided_at),
            complete=complete,
            kinks=self.kinks,
            accuracy=self.accuracy,
        )


def compare(
    claim: ClaimedMatrix,
    truth: Truth,
    tolerance: float,
    seed: int,
    most_columns: int | None = None,
    point: Vector | None = None,
) -> Compared:
    """Compare a claimed matrix with the true one, every entry of up to ``most_columns`` of a plain function.

    ``point`` are the parameters, one for each column, if these are parameters.
    """
    rows, columns = claim.shape
    tally = _Tally(truth, tolerance, None if point is None else uneven_sizes(point))
    if truth.exact:
        few = min(rows, columns) <= MOST_LINES
        sketches = sketches_with(claim, truth, seed, tally.weights)
        if few:
            compared = _all_entries(tally, claim, truth, sketches)
            return compared if compared.backwards is not None else _with(compared, sketches)
        return _suspects(tally, claim, truth, sketches)
    if columns <= (MOST_LINES_PLAINLY if most_columns is None else most_columns):
        return _by_columns(tally, claim, truth, np.arange(columns))
    return _plainly_along(tally, claim, truth, seed)


def uneven_sizes(point: Vector) -> Vector | None:
    """Return the sizes of parameters, None if they are much alike; zeros have the size of the others."""
    sizes = np.abs(point)
    positive = sizes[sizes > 0]
    if not positive.size or positive.max() <= UNEVEN * positive.min():
        return None
    return np.where(sizes > 0, sizes, float(np.sqrt(np.mean(point**2))))


def _with(compared: Compared, sketches: Sketches) -> Compared:
    return dataclasses.replace(compared, forwards=sketches.forwards, backwards=sketches.backwards)


def _all_entries(tally: _Tally, claim: ClaimedMatrix, truth: Truth, sketches: Sketches) -> Compared:
    """Compare every entry: by rows, or by columns where there are fewer, or the claim has no rows."""
    rows, columns = claim.shape
    by_rows = rows <= columns and claim.rows(np.arange(1)) is not None
    if not by_rows:
        if columns > MOST_LINES:
            return _suspects(tally, claim, truth, sketches)
        return _by_columns(tally, claim, truth, np.arange(columns))
    _add_rows(tally, claim, truth, np.arange(rows), None)
    return tally.compared(complete=True)


def _by_columns(tally: _Tally, claim: ClaimedMatrix, truth: Truth, columns: Places) -> Compared:
    """Compare every entry of all columns: the RMS of every row is known when all of them are."""
    claimed = claim.columns(columns).T
    known = truth.columns(columns)
    true = known.transposed
    tally.add(np.arange(claim.shape[0]), columns, claimed, true, tally.sizes_of(claimed, true.values))
    compared = tally.compared(complete=True)
    forwards, backwards = sketches_of(claimed, true.values)
    return dataclasses.replace(compared, forwards=forwards, backwards=backwards)


def _add_rows(tally: _Tally, claim: ClaimedMatrix, truth: Truth, rows: Places, most: int | None) -> Places:
    """Compare rows entry by entry, no more than ``most`` once some are wrong; return those that were."""
    columns = np.arange(claim.shape[1])
    done = 0
    for start in range(0, rows.size, LINES_AT_ONCE):
        if most is not None and tally.count and start >= most:
            break
        some = rows[start : start + LINES_AT_ONCE]
        claimed, true = claim.rows(some), truth.rows(some)
        assert claimed is not None
        assert true is not None
        tally.add(some, columns, claimed, true, tally.sizes_of(claimed, true.values))
        done = start + some.size
    return rows[:done]


def _add_columns(
    tally: _Tally, claim: ClaimedMatrix, truth: Truth, columns: Places, sizes: RowSizes, most: int
) -> Places:
    """Compare columns entry by entry, no more than ``most`` once some are wrong; return those that were."""
    rows = np.arange(claim.shape[0])
    done = 0
    for start in range(0, columns.size, LINES_AT_ONCE):
        if tally.count and start >= most:
            break
        some = columns[start : start + LINES_AT_ONCE]
        known = truth.columns(some)
        tally.add(rows, some, claim.columns(some).T, known.transposed, sizes)
        done = start + some.size
    return columns[:done]


def _suspects(tally: _Tally, claim: ClaimedMatrix, truth: Truth, sketches: Sketches) -> Compared:
    """Compare the rows and columns that random vectors do not clear, entry by entry."""
    n_rows, n_columns = claim.shape
    forwards = [sketch for sketch in (sketches.forwards, sketches.weighted) if sketch is not None]
    weighted = None if sketches.weighted is None else sketches.weighted.sizes / math.sqrt(n_columns)
    sizes = RowSizes(sketches.forwards.sizes / math.sqrt(n_columns), weighted)
    strict = tolerance_of_lines(tally)
    bad_rows = _not_cleared(forwards, np.arange(n_rows), strict, n_columns)
    backwards = [] if sketches.backwards is None else [sketches.backwards]
    bad_columns = _not_cleared(backwards, np.arange(n_columns), strict, n_rows)
    rows_can_be_known = bool(backwards)
    complete = True
    by_rows = rows_can_be_known and bad_rows.size <= 4 * max(bad_columns.size, 1)
    if by_rows:
        done = _add_rows(tally, claim, truth, bad_rows, MOST_WRONG_LINES)
        complete &= done.size == bad_rows.size
        without = [_without_errors(sketch, tally, of_rows=False) for sketch in backwards]
        left = _not_cleared(without, bad_columns, strict, n_rows) if complete else bad_columns[:0]
        done = _add_columns(tally, claim, truth, left, sizes, MOST_WRONG_LINES)
        complete &= done.size == left.size
    else:
        columns = bad_columns if rows_can_be_known else np.arange(n_columns if bad_rows.size else 0)
        done = _add_columns(tally, claim, truth, columns, sizes, MOST_WRONG_LINES)
        complete &= done.size == columns.size
        if rows_can_be_known and complete:
            without = [_without_errors(sketch, tally, of_rows=True) for sketch in forwards]
            left = _not_cleared(without, bad_rows, strict, n_columns)
            done = _add_rows(tally, claim, truth, left, MOST_WRONG_LINES)
            complete &= done.size == left.size
    return _with(tally.compared(complete=complete), sketches)


def tolerance_of_lines(tally: _Tally) -> float:
    """Return the error of a line, relative to its RMS, up to which all of its entries are right."""
    return tally.tolerance * tally.share


def _without_errors(sketch: Sketch, tally: _Tally, *, of_rows: bool) -> Sketch:
    """Return a sketch of the claim without the errors that were found."""
    claimed = sketch.claimed.copy()
    for rows, columns, wrong, true in tally.found:
        lines, others = (rows, columns) if of_rows else (columns, rows)
        for k, vector in enumerate(sketch.vectors):
            np.subtract.at(claimed[k], lines, (wrong - true) * vector[others])
    return dataclasses.replace(sketch, claimed=claimed)


def _not_cleared(sketches: Sequence[Sketch], lines: Places, strict: float, size: int) -> Places:
    """Return those of some lines, of this size each, that some sketch does not clear."""
    cleared = np.ones(lines.size, dtype=bool)
    for sketch in sketches:
        limit = strict * sketch.sizes / math.sqrt(size)
        cleared &= (sketch.error_bounds <= limit)[lines]
    return lines[~cleared]


def _plainly_along(tally: _Tally, claim: ClaimedMatrix, truth: Truth, seed: int) -> Compared:
    """Compare products along random directions, and columns where these show a mistake, of a plain function."""
    n_columns = claim.shape[1]
    directions = np.random.default_rng([seed, 12]).standard_normal((DIRECTIONS_PLAINLY, n_columns))
    known = truth.along(directions)
    sketch = Sketch(
        vectors=directions,
        true=known.values,
        bounds=known.bounds,
        claimed=claim.along(directions),
        alpha=ALPHA_PLAINLY,
    )
    sizes, tolerance = sketch.sizes, tally.tolerance
    clearly = sketch.residual > 4 * (known.bounds + tolerance * sizes)
    wrong_rows = np.flatnonzero(clearly.any(axis=0))
    if wrong_rows.size:
        worst = np.argmax(np.where(clearly, sketch.residual / np.maximum(sizes, 1e-300), 0.0), axis=0)
        if truth.symmetric:
            some = wrong_rows[:MOST_COLUMNS_SHOWN]
            if claim.rows(some[:1]) is None:
                _add_columns(tally, claim, truth, some, RowSizes(sizes / math.sqrt(n_columns), None), 1)
            else:
                _add_rows(tally, claim, truth, some, 1)
            if tally.count:
                return dataclasses.replace(tally.compared(complete=False), forwards=sketch)
        tally.count = int(wrong_rows.size)
        compared = dataclasses.replace(tally.compared(complete=False), forwards=sketch)
        return dataclasses.replace(
            compared,
            rows=wrong_rows,
            columns=np.full(wrong_rows.size, -1, np.intp),
            claimed=sketch.claimed[worst[wrong_rows], wrong_rows],
            true=sketch.true[worst[wrong_rows], wrong_rows],
        )
    positive = sketch.claimed.any(axis=0)
    relative = float(np.max(sketch.error_bounds[positive] / sizes[positive], initial=0.0))
    unproved = relative if relative > 10 * tolerance else None
    return dataclasses.replace(
        tally.compared(complete=True), forwards=sketch, accuracy=relative, unproved=unproved
    )
