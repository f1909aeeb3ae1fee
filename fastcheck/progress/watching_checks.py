"""A check that is watched: what it is doing is shown once it takes longer than a second.

The check says where it is (`entering`, `tracked`), and a thread shows it, so that long steps in which nothing is said
are seen, too. Functions of any room may say where they are: without somebody who watches that costs nothing.
"""

from __future__ import annotations

import _thread
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from fastcheck.progress.differing import Differing
from fastcheck.progress.displays import Display, display_for
from fastcheck.progress.events import is_anybody_listening, tell
from fastcheck.progress.live_line import Moment, live_line
from fastcheck.progress.remaining_time import RemainingTime
from fastcheck.undoing import Undoable

SHOWN_AFTER = 1.0
"""Seconds after which progress is shown."""

RENEWED_AFTER = 0.2
"""Seconds after which it is shown anew."""

TOLD_AFTER = 1.0
"""Seconds after which those who listen are told anew how far it is."""

THREAD_NAME = "fastcheck progress"
"""Name of the thread that shows progress."""


class Watched:
    """Where a check is: its phase, how much of that is done, and since when; what claims differ, as far as compared.

    ``sentences`` are those that are to stay when the line of progress is gone.

    Those who listen to `events` are told of phases, and of progress not more often than once in `TOLD_AFTER` seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.begun = clock()
        self.phase, self.since = "calling the cost", self.begun
        self.remaining: RemainingTime | None = None
        self.differing: Differing | None = None
        self.told, self.told_done = self.begun, 0
        self.sentences: deque[str] = deque()

    def enter(self, phase: str) -> None:
        """Begin with another phase."""
        is_new = phase != self.phase
        self.phase, self.since = phase, self.clock()
        if is_new:
            tell("phase", phase=phase, seconds=self._seconds())

    def track(self, remaining: RemainingTime | None) -> None:
        """Count coordinates, of so many; None is to count none any more."""
        self.remaining, self.told_done = remaining, 0

    def advance(self, count: int) -> None:
        """Count coordinates that were just done."""
        remaining = self.remaining
        if remaining is None:
            return
        remaining.advance(count)
        if self.clock() - self.told >= TOLD_AFTER:
            self.tell_progress()

    def tell_progress(self) -> None:
        """Tell those who listen how far it is, unless they know."""
        remaining = self.remaining
        if remaining is None or remaining.done == self.told_done:
            return
        self.told, self.told_done = self.clock(), remaining.done
        if is_anybody_listening():
            tell(
                "progress",
                phase=self.phase,
                done=remaining.done,
                total=remaining.total,
                **_of_claims(self.differing),
                seconds=self._seconds(),
                left=_rounded(remaining.seconds()),
            )

    def line(self, width: int) -> str:
        """Return what is shown now, in so many characters."""
        remaining, seconds = self.remaining, self.clock() - self.since
        if remaining is None:
            return live_line(Moment(phase=self.phase, seconds=seconds), width)
        moment = Moment(
            phase=self.phase,
            seconds=seconds,
            done=remaining.done,
            total=remaining.total,
            left=remaining.seconds(),
            differing=self.differing,
        )
        return live_line(moment, width)

    def _seconds(self) -> float | None:
        return _rounded(self.clock() - self.begun)


def _of_claims(differing: Differing | None) -> dict[str, Any]:
    """Return what the log says of claims that were compared, nothing if none were."""
    if differing is None or not differing.number_compared:
        return {}
    worst = differing.worst
    if worst is None:
        return {"differ": 0, "worst": None}
    of_worst = {"coordinate": worst.name, "claimed": worst.claimed, "slope": worst.slope}
    return {"differ": worst.number, "worst": of_worst}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


_watched: ContextVar[Watched | None] = ContextVar("fastcheck_watched", default=None)


def entering(phase: str) -> None:
    """Say what the check does next, such as ``"recording the cost"``."""
    if (watched := _watched.get()) is not None:
        watched.enter(phase)


def show_above(sentence: str) -> None:
    """Have a sentence stay on the display, if the check takes long enough for one."""
    if (watched := _watched.get()) is not None:
        watched.sentences.append(sentence)


class watching(Undoable):  # noqa: N801 — to its callers it is a function
    """Show what a check does, if that is wanted, and tell those who listen; but not of a check inside of a check."""

    def __init__(self, wanted: bool | None) -> None:
        self.wanted = wanted
        self.watches = False
        self.running = _thread.allocate_lock()
        self.done: threading.Event | None = None
        self.thread: threading.Thread | None = None

    def do(self) -> None:
        """Have what is done shown from a second on."""
        if _watched.get() is not None:
            return
        make = display_for(self.wanted)
        if make is None and not is_anybody_listening():
            return
        watched = Watched()
        self.watches = True
        _watched.set(watched)
        if make is None:
            return
        self.running.acquire()
        self.done = threading.Event()
        with contextlib.suppress(RuntimeError):  # there can be no more threads, or none at all
            _thread.start_new_thread(self._show_later, (watched, make, self.done))

    def undo(self) -> None:
        """Stop it; what it showed is gone afterwards."""
        if self.done is not None:
            self.done.set()
        if self.running.locked():
            self.running.release()
        if self.watches:
            _watched.set(None)
            self.watches = False
        if self.thread is not None:
            if self.thread.ident is not None:  # else it will see that all is done, and show nothing
                self.thread.join()
            self.thread = None

    def _show_later(self, watched: Watched, make: Callable[[], Display], done: threading.Event) -> None:
        """Start the thread that shows progress, unless all is done within a second.

        This waits in a thread without a name, for whose start and end nobody waits: in a check of 4 ms that costs
        0.1 ms, and a `threading.Thread` with its event 0.3 ms.
        """
        if self.running.acquire(timeout=SHOWN_AFTER):
            return
        self.thread = threading.Thread(
            target=_show, args=(watched, make, done), name=THREAD_NAME, daemon=True
        )
        if not done.is_set():
            self.thread.start()


def _show(watched: Watched, make: Callable[[], Display], done: threading.Event) -> None:
    """Show progress until all is done."""
    if done.is_set():
        return
    display = make()
    while True:
        with contextlib.suppress(Exception):  # what cannot be shown does not end a check
            while watched.sentences:
                display.keep(f"fastcheck: {watched.sentences.popleft()}")
            display.show(watched.line(display.width))
        if done.wait(RENEWED_AFTER):
            break
    with contextlib.suppress(Exception):
        display.clear()


@contextlib.contextmanager
def tracked(total: int) -> Iterator[Callable[[int], None]]:
    """Yield what is told of coordinates that were just done, of so many; within another one nobody is told of parts."""
    watched = _watched.get()
    if watched is None or watched.remaining is not None:
        yield _ignore
        return
    watched.track(RemainingTime(total, watched.clock))
    try:
        yield watched.advance
    finally:
        watched.tell_progress()
        watched.track(None)


@contextlib.contextmanager
def comparing(name_of: Callable[[int], str]) -> Iterator[Differing | None]:
    """Yield what is told of claims that were compared with slopes, None where nobody wants to know.

    ``name_of`` returns the name of a coordinate. Within another one that one is yielded: the counts go on.
    """
    watched = _watched.get()
    if watched is None or watched.differing is not None:
        yield None if watched is None else watched.differing
        return
    watched.differing = Differing(name_of)
    try:
        yield watched.differing
    finally:
        watched.differing = None


def _ignore(_: int) -> None:
    """Do nothing."""


def python_threads() -> int:
    """Return the number of Python threads, without those that show progress: these draw no random numbers."""
    showing = sum(thread.name == THREAD_NAME for thread in threading.enumerate())
    return threading.active_count() - showing
