"""Nodes of arithmetic: elementwise functions, products and sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.node import (
    SAME_TO_FIRST_ORDER,
    Array,
    Moves,
    Node,
    aligned,
    apart,
    apart_at_most,
    moved,
    plain,
    spread,
)
from fastcheck.identities import interpreted

TINY_STEP = 2.0**-80
"""Step of finite differences that are computed without subtracting: kinks are straddled only in their place, and smooth
functions are linear over it to the last bit."""

SMALLEST = 2.0**-900
"""Arguments below this are taken for zero: their tiny steps have no full precision."""

STEP_AT_ZERO = 2.0**-300
"""Step at such arguments."""


LEFT_OF_ONE: dict[str, Callable[[Array], Array]] = {
    "tanh": lambda A: 1 - A * A,
    "expit": lambda A: 1 - A,
    "divide": lambda A: 1 - A,
    "log1p": lambda A: -np.expm1(-A),
}
"""What is left of 1 in values that saturate: backward passes form their slopes of it. By the names of identities, and
in the value: of σ = 1 - e / (1 + e) in log(1 + e)."""


def measured(name: str, values: Sequence[Any], k: int) -> Array:
    """Return the slope of an elementwise function in operand ``k``: its exact finite difference at a tiny step.

    At an argument of zero, where no step is small compared with it, what vanishes with the step is zero, and what grows
    as it shrinks is infinite.
    """
    x = np.asarray(values[k], dtype=float)
    size = np.abs(x)
    of_some_size = np.min(size, initial=np.inf) >= SMALLEST and np.max(size, initial=0.0) < np.inf
    if of_some_size:
        every_step = np.asarray(TINY_STEP * size)
        return np.asarray(_difference(name, values, k, every_step) / every_step)
    zero = size < SMALLEST
    step = np.where(zero, STEP_AT_ZERO, TINY_STEP * np.where(np.isfinite(size), size, 1.0))
    slope = _difference(name, values, k, step) / step
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

    __slots__ = ("_secants", "_steep", "name")

    def __init__(self, name: str, value: Any, operands: Sequence[Any]) -> None:
        super().__init__(value, operands)
        self.name = name
        self.forget_secants()

    def forget_secants(self) -> None:
        """Measure slopes anew when they are asked for next: operands have other values."""
        self._secants: list[Array | None] | None = None
        self._steep: list[bool] | None = None

    @property
    def secants(self) -> list[Array | None]:
        """The measured slope in each operand; None for those without."""
        if self._secants is None:
            values = [_doubled(x) for x in self.operands]
            self._secants = [
                measured(self.name, values, k) if self.wants(k) else None for k in range(len(values))
            ]
        return self._secants

    @property
    def steep(self) -> list[bool]:
        """Whether the measured slope in each operand is infinite, or undefined, somewhere."""
        if self._steep is None:
            self._steep = [s is not None and not np.isfinite(s).all() for s in self.secants]
        return self._steep

    def backward(self, slope: Array) -> list[Array | None]:
        """Return slope times measured slope."""
        return [None if secant is None else slope * secant for secant in self.secants]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the sum of moves times measured slope; what does not move moves nothing, however steep it is."""
        if not any(self.steep):
            return _sum_of(moves, self.secants, self.value)
        shares = [
            aligned(move, np.ndim(self.value)) * np.where(aligned(move, np.ndim(self.value)) == 0, 0.0, s)
            for move, s in zip(moves, self.secants, strict=True)
            if move is not None and s is not None
        ]
        return spread(np.asarray(sum(shares)), np.shape(self.value))

    @property
    def left_of_one(self) -> Array | None:
        """What is left of 1 in values of tanh, of σ, and of shares e / Σ e; of 1 − σ(z), in log(1 + eᶻ)."""
        if self.name == "logaddexp" and sum(isinstance(x, Node) for x in self.operands) == 1:
            return next(secant for secant in self.secants if secant is not None)
        left = LEFT_OF_ONE.get(self.name)
        if left is None or not all(isinstance(x, Node) for x in self.operands):
            return None
        return left(np.asarray(self.value))

    def still(self, moves: Moves) -> list[Array | None]:
        """Return where the slope in each operand is infinite and nothing moves to first order."""
        places: list[Array | None] = [None] * len(moves)
        if not any(self.steep):
            return places
        for k, (move, s, steep) in enumerate(zip(moves, self.secants, self.steep, strict=True)):
            if move is not None and s is not None and steep:
                places[k] = ~np.isfinite(s) & (aligned(move, np.ndim(self.value)) == 0).all(axis=0)
        return places

    def difference(self, moves: Moves, many: int) -> Array:
        """Return the function's finite difference, by its identity."""
        ndim = np.ndim(self.value)
        pairs: list[Any] = []
        for x, move in zip(self.operands, moves, strict=True):
            pairs += [_doubled(x), np.zeros(()) if move is None else aligned(move, ndim)]
        return spread(np.asarray(interpreted(self.name)(*pairs)), np.shape(self.value))

    def disagreement(self, moves: Moves, tangent: Array) -> float:
        """Return how far exact differences over tiny moves are from the change to first order: the worst entry.

        Where the function is flat, what vanishes faster than the move is none. Up to `SAME_TO_FIRST_ORDER` a bound on
        that may be returned.
        """
        exact = self.difference(moves, len(tangent))
        worst = apart_at_most(exact, tangent)
        if worst <= SAME_TO_FIRST_ORDER:
            return worst
        size = np.abs(tangent)
        if sum(move is not None for move in moves) > 1:  # terms may cancel
            sizes = [None if move is None else np.abs(move) for move in moves]
            size = _sum_of(sizes, [None if s is None else np.abs(s) for s in self.secants], self.value)
        worst = apart(exact, tangent, size)
        if worst > SAME_TO_FIRST_ORDER:
            worst = apart(self.to_first_order(exact, moves, size), tangent, size)
        return worst


def _doubled(x: Any) -> Any:
    """Return the value of an operand in double precision, in which identities compute."""
    value = plain(x)
    return value if isinstance(value, float) else np.asarray(value, dtype=float)


def _sum_of(moves: Moves, factors: Sequence[Any], value: Any) -> Array:
    """Return the sum of moves times factors, in the shape of a result."""
    result: Any = None
    for move, factor in zip(moves, factors, strict=True):
        if move is not None and factor is not None:
            part = aligned(move, np.ndim(value))
            part = part if np.ndim(factor) == 0 and factor == 1 else part * factor
            result = part if result is None else result + part
    return spread(np.asarray(result), np.shape(value))


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

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the sum of moves times factor."""
        return _sum_of(moves, self.factors, self.value)

    @property
    def left_of_one(self) -> Array | None:
        """The share of e in 1 + e: 1 − σ(z), of e⁻ᶻ in σ(z) = 1 / (1 + e⁻ᶻ)."""
        constants = [k for k, x in enumerate(self.operands) if not isinstance(x, Node)]
        if len(constants) != 1 or len(self.operands) != 2:
            return None
        (position,) = constants
        e = plain(self.operands[1 - position])
        return np.where((self.operands[position] == 1) & (e != 0), e / np.asarray(self.value), 1.0)


class Multiply(Node):
    """x·y, entry by entry; x·x takes half the passes over memory."""

    of_products = True

    __slots__ = ()

    @property
    def is_square(self) -> bool:
        """Whether both factors are one node."""
        return self.operands[0] is self.operands[1]

    def backward(self, slope: Array) -> list[Array | None]:
        """Return slope times the other factor."""
        x, y = map(plain, self.operands)
        if self.is_square:
            share = slope * x
            return [share, share]
        return [slope * y if self.wants(0) else None, slope * x if self.wants(1) else None]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return dx·y + x·dy."""
        x, y = map(plain, self.operands)
        if self.is_square:
            return _sum_of(moves[:1], (2 * x,), self.value)
        return _sum_of(moves, (y, x), self.value)

    def linear(self, moves: Moves) -> bool:
        """Whether one factor moves alone."""
        return sum(move is not None for move in moves) < 2

    def difference(self, moves: Moves, many: int) -> Array:
        """Return dx·(y + dy) + x·dy."""
        x, y = map(plain, self.operands)
        if self.is_square:
            return _sum_of(moves[:1], (moved(2 * x, moves[0], np.ndim(self.value)),), self.value)
        return _sum_of(moves, (moved(y, moves[1], np.ndim(self.value)), x), self.value)


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

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the sum of the moves."""
        move = moves[0]
        assert move is not None
        summed: Array = move.sum(axis=tuple(k + 1 for k in self.axes), keepdims=self.keepdims)
        return summed if self.factor == 1.0 else summed * self.factor


class Cumulative(Node):
    """The cumulative sum along one axis."""

    __slots__ = ("axis",)

    def __init__(self, value: Any, x: Node, axis: int) -> None:
        super().__init__(value, (x,))
        self.axis = axis

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the cumulative sum from the other end."""
        return [np.flip(np.cumsum(np.flip(slope, self.axis), self.axis), self.axis)]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the cumulative sum of the moves."""
        move = moves[0]
        assert move is not None
        return np.cumsum(move, self.axis + 1)


class Product(Node):
    """The product along the last axis."""

    of_products = True

    __slots__ = ()

    def backward(self, slope: Array) -> list[Array | None]:
        """Return the slope times the product of the other entries."""
        x = plain(self.operands[0])
        return [slope[..., None] * _before(x) * _after(x)]

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return the sum of moves times the product of the other entries."""
        move, x = moves[0], plain(self.operands[0])
        assert move is not None
        return np.asarray((_before(x) * move * _after(x)).sum(axis=-1))

    def difference(self, moves: Moves, many: int) -> Array:
        """Return the same, the entries before being at their ends."""
        move, x = moves[0], plain(self.operands[0])
        assert move is not None
        return np.asarray((_before(x + move) * move * _after(x)).sum(axis=-1))


def _before(x: Array) -> Array:
    """Return the product of the entries before each."""
    return np.cumprod(np.concatenate([np.ones((*x.shape[:-1], 1)), x[..., :-1]], -1), -1)


def _after(x: Array) -> Array:
    """Return the product of the entries after each."""
    return _before(x[..., ::-1])[..., ::-1]


def size_of(axes: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Return how many entries are reduced over these axes."""
    return math.prod(shape[k] for k in axes)
