"""Ties: entries of results that are exactly equal options of operands, so that a backward pass has to choose.

The smallest example is max(x, y) at x = y. Its result has one entry with two options, x and y, each with the factor 1.
Forwards it moves as w₁ dx + w₂ dy, backwards x gets w₁ and y gets w₂ of what J makes of it: the same weights, or the
two sweeps would speak of different functions.

    |x| at 0              two options, the same entry of x with the factors 1 and −1
    x · (x > 0) at 0      the same with 1 and 0: both sides of the mask
    x.max() of equals     every one of the equal entries, with the factor 1
    sort(x) of equals     likewise, for each of the places; each option is used once
    ‖x‖ at 0              all entries of x; weights are a vector of length 1 at most
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fastcheck.engines.graph.kinks.feasible import Flags, Numbers
from fastcheck.engines.graph.nodes.node import Array, Moves, Node, apart, plain

CONSTANT = -1
"""In the place of an operand: an option that does not move."""


@dataclass(slots=True, kw_only=True, eq=False)
class Ties:
    """The ties of one operation: ``entries`` (m,) of its result, by flat number, and their o options.

    ``row`` (o,) is the tie that an option belongs to, its place among the entries, ascending; ``operand``, ``position``
    and ``factor`` tell what the option is: a factor times the entry at that position of the operand. ``usual`` (o,) are
    the weights of the recorded operation. In a ``ball`` weights are a vector of length 1 at most; where ties are
    ``sorted`` each option is used once. ``one_operand``: the two options of a tie differ in their factors only.
    ``mask_moves`` move the operand that is a mask to both of its sides.
    """

    node: Node
    entries: Numbers
    row: Numbers
    operand: Numbers
    position: Numbers
    factor: Array
    usual: Array
    ball: bool = False
    sorted: bool = False
    one_operand: bool = False
    mask_moves: tuple[Mapping[int, Array], ...] = ()

    def subset(self, rows: Flags) -> Ties:
        """Return some of the ties."""
        options = rows[self.row]
        return dataclasses.replace(
            self,
            entries=self.entries[rows],
            row=(np.cumsum(rows) - 1)[self.row[options]],
            operand=self.operand[options],
            position=self.position[options],
            factor=self.factor[options],
            usual=self.usual[options],
        )

    def taken_out(self, slope: Array) -> tuple[Array, Array]:
        """Return what J makes of the result without its ties, and of these, (m,)."""
        rest = np.array(np.broadcast_to(slope, np.shape(self.node.value)), dtype=float, order="C")
        flat = rest.reshape(-1)
        at = flat[self.entries]
        flat[self.entries] = 0.0
        return rest, at

    def shared(self, amounts: Array) -> list[Array | None]:
        """Return amounts (o,) of options, times their factors, added up in the entries of operands that these are."""
        return self._by_operand(amounts * self.factor)

    def widths(self, at: Array, width: Array) -> list[Array | None]:
        """Return how far slopes may be from those with all weights at one half, or 0 in balls.

        What J makes of the ties, (m,), is within ``width`` of ``at``.
        """
        if self.sorted:
            return self._by_operand(self._widths_of_sorted(at, width))
        size, factor = np.abs(at), np.abs(self.factor)
        if not self.one_operand:
            farthest = 1.0 if self.ball else 0.5
            return self._by_operand((farthest * size + width)[self.row] * factor)
        first, second = self.factor[::2], self.factor[1::2]
        around = size * np.abs(first - second) / 2 + width * np.maximum(factor[::2], factor[1::2])
        return self._by_operand(np.stack([around, np.zeros(around.size)], 1).reshape(-1))

    def _widths_of_sorted(self, at: Array, width: Array) -> Array:
        """Return how far what J makes of one of equal entries is from their mean, for the first options alone."""
        group = np.unique(self.position[self._starts], return_inverse=True)[1].reshape(-1)
        mean = np.bincount(group, at) / np.bincount(group)
        farthest = np.zeros(mean.size)
        np.maximum.at(farthest, group, np.abs(at - mean[group]) + width)
        is_first_of_group = np.zeros(self.entries.size)
        is_first_of_group[np.unique(group, return_index=True)[1]] = 1.0
        return np.asarray((farthest[group] * is_first_of_group)[self.row])

    @property
    def _starts(self) -> Numbers:
        """The first option of each tie."""
        return np.searchsorted(self.row, np.arange(self.entries.size))

    def _by_operand(self, amounts: Array) -> list[Array | None]:
        """Return amounts of options, added up in the operands, None for those that have no options."""
        shares: list[Array | None] = []
        for k, x in enumerate(self.node.operands):
            options = self.operand == k
            if not options.any():
                shares.append(None)
                continue
            shape = np.shape(plain(x))
            size = int(np.prod(shape, dtype=np.intp))
            shares.append(np.bincount(self.position[options], amounts[options], size).reshape(shape))
        return shares

    def moved(self, moves: Moves, many: int) -> Array:
        """Return how the options move, times their factors, shape (many, o)."""
        moved = np.zeros((many, self.row.size))
        for k, move in enumerate(moves):
            options = np.flatnonzero(self.operand == k)
            if options.size and move is not None:
                moved[:, options] = move.reshape(many, -1)[:, self.position[options]] * self.factor[options]
        return moved

    def with_ties(self, change: Array, options: Array, weights: Array) -> Array:
        """Return a change of the result (many, *shape) in which ties move by the weighted moves of their options."""
        many = change.shape[0]
        result = np.array(change, dtype=float).reshape(many, -1)
        result[:, self.entries] = np.add.reduceat(options * weights, self._starts, axis=1)
        return result.reshape(change.shape)

    def disagreement(self, moves: Moves, tangent: Array) -> float:
        """Return how far exact changes over tiny moves to both sides are from what is known: the worst entry.

        Ties move as one of their options, or by the length of a ball's; all else as to first order. Where a mask
        decides, it is taken on both its sides.
        """
        worst = 0.0
        for sign in (1.0, -1.0):
            moves_to_side = [None if move is None else sign * move for move in moves]
            expected = sign * np.reshape(tangent, -1)
            options = self.moved(moves_to_side, 1)[0]
            for mask_moves in self.mask_moves or ({},):
                moves_of_operands = [mask_moves.get(k, move) for k, move in enumerate(moves_to_side)]
                exact = np.array(self.node.difference(moves_of_operands, 1), dtype=float).reshape(-1)
                worst = max(worst, self._apart_from_options(exact[self.entries], options))
                exact[self.entries] = expected[self.entries]
                worst = max(worst, apart(exact, expected, np.abs(expected)))
        return worst

    def _apart_from_options(self, exact: Array, options: Array) -> float:
        """Return how far exact moves of the ties are from those of their nearest options."""
        starts = self._starts
        size = np.maximum.reduceat(np.abs(options), starts)
        unit = np.where(size > 0, size, 1.0)
        if self.ball:
            shares = options / unit[self.row]
            length = size * np.sqrt(np.add.reduceat(shares * shares, starts))
            off = np.abs(exact - length)
        else:
            off = np.minimum.reduceat(np.abs(exact[self.row] - options), starts)
        return float(np.max(off / unit, initial=0.0))
