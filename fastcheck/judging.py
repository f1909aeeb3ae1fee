"""From the estimate of a block to its report: the judgement, the power, and what a sample proves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fastcheck.careful import Judged, judged
from fastcheck.engines import Estimate
from fastcheck.engines.kinks import KinkPlace
from fastcheck.engines.slopes import SMALL
from fastcheck.evenness import Even, even_errors, evenness_notes
from fastcheck.mistakes import mistake_notes, mistake_of
from fastcheck.norms import Comparison, pieces
from fastcheck.power import measure_power
from fastcheck.problem import Problem
from fastcheck.report.result import BlockReport, block_report
from fastcheck.rule import claims
from fastcheck.symptoms import symptoms
from fastcheck.verdict import Verdict

KINKS_NAMED = 3
"""Places of kinks that a report names."""


class JudgedBlock(NamedTuple):
    """What is kept of a block once it is judged.

    ``at_step`` compares the claim with ĝ at the step that was given, ``even`` tells of errors that are small and alike,
    ``mistake`` what the claim is instead of the gradient.
    """

    name: str
    report: BlockReport
    comparison: Comparison
    at_step: Comparison | None
    even: Even | None
    mistake: str | None
    forward_passes: int
    notes: tuple[str, ...]


def judged_block(
    problem: Problem, epsilon: float | None, tolerance: float, confidence: float, first: Estimate
) -> JudgedBlock:
    """Judge a block by the engine's estimate, or by closer looks at it, and report it."""
    return reported(
        problem, epsilon, tolerance, confidence, first, judged(problem, epsilon, tolerance, first)
    )


def reported(
    problem: Problem,
    epsilon: float | None,
    tolerance: float,
    confidence: float,
    first: Estimate,
    found: Judged,
) -> JudgedBlock:
    """Report a block that is judged, by the engine's estimate and what closer looks ``found``."""
    estimate, judgement = found.estimate, found.judgement
    claimed = claims(problem, estimate.part, np.array([judgement.hardest, judgement.easiest]))
    power = measure_power(estimate, judgement, claimed)
    kinks = (
        int(np.count_nonzero(estimate.lower < estimate.upper)) if estimate.upper is not estimate.lower else 0
    )
    report = block_report(judgement, power, kinks, confidence)
    if found.cut and report.verdict is Verdict.INCONCLUSIVE:
        report = dataclasses.replace(report, cause=found.cut)
    name = estimate.part.block.name
    at_step = None if epsilon is None else _compared_at_step(problem, first)
    even, mistake, passes = None, None, found.forward_passes
    if judgement.verdict is Verdict.FAIL:

        def accepted(tolerance: float) -> bool:
            nonlocal passes
            again = judged(problem, epsilon, tolerance, first)
            passes += again.forward_passes
            return again.judgement.verdict is Verdict.PASS

        even = even_errors(problem, estimate, judgement, accepted)
    explained = symptoms(problem, estimate, judgement)
    if judgement.verdict is Verdict.FAIL and not (even or explained or kinks):
        mistake = mistake_of(problem, estimate, judgement)
    return JudgedBlock(
        name, report, judgement.comparison, at_step, even, mistake, passes, (*found.notes, *explained)
    )


def failure_notes(judged: Sequence[JudgedBlock], kinks: Sequence[KinkPlace]) -> tuple[str, ...]:
    """Return what failing blocks have in common: errors that are small and alike, claims of something else.

    At kinks there is no one gradient that a claim could be a multiple of.
    """
    failing = [one for one in judged if one.report.verdict is Verdict.FAIL]
    return (
        *evenness_notes([(one.name, one.even) for one in failing]),
        *mistake_notes((one.name, one.mistake) for one in failing if not kinks),
    )


def step_notes(
    epsilon: float | None, tolerance: float, judged: Iterable[JudgedBlock], difference: float
) -> tuple[str, ...]:
    """Return the sentence about the difference at a given step, if that is not the ``difference`` of the report."""
    at_step = Comparison.joined(one.at_step for one in judged if one.at_step is not None).difference
    if epsilon is None or at_step <= max(2 * difference, tolerance):
        return ()
    size = "large" if epsilon > SMALL else "small"
    return (
        f"at ε = {epsilon:g} the difference is {at_step:.2g}: that is what so {size} a step does to ĝ. The verdict and "
        "all numbers here are those of the gradient, from other steps. Leave epsilon out.",
    )


def _compared_at_step(problem: Problem, first: Estimate) -> Comparison:
    """Compare the claim with ĝ at the step of the plan."""
    part = first.part
    return Comparison.joined(
        Comparison.of(claims(problem, part, piece), first.numerical[piece]) for piece in pieces(part.size)
    )


def kink_notes(
    coordinates: int, places: tuple[KinkPlace, ...], said: Callable[[int], str] | None = None
) -> tuple[str, ...]:
    """Return the sentence about coordinates at kinks, if there are any; a line that ran several times is named once.

    ``said`` is what is said of so many coordinates if their claims were judged together.
    """
    if not coordinates and not (said and places):
        return ()
    named = list(dict.fromkeys(map(str, places)))
    where = "".join(f" {place}." for place in named[:KINKS_NAMED])
    more = f" And in {len(named) - KINKS_NAMED} more places." if len(named) > KINKS_NAMED else ""
    at = "1 coordinate is at a kink" if coordinates == 1 else f"{coordinates:,} coordinates are at kinks"
    at += ", where any claim between the one-sided slopes is right."
    return ((at if said is None else said(coordinates)) + where + more,)
