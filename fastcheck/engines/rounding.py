"""Rounding of slopes that were sent backwards: the bound that follows from what jittered parameters show of it.

Slopes with all operations rounded otherwise are `Perturbed`: they show what jittered parameters do not
(`fastcheck.verdict.hidden_rounding`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.slopes import Bound
from fastcheck.norms import pieces
from fastcheck.problem.parameters import Vector

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
