"""Work that is sent to workers: pickled once, opened once by each of them, large arrays without a copy.

What other processes of this machine open is a file whose arrays are mapped into their memory: the pages are shared
until somebody writes to them. What other machines open are the bytes themselves, which a cluster moves once to each.
"""

from __future__ import annotations

import mmap
import pickle
import sys
import threading
import uuid
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 64
"""Arrays begin where they did, modulo so many bytes: libraries may add up the first few numbers in another way, up to
the beginning of a line of the cache."""

KEPT_OPEN = 2
"""Parcels that a worker keeps open: what is evaluated, and what is evaluated alone."""

CANNOT_BE_PICKLED = (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Parcel:
    """Work as bytes: what was pickled, and its arrays (and other buffers), which may be empty.

    ``name`` tells parcels apart. Of each buffer there are the bytes, as an array, since arrays are sent without copies,
    the place modulo `ALIGNMENT`, and whether it may be written to. One that ``stays`` is held by whoever opens it for
    as long as it is needed, so that the work goes with it; others come with every chunk, and the work is known by their
    name.
    """

    name: str
    data: bytes
    buffers: tuple[tuple[NDArray[np.uint8], int, bool], ...]
    stays: bool = False

    def opened(self) -> Any:
        """Return the work, that of the first time; one that stays, of the first time in this thread.

        A process of a cluster may run several threads, and a cost may write to its own arrays meanwhile.
        """
        if not self.stays:
            return _once(self.name, self._read)
        if self not in _in_this_thread.parcels:
            with _opening:
                _in_this_thread.parcels[self] = self._read()
        return _in_this_thread.parcels[self]

    def _read(self) -> Any:
        return pickle.loads(self.data, buffers=[_laid_out(*buffer) for buffer in self.buffers])


@dataclass(frozen=True, slots=True)
class FiledParcel:
    """Work in a file: where what was pickled ends, and where its arrays begin and end, and may be written to."""

    name: str
    path: str
    pickled: int
    arrays: tuple[tuple[int, int, bool], ...]

    def opened(self) -> Any:
        """Return the work, that of the first time; what it writes to its arrays, nobody else sees."""
        return _once(self.name, self._read)

    def _read(self) -> Any:
        with open(self.path, "rb") as file:
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        buffers = [
            mapped[begin:end] if writable else mapped[begin:end].toreadonly()
            for begin, end, writable in self.arrays
        ]
        return pickle.loads(mapped[: self.pickled], buffers=buffers)


class Packed:
    """Work that was pickled: ``why_not`` is the exception if that is not possible."""

    def __init__(self, work: Callable[..., Any]) -> None:
        import cloudpickle

        self.name = uuid.uuid4().hex
        self.data = b""
        self.why_not: Exception | None = None
        self._buffers: list[memoryview] = []
        buffers: list[pickle.PickleBuffer] = []
        try:
            self.data = cloudpickle.dumps(work, protocol=5, buffer_callback=buffers.append)
        except CANNOT_BE_PICKLED as error:
            self.why_not = error
            return
        self._buffers = [buffer.raw() for buffer in buffers]

    @property
    def size(self) -> int:
        """Bytes that travel."""
        return len(self.data) + sum(buffer.nbytes for buffer in self._buffers)

    def sent(self, *, stays: bool = False) -> Parcel:
        """Return what other machines can open; ``stays`` where they keep it as it is for later chunks."""
        buffers = tuple(
            (np.array(buffer, np.uint8), _place(buffer) % ALIGNMENT, not buffer.readonly)
            for buffer in self._buffers
        )
        return Parcel(self.name, self.data, buffers, stays)

    def filed(self, folder: str) -> FiledParcel:
        """Write a file into a folder, and return what processes of this machine can open."""
        path, arrays = Path(folder, f"{self.name}.work"), list[tuple[int, int, bool]]()
        with open(path, "wb") as file:
            file.write(self.data)
            for buffer in self._buffers:
                file.write(b"\0" * ((_place(buffer) - file.tell()) % ALIGNMENT))
                begin = file.tell()
                file.write(buffer)
                arrays.append((begin, file.tell(), not buffer.readonly))
        return FiledParcel(self.name, str(path), len(self.data), tuple(arrays))


def _place(buffer: Any) -> int:
    """Return where a buffer begins in memory."""
    return int(np.frombuffer(buffer, np.uint8).ctypes.data) if len(buffer) else 0


def _laid_out(data: NDArray[np.uint8], place: int, writable: bool) -> memoryview:
    """Return a copy of bytes that begins at this place, modulo `ALIGNMENT`."""
    memory = memoryview(bytearray(len(data) + ALIGNMENT))
    begin = (place - _place(memory)) % ALIGNMENT
    copy = memory[begin : begin + len(data)]
    np.asarray(copy)[:] = data
    return copy if writable else copy.toreadonly()


class _OpenInThread(threading.local):
    """Parcels that this thread keeps open for as long as they are there."""

    def __init__(self) -> None:
        self.parcels: weakref.WeakKeyDictionary[Parcel, Any] = weakref.WeakKeyDictionary()


_open: dict[str, Any] = {}
_in_this_thread = _OpenInThread()
_opening = threading.Lock()


def _once(name: str, read: Callable[[], Any]) -> Any:
    """Return the work of this name, which is read the first time; those before it are forgotten."""
    with _opening:
        if name not in _open:
            while len(_open) >= KEPT_OPEN:
                del _open[next(iter(_open))]
            _open[name] = read()
        return _open[name]


def module_being_imported() -> str | None:
    """Return the name of the module whose import this thread is in the middle of, if it is."""
    frame = sys._getframe(1)
    while frame is not None:
        spec = frame.f_globals.get("__spec__")
        if frame.f_code.co_name == "<module>" and getattr(spec, "_initializing", False):
            return str(frame.f_globals.get("__name__"))
        frame = frame.f_back  # type: ignore[assignment]
    return None
