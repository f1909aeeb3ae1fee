"""How far what J makes of an operand may vary, if what it makes of the result varies by some width: absolute values.

The smallest example is y = a - b, where what J makes of y is known to ± 1 only. That of b is minus it, and is known to
± 1 as well, not to ∓ 1. Backward rules are linear: with |factors| in the place of factors they turn widths of the
result into those of operands.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.choices import Absolute, Choice, Extremum
from fastcheck.engines.graph.nodes.lengths import Norm
from fastcheck.engines.graph.nodes.linear_maps import Bilinear
from fastcheck.engines.graph.nodes.matrices import Solve
from fastcheck.engines.graph.nodes.movement import Join, Pick, Reshape, Selected, Spread, Transpose
from fastcheck.engines.graph.nodes.node import Array, Leaf, Node, plain
from fastcheck.engines.graph.nodes.products import Einsum, Matmul
from fastcheck.engines.graph.nodes.smooth import (
    Combination,
    Cumulative,
    Elementwise,
    Multiply,
    Product,
    Total,
)

MOST_ENTRIES = 512
"""Entries of a result up to which an operation without a rule is turned round entry by entry."""

Widths = Sequence[Array | None]


def widths_of_operands(node: Node, width: Array) -> Widths:
    """Return the widths of the operands, given those of the result; infinite where that is not known."""
    rule = RULES.get(type(node), by_entry)
    return rule(node, width)


def _with_factor_one(node: Node, width: Array) -> Widths:
    return node.backward(width)


def _of_absolute(node: Node, width: Array) -> Widths:
    return [width]


def _with_sizes_of_factors(node: Any, width: Array) -> Widths:
    factors = node.secants if isinstance(node, Elementwise) else node.factors
    return [
        width * np.abs(factor) if node.wants(k) and factor is not None else None
        for k, factor in enumerate(factors)
    ]


def _with_sizes_of_operands(node: Node, width: Array) -> Widths:
    """Return those of products, of which the factors of each operand are the others."""
    twin = copy.copy(node)
    twin.operands = tuple(_size_of(x) for x in node.operands)
    return twin.backward(width)


def _size_of(x: Any) -> Any:
    size = np.abs(plain(x))
    has_slope = isinstance(x, Node) and x.live
    return Leaf(size) if has_slope else size


def _of_solve(node: Node, width: Array) -> Widths:
    inverse = np.abs(np.linalg.inv(plain(node.operands[0])))
    of_right = inverse.swapaxes(-1, -2) @ width
    of_matrix = of_right @ np.abs(node.value).swapaxes(-1, -2) if node.wants(0) else None
    return [of_matrix, of_right if node.wants(1) else None]


def by_entry(node: Node, width: Array) -> Widths:
    """Return the widths by what each entry of the result alone shares with the operands."""
    width = np.broadcast_to(width, np.shape(node.value))
    wide = [tuple(index) for index in np.argwhere(width != 0)]
    if len(wide) > MOST_ENTRIES:
        return [
            np.full(np.shape(plain(x)), np.inf) if node.wants(k) else None
            for k, x in enumerate(node.operands)
        ]
    widths: list[Any] = [None] * len(node.operands)
    for index in wide:
        slope = np.zeros(width.shape)
        slope[index] = width[index]
        for k, share in enumerate(node.backward(slope)):
            if share is not None:
                widths[k] = np.abs(share) if widths[k] is None else widths[k] + np.abs(share)
    return widths


RULES: dict[type[Node], Callable[[Any, Array], Widths]] = {
    **dict.fromkeys((Elementwise, Combination), _with_sizes_of_factors),
    **dict.fromkeys((Multiply, Matmul, Einsum, Bilinear, Product, Norm), _with_sizes_of_operands),
    **dict.fromkeys(
        (Total, Cumulative, Reshape, Transpose, Pick, Spread, Selected, Join, Choice, Extremum),
        _with_factor_one,
    ),
    Absolute: _of_absolute,
    Solve: _of_solve,
}
"""Operations of which the widths are known without looking at each entry of the result."""
