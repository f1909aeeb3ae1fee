"""What is kept of the coordinates of a block once they are compared: counts, norms, and the largest errors."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Slopes
from fastcheck.norms import SMALLEST_SQUARED, Comparison, norm
from fastcheck.plan.coordinates import Part
from fastcheck.problem.parameters import Vector
from fastcheck.verdict.rule import MOST_TOLERANCES_UNDECIDED, Rule, Standing

WORST = 10
"""Coordinates remembered for each block."""

NOT_COUNTED = -1.0
"""In the place of an error that is not to be remembered: below all errors."""

LAYERS = 16
"""Where the largest of many values are sought, a layer of their maxima over as many stands for all of them."""


class Compared(NamedTuple):
    """One coordinate for the report: its place in the flattened block, the claim, the slope beside it, and |g - ĝ|."""

    place: int
    claimed: float
    numerical: float
    error: float


class Tally:
    """The counts of one block, to which pieces of its coordinates are added.

    ``widest`` is the largest bound of an undecided coordinate and its row, ``tolerances_needed`` the largest over what
    is allowed. ``hardest`` and ``easiest`` are the largest threshold and the smallest one relative to its slope, each
    with its row.
    """

    def __init__(self, part: Part, rule: Rule) -> None:
        self.part, self.rule = part, rule
        self.wrong = self.undecided = 0
        self.widest: tuple[float, int] = 0.0, 0
        self.tolerances_needed = 0.0
        self.hardest: tuple[float, int] = -math.inf, 0
        self.easiest: tuple[float, int] = math.inf, 0
        self.comparisons: list[Comparison] = []
        self._norm_of_undecided, self._least_allowed = 0.0, math.inf
        self._decided_errors, self._undecided_errors = LargestErrors(part), LargestErrors(part)

    @property
    def undecided_ones_matter(self) -> bool:
        """Whether undecided coordinates could hide a mistake that the block should not pass with."""
        one_could_hide_much = self.tolerances_needed > MOST_TOLERANCES_UNDECIDED
        return (
            one_could_hide_much or self._norm_of_undecided > math.sqrt(self.part.size) * self._least_allowed
        )

    @property
    def worst(self) -> list[Compared]:
        """The largest errors; beside wrong coordinates, those of undecided ones say nothing."""
        if self.wrong:
            return self._decided_errors.coordinates
        both = [*self._decided_errors.coordinates, *self._undecided_errors.coordinates]
        return sorted(both, key=lambda coordinate: -coordinate.error)[:WORST]

    def add_if_all_right(self, slopes: Slopes, piece: slice, claimed: Vector) -> bool:
        """Add a piece that is right as a whole: no error above any threshold, no bound above any tolerance.

        Costs a third of looking at each coordinate. Returns whether it is so; if not, nothing is added.
        """
        rule, known_to = self.rule, slopes.known_to
        one_bound = isinstance(known_to.absolute, float) and not slopes.any_subtracted
        if not (one_bound and slopes.interval is None):
            return False
        numerical = slopes.central[piece]
        error = claimed - numerical
        np.abs(error, out=error)
        worst, place = float(error.max()), _largest_at(numerical)
        largest = abs(float(numerical[place]))
        bound = known_to.relative * largest + float(known_to.absolute)
        allowed = rule.relative * rule.typical
        within_tolerance = worst <= known_to.absolute + rule.relative * rule.least
        if not (within_tolerance and bound <= allowed and SMALLEST_SQUARED < largest < 1 / SMALLEST_SQUARED):
            return False
        self._least_allowed = min(self._least_allowed, allowed)
        of_error = math.sqrt(float(error @ error)) if worst > SMALLEST_SQUARED else norm(error)
        g, n = math.sqrt(float(claimed @ claimed)), math.sqrt(float(numerical @ numerical))
        self.comparisons.append(Comparison(claimed=g, numerical=n, error=of_error))
        self._decided_errors.add(piece, claimed, numerical, error, worst)
        threshold, row = bound + rule.relative * max(largest, rule.least), piece.start + place
        self._keep_extremes((threshold, row), (threshold / largest, row))
        return True

    def add(self, slopes: Slopes, piece: slice, claimed: Vector) -> None:
        """Add the ``slopes`` of a piece, each compared with what it is held to."""
        thresholds, allowed = self.rule.limits(claimed, slopes)
        standings = self.rule.standings_by(claimed, slopes, thresholds, allowed)
        self._least_allowed = min(self._least_allowed, float(allowed.min()))
        undecided = None
        if standings.any():
            undecided = standings == Standing.UNDECIDED
            self.wrong += int(np.count_nonzero(standings == Standing.WRONG))
            self._count(piece.start, np.flatnonzero(undecided), slopes.bound, allowed)
        self._compare(piece, claimed, slopes, undecided)
        self._seek_extremes(piece.start, slopes, thresholds)

    def _count(self, start: int, rows: NDArray[np.intp], bounds: Vector, allowed: Vector) -> None:
        """Count undecided rows, and add up what they could hide."""
        if not rows.size:
            return
        bound = bounds[rows]
        self.undecided += rows.size
        self._norm_of_undecided = math.hypot(self._norm_of_undecided, norm(bound))
        widest = int(np.argmax(bound))
        if bound[widest] > self.widest[0]:
            self.widest = float(bound[widest]), start + int(rows[widest])
        with np.errstate(divide="ignore"):  # a block of zeros allows nothing
            self.tolerances_needed = max(self.tolerances_needed, float((bound / allowed[rows]).max()))

    def _compare(
        self, piece: slice, claimed: Vector, slopes: Slopes, undecided: NDArray[np.bool_] | None
    ) -> None:
        """Add the norms of a piece, and remember its largest errors."""
        compared = slopes.nearest(claimed)
        self.comparisons.append(Comparison.of(claimed, compared))
        error = np.abs(claimed - compared)
        if undecided is not None and undecided.any():
            of_undecided = np.where(undecided, error, NOT_COUNTED)
            self._undecided_errors.add(piece, claimed, compared, of_undecided, float(of_undecided.max()))
            error[undecided] = NOT_COUNTED
        self._decided_errors.add(piece, claimed, compared, error, float(error.max()))

    def _seek_extremes(self, start: int, slopes: Slopes, thresholds: Vector) -> None:
        """Look for the rows that need the largest mistake."""
        truth = slopes.lower
        if slopes.interval is not None:
            half = (slopes.upper - truth) / 2
            truth, thresholds = truth + half, thresholds + half
        size = np.abs(truth)
        ratio = np.full(size.shape, np.inf)
        np.divide(thresholds, size, out=ratio, where=size > 0)
        hardest, easiest = int(thresholds.argmax()), int(ratio.argmin())
        self._keep_extremes(
            (float(thresholds[hardest]), start + hardest), (float(ratio[easiest]), start + easiest)
        )

    def _keep_extremes(self, hardest: tuple[float, int], easiest: tuple[float, int]) -> None:
        if hardest[0] > self.hardest[0]:
            self.hardest = hardest
        if easiest[0] < self.easiest[0]:
            self.easiest = easiest


class LargestErrors:
    """The coordinates of a part with the largest errors so far, the largest first."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.coordinates: list[Compared] = []

    def add(self, piece: slice, claimed: Vector, compared: Vector, error: Vector, largest: float) -> None:
        """Add those of a piece, of which the ``largest`` error is known."""
        if len(self.coordinates) < WORST:
            order = largest_first(error, WORST)
            order = order[error[order] >= 0]
        elif largest > self.coordinates[-1].error:
            larger = np.flatnonzero(error > self.coordinates[-1].error)
            order = larger[largest_first(error[larger], WORST)]
        else:
            return
        columns = self.part.at(order + piece.start), claimed[order], compared[order], error[order]
        more = list(map(Compared._make, zip(*(column.tolist() for column in columns), strict=True)))
        if self.coordinates:
            more = sorted([*self.coordinates, *more], key=lambda coordinate: -coordinate.error)
        self.coordinates = more[:WORST]


def largest_first(values: Vector, count: int) -> NDArray[np.intp]:
    """Return the positions of the largest values, the largest first and equal ones in their order."""
    width = values.size // LAYERS
    if width <= 4 * count:
        return (-values).argsort(kind="stable")[:count]
    tops = values[: LAYERS * width].reshape(LAYERS, width).max(axis=0)
    candidates = np.flatnonzero(values >= np.partition(tops, width - count)[-count])
    return candidates[np.argsort(-values[candidates], kind="stable")[:count]]


def _largest_at(values: Vector) -> int:
    """Return the first position of the largest |value|."""
    high, low = int(values.argmax()), int(values.argmin())
    above, below = float(values[high]), -float(values[low])
    return min(high, low) if above == below else high if above > below else low
