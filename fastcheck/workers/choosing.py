"""Which workers, and how many: those of the call, or else of `joblib.parallel_config` around it."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from fastcheck.errors import InvalidProblemError, MissingLibraryError
from fastcheck.workers.exceptions import text_of
from fastcheck.workers.pools import Pool, Processes, loky_processes, multiprocessing_processes
from fastcheck.workers.threads import Threads

Kind = Literal["processes", "threads", "cluster"]
"""Where workers are: what starting them costs, and what can be sent there, differ."""

WORDS: dict[str, str] = {"processes": "loky", "threads": "threading"}
"""Names of ours for backends → joblib's."""

KNOWN = ("processes", "threads", "loky", "multiprocessing", "threading", "sequential", "dask")
"""Backends that are named in messages; joblib may know others."""

INSTALL = {"dask": "fastcheck[dask]", "distributed": "fastcheck[dask]", "ray": "ray"}
"""What to install for a backend."""


class NoWorkersError(Exception):
    """A cluster was chosen, and nobody is there; never seen outside of fastcheck."""


@dataclass(frozen=True, slots=True)
class Workers:
    """How many workers of which kind; ``name`` is joblib's of the backend, ``make`` starts so many of them.

    ``asked_for`` tells that the caller chose the backend. One worker of kind ``"threads"`` is this thread itself.
    """

    kind: Kind
    name: str
    size: int
    make: Callable[[int], Pool]
    asked_for: bool


def choose_workers(n_jobs: int | Literal["auto"] | None, backend: str | None, suits: str) -> Workers:
    """Return the workers for a call with these options; ``suits`` is the backend for a function if nobody chose one.

    There are none inside a worker, whose core is busy with this work, and where joblib has nested this call in another.
    Raises `NoWorkersError` for a cluster that has none, after as long as joblib waits for them.
    """
    nobody_asks = backend is None and (n_jobs == 1 or (n_jobs is None and not is_configured()))
    if nobody_asks or is_inside_worker():
        return _serial()
    with contextlib.ExitStack() as stack:
        if backend is not None:
            _enter(stack, WORDS.get(backend, backend), backend)
        active, was_chosen = _active_backend("threads" if WORDS[suits] == "threading" else "processes")
        if getattr(active, "nesting_level", 0):
            return _serial()
        asked_for = backend is not None or was_chosen
        wanted = n_jobs
        if wanted is None:
            wanted = _configured("n_jobs")
        if wanted is None:
            wanted = getattr(active, "default_n_jobs", 1) if asked_for else 1
        is_cluster = hasattr(active, "client")  # it has as many workers as it has, whatever is wanted
        size = 1
        if is_cluster or wanted != 1:
            size = _number_of_workers(active, -1 if wanted == "auto" else wanted, is_cluster)
        return _workers(active, size, asked_for)


def _number_of_workers(active: Any, wanted: Any, is_cluster: bool) -> int:
    """Return how many workers a backend has, which may wait for those of a cluster; raises `NoWorkersError`."""
    if is_cluster and getattr(active.client, "status", "") in ("closed", "closing"):
        raise NoWorkersError(
            f"{_name_of(active)} has no workers (the connection to the scheduler was closed)"
        )
    try:
        return int(active.effective_n_jobs(wanted))
    except OSError as error:  # a TimeoutError is one
        if not is_cluster:
            raise
        seconds = getattr(active, "wait_for_workers_timeout", None)
        is_late = isinstance(error, TimeoutError) and seconds
        why = f"none came within {seconds:g} s" if is_late else text_of(error).splitlines()[0]
        raise NoWorkersError(f"{_name_of(active)} has no workers ({why})") from error


def is_inside_worker() -> bool:
    """Tell whether this thread does the work of a worker: of ours, or a task of dask."""
    if getattr(_this_thread, "tasks", 0):
        return True
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except (ValueError, AttributeError):
        return False
    return True


@contextlib.contextmanager
def working() -> Iterator[None]:
    """Do the work of a worker in this thread, within the block."""
    _this_thread.tasks = getattr(_this_thread, "tasks", 0) + 1
    try:
        yield
    finally:
        _this_thread.tasks -= 1


_this_thread = threading.local()


def _serial() -> Workers:
    return Workers("threads", "sequential", 1, Threads, asked_for=False)


def is_configured() -> bool:
    """Tell whether there may be a `parallel_config`: joblib is loaded."""
    return "joblib" in sys.modules


def _configured(name: str) -> Any:
    """Return an argument of the `parallel_config` around the call, None where it has none.

    The number of workers that joblib itself tells is 1 wherever it prefers threads to a backend that nobody chose.
    """
    import joblib.parallel

    config = getattr(getattr(joblib.parallel, "_backend", None), "config", {})
    value = config.get(name)
    return value if isinstance(value, (int, str)) else None


def _active_backend(hint: str) -> tuple[Any, bool]:
    """Return joblib's backend for a function that the hint suits, and whether somebody chose it, or asked for such."""
    from joblib.parallel import get_active_backend

    if _configured("prefer") is not None or _configured("require") is not None:
        return get_active_backend()[0], True
    active, other = (get_active_backend(prefer=one)[0] for one in (hint, _other(hint)))
    return active, type(active) is type(other)


def _other(hint: str) -> str:
    return "processes" if hint == "threads" else "threads"


def _enter(stack: contextlib.ExitStack, name: str, backend: str | None) -> None:
    """Configure joblib for a backend that the call names, unless it is that of the configuration around it."""
    import joblib

    active, was_chosen = _active_backend("processes")
    if _name_of(active) == name and was_chosen:
        return
    try:
        stack.enter_context(
            joblib.parallel_config(backend=name, n_jobs=_configured("n_jobs"), prefer=None, require=None)
        )
    except ImportError as error:
        raise MissingLibraryError(
            f"backend={backend!r} needs a library that is not installed ({error}): "
            f"pip install '{INSTALL.get(name, name)}'."
        ) from error
    except (ValueError, KeyError) as error:
        lines = str(error).replace("\\n", "\n").splitlines()  # joblib escapes some line breaks of its advice
        why = "; ".join(line.strip() for line in lines if line.strip())
        raise InvalidProblemError(f"backend: {backend!r} is not available: {why}") from error


def _name_of(active: Any) -> str:
    names = {
        "LokyBackend": "loky",
        "ThreadingBackend": "threading",
        "MultiprocessingBackend": "multiprocessing",
        "SequentialBackend": "sequential",
        "DaskDistributedBackend": "dask",
    }
    return names.get(type(active).__name__, type(active).__name__)


def _workers(active: Any, size: int, asked_for: bool) -> Workers:
    name = _name_of(active)
    match name:
        case "sequential":
            return _serial()
        case "threading":
            return Workers("threads", name, size, Threads, asked_for)
        case "loky":
            return Workers("processes", name, size, lambda size: Processes(size, loky_processes), asked_for)
        case "multiprocessing":
            make = multiprocessing_processes
            return Workers("processes", name, size, lambda size: Processes(size, make), asked_for)
        case "dask":
            from fastcheck.workers.clusters import Dask

            return Workers(
                "cluster", name, size, lambda size: Dask(active.client, size, active.submit_kwargs), asked_for
            )
    from fastcheck.workers.clusters import OtherBackend

    return Workers("cluster", name, size, lambda size: OtherBackend(active, size), asked_for)
