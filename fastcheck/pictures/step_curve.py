"""The error of numerical gradients over the step ε, in one coordinate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepCurve:
    """The relative error of central differences in the coordinate ``name``, whose slope is ``slope``.

    ``steps`` (k,) are the values of ε, largest first; ``plain`` (k,) the errors of (J(θ+ε) − J(θ−ε)) / 2ε as the
    textbook computes it, ``difference`` (k,) those of differences that are sent forwards through the record, None where
    the cost cannot be recorded. NaN where J is not finite.
    """

    name: str
    slope: float
    steps: NDArray[np.float64]
    plain: NDArray[np.float64]
    difference: NDArray[np.float64] | None
