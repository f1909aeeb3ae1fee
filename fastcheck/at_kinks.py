"""Claims for a block whose random directions meet kinks at θ: compared with all that a backward pass may find.

With all kinks settled halfway between their two sides the cost is linear. A backward pass takes at each kink z some
mixture of both sides instead, so that its gradient is h + Σ c_z a_z: h is the gradient halfway, a_z what half of the
kink's two sides passes on, and |c_z| at most what the cost makes of that. Along K directions V the residuals of a claim
that is off by e besides are r = V a c + V e: least squares take out what kinks explain. The part of e that is
orthogonal to all a_z is independent of V a, so what is left of r over K - rank(V a) dimensions has the distribution
N(0, ‖e‖²) in each. The c_z must stay within their limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.directions import Directions, Halfway
from fastcheck.norms import norm
from fastcheck.parameters import Vector
from fastcheck.problem import Problem
from fastcheck.residuals import Residuals, claim_of, dot, drawn

MOST_KINKS = 64
"""Kinks of a block that are taken out of its residuals: each takes one direction more."""

SAME = 1e-9
"""Singular values below this part of the largest are zero: kinks that act alike, such as those of equal samples."""

SWEEPS = 2000
"""Rounds of the search for mixtures within their limits."""

RELATIVE = 1e-7
"""Mixtures may lie beyond their limits by this part: a claim takes just one of the sides."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AtKinks:
    """What is left of the residuals, how many kinks were met, and whether mixtures within the limits explain the rest.

    ``inside`` is None where that is not known.
    """

    residuals: Residuals
    kinks: int
    inside: bool | None


def measure_at_kinks(
    problem: Problem, directions: Directions, number: int, count: int, *, seed: int, max_memory: int
) -> AtKinks | None:
    """Return what directions say of block ``number`` beside its kinks; None where they are too many, or not known.

    Costs one forward pass to count the m kinks, m + ``count`` for directions, and those that show what the cost makes
    of kinks.
    """
    block = problem.layout.blocks[number]
    first = directions.halfway(block, drawn(block.size, seed, number, range(1)), MOST_KINKS)
    if first is None:
        return None
    total = first.most.size + count
    if 32 * total * block.size > max_memory:
        return None
    entries = drawn(block.size, seed, number, range(total))
    found = directions.halfway(block, entries, first.most.size)
    if found is None:
        return None
    claim = claim_of(problem, number)
    residual = np.array([dot(claim, entry) for entry in entries]) - found.slope
    base, sizes, _ = np.linalg.svd(found.shares)
    rank = int((sizes > SAME * sizes[:1]).sum())
    explained, rest = base[:, :rank], base[:, rank : rank + count].T
    bound, noise = float(found.bound.max()), float(found.noise.max())
    rounding = float(np.finfo(float).eps) * norm(residual)
    residuals = Residuals(
        block=block,
        residual=rest @ residual,
        bound=np.full(count, bound + rounding),
        noise=np.full(count, noise + rounding),
        slope=rest @ found.slope,
        kinked=np.ones(count, dtype=bool),
        known=True,
    )
    inside = _inside(found, explained, explained.T @ residual, bound)
    return AtKinks(residuals, first.most.size, inside)


def _inside(found: Halfway, explained: Matrix, residual: Vector, bound: float) -> bool | None:
    """Return whether mixtures within their limits give this residual, in the space that kinks span.

    Limits are ± ``most`` for each kink. What no mixture explains proves that there is none: along it, the residual is
    larger than all kinks together can make it.
    """
    shares = explained.T @ found.shares * (found.most * (1 + RELATIVE))
    left = _left_over(shares, residual)
    size, allowed = norm(left), bound * np.sqrt(residual.size)
    if size <= allowed:
        return True
    beyond = float(left @ residual - np.abs(left @ shares).sum())
    return False if beyond > allowed * size else None


def _left_over(shares: Matrix, residual: Vector) -> Vector:
    """Return residual - shares @ c for the -1 <= c <= 1 with which its norm is smallest."""
    mixture = np.clip(np.linalg.lstsq(shares, residual, rcond=SAME)[0], -1, 1)
    squares = np.einsum("ij,ij->j", shares, shares)
    left = residual - shares @ mixture
    for _ in range(SWEEPS):
        before = mixture.copy()
        for z in np.flatnonzero(squares):
            best = min(1.0, max(-1.0, mixture[z] + shares[:, z] @ left / squares[z]))
            left -= (best - mixture[z]) * shares[:, z]
            mixture[z] = best
        if np.array_equal(before, mixture):
            break
    return np.asarray(residual - shares @ mixture)
