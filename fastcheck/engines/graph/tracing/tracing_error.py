"""What is being recorded in this thread, and the error that ends a recording and names the user's line."""

from __future__ import annotations

import contextlib
import os
import threading
import traceback
from collections.abc import Iterator
from typing import Any, ClassVar, Self

from fastcheck.engines.graph.tracing.users_line import INTERNAL, PACKAGE, blame, is_installed
from fastcheck.errors import FastcheckError


class TracingError(FastcheckError):
    """The cost cannot be recorded; the message names the function and the line."""

    follower = "Difference propagation"
    """What stopped, in notes."""

    def __init__(self, what: str, why: str, *, run: Running | None = None, final: bool = True) -> None:
        if run is not None:
            self.follower = run.name
        self._describe(what, why, *blame())
        if final:  # the user's code may catch this error and do something else
            concerned = [run] if run is not None else _running.stack[-1:] or list(_runs)
            for each in concerned:
                each.stop(self)

    def _describe(self, what: str, why: str, filename: str, lineno: int, source: str) -> None:
        self.what, self.why = what, why
        self.filename, self.lineno, self.source = filename, lineno, source
        code = f"\n    {source}" if source else ""
        super().__init__(f"{what}: {why}\n  at {filename}:{lineno}{code}")

    @classmethod
    def from_exception(cls, error: Exception) -> TracingError:
        """Return the error that says which line of the user's code raised another one."""
        frames = traceback.extract_tb(error.__traceback__)
        outside = [frame for frame in frames if not frame.filename.startswith(INTERNAL)] or list(frames)
        # A check inside the cost: the line that calls it, unless all of the cost is this package's.
        outside = [frame for frame in outside if not frame.filename.startswith(PACKAGE)] or outside
        users = [frame for frame in outside if not is_installed(frame.filename)] or outside
        last = users[-1]
        described = cls.__new__(cls)
        described._describe(
            type(error).__name__, str(error), last.filename, last.lineno or 0, last.line or ""
        )
        return described


@contextlib.contextmanager
def naming_the_line() -> Iterator[None]:
    """Turn whatever the user's code raises on recorded arrays into a `TracingError`."""
    try:
        yield
    except TracingError:
        raise
    except Exception as error:
        raise TracingError.from_exception(error) from error


HINTS = {
    "scipy.sparse": "of sparse matrices only products with @ are followed, for the rest use matrix.toarray()",
    "scipy.stats": "write the density out, its logarithm is a short formula",
    "numpy.lib._function_base_impl.__call__": "call the function of an np.vectorize entry by entry",
    "pandas": "use arrays of NumPy",
    "sklearn": "write the function out with NumPy",
}
"""Functions, by how their full names begin → which spelling is followed."""


def hint_of(function: str) -> str:
    """Return which spelling would help where a function of a library cannot be followed."""
    return next((f": {hint}" for name, hint in HINTS.items() if function.startswith(name)), "")


class Running:
    """A run of the cost on recorded arrays, in one thread: what is inside the ``with`` block.

    ``stopped`` is the first error that ended it, though the user's code may have caught that; ``escapes`` are numbers
    that left the arrays. ``over`` tells arrays that outlive it.
    """

    name: ClassVar[str]
    """What the run is part of, in notes."""

    escapes: list[Any]
    stopped: Exception | None
    over: bool

    __slots__ = ("escapes", "over", "stopped")

    def __init__(self) -> None:
        self.escapes, self.stopped, self.over = [], None, False

    def stop(self, error: Exception) -> None:
        """Note the first error, which ends the run whatever becomes of it."""
        if self.stopped is None:
            self.stopped = error

    def __enter__(self) -> Self:
        """Make this the one that runs in this thread."""
        _running.stack.append(self)
        _runs.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        self.escapes.clear()
        _runs.discard(self)
        if self in _running.stack:
            _running.stack.remove(self)


class _Running(threading.local):
    def __init__(self) -> None:
        self.stack: list[Running] = []


_running = _Running()

_runs: set[Running] = set()
"""Those in any thread: an error in a thread of the cost's own may concern each of them."""


def current_run() -> Running | None:
    """Return what runs in this thread, if anything does."""
    return _running.stack[-1] if _running.stack else None


def runs_in_thread() -> int:
    """Return how many runs there are in this thread, one inside the other."""
    return len(_running.stack)


def end_runs(count: int) -> None:
    """End all runs of this thread but so many, the outer ones: one may have been interrupted."""
    for run in _running.stack[count:]:
        run.__exit__()


def _before_fork() -> None:
    """End a run in which a process is forked: what the other process computes cannot be followed."""
    if _running.stack:
        TracingError("fork", "what another process computes cannot be followed.")


def _in_a_child() -> None:
    """Let the runs of the parent, in all of its threads, be over in a process that was forked."""
    end_runs(0)
    _runs.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_in_a_child)
