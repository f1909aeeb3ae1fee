"""Where the mistake of a block is: of one that was searched, or of which all slopes are known."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.describing import CONFIDENCE, Picture
from fastcheck.diagnosis.failing_block import FailingBlock, failing_block
from fastcheck.diagnosis.parts import ROUNDING_UNITS
from fastcheck.diagnosis.patterns import Values, described
from fastcheck.diagnosis.screened_block import ScreenedBlock
from fastcheck.diagnosis.screening_options import ScreeningOptions
from fastcheck.diagnosis.searching import SearchResult, Suspect, search
from fastcheck.engines import Estimate
from fastcheck.engines.plain.directions import Directions
from fastcheck.pictures.finding_errors import errors_of
from fastcheck.problem.posing import Problem
from fastcheck.report.block_reports import block_report
from fastcheck.report.result import BlockReport, Located
from fastcheck.verdict.judging import Judgement, Verdict, judge_coordinates
from fastcheck.verdict.ladder import CloserLook
from fastcheck.verdict.power import measure_power
from fastcheck.verdict.rule import Standing, claimed_dtype, claims

OF_COORDINATES = ("checked", "wrong", "undecided", "worst", "kinks", "proof", "located", "errors")
"""What the report of a block that was searched says of its coordinates."""


class SearchedBlock(NamedTuple):
    """The report of a block that was searched, and the block itself if all of it was looked at."""

    report: BlockReport
    failing: FailingBlock | None


def locate_after_screening(
    problem: Problem, directions: Directions, screened: Sequence[ScreenedBlock], options: ScreeningOptions
) -> tuple[dict[str, SearchedBlock], int]:
    """Return the blocks that failed, what screening says of the whole and where the mistake is, and passes.

    These are the forward passes that ``directions`` does not count.
    """
    searched, passes = {}, 0
    for block in screened:
        if block.report.verdict is Verdict.FAIL:
            suspect = _suspect(problem, block)
            result = search(problem, directions, suspect, tolerance=options.tolerance, seed=options.seed)
            of_search = report_search(problem, result, options.tolerance)
            measured = {name: getattr(of_search.report, name) for name in OF_COORDINATES}
            searched[block.name] = of_search._replace(report=dataclasses.replace(block.report, **measured))
            passes += result.extra_passes
    return searched, passes


def _suspect(problem: Problem, screened: ScreenedBlock) -> Suspect:
    """Return what screening knows of a block that failed. Most kinks are those of zeros in θ."""
    residuals, spots = screened.residuals, screened.spots
    block, support = residuals.block, residuals.support
    if support is None and residuals.at_kinks:
        support = problem.theta[block.start : block.stop] != 0
    return Suspect(block, support, None if spots is None else spots.estimate)


def report_search(problem: Problem, result: SearchResult, tolerance: float) -> SearchedBlock:
    """Judge the coordinates of a block that were measured, and describe what is wrong."""
    estimate = result.estimate()
    judgement = judge_coordinates(problem, estimate, tolerance)
    at_thresholds = claims(problem, estimate.part, np.array([judgement.hardest, judgement.easiest]))
    power = measure_power(estimate, judgement, at_thresholds)
    errors = errors_of(problem, estimate, judgement)
    report = block_report(judgement, power, estimate.slopes.kinks, CONFIDENCE, errors)
    located = Picture(result, _values(problem, estimate, judgement)).located()
    return SearchedBlock(
        report=dataclasses.replace(report, located=located),
        failing=failing_block(problem, estimate, judgement),
    )


def locate_in_known_slopes(problem: Problem, look: CloserLook) -> Located:
    """Return where the mistake of a block is, the slopes of all its coordinates being known."""
    estimate, judgement = look.estimate, look.judgement
    return described(estimate.part.block, _values(problem, estimate, judgement))


def _values(problem: Problem, estimate: Estimate, judgement: Judgement) -> Values:
    """Return claims and slopes of all coordinates that were looked at, and which are wrong."""
    part, every = estimate.part, slice(0, estimate.part.size)
    claimed, slopes = claims(problem, part, every), estimate.slopes.at(every)
    rounding = ROUNDING_UNITS * float(np.finfo(claimed_dtype(problem, part)).eps)
    return Values(
        claimed=claimed,
        slopes=slopes.nearest(claimed),
        uncertain=slopes.bound + rounding * np.abs(claimed),
        wrong=judgement.rule.standings(claimed, slopes) == Standing.WRONG,
    )
