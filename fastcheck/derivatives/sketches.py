"""Products of matrices with random vectors: what they say of all rows, or columns, at once.

For a direction v of independent standard normal entries, the residual (A − J) v of a row is normal with the norm of
that row's error as its standard deviation. So K directions bound the errors of *all* rows, and K cotangents those of
all columns, with a probability that is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastcheck.chi_square import chi_square_quantile
from fastcheck.derivatives.matrices import ClaimedMatrix, Matrix
from fastcheck.derivatives.truths import UNITS, Truth
from fastcheck.problem.parameters import Vector

DIRECTIONS = 6
"""Random vectors on either side: fewer leave bounds that are too wide to clear a line among thousands."""

ALPHA = 1e-9
"""The probability with which they miss a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sketch:
    """Products with random vectors: ``true`` and ``claimed`` J v, (K, m), or Jᵀ u, (K, n), of ``vectors``."""

    vectors: Matrix
    true: Matrix
    bounds: Matrix
    claimed: Matrix
    alpha: float

    @property
    def residual(self) -> Matrix:
        """By how much they differ."""
        return np.abs(self.claimed - self.true)

    @property
    def sizes(self) -> Vector:
        """The norms of all rows, or columns, as far as they are known."""
        largest = np.maximum(np.abs(self.claimed), np.abs(self.true))
        return np.asarray(np.sqrt(np.mean(largest**2, axis=0)))

    @property
    def error_bounds(self) -> Vector:
        """What the norm of the error of each row, or column, is at most, with probability 1 − α."""
        degrees = len(self.vectors)
        lines = max(1, self.true.shape[1])
        quantile = chi_square_quantile(max(self.alpha / lines, 1e-300), degrees)
        residual = self.residual + self.bounds + UNITS * self.sizes
        return np.asarray(np.sqrt(np.sum(residual**2, axis=0) / quantile))


class Sketches(NamedTuple):
    """Products with random directions and cotangents, and with directions that are as uneven as the parameters."""

    forwards: Sketch
    backwards: Sketch | None
    weighted: Sketch | None = None


def sketches_with(claim: ClaimedMatrix, truth: Truth, seed: int, weights: Vector | None) -> Sketches:
    """Return products with random directions, and with random cotangents: rows count alike, whatever their units.

    ``weights`` are the sizes of uneven parameters.
    """
    rows, columns = claim.shape
    rng = np.random.default_rng([seed, 11])
    forwards = _along(claim, truth, rng.standard_normal((DIRECTIONS, columns)))
    weighted = None
    if weights is not None:
        weighted = _along(claim, truth, rng.standard_normal((DIRECTIONS, columns)) * weights)
    sizes = forwards.sizes
    usual = float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 1.0
    cotangents = rng.standard_normal((DIRECTIONS, rows)) / np.where(sizes > 0, sizes, usual)
    claimed = claim.back(cotangents)
    true = None if claimed is None else truth.back(cotangents)
    if claimed is None or true is None:
        return Sketches(forwards, None, weighted)
    backwards = Sketch(vectors=cotangents, true=true.values, bounds=true.bounds, claimed=claimed, alpha=ALPHA)
    return Sketches(forwards, backwards, weighted)


def _along(claim: ClaimedMatrix, truth: Truth, directions: Matrix) -> Sketch:
    true = truth.along(directions)
    return Sketch(
        vectors=directions,
        true=true.values,
        bounds=true.bounds,
        claimed=claim.along(directions),
        alpha=ALPHA,
    )


def sketches_of(claimed: Matrix, true: Matrix) -> tuple[Sketch, Sketch]:
    """Return products of two matrices with random vectors."""
    rng = np.random.default_rng(11)
    directions, cotangents = (rng.standard_normal((DIRECTIONS, size)) for size in claimed.shape[::-1])
    none = np.zeros((1, 1))
    forwards = Sketch(
        vectors=directions, true=directions @ true.T, bounds=none, claimed=directions @ claimed.T, alpha=ALPHA
    )
    backwards = Sketch(
        vectors=cotangents, true=cotangents @ true, bounds=none, claimed=cotangents @ claimed, alpha=ALPHA
    )
    return forwards, backwards
