"""A second look, by plain evaluation, at coordinates whose first estimate does not settle the matter.

A central difference is misled where θ±h straddle a kink (a ReLU that switches on in between) and where h is
too large for the curvature. Both show when the step shrinks, so a suspect is measured again with smaller
and smaller steps, across θ and on either side of it, until two steps agree. One side is enough where a kink
lies close to θ on the other. Where the sides agree on different slopes θ itself is a kink: any claim between
them is a subgradient, and right. Coordinates without any influence (a dead unit) are recognised by a large
step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound, Estimate
from fastcheck.engines.noise import rounding_bound
from fastcheck.engines.plain import STEP, default_steps, explained
from fastcheck.plan import Coordinates
from fastcheck.problem import Problem
from fastcheck.verdict import Rows, Rule, Standing, claims

SHRINK = 8.0
"""Factor between two steps: truncation falls by 64, a kink's share in the jump of slopes stays or goes."""

SMALLEST_STEP = 2.0**-27
"""Relative to max(1, |θ|); below 7e-9 noise drowns the rest."""

LARGE_STEPS = (1.0, 2.0**-10)
"""Steps at which a coordinate without influence must leave the cost as it is, bit for bit."""

AT_ONCE = 16
"""Suspects of a block looked at before asking whether one is confirmed: one is enough to fail the block."""


class Value(NamedTuple):
    """A slope and the bound on its error."""

    slope: float
    bound: float


class Looked(NamedTuple):
    """An estimate after a second look, the forward passes it cost, and notes for the report."""

    estimate: Estimate
    forward_passes: int
    notes: tuple[str, ...]


def look_again(problem: Problem, epsilon: float | None, estimate: Estimate, tolerance: float) -> Looked:
    """Return the estimate of a block with every doubtful coordinate replaced by what other steps say of it.

    Looked at are the plainly evaluated coordinates that are wrong at first sight, worst first, until one is
    confirmed; those left undecided by the noise of a step smaller than the default one; and, where nothing else
    decides, those where claim and ĝ are both zero. Costs 2 to 16 forward passes for each. ``epsilon`` is the plan's.
    """
    if not estimate.plain.size:
        return Looked(estimate, 0, ())
    look = _Look(problem, epsilon, estimate, tolerance)
    standings = look.standings(estimate.plain)
    look.undecided(estimate.plain[standings == Standing.UNDECIDED])
    look.suspects(estimate.plain[standings == Standing.WRONG])
    return Looked(look.result(), look.passes, look.notes())


class _Look:
    """A copy of the estimate, improved in place, and the count of what that cost."""

    def __init__(self, problem: Problem, epsilon: float | None, estimate: Estimate, tolerance: float) -> None:
        self.problem, self.epsilon, self.first = problem, epsilon, estimate
        part = estimate.part
        self.coordinates = part.block.start + part.at(slice(0, part.size))
        self.numerical, self.lower = estimate.numerical.copy(), estimate.lower.copy()
        self.upper = estimate.upper.copy()
        self.claimed = claims(problem, part, slice(0, part.size))
        self.rule = Rule.of(problem, estimate, tolerance)
        rows = Rows.of(estimate, slice(0, part.size))
        self.bound, self.allowed = rows.bound.copy(), self.rule.allowed(self.claimed, rows)
        self.passes = 0
        self.remeasured = 0

    def result(self) -> Estimate:
        return dataclasses.replace(
            self.first,
            numerical=self.numerical,
            lower=self.lower,
            upper=self.upper,
            bound=Bound(0.0, self.bound),
        )

    def standings(self, rows: Coordinates) -> NDArray[np.int8]:
        some, claimed = Rows.of(self.result(), rows), self.claimed[rows]
        return self.rule.standings(
            claimed, some, self.rule.thresholds(claimed, some), self.rule.allowed(claimed, some)
        )

    def notes(self) -> tuple[str, ...]:
        if not self.remeasured:
            return ()
        name = self.first.part.block.name
        found = f"rounding noise hides more than the tolerance in {self.remeasured:,} coordinates of {name}"
        if self.epsilon is None:
            return (f"{found} at the first step; larger steps decided these.",)
        return (
            f"at ε = {self.epsilon:g} {found}; larger steps decided these. Leave epsilon out for the "
            "best step everywhere.",
        )

    def suspects(self, rows: NDArray[np.intp]) -> None:
        excess = np.abs(self.claimed - self.numerical)[rows] / self.allowed[rows]
        rows = rows[np.argsort(-excess, kind="stable")]
        for start in range(0, rows.size, AT_ONCE):
            batch = rows[start : start + AT_ONCE]
            for row in batch:
                self._measure(int(row))
            if (self.standings(batch) == Standing.WRONG).any():
                return

    def undecided(self, rows: NDArray[np.intp]) -> None:
        silent = (self.claimed[rows] == 0) & (self.numerical[rows] == 0)
        for row in rows[silent]:
            self._prove_silent(int(row))
        for row in rows[~silent]:
            _, step = islice(self._steps(int(self.coordinates[row])), 2)
            if rounding_bound(self.first.noise, step) <= self.allowed[row]:
                self._measure(int(row))
                self.numerical[row] = self.first.numerical[row]
                self.remeasured += 1

    def _prove_silent(self, row: int) -> None:
        """Prove of a claim of exactly zero, where ĝ is zero too, that the cost does not depend on it."""
        for step in LARGE_STEPS:
            if self._costs(int(self.coordinates[row]), step) == (self.problem.value,) * 2:
                self.bound[row] = 0.0
                return

    def _measure(self, row: int) -> None:
        i, allowed = int(self.coordinates[row]), float(self.allowed[row])
        rungs = [self._slopes(i, step) for step in self._steps(i)]
        left, central, right = (list(side) for side in zip(*rungs, strict=True))
        before = best_agreement(extrapolated(left), allowed)
        after = best_agreement(extrapolated(right), allowed)
        if before and after and abs(before.slope - after.slope) > before.bound + after.bound + allowed:
            self.lower[row], self.upper[row] = sorted((before.slope, after.slope))
            self.bound[row] = max(before.bound, after.bound)
            return
        across = best_agreement(central, allowed)
        agreed = [value for value in (across, before, after) if value]
        apart = abs(central[-1].slope - central[-2].slope)
        unsettled = Value(central[-1].slope, central[-1].bound + apart)
        best = min(agreed, key=lambda value: value.bound, default=unsettled)
        self.numerical[row] = self.lower[row] = self.upper[row] = best.slope
        self.bound[row] = best.bound

    def _steps(self, i: int) -> Iterator[float]:
        """Yield steps from the plan's downwards, and at least from one above the default one."""
        default = float(default_steps(self.problem.theta[[i]], None)[0])
        step = max(SHRINK * default, self.epsilon or 0.0)
        while step >= SMALLEST_STEP / STEP * default:
            yield step
            step /= SHRINK

    def _slopes(self, i: int, step: float) -> tuple[Value, Value, Value]:
        """Return the slopes to the left, across and to the right of θ, with their bounds from rounding."""
        minus, plus = self._costs(i, step)
        value, center = self.problem.value, self.problem.theta[i]
        below, above = center - (center - step), (center + step) - center
        bound = float(rounding_bound(self.first.noise, step))
        return (
            Value((value - minus) / below, 2 * bound),
            Value((plus - minus) / (above + below), bound),
            Value((plus - value) / above, 2 * bound),
        )

    def _costs(self, i: int, step: float) -> tuple[float, float]:
        theta = self.problem.theta.copy()
        with explained(self.problem.layout, i, step):
            theta[i] = self.problem.theta[i] + step
            plus = self.problem.evaluator(theta)
            theta = self.problem.theta.copy()
            theta[i] = self.problem.theta[i] - step
            minus = self.problem.evaluator(theta)
        self.passes += 2
        return minus, plus


def extrapolated(slopes: Sequence[Value]) -> list[Value]:
    """Remove the share proportional to h from one-sided slopes with steps h, h/8, …, two by two."""
    return [
        Value((SHRINK * b.slope - a.slope) / (SHRINK - 1), (SHRINK * b.bound + a.bound) / (SHRINK - 1))
        for a, b in pairwise(slopes)
    ]


def best_agreement(values: Sequence[Value], allowed: float) -> Value | None:
    """Return the value with the smallest bound among those that the next larger step agrees with, or None.

    Never the one with the larger step: noise may hide a truncation error as large as the bound of the other.
    """
    confirmed = [b for a, b in pairwise(values) if abs(a.slope - b.slope) <= a.bound + b.bound + allowed]
    return min(confirmed, key=lambda value: value.bound, default=None)
