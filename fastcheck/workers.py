"""Other processes and threads: what they are asked, and what is known when one of them dies or raises."""

from __future__ import annotations

import os
import pickle
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from fastcheck.errors import EvaluationError

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

THREADING = "threading"
"""Joblib's name of workers that are threads of this process."""

MOST_CHUNKS_NAMED = 4
"""Chunks of coordinates that are named where a worker died."""


def in_threads(function: Callable[[Chunk], Result], chunks: Sequence[Chunk], n_jobs: int) -> Iterable[Result]:
    """Yield ``function(chunk)`` for all chunks, in their order, from so many threads."""
    import joblib

    workers = joblib.Parallel(n_jobs=n_jobs, backend=THREADING, return_as="generator")
    results: Iterable[Result] = workers(joblib.delayed(function)(chunk) for chunk in chunks)
    return results


def in_processes(
    function: Callable[[Chunk], Result],
    chunks: Sequence[Chunk],
    n_jobs: int,
    describe: Callable[[Chunk], str] | None,
    backend: str,
) -> Iterator[Result]:
    """Yield the same from so many processes, started by this backend of joblib's.

    What ``function`` raises is raised here, also if it cannot be pickled. Where a process dies, `EvaluationError` says
    what it had, in the words of ``describe``.
    """
    import joblib

    workers = joblib.Parallel(n_jobs=n_jobs, backend=backend, return_as="generator")
    with tempfile.TemporaryDirectory(prefix="fastcheck-") as folder:
        task = joblib.delayed(_Task(function, folder))
        try:
            yield from workers(task(number, chunk) for number, chunk in enumerate(chunks))
        except _UnsendableError as carrier:
            raise carrier.args[0].rebuilt() from None
        except BrokenProcessPool as error:
            numbers = sorted(int(name) for name in os.listdir(folder))
            raise EvaluationError(_death([chunks[number] for number in numbers], describe, error)) from error


def sendable(error: Exception) -> Exception | Raised:
    """Return an exception if it can be sent to other processes, and else what can be sent of it."""
    return error if _is_same_when_pickled(error) else Raised.of(error)


def received(sent: Exception | Raised) -> Exception:
    """Return the exception that was made `sendable`."""
    return sent.rebuilt() if isinstance(sent, Raised) else sent


def cannot_be_sent(function: Callable[..., Any]) -> Exception | None:
    """Return why a function cannot be sent to other processes, None if it can."""
    import cloudpickle

    try:
        cloudpickle.dumps(function)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError) as error:
        return error
    return None


def module_being_imported() -> str | None:
    """Return the name of the module whose import this thread is in the middle of, if it is."""
    frame = sys._getframe(1)
    while frame is not None:
        spec = frame.f_globals.get("__spec__")
        if frame.f_code.co_name == "<module>" and getattr(spec, "_initializing", False):
            return str(frame.f_globals.get("__name__"))
        frame = frame.f_back  # type: ignore[assignment]
    return None


@dataclass(frozen=True, slots=True)
class _Task(Generic[Chunk, Result]):
    """What a process does with a chunk: a file with the number of the chunk is there while it works on it.

    Without it nobody knows which coordinates a process had that died.
    """

    function: Callable[[Chunk], Result]
    folder: str

    def __call__(self, number: int, chunk: Chunk) -> Result:
        marker = Path(self.folder, str(number))
        marker.touch()
        try:
            return self.function(chunk)
        except Exception as error:
            if _is_same_when_pickled(error):
                raise
            raise _UnsendableError(Raised.of(error)) from None
        finally:
            marker.unlink(missing_ok=True)


class _UnsendableError(Exception):
    """Carries what is known of an exception that cannot be pickled, a `Raised`, from a process."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception that cannot be pickled: its class if that can be, and what of it can be.

    The smallest example that breaks without it, as pickle calls the class with ``args``, the text alone::

        class OddError(ValueError):
            def __init__(self, what, *, code): ...
    """

    kind: bytes | None
    name: str
    text: str
    arguments: tuple[Any, ...]
    attributes: dict[str, Any]
    trace: str

    @classmethod
    def of(cls, error: Exception) -> Raised:
        """Return what is known of an exception."""
        kind, state = type(error), getattr(error, "__dict__", {})
        return cls(
            kind=_pickled(kind),
            name=kind.__qualname__
            if kind.__module__ == "builtins"
            else f"{kind.__module__}.{kind.__qualname__}",
            text=str(error),
            arguments=tuple(value if _pickled(value) else repr(value) for value in error.args),
            attributes={key: value for key, value in state.items() if _pickled(value)},
            trace="".join(traceback.format_exception(error)),
        )

    def rebuilt(self) -> Exception:
        """Return the exception, or one that tells its type and text where it cannot be made again."""
        error = self._of_its_class() or EvaluationError(
            f"the cost raised {self.name} in a worker process: {self.text}"
        )
        for note in self.attributes.get("__notes__", ()):
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
        error.__cause__ = RuntimeError(f"raised in a worker process:\n{self.trace}")
        return error

    def _of_its_class(self) -> Exception | None:
        try:
            kind = pickle.loads(self.kind or b"")
            error = kind.__new__(kind, *self.arguments)
            error.args = self.arguments
            error.__dict__.update(self.attributes)
            return error if str(error) == self.text else None
        except Exception:
            return None


def _pickled(value: Any) -> bytes | None:
    """Return what other processes can read as the same value, None if there is nothing like that."""
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(value)
        pickle.loads(data)
    except Exception:
        return None
    return data


def _is_same_when_pickled(error: Exception) -> bool:
    """Tell whether an exception is the same after it was pickled."""
    data = _pickled(error)
    if data is None:
        return False
    loaded = pickle.loads(data)
    return type(loaded) is type(error) and str(loaded) == str(error)


def _death(chunks: Sequence[Any], describe: Callable[[Any], str] | None, error: BrokenProcessPool) -> str:
    codes = re.search(r"exit codes? of the workers? (?:are|is) \{([^}]*)\}", f"{error}")
    how = f" ({codes[1] if codes else str(error).partition('.')[0]})"
    places = [describe(chunk) for chunk in chunks[:MOST_CHUNKS_NAMED]] if describe else []
    unnamed = len(chunks) - MOST_CHUNKS_NAMED
    more = f", or {unnamed} others like these" if unnamed > 0 else ""
    where = f" while it evaluated the cost at {', or at '.join(places)}{more}" if places else ""
    return (
        f"cost: a worker process ended{how}{where}. Code in C that crashes, os._exit, or the system, if memory runs "
        "out, end processes: check these coordinates with n_jobs=1 to see where, or use fewer workers."
    )
