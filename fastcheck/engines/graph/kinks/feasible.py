"""What weights a backward pass may give to the options at kinks: a part of 1 to each, or a vector no longer than 1.

The smallest examples, one for each of the three kinds:

    max(a, b) at a = b      (1, 0), (0, 1) and (½, ½) are weights of the two options, (1, 1) are not: what a mask
                            x == x.max() passes on is the gradient of no function
    ‖(a, b)‖ at a = b = 0   (3/5, 4/5) and (0, 0) are slopes, (1, 1) is longer than 1: a "ball"
    sort(a, b) at a = b     a may come first or second, but not both: the weights of each place, *and* of each
                            option, sum to 1

Options lie one after the other, shape (o,), those of a row together; ``row`` (o,) tells the row of each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.nodes.node import Array

Flags = NDArray[np.bool_]
Numbers = NDArray[np.intp]

MOST_PROJECTIONS = 200
"""Projections to and fro until equal entries that are sorted have weights of which no option has two."""

CHANGE_PROJECTIONS = 50
"""The same for changes of weights, which need not be exact: the weights that they lead to are projected again."""

MOST_SORTED = 2000
"""Options of sorted entries up to which weights between orders are sought."""

POSITIVE = 1e-9
"""Weights above this may become smaller."""

SAME_WEIGHTS = 1e-15
"""Weights that change by less in a projection are the nearest ones."""

NO_COLUMN = -1
"""The column of options that are not those of sorted entries."""

INSIDE_OF_BALL = 0.7
"""Length of random weights in a ball."""


class FeasibleWeights:
    """The set of weights: rows that sum to 1 and have no negative one, or, where ``ball``, of a norm of 1 at most.

    Options with one ``column``, if it is not `NO_COLUMN`, sum to 1 as well: those that ``is_sorted`` flags, each of
    which gets one place.
    """

    def __init__(self, row: Numbers, ball: Flags, column: Numbers | None = None) -> None:
        self.row = row
        self.ball = ball
        self.column = np.full(row.size, NO_COLUMN) if column is None else column
        self.rows = ball.size
        self.starts = np.searchsorted(row, np.arange(self.rows))
        self.lengths = np.diff([*self.starts.tolist(), row.size])
        self.rank = np.arange(row.size) - self.starts[row]
        self._in_ball = ball[row]
        self.is_sorted = self.column != NO_COLUMN
        self._sorted_options = np.flatnonzero(self.is_sorted)
        column_of_row = self.column[self.starts]
        self._turn = np.where(column_of_row == NO_COLUMN, 0, _earlier_ones(column_of_row))

    def sums(self, values: Array) -> Array:
        """Return the sum over each row, shape (rows,)."""
        return np.bincount(self.row, values, self.rows)

    def split(self) -> Array:
        """Return equal weights in each row; 0 in balls."""
        return np.where(self._in_ball, 0.0, 1.0 / self.lengths[self.row])

    def first(self) -> Array:
        """Return all weight on the first option, or those of equal entries that stay in their order."""
        return np.where(self._in_ball, 0.0, self.rank == self._turn[self.row])

    def last(self) -> Array:
        """Return all weight on the last option, or those of equal entries in the opposite order."""
        last_rank = self.lengths - 1 - self._turn
        return np.where(self._in_ball, 0.0, self.rank == last_rank[self.row])

    def random(self, rng: np.random.Generator) -> Array:
        """Return weights inside the set."""
        normal = rng.standard_normal(self.row.size)
        exponential = rng.standard_exponential(self.row.size)
        parts = np.where(self._in_ball, normal, exponential)
        size = np.where(self.ball, np.sqrt(self.sums(parts * parts)) / INSIDE_OF_BALL, self.sums(parts))
        weights = np.asarray(parts / size[self.row])
        if not self._sorted_options.size:
            return weights
        shares = rng.dirichlet((1.0, 1.0, 1.0))
        mixed = shares[0] * self.first() + shares[1] * self.last() + shares[2] * self.split()
        return np.where(self.is_sorted, mixed, weights)

    def best(self, slopes: Array, moves: Array) -> Array:
        """Return the weights that make most of moves (o,), what J makes of each row being ``slopes`` (rows,).

        All weight goes to the option that moves most, or least; equal entries that are sorted are put in one order.
        """
        signed = np.where(slopes[self.row] >= 0, moves, -moves)
        largest = np.lexsort((-signed, self.row))[self.starts]
        weights = np.zeros(self.row.size)
        weights[largest] = 1.0
        if self._sorted_options.size:
            rank_of_row = _smaller_ones(self.column[self.starts], slopes)
            rank_of_option = _smaller_ones(self.row, moves)
            weights = np.where(self.is_sorted, rank_of_option == rank_of_row[self.row], weights)
        if self.ball.any():
            length = np.sqrt(self.sums(moves * moves))
            weights = np.where(self._in_ball, signed / np.where(length > 0, length, 1.0)[self.row], weights)
        return np.asarray(weights, dtype=float)

    @property
    def too_many_sorted(self) -> bool:
        """Whether so many equal entries are sorted that weights nearest to others are too dear."""
        return self._sorted_options.size > MOST_SORTED

    def project(self, weights: Array) -> Array:
        """Return the nearest weights of the set."""
        if not self._sorted_options.size:
            return self._with_right_rows(weights)
        nearest, correction = weights, np.zeros_like(weights)
        for _ in range(MOST_PROJECTIONS):  # Dykstra's: the sums of columns are affine and need no correction
            before = nearest
            by_rows = self._with_right_rows(nearest + correction)
            correction = nearest + correction - by_rows
            nearest = self._with_right_columns(by_rows)
            if np.max(np.abs(nearest - before), initial=0.0) < SAME_WEIGHTS:
                break
        return np.clip(nearest, 0.0, None)

    def _with_right_rows(self, weights: Array) -> Array:
        """Return the nearest weights with right rows.

        Source: J. Duchi and others, Efficient projections onto the l1-ball for learning in high dimensions, ICML 2008,
        figure 1: of each row as many of the largest weights count as stay positive when all sink to one level.
        """
        order = np.lexsort((-weights, self.row))
        values = weights[order]
        total = np.cumsum(values)
        total_before_row = np.concatenate([[0.0], total])[self.starts][self.row]
        stays = np.zeros(order.size, dtype=bool)
        stays[order] = values * (self.rank + 1) > total - total_before_row - 1
        count = np.maximum(self.sums(stays), 1)
        level = (self.sums(np.where(stays, weights, 0.0)) - 1) / count
        parts = np.maximum(np.where(stays, weights - level[self.row], 0.0), 0.0)
        if not self.ball.any():
            return parts
        length = np.maximum(np.sqrt(self.sums(weights * weights)), 1.0)
        return np.where(self._in_ball, weights / length[self.row], parts)

    def _with_right_columns(self, weights: Array) -> Array:
        """Return the nearest weights with right columns."""
        options, result = self._sorted_options, weights.copy()
        column = self.column[options]
        count = np.maximum(np.bincount(column), 1)
        result[options] += ((1 - np.bincount(column, weights[options])) / count)[column]
        return result

    def keeping_sums(self, change: Array, free: Flags) -> Array:
        """Return the part of a change of weights that keeps all sums and changes ``free`` options alone."""
        change = np.where(free, change, 0.0)
        if not self._sorted_options.size:
            return self._keeping_rows(change, free)
        for _ in range(CHANGE_PROJECTIONS):
            change = self._keeping_rows(self._keeping_columns(change, free), free)
        return change

    def _keeping_rows(self, change: Array, free: Flags) -> Array:
        count = np.where(self.ball, 1, np.maximum(self.sums(free), 1))
        mean = np.where(self.ball, 0.0, self.sums(change) / count)
        return np.where(free, change - mean[self.row], 0.0)

    def _keeping_columns(self, change: Array, free: Flags) -> Array:
        options, result = self._sorted_options, change.copy()
        column = self.column[options]
        count = np.maximum(np.bincount(column, free[options]), 1)
        mean = np.bincount(column, change[options]) / count
        result[options] -= np.where(free[options], mean[column], 0.0)
        return result

    def free(self, weights: Array, gradient: Array) -> Flags:
        """Return which options a step downhill may change: none that is 0 and would become negative."""
        is_positive = weights > POSITIVE
        if self._sorted_options.size:
            everything = np.ones(weights.size, dtype=bool)
            would_grow = self.keeping_sums(gradient, everything) < 0
            return np.asarray(is_positive | would_grow)
        mean = self.sums(np.where(is_positive, gradient, 0.0)) / np.maximum(self.sums(is_positive), 1)
        would_grow = gradient < mean[self.row]
        return np.asarray(self._in_ball | is_positive | would_grow)

    def largest_sums(self, moves: Array) -> Array:
        """Return the largest sum of weights times moves in each row, shape (rows,)."""
        largest = np.maximum.reduceat(moves, self.starts)
        if not self.ball.any():
            return np.asarray(largest)
        return np.where(self.ball, np.sqrt(self.sums(moves * moves)), largest)


def _smaller_ones(numbers: Numbers, values: Array) -> Numbers:
    """Return for each entry how many with the same number have smaller values."""
    order = np.lexsort((values, numbers))
    ranked = numbers[order]
    result = np.empty(numbers.size, dtype=np.intp)
    result[order] = np.arange(numbers.size) - np.searchsorted(ranked, ranked)
    return result


def _earlier_ones(numbers: Numbers) -> Numbers:
    """Return for each entry how many with the same number come before it."""
    return _smaller_ones(numbers, np.arange(numbers.size))
