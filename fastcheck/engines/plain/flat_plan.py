"""A plan as vectors over all of its coordinates, so that what is asked of each part is asked of all at once.

A call of NumPy takes a microsecond however short its vectors are: a network of 200 small arrays, looked at one after
the other, takes as long as its cost does.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.plain.noise import SAFETY
from fastcheck.engines.plain.steps import LARGEST_CHOSEN, SMALLEST_CHOSEN, units
from fastcheck.norms import root_mean_squares
from fastcheck.plan.coordinates import Coordinates, Part
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

PROMISING = 2.0**-24
"""Bound on rounding, as a share of the claim, up to which the step that the claim suggests is worth trying."""


HARD_TO_SEE = 2.0**-25
"""Bound on rounding, as a share of the claim, from which on a step is taken that is larger by `LARGER_STEP`."""

LARGER_STEP = 2.0
"""Truncation is four times as large then: some 1e-8 of slopes at most where J changes over distances of 1."""


class FlatPlan:
    """The k coordinates of p parts, one part after the other.

    ``starts`` (p,) are the first rows of the parts and ``sizes`` (p,) their numbers of rows, at least 1.
    ``coordinates`` (k,) are positions in θ, ``units`` (k,) those of steps, ``claimed`` (k,) what is claimed, in
    float64; all are 0 if nothing is.
    """

    def __init__(self, problem: Problem, parts: Sequence[Part]) -> None:
        self.sizes: NDArray[np.intp] = np.array([part.size for part in parts], dtype=np.intp)
        self.starts: NDArray[np.intp] = np.cumsum(self.sizes) - self.sizes
        self.coordinates: Coordinates = np.concatenate([part.coordinates for part in parts])
        self.units: Vector = units(problem.theta[self.coordinates])
        self.claimed: Vector = np.zeros(self.coordinates.size)
        if problem.claims:
            number = problem.layout.number
            claims = [part.take(problem.claims[number(part.block)], slice(0, part.size)) for part in parts]
            np.concatenate(claims, out=self.claimed)

    @functools.cached_property
    def rows(self) -> list[slice]:
        """The rows of each part."""
        return [
            slice(start, start + size)
            for start, size in zip(self.starts.tolist(), self.sizes.tolist(), strict=True)
        ]

    @functools.cached_property
    def typical_claims(self) -> Vector:
        """The root of the mean square of what is claimed of each part, (p,)."""
        return root_mean_squares(self.claimed, self.starts, self.sizes)

    @functools.cached_property
    def typical_moves(self) -> Vector:
        """The same of what J changes by if a coordinate moves by its unit and the claim is right, (p,)."""
        return root_mean_squares(self.claimed * self.units, self.starts, self.sizes)

    @functools.cached_property
    def largest_claims(self) -> Vector:
        """The largest claim of each part, without its sign, (p,)."""
        return np.asarray(np.maximum.reduceat(np.abs(self.claimed), self.starts))

    @functools.cached_property
    def least_units(self) -> Vector:
        """The smallest unit of each part, (p,)."""
        return np.asarray(np.minimum.reduceat(self.units, self.starts))


def suggested_steps(flat: FlatPlan, noise: float) -> Vector:
    """Return the step of each part, relative to its units, that suits what is claimed if J changes over distances of 1.

    With third derivatives as large as the slopes, the error of noise σ and of truncation are smallest together there.
    Where the bound on the first would hide some of the slopes, the step is larger, as the second is far smaller. NaN
    where the claim is zero, and where rounding would hide too much of it; (p,).
    """
    moves, claimed = flat.typical_moves, flat.typical_claims
    with np.errstate(divide="ignore", invalid="ignore"):  # of claims that are zero
        best = np.clip(np.cbrt(noise / moves / 2), SMALLEST_CHOSEN, LARGEST_CHOSEN)
        steps = np.exp2(np.round(np.log2(best)))
    rounding = SAFETY * noise / flat.least_units
    larger = np.minimum(LARGER_STEP * steps, LARGEST_CHOSEN)
    steps = np.where(rounding / steps > HARD_TO_SEE * claimed, larger, steps)
    is_promising = (moves > 0) & (rounding / steps <= PROMISING * claimed)
    return np.where(is_promising, steps, np.nan)
