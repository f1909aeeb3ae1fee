"""What random directions say of a claim: residuals, and the norm of the error that they bound.

A direction v with independent standard normal entries turns the error e = g - ∇J of a block into one number, whether it
is spread over millions of entries or sits in one: r = g·v - ∇J·v, with distribution N(0, ‖e‖²). So Σ r² / ‖e‖² of K
directions has the χ² distribution with K degrees of freedom, and ‖e‖² ≤ Σ r² / q with probability 1 - α, where q is its
α-quantile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.chi_square import chi_square_quantile
from fastcheck.engines.plain.directions import Directions
from fastcheck.normal import normal_numbers
from fastcheck.problem.parameters import Block, Vector
from fastcheck.problem.posing import Problem

PRODUCTS_AT_ONCE = 8192
"""Products that are added at a time: a long sum in one go would lose digits."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Residuals:
    """What K random directions say of one block; arrays of shape (K,).

    The smallest example that needs a bound on each is J = Σ θ² with a right claim: residuals are 1e-12, and not 0.

    ``residual`` is how far g·v lies from the slope, or at a kink from the slopes between which claims are right;
    ``bound`` is what rounding explains of it at most, ``slope`` the slope itself, and ``kinked`` the directions that
    cross a kink. ``support`` (block.size,) flags the coordinates in which the directions are not zero, None for all.
    Where there may be several ``looks`` at the same error, each bound misses it less often by that factor.
    """

    block: Block
    residual: Vector
    bound: Vector
    slope: Vector
    kinked: NDArray[np.bool_]
    support: NDArray[np.bool_] | None = None
    looks: float = 1.0

    @property
    def at_kinks(self) -> bool:
        """Whether directions meet kinks, which may explain any residual."""
        return bool(self.kinked.any())

    @property
    def explained(self) -> bool:
        """Whether rounding explains the residuals, all together."""
        return _norm(self.residual) <= _norm(self.bound)

    @property
    def error(self) -> float:
        """Estimate of ‖e‖: the root of the mean of r²."""
        return _norm(self.residual) / math.sqrt(self.residual.size)

    @property
    def gradient(self) -> float:
        """Estimate of ‖∇J‖: the root of the mean of the squared slopes."""
        return _norm(self.slope) / math.sqrt(self.slope.size)

    def error_bound(self, confidence: float) -> float:
        """Return an upper bound on ‖e‖ that holds with this probability: infinite where kinks leave it open."""
        if self.at_kinks:
            return math.inf
        return norm_bound(np.abs(self.residual) + self.bound, 1 - (1 - confidence) / self.looks)


def norm_bound(residuals: Vector, confidence: float) -> float:
    """Return the upper confidence bound sqrt(Σ r² / q) on ‖e‖, q the (1 - confidence)-quantile of χ² with K degrees."""
    return _norm(residuals) / math.sqrt(chi_square_quantile(1 - confidence, residuals.size))


def measure(
    problem: Problem,
    directions: Directions,
    number: int,
    count: int,
    *,
    seed: int,
    shrink: float = 1.0,
    support: NDArray[np.bool_] | None = None,
) -> Residuals:
    """Return the residuals of block ``number`` along ``count`` random directions, zero outside of its ``support``.

    The directions are the same ones for the same seed; one at a time is held.
    """
    block, claim = problem.layout.blocks[number], claim_of(problem, number)
    claimed, slopes = np.empty(count), []

    def direction_of(k: int) -> Vector:
        direction = normal_numbers(block.size, seed, number, k)
        if support is not None:
            direction[~support] = 0
        return direction

    directions.expect(count, lambda: ((direction_of(k), None) for k in range(count)), block, shrink=shrink)
    for k in range(count):
        direction = direction_of(k)
        claimed[k] = dot(claim, direction)
        slopes.append(directions.along(block, direction, shrink=shrink))
    nearest = np.array([sides.nearest(along) for sides, along in zip(slopes, claimed.tolist(), strict=True)])
    return Residuals(
        block=block,
        residual=claimed - nearest,
        bound=np.array([sides.bound for sides in slopes]),
        slope=nearest,
        kinked=np.array([sides.kinked for sides in slopes], dtype=bool),
        support=support,
    )


def claim_of(problem: Problem, number: int) -> NDArray[Any]:
    """Return the claimed gradient of a block, flat, in the dtype that it was computed in."""
    return problem.claims[number].reshape(-1)


def dot(claim: NDArray[Any], direction: Vector) -> float:
    """Return the scalar product, its error a few rounding units however long the vectors are."""
    starts = range(0, claim.size, PRODUCTS_AT_ONCE)
    pieces = [slice(start, start + PRODUCTS_AT_ONCE) for start in starts]
    return math.fsum(float(claim[piece] @ direction[piece]) for piece in pieces)


def _norm(values: Vector) -> float:
    return math.hypot(*values)
