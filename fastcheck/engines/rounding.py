"""Rounding of slopes: what jittered parameters show of it, and what neither these nor costs close to θ show.

Where 1 − σ(z) is 1e-9, it is known to 1e-7 of its size, and so are slopes through it. A change of z by a few units in
the last place leaves it as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.bounded import Bound
from fastcheck.engines.plain.noise import LONG, SPACING, costs_along, noise_of_jumps, noise_of_lines
from fastcheck.norms import pieces
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

TINY_STEP = 2.0**-80
"""Step of finite differences that are computed without subtracting: kinks are straddled only in their place, and smooth
functions are linear over it to the last bit."""

LARGE = 2.0**-24
"""A step of the user's above this has a truncation error."""

ADDED_UP = 2.0**13 * float(np.finfo(float).eps)
"""Two ways of adding up the same terms may differ by this share of the sum of their sizes: 1.8e-12."""

FLOOR = 16 * float(np.finfo(float).eps)
"""Relative rounding error of slopes where nothing shows any: 3.6e-15."""

MARGIN = 4.0
"""Bound over the rounding seen in the slopes of a block at jittered parameters."""

COST_MARGIN = 128.0
"""Relative rounding error of slopes over that of J. Jittering θ leaves 1 − σ(z) as it is where σ(z) is near 1, and all
its rounding error with it; in J that error shows."""

CANCELLED = 2.0**-40
"""Larger relative rounding errors of J come from a J that is near zero by chance, and tell nothing about slopes."""

UNEVEN = 64.0
"""Rounding above this many times the lower quartile of a block is not that of the others; what was seen, as many times,
bounds it."""

JITTER = 2.0**-50
"""Largest relative change of θ, four units in the last place: all roundings fall differently, and slopes change by no
more than they do."""

UNDERFLOW = 2.0**-900
"""Differences of a J below this may come from numbers too small for full precision."""

PERTURBATIONS = 3
"""Ways of rounding that are tried: that all three are near the actual one by chance has a probability of 1e-5."""

PERTURBATION = 2.0**-47
"""Largest relative change of the result of an operation, 64 times its rounding error: what that does to slopes is a
bound with a margin."""

JUMP_MARGIN = 2.0**12
"""Relative error of slopes over the jumps of J: the mean over m samples, of which one dominates the slopes, jumps by
1/m of its error."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Perturbed:
    """Slopes (n, k) of k coordinates, with n ways of rounding the results of all operations, and J, (n,), in these.

    Slopes are NaN where they are not known.
    """

    slopes: NDArray[np.float64]
    costs: Vector


def jittered(values: NDArray[np.float64], jitter: float = JITTER, seed: int = 0) -> Vector:
    """Return parameters or data near these, by ``jitter`` at most, where all roundings fall differently."""
    rng, near = np.random.default_rng(seed), np.array(values, dtype=np.float64, order="C")
    flat = near.reshape(-1)
    for piece in pieces(flat.size):
        flat[piece] *= 1 + 2 * jitter * (rng.random(piece.stop - piece.start) - 0.5)
    return near


def block_bound(
    typical: float, rounding: float | Vector, cost_noise: float = 0.0, declared: float = 0.0
) -> Bound:
    """Return what rounding leaves between the slopes of a block and the true ones.

    ``typical`` is the RMS of the slopes, ``rounding`` how much `jittered` parameters changed them: the largest change,
    or that of each, (k,). Where that of a few is of another size than that of the rest it is theirs alone, as in a norm
    of what is zero but for rounding. ``cost_noise`` is the relative rounding noise of J, and ``declared`` the share of
    J by which runs of the cost may differ, as slopes then do. Measured in docs/results/bounds.md.
    """
    share = FLOOR + COST_MARGIN * min(cost_noise, CANCELLED) + MARGIN * declared
    more: float | Vector = 0.0
    if isinstance(rounding, np.ndarray):
        even = rounding <= UNEVEN * np.quantile(rounding, 0.25) if rounding.size else np.zeros(0, dtype=bool)
        more = 0.0 if even.all() else np.where(even, 0.0, UNEVEN * rounding)
        rounding = float(np.max(rounding[even], initial=0.0))
    absolute = share * typical + MARGIN * rounding
    return Bound(min(1.0, absolute / typical) if typical else share, absolute + more)


def perturbed_rounding(
    problem: Problem, perturbed: Perturbed | None, slopes: Vector, error: float, typical: float
) -> float | None:
    """Return a bound on the rounding of ``slopes`` (k,), given how they change when all operations are perturbed.

    None where that does not tell: at kinks, where slopes are NaN, and where it does not explain an ``error``, but J is
    rounded by more than that is relative to the ``typical`` slope: then a claim computed by other formulas may be off.
    """
    if perturbed is None:
        return None
    if not np.isfinite(perturbed.costs).all():
        return error  # other roundings leave nothing to take a logarithm or a root of
    bound = float(np.abs(perturbed.slopes - slopes).max())
    change_of_cost = float(np.abs(perturbed.costs - problem.value).max())
    quiet = change_of_cost * typical < error * abs(problem.value)
    explained = bound >= error
    return bound if explained or (quiet and not np.isnan(bound)) else None


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
