"""How work is run: chunks, workers, progress. All engines use this one place.

The chunks are the same whatever the number of workers, and BLAS runs on one thread everywhere, in this
process too: that is what makes results bit-identical for every ``n_jobs`` and backend.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal

import numpy as np

from fastcheck.errors import EvaluationError, InvalidProblemError, LostEvaluationError
from fastcheck.progress.events import tell as tell_listeners
from fastcheck.progress.saying import say
from fastcheck.progress.watching_checks import tracked, watching
from fastcheck.workers.choosing import KNOWN, WORDS, NoWorkersError, Workers, choose_workers, is_configured
from fastcheck.workers.imports import seconds_of_imports
from fastcheck.workers.keeping import Pools, workers_kept
from fastcheck.workers.library_threads import one_blas_thread, one_thread
from fastcheck.workers.parcels import module_being_imported
from fastcheck.workers.pools import Pool, Processes, loky_processes
from fastcheck.workers.redoing import Chunk, Redoing, Result, Work, done_here

Backend = str
"""Kinds of workers, ``backend=``: ``"processes"``, ``"threads"``, or the name of a backend that joblib knows."""

WORKERS_PAY_AFTER: dict[str, float] = {"processes": 0.35, "threads": 0.02, "cluster": 0.2}
"""Seconds of work that starting workers of a kind takes: where they save less than that, they are not started."""

SECONDS_OF_SENDING = 0.002
"""Seconds that a chunk costs which is sent to workers that are there, and comes back."""

MEASURED_FIRST = 0.5
"""Seconds of a chunk up to which one is done here before workers are started: one evaluation tells too little."""

SURELY = 3.0
"""Times the work that pays, by an estimate, from which on it surely does."""

IN_THIS_PROCESS = ("threading", "sequential")
"""Backends whose workers cannot be ended."""

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

    ``n_jobs`` counts as joblib counts: −1 is all cores that this process may use; None is what
    `joblib.parallel_config` says, or 1; ``"auto"`` is as many as there are, if they pay. ``timeout`` are the seconds
    that one evaluation may take. ``progress`` is True or False, None for a line on stderr if that is a terminal, and
    below the cell of a notebook, or a function ``progress(done, total)`` in coordinates. ``max_memory`` are the bytes
    that batches may take. ``on_interrupt`` is told of the Ctrl-C after which what is known until then is a result, and
    nothing is evaluated any more; None lets it pass through.
    """

    n_jobs: int | Literal["auto"] | None = None
    backend: Backend | None = None
    timeout: float | None = None
    progress: bool | Callable[[int, int], None] | None = None
    max_memory: int = MAX_MEMORY
    on_interrupt: Callable[[KeyboardInterrupt], None] | None = None
    notes: list[str] = field(default_factory=list)
    pools: Pools = field(default_factory=Pools)

    def __post_init__(self) -> None:
        is_whole = isinstance(self.n_jobs, int) and not isinstance(self.n_jobs, bool)
        is_count = is_whole and self.n_jobs != 0
        if not (is_count or self.n_jobs is None or self.n_jobs == "auto"):
            raise InvalidProblemError(
                "n_jobs: expected a positive number of workers, -1 for all cores, 'auto', or None, got "
                f"{self.n_jobs!r}."
            )
        is_whole = isinstance(self.max_memory, int) and not isinstance(self.max_memory, bool)
        is_memory = is_whole and self.max_memory >= 1
        if not is_memory:
            raise InvalidProblemError(
                f"max_memory: expected a number of bytes, such as 512 * 2**20, got {self.max_memory!r}."
            )
        if self.timeout is not None and not _is_positive(self.timeout):
            raise InvalidProblemError(
                f"timeout: expected a positive number of seconds for one evaluation, got {self.timeout!r}."
            )
        if self.timeout is not None and WORDS.get(self.backend or "", self.backend) in IN_THIS_PROCESS:
            raise InvalidProblemError(
                f"timeout: backend={self.backend!r} evaluates in this process, and a thread that hangs cannot be "
                "ended. Use backend='processes'."
            )
        if self.backend is not None and not self._knows_backend():
            raise InvalidProblemError(
                f"backend: expected one of {', '.join(map(repr, KNOWN))}, another one that joblib knows, or None "
                f"(fastcheck chooses), got {self.backend!r}."
            )

    def _knows_backend(self) -> bool:
        if not isinstance(self.backend, str):
            return False
        if self.backend in KNOWN:
            return True
        from joblib.parallel import BACKENDS

        return self.backend in BACKENDS

    def without_threads(self) -> Execution:
        """Return the same for a cost that only one thread at a time may call."""
        if self.n_jobs == 1 or self.workers("processes").name != "threading":
            return self
        self._note("threads were not used: one object can only be evaluated by one thread at a time.")
        return dataclasses.replace(self, n_jobs=1)

    def workers(self, suits: str) -> Workers:
        """Return the workers that the options, and joblib's configuration, choose; ``suits`` if these do not."""
        if "processes" in self.pools.gone:
            return choose_workers(1, "sequential", suits)
        if "cluster" in self.pools.gone:
            return choose_workers(-1, "processes", suits)
        asked = self.n_jobs, self.backend, suits
        if asked not in self.pools.chosen:  # counting cores takes a while, and a cluster waits for workers
            try:
                self.pools.chosen[asked] = choose_workers(*asked)
            except NoWorkersError as nobody:
                self._note(f"{nobody}: everything was evaluated on this machine.")
                self.pools.gone.add("cluster")
                return self.workers(suits)
        return self.pools.chosen[asked]

    def may_use_workers(self) -> bool:
        """Tell whether there may be workers besides this thread, whatever work there is."""
        if self.n_jobs in (None, 1) and self.backend is None and not is_configured():
            return False
        chosen = (self.workers(suits) for suits in ("processes", "threads"))
        return any(workers.size > 1 or workers.kind == "cluster" for workers in chosen)

    def pays(self, suits: str, seconds: float, chunks: int) -> bool:
        """Tell whether workers make work of so many seconds, on one core, and chunks shorter."""
        workers = self._that_fit(self._workers_for(suits), seconds, chunks)
        return self._pays(workers, seconds, chunks)

    def each(
        self,
        work: Work[Chunk, Result],
        chunks: Sequence[Chunk],
        *,
        seconds: float,
        suits: str,
        describe: Callable[[Chunk], str],
        here: Work[Chunk, Result] | None = None,
        only_elsewhere: bool = False,
        whole: float = 0.0,
    ) -> Generator[tuple[Chunk, Result | LostEvaluationError], None, None]:
        """Yield all chunks, or pieces of them, with what ``work`` makes of each, as they come.

        ``seconds`` is an estimate of the whole work on one core, ``suits`` the backend for it if nobody chose one.
        ``describe`` says what a chunk is, for what is told of lost ones. ``here`` is the work as it is done in this
        process, if that differs; with ``only_elsewhere`` nothing is done there. ``whole`` are the seconds of work that
        this is a part of: where other processes surely pay for that, they do every part, as one may end its process.
        Raises what the work raises.

        As long as workers would not pay, chunks are done here, and tell what the others take.
        """
        workers, left = self._that_fit(self._workers_for(suits), seconds, len(chunks)), deque(chunks)
        if workers.size < 2 and workers.kind == "threads":
            if not only_elsewhere:
                yield from done_here(_OnOneThread(here or work), chunks)
            return
        surely = workers.kind != "threads" and self._pays(workers, whole / SURELY, workers.size)
        of_chunk, measured = seconds / max(len(chunks), 1), only_elsewhere or surely
        send: Callable[[Pool], None] | None = None
        is_refused, at_once = False, 1
        while left:
            pays = not is_refused and (surely or self._pays(workers, of_chunk * len(left), len(left)))
            if pays and (measured or not self._is_worth_a_measurement(workers, of_chunk)):
                send = self._sender(workers, work)
                imports = self._seconds_of_imports(workers, work)
                if send is not None and (
                    surely or self._pays(workers, of_chunk * len(left), len(left), imports)
                ):
                    break
                is_refused, send = send is None, None
            if only_elsewhere:
                return
            some = [left.popleft() for _ in range(min(at_once, len(left)))]
            start, at_once = time.perf_counter(), 2 * at_once
            yield from done_here(_OnOneThread(here or work), some)
            spent = (time.perf_counter() - start) / len(some)
            of_chunk, measured = (min(of_chunk, spent) if measured else spent), True
        if send is None:
            return
        with self.pools.lent(workers) as pool:
            send(pool)
            redoing = Redoing(pool, work, list(left), self._tell_of_losses(describe))
            yield from redoing.results()
        if still_left := redoing.left:
            self._note(
                f"{workers.name} had no workers any more ({redoing.why_left}): the rest was evaluated here."
            )
            self.pools.gone.add(workers.kind)
            yield from self.each(
                work,
                still_left,
                seconds=of_chunk * len(still_left),
                suits=suits,
                describe=describe,
                here=here,
                only_elsewhere=only_elsewhere,
                whole=whole,
            )

    def alone(self, work: Work[Chunk, Result]) -> Callable[[Chunk], Result | LostEvaluationError]:
        """Return a function that does the work with one chunk in another process, within the ``timeout``.

        Raises `InvalidProblemError` if the work cannot be sent there.
        """
        workers = choose_workers(1, "processes", "processes")
        workers = dataclasses.replace(workers, make=lambda _: Processes(1, loky_processes))
        packed = self.pools.packed(work)
        if packed.why_not is not None:
            raise _cannot_be_ended(packed.why_not)

        def done(chunk: Chunk) -> Result | LostEvaluationError:
            with self.pools.lent(workers, "alone") as pool:
                self.pools.open(pool, packed, one_thread, self.timeout)
                redoing = Redoing(pool, work, [chunk], _tell_nobody)
                for _, result in redoing.results():
                    return result
            return LostEvaluationError(f"no process can be started: {redoing.why_left}")

        return done

    def _workers_for(self, suits: str) -> Workers:
        """Return the workers for work with a timeout or without: only a process can be ended."""
        workers = self.workers(suits)
        if self.timeout is not None and "processes" in self.pools.gone:
            raise EvaluationError(
                "timeout: no process can be started that could be ended where an evaluation hangs. Leave timeout out."
            )
        if self.timeout is None or workers.kind != "threads":
            return workers
        if workers.name == "threading" and workers.asked_for:
            self._note("timeout: a thread that hangs cannot be ended, so processes were used instead.")
        return dataclasses.replace(
            workers, kind="processes", name="loky", make=lambda size: Processes(size, loky_processes)
        )

    def _that_fit(self, workers: Workers, seconds: float, chunks: int) -> Workers:
        """Return as many of the workers as there is memory for; a note says so where work would have used them all.

        Those of a cluster have memory of their own.
        """
        most = max(1, self.max_memory // max(1, self.pools.bytes_of_worker))
        if workers.kind == "cluster" or workers.size <= most:
            return workers
        if self._pays(workers, seconds, chunks):
            self._note(
                f"{most} of {workers.size} workers were used, as each takes up to "
                f"{self.pools.bytes_of_worker / 2**20:.0f} MB for copies of the parameters: raise max_memory."
            )
        return dataclasses.replace(workers, size=most)

    def _pays(self, workers: Workers, seconds: float, chunks: int, imports: float = 0.0) -> bool:
        """Tell whether workers make work shorter, or must do it: what they save is more than starting them takes.

        ``imports`` are the seconds that a new process imports libraries.
        """
        must_be_elsewhere = self.timeout is not None or self.pools.losses > 0
        if must_be_elsewhere and workers.kind != "threads":
            return True
        is_elsewhere = workers.kind == "cluster" and workers.asked_for
        if chunks < 2 or (workers.size < 2 and not is_elsewhere):
            return False
        share = 1.0 if is_elsewhere else 1 - 1 / min(workers.size, chunks)
        if self.pools.are_running(workers):
            return share * seconds > SECONDS_OF_SENDING * chunks
        return share * seconds > WORKERS_PAY_AFTER[workers.kind] + imports

    def _seconds_of_imports(self, workers: Workers, work: Work[Any, Any]) -> float:
        """Return how long new processes import libraries, about."""
        if workers.kind != "processes" or self.pools.are_running(workers):
            return 0.0
        return seconds_of_imports(self.pools.packed(work).data)

    def _is_worth_a_measurement(self, workers: Workers, of_chunk: float) -> bool:
        """Tell whether the estimate is to be made sure of by a chunk here, before workers are started in vain."""
        must_start = self.timeout is None and not self.pools.are_running(workers)
        must_start = must_start and WORKERS_PAY_AFTER[workers.kind] > 0
        return must_start and of_chunk <= MEASURED_FIRST

    def _note(self, note: str) -> None:
        """Add a note, once, and say so now: a run that does without workers may take hours."""
        if note not in self.notes:
            self.notes.append(note)
            say(note)

    def _sender(self, workers: Workers, work: Work[Any, Any]) -> Callable[[Pool], None] | None:
        """Return what gives the work to a pool; None where that cannot be, which a note explains."""
        if workers.name == "threading":
            return lambda pool: pool.open_here(work, one_thread)  # type: ignore[attr-defined]
        asked = f"n_jobs={self.n_jobs}" if self.n_jobs is not None else f"backend {workers.name!r}"
        if workers.kind == "processes" and (module := module_being_imported()):
            self._note(
                f"{asked} was not used: other processes would wait for the import of {module}, which "
                "waits for this check. Put it into a function that is called later, or below if __name__ == '__main__'."
            )
            return None
        packed = self.pools.packed(work)
        if packed.why_not is None:
            return lambda pool: self.pools.open(pool, packed, one_thread, self.timeout)
        if self.timeout is not None:
            raise _cannot_be_ended(packed.why_not)
        self._note(
            f"{asked} was not used: the cost cannot be sent to other processes ({packed.why_not}). "
            "backend='threads' avoids that if the cost may run in several threads at once."
        )
        return None

    def _tell_of_losses(self, describe: Callable[[Chunk], str]) -> Callable[[Chunk, str], None]:
        """Return what is told of a lost chunk."""

        def tell(chunk: Chunk, why: str) -> None:
            self.pools.losses += 1
            tell_listeners("fault", evaluating=describe(chunk), reason=why)

        return tell

    @contextlib.contextmanager
    def tracking(self, total: int) -> Iterator[Callable[[int], None]]:
        """Yield a function that is told how many coordinates were just done, of this total."""
        if callable(self.progress):
            done, report = 0, self.progress

            def tell(count: int) -> None:
                nonlocal done
                done += count
                report(done, total)
                tell_those_who_watch(count)

            with tracked(total) as tell_those_who_watch:
                yield tell
            return
        with tracked(total) as tell_those_who_watch:
            yield tell_those_who_watch

    def workers_kept(self) -> workers_kept:
        """Return what keeps workers that were started until the end of a ``with`` block."""
        return workers_kept(self.pools)

    def watched(self) -> watching:
        """Return what shows where the check is, within a ``with`` block, if it takes longer than a second."""
        return watching(False if callable(self.progress) else self.progress)


class _OnOneThread(Generic[Chunk, Result]):
    """Work that is done here, while BLAS runs on one thread."""

    def __init__(self, work: Work[Chunk, Result]) -> None:
        self.work, self.pieces, self.redone_whole = work, work.pieces, work.redone_whole

    def __call__(self, chunk: Chunk) -> Result:
        with one_blas_thread():
            return self.work(chunk)


def _cannot_be_ended(why: Exception) -> InvalidProblemError:
    return InvalidProblemError(
        f"timeout: the cost cannot be sent to another process ({why}), which could be ended where it hangs, as a "
        "thread cannot be. Leave timeout out, or define the cost in a module."
    )


def _is_positive(value: Any) -> bool:
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return is_number and 0 < float(value) < math.inf


def _tell_nobody(_chunk: Any, _why: str) -> None:
    """Tell nobody."""
