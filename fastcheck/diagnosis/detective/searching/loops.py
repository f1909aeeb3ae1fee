"""Loops of a cost whose iterations depend on each other, as backpropagation through time sees them.

Each iteration runs the same lines; operations that are one in all of them make a *spot*, and time is how often it has
run. What an iteration takes from the one before it comes along *carried* edges.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.searching.repeated_mutations import operations_of_ways

Edge = tuple[int, int]
"""An operation, and the place of one of its operands."""


@dataclasses.dataclass(frozen=True, eq=False)
class Loop:
    """A loop whose iterations depend on each other.

    ``times`` is how often it runs. ``at`` holds the operations of each spot by time, from 1; ``time_of`` tells the time
    of an operation. ``carried`` are the edges from an iteration to the one before, by the time of the former.
    """

    times: int
    at: Sequence[Mapping[int, Operation]]
    time_of: Mapping[int, int]
    spot_of: Mapping[int, int]
    carried: Mapping[int, Sequence[Edge]]

    @property
    def operations(self) -> list[Operation]:
        """Its operations."""
        return [operation for spot in self.at for operation in spot.values()]

    def entries(self, graph: CostGraph) -> list[Edge]:
        """Return the edges by which the first iteration takes what later ones take from the iteration before."""
        return [(op.number, k) for op, k in self._first() if (op.number, k) in graph.targets]

    def entry(self, graph: CostGraph, number: int, k: int) -> int | None:
        """Return what the first iteration takes where an operation takes what is carried, None for a constant."""
        first = self.at[self.spot_of[number]].get(1)
        return None if first is None else graph.targets.get((first.number, k))

    def _first(self) -> list[tuple[Operation, int]]:
        kinds = {(self.spot_of[number], k) for edges in self.carried.values() for number, k in edges}
        return [(self.at[spot][1], k) for spot, k in sorted(kinds) if 1 in self.at[spot]]


def loops_of(graph: CostGraph) -> list[Loop]:
    """Return the loops of a cost that carry something on from one iteration to the next."""
    spots: dict[int, list[dict[int, Operation]]] = {}
    for operations in operations_of_ways(graph):
        spots.setdefault(len(operations), []).append(dict(enumerate(operations, 1)))
    return [loop for times, at in spots.items() for loop in _loops(graph, times, at)]


def _loops(graph: CostGraph, times: int, at: Sequence[Mapping[int, Operation]]) -> Iterator[Loop]:
    """Yield the loops among spots of lines that run as often: sets of spots that depend on each other."""
    spot_of = {op.number: spot for spot, operations in enumerate(at) for op in operations.values()}
    time_of = {op.number: time for operations in at for time, op in operations.items()}
    uses: dict[int, set[int]] = {spot: set() for spot in range(len(at))}
    for number, spot in spot_of.items():
        for _, x in graph.operations[number].live_operands:
            if x.number in spot_of and 0 <= time_of[number] - time_of[x.number] <= 1:
                uses[spot].add(spot_of[x.number])
    for together in _components(uses):
        members = {number for number, spot in spot_of.items() if spot in together}
        carried: dict[int, list[Edge]] = {}
        for number in sorted(members):
            for k, x in graph.operations[number].live_operands:
                hands_on = (number, k) in graph.shares
                if hands_on and x.number in members and time_of[number] == time_of[x.number] + 1:
                    carried.setdefault(time_of[number], []).append((number, k))
        if carried and len(together) > 1:
            order = sorted(together)
            yield Loop(
                times,
                [at[spot] for spot in order],
                {number: time_of[number] for number in members},
                {number: order.index(spot_of[number]) for number in members},
                carried,
            )


def _components(uses: Mapping[int, set[int]]) -> list[set[int]]:
    """Return the sets of spots that depend on each other."""
    reached = {spot: _reached(uses, spot) for spot in uses}
    found: list[set[int]] = []
    for spot, others in reached.items():
        if not any(spot in component for component in found):
            found.append({other for other in others if spot in reached[other]} | {spot})
    return found


def _reached(uses: Mapping[int, set[int]], spot: int) -> set[int]:
    found: set[int] = set()
    left = [spot]
    while left:
        for other in uses[left.pop()]:
            if other not in found:
                found.add(other)
                left.append(other)
    return found
