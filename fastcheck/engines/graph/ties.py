"""Where θ stands on kinks: entries of results that may take their slope from one of several places, or from a mixture.

A tie is an entry of a result: the larger of two equal numbers, the largest of several, |x| at zero, x·mask at x = 0
where the mask changes. Its *options* are entries of operands, with factors. Along a direction the entry moves by the
sum of weight times factor times move of its options; backwards they share what J makes of it in the same way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.arithmetic import Multiply
from fastcheck.engines.graph.choices import Absolute, Choice, Extremum
from fastcheck.engines.graph.feasible import Numbers
from fastcheck.engines.graph.movement import Selected
from fastcheck.engines.graph.nodes import Array, Moves, Node, apart, plain
from fastcheck.engines.graph.norms import Norm

CONSTANT = -1
"""In the place of an operand: an option that does not move."""

MOST_OPTIONS = 4_000_000
"""Options of one operation that are looked at."""


@dataclass(slots=True, kw_only=True, eq=False)
class Ties:
    """The ties of one operation: ``entries`` (m,) of its result, by flat number, and their o options.

    ``row`` (o,) is the entry that an option belongs to, ascending; ``operand``, ``position``, ``factor`` are those of
    the option, ``usual`` (o,) the weights of the recorded operation. In a ``ball`` weights are a vector of length 1 at
    most; where ties are ``sorted`` each option is used once. ``alike``: the options of an entry differ in their factors
    only. ``sides``: moves of the operand that is a mask, to both of its sides.
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
    alike: bool = False
    sides: tuple[Mapping[int, Array], ...] = ()

    def kept(self, rows: NDArray[np.bool_]) -> Ties:
        """Return those of some of the entries."""
        options = rows[self.row]
        return Ties(
            node=self.node,
            entries=self.entries[rows],
            row=(np.cumsum(rows) - 1)[self.row[options]],
            operand=self.operand[options],
            position=self.position[options],
            factor=self.factor[options],
            usual=self.usual[options],
            ball=self.ball,
            sorted=self.sorted,
            alike=self.alike,
            sides=self.sides,
        )

    def taken_out(self, slope: Array) -> tuple[Array, Array]:
        """Return what J makes of the result without its ties, and of these, (m,)."""
        rest = np.array(np.broadcast_to(slope, np.shape(self.node.value)), dtype=float, order="C")
        flat = rest.reshape(-1)
        at = flat[self.entries]
        flat[self.entries] = 0.0
        return rest, at

    def shared(self, amounts: Array) -> list[Array | None]:
        """Return amounts (o,) of options, times their factors, added up where these are."""
        return self._placed(amounts * self.factor)

    def widths(self, at: Array, width: Array) -> list[Array | None]:
        """Return how far slopes may be from those with all weights at one half, or 0 in balls.

        What J makes of the ties, (m,), is within ``width`` of ``at``.
        """
        if self.sorted:
            return self._placed(self._widths_of_sorted(at, width))
        half, size = (1.0 if self.ball else 0.5), np.abs(at)
        factor = np.abs(self.factor)
        if not self.alike:
            return self._placed((half * size + width)[self.row] * factor)
        one, other = self.factor[::2], self.factor[1::2]
        around = size * np.abs(one - other) / 2 + width * np.maximum(factor[::2], factor[1::2])
        return self._placed(np.stack([around, np.zeros(around.size)], 1).reshape(-1))

    def _widths_of_sorted(self, at: Array, width: Array) -> Array:
        """Return how far what J makes of one of equal entries is from their mean, for the first options alone."""
        starts = np.searchsorted(self.row, np.arange(self.entries.size))
        group = np.unique(self.position[starts], return_inverse=True)[1].reshape(-1)
        mean = np.bincount(group, at) / np.bincount(group)
        most = np.zeros(mean.size)
        np.maximum.at(most, group, np.abs(at - mean[group]) + width)
        first = np.zeros(self.entries.size)
        first[np.unique(group, return_index=True)[1]] = 1.0
        return np.asarray((most[group] * first)[self.row])

    def _placed(self, amounts: Array) -> list[Array | None]:
        found: list[Array | None] = []
        for k, x in enumerate(self.node.operands):
            mine = self.operand == k
            if not mine.any():
                found.append(None)
                continue
            shape = np.shape(plain(x))
            size = int(np.prod(shape, dtype=np.intp))
            found.append(np.bincount(self.position[mine], amounts[mine], size).reshape(shape))
        return found

    def moved(self, moves: Moves, many: int) -> Array:
        """Return how the options move, times their factors, shape (many, o)."""
        found = np.zeros((many, self.row.size))
        for k, move in enumerate(moves):
            mine = np.flatnonzero(self.operand == k)
            if mine.size and move is not None:
                found[:, mine] = move.reshape(many, -1)[:, self.position[mine]] * self.factor[mine]
        return found

    def put(self, change: Array, options: Array, weights: Array) -> Array:
        """Return a change of the result (many, *shape) in which ties move by the weighted moves of their options."""
        many = change.shape[0]
        result = np.array(change, dtype=float).reshape(many, -1)
        starts = np.searchsorted(self.row, np.arange(self.entries.size))
        result[:, self.entries] = np.add.reduceat(options * weights, starts, axis=1)
        return result.reshape(change.shape)

    def disagreement(self, moves: Moves, tangent: Array) -> float:
        """Return how far exact changes over tiny moves to both sides are from what is known: the worst entry.

        Ties move as one of their options, or by the length of a ball's; all else as to first order. Where a mask
        decides, it is taken on both its sides.
        """
        worst = 0.0
        for sign in (1.0, -1.0):
            there = [None if move is None else sign * move for move in moves]
            expected, options = sign * np.reshape(tangent, -1), self.moved(there, 1)[0]
            for side in self.sides or ({},):
                changed = [side.get(k, move) for k, move in enumerate(there)]
                found = np.array(self.node.difference(changed, 1), dtype=float).reshape(-1)
                worst = max(worst, self._beside_options(found[self.entries], options))
                found[self.entries] = expected[self.entries]
                worst = max(worst, apart(found, expected, np.abs(expected)))
        return worst

    def _beside_options(self, found: Array, options: Array) -> float:
        """Return how far moves of the ties are from those of their nearest options."""
        starts = np.searchsorted(self.row, np.arange(self.entries.size))
        size = np.maximum.reduceat(np.abs(options), starts)
        unit = np.where(size > 0, size, 1.0)
        if self.ball:
            shares = options / unit[self.row]
            off = np.abs(found - size * np.sqrt(np.add.reduceat(shares * shares, starts)))
        else:
            off = np.minimum.reduceat(np.abs(found[self.row] - options), starts)
        return float(np.max(off / unit, initial=0.0))


Edges = Mapping[int, tuple[Array, Array]]
"""Values of masks, by the number of their node, if all that is compared and equal were a little larger, and smaller."""


class JumpError(Exception):
    """J itself jumps at θ."""


def ties_of(node: Node, edges: Edges) -> Ties | None:
    """Return the ties of an operation, None if it has none; raise `JumpError` where its value jumps."""
    find = FINDERS.get(type(node))
    if find is None:
        if edges and any(isinstance(x, Node) and x.number in edges for x in node.operands):
            raise JumpError
        return None
    return find(node, edges)


def _of_extremum(node: Node, edges: Edges) -> Ties | None:
    x, y = node.operands
    if x is y:
        return None
    a, b = plain(x), plain(y)
    tie = np.equal(a, b)
    if not np.any(tie):
        return None
    tie = np.broadcast_to(tie & np.isfinite(a), np.shape(node.value))
    return _pairs(node, tie, (0, 1), np.ones(1)) if tie.any() else None


def _of_choice(node: Node, edges: Edges) -> Ties | None:
    mask, x, y = node.operands
    if not isinstance(mask, Node) or mask.number not in edges:
        return None
    above, below = edges[mask.number]
    changes = np.broadcast_to((above != 0) != (below != 0), np.shape(node.value))
    equal = np.broadcast_to(np.equal(plain(x), plain(y)), np.shape(node.value))
    if (changes & ~equal).any():
        raise JumpError
    first = np.broadcast_to(plain(mask), np.shape(node.value))
    if not changes.any():
        return None
    return dataclasses.replace(_pairs(node, changes, (1, 2), first[changes]), sides=_sides(0, mask, edges))


def _pairs(node: Node, tie: NDArray[np.bool_], operands: tuple[int, int], first: Array) -> Ties:
    """Return ties of two operands; the first option is one that moves. ``first``: where the first one was chosen."""
    entries = np.flatnonzero(tie)
    usual = np.broadcast_to(np.asarray(first, dtype=float), entries.shape)
    usual = np.stack([usual, 1 - usual], 1)
    moving = [k if node.wants(k) else CONSTANT for k in operands]
    positions = [_places(plain(node.operands[k]), np.shape(node.value), entries) for k in operands]
    if moving[0] == CONSTANT:
        moving, positions, usual = moving[::-1], positions[::-1], usual[:, ::-1]
    return Ties(
        node=node,
        entries=entries,
        row=np.repeat(np.arange(entries.size), 2),
        operand=np.tile(np.array(moving, dtype=np.intp), entries.size),
        position=np.stack(positions, 1).reshape(-1),
        factor=np.ones(2 * entries.size),
        usual=usual.reshape(-1),
    )


def _places(x: Any, shape: tuple[int, ...], entries: Numbers) -> Numbers:
    """Return which entry of an operand entries of a result come from."""
    numbers = np.broadcast_to(np.arange(np.size(x)).reshape(np.shape(x)), shape)
    return np.asarray(numbers[np.unravel_index(entries, shape)] if shape else numbers.reshape(1)[entries])


def _alike(node: Node, k: int, entries: Numbers, factors: tuple[Array, Array], usual: Array) -> Ties:
    """Return ties of one operand with either of two factors; ``usual`` is the factor that was taken."""
    position = _places(plain(node.operands[k]), np.shape(node.value), entries)
    one, other = factors
    share = (usual - other) / (one - other)
    return Ties(
        node=node,
        entries=entries,
        row=np.repeat(np.arange(entries.size), 2),
        operand=np.full(2 * entries.size, k),
        position=np.repeat(position, 2),
        factor=np.stack([one, other], 1).reshape(-1),
        usual=np.stack([share, 1 - share], 1).reshape(-1),
        alike=True,
    )


def _sides(k: int, mask: Node, edges: Edges) -> tuple[Mapping[int, Array], ...]:
    """Return how a mask, operand ``k``, moves to both of its sides."""
    here = np.asarray(mask.value, dtype=float)
    return tuple({k: (side - here)[None]} for side in edges[mask.number])


def _of_absolute(node: Node, edges: Edges) -> Ties | None:
    entries = np.flatnonzero(np.equal(plain(node.operands[0]), 0))
    if not entries.size:
        return None
    ones = np.ones(entries.size)
    return _alike(node, 0, entries, (ones, -ones), ones)


def _of_multiply(node: Node, edges: Edges) -> Ties | None:
    if not edges:
        return None
    for k in (0, 1):
        mask, x = node.operands[1 - k], node.operands[k]
        if not isinstance(mask, Node) or mask.number not in edges:
            continue
        above, below = (np.broadcast_to(edge, np.shape(node.value)) for edge in edges[mask.number])
        changes = above != below
        if (changes & (np.broadcast_to(plain(x), changes.shape) != 0)).any() or not node.wants(k):
            raise JumpError
        entries = np.flatnonzero(changes)
        here = np.broadcast_to(np.asarray(mask.value, dtype=float), changes.shape)
        ties = _alike(node, k, entries, (above[changes], below[changes]), here[changes])
        return dataclasses.replace(ties, sides=_sides(1 - k, mask, edges))
    return None


def _of_selected(node: Node, edges: Edges) -> Ties | None:
    """Return entries of one value, of which one is the largest, or which are sorted: all are options of each."""
    assert isinstance(node, Selected)
    x = np.asarray(plain(node.operands[0]))
    if not node.has_equal():
        return None
    lengths = [1 if k in node.axes else n for k, n in enumerate(x.shape)]
    group = np.broadcast_to(np.arange(int(np.prod(lengths))).reshape(lengths), x.shape).reshape(-1)
    values = x.reshape(-1)
    order = np.lexsort((values, group))
    new = np.ones(order.size, dtype=bool)
    new[1:] = (values[order[1:]] != values[order[:-1]]) | (group[order[1:]] != group[order[:-1]])
    start = np.flatnonzero(new)
    count = np.diff([*start.tolist(), order.size])
    class_of = np.empty(order.size, dtype=np.intp)
    class_of[order] = np.cumsum(new) - 1
    taken = np.ravel(node.positions)
    its_class = class_of[taken]
    entries = np.flatnonzero((count[its_class] > 1) & np.isfinite(values[taken]))
    if not entries.size:
        return None
    its_class, sizes = its_class[entries], count[its_class[entries]]
    if int(sizes.sum()) > MOST_OPTIONS:
        raise JumpError
    row = np.repeat(np.arange(entries.size), sizes)
    within = np.arange(row.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    position = order[start[its_class][row] + within]
    return Ties(
        node=node,
        entries=entries,
        row=row,
        operand=np.zeros(row.size, dtype=np.intp),
        position=position,
        factor=np.ones(row.size),
        usual=(position == taken[entries][row]).astype(float),
        sorted=node.sorts,
    )


def _of_norm(node: Node, edges: Edges) -> Ties | None:
    """Return vectors of length zero: any vector of length 1 at most is a slope of their norm."""
    assert isinstance(node, Norm)
    entries = np.flatnonzero(np.equal(node.value, 0))
    if not entries.size:
        return None
    shape = np.shape(plain(node.operands[0]))
    numbers = np.arange(int(np.prod(shape))).reshape(-1, shape[-1])[entries]
    row = np.repeat(np.arange(entries.size), shape[-1])
    return Ties(
        node=node,
        entries=entries,
        row=row,
        operand=np.zeros(row.size, dtype=np.intp),
        position=numbers.reshape(-1),
        factor=np.ones(row.size),
        usual=np.zeros(row.size),
        ball=True,
    )


FINDERS: dict[type[Node], Callable[[Any, Edges], Ties | None]] = {
    Extremum: _of_extremum,
    Choice: _of_choice,
    Absolute: _of_absolute,
    Multiply: _of_multiply,
    Selected: _of_selected,
    Norm: _of_norm,
}
"""Operations that may have ties, and what finds them."""
