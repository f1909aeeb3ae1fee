"""Mutations of products of matrices: a factor that is not transposed, or another one, samples that are lost.

The smallest example: ``dX = dZ @ W`` for ``Z = X @ W``, W being square, where ``dZ @ W.T`` is right.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.chains import Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, EdgeRule, Operation
from fastcheck.diagnosis.detective.mutations.mutation import Mutation
from fastcheck.diagnosis.detective.mutations.operands import operand_text, place_of
from fastcheck.diagnosis.detective.mutations.other_values import other_slopes, other_values, relation
from fastcheck.engines.graph.nodes.node import Array, summed_to
from fastcheck.engines.graph.nodes.products import Matmul

OTHER_SLOPE = 2.8
"""How unlikely it is that the slope of another operation is taken."""

FIRST_LOST, LAST_LOST, FIRST_ONLY, LAST_ONLY = slice(1, None), slice(None, -1), slice(0, 1), slice(-1, None)


@dataclasses.dataclass(frozen=True, eq=False)
class MatrixEdge:
    """What a product X @ Y hands to one of its factors, ``k`` = 0 or 1: matrices, or stacks of them.

    Vectors are matrices of one row, or column.
    """

    operation: Operation
    k: int

    def _matrix(self, k: int) -> Array:
        value = self.operation.operand_value(k)
        if value.ndim > 1:
            return value
        return value[None, :] if k == 0 else value[:, None]

    @property
    def own(self) -> Array:
        """The factor that gets the share."""
        return self._matrix(self.k)

    @property
    def other(self) -> Array:
        """The other one."""
        return self._matrix(1 - self.k)

    def slope(self, slope: Array) -> Array:
        """Return the slope of the result as a matrix."""
        if self.operation.operand_value(1).ndim == 1:
            slope = np.expand_dims(slope, -1)
        if self.operation.operand_value(0).ndim == 1:
            slope = np.expand_dims(slope, -2)
        return slope

    @property
    def slope_shape(self) -> tuple[int, ...]:
        """The shape of that matrix."""
        return self.slope(np.empty(self.operation.shape)).shape

    def product(self, slope: Array, other: Array) -> Array:
        """Return slope @ otherᵀ for the first factor, otherᵀ @ slope for the second."""
        turned = _transposed(other)
        return slope @ turned if self.k == 0 else turned @ slope

    def folded(self, share: Array) -> Array:
        """Return a share in the shape of the operand."""
        return summed_to(share, self.own.shape).reshape(self.operation.operand_value(self.k).shape)

    @property
    def summed_axes(self) -> list[int]:
        """The axes of the slope over which the share is a sum, counted from the end."""
        shape, own = self.slope_shape, self.own.shape
        batch = [
            axis
            for axis in range(-len(shape), -2)
            if shape[axis] > 1 and (-axis > len(own) or own[axis] == 1)
        ]
        contracted = -1 if self.k == 0 else -2
        return [*batch, *([contracted] if shape[contracted] > 1 else [])]


def _transposed(matrix: Array) -> Array:
    return np.swapaxes(matrix, -1, -2)


class InsteadOfProduct(NamedTuple):
    """What a factor of a product of matrices gets instead of its share, ``share(edge, slope)``, if that ``fits``."""

    kind: str
    says: str
    unlikely: float
    share: Callable[[MatrixEdge, Array], Array]
    fits: Callable[[MatrixEdge], bool]


def _is_square(shape: tuple[int, ...]) -> bool:
    return shape[-1] == shape[-2] > 1


def _reversed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2])


def _product_of_sums(edge: MatrixEdge, slope: Array) -> Array:
    """Return the product of both factors' sums over what should be summed over together."""
    contracted = -1 if edge.k == 0 else -2
    sums = [array.sum(axis=contracted, keepdims=True) for array in (slope, edge.other)]
    return edge.product(*sums)


def _contracted(edge: MatrixEdge) -> int:
    return edge.slope_shape[-1 if edge.k == 0 else -2]


BACK = " in what it passes back to {own} at {place}"

INSTEAD_OF_PRODUCTS = (
    InsteadOfProduct(
        "not transposed",
        "does not transpose {other}" + BACK,
        1.2,
        lambda e, c: e.product(c, _transposed(e.other)),
        lambda e: _is_square(e.other.shape),
    ),
    InsteadOfProduct(
        "matrix left out",
        "passes on slopes without the factor {other}" + BACK,
        1.4,
        lambda e, c: c,
        lambda e: e.slope_shape == e.own.shape,
    ),
    InsteadOfProduct(
        "result transposed",
        "transposes what it passes back to {own} at {place}",
        1.3,
        lambda e, c: _transposed(e.product(c, e.other)),
        lambda e: _is_square(e.own.shape),
    ),
    InsteadOfProduct(
        "slope transposed",
        "transposes the slope of the product, or does not undo its transposition," + BACK,
        1.6,
        lambda e, c: e.product(_transposed(c), e.other),
        lambda e: _is_square(e.slope_shape),
    ),
    InsteadOfProduct(
        "own factor",
        "has {own} where {other} is right" + BACK,
        1.9,
        lambda e, c: e.product(c, e.own),
        lambda e: e.own.shape == e.other.shape,
    ),
    InsteadOfProduct(
        "own factor, transposed",
        "has {own}, transposed, where {other} is right" + BACK,
        1.9,
        lambda e, c: e.product(c, _transposed(e.own)),
        lambda e: _reversed(e.own.shape) == e.other.shape,
    ),
    InsteadOfProduct(
        "ones for the matrix",
        "has ones in place of {other}, which is left out," + BACK,
        2.3,
        lambda e, c: e.product(c, np.ones(e.other.shape)),
        lambda e: e.other.size > 1,
    ),
    InsteadOfProduct(
        "ones for the slope",
        "has ones in place of the slope of the product, the upstream gradient," + BACK,
        2.3,
        lambda e, c: e.product(np.ones(e.slope_shape), e.other),
        lambda e: math.prod(e.slope_shape) > 1,
    ),
    InsteadOfProduct(
        "product of sums",
        "multiplies the sum of the slopes by the sum of {other}, not one by one before it sums," + BACK,
        2.2,
        _product_of_sums,
        lambda e: _contracted(e) > 1,
    ),
    InsteadOfProduct(
        "product of sums, averaged",
        "multiplies the sum of the slopes by the average of {other}, not one by one before it sums," + BACK,
        2.1,
        lambda e, c: _product_of_sums(e, c) / _contracted(e),
        lambda e: _contracted(e) > 1,
    ),
)
"""What people compute in place of the product of the slope and the other matrix."""


class Samples(NamedTuple):
    """Which of several products that should be added up are added up."""

    kind: str
    says: str
    unlikely: float
    kept: slice
    least: int


SAMPLES = (
    Samples("first lost", "leaves out the first of the {many} products that it sums", 1.5, FIRST_LOST, 2),
    Samples("last lost", "leaves out the last of the {many} products that it sums", 1.5, LAST_LOST, 2),
    Samples("first only", "has only the first of the {many} products that it should sum", 1.6, FIRST_ONLY, 3),
    Samples("last only", "has only the last of the {many} products that it should sum", 1.6, LAST_ONLY, 3),
)
"""Sums over samples, time or a batch that are not complete."""


def matrix_products(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield what may stand in for the product of the slope and the other matrix."""
    if not isinstance(operation.node, Matmul):
        return
    for k, _ in operation.live_operands:
        edge = MatrixEdge(operation, k)
        words = {
            "own": operand_text(operation, k, graph),
            "other": operand_text(operation, 1 - k, graph),
            "place": "{}",
        }
        for row in INSTEAD_OF_PRODUCTS:
            if row.fits(edge):
                yield _mutation(graph, edge, row, words)
        yield from _incomplete(graph, edge, words)
        yield from _with_other_values(graph, chains, edge, words)
        yield from _with_other_slopes(graph, edge, words)


def _rule(
    graph: CostGraph, edge: MatrixEdge, share: Callable[[Array], Array], taken_from: int | None = None
) -> EdgeRule:
    return EdgeRule(
        graph, edge.operation, edge.k, lambda slope: edge.folded(share(edge.slope(slope))), taken_from
    )


def _mutation(graph: CostGraph, edge: MatrixEdge, row: InsteadOfProduct, words: dict[str, str]) -> Mutation:
    return Mutation(
        kind=row.kind,
        says=row.says.format(**words),
        rule=_rule(graph, edge, lambda slope: row.share(edge, slope)),
        unlikely=row.unlikely,
        detail=edge.k,
    )


def _incomplete(graph: CostGraph, edge: MatrixEdge, words: dict[str, str]) -> Iterator[Mutation]:
    for axis in edge.summed_axes:
        many = edge.slope_shape[axis]
        for row in SAMPLES:
            if many < row.least:
                continue
            weights = np.zeros((many, *(1,) * (-axis - 1)))
            weights[row.kept] = 1.0
            yield Mutation(
                kind=row.kind,
                says=row.says.format(many=many) + BACK.format(**words),
                rule=_rule(
                    graph,
                    edge,
                    lambda slope, weights=weights: edge.product(slope * weights, edge.other),  # type: ignore[misc]
                ),
                unlikely=row.unlikely,
                detail=(edge.k, axis),
            )


def _with_other_values(
    graph: CostGraph, chains: Chains, edge: MatrixEdge, words: dict[str, str]
) -> Iterator[Mutation]:
    for found in other_values(edge.operation, 1 - edge.k, graph, chains):

        def share(slope: Array, found: object = found) -> Array:
            other = edge.other
            return edge.product(slope, found.value().reshape(other.shape))  # type: ignore[attr-defined]

        yield Mutation(
            kind=found.kind,
            says=f"has {found.instead} instead of {words['other']}" + BACK.format(**words),
            rule=_rule(graph, edge, share),
            unlikely=found.unlikely,
            detail=(edge.k, found.detail),
            substitutes=True,
        )


def _with_other_slopes(graph: CostGraph, edge: MatrixEdge, words: dict[str, str]) -> Iterator[Mutation]:
    for other in other_slopes(edge.operation, graph):
        yield Mutation(
            kind="slope of another operation",
            says=f"has the slope of {place_of(other, graph)} instead of that of the product"
            + BACK.format(**words),
            rule=_rule(graph, edge, lambda slope: edge.product(slope, edge.other), other.number),
            unlikely=OTHER_SLOPE,
            detail=(edge.k, relation(edge.operation, other, graph)),
            substitutes=True,
        )
