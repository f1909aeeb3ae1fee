"""The verdict: the claimed gradient g against ĝ ± u, per coordinate, per block, overall.

Coordinates are right, wrong or undecided (`rule`). One wrong coordinate fails its block. Undecided ones make it
inconclusive, unless all that they could hide together is below the tolerance of the block's norm, and none could hide
ten times its own.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.causes import explanation
from fastcheck.engines import Estimate
from fastcheck.errors import InvalidProblemError
from fastcheck.norms import SAFE, Comparison, norm, pieces
from fastcheck.parameters import Vector
from fastcheck.plan import Part
from fastcheck.problem import Problem
from fastcheck.rule import FEW, Rows, Rule, Standing, claims

WORST = 10
"""Coordinates remembered for each block."""

NOT_MEANT = -1.0
"""In the place of an error that is not to be remembered."""

LAYERS = 16
"""Where the largest of many values are sought, a layer of their maxima over as many stands for all of them."""


class Verdict(enum.StrEnum):
    """The three answers."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Compared(NamedTuple):
    """One coordinate for the report: its place in the flattened block, the claim, the slope beside it, and |g - ĝ|."""

    place: int
    claimed: float
    numerical: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgement:
    """One block: the verdict, and the sentence that says why it is inconclusive.

    ``worst`` has the largest errors first. ``hardest`` is the row of the part with the largest threshold, which a
    mistake in one coordinate must cross, and ``easiest`` that with the smallest relative to its slope, which a mistake
    in all must.
    """

    part: Part
    rule: Rule
    verdict: Verdict
    comparison: Comparison
    wrong: int
    undecided: int
    worst: tuple[Compared, ...]
    cause: str | None
    hardest: int
    easiest: int


def judge(problem: Problem, estimate: Estimate, tolerance: float) -> Judgement:
    """Judge every coordinate of a part, and its block; no vector of the part's size is made."""
    part, rule = estimate.part, Rule.of(problem, estimate, tolerance)
    tally = _Tally()
    exact = estimate.upper is estimate.lower is estimate.numerical and not estimate.plain.size
    for piece in pieces(part.size):
        claimed = claims(problem, part, piece)
        if exact and tally.glance(rule, estimate, piece, claimed):
            continue
        rows = Rows.of(estimate, piece)
        allowed, thresholds = rule.allowed(claimed, rows), rule.thresholds(claimed, rows)
        standings = rule.standings(claimed, rows, thresholds, allowed)
        tally.count(piece.start, standings, rows, allowed)
        tally.compare(part, piece, claimed, rows, standings)
        tally.seek(piece.start, rows, thresholds)
    verdict, cause = Verdict.PASS, None
    if tally.wrong:
        verdict = Verdict.FAIL
    elif tally.matters(math.sqrt(part.size)):
        verdict = Verdict.INCONCLUSIVE
        cause = explanation(problem, estimate, *tally.widest, rule.typical, rule.relative * tally.beyond)
    return Judgement(
        part=part,
        rule=rule,
        verdict=verdict,
        comparison=Comparison.joined(tally.comparisons),
        wrong=tally.wrong,
        undecided=tally.undecided,
        worst=tuple(tally.worst),
        cause=cause,
        hardest=tally.hardest[1],
        easiest=tally.easiest[1],
    )


@dataclass(slots=True)
class _Tally:
    """What is kept of the pieces that were looked at."""

    wrong: int = 0
    undecided: int = 0
    hidden: float = 0.0
    """Norm of the bounds of the undecided ones."""
    widest: tuple[float, int] = (0.0, 0)
    """The largest bound of an undecided one, and its row."""
    beyond: float = 0.0
    """The largest bound of an undecided one over its tolerance."""
    least_allowed: float = math.inf
    excessive: bool = False
    comparisons: list[Comparison] = field(default_factory=list)
    decided: list[Compared] = field(default_factory=list)
    """The largest errors that are known."""
    unclear: list[Compared] = field(default_factory=list)
    """The largest of the undecided ones."""
    hardest: tuple[float, int] = (-math.inf, 0)
    easiest: tuple[float, int] = (math.inf, 0)

    def glance(self, rule: Rule, estimate: Estimate, piece: slice, claimed: Vector) -> bool:
        """Take in a piece that is right as a whole: no error above any threshold, no bound above any tolerance.

        Costs a third of looking at each coordinate. Returns whether it is so; if not, nothing is taken in.
        """
        numerical, bound = estimate.numerical[piece], estimate.bound
        if not isinstance(bound.absolute, float):
            return False
        error = claimed - numerical
        np.abs(error, out=error)
        worst, place = float(error.max()), _largest_at(numerical)
        most = abs(float(numerical[place]))
        u = bound.relative * most + bound.absolute
        least_allowed = rule.relative * rule.typical
        if not (SAFE < most < 1 / SAFE and worst <= bound.absolute + rule.relative * rule.least):
            return False
        if not u <= least_allowed:
            return False
        self.least_allowed = min(self.least_allowed, least_allowed)
        of_error = math.sqrt(float(error @ error)) if worst > SAFE else norm(error)
        g, n = math.sqrt(float(claimed @ claimed)), math.sqrt(float(numerical @ numerical))
        self.comparisons.append(Comparison(claimed=g, numerical=n, error=of_error))
        self.decided = _larger(self.decided, estimate.part, piece, claimed, numerical, error, worst)
        threshold = u + rule.relative * max(most, rule.least)
        self.hardest = max(self.hardest, (threshold, piece.start + place), key=lambda pair: pair[0])
        self.easiest = min(self.easiest, (threshold / most, piece.start + place), key=lambda pair: pair[0])
        return True

    def count(self, start: int, standings: NDArray[np.int8], rows: Rows, allowed: Vector) -> None:
        """Count the standings of a piece, and add up what the undecided ones could hide."""
        self.least_allowed = min(self.least_allowed, float(allowed.min()))
        if not standings.any():
            return
        self.wrong += int((standings == Standing.WRONG).sum())
        unclear = standings == Standing.UNDECIDED
        bound = rows.bound[unclear]
        if bound.size:
            self.undecided += bound.size
            self.hidden = math.hypot(self.hidden, norm(bound))
            widest = int(np.argmax(bound))
            if bound[widest] > self.widest[0]:
                self.widest = float(bound[widest]), start + int(np.flatnonzero(unclear)[widest])
            with np.errstate(divide="ignore"):  # a block of zeros allows nothing
                self.beyond = max(self.beyond, float((bound / allowed[unclear]).max()))
            self.excessive |= bool((bound > FEW * allowed[unclear]).any())

    def matters(self, root: float) -> bool:
        """Tell whether undecided coordinates could hide a mistake that the block should not pass with."""
        return self.excessive or self.hidden > root * self.least_allowed

    def compare(
        self, part: Part, piece: slice, claimed: Vector, rows: Rows, standings: NDArray[np.int8]
    ) -> None:
        """Add the norms of a piece, and remember its largest errors."""
        compared = rows.compared(claimed)
        self.comparisons.append(Comparison.of(claimed, compared))
        error, unclear = np.abs(claimed - compared), standings == Standing.UNDECIDED
        if unclear.any():
            doubtful = np.where(unclear, error, NOT_MEANT)
            self.unclear = _larger(
                self.unclear, part, piece, claimed, compared, doubtful, float(doubtful.max())
            )
            error[unclear] = NOT_MEANT
        self.decided = _larger(self.decided, part, piece, claimed, compared, error, float(error.max()))

    @property
    def worst(self) -> list[Compared]:
        """The largest errors; beside wrong coordinates, those of undecided ones say nothing."""
        if self.wrong:
            return self.decided
        return sorted([*self.decided, *self.unclear], key=lambda one: -one.error)[:WORST]

    def seek(self, start: int, rows: Rows, thresholds: Vector) -> None:
        """Look for the rows that need the largest mistake."""
        truth = rows.lower
        if rows.lower is not rows.upper:
            half = (rows.upper - truth) / 2
            truth, thresholds = truth + half, thresholds + half
        size = np.abs(truth)
        ratio = np.full(size.shape, np.inf)
        np.divide(thresholds, size, out=ratio, where=size > 0)
        hardest, easiest = int(np.argmax(thresholds)), int(np.argmin(ratio))
        if thresholds[hardest] > self.hardest[0]:
            self.hardest = float(thresholds[hardest]), start + hardest
        if ratio[easiest] < self.easiest[0]:
            self.easiest = float(ratio[easiest]), start + easiest


def _larger(
    known: list[Compared],
    part: Part,
    piece: slice,
    claimed: Vector,
    compared: Vector,
    error: Vector,
    largest: float,
) -> list[Compared]:
    """Return the coordinates with the largest errors of those that are known, and of a piece."""
    if len(known) < WORST:
        order = largest_first(error, WORST)
        order = order[error[order] >= 0]
    elif largest > known[-1].error:
        more = np.flatnonzero(error > known[-1].error)
        order = more[largest_first(error[more], WORST)]
    else:
        return known
    columns = part.at(order + piece.start), claimed[order], compared[order], error[order]
    found = list(map(Compared, *(column.tolist() for column in columns)))
    return sorted([*known, *found], key=lambda one: -one.error)[:WORST]


def largest_first(values: Vector, count: int) -> NDArray[np.intp]:
    """Return the positions of the largest values, the largest first and equal ones in their order."""
    width = values.size // LAYERS
    if width <= 4 * count:
        return np.argsort(-values, kind="stable")[:count]
    tops = values[: LAYERS * width].reshape(LAYERS, width).max(axis=0)
    candidates = np.flatnonzero(values >= np.partition(tops, width - count)[-count])
    return candidates[np.argsort(-values[candidates], kind="stable")[:count]]


def _largest_at(values: Vector) -> int:
    """Return the first position of the largest |value|."""
    high, low = int(values.argmax()), int(values.argmin())
    above, below = float(values[high]), -float(values[low])
    return min(high, low) if above == below else high if above > below else low


def relative_difference(claimed: Vector, numerical: Vector) -> float:
    """Return the difference of the courses, ‖g − ĝ‖ / (‖g‖ + ‖ĝ‖); 0 if both are zero.

    Below 1e-7 is usually right and above 1e-3 usually wrong.
    """
    return Comparison.of(claimed, numerical).difference


def validate_tolerance(tolerance: Any) -> float:
    """Return the tolerance as a float; `InvalidProblemError` unless it lies in (0, 1)."""
    if isinstance(tolerance, (int, float, np.number)) and 0 < float(tolerance) < 1:
        return float(tolerance)
    raise InvalidProblemError(
        f"tolerance: expected a relative error between 0 and 1, such as 1e-7, got {tolerance!r}."
    )


def worst_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of the whole: fail before inconclusive before pass."""
    found = set(verdicts)
    order = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
    return next(verdict for verdict in order if verdict in found)
