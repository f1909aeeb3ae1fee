"""The truncation error of central differences, block by block: what a finite step leaves of the slope.

It is c·h² where J is smooth, so half the step tells it. Where θ ± h straddle a kink, as those of max(θ, 0) at θ = 1e-6
do with h = 1e-5, it is a part of the jump of the slope, and shows in the bend: how far the slopes on the two sides of θ
are apart. That is h·J'' where J is smooth, and half of it with half the step; at a kink it does not shrink so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.plain.steps import CentralDifferences, Measure
from fastcheck.plan.coordinates import Coordinates, spread_rows
from fastcheck.problem.parameters import Vector

SAMPLED_ROWS = 8
"""Coordinates of each block whose truncation is measured, besides unusual ones."""

TRUNCATION_MARGIN = 8.0
"""Bound on the truncation error of a block over the largest of a few coordinates."""

OUTLIER = 8.0
"""A coordinate whose one-sided slopes differ by this many times what is usual in its block is measured by itself."""

WIDE_STEP = 2.0**-10
"""Steps above this straddle so many kinks that every coordinate is measured with half of it, too."""

KINK_SHARE = 1 / 16
"""Where the bend, with half the step, is by more than this share of it not half of what it was, there is a kink."""

HIDDEN_KINK_SHARE = 1 / 256
"""Where it is so by this share, there may be several kinks, of which each hides the others."""

HIDDEN_KINK_MARGIN = 2.0
"""Bound on the truncation error over the jump of a kink that noise may hide."""

RARELY = 0.5
"""Where fewer coordinates of a block show kinks, the others are taken to have none."""


def truncation_bounds(
    coordinates: Coordinates,
    steps: Vector,
    differences: CentralDifferences,
    rounding: Vector,
    measure: Measure,
) -> Vector:
    """Return a bound on the truncation error of the central differences of a block with these steps, (k,).

    A few rows are measured with half the step, and so are those with an unusual bend. Where one of the few shows a
    kink, or steps are wide, the whole block is measured; if kinks are rare there, rows without any do not get the
    bounds of rows with them. ``rounding`` is the bound on the error from noise. Costs 2 forward passes for each row
    measured: 16 for a block, and at most as many as the ``differences``.
    """
    block = _HalvedSteps(coordinates, steps, differences, rounding, measure)
    few, unusual = spread_rows(coordinates.size, SAMPLED_ROWS), block.unusual_rows()
    rest = np.setdiff1d(np.flatnonzero(~unusual), few)
    block.halve(np.union1d(few, np.flatnonzero(unusual)))
    alike = [np.arange(coordinates.size)]
    if rest.size and (block.shows_kinks(few, KINK_SHARE).any() or steps.max() > WIDE_STEP):
        block.halve(rest)
        at_kinks = block.shows_kinks(alike[0], HIDDEN_KINK_SHARE)
        if at_kinks.mean() < RARELY:
            alike = [np.flatnonzero(at_kinks), np.flatnonzero(~at_kinks)]
            block.cover_both_sides(alike[0])
    for rows in alike:
        block.cover_those_not_measured(rows, examples=np.intersect1d(few, rows), measured=unusual[rows])
    return block.error


class _HalvedSteps:
    """The coordinates of a block, some of them measured with half the step; arrays (k,)."""

    def __init__(
        self,
        coordinates: Coordinates,
        steps: Vector,
        differences: CentralDifferences,
        rounding: Vector,
        measure: Measure,
    ) -> None:
        self.coordinates, self.steps, self.rounding, self.measure = coordinates, steps, rounding, measure
        (self.central, self.bend), self.size = differences, np.abs(differences.central)
        self.error, self.jumps = np.zeros_like(self.central), np.zeros_like(self.central)
        usual = np.median(self.bend[spread_rows(coordinates.size, SAMPLED_ROWS)]) + 4 * rounding
        self.ratio = np.where(self.bend > 0, np.inf, 0.0)
        """The bend of each coordinate in units of what is usual in the block, noise included."""
        np.divide(self.bend, usual, out=self.ratio, where=usual > 0)

    def unusual_rows(self) -> NDArray[np.bool_]:
        """Return which rows bend so much more than the others that each is measured by itself."""
        return np.asarray(self.ratio > OUTLIER)

    def halve(self, rows: Coordinates) -> None:
        """Measure rows with half the step, and bound their errors by what that changes."""
        half, half_bend = self.measure(self.coordinates[rows], self.steps[rows] / 2)
        bend, outside = self.bend[rows], ~(np.isfinite(half) & np.isfinite(half_bend))  # beside a pole, say
        half = np.where(outside, 0.0, half)
        half_bend = np.where(outside, 2 * bend + self.size[rows], half_bend)
        self.jumps[rows] = jump = np.abs(half_bend - bend / 2)  # a smooth bend is in proportion to the step
        hidden = np.where(jump > KINK_SHARE * bend, HIDDEN_KINK_MARGIN, 0.0)
        of_kinks = np.where(self.shows_kinks(rows, KINK_SHARE), TRUNCATION_MARGIN, hidden) * jump
        self.error[rows] = np.maximum(of_kinks, TRUNCATION_MARGIN * 4 / 3 * np.abs(half - self.central[rows]))

    def shows_kinks(self, rows: Coordinates, share: float) -> NDArray[np.bool_]:
        """Return where the jump of the slope is above the noise, and above this share of the bend."""
        least = np.maximum(4 * self.rounding[rows], share * self.bend[rows])
        return np.asarray(self.jumps[rows] > least)

    def cover_both_sides(self, rows: Coordinates) -> None:
        """Let the bounds at kinks reach the slopes of both sides: that at θ is between, unless J bends both ways."""
        self.error[rows] = np.maximum(self.error[rows], self.bend[rows] / 2)

    def cover_those_not_measured(
        self, rows: Coordinates, examples: Coordinates, measured: NDArray[np.bool_]
    ) -> None:
        """Bound the errors of rows by those of a few examples, in proportion to slopes and bends."""
        usual, largest = self.error[examples].max(initial=0.0), self.size[examples].max(initial=0.0)
        more = np.maximum(np.square(self.ratio[rows]), self.size[rows] / largest if largest else 0.0)
        least = np.where(measured, 0.0, usual * np.maximum(more, 1.0))
        self.error[rows] = np.maximum(self.error[rows], least)
