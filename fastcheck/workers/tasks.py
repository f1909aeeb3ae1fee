"""What a worker does with a piece of work, and what it says of how that ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from fastcheck.workers.exceptions import Raised, sendable
from fastcheck.workers.limits import begin_file, crashes_told, limiting
from fastcheck.workers.parcels import FiledParcel, Parcel

ORPHANED_AFTER = 1.0
"""Seconds after which a process sees that the one that started it is gone."""


class Done(NamedTuple):
    """The work is done, with this result."""

    result: Any


class Failed(NamedTuple):
    """The work raised: not the cost at one point, which is a result."""

    error: BaseException | Raised


class OutOfMemory(NamedTuple):
    """There was too little memory here and now; in smaller pieces, or alone, it may do."""

    error: BaseException | Raised


class NotOpened(NamedTuple):
    """The worker cannot open the parcel: a module is not there, say."""

    error: BaseException | Raised


Outcome = Done | Failed | OutOfMemory | NotOpened


@dataclass(frozen=True, slots=True)
class Task:
    """A parcel, how it is opened around, and the seconds that an evaluation in it may take.

    ``folder`` is where workers of this machine mark what they are at: a file with the number of the chunk is there as
    long as they work on it, or else nobody knows what a process had that died. None on other machines. ``topic`` is
    where a worker of dask tells of an evaluation that takes too long.
    """

    parcel: Parcel | FiledParcel
    around: Callable[[], contextlib.AbstractContextManager[Any]]
    seconds: float | None
    folder: str | None
    topic: str | None = None


def done_by_worker(task: Task, number: int, chunk: Any) -> Outcome:
    """Do the work of a parcel with a chunk; whatever is raised is an outcome: only the end of the process ends it."""
    with _marked(task.folder, number) as said_to:
        try:
            work = task.parcel.opened()
        except MemoryError as error:
            return OutOfMemory(sendable(error))
        except BaseException as error:
            return NotOpened(sendable(error))
        try:
            limited_here = limiting(task.seconds, said_to, _teller(task.topic, number))
            with _turn_of(work), task.around(), limited_here:
                return Done(work(chunk))
        except MemoryError as error:
            return OutOfMemory(sendable(error))
        except BaseException as error:
            return Failed(sendable(error))


def _turn_of(work: Any) -> contextlib.AbstractContextManager[Any]:
    """Return what waits for a turn where work may only be done by one thread of a process at a time."""
    return contextlib.nullcontext() if getattr(work, "threads", True) else _one_at_a_time


_one_at_a_time = threading.RLock()


def _teller(topic: str | None, number: int) -> Callable[[str], None] | None:
    """Return what tells the client of a worker of dask where the evaluation of a chunk is, which takes too long."""
    if topic is None or "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    log = get_worker().log_event
    return lambda where: log(topic, {"number": number, "where": where})


@contextlib.contextmanager
def _marked(folder: str | None, number: int) -> Iterator[TextIO | None]:
    if folder is None:
        yield None
        return
    path = Path(folder, str(number))
    try:
        with open(path, "w") as file:
            begin_file(file)
            with crashes_told(file):
                yield file
    finally:
        path.unlink(missing_ok=True)


def begin_worker(folder: str, started_by: int) -> None:
    """Prepare a process: Ctrl-C is for the one that started it, without which it ends, and takes the folder with it.

    It and what the cost starts are one group, which can be ended as a whole.
    """
    if hasattr(os, "setpgid"):
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
    with contextlib.suppress(ValueError, OSError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(), started_by, folder), daemon=True).start()


def _end_with(parent: int, started_by: int, folder: str) -> None:
    """End this process once its parent is gone, or who started it, which may be gone before this is called."""
    while os.getppid() == parent and _is_there(started_by):
        time.sleep(ORPHANED_AFTER)
    shutil.rmtree(folder, ignore_errors=True)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _is_there(pid: int) -> bool:
    if not hasattr(os, "fork"):
        return True  # such systems have no signal that does nothing
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
