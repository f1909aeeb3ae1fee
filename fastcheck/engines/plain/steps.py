"""The step of plain evaluation, block by block.

Noise σ of J leaves an error of about σ/h in a central difference, truncation one proportional to h². A few coordinates
of each block, measured with two steps, tell the second, and so the step at which both are small together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastcheck.engines.plain.noise import SAFETY
from fastcheck.norms import root_mean_square
from fastcheck.plan.coordinates import Coordinates, spread_rows
from fastcheck.problem.parameters import Block, Vector

USUAL_STEP = 2.0**-17
"""First step that is tried, relative to max(1, |θ|): 7.6e-6, where noise of 1e-16 and truncation usually meet."""

STEP_RATIO = 8.0
"""Factor between two steps: truncation changes 64-fold, a kink's share in the jump of slopes stays or goes."""

SMALLEST_CHOSEN, LARGEST_CHOSEN = USUAL_STEP / STEP_RATIO**2, USUAL_STEP * STEP_RATIO**4
"""Steps that may be chosen: 1.2e-7 to 0.03."""

ENOUGH_TRUNCATION = 2.0**-33
"""Noise below this share of the slopes needs no larger step."""

COORDINATES_PER_BLOCK = 4
"""Coordinates of each block by which its step is chosen."""


class CentralDifferences(NamedTuple):
    """Central differences (k,), and by how much the slopes to the right and to the left of θ differ: the bend (k,).

    NaN where J is not defined at one of the ends.
    """

    central: Vector
    bend: Vector

    def at(self, rows: slice | Coordinates) -> CentralDifferences:
        """Return those of some coordinates."""
        return CentralDifferences(self.central[rows], self.bend[rows])


Measure = Callable[[Coordinates, Vector], CentralDifferences]
"""Measures some coordinates (k,) with the steps (k,)."""


def units(values: Vector) -> Vector:
    """Return the units of steps: powers of two near max(1, |θ|)."""
    return np.asarray(np.exp2(np.ceil(np.log2(np.maximum(1.0, np.abs(values))))))


def default_steps(values: Vector, epsilon: float | None) -> Vector:
    """Return the step of each coordinate: ε, or `USUAL_STEP` in its `units`."""
    return USUAL_STEP * units(values) if epsilon is None else np.full(values.shape, epsilon)


def chosen_step(block: Block, theta: Vector, noise: float, measure: Measure) -> float:
    """Return the step of a block, relative to `units`; ``noise`` is σ.

    Steps for a few coordinates grow from `USUAL_STEP` until truncation shows beside noise, or noise is small beside the
    slopes. Costs 4 forward passes for each of them, and 2 for every step more. Source: J. J. Moré and S. M. Wild,
    Estimating derivatives of noisy simulations, ACM Trans. Math. Softw. 38 (2012).
    """
    picked = block.start + spread_rows(block.size, COORDINATES_PER_BLOCK)
    return _chosen_step(picked, units(theta[picked]), noise, measure)


def _chosen_step(coordinates: Coordinates, units: Vector, noise: float, measure: Measure) -> float:
    step, (slopes, _) = USUAL_STEP, measure(coordinates, USUAL_STEP * units)
    inside = np.isfinite(slopes)
    coordinates, units, slopes = coordinates[inside], units[inside], slopes[inside]
    while slopes.size:
        larger, _ = measure(coordinates, STEP_RATIO * step * units)
        if not np.isfinite(larger).all():
            return step  # beyond it the cost is not defined
        apart = np.abs(larger - slopes)
        rounding = SAFETY * noise / (step * units)
        step, slopes = STEP_RATIO * step, larger
        enough = SAFETY * noise / step <= ENOUGH_TRUNCATION * root_mean_square(slopes)
        if enough or step >= LARGEST_CHOSEN or (apart > rounding).any():
            break
    if not slopes.size:
        return USUAL_STEP
    # An error of curvature · h² is 64 times smaller with the step before.
    curvature = float(apart.max()) / step**2
    if not (noise and curvature):
        return step if curvature == 0 else USUAL_STEP
    best = np.clip(np.cbrt(2 * noise / curvature), SMALLEST_CHOSEN, step)
    return float(2.0 ** round(float(np.log2(best))))
