"""Where in the user's code there are kinks that the coordinates of a check meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastcheck.legible import file_name


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
            f"{self.function} in line {self.lineno} of {file_name(self.filename)} ({self.source}) is at a kink in "
            f"{self.count:,} of {int(np.prod(self.shape)):,} entries{at}"
        )
