"""The screening of one block: what its directions say, and where they leave doubts, what a closer look says.

The derivation, its assumptions and what the verdicts mean: docs/screening.md.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastcheck.at_kinks import AtKinks, measure_at_kinks
from fastcheck.causes import LOSING_DIGITS, Cause, advice_for, enough_for
from fastcheck.confirming import Confirmation, Finding
from fastcheck.conventions import beside_conventions
from fastcheck.engines.directions import Directions
from fastcheck.engines.noise import COARSE, measured_noise, noise_of_lines
from fastcheck.engines.plain import STEP as PLAIN_STEP
from fastcheck.errors import BudgetUsedUp
from fastcheck.evenness import Even, even_errors
from fastcheck.norms import Comparison, largest, norm
from fastcheck.parameters import Block
from fastcheck.plan import ALPHA
from fastcheck.power import BEYOND, Power
from fastcheck.problem import Problem
from fastcheck.report.result import BlockReport, Coordinate, Screened, worst_coordinates
from fastcheck.residuals import Residuals, claim_of, measure
from fastcheck.rule import DTYPE_ULPS, FEW, SHARP, faint, vanishing
from fastcheck.spot_checks import COUNT, Spots, spot_check
from fastcheck.verdict import Verdict

ALL = 4096
"""Coordinates of a block that are all checked one by one where its directions meet kinks that cannot be taken out."""

SOME = 256
"""The same where costs are subtracted, and rounding or truncation leaves too little of the slopes along directions."""

RETRY = 8.0
"""A block that looks wrong is measured again with a step smaller by this factor before it counts."""

WHOLE_STEPS = (1.0, 2.0**-10)
"""Steps at which a block without influence must leave the cost as it is, bit for bit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the blocks are screened."""

    directions: int
    confidence: float
    epsilon: float | None
    tolerance: float
    seed: int
    max_memory: int
    alpha: float = ALPHA


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScreenedBlock:
    """One block: what the directions and the coordinates measured one by one say, and the report."""

    residuals: Residuals
    spots: Spots | None
    comparison: Comparison
    report: BlockReport
    notes: tuple[str, ...]
    extra_passes: int
    even: Even | None = None

    @property
    def name(self) -> str:
        """The name of the block."""
        return self.residuals.block.name


def with_evenness(
    problem: Problem, way: Directions, options: Options, number: int, screened: ScreenedBlock
) -> ScreenedBlock:
    """Return what was found in block ``number``, and whether errors are alike where coordinates were measured."""
    spots, passes = screened.spots, screened.extra_passes
    if screened.report.verdict is not Verdict.FAIL or spots is None or not spots.judgement.wrong:
        return screened

    def accepted(tolerance: float) -> bool:
        nonlocal passes
        again = BlockScreening(problem, way, replace(options, tolerance=tolerance), number)
        found = again.screened(screened.residuals)
        passes += found.extra_passes
        return found.report.verdict is Verdict.PASS

    even = even_errors(problem, spots.estimate, spots.judgement, accepted)
    return replace(screened, even=even, extra_passes=passes)


def measured(
    blocks: Sequence[BlockScreening], shrink: float = 1.0, support: NDArray[np.bool_] | None = None
) -> list[Residuals]:
    """Return the residuals of blocks, run together; the directions in a single one may be zero outside ``support``."""
    first = blocks[0]
    return measure(
        first.problem,
        first.way,
        [one.number for one in blocks],
        first.options.directions,
        seed=first.options.seed,
        max_memory=first.options.max_memory,
        shrink=shrink,
        support=support,
    )


class BlockScreening:
    """The screening of one block."""

    def __init__(self, problem: Problem, way: Directions, options: Options, number: int) -> None:
        self.problem, self.way, self.options, self.number = problem, way, options, number
        self.block: Block = problem.layout.blocks[number]
        self.claimed = claim_of(problem, number)
        self.length = norm(np.asarray(self.claimed, dtype=np.float64))
        dtype = self.claimed.dtype
        self.double = dtype == np.float64
        self.relative = max(options.tolerance, DTYPE_ULPS * float(np.finfo(dtype).eps))
        self.confirmation = Confirmation(
            problem, way, number, seed=options.seed, max_memory=options.max_memory
        )
        self.spent = 0

    def screened(self, residuals: Residuals) -> ScreenedBlock:
        """Return what is found: after a second look and a few coordinates one by one, if it looks wrong."""
        if residuals.kinked.any():
            return self._at_kinks(residuals)
        spots, finding = None, self._settled(residuals)
        if finding is None:
            before = residuals
            (residuals,) = measured([self], RETRY)
            if residuals.kinked.any():
                return self._at_kinks(residuals)
            finding = self._settled(residuals) or self._truncation(before, residuals)
        if finding is None:
            residuals = self.confirmation.widened(residuals)
            finding = self._settled(residuals)
            if finding is None or finding.verdict is not Verdict.PASS:
                spots = self._spots()
                finding = self._by_coordinates(residuals, spots)
                shown = finding.verdict is Verdict.PASS or (
                    finding.verdict is Verdict.FAIL and spots.judgement.wrong
                )
                if self.exact and not shown and self.block.size <= ALL:
                    every = self._spots(
                        ALL
                    )  # kinks of a norm show in its coordinates, and not along directions
                    if (every.estimate.lower < every.estimate.upper).any():
                        return self._by_all(residuals, every)
        if spots is None and not np.isfinite(residuals.bound).all():
            return self._one_by_one(
                residuals, f"the cost is not defined along directions in {self.block.name}"
            )
        untold = spots is None and finding.verdict is Verdict.INCONCLUSIVE
        if untold and self.block.size <= (ALL if self.exact else SOME):
            why = f"rounding hides the slopes along directions in {self.block.name}"
            return self._one_by_one(residuals, why, finding)
        return self._found(residuals, spots, finding)

    def _one_by_one(self, residuals: Residuals, why: str, known: Finding | None = None) -> ScreenedBlock:
        """Return what coordinates say, one by one, where directions tell nothing: a single one can spoil them all.

        Such is one on a border of the domain of the cost, or one with a slope that rounding changes. Those of a small
        block are all checked, of a large one some. What is ``known`` stays where they tell no more.
        """
        spots = self._spots(ALL)
        whole, finding = (
            spots.size == self.block.size,
            Finding(spots.judgement.verdict, spots.judgement.cause),
        )
        if known is not None and finding.verdict is Verdict.INCONCLUSIVE:
            return self._found(residuals, spots, known)
        note = f"{why}: {'all' if whole else f'{spots.size:,}'} of its coordinates were checked one by one"
        if not whole and not spots.judgement.wrong:
            advice = "Check the others, too, or screen at parameters inside of the domain."
            finding = Finding(Verdict.INCONCLUSIVE, f"{Cause.DOMAIN}: {note}. {advice}")
        return self._found(residuals, spots, replace(finding, notes=(note,)), spots.error_bound())

    def cut_short(self, residuals: Residuals, reason: str) -> ScreenedBlock:
        """Return what directions alone say, where for this ``reason`` there is no closer look."""
        finding = None
        if not residuals.kinked.any():
            with contextlib.suppress(BudgetUsedUp):
                finding = self._settled(residuals)
        if finding is None:
            what = "meet kinks at θ" if residuals.kinked.any() else "disagree with the claim"
            cause = (
                f"directions in {self.block.name} {what}, and a closer look, which tells whether it is wrong, is not "
                f"complete, as {reason}. fastcheck.screen(cost, parameters, gradients) takes that look."
            )
            finding = Finding(Verdict.INCONCLUSIVE, cause)
        return self._found(residuals, None, finding)

    def _at_kinks(self, residuals: Residuals) -> ScreenedBlock:
        """Return what is found where directions meet kinks, which may explain any residual.

        A few kinks are taken out of the residuals. If there are many, or something looks wrong, all coordinates of a
        small block are checked one by one. A large one is compared with usual conventions.
        """
        found = measure_at_kinks(
            self.problem,
            self.way,
            self.number,
            self.options.directions,
            seed=self.options.seed,
            max_memory=self.options.max_memory,
        )
        if found is not None:
            finding = self._settled(found.residuals)
            if found.inside and finding is not None and finding.verdict is Verdict.PASS:
                return self._found(
                    found.residuals, None, replace(finding, notes=(self._kinks_note(found.kinks),))
                )
        if self.block.size <= ALL:
            return self._by_all(residuals, self._spots(ALL))
        if found is None or found.inside is None:
            return self._by_convention() or self._at_many_kinks(residuals)
        spots = self._spots()
        finding = self._beside_kinks(found, spots)
        finding = replace(finding, notes=(*finding.notes, self._kinks_note(found.kinks)))
        return self._found(found.residuals, spots, finding)

    def _by_all(self, residuals: Residuals, spots: Spots) -> ScreenedBlock:
        """Return what all coordinates of a block say, one by one, of a claim that kinks may explain."""
        note = f"directions in {self.block.name} meet kinks at θ: all its coordinates were checked one by one"
        finding = Finding(spots.judgement.verdict, spots.judgement.cause, (note,))
        return self._found(residuals, spots, finding, spots.error_bound())

    def _by_convention(self) -> ScreenedBlock | None:
        """Return what is found if the claim takes the same side, or the middle, at all kinks of an operation."""
        conventions = beside_conventions(
            self.problem,
            self.way,
            self.number,
            self.options.directions,
            seed=self.options.seed,
            max_memory=self.options.max_memory,
        )
        explained = None
        for found in conventions:
            finding = self._settled(found.residuals)
            if finding is None:
                continue
            note = (
                f"directions in {self.block.name} meet {found.kinks:,} kinks at θ: the claim takes the same side, or "
                "the middle, at all kinks of an operation. Its bound is on ‖g - h‖, h the gradient that does so"
            )
            screened = self._found(found.residuals, None, replace(finding, notes=(note,)))
            if finding.verdict is Verdict.PASS:
                return screened
            explained = explained or screened
        return explained

    def _at_many_kinks(self, residuals: Residuals) -> ScreenedBlock:
        """Return what is found of a large block whose kinks may explain the claim, or hide a mistake."""
        spots = self._spots()
        support = self.problem.theta[self.block.start : self.block.stop] != 0
        away = self._away_from_kinks(support, spots)
        if away is not None and away[1].verdict is Verdict.FAIL:
            return self._found(away[0], spots, away[1], math.inf)
        if spots.judgement.wrong:
            return self._found(residuals, spots, Finding(Verdict.FAIL))
        right = away is not None and away[1].verdict is Verdict.PASS
        cause = self._many_kinks_cause(spots, int(support.sum()) if right else 0)
        return self._found(residuals, spots, Finding(Verdict.INCONCLUSIVE, cause))

    def _away_from_kinks(self, support: NDArray[np.bool_], spots: Spots) -> tuple[Residuals, Finding] | None:
        """Return what directions say that are zero where the block is; None if these meet kinks, too.

        Most kinks are those of zero weights: an L1 term there, or units whose weights are all zero.
        """
        if support.all() or not support.any():
            return None
        for shrink in (1.0, RETRY):
            (residuals,) = measured([self], shrink, support)
            if residuals.kinked.any():
                return None
            finding = self._settled(residuals)
            if finding is not None:
                return residuals, finding
        return residuals, self._by_coordinates(residuals, spots)

    def _many_kinks_cause(self, spots: Spots, right: int) -> str:
        """Return the cause of an inconclusive verdict; ``right`` coordinates are known to be, together."""
        elsewhere = f" Its {right:,} coordinates that are not zero are right." if right else ""
        return (
            f"{Cause.KINK}: directions in {self.block.name} meet many kinks at θ, which may hide mistakes, and the "
            f"claim is not known to take the same side at all kinks of an operation: only {spots.size:,} of its "
            f"coordinates were checked, one by one.{elsewhere} Check all of them, at these parameters, or screen at "
            "parameters moved a little, so that they do not stand on kinks (exact zeros or ties)."
        )

    def _beside_kinks(self, found: AtKinks, spots: Spots) -> Finding:
        """Return what a few coordinates say where the claim is not one that kinks explain."""
        if not found.inside:
            note = f"no mixture of the sides of its kinks explains the claim for {self.block.name}."
            return self.confirmation.confirmed(found.residuals, note)
        return self._settled(found.residuals) or self._by_coordinates(found.residuals, spots)

    def _kinks_note(self, count: int) -> str:
        return (
            f"directions in {self.block.name} meet {count:,} {'kink' if count == 1 else 'kinks'} at θ: its bound is on "
            "‖g - h‖, h the nearest gradient that mixtures of both sides of each kink give"
        )

    def _found(
        self, residuals: Residuals, spots: Spots | None, finding: Finding, bound: float | None = None
    ) -> ScreenedBlock:
        return ScreenedBlock(
            residuals=residuals,
            spots=spots,
            comparison=self._comparison(residuals),
            report=self._report(residuals, spots, finding, bound),
            notes=finding.notes,
            extra_passes=self.spent + self.confirmation.forward_passes,
        )

    @property
    def exact(self) -> bool:
        """Whether no costs are subtracted."""
        return self.way.method == "difference"

    def _bounds(self, residuals: Residuals, bound: float | None = None) -> tuple[float, float]:
        """Return the bound on ‖e‖, unless it is known, and the least that ‖∇J‖ = ‖g - e‖ can be then."""
        if bound is None:
            bound = residuals.error_bound(self.options.confidence)
        return bound, max(0.0, self.length - bound)

    def _settled(self, residuals: Residuals) -> Finding | None:
        """Return what directions alone can tell, None where the block looks wrong."""
        bound, length = self._bounds(residuals)
        typical = length / math.sqrt(self.block.size)
        if bound <= self.relative * (SHARP * typical if self.double else length) or self._zero(residuals):
            return Finding(Verdict.PASS)
        if not residuals.explained:
            return None
        if bound <= self.relative * min(FEW * typical, length):
            return Finding(Verdict.PASS)
        why, least = self._noise_cause(), min(FEW * typical, length)
        return Finding(
            Verdict.INCONCLUSIVE,
            f"{why}: slopes in {self.block.name} are known to ± {residuals.bound.max():.1e} only, so ‖g - ∇J‖ may be "
            f"{bound:.1e}, against a typical entry of {self.length / math.sqrt(self.block.size):.1e}. "
            f"{self._advice(why)}{enough_for(why, self.block.name, bound / least if least else math.inf)}",
        )

    def _advice(self, cause: Cause) -> str:
        return advice_for(cause, step_given=self.options.epsilon is not None, exact=self.exact)

    def _noise_cause(self) -> Cause:
        """Return why slopes are not known better."""
        if not self.problem.steady:
            return Cause.NONDETERMINISM
        if self.exact:
            return Cause.ROUNDING
        noise, passes = noise_of_lines(self.problem)
        self.spent += passes
        if noise <= COARSE * abs(self.problem.value):
            return Cause.ROUNDING
        found = measured_noise(self.problem)
        self.spent += found.passes
        return Cause.SINGLE if found.single_precision else Cause.ROUNDING

    def _zero(self, residuals: Residuals) -> bool:
        """Whether claim and slopes are both zero, or zero but for rounding where no costs were subtracted."""
        if self.exact:
            zero = (np.abs(residuals.slope) <= residuals.bound).all()
            known = residuals.bound.max() <= faint(self.problem) * math.sqrt(self.block.size)
            return bool(zero and known) and self._claims_vanish()
        if self.claimed.any() or residuals.slope.any():
            return False
        return all(not measured([self], PLAIN_STEP / step)[0].slope.any() for step in WHOLE_STEPS)

    def _claims_vanish(self) -> bool:
        """Whether the claim is zero but for rounding of what flows by."""
        most, problem = largest(self.claimed), self.problem
        unit = float(np.finfo(problem.claims[problem.layout.number(self.block)].dtype).eps)
        noise = 0.0
        if vanishing(problem, 0.0, unit) < most <= vanishing(problem, math.inf, unit):
            noise, passes = noise_of_lines(problem, 1)
            self.spent += passes
        return most <= vanishing(problem, noise, unit)

    def _truncation(self, before: Residuals, finer: Residuals) -> Finding | None:
        """Return that the block is right if it has no gradient: slopes are the truncation error, and shrink as it does.

        Such is that of b³ at 0, where the claim is zero.
        """
        shrink = (2 * np.abs(finer.slope) <= np.abs(before.slope)).all()
        return Finding(Verdict.PASS) if self.exact and shrink and self._claims_vanish() else None

    def _spots(self, count: int = COUNT) -> Spots:
        spots = spot_check(
            self.problem,
            self.number,
            self.way.method,
            tolerance=self.options.tolerance,
            epsilon=None if self.exact else self.options.epsilon,
            seed=self.options.seed,
            count=count,
        )
        self.spent += spots.forward_passes
        return spots

    def _by_coordinates(self, residuals: Residuals, spots: Spots) -> Finding:
        """Return what coordinates measured one by one say of an error that rounding does not explain."""
        name = self.block.name
        if spots.judgement.wrong:
            # What was evaluated plainly has had its look for rounding that hides, at these coordinates alone.
            return self.confirmation.confirmed(residuals) if self.exact else Finding(Verdict.FAIL)
        within, hides = residuals.error <= self.relative * self.length, spots.could_hide(residuals.error)
        if spots.spread() and spots.explain(residuals.error) and (within or not hides):
            return Finding(Verdict.PASS)
        if hides and (within or not self.exact or spots.estimate.loses_digits):
            return Finding(
                Verdict.INCONCLUSIVE,
                f"{Cause.ROUNDING}: ‖g - ∇J‖ in {name} is about {residuals.error:.1e}, and the coordinates are known "
                f"to ± {spots.bound.max():.1e} only, too little to tell whether one of them is wrong. "
                f"{LOSING_DIGITS if spots.estimate.loses_digits else self._advice(Cause.ROUNDING)}",
            )
        count = f"{spots.size:,} of its coordinates"
        return self.confirmation.confirmed(
            residuals, f"{name} is wrong in few places: {count}, measured one by one, do not show the error."
        )

    def _comparison(self, residuals: Residuals) -> Comparison:
        return Comparison(claimed=self.length, numerical=residuals.gradient, error=residuals.error)

    def _report(
        self, residuals: Residuals, spots: Spots | None, finding: Finding, known: float | None
    ) -> BlockReport:
        bound, length = self._bounds(residuals, known)
        worst: tuple[Coordinate, ...] = ()
        if spots is not None and spots.judgement.wrong:
            worst = worst_coordinates(spots.judgement)
        return BlockReport(
            verdict=finding.verdict,
            difference=self._comparison(residuals).difference,
            shape=self.block.shape,
            size=self.block.size,
            checked=0 if spots is None else spots.size,
            wrong=0 if spots is None else spots.judgement.wrong,
            undecided=0 if spots is None else spots.judgement.undecided,
            worst=worst,
            cause=finding.cause,
            power=self._power(finding.verdict, bound, length),
            screened=Screened(
                directions=residuals.residual.size,
                confidence=self.options.confidence,
                bound=bound,
                relative_bound=bound / length if length else (math.inf if bound else 0.0),
                kinked=int(residuals.kinked.sum()),
            ),
        )

    def _power(self, verdict: Verdict, bound: float, length: float) -> Power:
        """Return what would not have passed: a block × (1 + factor), or one coordinate off beyond the bound."""
        if verdict is not Verdict.PASS or not length:
            return Power(coordinate=math.inf, factor=math.inf)
        least = self.relative * (SHARP if self.double else math.sqrt(self.block.size))
        return Power(
            coordinate=max(bound * math.sqrt(self.block.size) / length, least),
            factor=BEYOND * self.relative / (1 - self.relative),
        )
