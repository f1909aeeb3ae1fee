"""The 2-norm: recognised where a vector of length zero has one, at which the square root alone has no slope."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcheck.engines.graph.arithmetic import Combination, Elementwise, Multiply, Total
from fastcheck.engines.graph.movement import Reshape, Section, Transpose
from fastcheck.engines.graph.nodes import Array, Moves, Node, plain
from fastcheck.engines.graph.products import Einsum, Matmul
from fastcheck.engines.graph.recorded import Recorded
from fastcheck.engines.graph.tape import current_tape


class Norm(Node):
    """The 2-norm along the last axis."""

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope times x over its norm; nothing where that is zero."""
        x = plain(self.operands[0])
        length = np.asarray(self.value)[..., None]
        return [slope[..., None] * np.divide(x, length, out=np.zeros(x.shape), where=length != 0)]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the moves along x over its norm."""
        move, x = moves[0], plain(self.operands[0])
        assert move is not None
        length = np.asarray(self.value)[..., None]
        unit = np.divide(x, length, out=np.zeros(x.shape), where=length != 0)
        return np.asarray((move * unit).sum(axis=-1))

    def difference(self, moves: Moves, many: int) -> Array:
        """Return the difference of squares over the sum of both norms."""
        move, x = moves[0], plain(self.operands[0])
        assert move is not None
        end = x + move
        there = np.sqrt((end * end).sum(axis=-1))
        both = there + self.value
        squares = (move * (2 * x + move)).sum(axis=-1)
        quotient = np.divide(squares, both, out=np.zeros(both.shape), where=both != 0)
        return np.where(np.asarray(self.value) == 0, _length(move), quotient)

    def kinked(self, moves: Moves) -> bool:
        """Whether a vector of length zero moves."""
        move = moves[0]
        assert move is not None
        return bool((move[:, np.asarray(self.value) == 0] != 0).any())


def _length(move: Array) -> Array:
    """Return the norms of vectors that may be too small to be squared."""
    largest = np.max(np.abs(move), axis=-1, keepdims=True, initial=0.0)
    scaled = np.divide(move, largest, out=np.zeros(move.shape), where=largest > 0)
    return np.asarray(largest[..., 0] * np.sqrt((scaled * scaled).sum(axis=-1)))


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


def _kept(node: Any) -> Any:
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
    one, other = ((np.shape(z.value) if key == "shape" else getattr(z, key)) for z in (x, y))
    return bool(one == other)


def _of_elementwise(node: Elementwise) -> Any:
    x = node.operands[0]
    return np.reshape(_kept(x), (*np.shape(x.value), 1)) if node.name == "square" else None


def _of_multiply(node: Multiply) -> Any:
    x, y = node.operands
    return np.reshape(_kept(x), (*np.shape(x.value), 1)) if _same(x, y) else None


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
    return _kept(x) if _same(x, y) and np.ndim(x.value) == 1 else None


def _of_einsum(node: Einsum) -> Any:
    if len(node.operands) != 2 or not _same(*node.operands) or len(set(node.terms)) > 1:
        return None
    term = node.terms[0]
    x = _kept(node.operands[0])
    order = [term.index(label) for label in node.out]
    rest = [k for k in range(len(term)) if k not in order]
    return np.reshape(np.transpose(x, [*order, *rest]), (*np.shape(node.value), -1))


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
