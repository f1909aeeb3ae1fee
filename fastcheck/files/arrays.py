"""Arrays of numbers from ``.npz`` and ``.npy`` files, which may hold anything: nothing is unpickled.

A file says itself how large its arrays are, and how much its compressed members hold. Both are compared with what
there is before memory is asked for: an array has the bytes that its shape needs, and DEFLATE makes of one byte no more
than some thousand.
"""

from __future__ import annotations

import io
import math
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from fastcheck.errors import InvalidProblemError

Array = np.ndarray[Any, np.dtype[Any]]

MOST_BYTES = 2**30
"""Bytes of all arrays of a file together: 1 GiB."""

MOST_ARRAYS = 10_000

MOST_AT_ONCE = 2**22
"""Bytes that are read at once; the list of all members of an archive is one piece, of some hundred bytes for each."""

LONGEST_HEADER = 10_000

LARGEST_RATIO = 1_032
"""Bytes that DEFLATE makes of one at most."""

MAGIC = b"\x93NUMPY"

LENGTHS = {1: "<H", 2: "<I", 3: "<I"}
"""How the length of the header is written, by the version of the format."""

HEADER = re.compile(
    r"\{\s*'descr':\s*'(?P<dtype>[<>|=]?[biufc]\d{1,2})',\s*'fortran_order':\s*(?P<columns_first>True|False),"
    r"\s*'shape':\s*\((?P<shape>(?:\s*\d{1,19}\s*,)*\s*\d{0,19})\s*\)\s*,?\s*\}\s*"
)
"""What NumPy writes of an array of numbers. Other types, of objects above all, do not match."""

DAMAGED = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError,
    OverflowError,
)  # fmt: skip
"""What the libraries raise of archives that are damaged, encrypted, or compressed otherwise."""

NAME = re.compile(r"[^\W\d]\w{0,99}(?:\.[^\W\d]\w{0,99}){0,9}")


def arrays_in(path: Path) -> dict[str, Array]:
    """Return the arrays of an ``.npz`` file by their names, or that of an ``.npy`` file by the name of the file.

    Raises `InvalidProblemError`, which says what is wrong, for anything but arrays of numbers with names such as ``X``
    or ``parameters.W1``, and for more than `MOST_BYTES` bytes of them.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InvalidProblemError(f"{path}: expected a file of arrays, .npz or .npy, got no file.")
        with _BoundedFile(path) as file:
            size = os.fstat(file.fileno()).st_size
            if file.read(len(MAGIC)) == MAGIC:
                file.seek(0)
                name = _expect_name(path.stem, path)
                return {name: _array(_Member(file, size, f"{path}"))}
            file.seek(0)
            return _members(file, path)
    except InvalidProblemError:
        raise
    except FileNotFoundError as error:
        raise InvalidProblemError(f"{path}: {error.strerror}.") from None
    except DAMAGED as error:
        raise InvalidProblemError(
            f"{path}: expected arrays as numpy.savez writes them, got a file that is none, or damaged ({error})."
        ) from None


def nested(arrays: Mapping[str, Array], where: str) -> dict[str, Any]:
    """Return arrays as values of a file: ``parameters.W1`` is an entry of a dict ``parameters``.

    >>> nested({"X": np.zeros(2), "parameters.W1": np.ones(2)}, "batch.npz")
    {'X': array([0., 0.]), 'parameters': {'W1': array([1., 1.])}}
    """
    values: dict[str, Any] = {}
    for name, array in arrays.items():
        *folders, last = name.split(".")
        inner = values
        for folder in folders:
            inner = inner.setdefault(folder, {}) if isinstance(inner, dict) else {}
        if not isinstance(inner, dict) or last in inner:
            raise InvalidProblemError(f"{where}: expected arrays or dicts of them, got {name} as both.")
        inner[last] = array
    return values


class _BoundedFile(io.FileIO):
    """A file that is never read as a whole: the end of an archive says how much its reader should take at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return so many bytes, or fewer at the end; raises `ValueError` where they are too many."""
        wanted = MOST_AT_ONCE + 1 if size is None or size < 0 else size
        content = super().read(min(wanted, MOST_AT_ONCE + 1)) or b""
        if len(content) > MOST_AT_ONCE:
            raise ValueError(f"it has a part of more than {MOST_AT_ONCE:,} bytes that is read at once")
        return content


class _Member(NamedTuple):
    """A stream that holds one array, the number of its bytes, and how messages name it."""

    stream: IO[bytes] | io.FileIO
    size: int
    place: str


def _members(file: io.FileIO, path: Path) -> dict[str, Array]:
    """Return the arrays of an archive."""
    arrays: dict[str, Array] = {}
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        _expect_affordable(members, path)
        for info in members:
            if not info.filename.endswith(".npy"):
                raise InvalidProblemError(f"{path}: expected arrays alone, got {_excerpt(info.filename)}.")
            name = _expect_name(info.filename.removesuffix(".npy"), path)
            if name in arrays:
                raise InvalidProblemError(f"{path}: expected each array once, got two called {name}.")
            with archive.open(info) as stream:
                arrays[name] = _array(_Member(stream, info.file_size, f"{path}, {name}"))
    return arrays


def _expect_affordable(members: list[zipfile.ZipInfo], path: Path) -> None:
    """Raise `InvalidProblemError` for an archive that says it holds too much, or what it cannot hold."""
    if len(members) > MOST_ARRAYS:
        raise InvalidProblemError(f"{path}: expected at most {MOST_ARRAYS:,} arrays, got {len(members):,}.")
    total = sum(info.file_size for info in members)
    if total > MOST_BYTES:
        raise InvalidProblemError(f"{path}: expected at most {MOST_BYTES:,} bytes of arrays, got {total:,}.")
    for info in members:
        where = f"{path}, {_excerpt(info.filename)}"
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InvalidProblemError(f"{where}: expected it stored or deflated, got another compression.")
        if info.file_size > LARGEST_RATIO * info.compress_size + LARGEST_RATIO:
            raise InvalidProblemError(
                f"{where}: expected no more bytes than {info.compress_size:,} can be inflated to, got "
                f"{info.file_size:,}."
            )


def _array(member: _Member) -> Array:
    """Return the array of a stream; its size is known to be right before its memory is asked for."""
    dtype, columns_first, shape, start = _header(member)
    needed, there = math.prod(shape) * dtype.itemsize, member.size - start
    if needed != there or member.size > MOST_BYTES:
        raise InvalidProblemError(
            f"{member.place}: expected the {needed:,} bytes of {dtype} of shape {shape}, at most {MOST_BYTES:,}, got "
            f"{there:,}."
        )
    content = bytearray()
    while piece := member.stream.read(min(MOST_AT_ONCE, needed + 1 - len(content))):
        content += piece
    if len(content) != needed:
        raise InvalidProblemError(f"{member.place}: expected {needed:,} bytes, got {len(content):,}.")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if columns_first else "C")
    return array.astype(dtype.newbyteorder("="), order="K", copy=False)


def _header(member: _Member) -> tuple[np.dtype[Any], bool, tuple[int, ...], int]:
    """Return dtype, order and shape of an array, and where its entries begin."""
    first = member.stream.read(len(MAGIC) + 2)
    is_array = first.startswith(MAGIC) and len(first) == len(MAGIC) + 2 and first[-2] in LENGTHS
    if not is_array:
        raise InvalidProblemError(
            f"{member.place}: expected an array as numpy.save writes it, got other bytes."
        )
    layout = LENGTHS[first[-2]]
    (length,) = struct.unpack(layout, member.stream.read(struct.calcsize(layout)))
    if length > LONGEST_HEADER:
        raise InvalidProblemError(
            f"{member.place}: expected a header of at most {LONGEST_HEADER:,} bytes, got {length:,}."
        )
    text = member.stream.read(length).decode("latin-1")
    found = HEADER.fullmatch(text)
    if len(text) < length or found is None:
        raise InvalidProblemError(
            f"{member.place}: expected an array of numbers, got one of another type (of objects, or records), or a "
            f"header that is damaged: {_excerpt(text.strip())}."
        )
    shape = tuple(map(int, filter(None, map(str.strip, found["shape"].split(",")))))
    try:
        dtype = np.dtype(found["dtype"])
        np.empty((), dtype).reshape((1,) * len(shape))
    except (TypeError, ValueError):
        raise InvalidProblemError(
            f"{member.place}: expected an array of numbers, got {found['dtype']} in {len(shape)} dimensions."
        ) from None
    return dtype, found["columns_first"] == "True", shape, len(first) + struct.calcsize(layout) + length


def _expect_name(name: str, path: Path) -> str:
    if not NAME.fullmatch(name):
        raise InvalidProblemError(
            f"{path}: expected arrays with names such as X or parameters.W1, got {_excerpt(name)}."
        )
    return name


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
