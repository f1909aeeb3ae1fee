"""Slopes where θ stands on kinks: those of any weights that a backward pass may give to the options of ties.

With weights w, one for each option, J has a slope s(w) in every coordinate, shape (n,). It is affine in the weights of
one operation; those of stacked operations are multiplied.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.edges import edges_of
from fastcheck.engines.graph.feasible import Feasible, Numbers
from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.nodes import Array, Moves, Node
from fastcheck.engines.graph.recording import Recording
from fastcheck.engines.graph.ties import Ties, ties_of
from fastcheck.engines.graph.widths import spread_of
from fastcheck.parameters import Vector

DIRECTIONS = 2
"""Random directions that tell whether the options of a tie move apart."""

ALIKE = 2.0**-40
"""Options whose moves differ by less than this share of them move alike."""


UsersLine = tuple[str, int, str]
"""File, number and text of a line of the user's code."""


class At(NamedTuple):
    """Slopes (n,), and what J makes of each tie, (rows,), with some weights."""

    slopes: Vector
    ties: Array


class Interval(NamedTuple):
    """Slopes of all weights lie within ``radius`` of the ``centre``, (n,); what J makes of ties likewise, (rows,)."""

    centre: Vector
    radius: Vector
    of_ties: Array
    radius_of_ties: Array


class Kinks:
    """The ties of a recorded cost; ``feasible`` are the weights that their options may have, together (o,)."""

    def __init__(self, recording: Recording, flow: Flow, ties: Sequence[Ties], edges: Iterable[int]) -> None:
        self.recording, self.flow, self.edges = recording, flow, frozenset(edges)
        self.ties = {one.node.number: one for one in ties}
        self.lines: dict[int, UsersLine] = {}
        self.options, self.rows = _slices([t.row.size for t in ties]), _slices([t.entries.size for t in ties])
        self._options = dict(zip(self.ties, self.options, strict=True))
        self._rows = dict(zip(self.ties, self.rows, strict=True))
        self.usual: Array = np.concatenate([t.usual for t in ties])
        self.feasible = Feasible(
            row=np.concatenate([t.row + rows.start for t, rows in zip(ties, self.rows, strict=True)]),
            ball=np.concatenate([np.full(t.entries.size, t.ball) for t in ties]),
            column=_columns(ties),
        )

    @property
    def size(self) -> int:
        """The number of options."""
        return self.usual.size

    def kinds(self) -> list[NDArray[np.bool_]]:
        """Return the options of operations of one kind, for each: what most backward passes treat alike."""
        return self._grouped({n: (type(t.node), bool((t.operand < 0).any())) for n, t in self.ties.items()})

    def operations(self, most: int) -> list[NDArray[np.bool_]]:
        """Return the options of each operation, or of each line of the user's code if these are more than ``most``."""
        if len(self.ties) <= most:
            return self._grouped({number: number for number in self.ties})
        return self._grouped({n: (type(t.node), self.lines.get(n, n)) for n, t in self.ties.items()})

    def _grouped(self, keys: Mapping[int, Any]) -> list[NDArray[np.bool_]]:
        groups: dict[Any, NDArray[np.bool_]] = {}
        for number, key in keys.items():
            groups.setdefault(key, np.zeros(self.size, dtype=bool))[self._options[number]] = True
        return list(groups.values())

    # Backwards

    def slopes(self, weights: Array) -> At:
        """Return the slopes with these weights."""
        ties = np.zeros(self.feasible.rows)

        def share(node: Node, slope: Array | None) -> Iterable[tuple[Any, Array | None]]:
            assert slope is not None
            own = self.ties.get(node.number)
            if own is None:
                return zip(node.operands, node.backward(slope), strict=True)
            rest, at = own.taken_out(slope)
            ties[self._rows[node.number]] = at
            amounts = at[own.row] * weights[self._options[node.number]]
            return _both(node, node.backward(rest), own.shared(amounts))

        return At(self._back(share), ties)

    def response(self, change: Array, ties: Array, weights: Array) -> Vector:
        """Return how the slopes change, to first order, with a change of these weights; ``ties`` as with them."""

        def share(node: Node, slope: Array | None) -> Iterable[tuple[Any, Array | None]]:
            own = self.ties.get(node.number)
            if own is None:
                assert slope is not None
                return zip(node.operands, node.backward(slope), strict=True)
            options = self._options[node.number]
            amounts = ties[self._rows[node.number]][own.row] * change[options]
            if slope is None:
                return zip(node.operands, own.shared(amounts), strict=True)
            rest, at = own.taken_out(slope)
            amounts += at[own.row] * weights[options]
            return _both(node, node.backward(rest), own.shared(amounts))

        return self._back(share, False)

    def interval(self) -> Interval:
        """Return an interval that holds the slopes of all weights: a centre, and widths by absolute values."""
        middle = np.where(self.feasible.ball[self.feasible.row], 0.0, 0.5)
        for ties, at in zip(self.ties.values(), self.options, strict=True):
            if ties.sorted:
                middle[at] = self.feasible.split()[at]
        centre, of_ties = self.slopes(middle)
        widths = np.zeros_like(of_ties)

        def share(node: Node, width: Array | None) -> Iterable[tuple[Any, Array | None]]:
            own = self.ties.get(node.number)
            if own is None:
                assert width is not None
                return zip(node.operands, spread_of(node, width), strict=True)
            rest, at = own.taken_out(np.zeros(()) if width is None else width)
            widths[self._rows[node.number]] = at
            around = own.widths(of_ties[self._rows[node.number]], at)
            return _both(node, spread_of(node, rest), around)

        radius = self._back(share, False)
        return Interval(centre, radius, of_ties, widths)

    def _back(self, share: Any, from_result: bool = True) -> Vector:
        tape, leaves = self.recording.tape, self.recording.leaves
        with np.errstate(all="ignore"):
            start = self.recording.result if from_result else None
            found = tape.sent_back(start, leaves, share, frozenset() if from_result else self.ties.keys())
        return np.concatenate([np.zeros(0), *(slopes.reshape(-1) for slopes in found)])

    # Forwards

    def moves(self, directions: Array, weights: Array) -> Array:
        """Return how the options move along directions (many, n), times their factors, (many, o)."""
        many = directions.shape[0]
        options = np.zeros((many, self.size))
        ends = np.cumsum([leaf.value.size for leaf in self.recording.leaves])[:-1]
        with np.errstate(all="ignore"):
            flow = self.flow.on_kinks(Weighted(self, weights, options))
            flow.tangents(np.split(directions, ends, axis=1), many, None)
        return options

    def with_weights(self, weights: Array) -> Flow:
        """Return what sends changes of the leaves forwards, with these weights."""
        return self.flow.on_kinks(Weighted(self, weights))

    def options_of(self, node: Node) -> slice:
        """Return which options are those of a node with ties."""
        return self._options[node.number]

    def on(self, recording: Recording) -> Kinks | None:
        """Return the same ties of the cost recorded at another place, None if it took another way there."""
        nodes, there = self.recording.tape.nodes, recording.tape.nodes
        same = len(nodes) == len(there) and all(
            type(there[number]) is type(nodes[number])
            and np.shape(there[number].value) == np.shape(nodes[number].value)
            for number in self.ties
        )
        if not same:
            return None
        ties = [dataclasses.replace(own, node=there[number]) for number, own in self.ties.items()]
        return Kinks(recording, recording.flow(), ties, self.edges)


class Weighted:
    """What is known of operations at kinks, with some weights; ``options`` (many, o) notes how the options move."""

    def __init__(self, kinks: Kinks, weights: Array, options: Array | None = None) -> None:
        self.kinks, self.weights, self.options = kinks, weights, options

    def knows(self, node: Node) -> bool:
        """Whether the kinks of an operation are known."""
        return node.number in self.kinks.ties or node.number in self.kinks.edges

    def tangent(self, node: Node, moves: Moves, many: int) -> Array:
        """Return how it moves to first order."""
        change, ties = node.tangent(moves, many), self.kinks.ties.get(node.number)
        if ties is None:
            return change
        at, moved = self.kinks.options_of(node), ties.moved(moves, many)
        if self.options is not None:
            self.options[:, at] = moved
        return ties.put(change, moved, self.weights[at])

    def disagreement(self, node: Node, moves: Moves, tangent: Array) -> float:
        """Return how far exact differences to both sides are from what the options make of them: the worst entry."""
        return self.kinks.ties[node.number].disagreement(moves, tangent)


def kinks_of(recording: Recording, flow: Flow, seed: int) -> Kinks | None:
    """Return the ties that make a difference, None if there are none; raise `JumpError` where J jumps.

    Options that move alike along random directions, with random weights at the ties before them, are no kink.
    """
    edges = edges_of(flow)
    found = [ties for ties in (ties_of(node, edges) for node in flow.nodes if node.live) if ties is not None]
    if not found:
        return None
    kinks, rng = Kinks(recording, flow, found, edges), np.random.default_rng(seed)
    size = sum(leaf.value.size for leaf in recording.leaves)
    moves = kinks.moves(rng.random((DIRECTIONS, size)) - 0.5, kinks.feasible.random(rng))
    apart = _apart(kinks.feasible, moves)
    kept = [ties.kept(apart[rows]) for ties, rows in zip(found, kinks.rows, strict=True)]
    kept = [ties for ties in kept if ties.entries.size]
    return Kinks(recording, flow, kept, edges) if kept else None


def _apart(feasible: Feasible, moves: Array) -> NDArray[np.bool_]:
    """Return in which rows the options move apart; those in balls need only move."""
    apart = np.zeros(feasible.rows, dtype=bool)
    for move in moves:
        high = np.maximum.reduceat(move, feasible.starts)
        low = np.minimum.reduceat(move, feasible.starts)
        size = np.maximum.reduceat(np.abs(move), feasible.starts)
        apart |= np.where(feasible.ball, size > 0, high - low > ALIKE * size)
    return apart


def _both(
    node: Node, one: Sequence[Array | None], other: Sequence[Array | None]
) -> list[tuple[Any, Array | None]]:
    return [*zip(node.operands, one, strict=True), *zip(node.operands, other, strict=True)]


def _slices(sizes: Sequence[int]) -> list[slice]:
    ends = np.cumsum([0, *sizes]).tolist()
    return [slice(start, stop) for start, stop in itertools.pairwise(ends)]


def _columns(ties: Sequence[Ties]) -> Numbers:
    """Return numbers of options that must sum to 1: the places that one entry may get when it is sorted; else −1."""
    columns, start = [], 0
    for one in ties:
        column = np.full(one.row.size, -1, dtype=np.intp)
        if one.sorted:
            column = start + np.unique(one.position, return_inverse=True)[1].reshape(-1)
            start = int(column.max()) + 1
        columns.append(column)
    return np.concatenate(columns)
