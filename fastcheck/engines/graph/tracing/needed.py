"""What of a record J depends on: it ends with J, whatever the cost did besides and afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from fastcheck.engines.graph.nodes.decisions import Guard
from fastcheck.engines.graph.nodes.movement import Open, Read, Write
from fastcheck.engines.graph.nodes.node import Array, Leaf, Moves, Node
from fastcheck.engines.graph.tracing.tracing_error import TracingError


def needed(nodes: Sequence[Node], ends: Iterable[Node]) -> list[Node]:
    """Return the leaves and what some nodes depend on, in order; writes into buffers until these are last read."""
    wanted = {end.number for end in ends}
    buffers: set[int] = set()
    wanted_nodes = []
    for node in reversed(nodes):
        writes = buffers and isinstance(node, (Write, Open)) and node.buffer in buffers
        if node.number not in wanted and not writes and not isinstance(node, Leaf):
            continue
        wanted_nodes.append(node)
        for x in node.operands:
            if isinstance(x, Node):
                wanted.add(x.number)
        if isinstance(node, Read):
            buffers.add(node.buffer)
    return wanted_nodes[::-1]


def recorded_until(nodes: Sequence[Node], result: Node | None, more: bool) -> tuple[list[Node], int]:
    """Return what J and the decisions of the cost depend on, and the number of the last node from which J was computed.

    If the cost returned ``more`` than J, what it decided afterwards concerns that alone, unless J decided. Decisions
    that depend on something unknown are left out. Raises the error of the first `Unknown` that J depends on.
    """
    own = needed(nodes, [] if result is None else [result])
    for node in own:
        if isinstance(node, Unknown):
            raise node.error
    last = max((node.number for node in own if not isinstance(node, Read)), default=-1)
    guards = [node for node in nodes if isinstance(node, Guard)]
    if result is None or not guards:
        return own, last
    from_unknown, by_j = _made_uses_unknown(nodes), _made_of(result, nodes) if more else set()
    guards = [
        x
        for x in guards
        if x.number not in from_unknown and (not more or x.number <= last or x.number in by_j)
    ]
    return (needed(nodes, [result, *guards]) if guards else own), last


def _made_of(source: Node, nodes: Sequence[Node]) -> set[int]:
    """Return the numbers of the nodes that are computed from this one."""
    made = {source.number}
    for node in nodes[source.number + 1 :]:
        if any(isinstance(x, Node) and x.number in made for x in node.operands):
            made.add(node.number)
    return made


def _made_uses_unknown(nodes: Sequence[Node]) -> set[int]:
    """Return the numbers of the nodes that depend on an `Unknown`."""
    unknown: set[int] = set()
    buffers: set[int] = set()
    if not any(isinstance(node, Unknown) for node in nodes):
        return unknown
    for node in nodes:
        uses_unknown = any(isinstance(x, Node) and x.number in unknown for x in node.operands)
        if isinstance(node, (Write, Open)) and uses_unknown:
            buffers.add(node.buffer)
        if isinstance(node, Unknown) or uses_unknown or (isinstance(node, Read) and node.buffer in buffers):
            unknown.add(node.number)
    return unknown


class Unknown(Node):
    """A value of which nothing is known but that parameters may reach it, and why."""

    __slots__ = ("error",)

    def __init__(self, value: Any, operands: Sequence[Any], error: TracingError) -> None:
        super().__init__(value, operands)
        self.live = self.moves = True
        self.error = error

    def backward(self, slope: Array) -> NoReturn:
        """Raise what made it unknown."""
        raise self.error

    def tangent(self, moves: Moves, many: int) -> NoReturn:
        """Raise what made it unknown."""
        raise self.error

    def difference(self, moves: Moves, many: int) -> NoReturn:
        """Raise what made it unknown."""
        raise self.error
