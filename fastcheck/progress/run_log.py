"""The log of a run: one JSON object a line, each written whole, for batch systems and for whoever follows the file.

    {"event": "progress", "time": "…", "pid": 4711, "done": 1240, "total": 2000, "differ": 3, …}

A line is one write at the end of the file, so that several processes may append to one file, and whoever reads it finds
whole lines. What cannot be written ends no check: a `LogWarning` says so at once, and the log itself, in
`RunLog.failure`.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import math
import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastcheck.callers import level_of_caller
from fastcheck.errors import LogWarning
from fastcheck.progress.events import listening
from fastcheck.undoing import Undoable

APPENDING = (
    os.O_WRONLY
    | os.O_APPEND
    | os.O_CREAT
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe that nobody reads must not hold up a check
)


class RunLog(Undoable):
    """A file to which events are appended within a ``with`` block.

    ``problem`` is the name of what is checked, if it has one. ``failure`` is the sentence that says why the log is not
    complete, None if it is. ``last`` is the kind of the last event.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        self.problem: str | None = None
        self.last: str | None = None
        self.failure: str | None = None
        self.process = os.getpid()
        self.file: io.FileIO | None = None
        self.heard = listening(self)

    def do(self) -> None:
        """Open the file, and listen."""
        self.heard.do()
        try:
            self.file = io.FileIO(self.path, "a", opener=_opened)
            self._end_a_line_that_was_cut_off(self.file.fileno())
        except (OSError, ValueError) as error:
            self._give_up(error)

    def undo(self) -> None:
        """Listen no more, and close the file."""
        self.heard.undo()
        self._close()

    def hear(self, kind: str, fields: dict[str, Any]) -> None:
        """Append an event."""
        if self.file is None or os.getpid() != self.process:
            return
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        name = {} if self.problem is None else {"problem": self.problem}
        event = {"event": kind, "time": now, "pid": self.process, **name, **fields}
        self.last = kind
        try:
            _write(self.file.fileno(), as_line(event))
        except OSError as error:
            # Where warnings are errors a check is not to end by it.
            with contextlib.suppress(LogWarning):
                self._give_up(error)

    def _end_a_line_that_was_cut_off(self, file: int) -> None:
        """End the last line if it was cut off, by a power failure say, so that ours are whole."""
        try:
            is_regular = os.path.isfile(self.path)
            with open(self.path, "rb") if is_regular else io.BytesIO() as existing:
                existing.seek(max(existing.seek(0, os.SEEK_END) - 1, 0))
                last = existing.read(1)
        except OSError:  # it may be written, and not read
            return
        if last not in (b"", b"\n"):
            _write(file, b"\n")

    def _give_up(self, error: Exception) -> None:
        self.failure = _sentence(self.path, getattr(error, "strerror", None) or str(error))
        self._close()
        warnings.warn(self.failure, LogWarning, stacklevel=level_of_caller())

    def _close(self) -> None:
        if self.file is not None:
            with contextlib.suppress(OSError):
                self.file.close()  # twice does no harm
            self.file = None


def _opened(path: str, _flags: int) -> int:
    return os.open(path, APPENDING, 0o666)


def _write(file: int, line: bytes) -> None:
    """Write a line, or nothing of it: of a disk that is full a part of it fits."""
    written = os.write(file, line)
    if written == len(line):
        return
    with contextlib.suppress(OSError):
        end = os.lseek(file, 0, os.SEEK_CUR)
        nobody_wrote_since = os.fstat(file).st_size == end
        if nobody_wrote_since:
            os.ftruncate(file, end - written)
    raise OSError("only a part of a line could be written")


def _sentence(path: str | os.PathLike[str], why: str) -> str:
    return f"log: {os.fspath(path)} could not be written ({why}); the check goes on without it."


def as_line(event: Mapping[str, Any]) -> bytes:
    r"""Return an event as one line of JSON, whatever it holds: what is no finite number is null.

    >>> as_line({"event": "progress", "left": float("nan"), "worst": ("θ", 1)})
    b'{"event": "progress", "left": null, "worst": ["\xce\xb8", 1]}\n'
    """
    text = json.dumps(_plain(event), ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode(
        "utf-8", errors="backslashreplace"
    )  # half a surrogate pair becomes \udxxx: JSON's own


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it: other things are their text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        return [_plain(one) for one in value]
    return str(value)
