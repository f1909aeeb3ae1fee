"""The rule that coordinates are held to: what the bound and the tolerance leave of right, wrong and undecided.

A coordinate is *right* if g lies within u plus the tolerance of the slopes that count as right, *wrong* if
not, and *undecided* if u itself is above the tolerance, unless g lies that far between the two slopes at a kink. The
tolerance is relative to ``max(|g|, |ĝ|, RMS of ĝ over the block)``: a block with tiny gradients is checked as sharply
as one with large ones. Where no costs were subtracted, u is so small that a coordinate far below the RMS is held to
its own size, down to a thousandth of the RMS.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Estimate, Slopes
from fastcheck.engines.rounding import CANCELLED
from fastcheck.errors import InvalidProblemError
from fastcheck.norms import root_mean_square
from fastcheck.plan.coordinates import Coordinates, Part
from fastcheck.plan.tolerances import SHARP, VANISHING, tolerance_in
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

MOST_TOLERANCES_UNDECIDED = 10.0
"""An undecided coordinate may have a bound of this many times its tolerance, if there are few of them."""


class Standing(enum.IntEnum):
    """The answer for one coordinate."""

    RIGHT = 0
    WRONG = 1
    UNDECIDED = 2


Scale = TypeVar("Scale", float, Vector)

_RIGHT, _WRONG, _UNDECIDED = np.array(list(Standing), dtype=np.int8)
"""The same in arrays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Generic[Scale]):
    """What coordinates are held to: numbers for all coordinates of a block, or vectors with one for each.

    ``relative`` is the tolerance, ``typical`` the RMS of the slopes, ``least`` the size down to which a coordinate is
    held to its own where no costs were subtracted, ``vanishing`` the size of claims that are zero where ĝ is, ``faint``
    the bound up to which ĝ can be told to be zero, ``unit`` the smallest number that a claim in single or half
    precision can be: what is smaller has become 0 or this.
    """

    relative: Scale
    typical: Scale
    least: Scale
    vanishing: Scale
    faint: Scale
    unit: Scale

    def allowed(self, claimed: Vector, slopes: Slopes) -> Vector:
        """Return the tolerance of each coordinate in the units of the gradient: it is undecided if u is above it."""
        return self._tolerances(_sizes(claimed, slopes), self.typical)

    def thresholds(self, claimed: Vector, slopes: Slopes) -> Vector:
        """Return how far each claim may be off before it is wrong."""
        least: Vector | float = np.where(slopes.subtracted, self.typical, self.least)
        return np.asarray(slopes.bound + self._tolerances(_sizes(claimed, slopes), least))

    def limits(self, claimed: Vector, slopes: Slopes) -> tuple[Vector, Vector]:
        """Return both `thresholds` and what is `allowed`."""
        allowed = self.allowed(claimed, slopes)
        if slopes.subtracted is True:
            return np.asarray(slopes.bound + allowed), allowed
        return self.thresholds(claimed, slopes), allowed

    def _tolerances(self, sizes: Vector, least: Vector | float) -> Vector:
        return np.asarray(self.relative * np.maximum(sizes, least) + self.unit)

    def standings(self, claimed: Vector, slopes: Slopes) -> NDArray[np.int8]:
        """Return the `Standing` of each coordinate."""
        return self.standings_by(claimed, slopes, *self.limits(claimed, slopes))

    def standings_by(
        self, claimed: Vector, slopes: Slopes, thresholds: Vector, allowed: Vector | float
    ) -> NDArray[np.int8]:
        """Return the same given `thresholds` and what is `allowed`."""
        outside = slopes.outside(claimed)
        undecided = slopes.bound + np.minimum(outside, 0.0) > allowed
        standings: NDArray[np.int8] = np.where(outside > thresholds, _WRONG, undecided * _UNDECIDED)
        if standings.any():
            standings[self._vanishing(claimed, slopes)] = _RIGHT
        return standings

    def _vanishing(self, claimed: Vector, slopes: Slopes) -> NDArray[np.bool_]:
        """Return where claim and ĝ are both zero but for rounding.

        Such is the gradient of a bias before a batch normalisation: its terms cancel, and what a backward pass
        leaves of them is some rounding units of the gradients that flow by, with no scale of its own. ĝ must be known
        well enough to tell, and as well as that where costs were subtracted.
        """
        is_zero: NDArray[np.bool_] = np.abs(slopes.best) <= slopes.bound
        if not is_zero.any():
            return is_zero
        leftover = np.maximum(slopes.bound, self.vanishing)
        both_zero = is_zero & (np.abs(claimed) <= leftover)
        known_well_enough = slopes.bound <= np.where(slopes.subtracted, self.vanishing, self.faint)
        return np.asarray(both_zero & known_well_enough)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Held[float]):
    """What the coordinates of one block are held to."""

    @classmethod
    def of(cls, problem: Problem, estimate: Estimate, tolerance: float, typical: float | None = None) -> Rule:
        """Return the rule of a block, of which the RMS of the slopes may be known.

        Claims in single precision have rounding errors of the RMS's size everywhere.
        """
        dtype = claimed_dtype(problem, estimate.part)
        if typical is None:
            typical = root_mean_square(estimate.slopes.best)
        return cls(
            relative=tolerance_in(dtype, tolerance),
            typical=typical,
            least=(SHARP if dtype == np.float64 else 1.0) * typical,
            vanishing=vanishing(problem, estimate.noise, float(np.finfo(dtype).eps)),
            faint=faint(problem),
            unit=0.0 if dtype == np.float64 else float(np.finfo(dtype).smallest_subnormal),
        )


class RowRules(Held[Vector]):
    """What rows of several blocks are held to, each by the rule of its block."""

    @classmethod
    def of(cls, rules: Sequence[Rule], sizes: NDArray[np.intp] | int) -> RowRules:
        """Return the rules of so many rows of each block, one block after the other."""
        columns = [(r.relative, r.typical, r.least, r.vanishing, r.faint, r.unit) for r in rules]
        relative, typical, least, vanishing, faint, unit = np.repeat(np.array(columns).T, sizes, axis=1)
        return cls(
            relative=relative, typical=typical, least=least, vanishing=vanishing, faint=faint, unit=unit
        )


def _sizes(claimed: Vector, slopes: Slopes) -> Vector:
    """Return the larger one of claim and slope of each coordinate."""
    return np.asarray(np.maximum(np.abs(claimed), np.abs(slopes.best)))


def faint(problem: Problem) -> float:
    """Return the bound up to which ĝ can be told to be zero: slopes that are known worse may be anything.

    Where J and all claims are zero, as at b = 0 of b³, there is no scale, and no claim that could be wrong.
    """
    scale = max(problem.largest_claim, abs(problem.value))
    return VANISHING * CANCELLED * scale if scale else math.inf


def vanishing(problem: Problem, noise: float, unit: float = float(np.finfo(float).eps)) -> float:
    """Return the size up to which claims are zero where ĝ is zero: some rounding units of the network's largest.

    Rounding units are those of the claim, or of J, of which the ``noise`` is known: of a batch normalisation the mean
    may be so large that most digits are lost when it is subtracted.
    """
    share = noise / abs(problem.value) if problem.value else 0.0
    return VANISHING * max(unit, min(share, CANCELLED)) * problem.largest_claim


def claims(problem: Problem, part: Part, rows: slice | Coordinates) -> Vector:
    """Return the claimed gradient of some rows of a part, float64."""
    if not problem.claims:
        raise InvalidProblemError("gradients: expected a claimed gradient to judge, got None.")
    number = problem.layout.number(part.block)
    return np.asarray(part.take(problem.claims[number], rows), dtype=np.float64)


def claimed_dtype(problem: Problem, part: Part) -> np.dtype[Any]:
    """Return the dtype in which the gradient of a part was claimed."""
    return problem.claims[problem.layout.number(part.block)].dtype
