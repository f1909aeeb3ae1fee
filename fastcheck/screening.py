"""Screening: whole blocks of the gradient against random directions, in a handful of forward passes.

The derivation, its assumptions and what the verdicts mean: docs/screening.md.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastcheck.at_kinks import AtKinks, measure_at_kinks
from fastcheck.engines.directional import PlainDirections
from fastcheck.engines.directions import MAX_MEMORY, Directions, opened, together
from fastcheck.engines.plain import STEP as PLAIN_STEP
from fastcheck.errors import InvalidProblemError
from fastcheck.execution import Backend, Execution, one_blas_thread
from fastcheck.norms import Comparison, largest, norm
from fastcheck.parameters import Block
from fastcheck.plan import make_plan
from fastcheck.power import BEYOND, Power
from fastcheck.problem import Problem, generators_kept, pose
from fastcheck.randomness import repeating
from fastcheck.report.result import BlockReport, Coordinate, Report, Screened, worst_coordinates
from fastcheck.residuals import Residuals, claim_of, measure
from fastcheck.spot_checks import COUNT, Spots, spot_check
from fastcheck.verdict import DTYPE_ULPS, FEW, SHARP, VANISHING, Verdict, validate_tolerance, worst_verdict

ALL = 4096
"""Coordinates of a block that are all checked one by one where its directions meet kinks that cannot be taken out."""

RETRY = 8.0
"""A block that looks wrong is measured again with a step smaller by this factor before it counts."""

WHOLE_STEPS = (1.0, 2.0**-10)
"""Steps at which a block without influence must leave the cost as it is, bit for bit."""


def screen(
    cost: Callable[[Any], Any],
    parameters: Any,
    gradients: Any,
    *,
    directions: int = 4,
    confidence: float = 0.999,
    epsilon: float | None = None,
    tolerance: float = 1e-7,
    method: str = "auto",
    n_jobs: int = 1,
    backend: Backend | None = None,
    seed: int = 0,
    progress: bool | Callable[[int, int], None] | None = None,
    max_memory: int = MAX_MEMORY,
) -> Report:
    r"""Check a claimed gradient along random directions: blocks of any size in a few forward passes each.

    For a direction v with independent standard normal entries, :math:`g·v - ∇J·v` has the distribution
    :math:`N(0, ‖g - ∇J‖²)`, so K directions bound ‖g - ∇J‖ from above by :math:`\sqrt{\sum r² / q}`, with q the
    (1 - confidence)-quantile of χ² with K degrees of freedom.

    Parameters
    ----------
    cost, parameters, gradients
        As for `check`.
    directions
        K, the random directions drawn in each block, at least 1. The bound is 6.6 times the typical |r| for 4, 2.6
        times for 10.
    confidence
        Probability, in (0, 1), with which each block's bound holds.
    epsilon
        The largest step of plain evaluation; difference propagation has a tiny one of its own.
    tolerance
        As for `check`, and relative to the same scales: it does not grow with the number of parameters.
    method
        ``"auto"``, ``"difference"`` or ``"plain"``; ``"reference"`` is plain evaluation, too.
    n_jobs, backend, progress
        As for `check`. One worker is used: an evaluation of a large network leaves little to share.
    seed
        Seed of the directions.
    max_memory
        Bytes of memory to stay under, besides the parameters, the claim and what the cost itself needs. One direction
        of the largest block has to fit, eight times.

    Returns
    -------
    Report
        ``report.blocks[name].screened`` holds the bounds. Costs about 2 + K forward passes a block by difference
        propagation, five to ten for each direction by plain evaluation; more where something looks wrong.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check`.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> theta = {"w": np.linspace(-1, 1, 100_000), "b": np.array([0.5])}
    >>> def cost(p):
    ...     return np.sum(p["w"] ** 2) + 3 * p["b"][0]
    >>> gradients = {"dw": 2 * theta["w"], "db": np.array([3.0])}
    >>> report = fastcheck.screen(cost, theta, gradients)
    >>> report.passed, report.blocks["w"].screened.relative_bound < 1e-12
    (True, True)
    >>> gradients["dw"][77_777] += 1e-6
    >>> fastcheck.screen(cost, theta, gradients).blocks["w"].verdict
    <Verdict.FAIL: 'fail'>
    """
    options = read_options(gradients, directions, confidence, epsilon, tolerance, seed, max_memory)
    execution = Execution(n_jobs=n_jobs, backend=backend, progress=progress)
    return screened_report(cost, parameters, gradients, options, execution, method)


def read_options(
    gradients: Any,
    directions: Any,
    confidence: Any,
    epsilon: float | None,
    tolerance: Any,
    seed: int,
    max_memory: Any,
) -> Options:
    """Return the options of screening, or raise `InvalidProblemError`; also if there is no claim."""
    if gradients is None:
        raise InvalidProblemError(
            "gradients: expected the claimed gradient, or a function that returns it, got None. Does the backward "
            "pass end in a return statement?"
        )
    return Options(
        directions=_positive("directions", directions),
        confidence=_probability("confidence", confidence),
        epsilon=epsilon,
        tolerance=validate_tolerance(tolerance),
        seed=seed,
        max_memory=_positive("max_memory", max_memory),
    )


def screened_report(
    cost: Callable[[Any], Any],
    parameters: Any,
    gradients: Any,
    options: Options,
    execution: Execution,
    method: str,
    look_closer: LookCloser | None = None,
) -> Report:
    """Screen, and replace the reports of blocks by those that ``look_closer`` returns of the failing ones."""
    start = time.perf_counter()
    with generators_kept(), one_blas_thread():
        problem = pose(repeating(cost), parameters, repeating(gradients))
        return screened_problem(problem, options, execution, method, start, look_closer)


def screened_problem(
    problem: Problem,
    options: Options,
    execution: Execution,
    method: str,
    start: float,
    look_closer: LookCloser | None = None,
) -> Report:
    """Do the same for a problem that is posed, since ``start``, within `generators_kept` and `one_blas_thread`."""
    plan = make_plan(problem.layout, problem.theta, _one_of_each(problem), options.epsilon, options.seed)
    with opened(
        problem, execution, method, epsilon=plan.epsilon, seed=plan.seed, max_memory=options.max_memory
    ) as way:
        screened = screen_blocks(problem, way, options, execution)
        blocks = {one.residuals.block.name: one.report for one in screened}
        if look_closer is not None:
            blocks |= look_closer(problem, way, screened, options)
        notes, passes, method = way.notes, way.forward_passes, way.method
    return Report(
        verdict=worst_verdict(block.verdict for block in blocks.values()),
        difference=Comparison.joined(one.comparison for one in screened).difference,
        blocks=blocks,
        forward_passes=problem.forward_passes + passes + sum(one.extra_passes for one in screened),
        method=method,
        epsilon=plan.epsilon,
        tolerance=options.tolerance,
        seconds=time.perf_counter() - start,
        seed=plan.seed,
        notes=(*execution.notes, *notes, *(note for one in screened for note in one.notes)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the blocks are screened."""

    directions: int
    confidence: float
    epsilon: float | None
    tolerance: float
    seed: int
    max_memory: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScreenedBlock:
    """One block: what the directions and the coordinates measured one by one say, and the report."""

    residuals: Residuals
    spots: Spots | None
    comparison: Comparison
    report: BlockReport
    notes: tuple[str, ...]
    extra_passes: int


LookCloser = Callable[[Problem, Directions, list[ScreenedBlock], Options], dict[str, BlockReport]]
"""What may be done with the blocks that screening fails, while its way of measuring slopes is open."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with the sentence that says why it is inconclusive, and a note."""

    verdict: Verdict
    cause: str | None = None
    notes: tuple[str, ...] = ()


def screen_blocks(
    problem: Problem, way: Directions, options: Options, execution: Execution
) -> list[ScreenedBlock]:
    """Screen every block that is not empty."""
    numbers = {block.name: number for number, block in enumerate(problem.layout.blocks)}
    groups = together([block for block in problem.layout.blocks if block.size], options.directions)
    groups.sort(
        key=lambda group: sum(block.size for block in group)
    )  # rounding is measured beside small blocks
    found = []
    with execution.tracking(problem.layout.size) as advance:
        for group in groups:
            blocks = [_Screening(problem, way, options, numbers[block.name]) for block in group]
            for one, residuals in zip(blocks, measured(blocks), strict=True):
                found.append(one.screened(residuals))
                advance(one.block.size)
    return sorted(found, key=lambda one: numbers[one.residuals.block.name])


def measured(blocks: Sequence[_Screening], shrink: float = 1.0) -> list[Residuals]:
    """Return the residuals of blocks, run together."""
    first = blocks[0]
    return measure(
        first.problem,
        first.way,
        [one.number for one in blocks],
        first.options.directions,
        seed=first.options.seed,
        max_memory=first.options.max_memory,
        shrink=shrink,
    )


class _Screening:
    """The screening of one block."""

    def __init__(self, problem: Problem, way: Directions, options: Options, number: int) -> None:
        self.problem, self.way, self.options, self.number = problem, way, options, number
        self.block: Block = problem.layout.blocks[number]
        self.claimed = claim_of(problem, number)
        self.length = norm(np.asarray(self.claimed, dtype=np.float64))
        dtype = self.claimed.dtype
        self.double = dtype == np.float64
        self.relative = max(options.tolerance, DTYPE_ULPS * float(np.finfo(dtype).eps))
        self.extra_passes = 0

    def screened(self, residuals: Residuals) -> ScreenedBlock:
        """Return what is found: after a second look and a few coordinates one by one, if it looks wrong."""
        if residuals.kinked.any():
            return self._at_kinks(residuals)
        spots, finding = None, self._settled(residuals)
        if finding is None:
            (residuals,) = measured([self], RETRY)
            if residuals.kinked.any():
                return self._at_kinks(residuals)
            finding = self._settled(residuals)
        if finding is None:
            spots = self._spots()
            finding = self._by_coordinates(residuals, spots)
        return self._found(residuals, spots, finding)

    def _at_kinks(self, residuals: Residuals) -> ScreenedBlock:
        """Return what is found where directions meet kinks, which may explain any residual.

        A few kinks are taken out of the residuals. If there are many, or something looks wrong, all coordinates of a
        small block are checked one by one, and some of a large one.
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
            spots = self._spots(ALL)
            note = f"directions in {self.block.name} meet kinks at θ: all its coordinates were checked one by one"
            finding = Finding(spots.judgement.verdict, spots.judgement.cause, (note,))
            return self._found(residuals, spots, finding, spots.error_bound())
        spots = self._spots()
        if found is not None and found.inside is not None:
            finding = self._beside_kinks(found, spots)
            finding = replace(finding, notes=(*finding.notes, self._kinks_note(found.kinks)))
            return self._found(found.residuals, spots, finding)
        if spots.judgement.wrong:
            return self._found(residuals, spots, Finding(Verdict.FAIL))
        cause = (
            f"directions in {self.block.name} meet many kinks at θ, which may hide mistakes: only {spots.size:,} of "
            "its coordinates were checked, one by one. Move the parameters a little"
        )
        return self._found(residuals, spots, Finding(Verdict.INCONCLUSIVE, cause))

    def _beside_kinks(self, found: AtKinks, spots: Spots) -> Finding:
        """Return what a few coordinates say where the claim is not one that kinks explain."""
        if not found.inside:
            note = f"no mixture of the sides of its kinks explains the claim for {self.block.name}."
            return self._confirmed(found.residuals, note)
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
            extra_passes=self.extra_passes,
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
        return Finding(
            Verdict.INCONCLUSIVE,
            f"slopes in {self.block.name} are known to ± {residuals.bound.max():.1e} only, so ‖g - ∇J‖ may be "
            f"{bound:.1e}, against a typical entry of {self.length / math.sqrt(self.block.size):.1e}",
        )

    def _zero(self, residuals: Residuals) -> bool:
        """Whether claim and slopes are both zero, or zero but for rounding where no costs were subtracted."""
        if self.exact:
            small = largest(self.claimed) <= VANISHING * self.problem.flow
            return small and bool((np.abs(residuals.slope) <= residuals.bound).all())
        if self.claimed.any() or residuals.slope.any():
            return False
        return all(not measured([self], PLAIN_STEP / step)[0].slope.any() for step in WHOLE_STEPS)

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
        self.extra_passes += spots.forward_passes
        return spots

    def _by_coordinates(self, residuals: Residuals, spots: Spots) -> Finding:
        """Return what coordinates measured one by one say of an error that rounding does not explain."""
        name = self.block.name
        if spots.judgement.wrong:
            return self._confirmed(residuals)
        if spots.spread() and spots.explain(residuals.error):
            return Finding(Verdict.PASS)
        if spots.could_hide(residuals.error) and residuals.error <= self.relative * self.length:
            return Finding(
                Verdict.INCONCLUSIVE,
                f"‖g - ∇J‖ in {name} is about {residuals.error:.1e}, and the coordinates are known to "
                f"± {spots.bound.max():.1e} only: too little to tell whether one of them is wrong",
            )
        count = f"{spots.size:,} of its coordinates"
        return self._confirmed(
            residuals, f"{name} is wrong in few places: {count}, measured one by one, do not show the error."
        )

    def _confirmed(self, residuals: Residuals, *notes: str) -> Finding:
        """Return a failure, if plain evaluation along one direction finds the same slope."""
        if not self.exact:
            return Finding(Verdict.FAIL, None, notes)
        plain = PlainDirections(self.problem)
        seed, max_memory = self.options.seed, self.options.max_memory
        (again,) = measure(self.problem, plain, [self.number], 1, seed=seed, max_memory=max_memory)
        self.extra_passes += plain.forward_passes
        apart = abs(float(again.slope[0] - residuals.slope[0]))
        if apart <= float(again.bound[0] + residuals.bound[0]) or again.kinked[0] or residuals.kinked[0]:
            return Finding(Verdict.FAIL, None, notes)
        return Finding(
            Verdict.INCONCLUSIVE,
            f"along a random direction in {self.block.name} difference propagation finds the slope "
            f"{residuals.slope[0]:.12g}, and plain evaluation {again.slope[0]:.12g} ± {again.bound[0]:.1e}",
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


def _one_of_each(problem: Problem) -> dict[str, list[int] | int]:
    """Return coordinates on which the step is validated: one of each block."""
    return {block.name: 1 for block in problem.layout.blocks if block.size}


def _positive(name: str, value: Any) -> int:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 1:
        return int(value)
    raise InvalidProblemError(f"{name}: expected a whole number of at least 1, got {value!r}.")


def _probability(name: str, value: Any) -> float:
    if isinstance(value, (float, np.floating)) and 0 < value < 1:
        return float(value)
    raise InvalidProblemError(
        f"{name}: expected a probability between 0 and 1, such as 0.999, got {value!r}."
    )
