"""What operations hand back to one operand, prepared once: sweeps back pass through the same operations many times.

Operations of kinds that are not in the table compute what they hand to all operands together, each time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastcheck.engines.graph.nodes.movement import Join, Reshape, Section, Transpose
from fastcheck.engines.graph.nodes.node import Array, Node, plain, summed_to
from fastcheck.engines.graph.nodes.products import Matmul
from fastcheck.engines.graph.nodes.smooth import Combination, Elementwise, Multiply, Total

Pullback = Callable[[Array], Array]
"""Returns the slope of an operand, in its shape, given that of the result, in its shape."""


class Handed(NamedTuple):
    """The place of an operand, its number, and what it is handed."""

    place: int
    target: int
    pullback: Pullback


def pullbacks_of(node: Node) -> Sequence[Handed] | None:
    """Return what a node hands to each operand that has slopes; None if it must be asked for all of them together."""
    prepare = PREPARED.get(type(node))
    if prepare is None:
        return None
    handed = []
    for k, x in enumerate(node.operands):
        if not (isinstance(x, Node) and x.live):
            continue
        pullback = prepare(node, k)
        if pullback is None:
            return None
        handed.append(Handed(k, x.number, pullback))
    return handed


def _times(node: Node, k: int, factor: Any) -> Pullback | None:
    """Return slopes times a factor, summed to the shape of an operand; None where the factor is not finite."""
    if factor is None or not np.isfinite(factor).all():
        return None
    shape, own = np.shape(node.value), np.shape(plain(node.operands[k]))
    if np.ndim(factor) == 0 and factor == 1:
        return _itself if own == shape else functools.partial(summed_to, shape=own)
    if own == shape:
        return functools.partial(np.multiply, factor)
    return lambda slope: summed_to(np.multiply(slope, factor), own)


def _itself(slope: Array) -> Array:
    return slope


def _elementwise(node: Node, k: int) -> Pullback | None:
    assert isinstance(node, Elementwise)
    return _times(node, k, node.secants[k])


def _combination(node: Node, k: int) -> Pullback | None:
    assert isinstance(node, Combination)
    return _times(node, k, node.factors[k])


def _multiply(node: Node, k: int) -> Pullback | None:
    return _times(node, k, np.asarray(plain(node.operands[1 - k]), dtype=float))


def _matmul(node: Node, k: int) -> Pullback | None:
    other = np.asarray(plain(node.operands[1 - k]), dtype=float)
    are_matrices = np.ndim(node.value) == other.ndim == np.ndim(plain(node.operands[k])) == 2
    if not are_matrices or not np.isfinite(other).all():
        return None
    transposed = other.T
    return (lambda slope: slope @ transposed) if k == 0 else (lambda slope: transposed @ slope)


def _section(node: Node, k: int) -> Pullback:
    assert isinstance(node, Section)
    shape, key = np.shape(plain(node.operands[0])), node.key

    def pullback(slope: Array) -> Array:
        whole = np.zeros(shape)
        whole[key] = slope
        return whole

    return pullback


def _join(node: Node, k: int) -> Pullback:
    assert isinstance(node, Join)
    ends = np.cumsum([np.shape(plain(x))[node.axis] for x in node.operands])
    start = ends[k - 1] if k else 0
    piece = (slice(None),) * (node.axis % np.ndim(node.value)) + (slice(start, ends[k]),)
    return lambda slope: slope[piece]


def _reshape(node: Node, k: int) -> Pullback:
    shape = np.shape(plain(node.operands[0]))
    return lambda slope: np.reshape(slope, shape)


def _transpose(node: Node, k: int) -> Pullback:
    assert isinstance(node, Transpose)
    back = np.argsort(node.axes)
    return lambda slope: slope.transpose(back)


def _total(node: Node, k: int) -> Pullback:
    assert isinstance(node, Total)
    shape, axes, factor, keepdims = np.shape(plain(node.operands[0])), node.axes, node.factor, node.keepdims

    def pullback(slope: Array) -> Array:
        if factor != 1.0:
            slope = slope * factor
        return np.broadcast_to(slope if keepdims else np.expand_dims(slope, axes), shape)

    return pullback


PREPARED: dict[type[Node], Callable[[Node, int], Pullback | None]] = {
    Elementwise: _elementwise,
    Combination: _combination,
    Multiply: _multiply,
    Matmul: _matmul,
    Section: _section,
    Join: _join,
    Reshape: _reshape,
    Transpose: _transpose,
    Total: _total,
}
"""How operations of each kind are prepared: given the node and the place of an operand."""
