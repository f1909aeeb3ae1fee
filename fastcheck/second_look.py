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

import dataclasses
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound, Estimate, T
from fastcheck.engines.kinks import Kinks
from fastcheck.engines.noise import (
    FARTHEST,
    LONG,
    POINTS,
    SPACING,
    noise_of_jumps,
    noise_of_lines,
    rounding_bound,
)
from fastcheck.engines.plain import STEP, default_steps, explained
from fastcheck.errors import BudgetUsedUp
from fastcheck.plan import Coordinates
from fastcheck.problem import Problem
from fastcheck.rule import FEW, Rows, Rule, Standing, claims

SHRINK = 8.0
"""Factor between two steps: truncation falls by 64, a kink's share in the jump of slopes stays or goes."""

SMALLEST_STEP = 2.0**-27
"""Relative to max(1, |θ|); below 7e-9 noise drowns the rest."""

FINER = 4
"""Steps below that, where slopes are so large that noise leaves enough of them."""

LARGE_STEPS = (1.0, 2.0**-10)
"""Steps, relative to max(1, |θ|), at which a coordinate without influence must leave the cost as it is, bit for bit."""

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
"""Suspects of a block looked at at a time, as long as none is confirmed: one is enough to fail the block."""

SAME_SCALE = 2.0**-10
"""Blocks whose typical slope shrinks by less than this share are held to the same."""

RESCALED = 8
"""Times that a block is looked at again since it was held to too little."""

CONFIRMED, MEASURED, NEW = range(3)
"""What is known of a suspect from an earlier look, in the order in which suspects are looked at again."""


class Value(NamedTuple):
    """A slope and the bound on its error."""

    slope: float
    bound: float


class Looked(NamedTuple):
    """An estimate after a second look, the forward passes it cost, and notes for the report.

    ``cut`` is the sentence that says why the look is not complete, None if it is.
    """

    estimate: Estimate
    forward_passes: int
    notes: tuple[str, ...]
    cut: str | None = None


def look_again(problem: Problem, epsilon: float | None, estimate: Estimate, tolerance: float) -> Looked:
    """Return the estimate of a block with every doubtful coordinate replaced by what other steps say of it.

    Looked at are the plainly evaluated coordinates that are wrong at first sight, worst first, until one is
    confirmed; those left undecided by the noise of a step smaller than the default one; and, where nothing else
    decides, those where claim and ĝ are both zero. Costs 2 to 16 forward passes for each, and before that those of the
    engine's closer look, if it has not taken it yet. ``epsilon`` is the plan's.

    Where a budget ends the look, coordinates that look wrong are undecided, unless one is confirmed. A check with a
    budget looks at growing samples of a block; what it evaluated for one of them is not evaluated again.
    """
    if not estimate.plain.size:
        return Looked(estimate, 0, ())
    look, cut, passes = _Look(problem, epsilon, estimate, tolerance), None, 0
    standings = look.standings(estimate.plain)
    wrong = estimate.plain[standings == Standing.WRONG]
    try:
        if estimate.closer is not None and standings.any():
            estimate, passes = estimate.closer()
            look = _Look(problem, epsilon, estimate, tolerance)
            standings = look.standings(estimate.plain)
            wrong = estimate.plain[standings == Standing.WRONG]
        look.suspects(wrong)
        for _ in range(RESCALED):
            if not look.rescaled():
                break
            look.suspects(estimate.plain[look.standings(estimate.plain) == Standing.WRONG])
        look.undecided(estimate.plain[standings == Standing.UNDECIDED])
    except BudgetUsedUp as reason:
        cut = look.left(wrong, f"{reason}")
    return Looked(look.result(), passes + look.passes, look.notes(), cut)


class _Look:
    """A copy of the estimate, improved in place, and the count of what that cost."""

    def __init__(self, problem: Problem, epsilon: float | None, estimate: Estimate, tolerance: float) -> None:
        self.problem, self.epsilon, self.first = problem, epsilon, estimate
        part = estimate.part
        self.coordinates = part.block.start + part.at(slice(0, part.size))
        self.numerical, self.lower = estimate.numerical.copy(), estimate.lower.copy()
        self.upper = estimate.upper.copy()
        self.claimed, self.tolerance = claims(problem, part, slice(0, part.size)), tolerance
        self.rule = Rule.of(problem, estimate, tolerance)
        rows = Rows.of(estimate, slice(0, part.size))
        self.rounding, self.allowed = rows.bound, self.rule.allowed(self.claimed, rows)
        self.bound, self.unsettled = self.rounding.copy(), np.zeros_like(self.rounding)
        self.passes = 0
        self.remeasured = 0
        self.several: list[int] = []
        self.looked: set[int] = set()
        self.passed_over = 0
        self.confirmed, self.foreseen = False, estimate.truncation is not None
        self.loses_digits = estimate.loses_digits
        # Only a check with a budget looks at the same coordinates again.
        metered = problem.evaluator.meter is not None
        self.known: dict[Hashable, Any] | None = problem.measured.setdefault(_Look, {}) if metered else None

    def result(self) -> Estimate:
        """Return the estimate, whose bounds are all that is known, and its truncation what no step settled of them."""
        return dataclasses.replace(
            self.first,
            numerical=self.numerical,
            lower=self.lower,
            upper=self.upper,
            bound=Bound(0.0, self.bound),
            truncation=None if self.first.truncation is None else self.unsettled,
            kinks=self._kinks(),
            loses_digits=self.loses_digits,
        )

    def rescaled(self) -> bool:
        """Tell whether the slopes found make the block smaller than it looked, and hold its coordinates to that then.

        The truncation of a step that is too large may be many times as large as the gradient.
        """
        found, before = self.result(), self.rule.typical
        self.rule = Rule.of(self.problem, found, self.tolerance)
        self.allowed = self.rule.allowed(self.claimed, Rows.of(found, slice(0, self.claimed.size)))
        if not self.rule.typical < before * (1 - SAME_SCALE):
            return False
        self.confirmed = False  # what was confirmed was held to too little
        self.looked.clear()
        return True

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
        return self._kinks_note() + self._noise_note() + self._passed_over_note()

    def _kinks_note(self) -> tuple[str, ...]:
        if not self.several:
            return ()
        name = self._name(self.several[0])
        others = f" and {len(self.several) - 1:,} others" if len(self.several) > 1 else ""
        return (
            f"θ stands on several kinks at once in {name}{others} (units whose inputs are exactly 0, or ties): plain "
            "evaluation cannot tell which slopes a backward pass may find there. method='difference' can; or "
            "check at parameters without exact zeros.",
        )

    def _name(self, row: int) -> str:
        return self.problem.layout.coordinate_name(int(self.coordinates[row]))

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

    def _passed_over_note(self) -> tuple[str, ...]:
        if not self.passed_over:
            return ()
        look, them = ("coordinates look", "them") if self.passed_over > 1 else ("coordinate looks", "it")
        return (
            f"{self.passed_over:,} more {look} wrong in {self.first.part.block.name}, as kinks or truncation may make "
            f"{them}: undecided, as no closer look was taken once a mistake was confirmed.",
        )

    def suspects(self, rows: Coordinates) -> None:
        excess = np.abs(self.claimed - self.numerical)[rows] / self.allowed[rows]
        # What an earlier look evaluated costs nothing: a mistake that it confirmed comes first, and may be enough.
        known, coordinates = self.known or {}, self.coordinates[rows].tolist()
        rows = rows[np.lexsort((-excess, [known.get(i, NEW) for i in coordinates]))]
        for start in range(0, rows.size, AT_ONCE):
            for row in rows[start : start + AT_ONCE]:
                self._look_at(int(row))
            if self.confirmed:
                self._pass_over(rows)
                return
            if len(self.several) >= DOUBTED:
                self._doubt(rows[start + AT_ONCE :])
                return

    def _look_at(self, row: int) -> None:
        """Measure a suspect again; as long as none is confirmed, see whether this one is."""
        i, state = int(self.coordinates[row]), MEASURED
        self._measure(row)
        if not self.confirmed and self.standings(np.array([row])) == Standing.WRONG:
            self.confirmed = not (self._doubtful(row) or self._hidden(row))
            state = CONFIRMED if self.confirmed else MEASURED
            self.looked.add(row)
        elif self.lower[row] == self.upper[row]:  # at a kink there may be several, which nobody looked for
            self.looked.add(row)
        if self.known is not None:
            self.known[i] = min(state, self.known.get(i, NEW))
        self.foreseen = self.foreseen and self._is_foreseen(row)

    def _is_foreseen(self, row: int) -> bool:
        """Tell whether what was found lies within the bounds of the first look, its truncation included."""
        first, truncation = self.first.numerical[row], self.first.truncation
        most = self.rounding[row] + self.bound[row] + (0.0 if truncation is None else truncation[row])
        return max(self.upper[row] - first, first - self.lower[row]) <= most and row not in self.several

    def _pass_over(self, rows: Coordinates) -> None:
        """Make undecided the suspects that were not looked at, as a mistake is confirmed, but those wrong for sure.

        These are what truncation does not explain, if the bounds on it held wherever a suspect was looked at.
        """
        rest = rows[~np.isin(rows, list(self.looked))]
        rest = rest[self.standings(rest) == Standing.WRONG]
        if self.foreseen and self.first.truncation is not None:
            some, claimed = Rows.of(self.first, rest), self.claimed[rest]
            most = self.rule.thresholds(claimed, some) + self.first.truncation[rest]
            rest = rest[some.outside(claimed) <= most]
        self._doubt(rest)
        self.passed_over += rest.size

    def _doubt(self, rows: Coordinates) -> None:
        """Make undecided what looks wrong."""
        claimed, ends = self.claimed[rows], (self.numerical[rows], self.lower[rows], self.upper[rows])
        apart = np.max([np.abs(claimed - end) for end in ends], axis=0, initial=0.0)
        # More than the verdict overlooks in a few coordinates.
        self.bound[rows] += np.maximum(apart, 2 * FEW * self.allowed[rows])

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

    def left(self, wrong: Coordinates, reason: str) -> str:
        """Make undecided what looks wrong and was not confirmed, and return the sentence that says so."""
        name = self.first.part.block.name
        if self.confirmed:
            self._pass_over(wrong)
        else:
            wrong = wrong[self.standings(wrong) == Standing.WRONG]
            self._doubt(wrong)
            if wrong.size:
                one = self._name(int(wrong[0]))
                many = f"{wrong.size:,} coordinates of {name} that may be wrong, such as {one},"
                name = f"{one}, which may be wrong," if wrong.size == 1 else many
        return (
            f"a second look at {name} is not complete, as {reason}: it tells mistakes from kinks, truncation and "
            "noise. fastcheck.check(…, coordinates=…) takes it at the coordinates you name."
        )

    def _prove_silent(self, row: int) -> None:
        """Prove of a claim of exactly zero, where ĝ is zero too, that the cost does not depend on it."""
        i = int(self.coordinates[row])
        for step in LARGE_STEPS:
            # So far from θ the cost may not be defined.
            far = step * max(1.0, abs(float(self.problem.theta[i])))
            if self._costs_at_theta(i, far) == (self.problem.value,) * 2:
                self.bound[row] = 0.0
                return

    def _measure(self, row: int) -> None:
        i, allowed = int(self.coordinates[row]), float(self.allowed[row])
        rungs = [self._slopes(i, step) for step in self._steps(i)]
        found = agreements(rungs, allowed)
        for step in () if any(found) else self._finer_steps(i, allowed):
            rungs.append(self._slopes(i, step))
            found = agreements(rungs, allowed)
            if any(found):
                break
        _, before, after = found
        if before and after and abs(before.slope - after.slope) > before.bound + after.bound + allowed:
            self.lower[row], self.upper[row] = sorted((before.slope, after.slope))
            self.bound[row] = max(before.bound, after.bound)
            return
        agreed = [value for value in found if value]
        central = [across for _, across, _ in rungs if np.isfinite(across.slope)]
        if len(central) < 2 and not agreed:
            self._doubt(np.array([row]))
            return
        apart = abs(central[-1].slope - central[-2].slope) if len(central) > 1 else 0.0
        unsettled = Value(central[-1].slope, central[-1].bound + apart) if central else agreed[0]
        best = min(agreed, key=lambda value: value.bound, default=unsettled)
        if self.first.truncation is not None:
            # A cost in single precision got a larger step than any here: it may know more than they do, unless they
            # contradict it, as where it straddles a kink.
            known = self.rounding[row] + float(self.first.truncation[row])
            if known < best.bound and abs(best.slope - self.numerical[row]) <= best.bound + known:
                self.bound[row], self.unsettled[row] = known, self.first.truncation[row]
                return
        self.unsettled[row] = 0.0 if agreed else apart
        self.numerical[row] = self.lower[row] = self.upper[row] = best.slope
        self.bound[row] = best.bound

    def _hidden(self, row: int) -> bool:
        """Tell whether steps of J, over which it stands still, may explain a wrong claim; make it undecided if they do.

        What is left of 1 in a sigmoid that saturates stands still until z has changed by much more than the steps
        here, and jumps then. A slope e that is hidden so makes jumps of e·d in a distance of d; a pole makes larger
        ones. Costs 18 forward passes for a problem of which J is smooth, and more where it is not.
        """
        if self.first.single_precision:
            return False
        claimed, errors = self.claimed[row], np.abs(self.claimed - self.first.numerical)
        error = abs(claimed - np.clip(claimed, self.lower[row], self.upper[row]))
        noise, passes = noise_of_lines(self.problem)
        level, searched = noise_of_jumps(self.problem, noise, SPACING)
        self.passes += passes + searched
        unit = max(1.0, abs(float(self.problem.theta[int(self.coordinates[row])])))
        length = (POINTS - 1) * (LONG if self.numerical[row] else FARTHEST)
        distance = length * unit * math.sqrt(self.problem.theta.size)
        likely = level * math.sqrt(12) <= FAR * float(errors.max()) * distance
        if not (level and likely) or error > rounding_bound(level, STEP * unit):
            return False
        self.bound[row] += max(error, 2 * FEW * self.allowed[row])
        self.loses_digits = True
        return True

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
        i = int(self.coordinates[row])
        step = distance / 16 * max(1.0, abs(float(self.problem.theta[i])))
        halves = self._once((i, "beside", distance), lambda: self._slopes_beside(i, distance, step))
        ends = np.array([self.lower[row], self.upper[row]])
        changes = np.abs(halves[:, :, None] - ends).min(axis=(1, 2))
        return np.asarray(changes - 2 * rounding_bound(self.first.noise, step))

    def _slopes_beside(self, i: int, distance: float, step: float) -> NDArray[np.float64]:
        """Return the slopes to the right and left of random points this far from θ, shape (SIDES, 2)."""
        theta = self.problem.theta
        rng = np.random.default_rng(i)  # the same sides at every distance
        halves = np.empty((SIDES, 2))
        for k in range(SIDES):
            beside = theta + distance * np.maximum(1.0, np.abs(theta)) * rng.uniform(-1.0, 1.0, theta.size)
            minus, plus = self._costs(i, step, beside)
            with explained(self.problem.layout, i, 0.0):
                value = self.problem.evaluator.beside(beside.copy())
            self.passes += 1
            halves[k] = (plus - value) / step, (value - minus) / step
        return halves

    def _steps(self, i: int) -> Iterator[float]:
        """Yield steps from the plan's downwards, and at least from one above the default one."""
        default = float(default_steps(self.problem.theta[[i]], None)[0])
        step = max(SHRINK * default, self.epsilon or 0.0)
        while step >= SMALLEST_STEP / STEP * default:
            yield step
            step /= SHRINK

    def _finer_steps(self, i: int, allowed: float) -> Iterator[float]:
        """Yield smaller steps, for slopes that change over the smallest of those, as far as noise lets them be told."""
        step, unit = SMALLEST_STEP, max(1.0, abs(float(self.problem.theta[i])))
        for _ in range(FINER):
            step /= SHRINK
            if rounding_bound(self.first.noise, step * unit) > allowed:
                return
            yield step * unit

    def _slopes(self, i: int, step: float) -> tuple[Value, Value, Value]:
        """Return the slopes to the left, across and to the right of θ, with their bounds from rounding."""
        minus, plus = self._costs_at_theta(i, step)
        value, center = self.problem.value, self.problem.theta[i]
        below, above = center - (center - step), (center + step) - center
        bound = float(rounding_bound(self.first.noise, step))
        return (
            Value((value - minus) / below, 2 * bound),
            Value((plus - minus) / (above + below), bound),
            Value((plus - value) / above, 2 * bound),
        )

    def _costs_at_theta(self, i: int, step: float) -> tuple[float, float]:
        """Return the costs at θ minus and plus the step."""
        return self._once((i, "at", step), lambda: self._costs(i, step, self.problem.theta))

    def _once(self, what: Hashable, evaluate: Callable[[], T]) -> T:
        """Return what ``evaluate`` returns, or what it returned in an earlier look."""
        if self.known is None:
            return evaluate()
        if what not in self.known:
            self.known[what] = evaluate()
        found: T = self.known[what]
        return found

    def _costs(self, i: int, step: float, center: NDArray[np.float64]) -> tuple[float, float]:
        """Return the costs at the center, minus and plus the step; NaN where they are not defined."""
        costs = []
        with explained(self.problem.layout, i, step):
            for end in (center[i] - step, center[i] + step):
                theta = center.copy()
                theta[i] = end
                costs.append(self.problem.evaluator.beside(theta))
                self.passes += 1
        return costs[0], costs[1]


def agreements(
    rungs: Sequence[tuple[Value, Value, Value]], allowed: float
) -> tuple[Value | None, Value | None, Value | None]:
    """Return the slopes across, to the left and to the right of θ on which steps agree, of those that are known.

    Where the domain ends within a step, the slope with that step is NaN.
    """
    left, central, right = ([v for v in side if np.isfinite(v.slope)] for side in zip(*rungs, strict=True))
    across = best_agreement(central, allowed) or best_agreement(extrapolated(central, 2), allowed)
    return (
        across,
        best_agreement(extrapolated(left), allowed),
        best_agreement(extrapolated(right), allowed),
    )


def extrapolated(slopes: Sequence[Value], order: int = 1) -> list[Value]:
    """Remove the share proportional to h, or h² if the order is 2, from slopes with steps h, h/8, …, two by two."""
    factor = SHRINK**order
    return [
        Value((factor * b.slope - a.slope) / (factor - 1), (factor * b.bound + a.bound) / (factor - 1))
        for a, b in pairwise(slopes)
    ]


def best_agreement(values: Sequence[Value], allowed: float) -> Value | None:
    """Return the value with the smallest bound among those that the next larger step agrees with, or None.

    Never the one with the larger step: noise may hide a truncation error as large as the bound of the other.
    """
    confirmed = [b for a, b in pairwise(values) if abs(a.slope - b.slope) <= a.bound + b.bound + allowed]
    return min(confirmed, key=lambda value: value.bound, default=None)
