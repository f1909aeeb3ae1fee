"""Mutations of einsum: operands that are turned, swapped or others, sums that are not complete.

The smallest example: the kernel of a convolution is not turned going back.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.chains import Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, EdgeRule, Operation
from fastcheck.diagnosis.detective.mutations.matrix_products import BACK, OTHER_SLOPE, SAMPLES
from fastcheck.diagnosis.detective.mutations.mutation import Mutation
from fastcheck.diagnosis.detective.mutations.operands import operand_text, place_of
from fastcheck.diagnosis.detective.mutations.other_values import other_slopes, other_values, relation
from fastcheck.engines.graph.nodes.node import Array, Leaf
from fastcheck.engines.graph.nodes.products import Einsum

Turn = Callable[[Array], Array]


class Turned(NamedTuple):
    """A way to turn an array about its last axes, if it has that many, or if they ``fit``."""

    does: str
    turn: Turn
    fits: Callable[[tuple[int, ...]], bool]
    unlikely: float


def _at_least(axes: int, lengths: int) -> Callable[[tuple[int, ...]], bool]:
    return lambda shape: len(shape) >= axes and all(n > 1 for n in shape[-lengths:])


TURNED = (
    Turned(
        "turned around along its last two axes",
        lambda x: np.flip(x, (-2, -1)),
        _at_least(2, 2),
        1.8,
    ),
    Turned("turned around along its last axis", lambda x: np.flip(x, -1), _at_least(1, 1), 2.0),
    Turned(
        "turned around along its last axis but one",
        lambda x: np.flip(x, -2),
        lambda shape: len(shape) > 1 and shape[-2] > 1,
        2.2,
    ),
    Turned(
        "with its last two axes swapped",
        lambda x: np.swapaxes(x, -1, -2),
        lambda shape: len(shape) > 1 and shape[-1] == shape[-2] > 1,
        1.6,
    ),
)
"""What people do to kernels and other operands."""


PARAMETER = 0.1
"""Kernels, which are parameters, are likelier to be turned than what they are applied to, which does the same."""


def _is_parameter(operation: Operation, k: int) -> bool:
    return isinstance(operation.node.operands[k], Leaf)


def einsums(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield what may stand in for the sum of products that an operand of einsum gets."""
    if not isinstance(operation.node, Einsum):
        return
    for k, x in operation.live_operands:
        own = operand_text(operation, k, graph)
        yield from _result_turned(graph, operation, k, np.shape(x.value), own)
        yield from _others_turned(graph, operation, k, own)
        yield from _incomplete(graph, operation, k, own)
        yield from _with_other_values(graph, chains, operation, k, own)
        for other in other_slopes(operation, graph):
            yield Mutation(
                kind="slope of another operation",
                says=f"has the slope of {place_of(other, graph)} instead of that of the product"
                f" in what it passes back to {own} at {{}}",
                rule=EdgeRule(graph, operation, k, _product(operation, k), other.number),
                unlikely=OTHER_SLOPE,
                detail=(k, relation(operation, other, graph)),
                substitutes=True,
            )


def _product(operation: Operation, k: int, j: int | None = None, value: Turn | None = None) -> Turn:
    """Return what operand ``k`` gets of a slope, operand ``j`` being another value: a function of its own."""

    def share(slope: Array) -> Array:
        node = copy.copy(operation.node)
        if j is not None and value is not None:
            operands = list(node.operands)
            operands[j] = value(operation.operand_value(j))
            node.operands = tuple(operands)
        return np.asarray(node.backward(slope)[k])

    return share


def _result_turned(
    graph: CostGraph, operation: Operation, k: int, shape: tuple[int, ...], own: str
) -> Iterator[Mutation]:
    product = _product(operation, k)
    for number, way in enumerate(TURNED):
        if way.fits(shape):
            yield Mutation(
                kind="turned in einsum",
                says=f"has what it passes back to {own} at {{}} {way.does}",
                rule=EdgeRule(graph, operation, k, lambda slope, way=way: way.turn(product(slope))),  # type: ignore[misc]
                unlikely=way.unlikely - PARAMETER * _is_parameter(operation, k),
                detail=(k, number),
            )


def _others_turned(graph: CostGraph, operation: Operation, k: int, own: str) -> Iterator[Mutation]:
    for j in range(len(operation.node.operands)):
        if j == k or (operation.node.operands[j] is operation.node.operands[k]):
            continue
        shape = operation.operand_value(j).shape
        for number, way in enumerate(TURNED):
            if way.fits(shape):
                yield Mutation(
                    kind="turned in einsum",
                    says=f"has {operand_text(operation, j, graph)} {way.does}"
                    + BACK.format(own=own, place="{}"),
                    rule=EdgeRule(graph, operation, k, _product(operation, k, j, way.turn)),
                    unlikely=way.unlikely - PARAMETER * _is_parameter(operation, j),
                    detail=(k, j, number),
                )


def _incomplete(graph: CostGraph, operation: Operation, k: int, own: str) -> Iterator[Mutation]:
    """Yield sums over axes of the result that leave out the first or the last, or have nothing else."""
    node = operation.node
    assert isinstance(node, Einsum)
    product = _product(operation, k)
    for axis, label in enumerate(node.out):
        many = operation.shape[axis]
        for row in SAMPLES:
            if label in node.terms[k] or many < row.least:
                continue
            weights = np.zeros((many, *(1,) * (len(node.out) - axis - 1)))
            weights[row.kept] = 1.0
            yield Mutation(
                kind=row.kind,
                says=row.says.format(many=many) + BACK.format(own=own, place="{}"),
                rule=EdgeRule(
                    graph,
                    operation,
                    k,
                    lambda slope, weights=weights: product(slope * weights),  # type: ignore[misc]
                ),
                unlikely=row.unlikely,
                detail=(k, axis),
            )


def _with_other_values(
    graph: CostGraph, chains: Chains, operation: Operation, k: int, own: str
) -> Iterator[Mutation]:
    for j in range(len(operation.node.operands)):
        if j == k:
            continue
        written = operand_text(operation, j, graph)
        for found in other_values(operation, j, graph, chains):
            yield Mutation(
                kind=found.kind,
                says=f"has {found.instead} instead of {written}" + BACK.format(own=own, place="{}"),
                rule=EdgeRule(
                    graph,
                    operation,
                    k,
                    _product(operation, k, j, lambda _, found=found: found.value()),  # type: ignore[misc]
                ),
                unlikely=found.unlikely,
                detail=(k, j, found.detail),
                substitutes=True,
            )
