"""Warnings of ours, written as the messages of the command that they are."""

from __future__ import annotations

import warnings
from typing import Any, TextIO

from fastcheck.cli.standard_error import write
from fastcheck.errors import CheckpointWarning, LogWarning
from fastcheck.undoing import Undoable

OURS = (CheckpointWarning, LogWarning)
"""Warnings that are sentences for whoever ran the command: a line of the source says nothing."""


class warnings_written(Undoable):  # noqa: N801 — to its callers it is a function
    """Write warnings of ours as messages within a ``with`` block; others are shown as before."""

    before: Any = None
    kept: warnings.catch_warnings[None] | None = None

    def do(self) -> None:
        """Show them so, whatever filters say of warnings."""
        self.kept = warnings.catch_warnings()
        self.kept.__enter__()
        self.before, warnings.showwarning = warnings.showwarning, self._show
        for category in OURS:
            warnings.simplefilter("default", category)

    def undo(self) -> None:
        """Show them as before."""
        kept, self.kept = self.kept, None
        if kept is not None:
            kept.__exit__(None, None, None)

    def _show(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, OURS):
            write(str(message))
        else:
            self.before(message, category, filename, lineno, file, line)
