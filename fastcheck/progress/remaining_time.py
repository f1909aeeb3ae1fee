"""How long work will still take, as far as the pieces that are done tell."""

from __future__ import annotations

from collections.abc import Callable

MEMORY = 0.2
"""Share of the work done over which the recent pace is taken."""

OVERDUE = 4.0
"""A piece that has taken so many seconds will take another one at least: it is overdue, or it would be done."""


class RemainingTime:
    """The seconds that are left of work in pieces, whose sizes and times differ.

    What comes before the first piece, and that piece itself, are not counted: preparations take as long as they take.
    Half of the pace is that of all pieces, half that of the last ones. A piece that is overdue makes the rest slower,
    too, and never seems to be nearly done for long.
    """

    def __init__(self, total: int, clock: Callable[[], float]) -> None:
        self.total, self.clock = total, clock
        self.done = 0
        self.piece = 0
        self.last = clock()
        self.first: tuple[float, int] | None = None
        self.recent: float | None = None

    def advance(self, count: int) -> None:
        """Take note that a piece of this size was just done."""
        now = self.clock()
        self.done += count
        if self.first is None:
            self.first = now, self.done
        elif count > 0:
            pace = (now - self.last) / count
            share = count / (count + MEMORY * self.done)
            self.recent = pace if self.recent is None else self.recent + share * (pace - self.recent)
        self.last, self.piece = now, max(count, 1)

    def seconds(self) -> float | None:
        """Return about how many seconds are left, None where too little is done to tell."""
        if self.first is None or self.recent is None:
            return None
        left = max(self.total - self.done, 0)
        if not left:
            return 0.0
        begun, before = self.first
        waited = max(self.clock() - self.last, 0.0)
        pace = (self.recent + (self.last - begun) / (self.done - before)) / 2
        piece = min(self.piece, left)
        expected = piece * pace
        if waited > expected:
            pace = max(pace, (self.last + waited - begun) / (self.done - before + piece))
        return max(expected - waited, waited / OVERDUE) + (left - piece) * pace


def in_words(seconds: float) -> str:
    """Return a number of seconds no more exactly than it is known.

    >>> [in_words(seconds) for seconds in (0.2, 7.6, 43, 200, 9000)]
    ['1 s', '8 s', '45 s', '3 min', '2.5 h']
    """
    if seconds < 9.5:
        return f"{max(round(seconds), 1)} s"
    if seconds < 57.5:
        return f"{5 * round(seconds / 5)} s"
    if seconds < 3570:
        return f"{max(round(seconds / 60), 1)} min"
    return f"{seconds / 3600:.1f} h"
