"""Chains of operations that work entry by entry: 1 / (1 + np.exp(-z)) is one function of z."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.graph.shadows import Constants, slope_of_chain
from fastcheck.engines.graph.nodes.choices import Absolute, Choice, Extremum
from fastcheck.engines.graph.nodes.node import Array, Node
from fastcheck.engines.graph.nodes.smooth import Combination, Elementwise, Multiply

ENTRYWISE = (Elementwise, Multiply, Combination, Extremum, Choice, Absolute)

LONGEST_CHAIN = 10
"""Operations of a chain at most."""


@dataclasses.dataclass(frozen=True, eq=False)
class Chain:
    """``end`` is a function of ``start`` alone, entry by entry; ``numbers`` are the operations after ``start``."""

    graph: CostGraph
    start: Operation
    end: Operation
    numbers: tuple[int, ...]

    @property
    def is_one_operation(self) -> bool:
        """Whether nothing lies between them."""
        return len(self.numbers) == 1 and (len(self.end.live_operands) == 1 or is_square(self.end))

    @property
    def is_linear(self) -> bool:
        """Whether it only adds constants and multiplies by numbers."""
        return all(isinstance(self.graph.operations[n].node, Combination) for n in self.numbers)

    @property
    def only_scales(self) -> bool:
        """Whether it only adds and multiplies by constants, numbers or arrays: its derivative is constant."""
        return all(_scales(self.graph.operations[number]) for number in self.numbers)

    @property
    def is_part(self) -> bool:
        """Whether one expression computes more of the same function: `np.exp` in 1 / (1 + np.exp(-z)).

        One operation is a function of its own where only multiples are taken before and after: 3 tanh(2 z).
        """
        before, after = self.start, self.end
        while _leads_on(self.graph, before):
            if not (self.is_one_operation and _scales(before)):
                return True
            before = self.graph.operations[before.live_operands[0][1].number]
        while _leads_on(self.graph, after):
            after = self.graph.operations[self.graph.uses[after.number][0][0]]
            if not _scales(after):
                return True
        return False

    @functools.cached_property
    def slope(self) -> Array | None:
        """The derivative."""
        return slope_of_chain(self.graph, self.start.number, list(self.numbers))

    def slope_at(self, value: Array) -> Array | None:
        """Return the derivative at another value."""
        try:
            return slope_of_chain(self.graph, self.start.number, list(self.numbers), value)
        except (ValueError, TypeError, ArithmeticError):
            return None

    def slope_with(self, constants: Constants) -> Array | None:
        """Return the derivative with other constants."""
        try:
            return slope_of_chain(self.graph, self.start.number, list(self.numbers), constants=constants)
        except (ValueError, TypeError, ArithmeticError):
            return None


class Chains:
    """The chains of a graph, by their end."""

    def __init__(self, graph: CostGraph) -> None:
        self.graph = graph
        self._starts: list[list[int]] = []
        for operation in graph.operations:
            self._starts.append(self._starts_of(operation))

    def _starts_of(self, operation: Operation) -> list[int]:
        """Return the operations of which this one is a function entry by entry, itself first."""
        operands = operation.live_operands
        alike = [x for _, x in operands if _shape(x) == operation.shape]
        if not isinstance(operation.node, ENTRYWISE) or not operands or len(alike) < len(operands):
            return [operation.number]
        common = [
            start
            for start in self._starts[alike[0].number]
            if all(start in self._starts[x.number] for x in alike)
        ]
        return [operation.number, *common[:LONGEST_CHAIN]]

    def ending_at(self, operation: Operation) -> Iterator[Chain]:
        """Yield the chains that end in an operation, the shortest first."""
        for start in self._starts[operation.number][1:]:
            numbers = tuple(sorted(self._between(start, operation)))
            yield Chain(self.graph, self.graph.operations[start], operation, numbers)

    def _between(self, start: int, end: Operation) -> set[int]:
        """Return the operations by which a start leads to an end, which is one of them."""
        found, left = {end.number}, [end]
        while left:
            for _, x in left.pop().live_operands:
                if x.number not in found and x.number != start:
                    found.add(x.number)
                    left.append(self.graph.operations[x.number])
        return found


def _shape(x: Node) -> tuple[int, ...]:
    value = x.value
    return tuple(getattr(value, "shape", ()))


def is_square(operation: Operation) -> bool:
    """Whether an operation is the product of a value with itself."""
    node = operation.node
    return isinstance(node, Multiply) and node.operands[0] is node.operands[1]


def _leads_on(graph: CostGraph, operation: Operation) -> bool:
    """Whether an operation of one operand is computed for another such one of the same time its line runs, alone."""
    uses = graph.uses[operation.number]
    if len(uses) != 1 or not _is_function(operation):
        return False
    user = graph.operations[uses[0][0]]
    if operation.origin is None or user.origin is None or not _is_function(user):
        return False
    return user.origin.execution is operation.origin.execution


def _scales(operation: Operation) -> bool:
    """Whether an operation only adds, or multiplies by a constant."""
    is_multiple = isinstance(operation.node, Multiply) and len(operation.live_operands) == 1
    return isinstance(operation.node, Combination) or is_multiple


def _is_function(operation: Operation) -> bool:
    return isinstance(operation.node, ENTRYWISE) and len(operation.live_operands) == 1
