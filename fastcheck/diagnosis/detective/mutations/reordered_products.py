"""Mutations of a product of matrices: what it hands back is in another order along an axis, as if the matrix were.

The smallest example: a kernel of 3 × 3, flattened to 9 columns of a matrix, that is turned round on the way back.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.detective.graph.chains import Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation, shares_of
from fastcheck.diagnosis.detective.mutations.mutation import Mutation, instead_on_edge
from fastcheck.diagnosis.detective.mutations.operands import operand_text
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.nodes.products import Matmul

SHORTEST_OF_HALVES = 4
"""Halves of fewer entries are single ones."""

LARGEST_KERNEL = 7
"""Side of a kernel that may be turned."""


class Order(NamedTuple):
    """Another order of the entries along an axis: ``places`` are those that they are taken from."""

    kind: str
    says: str
    unlikely: float
    places: NDArray[np.intp]


def reordered_products(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield other orders of the axis that a product hands back from the axis of its other factor."""
    if not isinstance(operation.node, Matmul):
        return
    for k, x in operation.live_operands:
        shape = np.shape(x.value)
        axis = len(shape) - 1 if k == 0 else max(len(shape) - 2, 0)
        for order in _orders(shape[axis]) if shape else ():
            yield Mutation(
                order.kind,
                f"{order.says} along axis {axis} of what it passes back to "
                f"{operand_text(operation, k, graph)} at {{}}",
                instead_on_edge(
                    graph, operation, k, functools.partial(_in_order, operation, k, axis, order.places)
                ),
                order.unlikely,
                detail=(k, order.places.tobytes()),
            )


def _orders(length: int) -> Iterator[Order]:
    places = np.arange(length)
    if length % 2 == 0 and length >= SHORTEST_OF_HALVES:
        yield Order("halves exchanged", "exchanges the two halves", 2.2, np.roll(places, length // 2))
    for side in range(2, LARGEST_KERNEL + 1):
        if length % side**2 == 0:
            kernels = places.reshape(-1, side, side)
            says = f"turns kernels of {side} × {side} by half a turn"
            yield Order("kernel turned", says, 2.0, kernels[:, ::-1, ::-1].ravel())
            says = f"exchanges rows and columns of kernels of {side} × {side}"
            yield Order("kernel transposed", says, 2.1, kernels.swapaxes(1, 2).ravel())


def _in_order(operation: Operation, k: int, axis: int, places: NDArray[np.intp], slope: Array) -> Array:
    right = next(part for j, _, part in shares_of(operation.node, slope) if j == k)
    return np.take(right, places, axis=axis)
