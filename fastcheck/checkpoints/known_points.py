"""Points at which J is known: sixteen bytes of a key and eight of J each, and little besides, for millions of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FEWEST_JOINED = 2**16
"""Points that came one by one are joined with the others once they are so many, or a quarter of these."""

HALF = 8
"""Bytes of a key that are looked up; the other ones are compared."""

Words = NDArray[np.uint64]


class KnownPoints:
    """J by the key of its point, sixteen bytes. What was known first counts.

    A dict takes some 150 bytes for each. Here most of them lie in arrays that are ordered by the first half of the
    key; only recent ones are in a dict, and that is emptied into the arrays when it grows.
    """

    def __init__(self) -> None:
        self.high: Words = np.empty(0, np.uint64)
        self.low: Words = np.empty(0, np.uint64)
        self.values: NDArray[np.float64] = np.empty(0)
        self.recent: dict[bytes, float] = {}

    def __len__(self) -> int:
        return self.values.size + len(self.recent)

    def find(self, key: bytes) -> float | None:
        """Return J at a point, None if it is not known."""
        if key in self.recent:
            return self.recent[key]
        high, low = (int.from_bytes(half, "little") for half in (key[:HALF], key[HALF:]))
        place = int(np.searchsorted(self.high, np.uint64(high)))
        while place < self.high.size and self.high[place] == high:
            if self.low[place] == low:
                return float(self.values[place])
            place += 1
        return None

    def add(self, key: bytes, value: float) -> None:
        """Take note of J at a point that is not known yet."""
        self.recent[key] = value
        if len(self.recent) >= max(FEWEST_JOINED, self.values.size // 4):
            self._join_recent()

    def add_many(self, high: Words, low: Words, values: NDArray[np.float64]) -> None:
        """Take note of J at many points, keys in two halves, (k,) each: the first one of each point counts."""
        joined_high, joined_low = np.concatenate([self.high, high]), np.concatenate([self.low, low])
        joined = np.concatenate([self.values, values])
        order = np.lexsort((joined_low, joined_high))
        ordered_high, ordered_low = joined_high[order], joined_low[order]
        is_new = np.ones(order.size, dtype=bool)
        is_new[1:] = (ordered_high[1:] != ordered_high[:-1]) | (ordered_low[1:] != ordered_low[:-1])
        kept = order[is_new]
        self.high, self.low, self.values = joined_high[kept], joined_low[kept], joined[kept]

    def _join_recent(self) -> None:
        halves = np.frombuffer(b"".join(self.recent), dtype="<u8").reshape(-1, 2)
        self.add_many(halves[:, 0], halves[:, 1], np.array(list(self.recent.values())))
        self.recent = {}
