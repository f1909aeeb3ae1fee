"""Errors that are small and alike in a whole block: precision or an approximation, and no wrong formula."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Estimate
from fastcheck.norms import norm, pieces
from fastcheck.parameters import Vector
from fastcheck.problem import Problem, next_power_of_ten
from fastcheck.rule import Rows, claims
from fastcheck.verdict import Judgement

SMALL = 1e-5
"""Relative errors up to this may be those of an epsilon in a denominator, of constants of six digits, of float32."""

MOST = 1e-2
"""Tolerances above this are not advised."""

ALIKE = 1 / 128
"""Half of the errors of a block are at least this part of the largest: not those of a few wrong coordinates."""

ENOUGH = 4
"""Coordinates from which on errors can be alike."""

PENALTY = 0.999
"""Errors that are parallel to the parameters, with this cosine, are those of a penalty that was forgotten."""

SIGNS, ONE_SIDE = 16, 0.5
"""Coordinates from which on the errors of rounding have both signs, and the mean of these that a factor would leave."""

HALVES = {
    "bfloat16": 2.0**-7,
    "float16": 2.0**-10,
}
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


def even_errors(
    problem: Problem, estimate: Estimate, judgement: Judgement, accepted: Callable[[float], bool]
) -> Even | None:
    """Return the errors of a failing block if they are small and alike, and a tolerance that is ``accepted``."""
    part, rule, unit = (
        judgement.part,
        judgement.rule,
        judgement.worst[0].error,
    )  # so that no product overflows
    if judgement.worst[0].error > max(HALVES.values()) * max(rule.typical, abs(judgement.worst[0].numerical)):
        return None
    largest, needed, medians, short = 0.0, 0.0, [], dict.fromkeys(HALVES, True)
    squares, of_slopes, along, of_theta, larger = 0.0, 0.0, 0.0, 0.0, 0.0
    for piece in pieces(part.size):
        claimed, rows = claims(problem, part, piece), Rows.of(estimate, piece)
        theta = problem.theta[part.block.start + part.at(piece)]
        apart = claimed - rows.compared(claimed)
        size = np.maximum(np.abs(claimed), np.abs(rows.numerical))
        least = np.where(rows.plain, rule.typical, rule.least)
        error_of = np.abs(apart)[size > 0]
        relative = error_of / np.maximum(size, rule.typical)[size > 0]
        largest = max(largest, float(relative.max(initial=0.0)))
        needed = max(needed, float(np.max(error_of / np.maximum(size, least)[size > 0], initial=0.0)))
        medians += [float(np.median(relative))] if relative.size else []
        short = {dtype: known and bool(SHORT[dtype](claimed).all()) for dtype, known in short.items()}
        squares, of_slopes = (
            math.hypot(squares, norm(apart / unit)),
            math.hypot(of_slopes, norm(rows.numerical / unit)),
        )
        along, of_theta = along + float((apart / unit) @ theta), math.hypot(of_theta, norm(theta))
        larger += float(np.sum(np.sign(apart) * np.sign(claimed)))
    if not medians or np.median(medians) < ALIKE * largest:
        return None
    if abs(along) > PENALTY * squares * of_theta and part.size >= ENOUGH:
        return None
    dtype = next((name for name, all_are in short.items() if all_are), None)
    if largest > SMALL if dtype is None else needed > HALVES[dtype]:
        return None
    error = squares / of_slopes if of_slopes else 0.0
    for tolerance in (next_power_of_ten(factor * needed) for factor in (1, 10)):
        if tolerance <= MOST and accepted(tolerance):
            return Even(error, tolerance, part.size, dtype, larger)
    return None


def evenness_notes(failing: Sequence[tuple[str, Even | None]]) -> tuple[str, ...]:
    """Return the sentence about failing blocks, by their names, if the errors of all of them are small and alike."""
    known = {name: even for name, even in failing if even is not None}
    if not known or len(known) < len(failing) or sum(even.size for even in known.values()) < ENOUGH:
        return ()
    names, dtypes = ", ".join(known), {even.dtype for even in known.values()}
    reason = "precision or an approximation, not a wrong formula"
    if dtypes != {None}:
        size, larger = (
            sum(column) for column in zip(*((one.size, one.larger) for one in known.values()), strict=True)
        )
        if len(dtypes) > 1 or size < SIGNS or abs(larger) > ONE_SIDE * size:
            return ()
        reason = f"all claimed values are numbers of {dtypes.pop()}, of which this is the precision"
    error, tolerance = (max(column) for column in zip(*(even[:2] for even in known.values()), strict=True))
    return (
        f"{names} {'are' if len(known) > 1 else 'is'} off by {error:.0e} everywhere: {reason}; "
        f"tolerance={tolerance:.0e} accepts it.",
    )


def _in_bfloat16(values: Vector) -> NDArray[np.bool_]:
    """Return which values bfloat16 can hold: the upper half of a float32."""
    with np.errstate(over="ignore", under="ignore"):
        single = values.astype(np.float32)
    return np.asarray((single == values) & (single.view(np.uint32) & 0xFFFF == 0))


def _in_float16(values: Vector) -> NDArray[np.bool_]:
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(values.astype(np.float16) == values)


SHORT: dict[str, Callable[[Vector], NDArray[np.bool_]]] = {"bfloat16": _in_bfloat16, "float16": _in_float16}
"""Which values these can hold."""
