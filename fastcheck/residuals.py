"""What random directions say of a claim: residuals, and the norm of the error that they bound.

A direction v with independent standard normal entries turns the error e = g - ∇J of a block into one number, whether it
is spread over millions of entries or sits in one: r = g·v - ∇J·v, with distribution N(0, ‖e‖²). So Σ r² / ‖e‖² of K
directions has the χ² distribution with K degrees of freedom, and ‖e‖² ≤ Σ r² / q with probability 1 - α, where q is its
α-quantile.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.directions import Directional, Directions
from fastcheck.normal import normal_numbers
from fastcheck.parameters import Block, Vector
from fastcheck.problem import Problem

CHUNK = 8192
"""Products that are added at a time: a long sum in one go would lose digits."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Residuals:
    """What K random directions say of one block; arrays of shape (K,).

    ``residual`` is how far g·v lies from the slope, or at a kink from the slopes between which claims are right;
    ``bound`` is what rounding explains of it at most and ``noise`` in all likelihood, ``slope`` the slope itself, and
    ``kinked`` the directions that cross a kink. ``known`` says that what claims may differ by at kinks is taken out of
    the residuals, so that they tell about the rest; ``choices`` is the number of gradients of which they belong to the
    nearest. ``support`` (block.size,) flags the coordinates in which the directions are not zero, None for all.
    ``shaken`` says that ``bound`` and ``noise`` hold the rounding that shows when all operations are shaken.
    """

    block: Block
    residual: Vector
    bound: Vector
    noise: Vector
    slope: Vector
    kinked: NDArray[np.bool_]
    known: bool = False
    choices: int = 1
    support: NDArray[np.bool_] | None = None
    shaken: bool = False

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
        if self.kinked.any() and not self.known:
            return math.inf
        return norm_bound(np.abs(self.residual) + self.noise, 1 - (1 - confidence) / self.choices)


def norm_bound(residuals: Vector, confidence: float) -> float:
    """Return the upper confidence bound sqrt(Σ r² / q) on ‖e‖, q the (1 - confidence)-quantile of χ² with K degrees."""
    return _norm(residuals) / math.sqrt(chi_square_quantile(residuals.size, 1 - confidence))


def measure(
    problem: Problem,
    directions: Directions,
    numbers: Sequence[int],
    count: int,
    *,
    seed: int,
    max_memory: int,
    shrink: float = 1.0,
    support: NDArray[np.bool_] | None = None,
) -> list[Residuals]:
    """Return the residuals of the blocks with these numbers along ``count`` random directions in each.

    The directions are the same ones for the same seed. One block may be as large as it likes: as many directions are
    held at a time as fit into an eighth of ``max_memory``, at least one. Several blocks are run together. Directions
    in a single block may be zero outside of its ``support``.
    """
    blocks = [problem.layout.blocks[number] for number in numbers]
    at_once = max(1, min(count, max_memory // (64 * max(1, *(block.size for block in blocks)))))
    parts: list[list[tuple[Any, ...]]] = [[] for _ in blocks]
    for start in range(0, count, at_once):
        rows = range(start, min(start + at_once, count))
        pairs = [(b, drawn(b.size, seed, n, rows)) for b, n in zip(blocks, numbers, strict=True)]
        if support is not None:
            pairs[0][1][:, ~support] = 0
        slopes = directions.along_blocks(pairs, shrink)
        for part, number, (_, entries), found in zip(parts, numbers, pairs, slopes, strict=True):
            along = np.array([dot(claim_of(problem, number), entry) for entry in entries])
            part.append((*outside(along, found), found.bound, found.noise, found.kinked))
        del pairs, entries  # before the next are drawn
    joined = [[np.concatenate(column) for column in zip(*part, strict=True)] for part in parts]
    return [
        Residuals(
            block=block,
            residual=residual,
            slope=slope,
            bound=bound,
            noise=noise,
            kinked=kinked,
            support=support,
        )
        for block, (residual, slope, bound, noise, kinked) in zip(blocks, joined, strict=True)
    ]


def drawn(size: int, seed: int, number: int, rows: range) -> NDArray[np.float64]:
    """Return some of the random directions in a block, shape (k, size)."""
    entries = np.empty((len(rows), size))
    for entry, row in zip(entries, rows, strict=True):
        normal_numbers(size, seed, number, row, out=entry)
    return entries


def claim_of(problem: Problem, number: int) -> NDArray[Any]:
    """Return the claimed gradient of a block, flat, in the dtype that it was computed in."""
    return problem.claims[number].reshape(-1)


def outside(claimed: Vector, found: Directional) -> tuple[Vector, Vector]:
    """Return how far claims lie outside of the slopes that are right, and the nearest of these slopes; both (k,)."""
    between = np.clip(claimed, np.minimum(found.left, found.right), np.maximum(found.left, found.right))
    slope = np.where(found.kinked, between, (found.right + found.left) / 2)
    return claimed - slope, slope


def dot(one: NDArray[Any], other: Vector) -> float:
    """Return the scalar product, its error a few rounding units however long the vectors are."""
    starts = range(0, one.size, CHUNK)
    return math.fsum(float(one[i : i + CHUNK] @ other[i : i + CHUNK]) for i in starts)


@functools.cache
def chi_square_quantile(degrees: int, probability: float) -> float:
    """Return the quantile of the χ² distribution: what it stays below with this probability."""
    low, high = 0.0, 1.0
    while _chi_square(degrees, high) < probability:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _chi_square(degrees, middle) < probability else (low, middle)
    return high


def _chi_square(degrees: int, x: float) -> float:
    """Return the distribution function of χ², by the series of the incomplete gamma function."""
    a, x = degrees / 2, x / 2
    term = total = 1.0
    n = 0
    while term > 1e-17 * total:
        n += 1
        term *= x / (a + n)
        total += term
    return math.exp(a * math.log(x) - x - math.lgamma(a + 1)) * total


def _norm(values: Vector) -> float:
    return math.hypot(*values)
