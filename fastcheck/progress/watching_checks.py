"""A check that is watched: what it is doing is shown once it takes longer than a second.

The check says where it is (`entering`, `tracked`), and a thread shows it, so that long steps in which nothing is said
are seen, too. Functions of any room may say where they are: without somebody who watches that costs nothing.
"""

from __future__ import annotations

import _thread
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from fastcheck.progress.displays import Display, display_for
from fastcheck.progress.remaining_time import RemainingTime, in_words
from fastcheck.undoing import Undoable

SHOWN_AFTER = 1.0
"""Seconds after which progress is shown."""

RENEWED_AFTER = 0.2
"""Seconds after which it is shown anew."""

THREAD_NAME = "fastcheck progress"
"""Name of the thread that shows progress."""


class Watched:
    """Where a check is: its phase, how much of that is done, and since when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.phase, self.since = "calling the cost", clock()
        self.remaining: RemainingTime | None = None

    def enter(self, phase: str) -> None:
        """Begin with another phase."""
        self.phase, self.since, self.remaining = phase, self.clock(), None

    def track(self, total: int) -> None:
        """Begin to count coordinates, of so many."""
        self.remaining = RemainingTime(total, self.clock)

    def advance(self, count: int) -> None:
        """Count coordinates that were just done."""
        if self.remaining is not None:
            self.remaining.advance(count)

    def line(self) -> str:
        """Return what is shown now."""
        remaining = self.remaining
        since = f"{in_words(self.clock() - self.since)} so far"
        if remaining is None:
            return f"{self.phase}, {since}"
        seconds = remaining.seconds()
        left = since if seconds is None else f"about {in_words(seconds)} left"
        return f"{self.phase}: {remaining.done:,} of {remaining.total:,} coordinates, {left}"


_watched: ContextVar[Watched | None] = ContextVar("fastcheck_watched", default=None)


def entering(phase: str) -> None:
    """Say what the check does next, such as ``"recording the cost"``."""
    if (watched := _watched.get()) is not None:
        watched.enter(phase)


class watching(Undoable):  # noqa: N801 — to its callers it is a function
    """Show what a check does, if that is wanted, and if no check around it is shown already."""

    def __init__(self, wanted: bool | None) -> None:
        self.wanted = wanted
        self.token: Any = None
        self.running = threading.Lock()
        self.done = threading.Event()
        self.thread: threading.Thread | None = None

    def do(self) -> None:
        """Have what is done shown from a second on."""
        make = None if _watched.get() is not None else display_for(self.wanted)
        if make is None:
            return
        watched = Watched()
        self.token = _watched.set(watched)
        self.running.acquire()
        with contextlib.suppress(RuntimeError):  # there can be no more threads, or none at all
            _thread.start_new_thread(self._show_later, (watched, make))

    def undo(self) -> None:
        """Stop it; what it showed is gone afterwards."""
        self.done.set()
        if self.running.locked():
            self.running.release()
        if self.token is not None:
            _watched.reset(self.token)
            self.token = None
        if self.thread is not None:
            if self.thread.ident is not None:  # else it will see that all is done, and show nothing
                self.thread.join()
            self.thread = None

    def _show_later(self, watched: Watched, make: Callable[[], Display]) -> None:
        """Start the thread that shows progress, unless all is done within a second.

        This waits in a thread without a name, for whose start and end nobody waits: in a check of 4 ms that costs
        0.1 ms, and a `threading.Thread` with its event 0.3 ms.
        """
        if self.running.acquire(timeout=SHOWN_AFTER):
            return
        self.thread = threading.Thread(
            target=_show, args=(watched, make, self.done), name=THREAD_NAME, daemon=True
        )
        if not self.done.is_set():
            self.thread.start()


def _show(watched: Watched, make: Callable[[], Display], done: threading.Event) -> None:
    """Show progress until all is done."""
    if done.is_set():
        return
    display = make()
    while True:
        with contextlib.suppress(Exception):  # what cannot be shown does not end a check
            display.show(watched.line())
        if done.wait(RENEWED_AFTER):
            break
    with contextlib.suppress(Exception):
        display.clear()


@contextlib.contextmanager
def tracked(total: int) -> Iterator[Callable[[int], None]]:
    """Yield what is told of coordinates that were just done, of so many."""
    watched = _watched.get()
    if watched is None:
        yield _ignore
        return
    around = watched.remaining
    watched.track(total)
    try:
        yield watched.advance
    finally:
        watched.remaining = around


def _ignore(_: int) -> None:
    """Do nothing."""


def python_threads() -> int:
    """Return the number of Python threads, without those that show progress: these draw no random numbers."""
    showing = sum(thread.name == THREAD_NAME for thread in threading.enumerate())
    return threading.active_count() - showing
