"""The step of plain evaluation, block by block, and the truncation error that it has.

Noise σ of J leaves an error of about σ/h in a central difference, truncation one proportional to h². A few coordinates
of each block, measured with two steps, tell the second, and so the step at which both are small together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.noise import SAFETY
from fastcheck.engines.slopes import picked_rows
from fastcheck.norms import root_mean_square
from fastcheck.parameters import Block, Vector
from fastcheck.plan import Coordinates

STEP = 2.0**-17
"""First step that is tried, relative to max(1, |θ|): 7.6e-6, where noise of 1e-16 and truncation usually meet."""

FACTOR = 8.0
"""Between two steps: truncation grows 64-fold."""

SMALLEST, LARGEST = STEP / FACTOR**2, STEP * FACTOR**4
"""Steps that may be chosen: 1.2e-7 to 0.03."""

ENOUGH = 2.0**-33
"""Noise below this share of the slopes needs no larger step."""

PROMISING = 2.0**-24
"""Bound on rounding, as a share of the claim, up to which the step that the claim suggests is worth trying."""

FEW = 4
"""Coordinates of each block by which its step is chosen."""

MARGIN = 8.0
"""Bound on the truncation error of a block over the largest of a few coordinates."""

OUTLIER = 8.0
"""A coordinate whose one-sided slopes differ by this many times what is usual in its block is measured by itself."""

WIDE = 2.0**-10
"""Steps above this straddle so many kinks that every coordinate is measured with half of it, too."""

KINK = 1 / 16
"""Where the bend, with half the step, is by more than this share of it not half of what it was, there is a kink."""

TRACE = 1 / 256
"""Where it is so by this share, there may be several kinks, of which each hides the others."""

HIDDEN = 2.0
"""Bound on the truncation error over the jump of a kink that noise may hide."""

MOSTLY = 0.5
"""Where fewer coordinates of a block show kinks, the others are taken to have none."""

Slopes = tuple[Vector, Vector]
"""Central differences (k,), and by how much the slopes to the right and to the left of θ differ: the bend (k,)."""

Measure = Callable[[Coordinates, Vector], Slopes]
"""Measures some coordinates (k,) with the steps (k,)."""


def units(values: Vector) -> Vector:
    """Return the units of steps: powers of two near max(1, |θ|)."""
    return np.asarray(np.exp2(np.ceil(np.log2(np.maximum(1.0, np.abs(values))))))


def default_steps(values: Vector, epsilon: float | None) -> Vector:
    """Return the step of each coordinate: ε, or `STEP` in its `units`."""
    return STEP * units(values) if epsilon is None else np.full(values.shape, epsilon)


def suggested_step(claimed: Vector, scale: Vector, noise: float) -> float | None:
    """Return the step, relative to ``scale``, that suits the slopes claimed (k,) if J changes over distances of 1.

    With third derivatives as large as the slopes, the error of noise σ and of truncation are smallest together there.
    None where rounding would hide too much of the claim.
    """
    typical = root_mean_square(claimed * scale)
    if not typical:
        return None
    step = float(2.0 ** np.round(np.log2(np.clip(np.cbrt(noise / typical / 2), SMALLEST, LARGEST))))
    rounding = SAFETY * noise / (step * float(scale.min()))
    return step if rounding <= PROMISING * root_mean_square(claimed) else None


def chosen_step(block: Block, theta: Vector, noise: float, measure: Measure) -> float:
    """Return the step of a block, relative to `units`; ``noise`` is σ.

    Steps for a few coordinates grow from `STEP` until truncation shows beside noise, or noise is small beside the
    slopes. Costs 4 forward passes for each of them, and 2 for every step more. Source: J. J. Moré and S. M. Wild,
    Estimating derivatives of noisy simulations, ACM Trans. Math. Softw. 38 (2012).
    """
    picked = block.start + picked_rows(block.size, FEW)
    return _chosen_step(picked, units(theta[picked]), noise, measure)


def _chosen_step(coordinates: Coordinates, units: Vector, noise: float, measure: Measure) -> float:
    step, (slopes, _) = STEP, measure(coordinates, STEP * units)
    inside = np.isfinite(slopes)
    coordinates, units, slopes = coordinates[inside], units[inside], slopes[inside]
    while slopes.size:
        larger, _ = measure(coordinates, FACTOR * step * units)
        if not np.isfinite(larger).all():
            return step  # beyond it the cost is not defined
        apart = np.abs(larger - slopes)
        rounding = SAFETY * noise / (step * units)
        step, slopes = FACTOR * step, larger
        enough = SAFETY * noise / step <= ENOUGH * root_mean_square(slopes)
        if enough or step >= LARGEST or (apart > rounding).any():
            break
    if not slopes.size:
        return STEP
    # An error of curvature · h² is 64 times smaller with the step before.
    curvature = float(apart.max()) / step**2
    if not (noise and curvature):
        return step if curvature == 0 else STEP
    best = np.clip(np.cbrt(2 * noise / curvature), SMALLEST, step)
    return float(2.0 ** round(float(np.log2(best))))


def truncation_bounds(
    blocks: Sequence[slice],
    coordinates: Coordinates,
    steps: Vector,
    slopes: Slopes,
    rounding: Vector,
    measure: Measure,
) -> Vector:
    """Return a bound on the truncation error of central differences with these steps, (k,).

    A few rows of each block are measured with half the step, and so are those with an unusual bend: the bend is h·J''
    where J is smooth, and the jump of the slope where θ ± h straddle a kink. Where one of the few shows a kink, or
    steps are wide, the whole block is measured; if kinks are rare there, rows without any do not get the bounds of rows
    with them. ``rounding`` is the bound on the error from noise. Costs 2 forward passes for each row measured: 16 for a
    block, and at most as many as ``slopes``.
    """
    central, bend = slopes
    picked, size = [rows.start + picked_rows(rows.stop - rows.start) for rows in blocks], np.abs(central)
    error, jumps = np.zeros_like(central), np.zeros_like(central)
    ratio = _unusual(blocks, picked, bend, rounding)

    def halve_steps(rows: Coordinates) -> None:
        half, half_bend = measure(coordinates[rows], steps[rows] / 2)
        outside = ~(np.isfinite(half) & np.isfinite(half_bend))  # beside a pole, say
        half, half_bend = (
            np.where(outside, 0.0, half),
            np.where(outside, 2 * bend[rows] + size[rows], half_bend),
        )
        jumps[rows] = jump = np.abs(half_bend - bend[rows] / 2)  # a smooth bend is in proportion to the step
        likely = np.where(above(KINK, rows), MARGIN, np.where(jump > KINK * bend[rows], HIDDEN, 0.0))
        error[rows] = np.maximum(likely * jump, MARGIN * 4 / 3 * np.abs(half - central[rows]))

    def above(share: float, rows: Coordinates) -> NDArray[np.bool_]:
        return np.asarray(jumps[rows] > np.maximum(4 * rounding[rows], share * bend[rows]))

    few, unusual = np.concatenate(picked), ratio > OUTLIER
    halve_steps(np.union1d(few, np.flatnonzero(unusual)))
    for rows, part in zip(blocks, picked, strict=True):
        everything = np.arange(rows.start, rows.stop)
        rest = np.setdiff1d(everything[~unusual[rows]], part)
        classes = [everything]
        if rest.size and (above(KINK, part).any() or steps[rows].max() > WIDE):
            halve_steps(rest)
            kinked = above(TRACE, everything)
            if kinked.mean() < MOSTLY:
                classes = [everything[kinked], everything[~kinked]]
                # Between the slopes of the two sides lies that at θ, unless J bends both ways.
                error[classes[0]] = np.maximum(error[classes[0]], bend[classes[0]] / 2)
        for those in classes:
            examples = np.intersect1d(part, those)
            usual, largest = error[examples].max(initial=0.0), size[examples].max(initial=0.0)
            more = np.maximum(np.square(ratio[those]), size[those] / largest if largest else 0.0)
            least = np.where(unusual[those], 0.0, usual * np.maximum(more, 1.0))
            error[those] = np.maximum(error[those], least)
    return error


def _unusual(
    blocks: Sequence[slice], picked: Sequence[Coordinates], bend: Vector, rounding: Vector
) -> Vector:
    """Return the bend of each coordinate in units of what is usual in its block, noise included."""
    ratio = np.where(bend > 0, np.inf, 0.0)
    for rows, part in zip(blocks, picked, strict=True):
        usual = np.median(bend[part]) + 4 * rounding[rows]
        np.divide(bend[rows], usual, out=ratio[rows], where=usual > 0)
    return ratio
