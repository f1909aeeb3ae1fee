"""Nodes of linear and bilinear functions that other libraries compute: products with sparse matrices, convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.node import Array, Moves, Node, plain


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


@dataclass(frozen=True, slots=True)
class Pairing:
    """A bilinear function of two arrays that another library computes, and its adjoints.

    ``of_first`` are what a slope makes of the first array, given the slope and the second array, ``of_second`` what it
    makes of the second, given the first array and the slope. ``moved_first`` and ``moved_second`` are the function of
    many first, or second, arrays: a stack of them and the other array, and the other array and a stack.
    """

    of_first: Callable[[Array, Array], Array]
    of_second: Callable[[Array, Array], Array]
    moved_first: Callable[[Array, Array], Array]
    moved_second: Callable[[Array, Array], Array]


class Bilinear(Node):
    """A bilinear function of two arrays."""

    of_products = True

    __slots__ = ("pairing",)

    def __init__(self, value: Any, operands: Sequence[Any], pairing: Pairing) -> None:
        super().__init__(value, operands)
        self.pairing = pairing

    def backward(self, slope: Array) -> list[Array | None]:
        """Return what the slope makes of either array."""
        x, y = map(plain, self.operands)
        return [
            self.pairing.of_first(slope, y) if self.wants(0) else None,
            self.pairing.of_second(x, slope) if self.wants(1) else None,
        ]

    def linear(self, moves: Moves) -> bool:
        """Whether one array moves alone."""
        return sum(move is not None for move in moves) < 2

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the function of the first array's move and the second, and of the first and the second's move."""
        x, y = map(plain, self.operands)
        dx, dy = moves
        change = np.zeros((many, *np.shape(self.value)))
        if dx is not None:
            change += self.pairing.moved_first(dx, y)
        if dy is not None:
            change += self.pairing.moved_second(x, dy)
        return change

    def difference(self, moves: Moves, many: int) -> Array:
        """Return the same, and the function of both moves."""
        dx, dy = moves
        change = self.tangent(moves, many)
        if dx is not None and dy is not None:
            for k in range(many):
                change[k] += self.pairing.moved_first(dx[k : k + 1], dy[k])[0]
        return change
