"""What is worth knowing before a check ends: that workers are not used, say, or what a checkpoint held.

Each such sentence is a note in the report, too. It is told to those who listen, and shown above the line of progress;
whoever wants to show it in another way hears it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

from fastcheck.progress.events import tell
from fastcheck.progress.watching_checks import show_above
from fastcheck.undoing import Undoable

_hearers: ContextVar[tuple[Callable[[str], None], ...]] = ContextVar("fastcheck_hearers", default=())


def say(sentence: str) -> None:
    """Tell everybody of something as soon as it is known."""
    tell("note", text=sentence)
    show_above(sentence)
    for hear in _hearers.get():
        hear(sentence)


class hearing(Undoable):  # noqa: N801 — to its callers it is a function
    """Have somebody hear, within a ``with`` block, what checks say before they end."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        self.hear = hear
        self.before: tuple[Callable[[str], None], ...] | None = None

    def do(self) -> None:
        """Let it hear what is said from now on."""
        self.before = _hearers.get()
        _hearers.set((*self.before, self.hear))

    def undo(self) -> None:
        """Let it hear no more."""
        if self.before is not None:
            _hearers.set(self.before)
            self.before = None
