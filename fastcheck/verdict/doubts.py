"""The slopes of one block while closer looks are taken at it: doubtful ones are replaced, or made undecided."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound, Estimate, Slopes
from fastcheck.engines.plain.probing import Resolved
from fastcheck.plan.coordinates import Coordinates
from fastcheck.problem.posing import Problem
from fastcheck.verdict.rule import MOST_TOLERANCES_UNDECIDED, Rule, Standing, claims

SAME_SCALE = 2.0**-10
"""Blocks whose typical slope shrinks by less than this share are held to the same."""


class Doubts:
    """A copy of the first estimate of a block that rungs of the ladder improve in place; arrays of shape (k,)."""

    def __init__(self, problem: Problem, first: Estimate, tolerance: float) -> None:
        self.problem, self.first, self.tolerance = problem, first, tolerance
        part, everything = first.part, slice(0, first.part.size)
        self.coordinates = part.block.start + part.at(everything)
        self.claimed = claims(problem, part, everything)
        slopes = first.slopes.at(everything)
        self.central, self.lower, self.upper = (
            values.copy() for values in (slopes.central, slopes.lower, slopes.upper)
        )
        self.rounding, self.bound = slopes.bound, slopes.bound.copy()
        self.truncation, self.hidden_kink = np.zeros_like(slopes.bound), np.zeros_like(slopes.bound)
        self.rule = Rule.of(problem, first, tolerance)
        self.allowed = self.rule.allowed(self.claimed, slopes)
        self.loses_digits = first.loses_digits
        self.at_several_kinks: list[int] = []

    @property
    def slopes(self) -> Slopes:
        """The slopes as they are known so far; their bounds are all that is known of their errors."""
        return Slopes(
            central=self.central,
            known_to=Bound(0.0, self.bound),
            interval=(self.lower, self.upper),
            truncation=None if self.first.slopes.truncation is None else self.truncation,
            subtracted=self.first.slopes.subtracted,
        )

    def estimate(self) -> Estimate:
        """Return the estimate with these slopes."""
        return dataclasses.replace(
            self.first, slopes=self.slopes, at_kinks=self._at_kinks(), loses_digits=self.loses_digits
        )

    def _at_kinks(self) -> NDArray[np.bool_] | None:
        """Return which coordinates the engine knows to be at kinks, and those that several at once were found to be."""
        if not self.at_several_kinks:
            return self.first.at_kinks
        known = (
            np.zeros(self.central.size, dtype=bool) if self.first.at_kinks is None else self.first.at_kinks
        )
        at_kinks = known.copy()
        at_kinks[self.at_several_kinks] = True
        return at_kinks

    def name(self, row: int) -> str:
        """Return the name of a coordinate."""
        return self.problem.layout.coordinate_name(int(self.coordinates[row]))

    def standings(self, rows: Coordinates) -> NDArray[np.int8]:
        """Return the `Standing` of these rows by what is known so far."""
        return self.rule.standings(self.claimed[rows], self.slopes.at(rows))

    def wrong_among(self, rows: Coordinates) -> Coordinates:
        """Return those of the rows that look wrong."""
        return np.asarray(rows[self.standings(rows) == Standing.WRONG])

    def looks_wrong(self, row: int) -> bool:
        """Tell whether this row looks wrong."""
        return self.wrong_among(np.array([row])).size == 1

    def is_kink(self, row: int) -> bool:
        """Tell whether the two sides of this row have different slopes, as far as is known."""
        return bool(self.lower[row] != self.upper[row])

    def error(self, row: int) -> float:
        """Return how far the claim is from the nearest slope that counts as right."""
        claimed = self.claimed[row]
        return float(np.abs(claimed - np.clip(claimed, self.lower[row], self.upper[row])))

    def replace(self, row: int, resolved: Resolved) -> None:
        """Enter what other steps say of a row; at a kink, ``central`` stays what it was."""
        self.lower[row], self.upper[row] = resolved.lower, resolved.upper
        self.bound[row], self.truncation[row] = resolved.bound, resolved.truncation
        self.hidden_kink[row] = resolved.hidden_kink
        if not resolved.is_kink:
            self.central[row] = resolved.lower

    def make_undecided(self, rows: Coordinates) -> None:
        """Give rows that look wrong a bound that the claim is within."""
        claimed, ends = self.claimed[rows], (self.central[rows], self.lower[rows], self.upper[rows])
        apart = np.max([np.abs(claimed - end) for end in ends], axis=0, initial=0.0)
        self.bound[rows] += np.maximum(apart, self.not_overlooked(rows))

    def allowed_by_slopes(self, row: int) -> float:
        """Return what is allowed in this row if the claim is no larger than the slopes known so far."""
        claimed = np.zeros(1)
        return float(self.rule.allowed(claimed, self.slopes.at(np.array([row])))[0])

    def not_overlooked(self, rows: Coordinates | int) -> NDArray[np.float64]:
        """Return a bound that is more than the verdict overlooks in a few undecided coordinates."""
        return np.asarray(2 * MOST_TOLERANCES_UNDECIDED * self.allowed[rows])

    def hold_to_smaller_scale(self) -> bool:
        """Hold the coordinates to the slopes found, if these make the block smaller than it looked; tell whether so.

        The truncation of a step that is too large may be many times as large as the gradient.
        """
        scale_before = self.rule.typical
        self.rule = Rule.of(self.problem, self.estimate(), self.tolerance)
        self.allowed = self.rule.allowed(self.claimed, self.slopes)
        return self.rule.typical < scale_before * (1 - SAME_SCALE)
