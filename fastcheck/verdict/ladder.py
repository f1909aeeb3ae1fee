"""The ladder of closer looks: what the first estimate of a block leaves in doubt is measured again, ever more closely.

    1. the whole block   noise along several lines, the step that suits it, truncation      `Estimate.closer`
    2. suspects          smaller steps on both sides, kinks at θ, jumps of J                `rungs`
    3. undecided ones    the cost far away, a larger step                                   `rungs`
    4. the whole block   the claim is judged; other roundings of all operations, or jumps   `hidden_rounding`

Each rung is taken only for what the one before leaves in doubt. Engines that subtract no costs need the last one only.
The smallest example that needs rung 2 is J = |θ| at θ = 1e-6 with a step of 1e-5: ĝ is 0.1, and the claim 1 is right.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fastcheck.engines import Estimate
from fastcheck.engines.plain.probing import Probe
from fastcheck.errors import BudgetUsedUp
from fastcheck.plan.coordinates import Coordinates
from fastcheck.problem.posing import Problem
from fastcheck.verdict.doubts import Doubts
from fastcheck.verdict.first_sight import FirstSight
from fastcheck.verdict.hidden_rounding import bound_with_hidden_rounding, may_hide
from fastcheck.verdict.judging import Judgement, judge_coordinates
from fastcheck.verdict.power import Power
from fastcheck.verdict.rule import Standing
from fastcheck.verdict.rungs import (
    hidden_by_jumps,
    kink_in_noise,
    larger_step,
    no_influence,
    several_kinks,
    smaller_steps,
    steps_of_its_size,
)

EXPLANATIONS = (steps_of_its_size, kink_in_noise, several_kinks, hidden_by_jumps)
"""Rungs that may explain a claim that looks wrong, the cheapest first."""

MOST_AT_KINKS = 32
"""Claims of a block that several kinks at θ may explain and that are looked at; beyond them the rest is undecided."""

LOOKED_AT_TOGETHER = 16
"""Suspects of a block looked at at a time, as long as none is confirmed: one is enough to fail the block."""

MOST_RESCALINGS = 8
"""Times that a block is looked at again since it was held to too little."""

CONFIRMED, MEASURED, NEW = range(3)
"""What is known of a suspect from an earlier look, in the order in which suspects are looked at again."""


class CloserLook(NamedTuple):
    """A judgement and what it rests on.

    ``cut`` says why a look is not complete, None if it is. ``power`` is what mistakes it would have seen, None if
    nobody has asked yet.
    """

    estimate: Estimate
    judgement: Judgement
    forward_passes: int
    notes: tuple[str, ...]
    cut: str | None
    power: Power | None = None


class Climbed(NamedTuple):
    """An estimate after the rungs of plain evaluation, the forward passes these cost, and notes for the report.

    ``cut`` is the sentence that says why they are not complete, None if they are.
    """

    estimate: Estimate
    forward_passes: int
    notes: tuple[str, ...]
    cut: str | None = None


def look_closer(
    problem: Problem,
    epsilon: float | None,
    tolerance: float,
    first: Estimate,
    sight: FirstSight | None = None,
) -> CloserLook:
    """Judge a block by the engine's estimate, and by closer looks at what that leaves in doubt: ``sight``, nothing."""
    if sight is not None:
        return CloserLook(first, sight.judgement, 0, (), None, sight.power)
    at_first_sight = judge_coordinates(problem, first, tolerance)
    if not (at_first_sight.wrong or at_first_sight.undecided):
        return CloserLook(first, at_first_sight, 0, (), None)
    estimate, passes, notes, cut = climb(problem, epsilon, first, tolerance)
    judgement = judge_coordinates(problem, estimate, tolerance)
    worst = judgement.worst[0] if judgement.wrong else None
    if worst is not None and may_hide(problem, worst.error, judgement.rule.typical, abs(worst.claimed)):
        bound, more, cut_late = bound_with_hidden_rounding(problem, estimate, judgement)
        if bound is not None:
            slopes = estimate.slopes.with_bound(bound)
            estimate = dataclasses.replace(estimate, slopes=slopes, loses_digits=True)
            judgement = judge_coordinates(problem, estimate, tolerance)
        passes, cut = passes + more, cut or cut_late
    return CloserLook(estimate, judgement, passes, notes, cut)


def climb(problem: Problem, epsilon: float | None, first: Estimate, tolerance: float) -> Climbed:
    """Return the estimate of a block with every doubtful coordinate replaced by what the rungs say of it.

    Looked at are the plainly evaluated coordinates that are wrong at first sight, worst first, until one is
    confirmed; those left undecided by the noise of a step smaller than the default one; and, where nothing else
    decides, those where claim and ĝ are both zero. Costs 2 to 16 forward passes for each, and before that those of the
    engine's closer look, if it has not taken it yet. ``epsilon`` is the plan's.

    Where a budget ends the look, coordinates that look wrong are undecided, unless one is confirmed.
    """
    rows = _rows_to_look_at(first)
    if not rows.size:
        return Climbed(first, 0, ())
    looks = _Looks(problem, epsilon, first, tolerance)
    standings, passes_of_engine, cut = looks.doubts.standings(rows), 0, None
    suspects = rows[standings == Standing.WRONG]
    try:
        if first.closer is not None and standings.any():
            closer, passes_of_engine = first.closer()
            looks = _Looks(problem, epsilon, closer, tolerance)
            rows = _rows_to_look_at(closer)
            standings = looks.doubts.standings(rows)
            suspects = rows[standings == Standing.WRONG]
        looks.at_suspects(suspects)
        looks.again_while_the_scale_shrinks(rows)
        looks.at_undecided(rows[standings == Standing.UNDECIDED])
    except BudgetUsedUp as reason:
        cut = looks.end_early(suspects, f"{reason}")
    return Climbed(looks.doubts.estimate(), passes_of_engine + looks.probe.passes, looks.notes(), cut)


def _rows_to_look_at(estimate: Estimate) -> Coordinates:
    """Return the rows that were plainly evaluated, without those of which nothing came back."""
    rows = estimate.slopes.subtracted_rows
    return rows[~np.isin(rows, list(estimate.lost))] if estimate.lost else rows


class _Looks:
    """Looks at the coordinates of a block: which of them, in which order, and when that is enough."""

    def __init__(self, problem: Problem, epsilon: float | None, first: Estimate, tolerance: float) -> None:
        self.epsilon, self.first = epsilon, first
        self.doubts, self.probe = Doubts(problem, first, tolerance), Probe(problem, first.noise, epsilon)
        self.mistake_confirmed = False
        self.looked_at: set[int] = set()
        self.bounds_held = first.slopes.truncation is not None
        self.measured_with_larger_step = 0
        self.passed_over = 0

    def at_suspects(self, rows: Coordinates) -> None:
        """Take all rungs for suspects, the worst first, until one is confirmed."""
        rows = self._worst_first(rows)
        for start in range(0, rows.size, LOOKED_AT_TOGETHER):
            together = rows[start : start + LOOKED_AT_TOGETHER].tolist()
            self._expect(together)
            for row in together:
                self._at_suspect(row)
            if self.mistake_confirmed:
                self._pass_over(rows)
                return
            if len(self.doubts.at_several_kinks) >= MOST_AT_KINKS:
                self.doubts.make_undecided(rows[start + LOOKED_AT_TOGETHER :])
                return

    def _expect(self, rows: Sequence[int]) -> None:
        """Say that smaller steps are taken at rows next."""
        doubts = self.doubts
        self.probe.expect_steps([(int(doubts.coordinates[row]), float(doubts.allowed[row])) for row in rows])

    def _worst_first(self, rows: Coordinates) -> Coordinates:
        """Return suspects in the order in which they are looked at.

        What an earlier look evaluated costs nothing: a mistake that it confirmed comes first, and may be enough.
        """
        doubts, remembered = self.doubts, self.probe.remembered or {}
        excess = np.abs(doubts.claimed - doubts.central)[rows] / doubts.allowed[rows]
        states = [remembered.get(i, NEW) for i in doubts.coordinates[rows].tolist()]
        return rows[np.lexsort((-excess, states))]

    def _at_suspect(self, row: int) -> None:
        """Measure a suspect again; as long as none is confirmed, see whether this one is."""
        doubts, state = self.doubts, MEASURED
        smaller_steps(doubts, self.probe, row)
        if not self.mistake_confirmed and doubts.looks_wrong(row):
            state = self._confirm(row)
        elif not doubts.is_kink(row):  # at a kink there may be several, which nobody looked for
            self.looked_at.add(row)
        if self.probe.remembered is not None:
            i = int(doubts.coordinates[row])
            self.probe.remembered[i] = min(state, self.probe.remembered.get(i, NEW))
        self.bounds_held = self.bounds_held and self._is_within_first_bounds(row)

    def _confirm(self, row: int) -> int:
        """See whether anything explains what looks wrong, and return what is known of it then."""
        explained = any(rung(self.doubts, self.probe, row) for rung in EXPLANATIONS)
        self.mistake_confirmed = not explained
        self.looked_at.add(row)
        return MEASURED if explained else CONFIRMED

    def _is_within_first_bounds(self, row: int) -> bool:
        """Tell whether what was found lies within the bounds of the first look, its truncation included."""
        doubts, first = self.doubts, self.first.slopes
        central, truncation = first.central[row], 0.0 if first.truncation is None else first.truncation[row]
        apart = max(doubts.upper[row] - central, central - doubts.lower[row])
        near_enough = apart <= doubts.rounding[row] + doubts.bound[row] + truncation
        return bool(near_enough and row not in doubts.at_several_kinks)

    def _pass_over(self, rows: Coordinates) -> None:
        """Make undecided the suspects that were not looked at, as a mistake is confirmed, but those wrong for sure.

        These are what truncation does not explain, if the bounds on it held wherever a suspect was looked at.
        """
        doubts, first = self.doubts, self.first.slopes
        rest = doubts.wrong_among(rows[~np.isin(rows, list(self.looked_at))])
        if self.bounds_held and first.truncation is not None:
            slopes, claimed = first.at(rest), doubts.claimed[rest]
            most = doubts.rule.thresholds(claimed, slopes) + first.truncation[rest]
            rest = rest[slopes.outside(claimed) <= most]
        doubts.make_undecided(rest)
        self.passed_over += rest.size

    def again_while_the_scale_shrinks(self, rows: Coordinates) -> None:
        """Look again at all that looks wrong once slopes found show that the block was held to too little."""
        for _ in range(MOST_RESCALINGS):
            if not self.doubts.hold_to_smaller_scale():
                return
            self.mistake_confirmed = False
            self.looked_at.clear()
            self.at_suspects(self.doubts.wrong_among(rows))

    def at_undecided(self, rows: Coordinates) -> None:
        """Take the rungs for coordinates that the first look left undecided."""
        doubts = self.doubts
        both_zero = (doubts.claimed[rows] == 0) & (doubts.central[rows] == 0)
        for row in rows[both_zero].tolist():
            no_influence(doubts, self.probe, row)
        for row in rows[~both_zero].tolist():
            if not larger_step(doubts, self.probe, row):
                continue
            self.measured_with_larger_step += 1
            if not doubts.looks_wrong(row):
                continue
            if self.mistake_confirmed:
                doubts.make_undecided(np.array([row]))
                self.passed_over += 1
            else:
                self._confirm(row)

    def end_early(self, suspects: Coordinates, reason: str) -> str:
        """Make undecided what looks wrong and was not confirmed, and return the sentence that says so."""
        doubts, what = self.doubts, self.first.part.block.name
        if self.mistake_confirmed:
            self._pass_over(suspects)
        else:
            suspects = doubts.wrong_among(suspects)
            doubts.make_undecided(suspects)
            if suspects.size == 1:
                what = f"{doubts.name(int(suspects[0]))}, which may be wrong,"
            elif suspects.size:
                example = doubts.name(int(suspects[0]))
                what = f"{suspects.size:,} coordinates of {what} that may be wrong, such as {example},"
        return (
            f"a second look at {what} is not complete, as {reason}: it tells mistakes from kinks, truncation and "
            "noise. fastcheck.check(…, coordinates=…) takes it at the coordinates you name."
        )

    def notes(self) -> tuple[str, ...]:
        """Return sentences for the report."""
        sentences: list[tuple[int, Callable[[], str]]] = [
            (len(self.doubts.at_several_kinks), self._of_several_kinks),
            (self.measured_with_larger_step, self._of_larger_steps),
            (self.passed_over, self._of_those_passed_over),
        ]
        return tuple(sentence() for count, sentence in sentences if count)

    def _of_several_kinks(self) -> str:
        several = self.doubts.at_several_kinks
        count = len(several) - 1
        others = f" and {count:,} other{'s' if count > 1 else ''}" if count else ""
        advice = "method='difference' can where it can follow the cost; or check at parameters without exact zeros."
        if self.doubts.problem.is_uncertified:
            advice = "Check at parameters without exact zeros."
        return (
            f"θ stands on several kinks at once in {self.doubts.name(several[0])}{others} (units whose inputs are "
            "exactly 0, or ties): plain evaluation cannot tell which slopes a backward pass may find there. "
            f"{advice}"
        )

    def _of_larger_steps(self) -> str:
        count, name = self.measured_with_larger_step, self.first.part.block.name
        coordinates, these = ("coordinates", "these") if count > 1 else ("coordinate", "it")
        hidden = f"rounding noise hides more than the tolerance in {count:,} {coordinates} of {name}"
        if self.epsilon is None:
            return f"{hidden} at the first step; larger steps decided {these}."
        return (
            f"at ε = {self.epsilon:g} {hidden}; larger steps decided {these}. Leave epsilon out for the "
            "best step everywhere."
        )

    def _of_those_passed_over(self) -> str:
        look, them = ("coordinates look", "them") if self.passed_over > 1 else ("coordinate looks", "it")
        return (
            f"{self.passed_over:,} more {look} wrong in {self.first.part.block.name}, as kinks or truncation may make "
            f"{them}: undecided, as no closer look was taken once a mistake was confirmed."
        )
