"""Evaluations in workers that crash, or take longer than they may: a process that does is ended, whatever it hangs in.

The watch is Python's `faulthandler`, a thread in C: it needs no lock of Python's, which code that hangs may hold. It
says where each thread is, and ends the process; whoever waits for that finds what it said.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

TOLD_WITHIN = 2.0
"""Seconds in which somebody is told of an evaluation that takes too long, before the process ends in any case."""

LOOKED = 0.5
"""Seconds between two looks at whether an evaluation takes too long."""

GRACE = 5.0
"""Seconds after which a process that did not end itself is ended."""

BEGINS_WITHIN = 600.0
"""Seconds that opening the work may take, as where large arrays are read."""

SAID = re.compile(r"^Timeout \(", re.MULTILINE)
"""How the watch begins what it says."""

CRASHED = re.compile(r"^(?:Fatal Python error|Windows fatal exception): ", re.MULTILINE)
"""How Python begins what it says of a process that crashes."""

ASKED_FOR = "PYTHONFAULTHANDLER"
"""Variable of the environment by which users ask for all that Python says of a crash, on stderr."""

EVALUATES = " in done_by_worker"
"""Function of ours in the stack of a thread that evaluates."""

LIBRARY = re.compile(r"[\\/](?:site|dist)-packages[\\/]|[\\/]lib[\\/]python[\d.]+[\\/]")
"""Files that are not the user's."""

FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)$', re.MULTILINE)


class _Watch:
    """The seconds that an evaluation may take in this process, and when those that run now must be done, by thread.

    ``tellers`` tell somebody, by thread, who else would not know why the process ended: a thread of Python's asks them
    to, if it gets to run.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seconds: float | None = None
        self.said_to: TextIO | None = None
        self.ends: dict[int, float] = {}
        self.tellers: dict[int, Callable[[str], None]] = {}
        self.watches = False

    def arm(self) -> None:
        """Watch for the first that must be done; there is one watch in a process, whatever its threads."""
        if not self.ends:
            faulthandler.cancel_dump_traceback_later()
            return
        left = max(min(self.ends.values()) - time.monotonic(), 1e-3)
        left += TOLD_WITHIN if self.tellers else 0.0
        faulthandler.dump_traceback_later(left, exit=True, file=self.said_to or sys.stderr)

    def tell(self) -> None:
        """Tell of evaluations that take too long, as long as anybody wants to be told, and end the process."""
        while True:
            with self.lock:
                self.watches = bool(self.tellers)
                if not self.watches:
                    return
                now = time.monotonic()
                late = [thread for thread, end in self.ends.items() if end < now and thread in self.tellers]
                next_end = min(self.ends.values(), default=now + LOOKED)
            for thread in late:
                self.tellers[thread](_place_of(thread))
            if late:
                time.sleep(TOLD_WITHIN / 2)
                os._exit(1)
            time.sleep(min(max(next_end - now, 1e-3), LOOKED))


_watch = _Watch()


@contextlib.contextmanager
def limiting(
    seconds: float | None, said_to: TextIO | None, tell: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Limit every evaluation within the block, in this process, which ends where one takes longer.

    The watch writes to ``said_to``, and ``tell`` is told before that where the evaluation is.
    """
    if seconds is None:
        yield
        return
    _watch.seconds, _watch.said_to = seconds, said_to
    thread = threading.get_ident()
    if tell is not None:
        with _watch.lock:
            _watch.tellers[thread] = tell
            starts, _watch.watches = not _watch.watches, True
        if starts:
            threading.Thread(target=_watch.tell, daemon=True, name="fastcheck watch").start()
    try:
        yield
    finally:
        with _watch.lock:
            _watch.tellers.pop(thread, None)
            if not _watch.ends:
                _watch.seconds = _watch.said_to = None


def _place_of(thread: int) -> str:
    """Return where the user's code is in a thread."""
    stack = traceback.extract_stack(sys._current_frames()[thread])
    return _place([(frame.filename, frame.lineno, frame.name) for frame in reversed(stack)])


def _place(frames: Sequence[tuple[str, int | str | None, str]]) -> str:
    """Return the first of the frames, the innermost first, that is the user's: file, line and function."""
    of_the_user = [frame for frame in frames if not LIBRARY.search(frame[0])]
    for file, line, function in [*of_the_user, *frames][:1]:
        return f"{file}, line {line} in {function}"
    return "a place that is not known"


def is_limited() -> bool:
    """Tell whether evaluations in this process have a limit."""
    return _watch.seconds is not None


@contextlib.contextmanager
def limited(evaluations: int = 1) -> Iterator[None]:
    """Evaluate, so many times at once, within the limit of this process, if it has one."""
    seconds = _watch.seconds
    if seconds is None:
        yield
        return
    thread = threading.get_ident()
    with _watch.lock:
        _watch.ends[thread] = time.monotonic() + seconds * evaluations
        _watch.arm()
    _set_deadline(_watch.said_to, seconds * evaluations)
    try:
        yield
    finally:
        with _watch.lock:
            del _watch.ends[thread]
            _watch.arm()


def _set_deadline(said_to: TextIO | None, seconds: float) -> None:
    """Have who looks at the file see when an evaluation must be done: the time at which it "was changed"."""
    if said_to is not None and os.utime in os.supports_fd:
        with contextlib.suppress(OSError):
            os.utime(said_to.fileno(), (time.time(), time.time() + seconds))


def begin_file(said_to: TextIO) -> None:
    """Prepare the file of a process, which may take its time until the first evaluation."""
    _set_deadline(said_to, BEGINS_WITHIN)


def is_overdue(path: Path) -> bool:
    """Tell whether the evaluation that a process is at should have been ended by its own watch long ago."""
    try:
        return path.stat().st_mtime + GRACE < time.time()
    except OSError:
        return False


def where_it_hung(said: str) -> str | None:
    """Return where the user's code was when the watch ended the process, None if it did not.

    >>> where_it_hung('''Timeout (0:00:02)!
    ... Thread 0x00007f (most recent call first):
    ...   File "/usr/lib/python3.11/threading.py", line 320 in wait
    ... Thread 0x00007e (most recent call first):
    ...   File "/home/me/net.py", line 12 in forward
    ...   File "/home/me/fastcheck/workers/tasks.py", line 50 in done_by_worker
    ... ''')
    '/home/me/net.py, line 12 in forward'
    >>> where_it_hung("") is None
    True
    """
    if not SAID.search(said):
        return None
    return _place_in(said)


def where_it_crashed(said: str) -> str | None:
    """Return where the user's code was when the process crashed, None if it ended otherwise, or said nothing.

    >>> where_it_crashed('''Fatal Python error: Segmentation fault
    ...
    ... Current thread 0x00007f (most recent call first):
    ...   File "/usr/lib/python3.11/ctypes/__init__.py", line 519 in string_at
    ...   File "/home/me/net.py", line 12 in forward
    ...   File "/home/me/fastcheck/workers/tasks.py", line 50 in done_by_worker
    ... ''')
    '/home/me/net.py, line 12 in forward'
    """
    return _place_in(said) if CRASHED.search(said) else None


@contextlib.contextmanager
def crashes_told(said_to: TextIO) -> Iterator[None]:
    """Have Python say in a file, and not on stderr, where this process is if it crashes within the block."""
    if os.environ.get(ASKED_FOR):
        yield
        return
    faulthandler.enable(file=said_to)
    try:
        yield
    finally:
        faulthandler.disable()  # or it would write to whatever gets the number of the file


def _place_in(said: str) -> str:
    """Return where the user's code is in the stack of the thread that evaluates, of all that were written down."""
    stacks = re.split(r"^(?:Current thread|Thread) .*$", said, flags=re.MULTILINE)
    stack = next((stack for stack in stacks if EVALUATES in stack), said)
    return _place([(frame["file"], frame["line"], frame["function"]) for frame in FRAME.finditer(stack)])
