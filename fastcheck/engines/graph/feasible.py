"""What weights a backward pass may give to the options at kinks: a part of 1 to each, or a vector no longer than 1.

Options lie one after the other, shape (o,), those of a row together; ``row`` (o,) tells the row of each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.nodes import Array

Numbers = NDArray[np.intp]

ROUNDS = 200
"""Projections to and fro until tied entries that are put in an order have weights of which no option has two."""

MOST_SORTED = 2000
"""Options of sorted entries up to which weights between orders are sought."""

TURNS = 50
"""The same for changes of weights."""

INSIDE = 1e-9
"""Weights above this may become smaller."""

CLOSE = 1e-15
"""Weights that change by less in a round are known."""


class Feasible:
    """The set of weights: rows that sum to 1 and have no negative one, or, where ``ball``, of a norm of 1 at most.

    Options with one ``column`` (not −1) sum to 1 as well: entries that are sorted, each of which gets one place.
    """

    def __init__(self, row: Numbers, ball: NDArray[np.bool_], column: Numbers | None = None) -> None:
        column = np.full(row.size, -1) if column is None else column
        self.row, self.ball, self.column = row, ball, column
        self.rows = ball.size
        self.starts = np.searchsorted(row, np.arange(self.rows))
        self.lengths = np.diff([*self.starts.tolist(), row.size])
        self.rank = np.arange(row.size) - self.starts[row]
        self._in_ball = ball[row]
        self._places = np.flatnonzero(column >= 0)
        self._turn = np.where(column[self.starts] < 0, 0, _counted(column[self.starts]))

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
        last = self.lengths - 1 - self._turn
        return np.where(self._in_ball, 0.0, self.rank == last[self.row])

    def random(self, rng: np.random.Generator) -> Array:
        """Return weights inside the set."""
        parts = np.where(
            self._in_ball, rng.standard_normal(self.row.size), rng.standard_exponential(self.row.size)
        )
        size = np.where(self.ball, np.sqrt(self.sums(parts * parts)) / 0.7, self.sums(parts))
        weights = np.asarray(parts / size[self.row])
        if self._places.size:
            shares = rng.dirichlet((1.0, 1.0, 1.0))
            mixed = shares[0] * self.first() + shares[1] * self.last() + shares[2] * self.split()
            weights = np.where(self.column >= 0, mixed, weights)
        return weights

    def best(self, slopes: Array, moves: Array) -> Array:
        """Return the weights that make most of moves (o,), what J makes of each row being ``slopes`` (rows,).

        All weight goes to the option that moves most, or least; equal entries that are sorted are put in one order.
        """
        signed = np.where(slopes[self.row] >= 0, moves, -moves)
        first = np.lexsort((-signed, self.row))[self.starts]
        weights = np.zeros(self.row.size)
        weights[first] = 1.0
        if self._places.size:
            of_row = _counted_in_order(self.column[self.starts], slopes)
            of_option = _counted_in_order(self.row, moves)
            weights = np.where(self.column >= 0, of_option == of_row[self.row], weights)
        if self.ball.any():
            length = np.sqrt(self.sums(moves * moves))
            weights = np.where(self._in_ball, signed / np.where(length > 0, length, 1.0)[self.row], weights)
        return np.asarray(weights, dtype=float)

    @property
    def heavy(self) -> bool:
        """Whether so many equal entries are sorted that weights nearest to others are too dear."""
        return self._places.size > MOST_SORTED

    def project(self, weights: Array) -> Array:
        """Return the nearest weights of the set."""
        if not self._places.size:
            return self._by_rows(weights)
        kept, correction = weights, np.zeros_like(weights)
        for _ in range(ROUNDS):  # Dykstra's: the sums of columns are affine and need no correction
            before = kept
            inside = self._by_rows(kept + correction)
            correction = kept + correction - inside
            kept = self._by_columns(inside)
            if np.max(np.abs(kept - before), initial=0.0) < CLOSE:
                break
        return np.clip(kept, 0.0, None)

    def _by_rows(self, weights: Array) -> Array:
        """Return the nearest ones with right rows: sorted, as many of the largest count as stay positive."""
        order = np.lexsort((-weights, self.row))
        values = weights[order]
        total = np.cumsum(values)
        before = np.concatenate([[0.0], total])[self.starts][self.row]
        stays = np.zeros(order.size, dtype=bool)
        stays[order] = values * (self.rank + 1) > total - before - 1
        count = np.maximum(self.sums(stays), 1)
        level = (self.sums(np.where(stays, weights, 0.0)) - 1) / count
        parts = np.maximum(np.where(stays, weights - level[self.row], 0.0), 0.0)
        if not self.ball.any():
            return parts
        length = np.maximum(np.sqrt(self.sums(weights * weights)), 1.0)
        return np.where(self._in_ball, weights / length[self.row], parts)

    def _by_columns(self, weights: Array) -> Array:
        """Return the nearest ones with right columns."""
        at, result = self._places, weights.copy()
        column = self.column[at]
        count = np.maximum(np.bincount(column), 1)
        result[at] += ((1 - np.bincount(column, weights[at])) / count)[column]
        return result

    def along(self, change: Array, free: NDArray[np.bool_]) -> Array:
        """Return the part of a change that keeps the sums of rows and moves ``free`` options alone."""
        change = np.where(free, change, 0.0)
        at, column = self._places, self.column[self._places]
        counts = np.maximum(np.bincount(column, free[at]), 1)
        for _ in range(TURNS if at.size else 1):
            if at.size:
                change[at] -= np.where(free[at], (np.bincount(column, change[at]) / counts)[column], 0.0)
            count = np.where(self.ball, 1, np.maximum(self.sums(free), 1))
            mean = np.where(self.ball, 0.0, self.sums(change) / count)
            change = np.where(free, change - mean[self.row], 0.0)
        return change

    def free(self, weights: Array, gradient: Array) -> NDArray[np.bool_]:
        """Return which options a step downhill may change: none that is 0 and would become negative."""
        inside = weights > INSIDE
        if self._places.size:
            return np.asarray(inside | (self.along(gradient, np.ones(inside.size, dtype=bool)) < 0))
        held = self.sums(np.where(inside, gradient, 0.0)) / np.maximum(self.sums(inside), 1)
        return np.asarray(self._in_ball | inside | (gradient < held[self.row]))

    def most(self, moves: Array) -> Array:
        """Return the largest sum of weights times moves in each row, shape (rows,)."""
        largest = np.maximum.reduceat(moves, self.starts)
        if not self.ball.any():
            return np.asarray(largest)
        return np.where(self.ball, np.sqrt(self.sums(moves * moves)), largest)


def _counted_in_order(numbers: Numbers, values: Array) -> Numbers:
    """Return how many with the same number have smaller values."""
    order = np.lexsort((values, numbers))
    ranked = numbers[order]
    result = np.empty(numbers.size, dtype=np.intp)
    result[order] = np.arange(numbers.size) - np.searchsorted(ranked, ranked)
    return result


def _counted(numbers: Numbers) -> Numbers:
    """Return how often each number came before."""
    return _counted_in_order(numbers, np.arange(numbers.size))
