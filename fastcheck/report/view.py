"""How much of a report is shown, and in how many columns."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH = 80
"""Columns of a report, unless the terminal is known to have others."""

NARROWEST, WIDEST = 60, 120
"""Columns below which nothing is laid out, and above which lines are hard to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """``verbose`` shows all that is known, in ``width`` columns."""

    verbose: bool = False
    width: int = WIDTH


def usable(width: int) -> int:
    """Return the columns to lay out in, of those that there are."""
    return min(max(width, NARROWEST), WIDEST)
