"""Where progress is shown: in a line of a terminal, or below a cell of a notebook."""

from __future__ import annotations

import contextlib
import html
import shutil
import sys
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from fastcheck.legible import legible, wrapped

WIDTH_OF_NOTEBOOKS = 100
"""Characters that fit into a line below a cell."""


class Display(Protocol):
    """Shows one line, another one in its place, and nothing at last."""

    @property
    def width(self) -> int:
        """The characters that a line may have."""
        ...

    def show(self, line: str) -> None:
        """Show a line in place of the one before."""

    def keep(self, text: str) -> None:
        """Show a text that stays."""

    def clear(self) -> None:
        """Leave the place as it was."""


class TerminalLine:
    """The last line of a terminal.

    It is written by a thread of its own, in which nothing may be imported that draws random numbers, as rich does. It
    does not hide the cursor either: there is nothing to be put back after Ctrl-C but the line.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.shown = 0

    @property
    def width(self) -> int:
        """All columns but the last, at which some terminals begin a new line."""
        return shutil.get_terminal_size().columns - 1

    def show(self, line: str) -> None:
        """Write the line over the one before, cut to the width of the terminal."""
        text = legible(line)[: self.width]
        self._write(f"\r{text}{' ' * (self.shown - len(text))}")
        self.shown = len(text)

    def keep(self, text: str) -> None:
        """Write the text in lines of its own, above the one that is written over."""
        self.clear()
        self._write(wrapped(text, self.width) + "\n")

    def clear(self) -> None:
        """Write spaces over the line, and go back to its beginning."""
        if self.shown:
            self._write(f"\r{' ' * self.shown}\r")
        self.shown = 0

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a stream that was closed meanwhile
            self.stream.write(text)
            self.stream.flush()


class NotebookLine:
    """A line below the cell of a notebook that runs; no widgets are needed."""

    width = WIDTH_OF_NOTEBOOKS

    def __init__(self, ipython: Any) -> None:
        self.ipython = ipython
        self.handle: Any = None

    def show(self, line: str) -> None:
        """Show the line, or put it in the place of the one before."""
        text = legible(line)
        shown = {"text/plain": text, "text/html": f"<pre>{html.escape(text)}</pre>"}
        if self.handle is None:
            self.handle = self.ipython.display.display(shown, raw=True, display_id=True)
        else:
            self.handle.update(shown, raw=True)

    def keep(self, text: str) -> None:
        """Show the text in a place of its own."""
        lines = wrapped(text, self.width)
        shown = {"text/plain": lines, "text/html": f"<pre>{html.escape(lines)}</pre>"}
        self.ipython.display.display(shown, raw=True)

    def clear(self) -> None:
        """Show nothing there."""
        if self.handle is not None:
            self.handle.update({"text/plain": "", "text/html": ""}, raw=True)


def display_for(wanted: bool | None) -> Callable[[], Display] | None:
    """Return what makes the display, None if there is none: by default in notebooks, and where stderr is a terminal."""
    if wanted is False:
        return None
    ipython = running_notebook()
    if ipython is not None:
        return lambda: NotebookLine(ipython)
    stream = sys.stderr
    is_terminal = stream is not None and stream.isatty()
    return (lambda: TerminalLine(stream)) if (wanted or is_terminal) and stream is not None else None


def running_notebook() -> Any:
    """Return the module IPython if it is loaded, and the kernel of a notebook runs; else None."""
    ipython = sys.modules.get("IPython")
    shell = getattr(ipython, "get_ipython", lambda: None)()
    has_kernel = getattr(shell, "kernel", None) is not None
    return ipython if has_kernel and hasattr(ipython, "display") else None
