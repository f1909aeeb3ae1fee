"""Memory that a cost writes into, without the memory: what is read comes from what was written there last.

The smallest example: ``a[0] = x; a[1] = y; z = a`` makes z of x and y, whatever else became of a.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.nodes.decisions import Step
from fastcheck.engines.graph.nodes.movement import Open, Read, Write
from fastcheck.engines.graph.nodes.node import Array, Moves, Node, plain
from fastcheck.engines.graph.recording.record import Recording
from fastcheck.engines.graph.tracing.users_line import Frame

Places = NDArray[np.intp]

NOTHING = -1
"""Source of entries that were never written, or from constants."""


class Gathered(Node):
    """Entries of several nodes: each of the result is one of an operand, or none.

    ``sources`` tell of which operand, ``places`` where in it, in its order of C; arrays in the shape of the result.
    """

    rounds = False

    __slots__ = ("places", "sources")

    def __init__(self, value: Any, operands: Sequence[Node], sources: Places, places: Places) -> None:
        super().__init__(value, operands)
        self.sources, self.places = sources, places

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slopes of the entries that were taken, added up."""
        parts: list[Array | None] = []
        for k, operand in enumerate(self.operands):
            taken = self.sources == k
            shape = np.shape(operand.value)
            size = int(np.prod(shape, dtype=np.intp))
            summed = np.bincount(self.places[taken], np.asarray(slope)[taken], size).reshape(shape)
            parts.append(summed if self.wants(k) else None)
        return parts

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the moves of the entries that are taken."""
        result = np.zeros((many, *np.shape(self.value)))
        for k, move in enumerate(moves):
            if move is not None:
                taken = self.sources == k
                result[:, taken] = move.reshape(many, -1)[:, self.places[taken]]
        return result


class Added(Node):
    """What entries of memory become when others are added to them: ``places`` of the second in the first, flat."""

    __slots__ = ("places",)

    def __init__(self, before: Any, x: Node, places: Places) -> None:
        value = np.array(plain(before), dtype=float)
        np.add.at(value, places, np.broadcast_to(plain(x), places.shape))
        super().__init__(value, (before, x))
        self.places = places

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope, and its entries at the places."""
        return [slope if self.wants(0) else None, slope[self.places] if self.wants(1) else None]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the moves of what was there, and those added."""
        before, added = moves
        result = np.zeros((many, *np.shape(self.value))) if before is None else np.array(before)
        if added is not None:
            full = np.broadcast_to(added, (many, *self.places.shape))
            for row, move in zip(result, full, strict=True):
                np.add.at(row, self.places, move)
        return result


class Memories:
    """The buffers of a tape, as it is gone through: which node each entry was last written by.

    ``written`` holds for each buffer the numbers of nodes, `NOTHING` for constants, and the place in them; ``contents``
    are the numbers that are there, as far as they are made of parameters: constants were not recorded.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = sizes
        self.written: dict[int, tuple[Places, Places]] = {}
        self.contents: dict[int, Array] = {}

    def _of(self, buffer: int) -> tuple[Places, Places]:
        if buffer not in self.written:
            size = self.sizes[buffer]
            self.written[buffer] = np.full(size, NOTHING, np.intp), np.zeros(size, np.intp)
        return self.written[buffer]

    def write(self, node: Open | Write, operand: Any) -> None:
        """Note what an operand was written over; None for one that is constant."""
        numbers, places = self._of(node.buffer)
        where = node.positions
        if operand is None:
            numbers[where] = NOTHING
            return
        shape = np.shape(operand.value)
        own = np.arange(int(np.prod(shape, dtype=np.intp))).reshape(shape)
        numbers[where], places[where] = operand.number, np.broadcast_to(own, np.shape(where))

    def of(self, buffer: int) -> Array:
        """Return the numbers of a buffer."""
        return self.contents.setdefault(buffer, np.zeros(self.sizes[buffer]))

    def hold(self, node: Open | Write) -> None:
        """Put numbers into memory, or add them to what is there."""
        numbers, new = self.of(node.buffer), np.asarray(plain(node.operands[0]), dtype=float)
        if isinstance(node, Write) and node.adds:
            np.add.at(numbers, node.positions, new)
        else:
            numbers[node.positions] = new

    def read(self, node: Read, nodes: Sequence[Node]) -> Gathered:
        """Return what was written where a node reads."""
        return self.gathered(node.value, node.buffer, node.positions, nodes)

    def gathered(self, value: Any, buffer: int, where: Places, nodes: Sequence[Node]) -> Gathered:
        """Return the entries of memory at some positions, which have this value."""
        numbers, places = (array[where] for array in self._of(buffer))
        used = [int(number) for number in np.unique(numbers) if number != NOTHING]
        sources = np.full(np.shape(numbers), NOTHING, np.intp)
        for k, number in enumerate(used):
            sources[numbers == number] = k
        return Gathered(value, [nodes[number] for number in used], sources, np.asarray(places))


def without_buffers(recording: Recording) -> tuple[list[Node], dict[int, tuple[Frame, ...]]]:
    """Return nodes that J depends on, numbered anew, what was read from memory being gathered, and their frames."""
    tape = recording.tape
    memories = Memories(tape.buffers)
    nodes: list[Node] = []
    instead: dict[int, Node] = {}
    frames: dict[int, tuple[Frame, ...]] = {}
    old_numbers = [node.number for node in tape.nodes]

    def add(node: Node, old: int) -> Node:
        node.number = len(nodes)
        nodes.append(node)
        if old in tape.frames:
            frames[node.number] = tape.frames[old]
        return node

    for node, old in zip(tape.nodes, old_numbers, strict=True):
        add_here = functools.partial(add, old=old)
        node.operands = tuple(_kept(x, instead) for x in node.operands)
        if isinstance(node, Step):
            continue
        if isinstance(node, (Open, Write)):
            operand = node.operands[0] if isinstance(node.operands[0], Node) else None
            operand = operand if operand is not None and operand.live else None
            if isinstance(node, Write) and node.adds and operand is not None:
                _add_in_place(node, operand, memories, nodes, add_here)
            elif not (isinstance(node, Write) and node.adds):
                memories.write(node, operand)
            memories.hold(node)
        elif isinstance(node, Read):
            instead[id(node)] = add_here(memories.read(node, nodes))
        else:
            add_here(node)
    if recording.result is not None and id(recording.result) in instead:
        recording.result.number = instead[id(recording.result)].number
    return nodes, frames


def _kept(x: Any, instead: Mapping[int, Node]) -> Any:
    """Return an operand as the graph has it: what has no slope, such as a mask, is a constant."""
    return x.value if isinstance(x, Step) else instead.get(id(x), x)


def _add_in_place(
    node: Write, operand: Node, memories: Memories, nodes: Sequence[Node], add: Callable[[Node], Node]
) -> None:
    """Let entries of memory be what was there, with an operand added to them, whatever else the memory holds."""
    touched, places = np.unique(np.ravel(node.positions), return_inverse=True)
    before = memories.gathered(memories.of(node.buffer)[touched], node.buffer, touched, nodes)
    before.number = len(nodes)
    add(before)
    added = add(Added(before, operand, places.reshape(np.shape(node.positions))))
    numbers, own = memories.written[node.buffer]
    numbers[touched], own[touched] = added.number, np.arange(touched.size)
