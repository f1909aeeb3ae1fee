"""Threads of libraries: one for each worker, so that workers × threads are no more than the cores.

BLAS has one thread in this process, too: sums are then taken in the same order everywhere.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastcheck.undoing import Undoable, interruptible_lock
from fastcheck.workers.choosing import working


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run BLAS, OpenMP, and numba and PyTorch if they are there, on one thread, in a worker."""
    # numba first: it starts its threads when it is first asked for their number, and sets that of OpenMP.
    with working(), _one_numba_thread(), one_blas_thread(), _one_torch_thread(), _one_openmp_thread():
        yield


@contextlib.contextmanager
def _one_numba_thread() -> Iterator[None]:
    """Have numba use one thread for what this thread of ours asks for."""
    numba = sys.modules.get("numba")
    if numba is None or not hasattr(numba, "set_num_threads"):
        yield
        return
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


@contextlib.contextmanager
def _one_openmp_thread() -> Iterator[None]:
    """Have OpenMP use one thread for what this thread of ours asks for; others have numbers of their own."""
    libraries = _libraries("openmp", len(sys.modules))
    before = [library.get_num_threads() for library in libraries]
    for library in libraries:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, threads in zip(libraries, before, strict=True):
            library.set_num_threads(threads)


class _OneThreadEach(Undoable):
    """Run libraries on one thread, a number that belongs to the whole process.

    What restores the number that it saw at its beginning breaks where two overlap: the first sees 8 threads, the second
    sees 1, and if the first ends before the second, the process is left with 1. So the number is what it was before
    when the last of those who asked for one thread has left, in whatever order they come and go; a number that somebody
    else has set meanwhile stays.
    """

    asked: _Asked

    def do(self) -> None:
        """Ask for one thread."""
        asked = self.asked
        with asked.lock:
            asked.users.add(id(self))
            for key, library in asked.libraries():
                if key not in asked.before:
                    asked.before[key] = (library, library.get_num_threads())
                _set_threads(library, 1)

    def undo(self) -> None:
        """Leave; the last one puts the numbers back."""
        asked = self.asked
        with asked.lock:
            asked.users.discard(id(self))
            if not asked.users:
                for library, threads in asked.before.values():
                    if library.get_num_threads() == 1:
                        _set_threads(library, threads)
                asked.before.clear()


class _Asked:
    """Who asked for one thread, and how many threads each library had before."""

    def __init__(self, libraries: Callable[[], Iterator[tuple[str, Any]]]) -> None:
        self.libraries = libraries
        self.lock = interruptible_lock()
        self.users: set[int] = set()
        self.before: dict[str, tuple[Any, int]] = {}

    def forget(self) -> None:
        """Forget who asked, in a process that was forked: they are not there, and may have held the lock."""
        self.lock = interruptible_lock()
        self.users.clear()


def _blas() -> Iterator[tuple[str, Any]]:
    """Yield the BLAS libraries of this process, by their files."""
    for library in _libraries("blas", len(sys.modules)):
        yield library.filepath, library


def _torch() -> Iterator[tuple[str, Any]]:
    """Yield PyTorch, if it is there: it sets the number of its threads itself, also for MKL."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads"):
        yield "torch", torch


class one_blas_thread(_OneThreadEach):  # noqa: N801 — to its callers it is a function
    """Run BLAS on one thread: sums are then taken in the same order in every process and thread."""

    asked = _Asked(_blas)


class _one_torch_thread(_OneThreadEach):  # noqa: N801 — to its callers it is a function
    """Run PyTorch on one thread."""

    asked = _Asked(_torch)


def _in_a_child() -> None:
    for kind in (one_blas_thread, _one_torch_thread):
        kind.asked.forget()
        kind().undo()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_child)


def _set_threads(library: Any, threads: int) -> None:
    """Set the number of threads of a library, whichever thread of ours does it.

    Newer versions of threadpoolctl listen to the first thread alone that sets one, until it clears itself.
    """
    clear = getattr(library, "clear_controlling_thread", _ignore)
    clear(True)
    library.set_num_threads(threads)
    clear(True)


@functools.lru_cache(maxsize=2)
def _libraries(kind: str, modules: int) -> list[Any]:
    """Return the libraries of a kind in this process; an import since the last time may have brought another one."""
    from threadpoolctl import ThreadpoolController

    np.dot(np.ones((2, 2)), np.ones((2, 2)))
    libraries: list[Any] = ThreadpoolController().select(user_api=kind).lib_controllers
    return libraries


def _ignore(_: Any) -> None:
    """Do nothing."""
