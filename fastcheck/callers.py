"""The line of the user's that called into this package, which warnings name."""

from __future__ import annotations

import sys

PACKAGE = __name__.partition(".")[0]


def level_of_caller() -> int:
    """Return the ``stacklevel`` with which our caller warns of the line that called into this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
        level, frame = level + 1, frame.f_back
    return level
