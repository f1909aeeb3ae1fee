"""The verdict: the claimed gradient g against ĝ ± u, per coordinate, per block, overall.

Coordinates are right, wrong or undecided (`rule`). One wrong coordinate fails its block. Undecided ones make it
inconclusive, unless all that they could hide together is below the tolerance of the block's norm, and none could hide
ten times its own.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.engines import Estimate
from fastcheck.errors import InvalidProblemError
from fastcheck.norms import Comparison, pieces
from fastcheck.plan.coordinates import Part
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.verdict.obstacles import explanation
from fastcheck.verdict.rule import Rule, claims
from fastcheck.verdict.tally import Compared, Tally


class Verdict(enum.StrEnum):
    """The three answers."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


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


def judge_coordinates(problem: Problem, estimate: Estimate, tolerance: float) -> Judgement:
    """Judge every coordinate of a part, and its block; no vector of the part's size is made."""
    part, rule = estimate.part, Rule.of(problem, estimate, tolerance)
    tally = Tally(part, rule)
    for piece in pieces(part.size):
        claimed = claims(problem, part, piece)
        if not tally.add_if_all_right(estimate.slopes, piece, claimed):
            tally.add(estimate.slopes.at(piece), piece, claimed)
    verdict, cause = Verdict.PASS, None
    if tally.wrong:
        verdict = Verdict.FAIL
    elif tally.undecided_ones_matter:
        verdict = Verdict.INCONCLUSIVE
        needed = rule.relative * tally.tolerances_needed
        cause = explanation(problem, estimate, *tally.widest, rule.typical, needed)
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
    given = set(verdicts)
    order = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
    return next(verdict for verdict in order if verdict in given)
