"""The array that writes down what is done with it: behaves like the ndarray it stands for, or raises TracingError."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastcheck.engines.graph.nodes.decisions import Guard
from fastcheck.engines.graph.nodes.movement import Open, Read, Reshape, Write
from fastcheck.engines.graph.nodes.node import Array, Node
from fastcheck.engines.graph.tracing.memory import Memory
from fastcheck.engines.graph.tracing.tape import ONLY_DOUBLE, Tape, current_tape, recording
from fastcheck.engines.graph.tracing.tracing_error import TracingError, current_run, hint_of
from fastcheck.engines.graph.tracing.users_line import COMPILED, called_function

FLOAT = np.dtype(np.float64)


ASSERTIONS = "numpy.testing."
"""Functions that look at values, return nothing and keep nothing: they get a plain copy of recorded arrays."""

SPARSE_PRODUCT = "_matmul_dispatch"
"""Function of scipy.sparse that multiplies: it leaves the product to operands that it cannot read."""


class Recorded:
    """A float64 array, or number, of a cost that is being recorded.

    One that outlives its recording, because the cost kept it, acts as the plain array of its values.

    Not an ndarray: it takes part in NumPy through ``__array_ufunc__`` and ``__array_function__``, and everything that
    would read the memory of one that parameters reach raises. `Memory` tells what views of it share.
    """

    __slots__ = ("_memory", "_node", "_tape", "_version", "array")

    __array_priority__ = 1000.0

    foreign: ClassVar[tuple[type, ...]] = ()
    """Arrays of other libraries, whose operators take recorded arrays."""

    def __init__(self, array: Any, node: Node | None = None) -> None:
        self.array = array
        self._node = node
        self._tape: Tape = current_tape()
        self._memory: Memory | None = None
        self._version = 0

    # The graph

    @property
    def outlived(self) -> bool:
        """Whether its recording is over: it acts as a plain array from then on."""
        return self._tape.over

    @property
    def live(self) -> bool:
        """Whether parameters reach it."""
        if self._memory is not None and self._memory.buffer is not None:
            return self._memory.live
        return self._node is not None and self._node.live

    @property
    def moves(self) -> bool:
        """Whether its values change with the parameters: masks and indices may, without being live."""
        if self._memory is not None and self._memory.buffer is not None:
            return self._memory.moves
        return self._node is not None and self._node.moves

    def operand(self) -> Any:
        """Return what an operation takes from it now: a node, or its values if they are constant."""
        self._expect_its_own_recording()
        if not np.size(self.array):  # without entries nothing moves
            return np.array(self.array)
        memory = self._memory
        if memory is not None and memory.buffer is not None:
            if not memory.moves:
                return np.array(self.array)
            if self._node is None or self._version != memory.version:
                where = memory.positions(self.array)
                self._node = self._tape.add(Read(np.array(self.array), memory.buffer, where, memory.live))
                self._version = memory.version
        if self._node is None:
            return np.array(self.array)
        return self._node

    def seen_as(self, array: Any, make: Callable[[Node], Node]) -> Recorded:
        """Return a rearrangement of this array, ``make`` being its node: a view if ``array`` shares its memory."""
        self._expect_its_own_recording()
        if not isinstance(array, np.ndarray) or not self._shares(array):
            source = self.operand()
            return Recorded(array, self._tape.add(make(source)) if isinstance(source, Node) else None)
        memory = self.memory()
        view = Recorded(array)
        view._memory = memory
        if not np.size(array):
            view._node = None
        elif memory.buffer is None and self._node is not None:
            view._node = self._tape.add(make(self._node))
            memory.views.append(view._node)
        else:
            view._version = -1
        return view

    def _expect_its_own_recording(self) -> None:
        if self._tape is not recording():
            raise self._tape.refusal(
                "a recorded array", "it was kept from an earlier evaluation, or given to another thread."
            )

    def _shares(self, array: Array) -> bool:
        return isinstance(self.array, np.ndarray) and np.may_share_memory(array, self.array)

    def memory(self) -> Memory:
        """Return what this array shares with its views."""
        if self._memory is None:
            self._memory = Memory(self.array)
            if self._node is not None:
                self._memory.views.append(self._node)
        return self._memory

    def open(self) -> Memory:
        """Return the memory, ready to be written into: what was recorded of it keeps the values that it had."""
        memory = self.memory()
        if memory.buffer is not None:
            return memory
        if not memory.dense or not memory.base.flags.writeable:
            raise self._tape.refusal(
                "assignment", "the array does not lie in memory as NumPy's new arrays do."
            )
        for node in memory.views:
            node.value = np.array(node.value)
        memory.buffer = len(self._tape.buffers)
        self._tape.buffers.append(memory.base.size)
        first = memory.views[0] if memory.views else None
        memory.live = first is not None and first.live
        memory.moves = first is not None and first.moves
        if first is not None:
            self._tape.add(Open(first, memory.buffer, memory.positions(memory.array)))
        memory.views = []
        return memory

    def write(self, key: Any, value: Any, adds: bool = False) -> None:
        """Set entries to a value, or add it to them."""
        operand = value.operand() if isinstance(value, Recorded) else value
        number = operand.value if isinstance(operand, Node) else operand
        if isinstance(operand, Node) and not operand.moves:
            operand = number
        moves = isinstance(operand, Node)
        live = moves and operand.live
        if not moves and not self.moves and not adds:
            self._write_constant(key, number)
            return
        if live and self.dtype != FLOAT:
            raise self._tape.refusal("assignment", f"the array has dtype {self.dtype}; {ONLY_DOUBLE}")
        memory = self.open()
        where = np.array(memory.positions(self.array)[key])
        if isinstance(operand, Node) and np.ndim(number) > where.ndim:  # the first axes have length 1
            inner = np.reshape(number, np.shape(number)[np.ndim(number) - where.ndim :])
            operand = self._tape.add(Reshape(inner, (operand,)))
        if adds:
            np.add.at(self.array, key, number)
        else:
            self.array[key] = number
        self._tape.add(Write(operand, memory.buffer or 0, where, adds))
        memory.live, memory.moves = memory.live or live, memory.moves or moves
        memory.version += 1

    def _write_constant(self, key: Any, number: Any) -> None:
        memory = self._memory
        if memory is not None:
            memory.version += 1
        if not self.array.flags.writeable:
            raise self._tape.refusal("assignment", "it writes into data of the cost.")
        self.array[key] = number

    def become(self, other: Recorded) -> bool:
        """Take over a new result, as ``x += y`` does, if no view shares this array's memory."""
        if self._memory is not None or other.dtype != self.dtype or other.shape != self.shape:
            return False
        self.array, self._node = np.asarray(other.array), other._node
        return True

    def become_view(self, view: Recorded) -> None:
        """Take over the shape of a view of this array, as ``x.shape = (2, 3)`` does."""
        self.array, self._node = view.array, view._node
        self._memory, self._version = view._memory, view._version

    if TYPE_CHECKING:  # set by `recording.methods`, for they need the rules

        def __getattr__(self, name: str) -> Any: ...

        def __getitem__(self, key: Any) -> Any: ...

        def __setitem__(self, key: Any, value: Any) -> None: ...

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        """Return a read-only copy of values that parameters do not reach."""
        if self.live and not self.outlived:
            if sys._getframe(1).f_code.co_name == SPARSE_PRODUCT:
                return opaque(self)
            function = called_function()
            if function.startswith(ASSERTIONS):
                return np.array(self.array, dtype=dtype)
            kind = FLOAT if dtype is None else np.dtype(dtype)
            if function == COMPILED and kind != FLOAT:  # as out[...] = x does
                self._tape.leak(f"conversion to {kind}", ONLY_DOUBLE)
            else:
                why = f"it asks for the plain memory of a recorded array{hint_of(function)}."
                self._tape.leak(function, why)
        self.decides(np.asarray)
        values = np.array(self.array, dtype=dtype)
        values.flags.writeable = False
        return values

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # isinstance(x, np.ndarray) is what people's code asks
        if sys._getframe(1).f_code.co_name == SPARSE_PRODUCT:
            return Recorded
        return type(self.array)

    # Facts

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        shape: tuple[int, ...] = self.array.shape
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return int(self.array.ndim)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(self.array.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        dtype: np.dtype[Any] = self.array.dtype
        return dtype

    @property
    def itemsize(self) -> int:
        """Bytes of one entry."""
        return int(self.array.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return int(self.array.nbytes)

    @property
    def flags(self) -> Any:
        """The flags of the values."""
        return self.array.flags

    @property
    def strides(self) -> Any:
        """The strides of the values."""
        return self.array.strides

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return repr(self.array)

    def __str__(self) -> str:
        return str(self.array)

    def __format__(self, spec: str) -> str:
        return format(np.asarray(self.array)[()], spec)

    def __hash__(self) -> int:
        if isinstance(self.array, np.ndarray):
            raise TypeError("unhashable type: 'numpy.ndarray'")
        if self.outlived:
            return hash(outlived(self))
        if self.live:
            raise self._tape.refusal("hash", "a recorded number has no fixed value.")
        self.decides(np.asarray)
        return hash(self.array)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __reduce__(self) -> Any:
        if self.outlived:
            return outlived(self).__reduce__()
        raise self._tape.refusal("pickle", "a recorded array cannot be stored.")

    # Conversions to Python's numbers

    def __float__(self) -> float:
        number = float(self.array)
        if self.live and not self.outlived:
            self._tape.escape(number, self)
        elif not self.live:
            self.decides(float)
        return number

    def __int__(self) -> int:
        self.decides(int)
        return int(self.array)

    def __index__(self) -> int:
        self.decides(np.asarray)
        return operator.index(self.array)

    def decides(self, function: Callable[..., Any]) -> None:
        """Note that the cost decides by this function of the values."""
        if self.moves and not self.outlived:
            operand = self.operand()
            self._tape.add(Guard(function, function(operand.value), (operand,)))

    def __complex__(self) -> complex:
        number = complex(self.array)
        if self.live and not self.outlived:
            self._tape.escape(number, self)
        return number

    def __bool__(self) -> bool:
        self.decides(bool)
        return bool(self.array)

    def __contains__(self, item: Any) -> bool:
        return bool((self == item).any())


def opaque(x: Any) -> Array:
    """Return an array that is one object."""
    box = np.empty((), dtype=object)
    box[()] = x
    return box


def outlived(x: Any) -> Any:
    """Return an argument with plain values for arrays of recordings that are over; raise while another is running."""
    if type(x) is Recorded:
        if current_run() is not None or not x._tape.over:
            why = "it was kept from an earlier evaluation, or given to another thread."
            raise TracingError("a recorded array", why, run=None if x._tape.over else x._tape)
        return x.array
    return type(x)(map(outlived, x)) if type(x) in (list, tuple) else x
