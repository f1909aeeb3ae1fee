"""One-sided slopes, however an engine computed them, and what they say: ĝ, the slopes that count as right, bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound
from fastcheck.norms import pieces, root_mean_square
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates

STEP = 2.0**-80
"""Default ε of difference propagation: nothing is subtracted, so it can be tiny. Kinks are straddled only in their
place, and smooth functions are linear over it to the last bit, which makes all engines many times faster."""

SMALL = 2.0**-24
"""A step of the user's above this has a truncation error: the slopes with the default step are those to judge by."""

ROUNDING = 2.0**13 * float(np.finfo(float).eps)
"""Two ways of adding up the same terms may differ by this share of the sum of their sizes: 1.8e-12."""

FLOOR = 16 * float(np.finfo(float).eps)
"""Relative rounding error of ĝ where nothing shows any: 3.6e-15."""

MARGIN = 4.0
"""Bound over the largest rounding noise seen in a few coordinates of the block."""

COST_MARGIN = 128.0
"""Relative rounding error of ĝ over that of J. Jittering θ leaves 1 − σ(z) as it is where σ(z) is near 1, and all its
rounding error with it; in J that error shows."""

CANCELLED = 2.0**-40
"""Larger relative rounding errors of J come from a J that is near zero by chance, and tell nothing about ĝ."""

UNEVEN = 64.0
"""Noise above this many times the lower quartile of a block is not that of the others; what was seen, as many times,
bounds it."""

LOWER = 0.25
"""That quartile."""

SAMPLE = 8
"""Coordinates of each block whose rounding noise is measured."""

JITTER = 2.0**-50
"""Largest relative change of θ, four units in the last place: all roundings fall differently, and ĝ itself changes by
no more than they do."""

UNDERFLOW = 2.0**-900
"""Differences below this may come from numbers too small for full precision."""


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """One-sided slopes of k coordinates, and which of them are kinks or could not be followed."""

    right: Vector
    left: Vector
    kinked: NDArray[np.bool_]
    unsupported: NDArray[np.bool_]

    @property
    def central(self) -> Vector:
        """The central differences."""
        if self.right is self.left:
            return self.right
        return np.asarray((self.right + self.left) / 2)

    @property
    def smooth(self) -> bool:
        """Whether none of them is a kink, and all could be followed."""
        return not (self.kinked.any() or self.unsupported.any())

    @property
    def typical(self) -> float:
        """The RMS of those that could be followed."""
        central = self.central
        return root_mean_square(
            np.where(self.unsupported, 0.0, central) if self.unsupported.any() else central
        )

    def interval(self) -> tuple[Vector, Vector]:
        """Return the slopes between which a claim is right: the one slope, or at a kink those of both sides."""
        central = self.central
        if not self.kinked.any():
            return central, central
        lower = np.where(self.kinked, np.minimum(self.left, self.right), central)
        upper = np.where(self.kinked, np.maximum(self.left, self.right), central)
        return lower, upper

    def at(self, rows: slice | Coordinates) -> Slopes:
        """Return those of some of the coordinates."""
        right = self.right[rows]
        left = right if self.right is self.left else self.left[rows]
        return Slopes(right, left, self.kinked[rows], self.unsupported[rows])


def steps_to_run(epsilon: float | None) -> list[float]:
    """Return the steps of a check, the tiny one first: those of its slopes, and of ĝ if the user gave one."""
    return [STEP] if epsilon in (None, STEP) else [STEP, float(epsilon or 0)]


def to_judge_by(runs: Sequence[Slopes], epsilon: float | None) -> Slopes:
    """Return the slopes that a claim is compared with, of the runs with `steps_to_run`."""
    return runs[0] if epsilon is None or epsilon > SMALL else runs[-1]


def jittered(values: NDArray[np.float64], jitter: float = JITTER, seed: int = 0) -> NDArray[np.float64]:
    """Return parameters or data beside these, by ``jitter`` at most, where all roundings fall differently."""
    rng, beside = np.random.default_rng(seed), np.array(values, dtype=np.float64, order="C")
    flat = beside.reshape(-1)
    for some in pieces(flat.size):
        flat[some] *= 1 + 2 * jitter * (rng.random(some.stop - some.start) - 0.5)
    return beside


def picked_rows(size: int, sample: int = SAMPLE) -> Coordinates:
    """Return the rows, of this many of a block, whose error is measured: spread over it."""
    return np.unique(np.linspace(0, size - 1, sample).astype(np.intp))


def bound_of(
    slopes: Slopes,
    picked: Coordinates,
    beside: Sequence[Slopes],
    cost_noise: float = 0.0,
    declared: float = 0.0,
) -> Bound:
    """Return the bound of the coordinates of a block, from the rounding noise seen in its ``picked`` rows.

    ``beside`` holds the slopes of these rows at jittered parameters, each time others; ``cost_noise`` is the relative
    noise of J, and ``declared`` the share of J by which runs of the cost may differ. Where the rows are all there are,
    and the noise of some is of another size than that of the rest, it is theirs alone.
    """
    noise = seen_noise(slopes, picked, beside)
    if picked.size < slopes.central.size or not is_uneven(noise):
        return block_bound(slopes.typical, float(np.max(noise, initial=0.0)), cost_noise, declared)
    even = noise <= UNEVEN * np.quantile(noise, LOWER)
    usual = block_bound(slopes.typical, float(np.max(noise[even], initial=0.0)), cost_noise, declared)
    return Bound(usual.relative, usual.absolute + np.where(even, 0.0, UNEVEN * noise))


def seen_noise(slopes: Slopes, picked: Coordinates, beside: Sequence[Slopes]) -> Vector:
    """Return by how much the slopes of ``picked`` rows, (k,), changed at jittered parameters at most."""
    here, seen = slopes.at(picked), np.zeros(picked.size)
    for other in beside:
        ignored = other.kinked | here.kinked | other.unsupported | here.unsupported
        seen = np.maximum(seen, np.where(ignored, 0.0, np.abs(other.central - here.central)))
    return seen


def is_uneven(noise: Vector) -> bool:
    """Tell whether a few rows have noise of another kind than the rest: a norm of what is zero but for rounding."""
    return bool(np.max(noise, initial=0.0) > UNEVEN * np.quantile(noise, LOWER)) if noise.size else False


def block_bound(typical: float, seen: float, cost_noise: float, declared: float = 0.0) -> Bound:
    """Return what rounding leaves between ĝ and the slope in a block.

    ``typical`` is the RMS of ĝ over the block, ``seen`` the largest change of ĝ that `jittered` parameters made in a
    few of its coordinates, ``cost_noise`` the relative rounding noise of J, 0 where J is not computed by the user's
    formulas. Measured in docs/results/bounds.md. Runs whose J differ by a ``declared`` share have slopes that do so.
    """
    share = FLOOR + COST_MARGIN * min(cost_noise, CANCELLED) + MARGIN * declared
    absolute = share * typical + MARGIN * seen
    return Bound(min(1.0, absolute / typical) if typical else share, absolute)


def unusable(difference: Vector) -> NDArray[np.bool_]:
    """Return where a difference overflowed, is NaN, or is so small that digits were lost on the way."""
    size = np.abs(difference)
    return np.asarray(~np.isfinite(size) | ((size != 0) & (size < UNDERFLOW)))
