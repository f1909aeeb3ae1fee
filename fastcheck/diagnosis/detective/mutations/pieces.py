"""Mutations of what is joined and taken apart: pieces whose slopes go to another piece, borders cropped elsewhere.

The smallest example: ``np.vstack([di, do, df])`` for gates that are the rows i, f, o of one matrix.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.chains import Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation, Shares
from fastcheck.diagnosis.detective.mutations.moved_entries import moved_by
from fastcheck.diagnosis.detective.mutations.mutation import Mutation, instead_on_edge
from fastcheck.diagnosis.detective.wording import ordinal
from fastcheck.engines.graph.nodes.movement import Join
from fastcheck.engines.graph.nodes.node import Array, plain

MOST_PIECES = 6
"""Of more pieces no two are exchanged."""


def joins(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield the pieces of what was joined in another order."""
    node = operation.node
    if not isinstance(node, Join) or len(node.operands) < 2:
        return
    lengths = [np.shape(plain(x))[node.axis] for x in node.operands]
    count = len(lengths)
    others = {
        "the other way round": list(range(count - 1, -1, -1)),
        "the first piece last": [*range(1, count), 0],
        "the last piece first": [count - 1, *range(count - 1)],
    }
    for words, order in others.items():
        starts: dict[int, int] = {}
        at = 0
        for piece in order:
            starts[piece] = at
            at += lengths[piece]

        def rule(slope: Array, starts: dict[int, int] = starts) -> Shares:
            return [
                (
                    x.number,
                    np.take(slope, range(starts[k], starts[k] + lengths[k]), axis=node.axis),
                )
                for k, x in operation.live_operands
            ]

        yield Mutation("pieces in another order", f"splits {words} what {{}} joins", rule, 1.4, detail=words)


class Piece(NamedTuple):
    """Entries ``start`` to ``stop`` along an axis, all of the other axes."""

    axis: int
    start: int
    stop: int


def splits(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield slopes of pieces of one length, taken from a result along one axis, that go to each other's place."""
    pieces = sorted(set(_pieces_of(operation, graph)))
    are_few = 2 <= len(pieces) <= MOST_PIECES
    if not are_few or len({(piece.axis, piece.stop - piece.start) for piece in pieces}) > 1:
        return
    for (i, one), (j, other) in itertools.combinations(enumerate(pieces, 1), 2):
        if one.stop > other.start:
            continue
        exchanged = functools.partial(_exchanged, one=one, other=other)

        def rule(slope: Array, exchanged: functools.partial[Array] = exchanged) -> Shares:
            return [(target, part) for _, target, part in graph.shared(operation.number, exchanged(slope))]

        yield Mutation(
            "pieces exchanged",
            f"exchanges the slopes of the {ordinal(i)} and the {ordinal(j)} of {len(pieces)} pieces along axis "
            f"{one.axis} of {{}}",
            rule,
            1.8,
            detail=(i, j),
        )


def _pieces_of(operation: Operation, graph: CostGraph) -> Iterator[Piece]:
    """Yield which pieces of a result others take that do nothing else with it."""
    shape = operation.shape
    for number, k in graph.uses[operation.number]:
        user = graph.operations[number]
        moved = moved_by(user.node, k) if user.shape != shape and len(user.shape) == len(shape) else None
        if moved is None or moved.positions.size == 0 or moved.positions.flat[0] < 0:
            continue
        axes = [axis for axis in range(len(shape)) if user.shape[axis] != shape[axis]]
        if len(axes) != 1:
            continue
        start = int(np.unravel_index(moved.positions.flat[0], shape)[axes[0]])
        piece = Piece(axes[0], start, start + user.shape[axes[0]])
        if np.array_equal(moved.positions, _positions(shape)[_slices(piece)]):
            yield piece


def _positions(shape: Sequence[int]) -> Array:
    return np.arange(int(np.prod(shape))).reshape(shape)


def _slices(piece: Piece) -> tuple[slice, ...]:
    return (*(slice(None),) * piece.axis, slice(piece.start, piece.stop))


def _exchanged(slope: Array, one: Piece, other: Piece) -> Array:
    found = slope.copy()
    found[_slices(one)], found[_slices(other)] = slope[_slices(other)], slope[_slices(one)]
    return found


def borders(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield what is taken back of a padded array where the border of several axes is cropped on one side only.

    Of one axis that is the same as samples that are shifted.
    """
    for k, x in operation.live_operands:
        inner, outer = np.shape(x.value), operation.shape
        moved = moved_by(operation.node, k) if len(inner) == len(outer) and inner != outer else None
        if moved is None or not moved.size or (moved.positions >= 0).sum() != moved.size:
            continue
        first = int(np.flatnonzero(moved.positions.ravel() >= 0)[0])
        begin = tuple(int(at) for at in np.unravel_index(first, outer))
        if not np.array_equal(moved.positions[_box(begin, inner)], _positions(inner)):
            continue
        axes = range(len(inner))
        padded = [axis for axis in axes if inner[axis] < outer[axis]]
        for side, shift in (("after", 0), ("before", 1)):
            other = [shift * (outer[axis] - inner[axis]) if axis in padded else begin[axis] for axis in axes]
            if len(padded) > 1 and tuple(other) != begin:
                yield Mutation(
                    "border cropped on one side",
                    f"crops the whole border {side} what {{}} pads, along axes "
                    f"{' and '.join(map(str, padded))}: an offset",
                    instead_on_edge(graph, operation, k, functools.partial(_cropped, _box(other, inner))),
                    1.6,
                    detail=(k, side),
                )


def _box(begin: Sequence[int], lengths: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(start, start + length) for start, length in zip(begin, lengths, strict=True))


def _cropped(box: tuple[slice, ...], slope: Array) -> Array:
    return slope[box]
