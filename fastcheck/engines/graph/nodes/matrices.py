"""Nodes of linear algebra: solutions, triangles, determinants."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.node import Array, Moves, Node, aligned, plain

NEAR = 2.0**-20
"""Relative moves of a matrix below which its triangle is computed by Newton's method."""


class Solve(Node):
    """The solution of x·s = y for square x, with y and s of one shape."""

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slopes of matrix and right side: those of y solve the transposed system."""
        x = plain(self.operands[0])
        of_right = np.linalg.solve(x.swapaxes(-1, -2), slope)
        of_matrix = -of_right @ self.value.swapaxes(-1, -2) if self.wants(0) else None
        return [of_matrix, of_right if self.wants(1) else None]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the solution of x·ds = dy − dx·s."""
        return np.linalg.solve(plain(self.operands[0]), self._right_side(moves))

    def difference(self, moves: Moves, many: int) -> Array:
        """Return the solution of (x + dx)·ds = dy − dx·s."""
        x, right = plain(self.operands[0]), self._right_side(moves)
        end = x if moves[0] is None else x + aligned(moves[0], np.ndim(self.value))
        return np.linalg.solve(end, right)

    def _right_side(self, moves: Moves) -> Array:
        dx, dy = moves
        ndim = np.ndim(self.value)
        right: Any = 0.0 if dy is None else aligned(dy, ndim)
        return np.asarray(right if dx is None else right - aligned(dx, ndim) @ self.value)


class Cholesky(Node):
    """The lower triangle L with L·Lᵀ = x."""

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return L⁻ᵀ Φ(Lᵀ·slope) L⁻¹, Φ being the lower triangle with half of the diagonal; its lower half counts."""
        low = self.value
        inner = _half(np.tril(low.swapaxes(-1, -2) @ slope))
        inverse = np.linalg.inv(low)
        both = inverse.swapaxes(-1, -2) @ inner @ inverse
        return [_half(np.tril(both + both.swapaxes(-1, -2)))]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return L·Φ(L⁻¹ dx L⁻ᵀ)."""
        return self._to_first_order(_symmetric(moves[0]))

    def difference(self, moves: Moves, many: int) -> Array:
        """Return D with (L + D)·(L + D)ᵀ = x + dx: subtracted if it is large, else by Newton's method."""
        low, dx = self.value, _symmetric(moves[0])
        x = low @ low.swapaxes(-1, -2)
        near = NEAR * float(np.max(np.abs(x), initial=0.0))
        return np.asarray(
            [
                self._near(d) if np.max(np.abs(d), initial=0.0) < near else np.linalg.cholesky(x + d) - low
                for d in dx
            ]
        )

    def _near(self, dx: Array) -> Array:
        low, change = self.value, self._to_first_order(dx)
        for _ in range(2):
            back = change.swapaxes(-1, -2)
            rest = dx - (low @ back + change @ low.swapaxes(-1, -2) + change @ back)
            change = change + self._to_first_order(rest)
        return change

    def _to_first_order(self, dx: Array) -> Array:
        inverse = np.linalg.inv(self.value)
        return np.asarray(self.value @ _half(np.tril(inverse @ dx @ inverse.swapaxes(-1, -2))))


def _half(x: Array) -> Array:
    """Return a matrix with half of its diagonal."""
    diagonal = np.arange(x.shape[-1])
    x[..., diagonal, diagonal] /= 2
    return x


def _symmetric(move: Array | None) -> Array:
    """Return the symmetric matrices whose lower triangles these are."""
    assert move is not None
    low = np.tril(move)
    return low + np.tril(move, -1).swapaxes(-1, -2)


class LogDeterminant(Node):
    """log |det x|."""

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope times the transposed inverse."""
        inverse = np.linalg.inv(plain(self.operands[0]))
        return [slope[..., None, None] * inverse.swapaxes(-1, -2)]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the trace of x⁻¹ dx."""
        return np.asarray(np.trace(self._relative(moves), axis1=-2, axis2=-1))

    def difference(self, moves: Moves, many: int) -> Array:
        """Return log |det(1 + x⁻¹ dx)|, from the eigenvalues λ: the sum of log |1 + λ|."""
        eigenvalues = np.linalg.eigvals(self._relative(moves))
        return np.asarray(np.log1p(2 * eigenvalues.real + np.abs(eigenvalues) ** 2).sum(axis=-1) / 2)

    def _relative(self, moves: Moves) -> Array:
        assert moves[0] is not None
        return np.linalg.solve(plain(self.operands[0]), moves[0])
