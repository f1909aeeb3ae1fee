"""The noise of a cost, as claims tell it that agree with a few slopes: no forward pass more than these slopes take.

Noise that is large beside a slope does not leave it where it was claimed to be. Of J = Σ θ² the claim 2θ agrees with
four central differences in ten digits, say: then J has no noise that could hide the eighth. Where they do not agree,
noise may be the reason or a wrong claim, and the noise is measured along a line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.chi_square import chi_square_quantile
from fastcheck.engines.plain.cost_noise import DOUBLE_EPSILON, CostNoise
from fastcheck.engines.plain.flat_plan import FlatPlan
from fastcheck.engines.plain.noise import SAFETY
from fastcheck.engines.plain.steps import CentralDifferences
from fastcheck.norms import norm
from fastcheck.plan.coordinates import TOLERANCE, Coordinates
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

PILOTS = 4
"""Coordinates, of those that are checked anyway, that tell whether claims agree."""

AGREEMENT = 1 / 4
"""Share of the tolerance that the bound on rounding may take, by the noise that such coordinates leave possible."""

CLEAR = 4.0
"""Times the least noise that the noise inferred is likely to be: slopes that it leaves clear tell it best."""

TOO_WELL = 4.0
"""Rounding units up to which a claim agrees with a slope only if it was found so itself, or nothing is rounded."""

CHANCE = 0.05
"""Probability with which the noise may be larger than is inferred: bounds are `SAFETY` times as large as that."""


class Pilots(NamedTuple):
    """Coordinates that were measured first: their rows in the plan, ascending, their steps, and the differences."""

    rows: Coordinates
    steps: Vector
    differences: CentralDifferences

    def with_others(self, others: Pilots) -> Pilots:
        """Return these and others as one."""
        order = np.argsort(np.concatenate([self.rows, others.rows]))
        columns = zip(
            (self.rows, self.steps, *self.differences),
            (others.rows, others.steps, *others.differences),
            strict=True,
        )
        rows, steps, *differences = (np.concatenate(both)[order] for both in columns)
        return Pilots(rows, steps, CentralDifferences(*differences))


def guessed_noise(problem: Problem, flat: FlatPlan) -> float:
    """Return a σ that rounding in double precision leaves at least: of J itself, and of the parameters."""
    of_parameters = norm(flat.claimed * problem.theta[flat.coordinates])
    return DOUBLE_EPSILON * max(abs(problem.value), of_parameters)


def may_agree(problem: Problem) -> bool:
    """Tell whether agreement is told of the noise: not of costs or claims in single precision, or of declared noise.

    A J that single precision can hold may be computed in it, and stand still between two values.
    """
    with np.errstate(over="ignore", under="ignore"):
        is_single = float(np.float32(problem.value)) == problem.value
    in_double = bool(problem.claims) and all(claim.dtype == np.float64 for claim in problem.claims)
    return problem.repeats_exactly and in_double and not is_single


def choose_pilots(rows_of_parts: Sequence[slice], claims: Vector, usable: Sequence[bool]) -> Coordinates:
    """Return the rows of up to `PILOTS` coordinates, those with the largest ``claims`` (n,) of the usable parts.

    They are of as many parts as there are, up to `PILOTS`, spread over the network.
    """
    of_parts = [rows for rows, use in zip(rows_of_parts, usable, strict=True) if use]
    count = min(PILOTS, len(of_parts))
    chosen: list[int] = []
    for done in range(count):
        rows = of_parts[done * (len(of_parts) - 1) // max(1, count - 1)]
        each = -(-(PILOTS - len(chosen)) // (count - done))
        size = np.abs(claims[rows])
        largest = np.arange(size.size) if size.size <= each else size.argpartition(-each)[-each:]
        chosen += (rows.start + largest[size[largest] > 0]).tolist()
    return np.array(sorted(chosen), dtype=np.intp)


def agree_too_well(pilots: Pilots, claimed: Vector) -> bool:
    """Tell whether one of the ``claimed`` slopes (k,) is that of its pilot to the last digits.

    Of a cost that is rounded such a claim is a central difference with this very step, and agrees whatever the noise
    is.
    """
    residuals = np.abs(claimed - pilots.differences.central)
    return bool((residuals <= TOO_WELL * DOUBLE_EPSILON * np.abs(claimed)).any())


def agreed_noise(pilots: Pilots, claimed: Vector, tolerance: float = TOLERANCE) -> CostNoise | None:
    r"""Return the noise of a cost of which the slopes of ``pilots`` agree with the ``claimed`` ones (k,); else None.

    A central difference with step h has an error of σ/√2h by noise, so that 2 h² r² is σ² χ² for one residual r if the
    claims are right: :math:`σ² ≤ 2 Σ h² r² / q` with probability 1 - `CHANCE`, q being that quantile of χ² with k
    degrees of freedom. They agree if this σ leaves a bound of at most `AGREEMENT` times the tolerance.

    Whatever σ is, a claim that is off by more than the tolerance t agrees with small probability: noise must bring all
    k residuals into a ball of radius :math:`t \sqrt{q / 2} / 16`, one of them from t away. With the σ for which that
    happens most often, the probability is 1.4e-3, 8e-5, 6e-6 and 6e-7 for k = 1 … 4.
    """
    residuals = np.abs(claimed - pilots.differences.central)
    if not (residuals.size and np.isfinite(pilots.differences).all()):
        return None
    total = norm(residuals * pilots.steps)
    level = math.sqrt(2 / chi_square_quantile(CHANCE, residuals.size)) * total
    bounds = SAFETY * level / pilots.steps
    if (bounds > _most(tolerance) * np.abs(claimed)).any():
        return None
    return CostNoise(level=level, arithmetic=level, precision=DOUBLE_EPSILON, passes=0)


def clear_parts(
    noise: float, steps: Vector, flat: FlatPlan, tolerance: float = TOLERANCE
) -> NDArray[np.bool_]:
    """Tell of which parts the largest slope, with these steps (p,), is clear enough to tell the noise; (p,).

    Where these are few, the clearest `PILOTS` of the parts that have a step; others have NaN.
    """
    clearness = np.nan_to_num(flat.largest_claims * steps)
    is_clear = _most(tolerance) * clearness >= SAFETY * CLEAR * noise
    if np.count_nonzero(is_clear) < PILOTS:
        is_clear = (clearness > 0) & (clearness >= np.sort(clearness)[-PILOTS:][0])
    return np.asarray(is_clear)


def is_small_enough(noise: float, steps: Vector, flat: FlatPlan, tolerance: float = TOLERANCE) -> bool:
    """Tell whether noise σ leaves as little of slopes with these steps (p,) as of those of pilots, in every part.

    Parts without a step, NaN, are not looked at.
    """
    return not (SAFETY * noise / steps > _most(tolerance) * flat.typical_claims).any()


def _most(tolerance: float) -> float:
    """Return the bound on rounding that noise may leave, relative to the slopes."""
    return AGREEMENT * min(tolerance, TOLERANCE)
