"""Errors that are small and alike in a whole block: precision or an approximation, and no wrong formula."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Estimate, Slopes
from fastcheck.norms import norm, pieces
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem, next_power_of_ten
from fastcheck.verdict.judging import Judgement
from fastcheck.verdict.rule import Rule, claims

MOST_OF_AN_APPROXIMATION = 1e-5
"""Relative errors up to this may be those of an epsilon in a denominator, of constants of six digits, of float32."""

MOST_ADVISED = 1e-2
"""Tolerances above this are not advised."""

ALIKE_ERRORS = 1 / 128
"""More than half of the errors of a block are at least this part of the largest: not those of a few coordinates."""

ENOUGH_EVEN = 4
"""Coordinates from which on errors can be alike."""

LIKE_A_PENALTY = 0.999
"""Errors that are parallel to the parameters, with this cosine, are those of a penalty that was forgotten."""

ENOUGH_FOR_SIGNS, ONE_SIDED = 16, 0.5
"""Coordinates from which on the errors of rounding have both signs, and the mean of these that a factor would leave."""

SHORT_EPSILONS = {"bfloat16": 2.0**-7, "float16": 2.0**-10}
"""Short floating-point numbers, and their ε: the largest relative error that is taken for theirs."""


class Even(NamedTuple):
    """Errors of a block that are alike: how large relative to it, the tolerance that accepts them, its coordinates.

    ``dtype`` names the short numbers that all claims are, None if they are not. ``larger`` is the number of claims that
    are too large, less that of those that are too small.
    """

    error: float
    tolerance: float
    size: int
    dtype: str | None
    larger: float


@dataclass(slots=True)
class _Errors:
    """The errors of a block, added up piece by piece; those that are squared are in units of ``unit``.

    ``largest`` is the largest error relative to the block's typical slope, ``needed`` the tolerance that would accept
    all of them, ``medians`` those of the pieces. ``along`` is the scalar product with θ.
    """

    rule: Rule
    unit: float
    largest: float = 0.0
    needed: float = 0.0
    error: float = 0.0
    slopes: float = 0.0
    theta: float = 0.0
    along: float = 0.0
    larger: float = 0.0
    medians: list[float] = field(default_factory=list)
    dtypes: set[str] = field(default_factory=lambda: set(SHORT_EPSILONS))

    def add(self, claimed: Vector, slopes: Slopes, theta: Vector) -> None:
        """Add a piece."""
        errors = claimed - slopes.nearest(claimed)
        size = np.maximum(np.abs(claimed), np.abs(slopes.best))
        alive, distances = size > 0, np.abs(errors)
        least = np.where(slopes.subtracted, self.rule.typical, self.rule.least)
        relative = distances[alive] / np.maximum(size, self.rule.typical)[alive]
        needed = distances[alive] / np.maximum(size, least)[alive]
        if relative.size:
            self.largest = max(self.largest, float(relative.max()))
            self.needed = max(self.needed, float(needed.max()))
            self.medians.append(_lower_median(relative))
        self.dtypes = {dtype for dtype in self.dtypes if IS_SHORT[dtype](claimed).all()}
        self.error = math.hypot(self.error, norm(errors / self.unit))
        self.slopes = math.hypot(self.slopes, norm(slopes.best / self.unit))
        self.theta = math.hypot(self.theta, norm(theta))
        self.along += float((errors / self.unit) @ theta)
        self.larger += float(np.sum(np.sign(errors) * np.sign(claimed)))

    @property
    def dtype(self) -> str | None:
        """The short numbers that all claims are."""
        return next((dtype for dtype in SHORT_EPSILONS if dtype in self.dtypes), None)

    @property
    def alike(self) -> bool:
        """Whether most errors are about as large as the largest."""
        return bool(self.medians and _lower_median(self.medians) >= ALIKE_ERRORS * self.largest)

    @property
    def small(self) -> bool:
        """Whether precision or an approximation may be the reason."""
        if self.dtype is None:
            return self.largest <= MOST_OF_AN_APPROXIMATION
        return self.needed <= SHORT_EPSILONS[self.dtype]

    @property
    def like_a_penalty(self) -> bool:
        """Whether they are parallel to θ."""
        return abs(self.along) > LIKE_A_PENALTY * self.error * self.theta


def even_errors(
    problem: Problem, estimate: Estimate, judgement: Judgement, accepted: Callable[[float], bool]
) -> Even | None:
    """Return the errors of a failing block if they are small and alike, and a tolerance that is ``accepted``."""
    part, rule, worst = judgement.part, judgement.rule, judgement.worst[0]
    if worst.error > max(SHORT_EPSILONS.values()) * max(rule.typical, abs(worst.numerical)):
        return None
    errors = _Errors(rule, unit=worst.error)  # so that no product overflows
    for piece in pieces(part.size):
        theta = problem.theta[part.block.start + part.at(piece)]
        errors.add(claims(problem, part, piece), estimate.slopes.at(piece), theta)
    of_a_penalty = part.size >= ENOUGH_EVEN and errors.like_a_penalty
    if of_a_penalty or not (errors.alike and errors.small):
        return None
    error = errors.error / errors.slopes if errors.slopes else 0.0
    for factor in (1, 10):
        tolerance = next_power_of_ten(factor * errors.needed)
        if tolerance <= MOST_ADVISED and accepted(tolerance):
            return Even(error, tolerance, part.size, errors.dtype, errors.larger)
    return None


@dataclass(frozen=True, kw_only=True, eq=False)
class EvenFailure:
    """Failing blocks, all of whose errors are small and alike: what each is off by, the reason, what accepts them.

    ``sort`` is what such errors are said to be, ``reason`` why they are nothing worse.
    """

    errors: Mapping[str, float]
    sort: str
    reason: str
    tolerance: float

    def note(self, explained: Collection[str] = (), told: Collection[str] = ()) -> tuple[str, ...]:
        """Return the sentence about blocks of which no mistake was found that is ``explained``.

        Of those that are ``told`` to lack precision it does not say so again.
        """
        names = [name for name in self.errors if name not in explained]
        if not names:
            return ()
        error = max(self.errors[name] for name in names)
        off = f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} off by {error:.0e} everywhere"
        why = self.sort if all(name in told for name in names) else self.reason
        return (f"{off}{why}; tolerance={self.tolerance:.0e} accepts it.",)


def even_failure(failing: Sequence[tuple[str, Even | None]]) -> EvenFailure | None:
    """Return what failing blocks, by their names, have in common if the errors of all of them are small and alike."""
    known = {name: even for name, even in failing if even is not None}
    size = sum(even.size for even in known.values())
    all_are_even = len(known) == len(failing)
    if not all_are_even or size < ENOUGH_EVEN:
        return None
    dtypes = {even.dtype for even in known.values()}
    sort, reason = "", ": precision or an approximation, not a wrong formula"
    if dtypes != {None}:
        signs_cancel = abs(sum(even.larger for even in known.values())) <= ONE_SIDED * size
        if len(dtypes) > 1 or size < ENOUGH_FOR_SIGNS or not signs_cancel:
            return None
        dtype = dtypes.pop()
        sort = f", as numbers of {dtype} may be"
        reason = f": all claimed values are numbers of {dtype}, of which this is the precision"
    return EvenFailure(
        errors={name: even.error for name, even in known.items()},
        sort=sort,
        reason=reason,
        tolerance=max(even.tolerance for even in known.values()),
    )


def _lower_median(numbers: Sequence[float] | Vector) -> float:
    """Return the number that half of them do not exceed: of two the smaller."""
    return float(np.quantile(numbers, 0.5, method="lower"))


def _in_bfloat16(values: Vector) -> NDArray[np.bool_]:
    """Return which values bfloat16 can hold: the upper half of a float32."""
    with np.errstate(over="ignore", under="ignore"):
        single = values.astype(np.float32)
    return np.asarray((single == values) & (single.view(np.uint32) & 0xFFFF == 0))


def _in_float16(values: Vector) -> NDArray[np.bool_]:
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(values.astype(np.float16) == values)


IS_SHORT: dict[str, Callable[[Vector], NDArray[np.bool_]]] = {
    "bfloat16": _in_bfloat16,
    "float16": _in_float16,
}
"""Which values these can hold."""
