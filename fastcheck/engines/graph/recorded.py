"""The array that writes down what is done with it: behaves like the ndarray it stands for, or raises TracingError."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from fastcheck.engines.difference.arrays import ASSERTIONS
from fastcheck.engines.difference.state import COMPILED, TracingError, called_function, current_trace, hint_of
from fastcheck.engines.graph.movement import Open, Positions, Read, Reshape, Write
from fastcheck.engines.graph.nodes import Array, Node, plain
from fastcheck.engines.graph.steps import Guard, Step
from fastcheck.engines.graph.tape import ONLY_DOUBLE, Tape, current_tape, recording

FLOAT = np.dtype(np.float64)

UFUNCS: dict[np.ufunc, Callable[..., Any]] = {}
"""Ufunc → what records it, a function of the operands."""

UFUNC_METHODS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {}
"""(Ufunc, "reduce" and so on) → what records it."""

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""NumPy function → what records it, with the same signature."""


SPARSE_PRODUCT = "_matmul_dispatch"
"""Function of scipy.sparse that multiplies: it leaves the product to operands that it cannot read."""


class Memory:
    """What views of one array share. Once it is written into, ``buffer`` is its number on the tape."""

    __slots__ = ("array", "base", "buffer", "live", "moves", "numbers", "version", "views")

    def __init__(self, array: Array) -> None:
        base = array
        while isinstance(base.base, np.ndarray):
            base = base.base
        self.array, self.base = array, base
        self.version = 0
        self.buffer: int | None = None
        self.live = self.moves = False
        self.numbers: Positions | None = None
        self.views: list[Node] = []

    def positions(self, array: Array) -> Positions:
        """Return where in the memory, counted in entries, each entry of a view lies."""
        if self.numbers is None:
            self.numbers = np.arange(self.base.size)
        item = self.base.itemsize
        start = array.__array_interface__["data"][0] - self.base.__array_interface__["data"][0]
        strides = [step // item * self.numbers.itemsize for step in array.strides]
        return as_strided(self.numbers[start // item :], array.shape, strides, writeable=False)


class Recorded:
    """A float64 array, or number, of a cost that is being recorded.

    One that outlives its recording, because the cost kept it, acts as the plain array of its values.

    Not an ndarray: it takes part in NumPy through ``__array_ufunc__`` and ``__array_function__``, and everything that
    would read the memory of one that parameters reach raises. The smallest case that breaks without `Memory` is
    ``y = x[1:]; x[2] = w; return np.sum(y)``: y is read again after the write.
    """

    __slots__ = ("_memory", "_node", "_tape", "_version", "array")

    __array_priority__ = 1000.0

    def __init__(self, array: Any, node: Node | None = None) -> None:
        self.array = array
        self._node = node
        self._tape: Tape = current_tape()
        self._memory: Memory | None = None
        self._version = 0

    # The graph

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
        if self._tape is not recording():
            raise self._tape.refusal(
                "a recorded array", "it was kept from an earlier evaluation, or given to another thread."
            )
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
        if not isinstance(array, np.ndarray) or not self._shares(array):
            source = self.operand()
            return Recorded(array, self._tape.add(make(source)) if isinstance(source, Node) else None)
        memory = self.memory()
        view = Recorded(array)
        view._memory = memory
        if memory.buffer is None and self._node is not None:
            view._node = self._tape.add(make(self._node))
            memory.views.append(view._node)
        else:
            view._version = -1
        return view

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
        if not memory.base.flags.forc or not memory.base.flags.writeable:
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

    if TYPE_CHECKING:  # the operators and methods are set by `methods`
        copy: Callable[..., Any]

        def __getitem__(self, key: Any) -> Any: ...

        def __setitem__(self, key: Any, value: Any) -> None: ...

    # NumPy's protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        from fastcheck.engines.graph.dispatch import call_ufunc

        if recording() is None:
            plain = {name: outlived(x) for name, x in keywords.items()}
            return getattr(ufunc, method)(*map(outlived, inputs), **plain)
        return call_ufunc(ufunc, method, inputs, keywords)

    def __array_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        from fastcheck.engines.graph.dispatch import call_function

        if recording() is None:
            plain = {name: outlived(x) for name, x in keywords.items()}
            return function(*map(outlived, arguments), **plain)
        return call_function(function, arguments, keywords)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        """Return a read-only copy of values that parameters do not reach."""
        if self.live and not self._tape.over:
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
        self._decides(np.asarray)
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

    @shape.setter
    def shape(self, shape: Any) -> None:
        import fastcheck.engines.graph.layout as layout

        view = layout.reshape(self, shape)
        if not np.may_share_memory(view.array, self.array):
            raise AttributeError("Incompatible shape for in-place modification: use x.reshape(...).")
        self.array, self._node, self._memory, self._version = (
            view.array,
            view._node,
            view._memory,
            view._version,
        )

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

    def __getattr__(self, name: str) -> Any:
        if name != "_tape" and self._tape.over:
            return getattr(outlived(self), name)
        if not name.startswith("_") and hasattr(np.ndarray, name):
            if not self.live:
                return getattr(self.__array__(), name)
            return unlisted(self, name)
        raise AttributeError(f"{type(self.array).__name__!r} object has no attribute {name!r}")

    def __hash__(self) -> int:
        if isinstance(self.array, np.ndarray):
            raise TypeError("unhashable type: 'numpy.ndarray'")
        if self._tape.over:
            return hash(outlived(self))
        if self.live:
            raise self._tape.refusal("hash", "a recorded number has no fixed value.")
        self._decides(np.asarray)
        return hash(self.array)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __reduce__(self) -> Any:
        if self._tape.over:
            return outlived(self).__reduce__()
        raise self._tape.refusal("pickle", "a recorded array cannot be stored.")

    # Conversions to Python's numbers

    def __float__(self) -> float:
        number = float(self.array)
        if self.live and not self._tape.over:
            self._tape.escape(number, self)
        elif not self.live:
            self._decides(float)
        return number

    def __int__(self) -> int:
        self._decides(int)
        return int(self.array)

    def __index__(self) -> int:
        self._decides(np.asarray)
        return operator.index(self.array)

    def _decides(self, function: Callable[..., Any]) -> None:
        """Note that the cost goes the way that this function of the values tells."""
        if self.moves and not self._tape.over:
            operand = self.operand()
            self._tape.add(Guard(function, function(operand.value), (operand,)))

    def __complex__(self) -> complex:
        number = complex(self.array)
        if self.live and not self._tape.over:
            self._tape.escape(number, self)
        return number

    def __bool__(self) -> bool:
        self._decides(bool)
        return bool(self.array)

    def __round__(self, digits: int | None = None) -> Any:
        if digits is None or self._tape.over:
            self._decides(round)
            return round(self.array, digits)
        return stepped(lambda x: np.float64(round(x, digits)), self)

    def __contains__(self, item: Any) -> bool:
        return bool((self == item).any())


def unlisted(x: Recorded, name: str) -> Any:
    """Return an attribute of arrays that is not recorded: a method is computed all the same."""
    from fastcheck.engines.graph.unknown import computed_anyway

    error = x._tape.refusal(f"ndarray.{name}", "it is not recorded.")
    if not callable(getattr(np.ndarray, name)):
        raise error
    x._tape.forgive(error)
    return lambda *arguments, **keywords: computed_anyway(
        error, operator.methodcaller(name, *map(values_of, arguments), **keywords), [x], {}
    )


def opaque(x: Any) -> Array:
    """Return an array that is one object."""
    box = np.empty((), dtype=object)
    box[()] = x
    return box


def outlived(x: Any) -> Any:
    """Return an argument with plain values for arrays of recordings that are over; raise while another is running."""
    if type(x) is Recorded:
        if current_trace() is not None or not x._tape.over:
            why = "it was kept from an earlier evaluation, or given to another thread."
            raise TracingError("a recorded array", why, trace=None if x._tape.over else x._tape)
        return x.array
    return type(x)(map(outlived, x)) if type(x) in (list, tuple) else x


def values_of(x: Any) -> Any:
    """Return the plain values of an argument; those of arrays inside lists and tuples, too."""
    if type(x) is Recorded:
        return x.array
    if type(x) in (list, tuple):
        return type(x)(map(values_of, x))
    return x


def fixed(x: Any) -> Any:
    """Return the plain values of an argument that decides what is done, as indices do: elsewhere it may be another."""
    if type(x) is Recorded:
        x._decides(np.asarray)
        return x.array
    if type(x) in (list, tuple):
        return type(x)(map(fixed, x))
    return x


def kept(x: Any) -> Any:
    """Return an index or option as it is now: the cost may write into it before it is looked at again."""
    if isinstance(x, np.ndarray):
        return np.array(x)
    return type(x)(map(kept, x)) if type(x) in (list, tuple) else x


def is_recorded(x: Any) -> bool:
    """Whether x, or something in it, is recorded."""
    return type(x) is Recorded or (type(x) in (list, tuple) and any(map(is_recorded, x)))


def operand_of(x: Any) -> Any:
    """Return a node, or a constant as it is now."""
    if type(x) is Recorded:
        operand = x.operand()
        return operand.value if isinstance(operand, Node) and not operand.moves else operand
    if type(x) is np.ndarray and (x.flags.writeable or x.base is not None):
        return current_tape().constant(x)
    return x


def recorded(value: Any, make: Callable[..., Node], *operands: Any) -> Any:
    """Return a result: with a node ``make(value, operands)`` if an operand moves, else a constant."""
    taken = [operand_of(x) for x in operands]
    nodes = [x for x in taken if isinstance(x, Node)]
    if not nodes:
        return constant(value)
    if value.dtype != FLOAT and any(node.live for node in nodes):
        raise current_tape().refusal(f"dtype {value.dtype}", ONLY_DOUBLE)
    return Recorded(value, current_tape().add(make(value, taken)))


def stepped(function: Callable[..., Any], *operands: Any) -> Any:
    """Return the result of a function without slope, an array or number, of operands that may move."""
    taken = [kept(fixed(x)) if type(x) in (list, tuple) else operand_of(x) for x in operands]
    value = function(*map(plain, taken))
    if not any(isinstance(x, Node) for x in taken):
        return constant(value)
    return Recorded(value, current_tape().add(Step(function, value, taken)))


def constant(value: Any) -> Any:
    """Return a result that no parameter reaches: floats, and masks of which people make floats, may be written into."""
    if isinstance(value, np.ndarray) and value.dtype in (FLOAT, np.bool_):
        return Recorded(value)
    return value


__all__ = [
    "FLOAT",
    "FUNCTIONS",
    "UFUNCS",
    "UFUNC_METHODS",
    "Memory",
    "Recorded",
    "TracingError",
    "constant",
    "fixed",
    "is_recorded",
    "kept",
    "operand_of",
    "recorded",
    "stepped",
    "values_of",
]
