"""Nodes of linear and bilinear functions that other libraries compute: products with sparse matrices, convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.node import Array, Node, plain


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

    result: Array = correlate(x, y, "valid", "direct")
    return result


def convolved(x: Array, y: Array) -> Array:
    """Return the full convolution of two arrays."""
    from scipy.signal import convolve

    result: Array = convolve(x, y, "full", "direct")
    return result
