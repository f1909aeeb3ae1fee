"""What happens in a check, told to those who listen: a log, say. Where nobody does, telling costs nothing.

Only the thread that checks tells anything: workers, which are other threads and processes, have no listeners.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Protocol

from fastcheck.undoing import Undoable


class Listener(Protocol):
    """Whoever wants to know what happens."""

    def hear(self, kind: str, fields: dict[str, Any]) -> None:
        """Take note of an event and what is known of it; raises nothing but KeyboardInterrupt."""
        ...


_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("fastcheck_listeners", default=())


def tell(kind: str, **fields: Any) -> None:
    """Tell all who listen of an event, such as ``tell("fault", coordinates=["W1[3, 0]"], reason="…")``."""
    for listener in _listeners.get():
        listener.hear(kind, fields)


def is_anybody_listening() -> bool:
    """Tell whether there is somebody for whom events need be put into words."""
    return bool(_listeners.get())


class listening(Undoable):  # noqa: N801 — to its callers it is a function
    """Have somebody listen besides those who do."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.before: tuple[Listener, ...] | None = None

    def do(self) -> None:
        """Let it hear what happens from now on."""
        self.before = _listeners.get()
        _listeners.set((*self.before, self.listener))

    def undo(self) -> None:
        """Let it hear no more."""
        if self.before is not None:
            _listeners.set(self.before)
            self.before = None


class unheard(Undoable):  # noqa: N801 — likewise
    """Let nobody hear what happens: a part of a check that is a check by itself, say."""

    before: tuple[Listener, ...] | None = None

    def do(self) -> None:
        """Let nobody listen."""
        self.before = _listeners.get()
        _listeners.set(())

    def undo(self) -> None:
        """Let those listen who did before."""
        if self.before is not None:
            _listeners.set(self.before)
            self.before = None
