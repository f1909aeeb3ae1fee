"""What the cost creates while it is recorded: arrays that can receive recorded values."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.lib.stride_tricks import as_strided

from fastcheck.engines.graph import complexes, layout, libraries, ufuncs
from fastcheck.engines.graph.movement import Pick
from fastcheck.engines.graph.nodes import Array
from fastcheck.engines.graph.recorded import Recorded, is_recorded, stepped, values_of
from fastcheck.engines.graph.tape import Tape, current_tape


def lifted(x: Array, tape: Tape) -> Any:
    """Return a recorded copy of a plain array, the same one each time; of a view, a view of the copy of its base."""
    known = tape.lifted.get(id(x))
    if known is not None:
        return known[1]
    base = x
    while isinstance(base.base, np.ndarray):
        base = base.base
    if base is x or base.dtype != x.dtype or not base.flags.forc:
        found = Recorded(np.array(x, order="K"))
    else:
        whole = lifted(base, tape)
        start = x.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        flat = whole.array.ravel(order="K")
        view = as_strided(flat[start // x.itemsize :], x.shape, x.strides)
        found = whole.seen_as(view, lambda node: node)
    tape.lifted[id(x)] = (x, found)
    return found


class GraphFront:
    """What stand-ins do while a cost is recorded."""

    library: ClassVar[dict[str, Any]] = libraries.LIBRARY

    @staticmethod
    def learn_scipy() -> None:
        """Learn the functions of SciPy."""
        ufuncs.register_scipy()

    @staticmethod
    def holds(x: Any) -> bool:
        """Whether x is a recorded array, or holds one."""
        return is_recorded(x) or complexes.is_recorded(x)

    @staticmethod
    def array(x: Any) -> Any:
        """Return an array, or nested lists of recorded numbers, as a recorded array."""
        x = layout.array(x)
        return x if type(x) is Recorded or x.dtype != np.float64 else Recorded(x)

    @staticmethod
    def lifted(x: Any) -> Any:
        """Return data of the cost as a recorded array: a copy, one for all that share its memory."""
        return lifted(x, current_tape())

    @staticmethod
    def adopted(x: Any) -> Any:
        """Return an array that the cost created as a recorded array."""
        return Recorded(x)

    @staticmethod
    def converted(
        original: Any, x: Any, dtype: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        """Return what np.array and its like make of recorded numbers."""
        if complexes.is_recorded(x):
            return complexes.joined(x)
        source = layout.array(x)
        plain = original(values_of(source), dtype, *arguments, **keywords)
        shares = isinstance(source.array, np.ndarray) and np.may_share_memory(plain, source.array)
        if not shares and (type(x) is Recorded or not plain.flags.c_contiguous):
            source = layout.copy(layout.reshape(source, np.shape(source.array)), layout.order_of(plain))
        if plain.dtype != source.dtype:
            source = source.astype(dtype)
        return source if plain.ndim == np.ndim(source) else np.reshape(source, plain.shape)

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
        return bool(stepped(lambda *numbers: np.bool_(math.isclose(*numbers, **tolerances)), a, b))


Tape.front = GraphFront
