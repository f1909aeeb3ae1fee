"""How work is run: chunks, workers, progress. All engines use this one place.

The chunks are the same whatever the number of workers, and BLAS runs on one thread everywhere, in this
process too: that is what makes results bit-identical for every ``n_jobs`` and backend.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from fastcheck.errors import InvalidProblemError
from fastcheck.progress.watching_checks import tracked, watching
from fastcheck.undoing import Undoable, interruptible_lock
from fastcheck.workers import (
    THREADING,
    Chunk,
    Result,
    cannot_be_sent,
    in_processes,
    in_threads,
    module_being_imported,
)

Backend = Literal["processes", "threads"]
"""Kinds of workers: ``backend=``. Another one is a name here, and a line in each of the two tables."""

JOBLIB_BACKENDS: dict[str, str] = {"processes": "loky", "threads": THREADING}
"""The same → joblib's name. All but `THREADING` run in other processes."""

WORKERS_PAY_AFTER: dict[str, float] = {"processes": 1.0, "threads": 0.1}
"""Estimated seconds of work below which starting workers takes longer than it saves."""

MAX_MEMORY = 512 * 2**20
"""Bytes that a check stays under unless told otherwise."""

LARGEST_REUSED_ARRAY = 4_000_000
"""Numbers in the largest array, of 32 MB, whose memory glibc is ready to keep for the next one."""


def keep_freed_memory() -> None:
    """Have the C library keep the memory of freed arrays for the next ones.

    What lies above twice the largest array freed so far, glibc gives back to the system, and each page that comes again
    costs as much as copying it several times: a quarter of the time of screening 240,000 parameters. It learns from an
    array of which nothing is ever touched, as it would from any of the user's.
    """
    np.empty(LARGEST_REUSED_ARRAY)


keep_freed_memory()


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """The options of a run: workers, their kind, and who is told about the progress.

    ``n_jobs`` counts as joblib counts: −1 is all cores. ``progress`` is True or False, None for a line on
    stderr if that is a terminal, and below the cell of a notebook, or a function ``progress(done, total)`` in
    coordinates. ``max_memory`` are the bytes that batches may take.
    """

    n_jobs: int = 1
    backend: Backend | None = None
    progress: bool | Callable[[int, int], None] | None = None
    max_memory: int = MAX_MEMORY
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        is_whole = isinstance(self.n_jobs, int) and not isinstance(self.n_jobs, bool)
        is_count = is_whole and self.n_jobs != 0
        if not is_count:
            raise InvalidProblemError(
                f"n_jobs: expected a positive number of workers, or -1 for all cores, got {self.n_jobs!r}."
            )
        is_whole = isinstance(self.max_memory, int) and not isinstance(self.max_memory, bool)
        is_memory = is_whole and self.max_memory >= 1
        if not is_memory:
            raise InvalidProblemError(
                f"max_memory: expected a number of bytes, such as 512 * 2**20, got {self.max_memory!r}."
            )
        if self.backend not in (None, *JOBLIB_BACKENDS):
            known = ", ".join(map(repr, JOBLIB_BACKENDS))
            raise InvalidProblemError(
                f"backend: expected {known} or None (fastcheck chooses), got {self.backend!r}."
            )

    def without_threads(self) -> Execution:
        """Return the same for a cost that only one thread at a time may call."""
        asks_for_threads = self.n_jobs != 1 and JOBLIB_BACKENDS.get(self.backend or "") == THREADING
        if not asks_for_threads:
            return self
        self.notes.append("threads were not used: one object can only be evaluated by one thread at a time.")
        return dataclasses.replace(self, n_jobs=1)

    def map(
        self,
        function: Callable[[Chunk], Result],
        chunks: Sequence[Chunk],
        *,
        sizes: Sequence[int],
        seconds: float,
        backend: Backend,
        advance: Callable[[int], None] | None = None,
        describe: Callable[[Chunk], str] | None = None,
    ) -> list[Result]:
        """Return ``[function(chunk) for chunk in chunks]``, in parallel where it pays.

        ``sizes`` are the coordinates in each chunk (for the progress), ``seconds`` an estimate of the whole
        work on one core, ``backend`` what suits the function if the caller of fastcheck did not choose.
        ``advance`` is told the size of each finished chunk; None starts a progress of its own. ``describe`` says what a
        chunk is, for the error where a process dies.
        """
        backend = self.backend or backend
        parallel = self.n_jobs != 1 and len(chunks) > 1 and seconds > WORKERS_PAY_AFTER[backend]
        joblib_backend = JOBLIB_BACKENDS[backend]
        if parallel and joblib_backend != THREADING and not self._may_use_processes(function):
            parallel = False
        with contextlib.ExitStack() as stack:
            stack.enter_context(one_blas_thread())
            tell = advance or stack.enter_context(self.tracking(sum(sizes)))
            results = []
            source: Iterable[Result] = map(function, chunks)
            if parallel:
                alone = functools.partial(_on_one_thread, function)
                source = (
                    in_threads(alone, chunks, self.n_jobs)
                    if joblib_backend == THREADING
                    else in_processes(alone, chunks, self.n_jobs, describe, joblib_backend)
                )
            for result, size in zip(source, sizes, strict=True):
                results.append(result)
                tell(size)
            return results

    @contextlib.contextmanager
    def tracking(self, total: int) -> Iterator[Callable[[int], None]]:
        """Yield a function that is told how many coordinates were just done, of this total."""
        if callable(self.progress):
            done, report = 0, self.progress

            def tell(count: int) -> None:
                nonlocal done
                done += count
                report(done, total)

            yield tell
            return
        if self.progress is False:  # a part of work that is tracked as a whole
            yield _ignore
            return
        with tracked(total) as tell_those_who_watch:
            yield tell_those_who_watch

    def watched(self) -> watching:
        """Return what shows where the check is, within a ``with`` block, if it takes longer than a second."""
        return watching(False if callable(self.progress) else self.progress)

    def _may_use_processes(self, function: Callable[..., Any]) -> bool:
        """Tell whether other processes can do the work; a note says why not."""
        if module := module_being_imported():
            self.notes.append(
                f"n_jobs={self.n_jobs} was not used: other processes would wait for the import of {module}, which "
                "waits for this check. Put it into a function that is called later, or below if __name__ == '__main__'."
            )
            return False
        if error := cannot_be_sent(function):
            self.notes.append(
                f"n_jobs={self.n_jobs} was not used: the cost cannot be sent to other processes ({error}). "
                "backend='threads' avoids that if the cost may run in several threads at once."
            )
            return False
        return True


class one_blas_thread(Undoable):  # noqa: N801 — to its callers it is a function
    """Run BLAS on one thread: sums are then taken in the same order in every process and thread.

    What restores the number that it saw at its beginning breaks where two overlap: the first sees 8 threads, the second
    sees 1, and if the first ends before the second, the process is left with 1. So the number, which belongs to the
    whole process, is what it was before when the last of those who asked for one thread has left, in whatever order
    they come and go; a number that somebody else has set meanwhile stays.
    """

    def do(self) -> None:
        """Ask for one thread."""
        with _BLAS.lock:
            _BLAS.users.add(id(self))
            for library in _blas_libraries(len(sys.modules)):
                key = library.filepath
                if key not in _BLAS.before:
                    _BLAS.before[key] = (library, library.get_num_threads())
                _set_threads(library, 1)

    def undo(self) -> None:
        """Leave; the last one puts the numbers back."""
        with _BLAS.lock:
            _BLAS.users.discard(id(self))
            if not _BLAS.users:
                for library, threads in _BLAS.before.values():
                    if library.get_num_threads() == 1:
                        _set_threads(library, threads)
                _BLAS.before.clear()


def _set_threads(library: Any, threads: int) -> None:
    """Set the number of threads of a library, whichever thread of ours does it.

    Newer versions of threadpoolctl listen to the first thread alone that sets one, until it clears itself.
    """
    clear = getattr(library, "clear_controlling_thread", _ignore)
    clear(True)
    library.set_num_threads(threads)
    clear(True)


class _Blas:
    """Who asked for one thread, and how many threads each library had before."""

    def __init__(self) -> None:
        self.lock = interruptible_lock()
        self.users: set[int] = set()
        self.before: dict[str, tuple[Any, int]] = {}

    def in_a_child(self) -> None:
        """Forget who asked in the process that was forked: they are not there, and may have held the lock."""
        self.lock = interruptible_lock()
        self.users.clear()
        one_blas_thread().undo()


_BLAS = _Blas()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_BLAS.in_a_child)


@functools.lru_cache(maxsize=1)
def _blas_libraries(modules: int) -> list[Any]:
    """Return the BLAS libraries of this process; an import since the last time may have brought another one."""
    from threadpoolctl import ThreadpoolController

    np.dot(np.ones((2, 2)), np.ones((2, 2)))
    libraries: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return libraries


def _on_one_thread(function: Callable[[Chunk], Result], chunk: Chunk) -> Result:
    with one_blas_thread():
        return function(chunk)


def _ignore(_: Any) -> None:
    """Do nothing."""
