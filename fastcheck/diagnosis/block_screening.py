"""The screening of one block: what its directions say, and where they leave doubts, what a closer look says.

The derivation, its assumptions and what the verdicts mean: docs/screening.md.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.evenness import even_errors
from fastcheck.diagnosis.residuals import Residuals, claim_of, measure
from fastcheck.diagnosis.screened_block import ScreenedBlock, ScreeningVerdict
from fastcheck.diagnosis.screening_options import ScreeningOptions
from fastcheck.diagnosis.spot_checks import USUAL_SPOTS, Spots, spot_check
from fastcheck.engines.plain.cost_noise import COARSE, measured_noise
from fastcheck.engines.plain.directions import Directions
from fastcheck.engines.plain.noise import noise_of_lines, noise_with_jumps
from fastcheck.engines.plain.steps import USUAL_STEP
from fastcheck.errors import BudgetUsedUp
from fastcheck.norms import Comparison, norm
from fastcheck.pictures.finding_errors import errors_of
from fastcheck.plan.tolerances import SHARP, tolerance_in
from fastcheck.problem.parameters import Block
from fastcheck.problem.posing import Problem
from fastcheck.report.block_reports import worst_coordinates
from fastcheck.report.result import BlockReport, Coordinate, Screened
from fastcheck.verdict.judging import Verdict
from fastcheck.verdict.obstacles import LOSING_DIGITS, Obstacle, advice_for, enough_for
from fastcheck.verdict.power import BEYOND_THE_POWER, Power
from fastcheck.verdict.rule import MOST_TOLERANCES_UNDECIDED
from fastcheck.verdict.rungs import STEPS_WITHOUT_INFLUENCE

MOST_ONE_BY_ONE_AT_KINKS = 4096
"""Coordinates of a block that are all checked one by one where its directions meet kinks."""

MOST_ONE_BY_ONE_HIDDEN = 256
"""The same where rounding or truncation leaves too little of the slopes along directions."""

SMALLER_STEP = 8.0
"""A block that looks wrong is measured again with a step smaller by this factor before it counts."""


class _AwayFromKinks(NamedTuple):
    """What directions say that are zero where the block is."""

    residuals: Residuals
    answer: ScreeningVerdict


def with_evenness(
    problem: Problem, directions: Directions, options: ScreeningOptions, number: int, screened: ScreenedBlock
) -> ScreenedBlock:
    """Return what screening says of block ``number``, and whether errors are alike where coordinates were measured."""
    spots, passes = screened.spots, screened.extra_passes
    if screened.report.verdict is not Verdict.FAIL or spots is None or not spots.judgement.wrong:
        return screened

    def accepted(tolerance: float) -> bool:
        nonlocal passes
        again = BlockScreening(problem, directions, replace(options, tolerance=tolerance), number)
        result = again.screened(screened.residuals)
        passes += result.extra_passes
        return result.report.verdict is Verdict.PASS

    even = even_errors(problem, spots.estimate, spots.judgement, accepted)
    return replace(screened, even=even, extra_passes=passes)


class BlockScreening:
    """The screening of one block; ``extra_passes`` are the forward passes that ``directions`` does not count.

    The smallest example in which directions are not enough is a claim for 10,000 coordinates that is off by 1e-5 of a
    typical one: in all of them that is an approximation, which the tolerance 1e-4 allows; in a single one the same
    ‖g - ∇J‖ is an error of 1e-3 of it. Coordinates that are measured one by one tell which it is.
    """

    def __init__(
        self, problem: Problem, directions: Directions, options: ScreeningOptions, number: int
    ) -> None:
        self.problem, self.directions, self.options, self.number = problem, directions, options, number
        self.block: Block = problem.layout.blocks[number]
        self.claimed = claim_of(problem, number)
        self.length = norm(np.asarray(self.claimed, dtype=np.float64))
        dtype = self.claimed.dtype
        self.in_double_precision = dtype == np.float64
        self.relative = tolerance_in(dtype, options.tolerance)
        self.extra_passes = 0

    def measured(self, shrink: float = 1.0, support: NDArray[np.bool_] | None = None) -> Residuals:
        """Return the residuals of the block along its random directions, zero outside of the ``support``."""
        return measure(
            self.problem,
            self.directions,
            self.number,
            self.options.directions,
            seed=self.options.seed,
            shrink=shrink,
            support=support,
        )

    def screened(self, residuals: Residuals) -> ScreenedBlock:
        """Return what screening says: after a second look and a few coordinates one by one, if it looks wrong."""
        if residuals.at_kinks:
            return self._at_kinks(residuals)
        answer = self._by_directions(residuals)
        if answer is None:
            residuals = self.measured(SMALLER_STEP)
            if residuals.at_kinks:
                return self._at_kinks(residuals)
            answer = self._by_directions(residuals)
        if answer is None:
            spots = self._spots()
            return self._block(residuals, spots, self._by_coordinates(residuals, spots))
        name = self.block.name
        if not np.isfinite(residuals.bound).all():
            return self._one_by_one(residuals, f"the cost is not defined along directions in {name}")
        if answer.verdict is Verdict.INCONCLUSIVE and self.block.size <= MOST_ONE_BY_ONE_HIDDEN:
            why = f"rounding hides the slopes along directions in {name}"
            return self._one_by_one(residuals, why, answer)
        return self._block(residuals, None, answer)

    def cut_short(self, residuals: Residuals, reason: str) -> ScreenedBlock:
        """Return what directions alone say, where for this ``reason`` there is no closer look."""
        answer = None
        if not residuals.at_kinks:
            with contextlib.suppress(BudgetUsedUp):
                answer = self._by_directions(residuals)
        if answer is None:
            what = "meet kinks at θ" if residuals.at_kinks else "disagree with the claim"
            cause = (
                f"directions in {self.block.name} {what}, and a closer look, which tells whether it is wrong, is not "
                f"complete, as {reason}. fastcheck.screen(cost, parameters, gradients) takes that look."
            )
            answer = ScreeningVerdict(Verdict.INCONCLUSIVE, cause)
        return self._block(residuals, None, answer)

    def right_by(self, residuals: Residuals) -> ScreenedBlock:
        """Return what screening says of a block that is right by these residuals."""
        return self._block(residuals, None, ScreeningVerdict(Verdict.PASS))

    # --- directions

    def limit(self) -> float:
        """Return the bound on ‖e‖, beside a small share of it, up to which a block may pass that rounding explains.

        One in single precision need not be explained: its own rounding is what shows.
        """
        if not self.in_double_precision:
            return self.relative * self.length
        return self.relative * self._enough(self.length)

    def _enough(self, length: float) -> float:
        """Return the norm beside which the bound on ‖e‖ may be the tolerance, ‖∇J‖ being ``length`` at least."""
        return min(MOST_TOLERANCES_UNDECIDED * length / math.sqrt(self.block.size), length)

    def is_right(self, residuals: Residuals) -> bool:
        """Tell whether the block passes by its residuals: no coordinate is wrong, or could hide much."""
        bound, length = self._bounds(residuals)
        typical = length / math.sqrt(self.block.size)
        sharp = self.relative * (SHARP * typical if self.in_double_precision else length)
        return bound <= sharp or (residuals.explained and bound <= self.relative * self._enough(length))

    def _by_directions(self, residuals: Residuals) -> ScreeningVerdict | None:
        """Return what directions alone can tell, None where the block looks wrong."""
        if self.is_right(residuals) or self._has_no_influence(residuals):
            return ScreeningVerdict(Verdict.PASS)
        if not residuals.explained:
            return None
        bound, length = self._bounds(residuals)
        least = self._enough(length)
        why = self._noise_obstacle()
        return ScreeningVerdict(
            Verdict.INCONCLUSIVE,
            f"{why}: slopes in {self.block.name} are known to ± {residuals.bound.max():.1e} only, so ‖g - ∇J‖ may be "
            f"{bound:.1e}, against a typical entry of {self.length / math.sqrt(self.block.size):.1e}. "
            f"{self._advice(why)}{enough_for(why, self.block.name, bound / least if least else math.inf)}",
        )

    def _bounds(self, residuals: Residuals, bound: float | None = None) -> tuple[float, float]:
        """Return the bound on ‖e‖, unless it is known, and the least that ‖∇J‖ = ‖g - e‖ can be then."""
        if bound is None:
            bound = residuals.error_bound(self.options.confidence)
        return bound, max(0.0, self.length - bound)

    def _has_no_influence(self, residuals: Residuals) -> bool:
        """Whether the claim is zero, and the block moves the cost at no step."""
        if self.claimed.any() or residuals.slope.any():
            return False
        return not any(self.measured(USUAL_STEP / step).slope.any() for step in STEPS_WITHOUT_INFLUENCE)

    def _noise_obstacle(self) -> Obstacle:
        """Return why slopes are not known better."""
        if not self.problem.repeats_exactly:
            return Obstacle.NONDETERMINISM
        noise, passes = noise_of_lines(self.problem)
        self.extra_passes += passes
        if noise <= COARSE * abs(self.problem.value):
            return Obstacle.ROUNDING
        measured = measured_noise(self.problem)
        self.extra_passes += measured.passes
        return Obstacle.SINGLE if measured.single_precision else Obstacle.ROUNDING

    def _advice(self, obstacle: Obstacle) -> str:
        may_help = not self.problem.is_uncertified
        return advice_for(obstacle, step_given=self.options.epsilon is not None, difference_may_help=may_help)

    # --- coordinates

    def _spots(self, count: int = USUAL_SPOTS) -> Spots:
        spots = spot_check(
            self.problem,
            self.number,
            tolerance=self.options.tolerance,
            epsilon=self.options.epsilon,
            seed=self.options.seed,
            count=count,
        )
        self.extra_passes += spots.forward_passes
        return spots

    def _by_coordinates(self, residuals: Residuals, spots: Spots) -> ScreeningVerdict:
        """Return what coordinates measured one by one say of an error that rounding does not explain."""
        if spots.judgement.wrong:  # they had their look for rounding that hides
            return ScreeningVerdict(Verdict.FAIL)
        name = self.block.name
        within_tolerance = residuals.error <= self.relative * self.length
        hides = spots.could_hide(residuals.error)
        explained = spots.spread() and spots.explain(residuals.error)
        if explained and not hides:
            return ScreeningVerdict(spots.judgement.verdict, spots.judgement.cause)
        if explained and within_tolerance and spots.judgement.verdict is Verdict.PASS:
            return ScreeningVerdict(Verdict.PASS)
        if hides:
            return ScreeningVerdict(
                Verdict.INCONCLUSIVE,
                f"{Obstacle.ROUNDING}: ‖g - ∇J‖ in {name} is about {residuals.error:.1e}, and the coordinates are "
                f"known to ± {spots.bound.max():.1e} only, too little to tell whether one of them is wrong. "
                f"{LOSING_DIGITS if spots.estimate.loses_digits else self._advice(Obstacle.ROUNDING)}",
            )
        count = f"{spots.size:,} of its coordinates"
        return self._confirmed(
            residuals, f"{name} is wrong in few places: {count}, measured one by one, do not show the error."
        )

    def _confirmed(self, residuals: Residuals, note: str) -> ScreeningVerdict:
        """Return a failure, unless jumps of J along long lines, which short ones do not show, explain the residuals."""
        known, passes = noise_of_lines(self.problem)
        level, more = noise_with_jumps(self.problem)
        self.extra_passes += passes + more
        jumps = max(1.0, level / known) if known else 1.0
        if not replace(residuals, bound=residuals.bound * jumps).explained:
            return ScreeningVerdict(Verdict.FAIL, None, (note,))
        return ScreeningVerdict(
            Verdict.INCONCLUSIVE,
            f"{Obstacle.ROUNDING}, which may explain ‖g - ∇J‖ in {self.block.name}, of about {residuals.error:.1e}. "
            f"{LOSING_DIGITS}",
        )

    def _one_by_one(
        self, residuals: Residuals, why: str, known: ScreeningVerdict | None = None
    ) -> ScreenedBlock:
        """Return what coordinates say, one by one, where directions tell nothing: a single one can spoil them all.

        Such is one on a border of the domain of the cost, or one with a slope that rounding changes. Those of a small
        block are all checked, of a large one some. What is ``known`` stays where they tell no more.
        """
        spots = self._spots(MOST_ONE_BY_ONE_AT_KINKS)
        whole = spots.size == self.block.size
        answer = ScreeningVerdict(spots.judgement.verdict, spots.judgement.cause)
        if known is not None and answer.verdict is Verdict.INCONCLUSIVE:
            return self._block(residuals, spots, known)
        note = f"{why}: {'all' if whole else f'{spots.size:,}'} of its coordinates were checked one by one."
        if not whole and not spots.judgement.wrong:
            advice = "Check the others, too, or screen at parameters inside of the domain."
            answer = ScreeningVerdict(Verdict.INCONCLUSIVE, f"{Obstacle.DOMAIN}: {note} {advice}")
        return self._block(residuals, spots, replace(answer, notes=(note,)), spots.error_bound())

    # --- kinks

    def _at_kinks(self, residuals: Residuals) -> ScreenedBlock:
        """Return what screening says where directions meet kinks, which may explain any residual, or hide a mistake.

        All coordinates of a small block are checked one by one, of a large one a few.
        """
        if self.block.size <= MOST_ONE_BY_ONE_AT_KINKS:
            spots = self._spots(MOST_ONE_BY_ONE_AT_KINKS)
            note = f"directions in {self.block.name} meet kinks at θ: all its coordinates were checked one by one."
            answer = ScreeningVerdict(spots.judgement.verdict, spots.judgement.cause, (note,))
            return self._block(residuals, spots, answer, spots.error_bound())
        spots = self._spots()
        support = self.problem.theta[self.block.start : self.block.stop] != 0
        away = self._away_from_kinks(support, spots)
        if away is not None and away.answer.verdict is Verdict.FAIL:
            return self._block(away.residuals, spots, away.answer, math.inf)
        if spots.judgement.wrong:
            return self._block(residuals, spots, ScreeningVerdict(Verdict.FAIL))
        known_to_be_right = int(support.sum()) if away is not None and away.answer.passes else 0
        cause = self._kinks_cause(spots, known_to_be_right)
        return self._block(residuals, spots, ScreeningVerdict(Verdict.INCONCLUSIVE, cause))

    def _away_from_kinks(self, support: NDArray[np.bool_], spots: Spots) -> _AwayFromKinks | None:
        """Return what directions say that are zero where the block is; None if these meet kinks, too.

        Most kinks are those of zero weights: an L1 term there, or units whose weights are all zero.
        """
        if support.all() or not support.any():
            return None
        for shrink in (1.0, SMALLER_STEP):
            residuals = self.measured(shrink, support)
            if residuals.at_kinks:
                return None
            answer = self._by_directions(residuals)
            if answer is not None:
                return _AwayFromKinks(residuals, answer)
        return _AwayFromKinks(residuals, self._by_coordinates(residuals, spots))

    def _kinks_cause(self, spots: Spots, right: int) -> str:
        """Return the cause of an inconclusive verdict; ``right`` coordinates are known to be, together."""
        elsewhere = f" Its {right:,} coordinates that are not zero are right." if right else ""
        if right == 1:
            elsewhere = " Its only coordinate that is not zero is right."
        return (
            f"{Obstacle.KINK}: directions in {self.block.name} meet kinks at θ, which may hide mistakes: only "
            f"{spots.size:,} of its coordinates were checked, one by one.{elsewhere} Check all of them, at these "
            "parameters, or screen at parameters moved a little, so that they do not stand on kinks (exact zeros or "
            "ties)."
        )

    # --- the report

    def _block(
        self, residuals: Residuals, spots: Spots | None, answer: ScreeningVerdict, bound: float | None = None
    ) -> ScreenedBlock:
        return ScreenedBlock(
            residuals=residuals,
            spots=spots,
            comparison=self._comparison(residuals),
            report=self._report(residuals, spots, answer, bound),
            notes=answer.notes,
            extra_passes=self.extra_passes,
        )

    def _comparison(self, residuals: Residuals) -> Comparison:
        return Comparison(claimed=self.length, numerical=residuals.gradient, error=residuals.error)

    def _report(
        self, residuals: Residuals, spots: Spots | None, answer: ScreeningVerdict, known: float | None
    ) -> BlockReport:
        bound, length = self._bounds(residuals, known)
        relative_bound = math.inf if bound else 0.0
        if length:
            relative_bound = bound / length
        worst: tuple[Coordinate, ...] = ()
        if spots is not None and spots.judgement.wrong:
            worst = worst_coordinates(spots.judgement)
        return BlockReport(
            verdict=answer.verdict,
            difference=self._comparison(residuals).difference,
            shape=self.block.shape,
            size=self.block.size,
            checked=0 if spots is None else spots.size,
            wrong=0 if spots is None else spots.judgement.wrong,
            undecided=0 if spots is None else spots.judgement.undecided,
            worst=worst,
            cause=answer.cause,
            power=self._power(answer, bound, length),
            screened=Screened(
                directions=residuals.residual.size,
                confidence=self.options.confidence,
                bound=bound,
                relative_bound=relative_bound,
                kinked=int(residuals.kinked.sum()),
            ),
            errors=None if spots is None else errors_of(self.problem, spots.estimate, spots.judgement),
        )

    def _power(self, answer: ScreeningVerdict, bound: float, length: float) -> Power:
        """Return what would not have passed: a block × (1 + factor), or one coordinate off beyond the bound."""
        if not answer.passes or not length:
            return Power(coordinate=math.inf, factor=math.inf)
        least = self.relative * (SHARP if self.in_double_precision else math.sqrt(self.block.size))
        return Power(
            coordinate=max(bound * math.sqrt(self.block.size) / length, least),
            factor=BEYOND_THE_POWER * self.relative / (1 - self.relative),
        )
