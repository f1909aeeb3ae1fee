"""Norms of vectors of length zero, at which the square root of the sum of squares alone has no slope.

The smallest case that breaks without it: ``np.sqrt(np.sum(x ** 2))`` at x = 0, where the slope of the root is infinite
and that of the sum is zero.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.lengths import Norm, Polar
from fastcheck.engines.graph.nodes.movement import Reshape, Section, Transpose
from fastcheck.engines.graph.nodes.node import Node, plain
from fastcheck.engines.graph.nodes.products import Einsum, Matmul
from fastcheck.engines.graph.nodes.smooth import Combination, Elementwise, Multiply, Total
from fastcheck.engines.graph.rules.tables import UFUNCS
from fastcheck.engines.graph.tracing.operands import recorded, values_of
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape


def root_as_norm(x: Any, value: Any) -> Any:
    """Return the recorded root of x as the norm of what x is the sum of the squares of; None if it is none."""
    if type(x) is not Recorded or not x.live or not np.any(np.asarray(value) == 0):
        return None
    vectors = _squares(x.operand())
    if vectors is None:
        return None
    return Recorded(value, current_tape().add(Norm(value, (vectors.operand(),))))


def length(x: Any, y: Any, value: Any) -> Any:
    """Return what records the lengths of points, some of which are at the origin."""
    vectors: Any = np.stack([np.broadcast_to(part, np.shape(value)) for part in (x, y)], -1)
    return Recorded(value, current_tape().add(Norm(value, (vectors.operand(),))))


def _squares(node: Any) -> Any:
    """Return a recorded array, one axis more than the node, the sum of whose squares along the last the node is."""
    if not isinstance(node, Node) or not node.live:
        return None
    rule = SQUARES.get(type(node))
    return None if rule is None else rule(node)


def _separate(node: Any) -> Any:
    """Return the recorded array of a node, apart from the memory that it shares."""
    return Recorded(np.array(node.value), node)


def _same(x: Any, y: Any) -> bool:
    """Whether two operands are one, perhaps the same entries of one."""
    if type(x) is not type(y) or not isinstance(x, Node):
        return False
    if x is y:
        return True
    key = {Section: "key", Transpose: "axes", Reshape: "shape"}.get(type(x))
    if key is None or not _same(x.operands[0], y.operands[0]):
        return False
    of_x, of_y = ((np.shape(z.value) if key == "shape" else getattr(z, key)) for z in (x, y))
    return bool(of_x == of_y)


def _of_elementwise(node: Elementwise) -> Any:
    x = node.operands[0]
    return np.reshape(_separate(x), (*np.shape(x.value), 1)) if node.name == "square" else None


def _of_multiply(node: Multiply) -> Any:
    x, y = node.operands
    return np.reshape(_separate(x), (*np.shape(x.value), 1)) if _same(x, y) else None


def _of_combination(node: Combination) -> Any:
    shape, parts = np.shape(node.value), []
    for x, factor in zip(node.operands, node.factors, strict=True):
        if not isinstance(x, Node) and np.ndim(factor) == 0 and (factor == 0 or not np.any(x)):
            continue
        part = _squares(x)
        if part is None or np.ndim(factor) or not factor > 0:
            return None
        part = part * math.sqrt(factor)
        parts.append(np.broadcast_to(part, (*shape, part.shape[-1])))
    return np.concatenate(parts, -1) if parts else None


def _of_total(node: Total) -> Any:
    part = _squares(node.operands[0])
    if part is None or not node.factor > 0:
        return None
    rest = [k for k in range(part.ndim - 1) if k not in node.axes]
    last = np.transpose(part, [*rest, *node.axes, part.ndim - 1])
    return np.reshape(last * math.sqrt(node.factor), (*np.shape(node.value), -1))


def _of_reshape(node: Reshape) -> Any:
    part = _squares(node.operands[0])
    return None if part is None else np.reshape(part, (*np.shape(node.value), part.shape[-1]))


def _of_matmul(node: Matmul) -> Any:
    x, y = node.operands
    return _separate(x) if _same(x, y) and np.ndim(x.value) == 1 else None


def _of_einsum(node: Einsum) -> Any:
    if len(node.operands) != 2 or not _same(*node.operands) or len(set(node.terms)) > 1:
        return None
    term = node.terms[0]
    x = _separate(node.operands[0])
    order = [term.index(label) for label in node.out]
    rest = [k for k in range(len(term)) if k not in order]
    return np.reshape(np.transpose(x, [*order, *rest]), (*np.shape(node.value), -1))


def hypot(x: Any, y: Any) -> Any:
    """Record np.hypot: where both numbers are zero, as a norm."""
    value = np.hypot(values_of(x), values_of(y))
    lives = any(type(part) is Recorded and part.live for part in (x, y))
    if lives and np.any(value == 0):
        return length(x, y, value)
    return recorded(value, functools.partial(Elementwise, "hypot"), x, y)


def arctan2(x: Any, y: Any) -> Any:
    """Record np.arctan2."""
    return recorded(np.arctan2(values_of(x), values_of(y)), functools.partial(Polar, "arctan2"), x, y)


def squaring(rule: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what records the square: that of a length is smooth, and a sum of squares, at the origin, too."""

    def square(x: Any) -> Any:
        node = x.operand() if type(x) is Recorded else None
        if not isinstance(node, Norm) or np.all(node.value):
            return rule(x)
        vectors = node.operands[0]
        return np.sum(np.square(Recorded(np.array(plain(vectors)), vectors)), axis=-1)

    return square


SQUARES: dict[type[Node], Any] = {
    Elementwise: _of_elementwise,
    Multiply: _of_multiply,
    Combination: _of_combination,
    Total: _of_total,
    Reshape: _of_reshape,
    Matmul: _of_matmul,
    Einsum: _of_einsum,
}
"""Operations whose result may be a sum of squares."""

UFUNCS |= {np.hypot: hypot, np.arctan2: arctan2}
