"""Rounding of slopes that neither jittered parameters nor costs close to θ show.

Where 1 − σ(z) is 1e-9, it is known to 1e-7 of its size, and so are slopes through it. A change of z by a few units in
the last place leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.noise import LONG, SPACING, costs_along, noise_of_jumps, noise_of_lines
from fastcheck.engines.slopes import COST_MARGIN
from fastcheck.parameters import Vector
from fastcheck.problem import Problem

Array = NDArray[np.float64]

SHAKES = 3
"""Ways of rounding that are tried: that all three are near the actual one by chance has a probability of 1e-5."""

SHAKE = 2.0**-47
"""Largest relative change of the result of an operation, 64 times its rounding error: what that does to slopes is a
bound with a margin."""

LEFT_OF_ONE: dict[str, Callable[[Array], Array]] = {"tanh": lambda A: 1 - A * A, "expit": lambda A: 1 - A}
"""What is left of 1 in values that saturate: backward passes form their slopes of it. By the names of identities."""

LIKELY = 1 / 8
"""What rounding amounts to in all likelihood, as a share of that bound."""

JUMP_MARGIN = 2.0**12
"""Relative error of slopes over the jumps of J: the mean over m samples, of which one dominates the slopes, jumps by
1/m of its error."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shaken:
    """Slopes of k coordinates or directions, with n ways of rounding the results of all operations.

    ``slopes`` (n, k) are NaN at kinks and where the cost takes another way; ``costs`` (n,) are J. ``work`` counts the
    elements of differences that were processed.
    """

    slopes: NDArray[np.float64]
    costs: Vector
    work: int


def shaken_rounding(
    problem: Problem, shaken: Shaken | None, slopes: Vector, error: float, typical: float
) -> float | None:
    """Return a bound on the rounding of ``slopes`` (k,), given how they change when all operations are shaken.

    None where that does not tell: at kinks, where slopes are NaN, and where it does not explain an ``error``, but J is
    rounded by more than that is relative to the ``typical`` slope: then a claim computed by other formulas may be off.
    """
    if shaken is None:
        return None
    if not np.isfinite(shaken.costs).all():
        return error  # other roundings leave nothing to take a logarithm or a root of
    bound = float(np.abs(shaken.slopes - slopes).max())
    moved = float(np.abs(shaken.costs - problem.value).max())
    quiet = moved * typical < error * abs(problem.value)
    return bound if bound >= error or (quiet and not np.isnan(bound)) else None


def saturation(left: Array, rng: np.random.Generator) -> Array:
    """Return factors of slopes, of ``left``'s shape, as backward passes may find them that form what is left of 1."""
    rest = np.maximum(np.abs(left), np.finfo(float).epsneg)
    return np.asarray(1 + SHAKE / rest * rng.uniform(-1, 1, np.shape(left)))


def jump_rounding(problem: Problem, error: float) -> tuple[float, int]:
    """Return the relative error of slopes by a rounding that shows as jumps of J, and the forward passes: 54 to 366.

    Less than would explain a relative ``error`` is not looked for. Costs are compared with the largest along a long
    line, as J itself may be near zero by chance; 0 where J is not defined there.
    """
    problem, tally = problem.counted()
    largest = float(np.max(np.abs(costs_along(problem, 0, LONG))))
    if np.isnan(largest):
        return 0.0, tally.passes
    noise, _ = noise_of_lines(problem)
    jumps, _ = noise_of_jumps(problem, noise, SPACING, error * largest / JUMP_MARGIN)
    most = max(COST_MARGIN * noise, JUMP_MARGIN * jumps)
    return (min(1.0, most / largest) if largest else 0.0), tally.passes
