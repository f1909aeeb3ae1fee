"""Roundings that fall another way: the results of arithmetic, moved by a few units in their last place.

Source: D. S. Parker, Monte Carlo arithmetic: exploiting randomness in floating-point arithmetic, UCLA CSD-970002, 1997.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.difference.forms import Form
from fastcheck.engines.rounding import SHAKE, saturation
from fastcheck.norms import pieces

COUNTS = 2.0**40
"""Whole numbers above this are few among those that are rounded to the last place, and need not be exact."""


class Shaking:
    """Moves values by a random share of them, up to `SHAKE`: where rounding errors add up, so do these changes.

    Whole numbers that are not large stay, for most are exact: counts, masks, differences of what is equal.
    """

    def __init__(self, number: int) -> None:
        self._rng = np.random.default_rng(number)

    def __call__(self, value: Any) -> Any:
        """Return the value, an array or a number, as it might be with other roundings. Warnings are the caller's."""
        if value.dtype != np.float64:
            return value
        moved = self._moved(value, COUNTS)
        return moved if isinstance(value, np.ndarray) else moved[()]

    def differences(self, form: Form) -> Form:
        """Return the differences of such a value: where slopes cancel, values do not tell what that loses."""
        coef = None if form.coef is None else self._moved(form.coef)
        return Form(self._moved(form.data), form.shape, form.at, coef)

    def saturated(self, form: Form, left: Any) -> Form:
        """Return the differences of a value that saturates, of which a backward pass forms what is ``left`` of 1."""
        return form.scaled(saturation(left, self._rng), form.shape)

    def _moved(self, values: Any, counts: float = -1.0) -> NDArray[np.float64]:
        """Return the values moved, but for whole numbers up to ``counts``."""
        moved = np.array(values, dtype=np.float64, order="C")
        flat = moved.reshape(-1)
        for some in pieces(flat.size):
            part = flat[some]
            factors = 1 + SHAKE * (2 * self._rng.random(part.size) - 1)
            factors[(part == np.rint(part)) & (np.abs(part) <= counts)] = 1.0
            part *= factors
        return moved
