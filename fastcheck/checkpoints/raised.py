"""Exceptions of the cost in a checkpoint: the names of their types and their texts, and never what is pickled."""

from __future__ import annotations

import struct
from typing import NamedTuple

from fastcheck.checkpoints.records import MOST_TEXT
from fastcheck.errors import UndefinedCostError

_FRONT = struct.Struct("<BH")


class KeptError(NamedTuple):
    """An exception as it is kept: ``undefined`` tells that it is fastcheck's own, of a J that is no finite number."""

    undefined: bool
    name: str
    text: str

    @classmethod
    def of(cls, error: Exception) -> KeptError | None:
        """Return what is kept of an exception; None where its text cannot be had, or is too long."""
        undefined = type(error) is UndefinedCostError
        try:
            text = error.args[0] if undefined else str(error)
        except Exception:
            return None
        kept = cls(undefined, type(error).__name__, text) if isinstance(text, str) else None
        return None if kept is None or len(kept.encoded()) > MOST_TEXT else kept

    def encoded(self) -> bytes:
        """Return it as bytes."""
        name = self.name.encode("utf-8", "surrogatepass")
        text = self.text.encode("utf-8", "surrogatepass")
        return _FRONT.pack(self.undefined, min(len(name), 2**16 - 1)) + name + text

    @classmethod
    def decoded(cls, data: bytes) -> KeptError | None:
        """Return what was written; None where it is something else."""
        if len(data) < _FRONT.size:
            return None
        undefined, length = _FRONT.unpack_from(data)
        if undefined not in (0, 1) or length > len(data) - _FRONT.size:
            return None
        behind = _FRONT.size + length
        try:
            name = data[_FRONT.size : behind].decode("utf-8", "surrogatepass")
            text = data[behind:].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return None
        return cls(bool(undefined), name, text)

    def rebuilt(self) -> Exception:
        """Return an exception of a type of this name, which says this."""
        if self.undefined:
            return UndefinedCostError(self.text)
        return _type_named(self.name)(self.text)


class _KeptError(Exception):
    """Says what an exception said whose type is not known any more."""

    def __str__(self) -> str:
        return str(self.args[0])


def _type_named(name: str) -> type[Exception]:
    # A type may be called anything but what holds a zero character or half a character.
    valid = name.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return type(valid, (_KeptError,), {"__module__": __name__})
