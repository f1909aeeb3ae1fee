"""The format of checkpoints: a line, and records behind each other, each with a checksum.

    fastcheck checkpoint, format 1
    mark · CRC-32 · length of the payload · kind · section · payload
    mark · CRC-32 · …

A record is written by one call of the operating system, so that a process that is killed leaves whole records and at
most one torn tail. The checksum covers everything behind it. Where it does not hold, the next mark that begins a right
record is searched for, so that damage in the middle costs the records that it hit and no others. All numbers are
little-endian; sizes are checked before memory is taken.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FIRST_WORDS = b"fastcheck checkpoint, format "
"""How every checkpoint begins, of whatever format."""

FORMAT = 1
"""Number of the format that is written here, and read."""

HEADER = FIRST_WORDS + b"%d\n" % FORMAT

MARK = b"\xfcRC\n"

_FRONT = struct.Struct("<4sIIHH")
_MARK_AND_CHECKSUM = struct.Struct("<4sI")
_CHECKED = struct.Struct("<IHH")
_VALUE = struct.Struct("<16sd")

KEY_BYTES = 16

MOST_TEXT = 2**16
"""Bytes of the name and text of an exception at most: what is longer is not kept."""

MOST_PAYLOAD = 2**24
"""Bytes of a payload at most."""

MOST_DESCRIPTION = 2**22
"""Bytes of a description at most: as objects of Python they take many times as much."""

PIECE = 2**22
"""Bytes that are read at a time."""

MOST_SEARCHED = 2**28
"""Bytes that are looked at between two right records, at most: a file may be made of nothing but marks, or be empty for
as many bytes as a disk has not.
"""

MOST_PLACES = 3
"""Places of damage that are named."""

FEWEST_AT_ONCE = 16
"""Evaluations that are read together at first; twice as many after each time that all of them were right."""


class Kind(IntEnum):
    """What a record holds."""

    THETA = 1
    """Coordinates of θ, in the order of the file."""
    DESCRIPTION = 2
    """What the evaluations of a section are of, as JSON."""
    VALUE = 3
    """The key of a point, and J there."""
    RAISED = 4
    """The key of a point, and what the cost raised there."""


MOST_OF_KIND = {
    Kind.THETA: MOST_PAYLOAD,
    Kind.DESCRIPTION: MOST_DESCRIPTION,
    Kind.VALUE: _VALUE.size,
    Kind.RAISED: KEY_BYTES + MOST_TEXT,
}
"""Bytes of a payload at most, by the kind of record."""

OF_VALUES = np.dtype(
    [
        ("mark", "S4"),
        ("checksum", "<u4"),
        ("length", "<u4"),
        ("kind", "<u2"),
        ("section", "<u2"),
        ("high", "<u8"),
        ("low", "<u8"),
        ("value", "<f8"),
    ]
)
"""A record of an evaluation, as it lies in the file."""

SECTIONS = 2**16
"""Sections of a file at most."""


class Record(NamedTuple):
    """A record that was read, whose checksum holds."""

    kind: Kind
    section: int
    payload: bytes


Values = NDArray[np.void]
"""Records of evaluations, (k,), of the dtype `OF_VALUES`."""


def encoded(kind: Kind, section: int, payload: bytes) -> bytes:
    """Return the bytes of a record."""
    checked = _CHECKED.pack(len(payload), kind, section) + payload
    return _MARK_AND_CHECKSUM.pack(MARK, zlib.crc32(checked)) + checked


def encoded_value(section: int, key: bytes, value: float) -> bytes:
    """Return the bytes of the record of an evaluation."""
    return encoded(Kind.VALUE, section, _VALUE.pack(key, value))


class Scanner:
    """The records behind the header of a file, one after the other, and what is known of it afterwards.

    ``read(offset, count)`` returns bytes of the file, fewer at its end; ``size`` is that of the file. ``end`` is where
    the last right record ends, so where the next one is to begin. ``damaged`` counts the bytes before it that belong to
    no right record, and ``places`` are the beginnings of the first such stretches.
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self.read, self.size = read, size
        self.end, self.damaged, self.searched = len(HEADER), 0, 0
        self.places: list[int] = []
        self._data, self._start, self._place = b"", self.end, 0

    @property
    def torn(self) -> int:
        """Bytes behind the last right record."""
        return max(0, self.size - self.end)

    def __iter__(self) -> Iterator[Record | Values]:
        most_at_once = FEWEST_AT_ONCE
        while self._available(_FRONT.size) >= _FRONT.size:
            values = self._values(most_at_once)
            if values.size:
                most_at_once = 2 * most_at_once if values.size == most_at_once else FEWEST_AT_ONCE
                self._pass(values.nbytes)
                yield values
            elif (record := self._record()) is not None:
                self._pass(_FRONT.size + len(record.payload))
                yield record
            elif not self._next_mark():
                return

    def _available(self, wanted: int) -> int:
        """Return how many bytes are there from the present place: as many as are wanted, if the file has them."""
        there = len(self._data) - self._place
        if there >= wanted:
            return there
        begin = self._start + self._place
        count = min(max(wanted, PIECE), self.size - begin) - there
        if count > 0:
            self._data = self._data[self._place :] + self.read(begin + there, count)
            self._start, self._place = begin, 0
        return len(self._data) - self._place

    def _values(self, most: int) -> Values:
        """Return the right records of evaluations that begin here, so many at most, (k,)."""
        count = min(most, self._available(most * OF_VALUES.itemsize) // OF_VALUES.itemsize)
        found = np.frombuffer(self._data, OF_VALUES, count, self._place) if count else np.empty(0, OF_VALUES)
        as_they_should = (
            (found["mark"] == MARK) & (found["kind"] == Kind.VALUE) & (found["length"] == _VALUE.size)
        )
        found = found[: _leading(as_they_should)]
        first, size, view = self._place + _MARK_AND_CHECKSUM.size, OF_VALUES.itemsize, memoryview(self._data)
        behind = size - _MARK_AND_CHECKSUM.size
        begins = range(first, first + found.size * size, size)
        checksums = np.array([zlib.crc32(view[begin : begin + behind]) for begin in begins], dtype=np.uint32)
        return found[: _leading(checksums == found["checksum"])]

    def _record(self) -> Record | None:
        """Return the record that begins here, None if that is no right one."""
        if self._available(_FRONT.size) < _FRONT.size:
            return None
        mark, checksum, length, number, section = _FRONT.unpack_from(self._data, self._place)
        if mark != MARK or number not in MOST_OF_KIND or length > MOST_OF_KIND[Kind(number)]:
            return None
        size = _FRONT.size + length
        if self._available(size) < size:
            return None
        self.searched += length
        begin = self._place + _MARK_AND_CHECKSUM.size
        checked = memoryview(self._data)[begin : self._place + size]
        if zlib.crc32(checked) != checksum:
            return None
        return Record(Kind(number), section, bytes(checked[_CHECKED.size :]))

    def _pass(self, count: int) -> None:
        """Go on behind right records of so many bytes."""
        begin = self._start + self._place
        if begin > self.end:
            self.damaged += begin - self.end
            self.places = [*self.places, self.end][:MOST_PLACES]
        self.end = begin + count
        self.searched = 0
        self._place += count

    def _next_mark(self) -> bool:
        """Go on to the next mark, and tell whether there is one that is to be looked at."""
        self._place += 1
        while self.searched <= MOST_SEARCHED:
            found = self._data.find(MARK, self._place)
            behind = max(self._place, len(self._data) - len(MARK) + 1)
            reached = found if found >= 0 else behind
            self.searched += reached - self._place
            self._place = reached
            if found >= 0:
                return True
            if self._available(len(MARK)) < len(MARK):
                return False
        return False


def _leading(truths: NDArray[np.bool_]) -> int:
    """Return how many of them are true before the first that is not."""
    return truths.size if truths.all() else int(np.argmin(truths))
