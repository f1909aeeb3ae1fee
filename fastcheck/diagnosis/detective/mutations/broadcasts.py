"""Mutations of broadcasting: what stands in for the sum over what an operand was broadcast along.

The smallest example: ``db = dZ[:, :1]`` for ``Z = W @ X + b``, where ``dZ.sum(axis=1, keepdims=True)`` is right.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.chains import ENTRYWISE, Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.mutations.mutation import Mutation, instead_on_edge
from fastcheck.diagnosis.detective.mutations.operands import place_of
from fastcheck.engines.graph.nodes.node import Array

OTHERS_NEAR = 8
"""Operations whose slopes are tried in place of an operation's own: as many before it, and as many after."""


@dataclasses.dataclass(frozen=True, eq=False)
class Broadcast:
    """How an operand was broadcast: its ``shape``, the ``axes`` of the result that it was stretched along.

    ``kept`` are those that it has itself.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    kept: tuple[int, ...]

    @classmethod
    def of(cls, shape: tuple[int, ...], full: tuple[int, ...]) -> Broadcast:
        """Return that of an operand in a result of the shape ``full``."""
        aligned = (1,) * (len(full) - len(shape)) + shape
        axes = tuple(k for k, n in enumerate(aligned) if n == 1 and full[k] != 1)
        return cls(shape, axes, tuple(k for k, n in enumerate(aligned) if n != 1))

    def some(self, part: Array, axes: tuple[int, ...], entry: int) -> Array:
        """Return one entry along some axes, and sums along the others."""
        for axis in axes:
            part = np.take(part, [entry], axis=axis)
        return self.summed(part)

    def summed(self, part: Array) -> Array:
        """Return the sum over all axes, which is right."""
        return np.reshape(part.sum(axis=self.axes), self.shape)

    def same(self, number: float) -> Array:
        """Return an array of one number."""
        return np.full(self.shape, number)

    def without(self, part: Array, axis: int, entry: int) -> Array:
        """Return the sum without one entry along an axis."""
        rest = slice(1, None) if entry == 0 else slice(None, -1)
        return self.summed(part[(slice(None),) * axis + (rest,)])

    def summed_along(self, part: Array, axes: tuple[int, ...]) -> Array:
        """Return the sum over other axes, its entries repeated or cut where there are not as many."""
        return np.resize(part.sum(axis=axes), self.shape)


class InsteadOfSum(NamedTuple):
    """What stands in for the sum over what an operand was broadcast along.

    ``needs`` is how many entries of the operand it takes to differ from what is right.
    """

    kind: str
    says: str
    unlikely: float
    value: Callable[[Broadcast, Array], Array]
    needs: int = 1


INSTEAD_OF_SUMS = (
    InsteadOfSum(
        "summed over everything",
        "sums over all axes, not {axes} alone, for what is broadcast in {{}}",
        1.1,
        lambda broadcast, part: broadcast.same(float(part.sum())),
        needs=2,
    ),
    InsteadOfSum(
        "averaged over everything",
        "averages over all axes, where it should sum over {axes}, for what is broadcast in {{}}",
        1.5,
        lambda broadcast, part: broadcast.same(float(part.mean())),
        needs=2,
    ),
    InsteadOfSum(
        "largest of a broadcast only",
        "takes the largest entry along {axes}, not the sum, for what is broadcast in {{}}",
        2.4,
        lambda broadcast, part: part.max(axis=broadcast.axes).reshape(broadcast.shape),
    ),
)
"""What people do to a slope that is to be summed over what was broadcast."""


def broadcasts(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield what may stand in for the sums over what operands were broadcast along."""
    if not isinstance(operation.node, ENTRYWISE):
        return
    for k, x in operation.live_operands:
        shape = np.shape(x.value)
        if math.prod(shape) == math.prod(operation.shape):
            continue
        broadcast = Broadcast.of(shape, operation.shape)
        for row in INSTEAD_OF_SUMS:
            if math.prod(shape) >= row.needs:
                value = functools.partial(row.value, broadcast)
                yield _on_edge(graph, operation, k, value, row.kind, _says(row.says, broadcast), row.unlikely)
        yield from _some_only(graph, operation, k, broadcast)
        yield from _entries_lost(graph, operation, k, broadcast)
        yield from _wrong_axes(graph, operation, k, broadcast)
        yield from _of_others(graph, operation, k)


def named(axes: tuple[int, ...]) -> str:
    """Return "axis 1" or "axes 0 and 2"."""
    if len(axes) == 1:
        return f"axis {axes[0]}"
    return f"axes {', '.join(map(str, axes[:-1]))} and {axes[-1]}"


def _says(says: str, broadcast: Broadcast) -> str:
    return says.format(axes=named(broadcast.axes))


def _on_edge(
    graph: CostGraph,
    operation: Operation,
    k: int,
    value: Callable[[Array], Array],
    kind: str,
    says: str,
    unlikely: float,
    detail: object = None,
) -> Mutation:
    def share(slope: Array) -> Array:
        part = np.asarray(graph.unreduced(operation.number, slope)[k], dtype=float)
        return value(np.broadcast_to(part, operation.shape))

    return Mutation(kind, says, instead_on_edge(graph, operation, k, share), unlikely, detail=(k, detail))


def _some_only(graph: CostGraph, operation: Operation, k: int, broadcast: Broadcast) -> Iterator[Mutation]:
    """Yield one entry along some of the axes, and the sum along the others."""
    for count in range(1, len(broadcast.axes) + 1):
        for axes, entry in itertools.product(itertools.combinations(broadcast.axes, count), (0, -1)):
            which = "last" if entry else "first"
            yield _on_edge(
                graph,
                operation,
                k,
                functools.partial(broadcast.some, axes=axes, entry=entry),
                f"{which} of a broadcast only",
                f"takes the {which} entry along {named(axes)}, not the sum, for what is broadcast in {{}}",
                1.3,
                axes,
            )


def _entries_lost(graph: CostGraph, operation: Operation, k: int, broadcast: Broadcast) -> Iterator[Mutation]:
    for axis, entry in itertools.product(broadcast.axes, (0, -1)):
        which = "last" if entry else "first"
        yield _on_edge(
            graph,
            operation,
            k,
            functools.partial(broadcast.without, axis=axis, entry=entry),
            f"{which} of a broadcast lost",
            f"leaves the {which} entry along axis {axis} out of the sum for what is broadcast in {{}}",
            1.7,
            axis,
        )


def _wrong_axes(graph: CostGraph, operation: Operation, k: int, broadcast: Broadcast) -> Iterator[Mutation]:
    """Yield sums over as many other axes."""
    if math.prod(broadcast.shape) < 2:
        return
    for axes in itertools.combinations(range(len(operation.shape)), len(broadcast.axes)):
        if axes != broadcast.axes:
            yield _on_edge(
                graph,
                operation,
                k,
                functools.partial(broadcast.summed_along, axes=axes),
                "summed over the wrong axis",
                f"sums over {named(axes)}, not {named(broadcast.axes)}, for what is broadcast in {{}}",
                1.5,
                axes,
            )


def _of_others(graph: CostGraph, operation: Operation, k: int) -> Iterator[Mutation]:
    """Yield the sums of slopes of other operations, as of dA where dZ is right."""
    for other in nearest_alike(graph, operation):
        part = np.asarray(graph.unreduced(operation.number, graph.slopes[other.number])[k], dtype=float)
        yield Mutation(
            "slope of another place",
            f"hands what is broadcast in {{}} the slope of {place_of(other, graph)}, summed",
            instead_on_edge(graph, operation, k, lambda _, part=part: part),  # type: ignore[misc]
            3.0,
            detail=(k, other.number - operation.number),
            substitutes=True,
        )


def nearest_alike(graph: CostGraph, operation: Operation) -> list[Operation]:
    """Return the operations with slopes of the same shape that are next to one, before it and after it."""
    found: list[Operation] = []
    for numbers in (range(operation.number + 1, len(graph.operations)), range(operation.number - 1, -1, -1)):
        near = (graph.operations[n] for n in numbers if n in graph.slopes)
        alike = (other for other in near if other.shape == operation.shape)
        found += itertools.islice(alike, OTHERS_NEAR)
    return found
