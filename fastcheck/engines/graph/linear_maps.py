"""Nodes of linear and bilinear functions that are computed by others: products with sparse matrices, convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes import Array, Node, plain
from fastcheck.engines.graph.recorded import recorded, values_of
from fastcheck.engines.graph.tape import current_tape


class LinearMap(Node):
    """A linear function of x. ``apply`` and its ``adjoint`` take stacks: arrays with one more axis, the first."""

    __slots__ = ("adjoint", "apply")

    def __init__(
        self, value: Any, x: Any, apply: Callable[[Array], Array], adjoint: Callable[[Array], Array]
    ) -> None:
        super().__init__(value, (x,))
        self.apply, self.adjoint = apply, adjoint

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the adjoint of the slope."""
        return [self.adjoint(np.asarray(slope)[None])[0]]

    def tangent(self, moves: Sequence[Array | None], many: int) -> Array:
        """Return the function of the change."""
        move = moves[0]
        return np.zeros((many, *np.shape(self.value))) if move is None else self.apply(move)

    difference = tangent


class Correlation(Node):
    """The correlation of two arrays of one rank, of the places where the second lies in the first."""

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the convolution with the second array, and the correlation with the first."""
        x, y = map(plain, self.operands)
        return [
            convolved(slope, y) if self.wants(0) else None,
            correlated(x, slope) if self.wants(1) else None,
        ]

    def tangent(self, moves: Sequence[Array | None], many: int) -> Array:
        """Return the first order of the change."""
        return self._change(moves, many, 0.0)

    def difference(self, moves: Sequence[Array | None], many: int) -> Array:
        """Return the change."""
        return self._change(moves, many, 1.0)

    def _change(self, moves: Sequence[Array | None], many: int, both: float) -> Array:
        x, y = map(plain, self.operands)
        dx, dy = moves
        change = np.zeros((many, *self.value.shape))
        for k in range(many):
            if dx is not None:
                change[k] += correlated(dx[k], y)
            if dy is not None:
                change[k] += correlated(x if dx is None else x + both * dx[k], dy[k])
        return change


def correlated(x: Array, y: Array) -> Array:
    """Return the correlation of two arrays, where y lies inside x."""
    from scipy.signal import correlate

    found: Array = correlate(x, y, "valid", "direct")
    return found


def convolved(x: Array, y: Array) -> Array:
    """Return the full convolution of two arrays."""
    from scipy.signal import convolve

    found: Array = convolve(x, y, "full", "direct")
    return found


def linear(value: Any, x: Any, apply: Callable[[Array], Array], adjoint: Callable[[Array], Array]) -> Any:
    """Record a linear function."""
    return recorded(value, lambda value, taken: LinearMap(value, taken[0], apply, adjoint), x)


def along_last(function: Callable[[Array], Array], x: Any) -> Any:
    """Record a linear function that works along the last axis: its adjoint by its matrix."""
    size = np.shape(x)[-1]

    def adjoint(slope: Array) -> Array:
        back: Array = slope @ function(np.eye(size)).T
        return back

    return linear(function(values_of(x)), x, function, adjoint)


def is_sparse(x: Any) -> bool:
    """Whether x is a sparse matrix of SciPy."""
    return type(x).__module__.startswith("scipy.sparse")


def sparse_rule_of(ufunc: np.ufunc, *operands: Any) -> Callable[..., Any]:
    """Return what records a ufunc of a sparse matrix: ``@``, and ``*`` of the classes for which it is the same."""
    matrices = all(type(x).__name__.endswith("_matrix") for x in operands if is_sparse(x))
    if ufunc is np.matmul or (ufunc is np.multiply and matrices):
        return sparse_matmul
    why = "of sparse matrices only products with @ are recorded: use matrix.toarray()."
    raise current_tape().refusal(ufunc.__name__, why)


def sparse_matmul(x: Any, y: Any) -> Any:
    """Record the product of a sparse matrix and an array, or of an array and a sparse matrix."""
    if not is_sparse(x):
        product = sparse_matmul(y.T, np.swapaxes(x, -1, -2) if np.ndim(x) > 1 else x)
        return np.swapaxes(product, -1, -2) if np.ndim(x) > 1 else product
    if np.ndim(y) > 2:
        raise ValueError("sparse matrices multiply arrays of one or two axes")
    turned = x.T

    def times(matrix: Any) -> Callable[[Array], Array]:
        def apply(stack: Array) -> Array:
            columns = np.moveaxis(stack, 0, -1)
            found = matrix @ columns.reshape(columns.shape[0], -1)
            return np.moveaxis(np.reshape(found, (-1, *columns.shape[1:])), -1, 0)

        return apply

    return linear(x @ values_of(y), y, times(x), times(turned))
