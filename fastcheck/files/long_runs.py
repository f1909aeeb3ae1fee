"""A word, on a terminal, about what takes longer than a second and says nothing itself."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

from fastcheck.legible import legible
from fastcheck.progress.watching_checks import SHOWN_AFTER, THREAD_NAME


@contextlib.contextmanager
def said_if_long(text: str) -> Iterator[None]:
    """Write a line to stderr, if it is a terminal, once what runs meanwhile has taken longer than a second."""
    stream = sys.stderr
    if stream is None or not stream.isatty():
        yield
        return
    timer = threading.Timer(SHOWN_AFTER, lambda: print(legible(text), file=stream, flush=True))
    timer.name, timer.daemon = THREAD_NAME, True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
