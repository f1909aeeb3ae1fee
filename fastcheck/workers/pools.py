"""Kinds of workers, each started and asked in its own way: processes, threads, a cluster, any backend of joblib's.

A pool is given chunks one by one, and asked which of them have come back. `Lost` tells that one never will.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import enum
import itertools
import multiprocessing.connection
import os
import queue
import re
import shutil
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Future
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from fastcheck.workers.exceptions import text_of
from fastcheck.workers.limits import is_overdue, where_it_crashed, where_it_hung
from fastcheck.workers.parcels import Packed
from fastcheck.workers.tasks import Outcome, Task, begin_worker, done_by_worker

Around = Callable[[], contextlib.AbstractContextManager[Any]]
"""What a worker does around its work."""

POLLED = 0.05
"""Seconds after which a pool that waits looks whether its workers are still there."""

LOOKED = 1.0
"""Seconds after which a pool that waits looks whether a worker stands still."""

PROCESS_ENDS_WITHIN, THREAD_ENDS_WITHIN = 5.0, 0.25
"""Seconds after which nobody waits for an end any more: a thread may wait for a pipe that a fork holds open."""

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""Environment of worker processes: workers × threads are no more than the cores."""


class Loss(enum.Enum):
    """How a chunk was lost."""

    NOT_BEGUN = "its worker ended before it began"
    ENDED = "its worker ended"
    TOO_SLOW = "it took longer than its timeout"
    MEMORY = "there was too little memory"


class Lost(NamedTuple):
    """A chunk that never comes back: why, in words, and how it was lost."""

    why: str
    loss: Loss = Loss.ENDED


class Pool(Protocol):
    """Workers that were given a parcel.

    ``size`` is how many there are, ``in_flight`` how many chunks they should have; ``blames_exactly`` tells that what
    is lost was itself the reason, and not only there when a worker died. ``most_given_up`` are the losses after which
    nothing more is tried: starting workers again takes its time.
    """

    size: int
    blames_exactly: bool
    most_given_up: int

    @property
    def in_flight(self) -> int:
        """How many chunks it should have, so that nobody waits for work."""
        ...

    def open(self, packed: Packed, around: Around, seconds: float | None) -> None:
        """Have the following chunks done by this work; an evaluation may take so many seconds."""
        ...

    def submit(self, chunk: Any) -> int:
        """Give a chunk to the workers, and return its number."""
        ...

    def back(self) -> Mapping[int, Outcome | Lost]:
        """Return what came back since, and wait a little if nothing has."""
        ...

    @property
    def waits_for(self) -> int:
        """How many chunks have not come back."""
        ...

    @property
    def why_gone(self) -> str | None:
        """Why there are no workers any more, and will be none; None if there are."""
        ...

    def close(self) -> None:
        """End what was started, and leave nothing behind."""
        ...


class Processes:
    """Processes of this machine, each with its own queue: one that dies takes nothing with it but what it was at.

    ``make`` starts one of them, which is started anew after its death. It gets the folder of what is sent, which is
    there as long as this process is.
    """

    blames_exactly = True
    most_given_up = 1000

    def __init__(self, size: int, make: Callable[[str], Any]) -> None:
        self.size = size
        self.why_gone: str | None = None
        self.folder = os.path.join(tempfile.gettempdir(), f"fastcheck-{uuid.uuid4().hex}")
        self.seats = [_Seat(lambda: make(self.folder)) for _ in range(size)]
        self.task: Task | None = None
        self.numbers = itertools.count()
        self.ended: set[int] = set()
        self.looked = time.monotonic()

    @property
    def in_flight(self) -> int:
        """How many chunks it should have: one that each process is at, and one that waits."""
        return 2 * self.size

    @property
    def waits_for(self) -> int:
        """How many chunks have not come back."""
        return sum(len(seat.futures) for seat in self.seats)

    def open(self, packed: Packed, around: Around, seconds: float | None) -> None:
        """Have the following chunks done by this work; where its file cannot be written, nobody does them here."""
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            for old in Path(self.folder).glob("*.work"):
                old.unlink()  # who has mapped it keeps it
            self.task = Task(packed.filed(self.folder), around, seconds, self.folder)
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.why_gone = (
                f"{error.strerror or error}: the cost and its data, {packed.size / 1e6:.1f} MB, cannot be written to "
                f"{os.path.dirname(self.folder)}; set TMPDIR to a folder with room"
            )

    def submit(self, chunk: Any) -> int:
        """Give a chunk to the process that has least to do, and return its number."""
        number = next(self.numbers)
        seat = min(self.seats, key=lambda seat: len(seat.futures))
        seat.futures[self._future(seat, number, chunk)] = number
        return number

    def _future(self, seat: _Seat, number: int, chunk: Any) -> Future[Outcome]:
        """Return the future of a chunk; where the process has just died, `back` says so of it as well."""
        try:
            future: Future[Outcome] = seat.started().submit(done_by_worker, self.task, number, chunk)
        except (BrokenExecutor, RuntimeError, OSError) as error:
            future = Future()
            future.set_exception(BrokenExecutor(text_of(error)))
        return future

    def back(self) -> Mapping[int, Outcome | Lost]:
        """Return what came back since, and wait a little if nothing has."""
        futures = [future for seat in self.seats for future in seat.futures]
        concurrent.futures.wait(futures, timeout=POLLED, return_when=concurrent.futures.FIRST_COMPLETED)
        came: dict[int, Outcome | Lost] = {}
        for seat in self.seats:
            done = [future for future in seat.futures if future.done()]
            broken = next((error for future in done if (error := _end_of_pool(future)) is not None), None)
            if broken is None:
                came |= {seat.futures.pop(future): _outcome(future) for future in done}
            else:
                came |= self._after(seat, broken)
        if not came and self.task is not None and self.task.seconds is not None:
            self._end_those_that_stand_still()
        return came

    def _after(self, seat: _Seat, broken: BaseException) -> dict[int, Outcome | Lost]:
        """Return the outcome of all chunks that a process had, once it died."""
        concurrent.futures.wait(seat.futures, timeout=10.0)
        seat.end()
        came: dict[int, Outcome | Lost] = {}
        for future, number in seat.futures.items():
            if future.done() and _end_of_pool(future) is None:
                came[number] = _outcome(future)
                continue
            mark = Path(self.folder, str(number))
            came[number] = _lost(mark, broken, number in self.ended)
            mark.unlink(missing_ok=True)
        seat.futures = {}
        return came

    def _end_those_that_stand_still(self) -> None:
        """End processes whose own watch does not: they were stopped, or wait for a disk that does not answer."""
        if time.monotonic() - self.looked < LOOKED:
            return
        self.looked = time.monotonic()
        for seat in self.seats:
            for number in seat.futures.values():
                if is_overdue(Path(self.folder, str(number))):
                    self.ended.add(number)
                    seat.kill()

    def close(self) -> None:
        """End the processes, and leave nothing behind."""
        try:
            for seat in self.seats:
                seat.kill()  # all of them first: a fork holds the pipes of those before it open
            for seat in self.seats:
                seat.end()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


class _Seat:
    """The place of one process: its executor, which has no other, and the chunks that it has."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self.executor: Any = None
        self.is_wanted = False
        self.lock = threading.RLock()
        self.processes: dict[int, Any] = {}
        self.reading: int | None = None
        self.why_not: BaseException | None = None
        self.futures: dict[Future[Outcome], int] = {}

    def started(self) -> Any:
        """Return the executor, with its process, which a thread starts: Ctrl-C, which this one gets, would leave half.

        Raises what starting it raised.
        """
        if self.executor is None:
            self.is_wanted, self.why_not = True, None
            thread = threading.Thread(target=self._start, name="fastcheck starts a worker")
            thread.start()
            thread.join()
            if self.why_not is not None:
                raise self.why_not
        return self.executor

    def _start(self) -> None:
        with self.lock:
            if self.is_wanted:
                try:
                    self.executor = self.make()
                    self.reading = _another_end(self.executor)
                    self.executor.submit(os.getpid)
                    self.processes |= self.executor._processes
                except BaseException as error:
                    self.why_not = error

    def kill(self) -> None:
        """Kill the process, whatever it does; its executor sees that it died."""
        if self.executor is not None:
            for pid in list(self.executor._processes or {}):
                _kill(pid)

    def end(self) -> None:
        """End the executor, the process and all that it started; where Ctrl-C comes meanwhile, this can be repeated."""
        self.is_wanted = False
        with self.lock:
            if self.executor is not None:
                self.processes |= self.executor._processes or {}
                _end_executor(self.executor, self.processes, self.reading)
                for pid in self.processes:
                    _kill_group(pid)
            self.executor, reading, self.reading = None, self.reading, None
            if reading is not None:
                os.close(reading)
            self.processes = {}


def _another_end(executor: Any) -> int | None:
    """Return another file descriptor of the pipe that the process of an executor reads chunks from.

    It is needed for Python's own executors alone: those of loky close the pipe, which no fork holds open.
    """
    is_needed = not hasattr(executor, "_flags") and hasattr(os, "fork")
    return os.dup(executor._call_queue._reader.fileno()) if is_needed else None


def _end_executor(executor: Any, processes: Mapping[int, Any], reading: int | None) -> None:
    """End an executor and its processes at once, whatever they do, and its threads."""
    sent, manager = executor._call_queue, executor._executor_manager_thread
    if hasattr(executor, "_flags"):
        with contextlib.suppress(queue.Empty):  # its thread stumbles over chunks that nobody has begun with
            while True:
                executor._work_ids.get_nowait()
        executor.shutdown(wait=True, kill_workers=True)
    else:  # Python's own cannot end what runs
        for process in processes.values():
            process.kill()
        _read_what_is_left(reading, getattr(sent, "_thread", None))
        executor.shutdown(wait=False, cancel_futures=True)
    for process in processes.values():
        process.join(PROCESS_ENDS_WITHIN)  # or multiprocessing keeps it
    if manager is not None:
        manager.join(THREAD_ENDS_WITHIN)
    if sent is not None and not sent._reader.closed:
        sent._reader.close()  # who writes to a pipe that nobody reads any more would wait without end
    feeder = getattr(sent, "_thread", None)
    if feeder is not None:
        feeder.join(THREAD_ENDS_WITHIN)


def _read_what_is_left(reading: int | None, feeder: threading.Thread | None) -> None:
    """Read what a thread of an executor still writes to its process, which is dead, until it ends.

    It would wait without end if another fork holds the pipe open, and the executor, from Python 3.12 on, waits for it
    and holds the lock that ending it takes.
    """
    if reading is None or feeder is None:
        return
    latest = time.monotonic() + PROCESS_ENDS_WITHIN
    while feeder.is_alive() and time.monotonic() < latest:
        if multiprocessing.connection.wait([reading], timeout=0.01) and not os.read(reading, 2**20):
            return


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _kill_group(pid: int) -> None:
    """Kill what a process has started, which is in its group."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def loky_processes(folder: str) -> Any:
    """Start one of joblib's processes, which begin as new interpreters."""
    from joblib.externals.loky import ProcessPoolExecutor

    return ProcessPoolExecutor(1, initializer=begin_worker, initargs=(folder, os.getpid()), env=ONE_THREAD)


def multiprocessing_processes(folder: str) -> Any:
    """Start a process as Python's own multiprocessing does on this system: a fork, on some."""
    return concurrent.futures.ProcessPoolExecutor(1, initializer=begin_worker, initargs=(folder, os.getpid()))


def _end_of_pool(future: Future[Any]) -> BaseException | None:
    """Return what a future raised if its process is not there any more."""
    if future.cancelled():
        return CancelledError()
    error = future.exception() if future.done() else None
    return error if isinstance(error, BrokenExecutor) else None


def _outcome(future: Future[Outcome]) -> Outcome | Lost:
    """Return the outcome of a chunk, which is never an exception: what was raised says why it cannot be sent."""
    error = future.exception()
    return future.result() if error is None else Lost(f"its result cannot be sent: {_first_line(error)}")


def _lost(mark: Path, broken: BaseException, stood_still: bool) -> Lost:
    """Return why a chunk is lost: its mark is there if it had begun, and holds what was said when it took too long."""
    try:
        said = mark.read_text(errors="replace")
    except OSError:
        return Lost(f"processes ended before they began ({_first_line(broken)})", Loss.NOT_BEGUN)
    hung = where_it_hung(said)
    if hung is not None:
        return Lost(f"it was still at {hung}", Loss.TOO_SLOW)
    if stood_still:
        return Lost("its process stood still, and was ended")
    codes = re.search(r"exit codes? of the workers? (?:are|is) \{([^}]*)\}", f"{broken}")
    how = f" ({codes[1]})" if codes else ""
    crashed = where_it_crashed(said)
    where = f" at {crashed}" if crashed else ""
    return Lost(f"its process ended{how}{where}")


def _first_line(error: BaseException) -> str:
    return text_of(error).splitlines()[0]
