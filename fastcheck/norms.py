"""Sizes of vectors that may be long, tiny or huge: in pieces, without overflow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PIECE_SIZE = 2**16
"""Entries looked at together: a few vectors of that length stay in the cache."""

SMALLEST_SQUARED = 1e-100
"""Numbers from here to its reciprocal can be squared without overflow, and parts of 1e-50 of them without loss."""


def pieces(size: int) -> Iterator[slice]:
    """Yield slices that cover 0 to ``size`` in order."""
    return (slice(start, min(start + PIECE_SIZE, size)) for start in range(0, size, PIECE_SIZE))


def largest(values: NDArray[Any]) -> float:
    """Return the largest |value|, 0 for none."""
    return max(float(values.max()), -float(values.min())) if values.size else 0.0


def all_finite(values: NDArray[np.float64]) -> bool:
    """Return whether no entry is infinite or NaN: the sum of squares tells, unless it overflows."""
    flat = values.reshape(-1)
    return math.isfinite(_sum_of_squares(flat)) or bool(np.isfinite(flat).all())


def norm(values: NDArray[np.float64]) -> float:
    """Return ‖values‖₂; the squares neither overflow nor vanish."""
    flat = values.reshape(-1)
    total = _sum_of_squares(flat)
    if SMALLEST_SQUARED**2 < total < 1 / SMALLEST_SQUARED**2:
        return math.sqrt(total)
    scale = largest(flat)
    if scale == 0 or not math.isfinite(scale):
        return scale
    squares = [float(np.sum((flat[piece] / scale) ** 2)) for piece in pieces(flat.size)]
    return scale * math.sqrt(math.fsum(squares))


def _sum_of_squares(flat: NDArray[np.float64]) -> float:
    """Return the sum of the squares of a flat array, piece by piece: infinite or NaN if they overflow."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if flat.size <= PIECE_SIZE:
            return float(flat.dot(flat))
        squares = [float(flat[piece].dot(flat[piece])) for piece in pieces(flat.size)]
    total = sum(squares)
    return math.fsum(squares) if math.isfinite(total) else total


def root_mean_square(values: NDArray[np.float64]) -> float:
    """Return the root of the mean square, 0 for none."""
    return norm(values) / math.sqrt(values.size) if values.size else 0.0


def root_mean_squares(
    values: NDArray[np.float64], starts: NDArray[np.intp], sizes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the root of the mean square of each of several parts of a vector, which are not empty; (p,).

    Each is scaled by its largest entry, so that squares neither overflow nor vanish.
    """
    scales = np.maximum.reduceat(np.abs(values), starts)
    divisors = np.where(scales > 0, scales, 1.0)
    shares = values / np.repeat(divisors, sizes)
    return np.asarray(scales * np.sqrt(np.add.reduceat(shares * shares, starts) / sizes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """‖g‖, ‖ĝ‖ and ‖g − ĝ‖, each over 2 to the ``exponent``.

    Without the exponent, gradients of 1e-200 would have the norm 0, as their squares are, and any claim would do.
    """

    claimed: float
    numerical: float
    error: float
    exponent: int = 0

    @classmethod
    def of(cls, claimed: NDArray[np.float64], numerical: NDArray[np.float64]) -> Comparison:
        """Compare two vectors."""
        g, n = norm(claimed), norm(numerical)
        size = max(g, n)
        if size == 0 or SMALLEST_SQUARED < size < 1 / SMALLEST_SQUARED:
            return cls(claimed=g, numerical=n, error=norm(claimed - numerical))
        exponent = math.frexp(size)[1]
        claimed, numerical = np.ldexp(claimed, -exponent), np.ldexp(numerical, -exponent)
        error = norm(claimed - numerical)
        return cls(claimed=norm(claimed), numerical=norm(numerical), error=error, exponent=exponent)

    @classmethod
    def joined(cls, parts: Iterable[Comparison]) -> Comparison:
        """Return the comparison of all the vectors, one after the other."""
        known = [part for part in parts if part.claimed + part.numerical]
        if len(known) == 1:
            return known[0]
        exponent = max((part.exponent for part in known), default=0)
        if any(part.exponent != exponent for part in known):
            known = [part._at(exponent) for part in known]
        return cls(
            claimed=math.hypot(*(part.claimed for part in known)),
            numerical=math.hypot(*(part.numerical for part in known)),
            error=math.hypot(*(part.error for part in known)),
            exponent=exponent,
        )

    @property
    def difference(self) -> float:
        """The difference of the courses, ‖g − ĝ‖ / (‖g‖ + ‖ĝ‖); 0 if both are zero, never above 1."""
        total = self.claimed + self.numerical
        ratio = self.error / total if total else 0.0
        return 1.0 if ratio > 1 else ratio  # as rounding, or an estimate of the error, would have it

    def _at(self, exponent: int) -> Comparison:
        shift = self.exponent - exponent
        return Comparison(
            claimed=math.ldexp(self.claimed, shift),
            numerical=math.ldexp(self.numerical, shift),
            error=math.ldexp(self.error, shift),
            exponent=exponent,
        )
