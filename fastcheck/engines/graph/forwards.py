"""Changes of the parameters, sent forwards through what was recorded: to first order, or exactly."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.nodes.decisions import Guard, Step
from fastcheck.engines.graph.nodes.movement import Open, Read, Write
from fastcheck.engines.graph.nodes.node import Array, Leaf, Moves, Node, aligned, spread
from fastcheck.engines.graph.nodes.smooth import TINY_STEP, Elementwise
from fastcheck.engines.graph.tracing.tape import Tape

SHARE_OF_DIRECTION = 2.0**-20
"""Share of a direction over which what does not move to first order is seen to move."""


class KnownKinks(Protocol):
    """What is known of operations at kinks: how they move with the choice that a backward pass makes there."""

    def knows(self, node: Node) -> bool:
        """Whether the kinks of an operation are known."""
        ...

    def tangent(self, node: Node, moves: Moves, many: int) -> Array:
        """Return how it moves to first order."""
        ...

    def disagreement(self, node: Node, moves: Moves, tangent: Array) -> float:
        """Return how far exact differences over tiny moves are from what is known: the worst entry."""
        ...


@dataclass(frozen=True, slots=True)
class Tangents:
    """Changes of J along some directions, to first order.

    ``kinked``: whether θ stands on a kink of what moves along the first; ``disagreement``: how far exact differences
    over a tiny step along it are from those to first order, in the worst entry of any operation.
    """

    change: Array
    kinked: bool
    disagreement: float


@dataclass(frozen=True, slots=True)
class Differences:
    """Exact changes of J along some directions; ``elsewhere`` tells along which of them the cost takes another way."""

    change: Array
    elsewhere: NDArray[np.bool_]


CONSTANT = -1
"""In the place of the number of an operand that is no node."""


class _Stage(NamedTuple):
    """A node, the numbers of its operands, and those of nodes whose moves it is the last to use."""

    node: Node
    operands: tuple[int, ...]
    used_up: Sequence[int]

    @classmethod
    def of(cls, node: Node, used_up: Sequence[int]) -> _Stage:
        """Return the stage of a node."""
        numbers = tuple([x.number if isinstance(x, Node) else CONSTANT for x in node.operands])
        return cls(node, numbers, used_up)


class Flow:
    """The part of a tape that its result, or the way the cost went, depends on: what flows forwards through it."""

    def __init__(self, tape: Tape, result: Node | None, leaves: Sequence[Leaf]) -> None:
        self.tape, self.result, self.leaves = tape, result, leaves
        self.nodes, last_use = self._needed()
        self.stages = [_Stage.of(node, last_use.get(node.number, ())) for node in self.nodes]
        self.known_kinks: KnownKinks | None = None

    def _needed(self) -> tuple[list[Node], dict[int, list[int]]]:
        """Return the nodes in their order, and which moves are used last by each."""
        needed, buffers = {self.result.number} if self.result is not None else set(), set()
        nodes: list[Node] = []
        last_use: dict[int, list[int]] = {}
        used: set[int] = set(needed)  # J itself is kept
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

    @functools.cached_property
    def deciding(self) -> set[int]:
        """The nodes that lead to guards alone: kinks do not matter there, but jumps of truth values do."""
        if not any(isinstance(node, Guard) for node in self.nodes):
            return set()
        needed = {self.result.number} if self.result is not None else set()
        buffers: set[int] = set()
        for node in reversed(self.nodes):
            in_use = node.buffer in buffers if isinstance(node, (Open, Write)) else node.number in needed
            if in_use:
                needed.update(x.number for x in node.operands if isinstance(x, Node))
                if isinstance(node, Read):
                    buffers.add(node.buffer)
        return {node.number for node in self.nodes if not isinstance(node, Step)} - needed

    def on_kinks(self, known: KnownKinks) -> Flow:
        """Return the same for a θ that stands on known kinks."""
        flow = copy.copy(self)
        flow.known_kinks = known
        return flow

    def tangents(self, moves: Sequence[Array], many: int, tiny: float | None = TINY_STEP) -> Tangents:
        """Return ``many`` changes of J to first order; ``moves[k]`` are those of leaf k, as many of its shape.

        At every operation, the exact difference over ``tiny`` times the first of them is compared with that, if
        ``tiny`` is given.
        """
        swept, compared = _Swept(self, moves, many), _Compared(tiny or 0.0)
        for node, operands in swept.nodes():
            known = self.known_kinks
            if known is not None and not known.knows(node):
                known = None
            if node.live:
                swept.moves[node.number] = (
                    node.tangent(operands, many) if known is None else known.tangent(node, operands, many)
                )
            if tiny is not None and node.number not in self.deciding:
                compared.add(node, operands, swept.moves.get(node.number), known)
        kinked = compared.kinked
        if compared.still and not kinked:
            kinked = self._moves_there(compared.still, [SHARE_OF_DIRECTION * move[:1] for move in moves])
        return Tangents(swept.result(), kinked, compared.disagreement)

    def _moves_there(self, still: dict[int, list[Array | None]], moves: Moves) -> bool:
        """Return whether operands move, if not to first order, at these entries: the root of x² is a kink at zero."""
        return any(
            at is not None and move is not None and np.any(at & (aligned(move, at.ndim)[0] != 0))
            for node, operands in self.exact_moves(moves, 1)
            for move, at in zip(operands, still.get(node.number, ()), strict=False)
        )

    def differences(self, moves: Moves, many: int) -> Differences:
        """Return ``many`` exact changes of J; ``moves[k]`` are those of leaf k, as many of its shape, or None."""
        swept, elsewhere = _Swept(self, moves, many), np.zeros(many, dtype=bool)
        for node, operands in swept.exact():
            if isinstance(node, Guard):
                elsewhere |= node.differs(operands, many)
        return Differences(swept.result(), elsewhere)

    def exact_moves(self, moves: Moves, many: int) -> Iterator[tuple[Node, list[Array | None]]]:
        """Yield the nodes some operand of which moves, with ``many`` exact changes of the operands."""
        return _Swept(self, moves, many).exact()


class _Compared:
    """Operations compared with exact differences over a ``tiny`` step along the first of several directions.

    ``kinked`` and ``disagreement`` are those of `Tangents`. ``still`` are, by number of the node, the entries of
    operands that do not move to first order, though a function of infinite slope is taken of them: sqrt(x²) at 0 has
    the slope 0·∞, and whether it is at a kink shows only along steps that are not tiny.
    """

    def __init__(self, tiny: float) -> None:
        self.tiny, self.kinked, self.disagreement = tiny, False, 0.0
        self.still: dict[int, list[Array | None]] = {}

    def add(self, node: Node, moves: Moves, tangent: Array | None, known: KnownKinks | None) -> None:
        """Compare one operation, of which the operands and the result move by these to first order."""
        nothing_to_compare = known is None and not node.has_kinks and node.linear(moves)
        if nothing_to_compare:
            return
        near = [None if move is None else self.tiny * move[:1] for move in moves]
        if known is None and node.has_kinks and not self.kinked:
            self.kinked = node.kinked(near)
        if tangent is None:
            return
        if isinstance(node, Elementwise):
            still = node.still(moves)
            if any(at is not None and at.any() for at in still):
                self.still[node.number] = still
        if known is not None:
            disagreement = known.disagreement(node, near, self.tiny * tangent[:1])
        elif not node.linear(moves):
            disagreement = node.disagreement(near, self.tiny * tangent[:1])
        else:
            return
        self.disagreement = max(self.disagreement, disagreement)


class _Swept:
    """One sweep forwards: the moves of every node and buffer, as long as they are used."""

    def __init__(self, flow: Flow, moves: Moves, many: int) -> None:
        self.flow, self.many = flow, many
        self.moves: dict[int, Array] = {
            leaf.number: move.reshape(many, *leaf.value.shape)
            for leaf, move in zip(flow.leaves, moves, strict=True)
            if move is not None
        }
        self.buffers: dict[int, Array] = {}

    def nodes(self) -> Iterator[tuple[Node, list[Array | None]]]:
        """Yield the nodes some operand of which moves, with the moves; buffers are seen to."""
        sizes = self.flow.tape.buffers
        for node, numbers, used_up in self.flow.stages:
            operands = [self.moves.get(number) for number in numbers]
            if isinstance(node, (Open, Write)):
                node.move_to(operands, self.many, self.buffers, sizes[node.buffer])
            elif isinstance(node, Read):
                read = node.move_from(self.buffers)
                if read is not None:
                    self.moves[node.number] = read
            else:
                for move in operands:
                    if move is not None:
                        yield node, operands
                        break
            for number in used_up:
                self.moves.pop(number, None)

    def exact(self) -> Iterator[tuple[Node, list[Array | None]]]:
        """Yield the nodes some operand of which moves, with the moves; then they move by their exact differences."""
        for node, operands in self.nodes():
            yield node, operands
            if not isinstance(node, Guard):
                self.moves[node.number] = node.difference(operands, self.many)

    def result(self) -> Array:
        """Return how the result changes: as many numbers if it is J, or as many rows if it has several entries."""
        node = self.flow.result
        if node is None:
            return np.zeros(self.many)
        size, change = int(np.size(node.value)), self.moves.get(node.number)
        shape = (self.many,) if size == 1 else (self.many, size)
        if change is None:
            return np.zeros(shape)
        return np.asarray(spread(change, np.shape(node.value)), dtype=float).reshape(shape)
