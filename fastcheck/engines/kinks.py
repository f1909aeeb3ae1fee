"""The kinks that the coordinates of a check meet: how many, and where in the user's code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Line = tuple[str, str, int]
"""An operation in the user's code: its rule, file and line number. It may be run many times, as by a helper."""

Convention = Callable[[Line], float]
"""What a backward pass takes at the kinks of an operation: the part, 0 to 1, of the way from one side to the other."""


def in_the_middle(line: Line) -> float:
    """Return the convention of the middle of both sides, whatever the operation is."""
    return 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class KinkPlace:
    """An operation of the cost that stands at a kink in some entries of its result.

    ``function`` is the operation (``maximum``), ``filename``, ``lineno`` and ``source`` the line of the user's code,
    ``shape`` the shape of the result, ``count`` the number of its entries at a kink and ``indices`` the first few of
    them: in the pre-activations of a layer of shape (units, samples) an index tells the unit and the sample.
    """

    function: str
    filename: str
    lineno: int
    source: str
    shape: tuple[int, ...]
    count: int
    indices: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        entries = ", ".join("[" + ", ".join(map(str, index)) + "]" for index in self.indices)
        more = ", …" if self.count > len(self.indices) else ""
        at = f" of shape {self.shape}: {entries}{more}" if self.shape else ""
        return (
            f"{self.function} in line {self.lineno} of {Path(self.filename).name} ({self.source}) is at a kink in "
            f"{self.count:,} of {int(np.prod(self.shape)):,} entries{at}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Kinks:
    """The kinks met by k coordinates.

    ``counts`` (k,) holds for each coordinate how many entries of intermediate results, at their kinks, it changes.
    ``enclosed`` (k,) tells where all mixtures of subgradients are known to lie between ``lower`` and ``upper``. At
    kinks where it is false, those of usual conventions do: the same choice at all kinks, or in each line of the code.
    """

    counts: NDArray[np.intp]
    enclosed: NDArray[np.bool_]
