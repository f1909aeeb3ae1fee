"""Functions that are written as several operations: what one of them is a function of, and over which axes it sums.

The smallest example: ``e / e.sum()`` is a function of z alone, where ``e = np.exp(z - z.max())``.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence

from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation, Shares
from fastcheck.engines.graph.nodes.node import Array, Leaf
from fastcheck.engines.graph.nodes.smooth import Total

MOST_OPERATIONS = 24
"""Operations of one function at most."""

Axes = tuple[int, ...]


def arguments_of(end: Operation, graph: CostGraph) -> Iterator[tuple[Operation, list[Operation]]]:
    """Yield operations of which one is a function and of nothing else that has slopes, the nearest first.

    With each come the operations between the two, the end among them.
    """
    waiting = {end.number}
    between: list[Operation] = []
    while len(between) < MOST_OPERATIONS:
        operation = graph.operations[max(waiting)]
        waiting.discard(operation.number)
        is_argument = not waiting and bool(between)
        if is_argument:
            yield operation, list(between)
        if isinstance(operation.node, Leaf):
            return
        between.append(operation)
        waiting.update(x.number for _, x in operation.live_operands)
        if not waiting:
            return


def axes_between(between: Sequence[Operation], ndim: int) -> list[Axes]:
    """Return the axes over which some operations sum, each choice once; those of arrays with as many axes."""
    found: dict[Axes, None] = {}
    for operation in between:
        node = operation.node
        if isinstance(node, Total) and operation.operand_value(0).ndim == ndim and node.axes:
            found.setdefault(tuple(sorted(axis % ndim for axis in node.axes)))
    return list(found)


@dataclasses.dataclass(frozen=True, eq=False)
class Region:
    """The operations by which a start leads to an end, whatever else leads there, too.

    ``ancestors`` are all that lead to the end, which is the first of them.
    """

    graph: CostGraph
    start: Operation
    ancestors: Sequence[Operation]

    @property
    def end(self) -> Operation:
        """The last one."""
        return self.ancestors[0]

    @functools.cached_property
    def between(self) -> list[Operation]:
        """The operations after the start that depend on it, the last one first."""
        numbers = {self.start.number}
        found = []
        for operation in reversed(self.ancestors):
            after = operation.number > self.start.number
            if after and any(x.number in numbers for _, x in operation.live_operands):
                numbers.add(operation.number)
                found.append(operation)
        return found[::-1]

    def shares(self, slope: Array) -> tuple[list[Array], Shares]:
        """Return what the start gets of a slope of the end, in parts, and what all else gets that leads there."""
        inside = {operation.number for operation in self.between}
        slopes, of_start, of_others = {self.end.number: slope}, [], []
        for operation in self.between:
            if operation.number not in slopes:
                continue
            for _, target, part in self.graph.shared(operation.number, slopes[operation.number]):
                if target in inside:
                    slopes[target] = slopes[target] + part if target in slopes else part
                elif target == self.start.number:
                    of_start.append(part)
                else:
                    of_others.append((target, part))
        return of_start, of_others


def ancestors_of(end: Operation, graph: CostGraph) -> list[Operation]:
    """Return operations that lead to one, which is the first, the nearest before the others."""
    waiting = {end.number}
    found: list[Operation] = []
    while waiting and len(found) < MOST_OPERATIONS:
        operation = graph.operations[max(waiting)]
        waiting.discard(operation.number)
        found.append(operation)
        if not isinstance(operation.node, Leaf):
            waiting.update(x.number for _, x in operation.live_operands)
    return found
