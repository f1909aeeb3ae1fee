"""Claims that differ from the slopes found so far: how many, and which of them most.

That is a first look, for whoever waits: at kinks, and where noise or truncation is larger than it seemed, claims that
are right differ, too. The verdict is not made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Worst(NamedTuple):
    """The claim that differs most for what is allowed, and the ``number`` of those that differ."""

    number: int
    name: str
    claimed: float
    slope: float


class Differing:
    """What is known of claims that were compared.

    ``worst`` is None as long as none differ; it is replaced as a whole, as another thread reads it.
    """

    def __init__(self, name_of: Callable[[int], str]) -> None:
        self.name_of = name_of
        self.number_compared = 0
        self.worst: Worst | None = None
        self._excess = 0.0

    def compare(
        self, coordinates: NDArray[Any], claimed: NDArray[Any], slopes: NDArray[Any], allowed: NDArray[Any]
    ) -> None:
        """Add coordinates, and by how much the claim of each may be off at first sight; all (k,).

        Slopes that are NaN are not known, and do not count. Some operations on vectors, nothing for each coordinate.
        """
        errors = np.abs(claimed - slopes)
        self.number_compared += int(np.count_nonzero(~np.isnan(errors)))
        rows = np.flatnonzero(errors > allowed)
        if not rows.size:
            return
        with np.errstate(divide="ignore", over="ignore"):
            excess = errors[rows] / allowed[rows]
        first = int(np.argmax(excess))
        number = rows.size if self.worst is None else self.worst.number + rows.size
        if self.worst is not None and excess[first] <= self._excess:
            self.worst = self.worst._replace(number=number)
            return
        row, self._excess = rows[first], float(excess[first])
        name = self.name_of(int(coordinates[row]))
        self.worst = Worst(number, name, float(claimed[row]), float(slopes[row]))
