"""Mutations of sums over axes: how a slope is spread over what was summed.

The smallest example: ``dX[:, 0] = ds`` for ``s = X.sum(axis=1)``, where each entry of a row gets the slope.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.chains import Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.mutations.mutation import Mutation, instead_on_edge
from fastcheck.engines.graph.nodes.node import Array, plain
from fastcheck.engines.graph.nodes.smooth import Cumulative, Total


class InsteadOfSpread(NamedTuple):
    """What stands in for the slope spread over the entries of a sum: ``value(right, axes)``."""

    kind: str
    says: str
    unlikely: float
    value: Callable[[Array, tuple[int, ...]], Array]


def _only(right: Array, axes: tuple[int, ...], entry: int) -> Array:
    """Return slopes at one entry along some axes, and zeros elsewhere."""
    only = np.zeros(right.shape)
    at = tuple(entry if k in axes else slice(None) for k in range(right.ndim))
    only[at] = right[at]
    return only


INSTEAD_OF_SPREADS = (
    InsteadOfSpread(
        "sum to the first entry only",
        "hands what goes back through {} to the first entry of the sum alone, where each gets it",
        1.8,
        functools.partial(_only, entry=0),
    ),
    InsteadOfSpread(
        "sum to the last entry only",
        "hands what goes back through {} to the last entry of the sum alone, where each gets it",
        1.9,
        functools.partial(_only, entry=-1),
    ),
)
"""What people do to the slope of a sum."""


def reductions(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield what may stand in for the spreading of a slope over the entries of a sum."""
    node = operation.node
    if not isinstance(node, Total) or np.size(plain(node.operands[0])) == np.size(node.value):
        return
    for row in INSTEAD_OF_SPREADS:

        def share(slope: Array, row: InsteadOfSpread = row) -> Array:
            return row.value(graph.unreduced(operation.number, slope)[0], node.axes)

        yield Mutation(row.kind, row.says, instead_on_edge(graph, operation, 0, share), row.unlikely)
    yield from _along_wrong_axes(operation, graph, node)


def _along_wrong_axes(operation: Operation, graph: CostGraph, node: Total) -> Iterator[Mutation]:
    """Yield the slope spread along other axes, where it still fits: a mistake with ``keepdims`` in a square."""
    shape = np.shape(plain(node.operands[0]))
    rest = tuple(n for k, n in enumerate(shape) if k not in node.axes)
    if len(rest) == 0:
        return
    for axes in itertools.combinations(range(len(shape)), len(node.axes)):
        if axes == tuple(sorted(node.axes)) or rest != tuple(n for k, n in enumerate(shape) if k not in axes):
            continue

        def share(slope: Array, axes: tuple[int, ...] = axes) -> Array:
            bare = np.reshape(slope, rest) * node.factor
            return np.broadcast_to(np.expand_dims(bare, axes), shape)

        yield Mutation(
            "spread along the wrong axis",
            "spreads what goes back through {} along the wrong axis",
            instead_on_edge(graph, operation, 0, share),
            1.5,
            detail=axes,
        )


def cumulative_sums(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield what may stand in for the sum from the other end, which is the slope of a cumulative sum."""
    node = operation.node
    if not isinstance(node, Cumulative):
        return
    for kind, says, unlikely, value in (
        (
            "cumulative sum in the same direction",
            "sums slopes from the start, where it should sum from the end, at {}",
            1.1,
            lambda slope: np.cumsum(slope, node.axis),
        ),
        (
            "cumulative sum left out",
            "leaves out the cumulative sum of slopes at {}",
            1.3,
            lambda slope: slope,
        ),
    ):
        yield Mutation(kind, says, instead_on_edge(graph, operation, 0, value), unlikely)
