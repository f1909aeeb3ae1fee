"""What commands write to stderr: sentences, in lines as wide as the terminal; a line each where it is none.

Whoever searches a log for a message, or an editor for ``FILE.py:12:``, finds it in one line.
"""

from __future__ import annotations

import shutil
import sys
from typing import TextIO

from fastcheck.legible import legible, wrapped

INDENT = "  "

NARROWEST = 40
"""Columns below which nothing is laid out."""


def write(message: str) -> None:
    """Write a message, which begins with the name of the program."""
    if sys.stderr is not None:
        print(fitted(f"fastcheck: {message}", sys.stderr), file=sys.stderr, flush=True)


def fitted(text: str, stream: TextIO) -> str:
    """Return text in lines that fit into a terminal; in one line if the stream is none."""
    if not stream.isatty():
        return legible(text)
    return wrapped(text, max(NARROWEST, shutil.get_terminal_size().columns - 1), INDENT)


def is_terminal() -> bool:
    """Tell whether stderr is a terminal, where the line of progress is shown."""
    return sys.stderr is not None and sys.stderr.isatty()
