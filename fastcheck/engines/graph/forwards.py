"""Changes of the parameters, sent forwards through what was recorded: to first order, or exactly."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.arithmetic import Elementwise
from fastcheck.engines.graph.movement import Open, Read, Write
from fastcheck.engines.graph.nodes import Array, Leaf, Moves, Node
from fastcheck.engines.graph.steps import Guard
from fastcheck.engines.graph.tape import Tape
from fastcheck.parameters import Vector

Tangent = Callable[[Node, Moves, int], Array]
"""How a node moves along some directions, to first order."""

Known = Callable[[Moves, Array], float]
"""How far tiny differences of a node that stands on kinks, given the moves of its operands, are from what is known."""


def _tangent(node: Node, moves: Moves, many: int) -> Array:
    return node.tangent(moves, many)


@dataclass(frozen=True, slots=True)
class Differences:
    """Exact changes of J along some directions.

    ``elsewhere`` tells along which of them the cost takes another way. ``kinked``: whether θ stands on a kink of
    what moves along the tiny ones; ``disagreement``: how far measured slopes are from those, in the worst entry.
    """

    change: Vector
    elsewhere: NDArray[np.bool_]
    kinked: bool
    disagreement: float


class Flow:
    """The part of a tape that its result, or the way the cost went, depends on: what flows forwards through it."""

    def __init__(self, tape: Tape, result: Node | None, leaves: Sequence[Leaf]) -> None:
        self.tape, self.result, self.leaves = tape, result, leaves
        self.nodes, self.last_use = self._needed()
        self.tangent: Tangent = _tangent
        self.known: Mapping[int, Known] = {}

    def _needed(self) -> tuple[list[Node], dict[int, list[int]]]:
        """Return the nodes in their order, and which moves are used last by each."""
        needed, buffers = {self.result.number} if self.result is not None else set(), set()
        nodes: list[Node] = []
        last_use: dict[int, list[int]] = {}
        used: set[int] = set()
        for node in reversed(self.tape.nodes):
            if isinstance(node, (Open, Write)):
                if node.buffer not in buffers:
                    continue
            elif node.number not in needed and not isinstance(node, Guard):
                continue
            if isinstance(node, Read):
                buffers.add(node.buffer)
            nodes.append(node)
            for x in node.operands:
                if isinstance(x, Node):
                    needed.add(x.number)
                    if x.number not in used:
                        used.add(x.number)
                        last_use.setdefault(node.number, []).append(x.number)
        return nodes[::-1], last_use

    def standing_on(self, tangent: Tangent, known: Mapping[int, Known]) -> Flow:
        """Return the same for a θ on kinks: ``tangent`` tells how nodes move, and what is known of nodes is no kink."""
        flow = copy.copy(self)
        flow.tangent, flow.known = tangent, known
        return flow

    def tangents(self, moves: Sequence[Array], many: int) -> Vector:
        """Return ``many`` changes of J to first order; ``moves[k]`` are those of leaf k, as many of its shape."""
        swept = _Swept(self, moves, many)
        for node, operands in swept.nodes():
            if node.live:
                swept.moves[node.number] = self.tangent(node, operands, many)
        return swept.result()

    def differences(self, moves: Sequence[Array], many: int, tiny: int) -> Differences:
        """Return ``many`` exact changes of J; the first ``tiny`` of them are small enough to be linear."""
        swept, first = _Swept(self, moves, many), slice(tiny)
        elsewhere, kinked, disagreement = np.zeros(many, dtype=bool), False, 0.0
        for node, operands in swept.nodes():
            near = [None if move is None else move[first] for move in operands]
            known = self.known.get(node.number)
            kinked = kinked or (tiny > 0 and known is None and node.kinked(near))
            if isinstance(node, Guard):
                elsewhere |= node.differs(operands, many)
                continue
            change = node.difference(operands, many)
            if tiny and known is not None:
                disagreement = max(disagreement, known(near, change[first]))
            if tiny and isinstance(node, Elementwise) and node.live:
                disagreement = max(disagreement, node.disagreement(near, change[first]))
            swept.moves[node.number] = change
        return Differences(swept.result(), elsewhere, kinked, disagreement)


class _Swept:
    """One sweep forwards: the moves of every node and buffer, as long as they are used."""

    def __init__(self, flow: Flow, moves: Sequence[Array], many: int) -> None:
        self.flow, self.many = flow, many
        self.moves: dict[int, Array] = {
            leaf.number: move.reshape(many, *leaf.value.shape)
            for leaf, move in zip(flow.leaves, moves, strict=True)
        }
        self.buffers: dict[int, Array] = {}

    def nodes(self) -> Iterator[tuple[Node, list[Array | None]]]:
        """Yield the nodes some operand of which moves, with the moves; buffers are seen to."""
        sizes = self.flow.tape.buffers
        for node in self.flow.nodes:
            operands = [self.moves.get(x.number) if isinstance(x, Node) else None for x in node.operands]
            if isinstance(node, (Open, Write)):
                node.move_to(operands, self.many, self.buffers, sizes[node.buffer])
            elif isinstance(node, Read):
                read = node.move_from(self.buffers)
                if read is not None:
                    self.moves[node.number] = read
            elif any(move is not None for move in operands):
                yield node, operands
            for number in self.flow.last_use.get(node.number, ()):
                self.moves.pop(number, None)

    def result(self) -> Vector:
        """Return how J changes."""
        node = self.flow.result
        change = None if node is None else self.moves.get(node.number)
        return np.zeros(self.many) if change is None else np.asarray(change, dtype=float).reshape(self.many)
