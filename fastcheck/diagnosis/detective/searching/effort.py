"""How much may be tried: counted in work, so that a failure has the same causes each time, and in time."""

from __future__ import annotations

import time
from dataclasses import dataclass

OVERHEAD = 3_000
"""What an operation of NumPy takes besides its entries, in entries."""

MOST_WORK = 200_000_000
"""Entries and overheads that the search for one mistake may take: about half a second of an LSTM of 400 operations."""


class EffortUsedUpError(Exception):
    """No more is to be tried."""


@dataclass
class Effort:
    """How much was done, of a ``share`` of `MOST_WORK`, until a ``deadline`` in seconds of `time.perf_counter`.

    ``entries`` and ``operations`` are those of one sweep.
    """

    entries: int
    operations: int
    deadline: float | None = None
    share: float = 1.0
    work: float = 0.0
    sweeps: int = 0
    tried: int = 0

    def test(self, entries: int, operations: int = 1) -> None:
        """Count a test of this many entries, by some operations."""
        self.tried += 1
        self._count(entries + operations * OVERHEAD)

    def sweep(self) -> None:
        """Count a sweep back."""
        self.sweeps += 1
        self._count(self.entries + self.operations * OVERHEAD)

    def again(self, share: float = 1.0) -> Effort:
        """Return a share of so much effort anew, until the same deadline."""
        return Effort(self.entries, self.operations, self.deadline, share * self.share)

    def _count(self, work: float) -> None:
        self.work += work
        if self.work > self.share * MOST_WORK or (
            self.deadline is not None and time.perf_counter() > self.deadline
        ):
            raise EffortUsedUpError
