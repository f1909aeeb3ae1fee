"""What ends a check early: Ctrl-C, and SIGTERM, which acts as Ctrl-C does for the time of a ``with`` block.

Both raise KeyboardInterrupt, the default of Ctrl-C. Whoever asked for `keeping_interruptions` gets a report of what is
known instead; otherwise it passes through. What is known then must not be lost on its way into the report: between
evaluations the first interruption waits (`interruptions_wait`) until the next of them begins, if there is one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from contextvars import ContextVar
from types import FrameType
from typing import Any, Self

from fastcheck.undoing import Undoable

CTRL_C, SIGTERM = "Ctrl-C", "SIGTERM"

ENDED_BY_DEFAULT: dict[signal.Signals, tuple[str, Any]] = {
    signal.SIGTERM: (SIGTERM, signal.SIG_DFL),
    signal.SIGINT: (CTRL_C, signal.default_int_handler),
}
"""Each signal's name for users, and what handles it where nobody has decided otherwise."""

_keeping: ContextVar[keeping_interruptions | None] = ContextVar(
    "fastcheck_keeping_interruptions", default=None
)


def reason_of(error: BaseException) -> str:
    """Return why a check ended that this KeyboardInterrupt ended.

    >>> reason_of(KeyboardInterrupt()), reason_of(KeyboardInterrupt(SIGTERM))
    ('it was interrupted', 'it was interrupted by SIGTERM')
    """
    return "it was interrupted by SIGTERM" if error.args == (SIGTERM,) else "it was interrupted"


def interruptions_are_kept() -> bool:
    """Tell whether somebody asked for reports in the place of KeyboardInterrupt."""
    return _keeping.get() is not None


def times_interrupted() -> int:
    """Return how many signals came since reports in the place of KeyboardInterrupt were asked for, if they were."""
    keeping = _keeping.get()
    return 0 if keeping is None or keeping.signals is None else len(keeping.signals.came)


def expect_no_interruption() -> None:
    """Raise KeyboardInterrupt if a run of several checks was interrupted already: no other check begins."""
    keeping = _keeping.get()
    if keeping is not None and keeping.signals is not None and keeping.signals.came:
        raise KeyboardInterrupt(keeping.signals.came[0])


def interruption_of(reason: str | None) -> KeyboardInterrupt | None:
    """Return the interruption that a check ended for this reason by, None if it ended otherwise.

    >>> interruption_of("it was interrupted by SIGTERM"), interruption_of("the budget was used up")
    (KeyboardInterrupt('SIGTERM'), None)
    """
    return next(
        (one for one in (KeyboardInterrupt(), KeyboardInterrupt(SIGTERM)) if reason_of(one) == reason), None
    )


class keeping_interruptions(Undoable):  # noqa: N801 — to its callers it is a function
    """Have checks that are interrupted end with a report of what is known, whatever their options.

    Once one of the ``signals`` came, if these are given, no other check begins.
    """

    def __init__(self, signals: interruptible | None = None) -> None:
        self.signals = signals
        self.before: keeping_interruptions | None = None
        self.done = False

    def do(self) -> None:
        """Ask for it."""
        self.before, self.done = _keeping.get(), True
        _keeping.set(self)

    def undo(self) -> None:
        """Ask no more."""
        if self.done:
            _keeping.set(self.before)
            self.done = False


class interruptions_wait(Undoable):  # noqa: N801 — likewise
    """Have the first signal that comes wait, from `begin` on: it is raised where `interruptions_raised` begins next.

    Only signals that are `interruptible`. ``came`` is one that still waits, None if there is none. The second signal is
    raised at once.
    """

    def __init__(self) -> None:
        self.waits = self.done = False
        self.came: str | None = None
        self.before: interruptions_wait | None = None

    def do(self) -> None:
        """Let them come as before until `begin`."""
        self.before, self.done = _waiting.get(), True
        _waiting.set(self)

    def begin(self) -> Self:
        """Have the first one wait from now on."""
        self.waits = True
        return self

    def undo(self) -> None:
        """Let them come as before."""
        if self.done:
            _waiting.set(self.before)
            self.done = False


class interruptions_raised(Undoable):  # noqa: N801 — likewise
    """Have signals raise KeyboardInterrupt within the block after all, first of all one that has been waiting."""

    def __init__(self) -> None:
        self.waiting = _waiting.get()
        self.before = self.waiting is not None and self.waiting.waits

    def do(self) -> None:
        """Let them come; raises one that waits."""
        if self.waiting is None:
            return
        self.waiting.waits = False
        came, self.waiting.came = self.waiting.came, None
        if came is not None:
            raise KeyboardInterrupt(came)

    def undo(self) -> None:
        """Have them wait again, if they did."""
        if self.waiting is not None:
            self.waiting.waits = self.before


_waiting: ContextVar[interruptions_wait | None] = ContextVar("fastcheck_waiting", default=None)


class interruptible(Undoable):  # noqa: N801 — likewise
    """Have signals raise KeyboardInterrupt, which says in ``args`` which one it was; ``came`` are those that came.

    Only in the main thread, as signals come there, and only those that nobody else handles. A process that is forked
    meanwhile gets the default back: the pool that it belongs to may end it by SIGTERM, at once.
    """

    def __init__(self, *signals: signal.Signals) -> None:
        self.signals = signals or (signal.SIGTERM,)
        self.came: list[str] = []
        self.replaced: list[signal.Signals] = []

    def do(self) -> None:
        """Handle those signals that are handled by default."""
        if threading.current_thread() is not threading.main_thread():
            return
        _installed.append(self)
        for number in self.signals:
            if signal.getsignal(number) == ENDED_BY_DEFAULT[number][1]:
                self.replaced.append(number)
                with contextlib.suppress(ValueError):  # an interpreter that is not the main one
                    signal.signal(number, self._interrupt)

    def undo(self) -> None:
        """Give them back, but for those that somebody else handles since."""
        for number in self.replaced:
            if signal.getsignal(number) == self._interrupt:
                signal.signal(number, ENDED_BY_DEFAULT[number][1])
        self.replaced.clear()
        if self in _installed:
            _installed.remove(self)

    def _interrupt(self, number: int, _: FrameType | None) -> None:
        self.came.append(ENDED_BY_DEFAULT[signal.Signals(number)][0])
        waiting = _waiting.get()
        is_first = len(self.came) == 1
        if is_first and waiting is not None and waiting.waits:
            waiting.came = self.came[0]
            return
        raise KeyboardInterrupt(self.came[-1])


_installed: list[interruptible] = []


def _in_a_child() -> None:
    for one in _installed:
        one.undo()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_child)
