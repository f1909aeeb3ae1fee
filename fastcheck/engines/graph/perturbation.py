"""Roundings that fall another way: results of operations, and shares of slopes, moved by a few units in the last place.

Source: D. S. Parker, Monte Carlo arithmetic: exploiting randomness in floating-point arithmetic, UCLA CSD-970002, 1997.

Where digits cancel, such as in 1 − σ(z) near σ(z) = 1, a jitter of θ does not show how few are left: z moves and σ(z)
stands still. A perturbation of σ(z) itself does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.norms import pieces

Array = NDArray[Any]

PERTURBATION = 2.0**-47
"""Largest relative change of the result of an operation, 64 times its rounding error: what that does to slopes is a
bound with a margin."""

COUNTS = 2.0**40
"""Whole numbers above this are few among those that are rounded to the last place, and need not be exact."""


class Perturbation:
    """One other way of rounding, by its number: the same one perturbs a run in the same way.

    Values move by a random share, up to `PERTURBATION`: where rounding errors add up, so do these changes. Whole
    numbers that are not large stay, for most are exact: counts, masks, differences of what is equal.
    """

    def __init__(self, number: int) -> None:
        self._rng = np.random.default_rng(number)

    def result(self, value: Any) -> Any:
        """Return the result of an operation, an array or a number, as it might be with other roundings."""
        if value.dtype != np.float64:
            return value
        moved = self._moved(value, COUNTS)
        return moved if isinstance(value, np.ndarray) else moved[()]

    def share(self, slope: Array) -> Array:
        """Return a share of slopes so: where slopes cancel, values do not tell what that loses."""
        return self._moved(slope, -1.0)

    def saturated(self, left: Array, slope: Array) -> Array:
        """Return a share of slopes as backward passes may find it that form what is ``left`` of 1 to get it."""
        rest = np.maximum(np.abs(left), np.finfo(float).epsneg)
        return np.asarray(slope * (1 + PERTURBATION / rest * self._rng.uniform(-1, 1, np.shape(rest))))

    def _moved(self, values: Any, counts: float) -> Array:
        """Return the values moved, but for whole numbers up to ``counts``."""
        moved = np.array(values, dtype=np.float64, order="C")
        flat = moved.reshape(-1)
        for piece in pieces(flat.size):
            part = flat[piece]
            factors = 1 + PERTURBATION * (2 * self._rng.random(part.size) - 1)
            factors[(part == np.rint(part)) & (np.abs(part) <= counts)] = 1.0
            part *= factors
        return moved
