"""Nodes of eigenvectors and singular vectors, and how these change with their matrix."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.node import Array, Node, plain

NEAR = 1e-2
"""Size of a change, in gaps between eigenvalues, up to which its effect is computed by iteration."""

ITERATIONS = 14
"""Steps of that iteration, each of which is `NEAR` times as far from the solution, or nearer: 1e-16 needs eight."""

APART = 1e-9
"""Eigenvalues nearer than this, relative to the largest, count as one: their vectors have no slopes."""


class Spectral(Node):
    """Eigenvalues and vectors of a symmetric matrix that x is, or is a part of: the first row, and what is below it.

    ``basis`` holds all eigenvectors of that matrix, ``values`` its eigenvalues; those of the result come first.
    """

    __slots__ = ("basis", "compute", "values")

    scale = 1.0
    """Length of the vectors of the result."""

    def __init__(
        self, value: Array, x: Any, values: Array, basis: Array, compute: Callable[[Array], Array]
    ) -> None:
        super().__init__(value, (x,))
        self.values, self.basis, self.compute = values, basis, compute

    def matrix(self, x: Array) -> Array:
        """Return the symmetric matrix that x makes."""
        return x

    def part(self, slope: Array) -> Array:
        """Return the slopes of x, given those of the symmetric matrix."""
        return (slope + slope.swapaxes(-1, -2)) / 2

    @property
    def gaps(self) -> Array:
        """Eigenvalues of the result minus all: infinite from itself."""
        count = self.value.shape[-1]
        gaps = self.values[..., None, :count] - self.values[..., :, None]
        gaps[..., np.arange(count), np.arange(count)] = np.inf
        return gaps

    def backward(self, slope: Array) -> list[Array | None]:
        """Return Q (diag(slope of values) + Qᵀ·(slope of vectors) / gaps) Qᵀ."""
        of_values, of_vectors = slope[..., 0, :], self.scale * slope[..., 1:, :]
        count = of_values.shape[-1]
        inner = (self.basis.swapaxes(-1, -2) @ of_vectors) / self.gaps
        inner[..., np.arange(count), np.arange(count)] += of_values
        return [self.part(self.basis @ inner @ self.basis[..., :count].swapaxes(-1, -2))]

    def tangent(self, moves: Sequence[Array | None], many: int) -> Array:
        """Return the first order of perturbation theory."""
        inner = self._seen_from_basis(moves[0])
        return self._assembled(*_first_order(inner, self.gaps))

    def difference(self, moves: Sequence[Array | None], many: int) -> Array:
        """Return the exact change: by iteration where that is small compared with the gaps, else by computing anew."""
        move, gaps = moves[0], self.gaps
        if move is None:
            return np.zeros((many, *self.value.shape))
        inner = self._seen_from_basis(move)
        sizes = np.abs(inner).sum(-1).max(-1).reshape(many, -1).max(-1)
        near = sizes <= NEAR * np.abs(gaps).min()
        change = np.empty((many, *self.value.shape))
        if near.any():
            change[near] = self._assembled(*_exact(inner[near], gaps))
        if not near.all():
            change[~near] = self.compute(plain(self.operands[0]) + move[~near]) - self.value
        return change

    def _seen_from_basis(self, move: Array | None) -> Array:
        if move is None:
            raise ValueError("no move")
        inner: Array = self.basis.swapaxes(-1, -2) @ self.matrix(move) @ self.basis
        return inner

    def _assembled(self, values: Array, vectors: Array) -> Array:
        return np.concatenate([values[..., None, :], self.scale * (self.basis @ vectors)], -2)


class Singular(Spectral):
    """Singular values of x, below them the left and, below those, the right singular vectors, as columns.

    They are eigenvalues and vectors of [[0, x], [xᵀ, 0]], where both vectors, over √2, make one.
    """

    __slots__ = ()

    scale = math.sqrt(2.0)

    def matrix(self, x: Array) -> Array:
        """Return [[0, x], [xᵀ, 0]]."""
        rows, columns = x.shape[-2:]
        matrix = np.zeros((*x.shape[:-2], rows + columns, rows + columns))
        matrix[..., :rows, rows:] = x
        matrix[..., rows:, :rows] = x.swapaxes(-1, -2)
        return matrix

    def part(self, slope: Array) -> Array:
        """Return the slopes of both corners, added."""
        rows = np.shape(plain(self.operands[0]))[-2]
        corner: Array = slope[..., :rows, rows:] + slope[..., rows:, :rows].swapaxes(-1, -2)
        return corner


def _first_order(inner: Array, gaps: Array) -> tuple[Array, Array]:
    count = gaps.shape[-1]
    return np.diagonal(inner, 0, -2, -1)[..., :count], inner[..., :count] / gaps


def _exact(inner: Array, gaps: Array) -> tuple[Array, Array]:
    """Return the changes of eigenvalues and of normalised vectors, in the basis: a fixed point, without cancellation.

    With vectors e_j + z_j, where z_j has no part along e_j, and eigenvalues λ_j + μ_j,
    (λ_j − λ_i) z_ij = (inner·(e_j + z_j))_i − μ_j z_ij.
    """
    count = gaps.shape[-1]
    moved, vectors = _first_order(inner, gaps)
    for _ in range(ITERATIONS):
        product = inner[..., :count] + inner @ vectors
        moved = np.diagonal(product, 0, -2, -1)
        vectors = (product - moved[..., None, :] * vectors) / gaps
    square = np.sum(np.square(vectors), axis=-2, keepdims=True)
    length = np.sqrt(1.0 + square)
    shrink = -square / (length * (1.0 + length))
    vectors = vectors * (1.0 + shrink)
    at = np.arange(count)
    vectors[..., at, at] += shrink[..., 0, :]
    return moved, vectors


def eigen_node(
    x: Array, compute: Callable[[Array], tuple[Array, Array]]
) -> tuple[Array, Callable[..., Node]]:
    """Return eigenvalues above eigenvectors of symmetric x, and what makes the node."""

    def packed(x: Array) -> Array:
        values, vectors = compute(x)
        return np.concatenate([values[..., None, :], vectors], -2)

    value = packed(x)
    return value, lambda value, taken: Spectral(value, taken[0], value[..., 0, :], value[..., 1:, :], packed)


def singular_node(
    x: Array, compute: Callable[[Array], tuple[Array, Array, Array]]
) -> tuple[Array, Callable[..., Node]]:
    """Return singular values above both singular vectors, as columns, and what makes the node."""

    def packed(x: Array) -> Array:
        left, values, right = compute(x)
        return np.concatenate([values[..., None, :], left, right.swapaxes(-1, -2)], -2)

    value = packed(x)
    rows, columns = x.shape[-2:]

    def make(value: Array, taken: Sequence[Any]) -> Node:
        full_left, values, full_right = np.linalg.svd(x)
        left, right = value[..., 1 : rows + 1, :], value[..., rows + 1 :, :]
        count, rank = rows + columns, min(rows, columns)
        basis = np.zeros((*x.shape[:-2], count, count))
        half = math.sqrt(0.5)
        basis[..., :rows, :rank] = basis[..., :rows, rank : 2 * rank] = half * left
        basis[..., rows:, :rank] = half * right
        basis[..., rows:, rank : 2 * rank] = -half * right
        basis[..., :rows, 2 * rank :] = full_left[..., rank:] if rows > rank else 0.0
        if columns > rank:
            basis[..., rows:, 2 * rank :] = full_right[..., rank:, :].swapaxes(-1, -2)
        rest = np.zeros((*values.shape[:-1], count - 2 * rank))
        return Singular(value, taken[0], np.concatenate([values, -values, rest], -1), basis, packed)

    return value, make


def coincide(values: Array, whole: bool) -> bool:
    """Whether eigenvalues, or (``whole`` false) singular values, are too near to each other, or to zero, for slopes."""
    ordered = np.sort(np.abs(values) if not whole else values, axis=-1)
    least = np.min(np.diff(ordered), initial=np.inf)
    if not whole:
        least = min(float(least), float(np.min(ordered, initial=np.inf)))
    return bool(least <= APART * np.max(np.abs(values), initial=0.0))
