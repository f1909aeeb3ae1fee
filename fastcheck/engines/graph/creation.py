"""What the cost creates while it is recorded: arrays that can receive recorded values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcheck.engines.graph import layout
from fastcheck.engines.graph.movement import Pick
from fastcheck.engines.graph.recorded import Recorded, fixed, is_recorded, values_of
from fastcheck.engines.graph.tape import Tape, current_tape


class GraphFront:
    """What stand-ins do while a cost is recorded."""

    @staticmethod
    def holds(x: Any) -> bool:
        """Whether x is a recorded array, or holds one."""
        return is_recorded(x)

    @staticmethod
    def array(x: Any) -> Any:
        """Return an array, or nested lists of recorded numbers, as a recorded array."""
        x = layout.array(x)
        return x if type(x) is Recorded or x.dtype != np.float64 else Recorded(x)

    @staticmethod
    def lifted(x: Any) -> Any:
        """Return data of the cost as a recorded array."""
        return Recorded(np.array(x))

    @staticmethod
    def adopted(x: Any) -> Any:
        """Return an array that the cost created as a recorded array."""
        return Recorded(x)

    @staticmethod
    def converted(
        original: Any, x: Any, dtype: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        """Return what np.array and its like make of recorded numbers."""
        name = original.__name__
        if type(x) is not Recorded:
            x = layout.array(x)
        elif (name == "array" and keywords.get("copy", True)) or not isinstance(x.array, np.ndarray):
            x = layout.copy(layout.reshape(x, np.shape(x.array)))
        if name == "ascontiguousarray" and not x.flags.c_contiguous:
            x = layout.copy(x)
        if name == "asfortranarray" and not x.flags.f_contiguous:
            x = np.transpose(layout.copy(np.transpose(x)))
        if dtype is not None and np.dtype(dtype) != x.dtype:
            x = x.astype(dtype)
        ndmin = 1 if name.endswith(("contiguousarray", "fortranarray")) else keywords.get("ndmin", 0)
        missing = max(0, ndmin - np.ndim(x))
        return np.reshape(x, (*(1,) * missing, *np.shape(x))) if missing else x

    @staticmethod
    def as_strided(x: Any, shape: Any = None, strides: Any = None, **_: Any) -> Any:
        """Return as_strided of a recorded array, a read-only view."""
        if not x.array.flags.c_contiguous:
            raise current_tape().refusal(
                "as_strided", "the recorded array does not lie in memory as NumPy's new arrays do."
            )
        strided = np.lib.stride_tricks.as_strided
        value, old = strided(x.array, shape, strides, writeable=False), x.shape
        return x.seen_as(
            value, lambda node: Pick(value, node, lambda: strided(layout.numbers(old), shape, strides))
        )

    @staticmethod
    def isclose(a: Any, b: Any, **tolerances: float) -> bool:
        """Return math.isclose, which has no slope."""
        return math.isclose(fixed(a), fixed(b), **tolerances)

    @staticmethod
    def logsumexp(
        a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
    ) -> Any:
        """Record scipy.special.logsumexp."""
        if return_sign:
            raise current_tape().refusal("logsumexp", "return_sign is not recorded.")
        a = layout.array(a)
        top = np.max(values_of(a), axis=axis, keepdims=True)
        top = np.where(np.isfinite(top), top, 0.0)
        terms = np.exp(a - top)
        sums = np.sum(terms if b is None else terms * b, axis=axis, keepdims=True)
        result = np.log(sums) + top
        return result if keepdims else np.reshape(result, np.sum(values_of(a), axis=axis).shape)[()]

    @staticmethod
    def log_softmax(x: Any, axis: Any = None) -> Any:
        """Record scipy.special.log_softmax."""
        return x - GraphFront.logsumexp(x, axis, keepdims=True)

    @staticmethod
    def softmax(x: Any, axis: Any = None) -> Any:
        """Record scipy.special.softmax."""
        return np.exp(GraphFront.log_softmax(x, axis))


Tape.front = GraphFront
