"""Values as bytes that are the same in every process: numbers by their bits, arrays by theirs, sets in one order."""

from __future__ import annotations

import array
import collections
import contextlib
import ctypes
import datetime
import decimal
import fractions
import hashlib
import io
import random
import struct
import types
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 2**30
"""Bytes of an array up to which all of them count; of a larger one the first and last of `ENDS`."""

ENDS = 2**20

WRITTEN_OUT = (
    types.NoneType,
    types.EllipsisType,
    bool,
    int,
    str,
    bytes,
    range,
    np.dtype,
    decimal.Decimal,
    fractions.Fraction,
    datetime.date,
    datetime.time,
    datetime.timedelta,
)  # fmt: skip
"""Types of values that their ``repr`` tells from others."""

MACHINERY = (
    "_cffi_backend", "_ctypes", "_io", "_thread", "asyncio", "cffi", "concurrent", "contextvars", "ctypes", "importlib",
    "io", "jax", "jaxlib", "joblib", "logging", "matplotlib", "multiprocessing", "pathlib", "socket", "ssl",
    "subprocess", "tempfile", "threading", "tqdm", "weakref",
)  # fmt: skip
"""Packages whose objects belong to a process or a machine, or are made anew in each: they are left out."""

GENERATORS = (random.Random, np.random.Generator, np.random.RandomState, np.random.BitGenerator)
"""What draws random numbers: where that matters it is started anew for every evaluation."""


PLAIN = {bool, int, float, str}
"""Types of items of long lists, which are written out at once."""

BUFFERS = (array.array, ctypes.Array, ctypes.Structure, ctypes.Union, type(ctypes.c_double()).__mro__[1])
"""Types of compiled values that lie in memory as they are."""

ADDRESSES = "zZPOX&"
"""Letters in the format of memory that stand for addresses, which are others in every process."""


class Digest:
    """A digest to which pieces are added, each with its length, so that none runs into the next."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)

    def text(self, text: str) -> None:
        """Add a text."""
        self.bytes(text.encode("utf-8", "surrogatepass"))

    def bytes(self, data: Any) -> None:
        """Add bytes, or what holds them."""
        view = memoryview(data).cast("B")
        self._hash.update(struct.pack("<Q", view.nbytes))
        self._hash.update(view)

    def hex(self) -> str:
        """Return the digest of what was added."""
        return self._hash.hexdigest()


def add_plain(digest: Digest, value: Any) -> bool:
    """Add a number, a text, an array or the like to a digest, and tell whether it was one."""
    kind = type(value)
    if kind in WRITTEN_OUT or issubclass(kind, np.dtype):
        digest.text(f"{kind.__name__} {value!r}")
    elif kind is float or kind is complex:
        numbers = (value.real, value.imag)
        digest.bytes(kind.__name__.encode() + struct.pack("<dd", *numbers))
    elif issubclass(kind, (bytearray, memoryview)):
        digest.bytes(bytes(value))
    elif issubclass(kind, BUFFERS):
        view = memoryview(value)
        shown = value.tobytes() if kind is array.array else bytes(view)
        digest.text(f"{kind.__name__} {view.format} {view.shape}")
        digest.bytes(b"" if any(letter in (view.format or "") for letter in ADDRESSES) else shown)
    elif kind in (io.BytesIO, io.StringIO):
        digest.text(f"{kind.__name__} {value.getvalue()!r}")
    elif issubclass(kind, np.ma.MaskedArray):
        added = _add_array(digest, np.asarray(value), kind.__name__)
        return added and add_plain(digest, np.ma.getmaskarray(value)) and add_plain(digest, value.fill_value)
    elif issubclass(kind, (np.ndarray, np.generic)):
        return _add_array(digest, np.asarray(value), kind.__name__)
    elif issubclass(kind, GENERATORS):
        digest.text(kind.__name__)
    else:
        return False
    return True


def _add_array(digest: Digest, array: NDArray[Any], kind: str) -> bool:
    """Add an array to a digest, unless it holds objects."""
    if array.dtype.hasobject:
        return False
    order = "" if array.flags.c_contiguous else array.strides  # sums add in the order of memory
    digest.text(f"{kind} {array.dtype.descr if array.dtype.names else array.dtype.str} {array.shape} {order}")
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8) if array.size else np.empty(0, np.uint8)
    if flat.nbytes <= MOST_BYTES:
        digest.bytes(flat.data)
    else:
        digest.bytes(flat[:ENDS].data)
        digest.bytes(flat[-ENDS:].data)
    return True


def as_array(value: Any) -> NDArray[Any] | None:
    """Return an array of another library as one of NumPy's, None where it is none, or cannot be one."""
    if not hasattr(type(value), "__array__"):
        return None
    try:
        array = np.asarray(value.detach() if hasattr(type(value), "detach") else value)
    except Exception:
        return None
    return None if array.dtype.hasobject else array


def is_plain(items: list[Any]) -> bool:
    """Tell whether items are numbers and texts, or lists of these, which all can be written out at once."""
    kinds = {type(item) for item in items}
    if kinds <= PLAIN:
        return True
    return kinds <= {list, tuple} and all({type(inner) for inner in item} <= PLAIN for item in items)


def reduced(value: Any) -> tuple[Any, ...] | None:
    """Return what a compiled object of a library would be pickled as; None if it cannot be."""
    try:
        made = value.__reduce_ex__(4)
    except Exception:  # whatever libraries raise
        return None
    return made if isinstance(made, tuple) else None


def in_one_order(values: Any, digest_of: Callable[[Any], str]) -> list[str]:
    """Return the digests of the elements of a set, in an order that hashes have no part in."""
    return sorted(map(digest_of, values))


def items_of(container: Any) -> list[Any]:
    """Return what a container of Python holds, pairs of a dict, whatever its class makes of iteration."""
    kinds: tuple[Any, ...] = (list, tuple, collections.deque, set, frozenset)
    for kind in kinds:
        if isinstance(container, kind):
            return list(kind.__iter__(container))
    return list(dict.items(container) if isinstance(container, dict) else container.items())


def vars_of(value: Any) -> dict[str, Any]:
    """Return the attributes of an object that are stored in it, those of slots, too; none of its code runs."""
    attributes: dict[str, Any] = {}
    for kind in type(value).__mro__:
        for name, member in vars(kind).items():
            if isinstance(member, types.MemberDescriptorType) and not name.startswith("__"):
                with contextlib.suppress(AttributeError):  # a slot that is empty
                    attributes[name] = member.__get__(value)
    with contextlib.suppress(AttributeError, TypeError):
        attributes |= object.__getattribute__(value, "__dict__")
    return attributes
