"""One-sided slopes, however an engine computed them, and what they say: ĝ, the slopes that count as right, bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.noise import root_mean_square
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates

STEP = 2.0**-80
"""Default ε of difference propagation: nothing is subtracted, so it can be tiny. Kinks are straddled only in their
place, and smooth functions are linear over it to the last bit, which makes all engines many times faster."""

SMALL = 2.0**-24
"""A step of the user's above this has a truncation error: the slopes with the default step are those to judge by."""

ROUNDING = 2.0**13 * np.finfo(float).eps
"""Bound on the rounding error of ĝ relative to max(|ĝ|, RMS of the block): 1.8e-12."""

MARGIN = 32.0
"""Bound over the rounding noise seen in a few coordinates of the block."""

SAMPLE = 8
"""Coordinates of each block whose rounding noise is measured."""

JITTER = 2.0**-47
"""Largest relative change of θ that makes all roundings fall differently, and changes hardly anything else."""

UNDERFLOW = 2.0**-900
"""Differences below this may come from numbers too small for full precision."""


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """One-sided slopes of k coordinates, and which of them are kinks or could not be followed."""

    right: Vector
    left: Vector
    kinked: NDArray[np.bool_]
    unsupported: NDArray[np.bool_]

    @property
    def central(self) -> Vector:
        """The central differences."""
        if self.right is self.left:
            return self.right
        return np.asarray((self.right + self.left) / 2)

    def interval(self) -> tuple[Vector, Vector]:
        """Return the slopes between which a claim is right: the one slope, or at a kink those of both sides."""
        central = self.central
        if not self.kinked.any():
            return central, central
        lower = np.where(self.kinked, np.minimum(self.left, self.right), central)
        upper = np.where(self.kinked, np.maximum(self.left, self.right), central)
        return lower, upper


def steps_to_run(epsilon: float | None) -> list[float]:
    """Return the steps of a check, the tiny one first: those of its slopes, and of ĝ if the user gave one."""
    return [STEP] if epsilon in (None, STEP) else [STEP, float(epsilon or 0)]


def to_judge_by(runs: Sequence[Slopes], epsilon: float | None) -> Slopes:
    """Return the slopes that a claim is compared with, of the runs with `steps_to_run`."""
    return runs[0] if epsilon is None or epsilon > SMALL else runs[-1]


def jittered(theta: Vector, jitter: float = JITTER, number: int = 0) -> Vector:
    """Return parameters beside θ, by at most this relatively, where all roundings fall differently.

    For each ``number`` they are others.
    """
    return np.asarray(theta * (1 + 2 * jitter * (np.random.default_rng(number).random(theta.size) - 0.5)))


def picked_rows(blocks: Sequence[slice]) -> list[Coordinates]:
    """Return the rows of each block whose rounding noise is measured, spread over the block."""
    return [np.unique(np.linspace(r.start, r.stop - 1, SAMPLE).astype(np.intp)) for r in blocks]


def bounds(blocks: Sequence[slice], picked: Sequence[Coordinates], beside: Slopes, slopes: Slopes) -> Vector:
    """Return the bound of each coordinate, from the rounding noise seen in the ``picked`` rows of its block.

    ``beside`` holds the slopes of these rows at jittered parameters.
    """
    every = np.concatenate(picked)
    right, left = slopes.right[every], slopes.left[every]
    ignored = beside.kinked | slopes.kinked[every] | beside.unsupported | slopes.unsupported[every]
    noise = np.where(ignored, 0.0, np.abs(beside.central - (right + left) / 2))
    central = slopes.central
    bound = ROUNDING * np.abs(central)
    ends = np.cumsum([0, *(part.size for part in picked)])
    for rows, start, stop in zip(blocks, ends[:-1], ends[1:], strict=True):
        typical = root_mean_square(central[rows])
        bound[rows] += ROUNDING * typical + MARGIN * float(noise[start:stop].max())
    return bound


def unusable(difference: Vector) -> NDArray[np.bool_]:
    """Return where a difference overflowed, is NaN, or is so small that digits were lost on the way."""
    size = np.abs(difference)
    return np.asarray(~np.isfinite(size) | ((size != 0) & (size < UNDERFLOW)))
