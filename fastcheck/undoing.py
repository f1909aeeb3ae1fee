"""What is done for the time of a ``with`` block is undone at its end, whenever Ctrl-C comes."""

from __future__ import annotations

import random
import threading
from typing import Any, Self

import numpy as np


class Undoable:
    """A context manager that does something, and undoes it in the end.

    The smallest example that breaks without it::

        @contextlib.contextmanager
        def swapped():
            swap()
            try:
                yield
            finally:  # Ctrl-C here, or in contextlib's own __exit__: never swapped back
                swap_back()

    Ctrl-C may come at any instruction: behind ``finally``, in ``__exit__`` itself, in the library's `contextlib`. So
    there is a list of what this thread has to undo, and whoever leaves undoes all that was entered later and is still
    on it. `undo` must be right after a `do` or an `undo` that was interrupted, and where nothing is left to undo.
    """

    def do(self) -> None:
        """Do it."""

    def undo(self) -> None:
        """Undo it, if it was done."""

    def __enter__(self) -> Self:
        _entered.stack.append(self)
        try:
            self.do()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        stack = _entered.stack
        while self in stack:
            stack[-1].undo()
            stack.pop()


_locks: list[Any] = []


def interruptible_lock() -> Any:
    """Return a lock for a few statements, which an `UndoGuard` gives back if Ctrl-C came before the end of them."""
    lock = threading.RLock()
    _locks.append(lock)
    return lock


def _give_back_locks() -> None:
    for lock in _locks:
        while lock._is_owned():
            lock.release()


class UndoGuard(Undoable):
    """Undoes what is left of everything inside: one Ctrl-C can only disturb its ``__exit__`` or that of the others.

    So it does with what `np.errstate` leaves, whose exit may be interrupted, too, and with an `interruptible_lock`, for
    which other threads would wait without end.
    """

    errors: dict[str, Any] | None = None

    def do(self) -> None:
        """Take note of how NumPy treats floating-point errors."""
        _give_back_locks()
        self.errors = dict(np.geterr())

    def undo(self) -> None:
        """Let NumPy treat floating-point errors as before."""
        _give_back_locks()
        if self.errors is not None and np.geterr() != self.errors:
            np.seterr(**self.errors)


class PythonRandomKept(Undoable):
    """Python's `random` continues as if nothing had been drawn inside: the library rich draws when it is imported."""

    state: Any = None

    def do(self) -> None:
        """Take note of the state."""
        self.state = random.getstate()

    def undo(self) -> None:
        """Set it again."""
        if self.state is not None:
            random.setstate(self.state)


class _Entered(threading.local):
    def __init__(self) -> None:
        self.stack: list[Undoable] = []


_entered = _Entered()
