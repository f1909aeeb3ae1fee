"""Nodes of arithmetic: elementwise functions, products, sums, and choices between operands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcheck.differences import interpreted
from fastcheck.engines.graph.nodes import Array, Node, plain

STEP = 2.0**-80
"""Relative step of measured slopes: over it smooth functions are linear to the last bit."""

SMALLEST = 2.0**-220
"""Size of an argument that is taken for its step if it is smaller."""


def measured(name: str, values: Sequence[Any], k: int) -> Array:
    """Return the slope of an elementwise function in operand ``k``: its exact finite difference at a tiny step.

    At an argument of zero, where a step cannot be small beside it, what vanishes with the step is zero, and what grows
    as it shrinks is infinite.
    """
    x = np.asarray(values[k], dtype=float)
    size = np.abs(x)
    step = STEP * np.where(np.isfinite(size), np.maximum(size, SMALLEST), 1.0)
    slope = _difference(name, values, k, step) / step
    zero = size < SMALLEST
    if zero.any():
        finer, coarse = np.abs(_difference(name, values, k, step / 4) / (step / 4)), np.abs(slope)
        slope = np.where(
            zero & (finer < 0.75 * coarse), 0.0, np.where(zero & (finer > 1.5 * coarse), np.inf, slope)
        )
    return slope


def _difference(name: str, values: Sequence[Any], k: int, step: Array) -> Array:
    steps = [step if j == k else np.zeros(()) for j in range(len(values))]
    pairs = [part for pair in zip(values, steps, strict=True) for part in pair]
    difference: Array = np.asarray(interpreted(name)(*pairs))
    return difference


class Elementwise(Node):
    """A smooth function of one or two operands, by the name of its identity."""

    __slots__ = ("name",)

    def __init__(self, name: str, value: Any, operands: Sequence[Any]) -> None:
        super().__init__(value, operands)
        self.name = name

    def backward(self, slope: Array) -> list[Array | None]:
        """Return slope times measured slope."""
        values = [plain(x) for x in self.operands]
        return [slope * measured(self.name, values, k) if self.wants(k) else None for k in range(len(values))]


class Combination(Node):
    """A sum of operands with constant factors: x + y, x − y, −x, x / 2."""

    __slots__ = ("factors",)

    def __init__(self, value: Any, operands: Sequence[Any], factors: Sequence[Any]) -> None:
        super().__init__(value, operands)
        self.factors = factors

    def backward(self, slope: Array) -> list[Array | None]:
        """Return slope times factor."""
        return [
            None if not self.wants(k) else slope if np.ndim(factor) == 0 and factor == 1 else slope * factor
            for k, factor in enumerate(self.factors)
        ]


class Multiply(Node):
    """x·y, entry by entry."""

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return slope times the other factor."""
        x, y = map(plain, self.operands)
        return [slope * y if self.wants(0) else None, slope * x if self.wants(1) else None]


class Matmul(Node):
    """x @ y, both with at least one axis."""

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
        found: list[Array | None] = [None, None]
        if self.wants(0):
            found[0] = _folded(slope @ Y.swapaxes(-1, -2), x, 0)
        if self.wants(1):
            found[1] = self._of_second(X, slope, y)
        return found

    @staticmethod
    def _of_second(X: Array, slope: Array, y: Array) -> Array:
        if y.ndim == 2 and X.ndim > 2:  # one product instead of a stack of them that is added up
            slope = np.broadcast_to(slope, (*X.shape[:-1], slope.shape[-1]))
            return X.reshape(-1, X.shape[-1]).T @ slope.reshape(-1, slope.shape[-1])
        return _folded(X.swapaxes(-1, -2) @ slope, y, -1)


def _folded(product: Array, like: Array, axis: int) -> Array:
    """Return the slopes of a factor that had one axis without the axis that stood in for the other."""
    if like.ndim > 1:
        return product
    product = product.sum(axis=tuple(range(product.ndim - 2))) if product.ndim > 2 else product
    return product[0] if axis == 0 else product[:, 0]


class Einsum(Node):
    """A sum of products: ``terms`` are the labels of the operands, ``out`` those of the result, none twice in one."""

    __slots__ = ("out", "terms")

    def __init__(self, value: Any, operands: Sequence[Any], terms: Sequence[str], out: str) -> None:
        super().__init__(value, operands)
        self.terms, self.out = terms, out

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the sum of products with the slope in the operand's place."""
        values = [np.asarray(plain(x)) for x in self.operands]
        found: list[Array | None] = []
        for k, term in enumerate(self.terms):
            if not self.wants(k):
                found.append(None)
                continue
            others = [j for j in range(len(values)) if j != k]
            known = set(self.out).union(*(self.terms[j] for j in others))
            lone = "".join(label for label in term if label not in known)
            names = [self.out, *(self.terms[j] for j in others), *([lone] if lone else [])]
            arrays = [slope, *(values[j] for j in others)]
            if lone:
                arrays.append(np.ones([values[k].shape[term.index(label)] for label in lone]))
            found.append(np.einsum(f"{','.join(names)}->{term}", *arrays, optimize=len(arrays) > 2))
        return found


class Total(Node):
    """The sum over some axes, times a constant."""

    __slots__ = ("axes", "factor", "keepdims")

    def __init__(
        self, value: Any, x: Node, axes: tuple[int, ...], keepdims: bool, factor: float = 1.0
    ) -> None:
        super().__init__(value, (x,))
        self.axes, self.keepdims, self.factor = axes, keepdims, factor

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope, spread over the axes."""
        if self.factor != 1.0:
            slope = slope * self.factor
        if not self.keepdims:
            slope = np.expand_dims(slope, self.axes)
        return [np.broadcast_to(slope, np.shape(plain(self.operands[0])))]


class Cumulative(Node):
    """The cumulative sum along one axis."""

    __slots__ = ("axis",)

    def __init__(self, value: Any, x: Node, axis: int) -> None:
        super().__init__(value, (x,))
        self.axis = axis

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the cumulative sum from the other end."""
        return [np.flip(np.cumsum(np.flip(slope, self.axis), self.axis), self.axis)]


class Product(Node):
    """The product along the last axis."""

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope times the product of the other entries."""
        x = plain(self.operands[0])
        ones = np.ones((*x.shape[:-1], 1))
        before = np.cumprod(np.concatenate([ones, x[..., :-1]], -1), -1)
        after = np.cumprod(np.concatenate([ones, x[..., :0:-1]], -1), -1)[..., ::-1]
        return [slope[..., None] * before * after]


class Choice(Node):
    """One of two operands in each entry: the first where ``mask`` is true."""

    __slots__ = ("mask",)

    def __init__(self, value: Any, operands: Sequence[Any], mask: Array) -> None:
        super().__init__(value, operands)
        self.mask = mask

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope where the operand was chosen."""
        first = np.where(self.mask, slope, 0.0) if self.wants(0) else None
        return [first, np.where(self.mask, 0.0, slope) if self.wants(1) else None]


class Solve(Node):
    """The solution of x·s = y for square x, with y and s of one shape."""

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slopes of matrix and right side: those of y solve the transposed system."""
        x = plain(self.operands[0])
        of_right = np.linalg.solve(x.swapaxes(-1, -2), slope)
        of_matrix = -of_right @ self.value.swapaxes(-1, -2) if self.wants(0) else None
        return [of_matrix, of_right if self.wants(1) else None]


class Cholesky(Node):
    """The lower triangle L with L·Lᵀ = x."""

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return L⁻ᵀ Φ(Lᵀ·slope) L⁻¹, Φ being the lower triangle with half of the diagonal; its lower half counts."""
        low = self.value
        inner = np.tril(low.swapaxes(-1, -2) @ slope)
        diagonal = np.arange(low.shape[-1])
        inner[..., diagonal, diagonal] /= 2
        inverse = np.linalg.inv(low)
        both = inverse.swapaxes(-1, -2) @ inner @ inverse
        both = both + both.swapaxes(-1, -2)
        both[..., diagonal, diagonal] /= 2
        return [np.tril(both)]


class LogDeterminant(Node):
    """log |det x|."""

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope times the transposed inverse."""
        inverse = np.linalg.inv(plain(self.operands[0]))
        return [slope[..., None, None] * inverse.swapaxes(-1, -2)]


def size_of(axes: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Return how many entries are reduced over these axes."""
    return math.prod(shape[k] for k in axes)
