"""Exit statuses of commands: what a shell or a CI job learns of a run."""

from __future__ import annotations

from collections.abc import Iterable

RIGHT = 0
"""All that was checked is right; other commands did what they were asked for."""

WRONG = 1
"""A gradient is wrong."""

INCONCLUSIVE = 2
"""Whether a gradient is right could not be told, and none is wrong."""

ILL_POSED = 3
"""Something could not be checked, or there was nothing to check; other commands could not run."""

USAGE = 64
"""The command line itself is wrong: 64 is what sysexits.h calls a usage error, as 2 has a meaning here."""

INTERNAL = 70
"""fastcheck itself failed: that of an internal error in sysexits.h."""

INTERRUPTED = 130
"""Ctrl-C: 128 and the number of the signal SIGINT, as shells have it."""

TERMINATED = 143
"""SIGTERM, likewise: of a batch system, say."""

OF_VERDICT = {"pass": RIGHT, "fail": WRONG, "inconclusive": INCONCLUSIVE}
"""The status of each verdict, by its name: commands that check nothing load no NumPy."""

WORST_FIRST = (TERMINATED, INTERRUPTED, WRONG, ILL_POSED, INCONCLUSIVE, RIGHT)
"""Of several problems the first of these that occurs is the status of the whole."""


def of_interruption(error: KeyboardInterrupt) -> int:
    """Return the status of a command that this ended: what raised it for SIGTERM says so in its arguments."""
    return TERMINATED if error.args == ("SIGTERM",) else INTERRUPTED


def worst(statuses: Iterable[int]) -> int:
    """Return the status of a run from those of its problems; without any there was nothing to check.

    >>> worst([0, 2, 1, 3]), worst([0, 0]), worst([])
    (1, 0, 3)
    """
    seen = set(statuses)
    return next((status for status in WORST_FIRST if status in seen), ILL_POSED)
