"""Keys of points near θ: sixteen bytes, the same in every process and on every machine.

A point that a task of many evaluates has another key than the same point that is evaluated alone: ``costs(thetas)`` may
round in another way than the cost, and where a cost raises in another process it may be defined in this one, which is
tried.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.checkpoints.records import KEY_BYTES
from fastcheck.problem.parameters import Vector

ALONE, IN_TASKS = b"alone", b"in tasks"

_MOVED = struct.Struct("<qd")

_PAIRS = np.dtype([("coordinate", "<i8"), ("value", "<f8")])


class Keys:
    """Keys of points by what differs from θ, (n,), in any bit: a BLAKE2b of the coordinates and their values."""

    def __init__(self, theta: Vector) -> None:
        self.theta = theta.copy()  # θ itself may be moved for an evaluation
        self.bits: NDArray[Any] = self.theta.view(np.int64)

    def point(self, theta: Vector) -> bytes | None:
        """Return the key of a point, (n,); None for θ itself."""
        moved = np.flatnonzero(np.ascontiguousarray(theta).view(np.int64) != self.bits)
        if not moved.size:
            return None
        pairs = np.empty(moved.size, _PAIRS)
        pairs["coordinate"], pairs["value"] = moved, theta[moved]
        return _digest(pairs.tobytes(), ALONE)

    def moved(self, coordinate: int, value: float) -> bytes | None:
        """Return the key of θ with one coordinate at a value, as tasks evaluate it; None for θ itself."""
        pair = _MOVED.pack(coordinate, value)
        same = pair[8:] == struct.pack("<d", self.theta[coordinate])
        return None if same else _digest(pair, IN_TASKS)


def _digest(data: bytes, how: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=KEY_BYTES, person=how).digest()
