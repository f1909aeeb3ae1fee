"""The strategy of costs that can be recorded: every coordinate is compared with a certified slope.

Slopes that are sent backwards through a record of the cost take a few dozen forward passes, however many there are.
They are certified along random directions through all blocks, which bounds ‖e‖ of each block as screening does, and
closer: e = g - ĝ is known but for what the certificate leaves open of ĝ. Where the cost cannot be recorded, plain
evaluation along random directions in each block takes their place (`fastcheck.checks.random_directions`).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import NamedTuple

import numpy as np

from fastcheck.checks.assembling import Findings, engine_findings
from fastcheck.checks.block_outcomes import BlockOutcome, report_look
from fastcheck.checks.requests import CheckRequest
from fastcheck.chi_square import chi_square_quantile
from fastcheck.diagnosis.located_blocks import locate_in_known_slopes
from fastcheck.diagnosis.spot_checks import WIDESPREAD
from fastcheck.engines import Certified, EngineRun, Estimate
from fastcheck.engines.graph.engine import GraphEngine
from fastcheck.norms import norm, pieces
from fastcheck.plan.tolerances import SHARP
from fastcheck.problem.posing import Problem
from fastcheck.report.result import Screened
from fastcheck.verdict.judging import Verdict
from fastcheck.verdict.ladder import CloserLook, look_closer
from fastcheck.verdict.rule import claims


class ComparedBlock(NamedTuple):
    """A block and the norms from which a bound on its error follows.

    ``error`` is that of what claims may be off from ĝ, its own bound included; ``slopes`` is that of ĝ, ``uncertain``
    that of its bound. ``number`` is the block's.
    """

    outcome: BlockOutcome
    number: int
    error: float
    slopes: float
    uncertain: float

    def bounded(self, certified: Certified, confidence: float) -> BlockOutcome:
        """Return the outcome with the bound on ‖e‖ that the certificate leaves possible with this confidence.

        A certificate holds with probability 1 - α: the same residuals give the bound of another probability.
        """
        degrees = certified.directions
        at_alpha, at_confidence = (
            chi_square_quantile(alpha, degrees) for alpha in (certified.alpha, 1 - confidence)
        )
        left_open = certified.error_in(self.number) * math.sqrt(at_alpha / at_confidence)
        bound, least = self.error + left_open, self.slopes - self.uncertain - left_open
        relative_bound = math.inf if bound else 0.0
        if least > 0:
            relative_bound = bound / least
        screened = Screened(
            directions=degrees, confidence=confidence, bound=bound, relative_bound=relative_bound, kinked=0
        )
        return self.outcome._replace(report=dataclasses.replace(self.outcome.report, screened=screened))


def compare_all(request: CheckRequest, *, fail_few_wrong: bool = False, locate: bool = False) -> Findings:
    """Compare all coordinates.

    ``fail_few_wrong`` fails blocks with errors within the tolerance, too, if these are in few places; ``locate`` tells
    where mistakes are. Raises `TracingError` where the cost cannot be recorded, and `DisagreementError` where slopes
    are not certified.
    """
    request = dataclasses.replace(request, epsilon=None)
    compare = functools.partial(_compare, request, fail_few_wrong, locate)
    with EngineRun(GraphEngine(), request.problem, request.plan("all"), request.execution) as run:
        # Unlike a comprehension, map keeps no estimate while the next one is made.
        blocks = list(map(compare, run))
    outcomes, certified = [block.outcome for block in blocks], run.summary.certified
    if certified is not None:
        outcomes = [block.bounded(certified, request.norm_confidence) for block in blocks]
    return engine_findings(request, outcomes, run.summary)


def _compare(request: CheckRequest, fail_few_wrong: bool, locate: bool, first: Estimate) -> ComparedBlock:
    """Compare a block, and tell where its mistake is."""
    problem, confidence = request.problem, request.norm_confidence
    look = look_closer(problem, None, request.tolerance, first)
    few_wrong: str | None = None
    if fail_few_wrong and look.judgement.verdict is Verdict.PASS:
        look, few_wrong = _few_wrong(problem, request.tolerance, first, look)
    outcome = report_look(problem, None, confidence, first, look)
    if locate and outcome.report.verdict is Verdict.FAIL:
        located = locate_in_known_slopes(problem, look)
        outcome = outcome._replace(report=dataclasses.replace(outcome.report, located=located))
    if few_wrong is not None:
        outcome = outcome._replace(notes=(*outcome.notes, few_wrong))
    error = slopes = uncertain = 0.0
    for piece in pieces(first.part.size):
        claimed, rows = claims(problem, first.part, piece), look.estimate.slopes.at(piece)
        error = math.hypot(error, norm(np.maximum(rows.outside(claimed), 0.0) + rows.bound))
        slopes = math.hypot(slopes, norm(rows.best))
        uncertain = math.hypot(uncertain, norm(rows.bound))
    return ComparedBlock(outcome, problem.layout.number(first.part.block), error, slopes, uncertain)


def _few_wrong(
    problem: Problem, tolerance: float, first: Estimate, look: CloserLook
) -> tuple[CloserLook, str | None]:
    """Return a look that is held to rounding, and a note, if that is exceeded in a few coordinates only.

    The smallest example is a claim that is right to the last digit but for one entry, which is off by 1e-8. Precision
    and approximations show in most coordinates of a block; where nearly all are right to the last digits, and a few are
    not, these have another gradient, however little it differs at these parameters.
    """
    rule = look.judgement.rule
    sharp, worst = SHARP * tolerance, look.judgement.worst[0].error
    in_double_precision = rule.relative <= tolerance
    if not in_double_precision or worst <= sharp * rule.typical:
        return look, None
    closer = look_closer(problem, None, sharp, first)
    if closer.judgement.verdict is not Verdict.FAIL:
        return look, None
    wrong = alive = 0
    for piece in pieces(first.part.size):
        claimed, rows = claims(problem, first.part, piece), closer.estimate.slopes.at(piece)
        wrong += int(np.count_nonzero(rows.outside(claimed) > rows.bound + sharp * rule.typical))
        alive += int(np.count_nonzero((claimed != 0) | (rows.best != 0)))
    in_few_places = 0 < wrong < WIDESPREAD * alive
    if not in_few_places:
        return look, None
    return closer, (
        f"{first.part.block.name} is wrong in few places: in {closer.judgement.wrong:,} of its coordinates it is off "
        "by more than rounding, if by less than the tolerance."
    )
