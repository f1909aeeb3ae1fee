"""The ties of a recorded operation: exactly equal operands, zeros of |x| and of norms, masks that change at θ."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Mapping
from typing import Any

import numpy as np

from fastcheck.engines.graph.kinks.feasible import Flags, Numbers
from fastcheck.engines.graph.kinks.mask_sides import Masks
from fastcheck.engines.graph.kinks.ties import CONSTANT, Ties
from fastcheck.engines.graph.nodes.choices import Absolute, Choice, Extremum
from fastcheck.engines.graph.nodes.lengths import Norm
from fastcheck.engines.graph.nodes.movement import Selected
from fastcheck.engines.graph.nodes.node import Array, Node, plain
from fastcheck.engines.graph.nodes.smooth import Multiply

MOST_OPTIONS = 4_000_000
"""Options of one operation that are looked at."""


class JumpError(Exception):
    """J itself jumps at θ."""


def ties_of(node: Node, masks: Masks) -> Ties | None:
    """Return the ties of an operation, None if it has none; raise `JumpError` where its value jumps.

    ``masks`` are those that change at θ.
    """
    find = FINDERS.get(type(node))
    if find is not None:
        return find(node, masks)
    if any(isinstance(x, Node) and x.number in masks for x in node.operands):
        raise JumpError
    return None


def _of_extremum(node: Node, masks: Masks) -> Ties | None:
    x, y = node.operands
    if x is y:
        return None
    a, b = plain(x), plain(y)
    equal = np.equal(a, b)
    if not np.any(equal):
        return None
    tied = np.broadcast_to(equal & np.isfinite(a), np.shape(node.value))
    return _of_two_operands(node, tied, (0, 1), np.ones(1)) if tied.any() else None


def _of_choice(node: Node, masks: Masks) -> Ties | None:
    mask, x, y = node.operands
    if not isinstance(mask, Node) or mask.number not in masks:
        return None
    shape = np.shape(node.value)
    above, below = masks[mask.number]
    changes = np.broadcast_to((above != 0) != (below != 0), shape)
    equal = np.broadcast_to(np.equal(plain(x), plain(y)), shape)
    if (changes & ~equal).any():
        raise JumpError
    if not changes.any():
        return None
    chose_first = np.broadcast_to(plain(mask), shape)[changes]
    ties = _of_two_operands(node, changes, (1, 2), chose_first)
    return dataclasses.replace(ties, mask_moves=_moves_to_sides(0, mask, masks))


def _of_two_operands(node: Node, tied: Flags, operands: tuple[int, int], chose_first: Array) -> Ties:
    """Return ties of two operands; the first option is one that moves."""
    entries = np.flatnonzero(tied)
    weight_of_first = np.broadcast_to(np.asarray(chose_first, dtype=float), entries.shape)
    usual = np.stack([weight_of_first, 1 - weight_of_first], 1)
    moving = [k if node.wants(k) else CONSTANT for k in operands]
    positions = [_sources(plain(node.operands[k]), np.shape(node.value), entries) for k in operands]
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


def _sources(x: Any, shape: tuple[int, ...], entries: Numbers) -> Numbers:
    """Return which entry of an operand each entry of a result of this shape comes from."""
    numbers = np.broadcast_to(np.arange(np.size(x)).reshape(np.shape(x)), shape)
    return np.asarray(numbers[np.unravel_index(entries, shape)] if shape else numbers.reshape(1)[entries])


def _of_one_operand(node: Node, k: int, entries: Numbers, factors: tuple[Array, Array], taken: Array) -> Ties:
    """Return ties of operand ``k`` with either of two factors, of which one, or a mixture, was ``taken``."""
    position = _sources(plain(node.operands[k]), np.shape(node.value), entries)
    first, second = factors
    weight_of_first = (taken - second) / (first - second)
    return Ties(
        node=node,
        entries=entries,
        row=np.repeat(np.arange(entries.size), 2),
        operand=np.full(2 * entries.size, k),
        position=np.repeat(position, 2),
        factor=np.stack([first, second], 1).reshape(-1),
        usual=np.stack([weight_of_first, 1 - weight_of_first], 1).reshape(-1),
        one_operand=True,
    )


def _moves_to_sides(k: int, mask: Node, masks: Masks) -> tuple[Mapping[int, Array], ...]:
    """Return how a mask, operand ``k``, moves to both of its sides."""
    here = np.asarray(mask.value, dtype=float)
    return tuple({k: (side - here)[None]} for side in masks[mask.number])


def _of_absolute(node: Node, masks: Masks) -> Ties | None:
    entries = np.flatnonzero(np.equal(plain(node.operands[0]), 0))
    if not entries.size:
        return None
    ones = np.ones(entries.size)
    return _of_one_operand(node, 0, entries, (ones, -ones), ones)


def _of_multiply(node: Node, masks: Masks) -> Ties | None:
    for k in (0, 1):
        mask = node.operands[1 - k]
        if isinstance(mask, Node) and mask.number in masks:
            return _of_masked(node, k, mask, masks)
    return None


def _of_masked(node: Node, k: int, mask: Node, masks: Masks) -> Ties:
    """Return the ties of operand ``k`` times a mask that changes."""
    shape = np.shape(node.value)
    above, below = (np.broadcast_to(side, shape) for side in masks[mask.number])
    changes = above != below
    is_zero = np.broadcast_to(plain(node.operands[k]), shape) == 0
    if (changes & ~is_zero).any() or not node.wants(k):
        raise JumpError
    here = np.broadcast_to(np.asarray(mask.value, dtype=float), shape)
    factors = above[changes], below[changes]
    ties = _of_one_operand(node, k, np.flatnonzero(changes), factors, here[changes])
    return dataclasses.replace(ties, mask_moves=_moves_to_sides(1 - k, mask, masks))


def _of_selected(node: Node, masks: Masks) -> Ties | None:
    """Return entries of one value, of which one is the largest, or which are sorted: all are options of each."""
    assert isinstance(node, Selected)
    if not node.has_equal():
        return None
    equal = _Classes(np.asarray(plain(node.operands[0])), node.axes)
    taken = np.ravel(node.positions)
    entries = np.flatnonzero((equal.sizes[equal.of[taken]] > 1) & np.isfinite(equal.values[taken]))
    if not entries.size:
        return None
    classes = equal.of[taken[entries]]
    sizes = equal.sizes[classes]
    if int(sizes.sum()) > MOST_OPTIONS:
        raise JumpError
    row = np.repeat(np.arange(entries.size), sizes)
    rank = np.arange(row.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    position = equal.members[equal.starts[classes][row] + rank]
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


class _Classes:
    """Entries of an array that are equal and lie along the same axes, in classes.

    ``members`` are the entries by flat number, class after class, which begin at ``starts`` and have ``sizes``; ``of``
    tells the class of an entry.
    """

    def __init__(self, x: Array, axes: Container[int]) -> None:
        lengths = [1 if k in axes else n for k, n in enumerate(x.shape)]
        groups = np.arange(int(np.prod(lengths))).reshape(lengths)
        group = np.broadcast_to(groups, x.shape).reshape(-1)
        self.values = x.reshape(-1)
        self.members = np.lexsort((self.values, group))
        values, group = self.values[self.members], group[self.members]
        begins = np.ones(self.members.size, dtype=bool)
        begins[1:] = (values[1:] != values[:-1]) | (group[1:] != group[:-1])
        self.starts = np.flatnonzero(begins)
        self.sizes = np.diff([*self.starts.tolist(), self.members.size])
        self.of = np.empty(self.members.size, dtype=np.intp)
        self.of[self.members] = np.cumsum(begins) - 1


def _of_norm(node: Node, masks: Masks) -> Ties | None:
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


FINDERS: dict[type[Node], Callable[[Any, Masks], Ties | None]] = {
    Extremum: _of_extremum,
    Choice: _of_choice,
    Absolute: _of_absolute,
    Multiply: _of_multiply,
    Selected: _of_selected,
    Norm: _of_norm,
}
"""Operations that may have ties, and what finds them."""
