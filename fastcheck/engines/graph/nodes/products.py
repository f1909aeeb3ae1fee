"""Nodes of products of matrices and of arrays with labelled axes."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.node import Array, Moves, Node, aligned, plain, spread


class Matmul(Node):
    """x @ y, both with at least one axis."""

    of_products = True

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return slope @ yᵀ and xᵀ @ slope."""
        x, y = map(plain, self.operands)
        X = x if x.ndim > 1 else x[None]
        Y = y if y.ndim > 1 else y[:, None]
        if y.ndim == 1:
            slope = np.expand_dims(slope, -1)
        if x.ndim == 1:
            slope = np.expand_dims(slope, -2)
        parts: list[Array | None] = [None, None]
        if self.wants(0):
            parts[0] = _folded(slope @ Y.swapaxes(-1, -2), x, 0)
        if self.wants(1):
            parts[1] = self._of_second(X, slope, y)
        return parts

    @staticmethod
    def _of_second(X: Array, slope: Array, y: Array) -> Array:
        if y.ndim == 2 and X.ndim > 2:  # one product instead of a stack of them that is added up
            slope = np.broadcast_to(slope, (*X.shape[:-1], slope.shape[-1]))
            return X.reshape(-1, X.shape[-1]).T @ slope.reshape(-1, slope.shape[-1])
        return _folded(X.swapaxes(-1, -2) @ slope, y, -1)

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return dx @ y + x @ dy."""
        return self._moved(moves, plain(self.operands[1]), None)

    def linear(self, moves: Moves) -> bool:
        """Whether one factor moves alone."""
        return sum(move is not None for move in moves) < 2

    def difference(self, moves: Moves, many: int) -> Array:
        """Return dx @ (y + dy) + x @ dy."""
        return self._moved(moves, plain(self.operands[1]), moves[1])

    def _moved(self, moves: Moves, y: Array, shift: Array | None) -> Array:
        """Return dx @ (y + shift) + x @ dy."""
        x, (dx, dy) = plain(self.operands[0]), moves
        row, column = x.ndim == 1, y.ndim == 1
        ndim = max(x.ndim, y.ndim, 2)
        parts = []
        if dx is not None:
            left = dx[:, None] if row else dx
            if shift is None and y.ndim <= 2:
                right: Array = y[:, None] if column else y
                flat = left.reshape(-1, left.shape[-1]) @ right
                parts.append(flat.reshape(*left.shape[:-1], right.shape[-1]))
            else:
                end = y if shift is None else y + shift
                end = end[..., None] if column else end
                parts.append(aligned(left, ndim) @ (end if shift is None else aligned(end, ndim)))
        if dy is not None:
            right = aligned(dy[..., None] if column else dy, ndim)
            parts.append((x[None] if row else x) @ right)
        result: Array = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        if row:
            result = result[..., 0, :]
        if column:
            result = result[..., 0]
        return spread(result, np.shape(self.value))


def _folded(product: Array, like: Array, axis: int) -> Array:
    """Return the slopes of a factor that had one axis without the axis that stood in for the other."""
    if like.ndim > 1:
        return product
    product = product.sum(axis=tuple(range(product.ndim - 2))) if product.ndim > 2 else product
    return product[0] if axis == 0 else product[:, 0]


class Einsum(Node):
    """A sum of products: ``terms`` are the labels of the operands, ``out`` those of the result, none twice in one."""

    of_products = True

    __slots__ = ("out", "terms")

    def __init__(self, value: Any, operands: Sequence[Any], terms: Sequence[str], out: str) -> None:
        super().__init__(value, operands)
        self.terms, self.out = terms, out

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the sum of products with the slope in the operand's place."""
        values = [np.asarray(plain(x)) for x in self.operands]
        parts: list[Array | None] = []
        for k, term in enumerate(self.terms):
            if not self.wants(k):
                parts.append(None)
                continue
            others = [j for j in range(len(values)) if j != k]
            known = set(self.out).union(*(self.terms[j] for j in others))
            lone = "".join(label for label in term if label not in known)
            names = [self.out, *(self.terms[j] for j in others), *([lone] if lone else [])]
            arrays = [slope, *(values[j] for j in others)]
            if lone:
                arrays.append(np.ones([values[k].shape[term.index(label)] for label in lone]))
            parts.append(np.einsum(f"{','.join(names)}->{term}", *arrays, optimize=len(arrays) > 2))
        return parts

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the sum over operands of the sum of products with the move in the operand's place."""
        return self._moved(moves, [None] * len(moves))

    def linear(self, moves: Moves) -> bool:
        """Whether one factor moves alone."""
        return sum(move is not None for move in moves) < 2

    def difference(self, moves: Moves, many: int) -> Array:
        """Return the same, the operands before that one being at their ends."""
        return self._moved(moves, moves)

    def _moved(self, moves: Moves, shifts: Moves) -> Array:
        values = [np.asarray(plain(x)) for x in self.operands]
        member = next(
            label for label in string.ascii_letters if label not in "".join((*self.terms, self.out))
        )
        total: Any = 0.0
        for k, move in enumerate(moves):
            if move is None:
                continue
            names, arrays = list(self.terms), list(values)
            names[k], arrays[k] = member + names[k], move
            for j in range(k):
                shift = shifts[j]
                if shift is not None:
                    names[j], arrays[j] = member + names[j], values[j] + shift
            total = total + np.einsum(f"{','.join(names)}->{member}{self.out}", *arrays, optimize=True)
        return np.asarray(total)
