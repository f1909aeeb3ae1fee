"""Slopes where θ stands on kinks: those of any weights that a backward pass may give to the options of ties.

With weights w, one for each option, J has a slope s(w) in every coordinate, shape (n,). It is affine in the weights of
one operation; those of stacked operations are multiplied. The smallest example is relu(2w + b) at w = b = 0: with the
weight t of the side above its slopes are s(t) = (2t, t). So (2, 1), (0, 0) and (1, ½) are slopes of one choice, and
(2, 0) is not, though 2 and 0 are slopes that some choice gives.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.kinks.feasible import NO_COLUMN, FeasibleWeights, Flags, Numbers
from fastcheck.engines.graph.kinks.finding_ties import ties_of
from fastcheck.engines.graph.kinks.mask_sides import masks_that_change
from fastcheck.engines.graph.kinks.ties import CONSTANT, Ties
from fastcheck.engines.graph.kinks.widths import widths_of_operands
from fastcheck.engines.graph.nodes.node import Array, Moves, Node
from fastcheck.engines.graph.recording.record import Recording
from fastcheck.problem.parameters import Vector

DIRECTIONS_AT_TIES = 2
"""Random directions that tell whether the options of a tie move apart."""

MOVE_ALIKE = 2.0**-40
"""Options whose moves differ by less than this share of them move alike."""

UsersLine = tuple[str, int, str]
"""File, number and text of a line of the user's code."""

Shares = Iterable[tuple[Any, Array | None]]
"""Operands, and what each gets of what J makes of a result."""


class WeightedSlopes(NamedTuple):
    """Slopes (n,), and what J makes of each tie, (rows,), with some weights."""

    slopes: Vector
    of_ties: Array


class Interval(NamedTuple):
    """Slopes of all weights lie within ``radius`` of the ``centre``, (n,); what J makes of ties likewise, (rows,)."""

    centre: Vector
    radius: Vector
    of_ties: Array
    radius_of_ties: Array

    @property
    def lower(self) -> Vector:
        """The smallest slopes, (n,)."""
        return self.centre - self.radius

    @property
    def upper(self) -> Vector:
        """The largest slopes, (n,)."""
        return self.centre + self.radius

    @property
    def largest(self) -> Vector:
        """The largest sizes of slopes, (n,)."""
        return np.abs(self.centre) + self.radius


class Kinks:
    """The ties of a recorded cost; ``feasible`` are the weights that their options may have, together (o,).

    ``masks`` are the numbers of masks that change at θ, ``lines`` the user's lines of operations, where they are known.
    """

    def __init__(
        self,
        recording: Recording,
        flow: Flow,
        ties: Sequence[Ties],
        masks: Iterable[int],
    ) -> None:
        self.recording, self.flow, self.masks = recording, flow, frozenset(masks)
        self.ties = {own.node.number: own for own in ties}
        self.lines: Mapping[int, UsersLine] = {}
        self.options = dict(zip(self.ties, _slices([own.row.size for own in ties]), strict=True))
        self.rows = dict(zip(self.ties, _slices([own.entries.size for own in ties]), strict=True))
        self.usual: Array = np.concatenate([own.usual for own in ties])
        self.feasible = FeasibleWeights(
            row=np.concatenate([own.row + self.rows[number].start for number, own in self.ties.items()]),
            ball=np.concatenate([np.full(own.entries.size, own.ball) for own in ties]),
            column=_columns(ties),
        )

    @property
    def size(self) -> int:
        """The number of options."""
        return self.usual.size

    def kinds(self) -> list[Flags]:
        """Return the options of operations of one kind, for each: what most backward passes treat alike."""
        return self._grouped(
            {number: (type(own.node), CONSTANT in own.operand) for number, own in self.ties.items()}
        )

    def operations(self, most: int) -> list[Flags]:
        """Return the options of each operation, or of each line of the user's code if these are more than ``most``."""
        if len(self.ties) <= most:
            return self._grouped({number: number for number in self.ties})
        return self._grouped(
            {number: (type(own.node), self.lines.get(number, number)) for number, own in self.ties.items()}
        )

    def _grouped(self, keys: Mapping[int, Any]) -> list[Flags]:
        """Return the options of operations with one key, for each key."""
        groups: dict[Any, Flags] = {}
        for number, key in keys.items():
            group = groups.setdefault(key, np.zeros(self.size, dtype=bool))
            group[self.options[number]] = True
        return list(groups.values())

    # Backwards

    def slopes(self, weights: Array) -> WeightedSlopes:
        """Return the slopes with these weights; those of a run with other roundings are rounded otherwise, too."""
        of_ties, tape = np.zeros(self.feasible.rows), self.recording.tape
        share_off_kinks = tape.share()

        def share(node: Node, slope: Array | None) -> Shares:
            assert slope is not None
            own = self.ties.get(node.number)
            if own is None:
                return share_off_kinks(node, slope)
            rest, at = own.taken_out(slope)
            of_ties[self.rows[node.number]] = at
            amounts = at[own.row] * weights[self.options[node.number]]
            return tape.rounded(_joined(node, node.backward(rest), own.shared(amounts)))

        return WeightedSlopes(self._sent_back(share, from_result=True), of_ties)

    def response(self, change: Array, of_ties: Array, weights: Array) -> Vector:
        """Return how the slopes change, to first order, with a change of these weights; ``of_ties`` as with them."""

        def share(node: Node, slope: Array | None) -> Shares:
            own = self.ties.get(node.number)
            if own is None:
                assert slope is not None
                return zip(node.operands, node.backward(slope), strict=True)
            options = self.options[node.number]
            amounts = of_ties[self.rows[node.number]][own.row] * change[options]
            if slope is None:
                return zip(node.operands, own.shared(amounts), strict=True)
            rest, at = own.taken_out(slope)
            amounts += at[own.row] * weights[options]
            return _joined(node, node.backward(rest), own.shared(amounts))

        return self._sent_back(share, from_result=False)

    def interval(self) -> Interval:
        """Return an interval that holds the slopes of all weights: a centre, and widths by absolute values."""
        centre, of_ties = self.slopes(self._middle())
        widths = np.zeros_like(of_ties)

        def share(node: Node, width: Array | None) -> Shares:
            own = self.ties.get(node.number)
            if own is None:
                assert width is not None
                return zip(node.operands, widths_of_operands(node, width), strict=True)
            rest, at = own.taken_out(np.zeros(()) if width is None else width)
            rows = self.rows[node.number]
            widths[rows] = at
            return _joined(node, widths_of_operands(node, rest), own.widths(of_ties[rows], at))

        radius = self._sent_back(share, from_result=False)
        return Interval(centre, radius, of_ties, widths)

    def _middle(self) -> Array:
        """Return the weights that `Ties.widths` are counted from: one half, 0 in balls, and even if sorted."""
        middle = np.where(self.feasible.ball[self.feasible.row], 0.0, 0.5)
        for number, own in self.ties.items():
            if own.sorted:
                options = self.options[number]
                middle[options] = self.feasible.split()[options]
        return middle

    def _sent_back(self, share: Any, *, from_result: bool) -> Vector:
        """Return what reaches θ, (n,), from the result or else from the ties."""
        start = self.recording.result if from_result else None
        sources: Container[int] = () if from_result else self.ties
        with np.errstate(all="ignore"):
            blocks = self.recording.tape.sent_back(start, self.recording.leaves, share, sources)
        return np.concatenate([np.zeros(0), *(slopes.reshape(-1) for slopes in blocks)])

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

    def on(self, recording: Recording) -> Kinks | None:
        """Return the same ties of the cost recorded at another place, None if it took another way there."""
        nodes, others = self.recording.tape.nodes, recording.tape.nodes
        took_the_same_way = len(nodes) == len(others) and all(
            type(others[number]) is type(nodes[number])
            and np.shape(others[number].value) == np.shape(nodes[number].value)
            for number in self.ties
        )
        if not took_the_same_way:
            return None
        ties = [dataclasses.replace(own, node=others[number]) for number, own in self.ties.items()]
        return Kinks(recording, recording.flow(), ties, self.masks)

    def with_lines(self, lines: Mapping[int, UsersLine]) -> Kinks:
        """Return the same, with the lines of the user's code."""
        named = copy.copy(self)
        named.lines = lines
        return named


class Weighted:
    """What is known of operations at kinks, with some weights; ``options`` (many, o) notes how the options move."""

    def __init__(self, kinks: Kinks, weights: Array, options: Array | None = None) -> None:
        self.kinks, self.weights, self.options = kinks, weights, options

    def knows(self, node: Node) -> bool:
        """Whether the kinks of an operation are known."""
        return node.number in self.kinks.ties or node.number in self.kinks.masks

    def tangent(self, node: Node, moves: Moves, many: int) -> Array:
        """Return how it moves to first order."""
        change, own = node.tangent(moves, many), self.kinks.ties.get(node.number)
        if own is None:
            return change
        options, moved = self.kinks.options[node.number], own.moved(moves, many)
        if self.options is not None:
            self.options[:, options] = moved
        return own.with_ties(change, moved, self.weights[options])

    def disagreement(self, node: Node, moves: Moves, tangent: Array) -> float:
        """Return how far exact differences to both sides are from what the options make of them: the worst entry."""
        return self.kinks.ties[node.number].disagreement(moves, tangent)


def kinks_of(recording: Recording, flow: Flow, seed: int) -> Kinks | None:
    """Return the ties that make a difference, None if there are none; raise `JumpError` where J jumps.

    Options that move alike along random directions, with random weights at the ties before them, are no kink.
    """
    masks = masks_that_change(flow)
    all_ties = [ties for node in flow.nodes if node.live and (ties := ties_of(node, masks)) is not None]
    if not all_ties:
        return None
    kinks, rng = Kinks(recording, flow, all_ties, masks), np.random.default_rng(seed)
    size = sum(leaf.value.size for leaf in recording.leaves)
    moves = kinks.moves(rng.random((DIRECTIONS_AT_TIES, size)) - 0.5, kinks.feasible.random(rng))
    apart = _moving_apart(kinks.feasible, moves)
    that_matter = [own.subset(apart[kinks.rows[number]]) for number, own in kinks.ties.items()]
    that_matter = [own for own in that_matter if own.entries.size]
    return Kinks(recording, flow, that_matter, masks) if that_matter else None


def _moving_apart(feasible: FeasibleWeights, moves: Array) -> Flags:
    """Return in which rows the options move apart; those in balls need only move."""
    apart = np.zeros(feasible.rows, dtype=bool)
    for move in moves:
        high = np.maximum.reduceat(move, feasible.starts)
        low = np.minimum.reduceat(move, feasible.starts)
        size = np.maximum.reduceat(np.abs(move), feasible.starts)
        apart |= np.where(feasible.ball, size > 0, high - low > MOVE_ALIKE * size)
    return apart


def _joined(node: Node, rest: Sequence[Array | None], of_ties: Sequence[Array | None]) -> Shares:
    """Return what operands get of a result without its ties, and what they get of these."""
    return [*zip(node.operands, rest, strict=True), *zip(node.operands, of_ties, strict=True)]


def _slices(sizes: Sequence[int]) -> list[slice]:
    """Return slices of these sizes, one after the other."""
    ends = np.cumsum([0, *sizes]).tolist()
    return [slice(start, stop) for start, stop in itertools.pairwise(ends)]


def _columns(ties: Sequence[Ties]) -> Numbers:
    """Return numbers of options that must sum to 1: the places that one entry may get when it is sorted."""
    columns, start = [], 0
    for own in ties:
        column = np.full(own.row.size, NO_COLUMN, dtype=np.intp)
        if own.sorted:
            column = start + np.unique(own.position, return_inverse=True)[1].reshape(-1)
            start = int(column.max()) + 1
        columns.append(column)
    return np.concatenate(columns)
