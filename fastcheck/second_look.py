"""A second look, by plain evaluation, at coordinates whose first estimate does not settle the matter.

A central difference is misled where θ±h straddle a kink (a ReLU that switches on in between) and where h is
too large for the curvature. Both show when the step shrinks, so a suspect is measured again with smaller
and smaller steps, across θ and on either side of it, until two steps agree. One side is enough where a kink
lies close to θ on the other. Where the sides agree on different slopes θ itself is a kink: any claim between
them is a subgradient, and right. Where a coordinate meets several kinks at once (zero weights and biases: all
units of a layer) a backward pass may take another side at each, and a claim beyond the two slopes is undecided.
That several are met shows at points around θ, where slopes differ from those two. Coordinates without any
influence (a dead unit) are recognised by a large step.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound, Estimate
from fastcheck.engines.kinks import Kinks
from fastcheck.engines.noise import rounding_bound
from fastcheck.engines.plain import STEP, default_steps, explained
from fastcheck.errors import EvaluationError
from fastcheck.plan import Coordinates
from fastcheck.problem import Problem
from fastcheck.verdict import Rows, Rule, Standing, claims

SHRINK = 8.0
"""Factor between two steps: truncation falls by 64, a kink's share in the jump of slopes stays or goes."""

SMALLEST_STEP = 2.0**-27
"""Relative to max(1, |θ|); below 7e-9 noise drowns the rest."""

LARGE_STEPS = (1.0, 2.0**-10)
"""Steps at which a coordinate without influence must leave the cost as it is, bit for bit."""

BESIDE = 2.0**-20, 2.0**-24
"""Distances from θ, relative to max(1, |θ|), at which kinks that θ stands on are seen from random sides. What these
kinks do to a slope is the same at both; what curvature and other kinks do shrinks."""

SIDES = 16
"""Points at each distance."""

FAR = 16.0
"""A claim is undecided up to this many times as far from the two slopes at θ as slopes beside θ are."""

DOUBTED = 32
"""Claims of a block that are looked at in this way; where all are undecided, so are the rest."""

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
        self.rounding, self.allowed = rows.bound, self.rule.allowed(self.claimed, rows)
        self.bound = self.rounding.copy()
        self.passes = 0
        self.remeasured = 0
        self.several: list[int] = []

    def result(self) -> Estimate:
        return dataclasses.replace(
            self.first,
            numerical=self.numerical,
            lower=self.lower,
            upper=self.upper,
            bound=Bound(0.0, self.bound),
            kinks=self._kinks(),
        )

    def _kinks(self) -> Kinks | None:
        """Return the kinks known so far, and those that several at once were found to be."""
        if not self.several:
            return self.first.kinks
        size = self.first.part.size
        known = self.first.kinks or Kinks(np.zeros(size, np.intp), np.ones(size, bool))
        counts, enclosed = known.counts.copy(), known.enclosed.copy()
        counts[self.several], enclosed[self.several] = np.maximum(counts[self.several], 2), False
        return Kinks(counts, enclosed)

    def standings(self, rows: Coordinates) -> NDArray[np.int8]:
        some, claimed = Rows.of(self.result(), rows), self.claimed[rows]
        return self.rule.standings(
            claimed, some, self.rule.thresholds(claimed, some), self.rule.allowed(claimed, some)
        )

    def notes(self) -> tuple[str, ...]:
        return self._kinks_note() + self._noise_note()

    def _kinks_note(self) -> tuple[str, ...]:
        if not self.several:
            return ()
        name = self.problem.layout.coordinate_name(int(self.coordinates[self.several[0]]))
        others = f" and {len(self.several) - 1:,} others" if len(self.several) > 1 else ""
        return (
            f"θ stands on several kinks at once in {name}{others} (units whose inputs are exactly 0, or ties): plain "
            "evaluation cannot tell which slopes a backward pass may find there. method='difference' can; or "
            "check at parameters without exact zeros.",
        )

    def _noise_note(self) -> tuple[str, ...]:
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
            wrong = batch[self.standings(batch) == Standing.WRONG]
            if not all(self._doubtful(int(row)) for row in wrong):
                return
            if len(self.several) >= DOUBTED:
                rest = rows[start + AT_ONCE :]
                self.bound[rest] = np.abs(self.claimed - self.numerical)[rest]
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
            with contextlib.suppress(EvaluationError):  # so far from θ the cost may not be defined
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
        if self.first.truncation is not None:
            # A cost in single precision got a larger step than any here: it may know more than they do, unless they
            # contradict it, as where it straddles a kink.
            known = self.rounding[row] + float(self.first.truncation[row])
            apart = abs(best.slope - self.numerical[row])
            if known < best.bound and apart <= best.bound + known:
                self.bound[row] = known
                return
        self.numerical[row] = self.lower[row] = self.upper[row] = best.slope
        self.bound[row] = best.bound

    def _doubtful(self, row: int) -> bool:
        """Tell whether kinks that θ stands on may explain a wrong claim, and make it undecided if they do."""
        beyond = float(
            np.abs(self.claimed[row] - np.clip(self.claimed[row], self.lower[row], self.upper[row]))
        )
        changes = []
        for distance in BESIDE[::-1]:
            changes.append(self._changes_beside(row, distance))
            if FAR * changes[-1].max() < beyond:
                return False
        near, far = changes
        lasting = FAR * near[near > far / 2].max(initial=0.0)
        if lasting < beyond:
            return False
        self.bound[row] += lasting
        self.several.append(row)
        return True

    def _changes_beside(self, row: int, distance: float) -> NDArray[np.float64]:
        """Return by how much the slopes at random points close to θ differ for sure from both those at θ.

        No kink of θ is left there, but one may lie within the step on one side: the smaller difference counts.
        """
        i, theta = int(self.coordinates[row]), self.problem.theta
        step = distance / 16 * max(1.0, abs(float(theta[i])))
        rng = np.random.default_rng(i)  # the same sides at every distance
        halves = np.empty((SIDES, 2))
        for k in range(SIDES):
            beside = theta + distance * np.maximum(1.0, np.abs(theta)) * rng.uniform(-1.0, 1.0, theta.size)
            minus, plus = self._costs(i, step, beside)
            with explained(self.problem.layout, i, 0.0):
                value = self.problem.evaluator(beside.copy())
            self.passes += 1
            halves[k] = (plus - value) / step, (value - minus) / step
        ends = np.array([self.lower[row], self.upper[row]])
        changes = np.abs(halves[:, :, None] - ends).min(axis=(1, 2))
        return np.asarray(changes - 2 * rounding_bound(self.first.noise, step))

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

    def _costs(self, i: int, step: float, center: NDArray[np.float64] | None = None) -> tuple[float, float]:
        """Return the costs at the center, θ unless given, minus and plus the step."""
        center = self.problem.theta if center is None else center
        costs = []
        with explained(self.problem.layout, i, step):
            for end in (center[i] - step, center[i] + step):
                theta = center.copy()
                theta[i] = end
                self.passes += 1
                costs.append(self.problem.evaluator(theta))
        return costs[0], costs[1]


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
