"""The array that carries a difference: behaves like the ndarray it stands for, or raises TracingError."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fastcheck.engines.difference.forms import Array, Form, Shape
from fastcheck.engines.difference.state import (
    COMPILED,
    ONLY_DOUBLE,
    Trace,
    TracingError,
    UnknownFunctionError,
    called_function,
    current_recorder,
    hint_of,
    is_running,
    running,
)

DOUBLE = np.dtype(np.float64)

ASSERTIONS = "numpy.testing."
"""Functions that look at values, return nothing and keep nothing: they get a plain copy of perturbed arrays."""

UFUNCS: dict[np.ufunc, Callable[..., Any]] = {}
"""Ufunc → rule, a function of the operands that returns the result."""

UFUNC_METHODS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {}
"""(Ufunc, "reduce" and so on) → rule."""

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""NumPy function → rule with the same signature."""


class Lens:
    """How a view sees its parent: values, differences, and how a change travels back."""

    __slots__ = ()

    def look(self, value: Any) -> Any:
        """Return the view of the parent's values."""
        raise NotImplementedError

    def get(self, form: Form, shape: Shape) -> Form | None:
        """Return the view of the parent's differences, the view's shape being given."""
        raise NotImplementedError

    def put(self, old: Form | None, new: Form | None, shape: Shape, region: Shape) -> Form | None:
        """Return the parent's differences after the view's have become ``new``, the shapes of both being given."""
        raise NotImplementedError


class DifferenceArray:
    """A float64 array (or a boolean or integer result) and what each perturbation of a batch changes in it.

    Not an ndarray: it takes part in NumPy through ``__array_ufunc__`` and ``__array_function__``, and everything
    that would read its memory raises. A view keeps its parent, and reads it again after any write to the family.

    One that outlives its trace, because the cost kept it, acts as the plain array of its values; in another trace it
    raises.
    """

    __slots__ = ("_form", "_given", "_lens", "_owned", "_parent", "_seen", "_trace", "_value", "_version")

    __array_priority__ = 1000.0

    def __init__(self, value: Any, form: Form | None = None, *, owned: bool = True) -> None:
        self._value = value
        self._form = form
        self._trace: Trace = running()
        self._owned = owned
        self._parent: DifferenceArray | None = None
        self._lens: Lens | None = None
        self._version = 0
        self._seen = 0
        self._given = False

    def view_by(self, lens: Lens) -> DifferenceArray:
        """Return a view that shares this array's memory."""
        view = DifferenceArray.__new__(DifferenceArray)
        view._trace = self._trace
        view._parent, view._lens = self, lens
        view._version = 0
        view._seen = -1
        view._owned = True
        view._given = False
        view._refresh()
        return view

    def _root(self) -> DifferenceArray:
        array = self
        while array._parent is not None:
            array = array._parent
        return array

    def _refresh(self) -> None:
        parent, lens = self._parent, self._lens
        if parent is None or lens is None:
            return
        version = self._root()._version
        if self._seen != version:
            parent._refresh()
            self._value = lens.look(parent._value)
            form = None if self._trace.over else parent._form
            self._form = None if form is None else lens.get(form, self._value.shape)
            self._seen = version

    @property
    def value(self) -> Any:
        """The unperturbed values: an ndarray, or a NumPy scalar."""
        if self._parent is not None:
            self._refresh()
        return self._value

    @property
    def form(self) -> Form | None:
        """The differences; None if there are none."""
        if self._trace.over:
            expect_no_trace(self)
            return None
        if self._parent is not None:
            self._refresh()
        return self._form

    def writable(self) -> Any:
        """Return the values for writing into; leaves of the parameters are copied first."""
        root = self._root()
        if root._given:
            why = "it writes into an array of which a plain copy was made before."
            raise TracingError("assignment", why, trace=self._trace)
        if not root._owned:
            root._value, root._owned = root._value.copy(), True
            root._version += 1
        return self.value

    def store(self, form: Form | None) -> None:
        """Set the differences after the values were written."""
        if self._parent is None:
            self._form = form
            self._version += 1
            return
        parent, lens = self._parent, self._lens
        if lens is not None:
            parent.store(lens.put(parent.form, form, parent.value.shape, self._value.shape))

    if TYPE_CHECKING:  # the operators and methods are set by `methods`
        copy: Callable[..., Any]

        def __getitem__(self, key: Any) -> Any: ...

        def __setitem__(self, key: Any, value: Any) -> None: ...

    # NumPy's protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        from fastcheck.engines.difference.dispatch import call_ufunc

        return call_ufunc(ufunc, method, inputs, keywords)

    def __array_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        from fastcheck.engines.difference.dispatch import call_function

        return call_function(function, arguments, keywords)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        """Return a read-only copy of unperturbed values; perturbed ones have no plain memory."""
        if self._trace.over:
            return np.array(memory(self), dtype=dtype)
        if self.form is None:
            self._root()._given = True
            if self._trace.recorder is not None:
                self._trace.recorder.unwrapped = True
            plain = np.array(self.value, dtype=dtype)
            plain.flags.writeable = False
            return plain
        function, kind = called_function(), DOUBLE if dtype is None else np.dtype(dtype)
        if function.startswith(ASSERTIONS):
            return np.array(self.value, dtype=dtype)
        if function == COMPILED and kind != DOUBLE:  # as np.float32(x) does
            raise TracingError(f"conversion to {kind}", ONLY_DOUBLE)
        raise TracingError(function, f"it asks for the plain memory of a perturbed array{hint_of(function)}.")

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # isinstance(x, np.ndarray) is what people's code asks
        return type(self.value)

    # Facts

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        shape: tuple[int, ...] = self.value.shape
        return shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        if self._trace.over:
            memory(self).shape = shape
            return
        raise TracingError("x.shape = ...", "use x.reshape(...).")

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return int(self.value.ndim)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(self.value.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        dtype: np.dtype[Any] = self.value.dtype
        return dtype

    @property
    def itemsize(self) -> int:
        """Bytes of one entry."""
        return int(self.value.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return int(self.value.nbytes)

    @property
    def flags(self) -> Any:
        """The flags of the values."""
        return self.value.flags

    @property
    def strides(self) -> Any:
        """The strides of the values."""
        return self.value.strides

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return self._text(repr(self.value))

    def __str__(self) -> str:
        return self._text(str(self.value))

    def __format__(self, spec: str) -> str:
        return self._text(format(self.value, spec))

    def _text(self, text: str) -> str:
        """Return the text of unperturbed values: that of perturbed ones may be read, compared, or be a key."""
        if self.form is not None:
            raise TracingError("str", "it writes a perturbed array as text.")
        return text

    def __getattr__(self, name: str) -> Any:
        if name != "_trace" and self._trace.over:
            return getattr(memory(self), name)
        if not name.startswith("_") and hasattr(np.ndarray, name):
            if self.form is None and self.dtype == np.bool_:
                return getattr(self.__array__(), name)
            raise UnknownFunctionError(f"ndarray.{name}", "difference propagation has no rule for it.")
        raise AttributeError(f"{type(self.value).__name__!r} object has no attribute {name!r}")

    def __hash__(self) -> int:
        if isinstance(self.value, np.ndarray):
            raise TypeError("unhashable type: 'numpy.ndarray'")
        if self._trace.over:
            return hash(memory(self))
        raise TracingError("hash", "a perturbed number has no fixed value.")

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __reduce__(self) -> Any:
        if self._trace.over:
            return memory(self).__reduce__()
        raise TracingError("pickle", "a perturbed array cannot be stored.")

    # Conversions to Python's numbers

    def __float__(self) -> float:
        if self._trace.over:
            return float(memory(self))
        number = float(self.value)
        why = "it turns a perturbed array into a Python float that the cost then computes with."
        self._trace.escapes.append((number, self, TracingError("float", why, final=False)))
        return number

    def __int__(self) -> int:
        return int(self._whole("int"))

    def __index__(self) -> int:
        if self.dtype.kind not in "iub":
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return int(self._whole("index"))

    def __complex__(self) -> complex:
        if self._trace.over:
            return complex(memory(self))
        raise TracingError("complex", "perturbed arrays are real.")

    def __bool__(self) -> bool:
        if self.form is None or self.size != 1:
            return bool(self.value)
        truth: Any = np.not_equal(self, 0) if self.dtype.kind == "f" else self
        if type(truth) is not DifferenceArray:
            return bool(truth)
        return bool(truth._whole("bool"))

    def _whole(self, what: str) -> Any:
        if self.form is not None:
            if self.dtype.kind == "f":
                raise TracingError(what, "it rounds a perturbed number.")
            self._trace.unsupported |= self.form.members()
        return self.value

    def __round__(self, digits: int | None = None) -> Any:
        if self._trace.over:
            return round(memory(self), digits)
        raise TracingError("round", "it rounds a perturbed number.")

    def __contains__(self, item: Any) -> bool:
        return bool((self == item).any())


def expect_no_trace(x: DifferenceArray) -> None:
    """Raise `TracingError` unless an array has outlived its trace and no other is running in this thread."""
    if is_running() or not x._trace.over:
        why = "it was kept from an earlier evaluation of the cost, or given to another thread."
        raise TracingError("a perturbed array", why, trace=None if x._trace.over else x._trace)


def memory(x: DifferenceArray) -> Any:
    """Return the values of an array that has outlived its trace, as a plain array or number that may be written to."""
    expect_no_trace(x)
    root = x._root()
    if not root._owned:
        root._value, root._owned = root._value.copy(), True
        root._version += 1
    return x.value


def taken(x: Any) -> tuple[Any, Form | None]:
    """Return an operand's values and differences."""
    if type(x) is DifferenceArray:
        if not is_running(x._trace):
            why = "it was kept from an earlier evaluation of the cost, or given to another thread."
            raise TracingError("a perturbed array", why, trace=None if x._trace.over else x._trace)
        if x._parent is not None:
            x._refresh()
        if x._trace.recorder is not None:
            x._trace.recorder.derived(x._value)
        return x._value, x._form
    value = x if isinstance(x, (np.ndarray, np.generic, int, float)) else np.asarray(x)
    if isinstance(value, np.ndarray):
        recorder = current_recorder()
        if recorder is not None:
            recorder.given(value)
    return value, None


def rank(x: Any) -> int:
    """Return the number of axes, as np.ndim does, without a detour through NumPy's dispatch."""
    return x.ndim if isinstance(x, np.ndarray) else int(np.ndim(x))


def computed(value: Any, form: Form | None, left: Callable[[Any], Any] | None = None) -> Any:
    """Return a result of arithmetic, which was rounded: in a run that shakes roundings, another way.

    ``left`` tells of a value that may saturate what is left of 1, which backward passes form to get its slope.
    """
    shaking = running().shaking
    if shaking is None:
        return made(value, form)
    if form is not None and left is not None:
        form = shaking.saturated(form, left(value))
    return made(shaking(value), None if form is None else shaking.differences(form))


def made(value: Any, form: Form | None) -> Any:
    """Return a result: plain if it is neither float nor a mask and nothing changes it.

    Of masks people make floats, as in ``mask = (x > 0).astype(float)``, and write into them.
    """
    dtype = value.dtype
    if form is None:
        if dtype is DOUBLE or dtype == DOUBLE or (dtype == np.bool_ and isinstance(value, np.ndarray)):
            return DifferenceArray(value)
        return value
    if dtype is not DOUBLE and dtype != DOUBLE and dtype.kind not in "biu":
        raise TracingError(f"dtype {dtype}", "perturbed arrays are float64.")
    return DifferenceArray(value, form)


def is_perturbed(x: Any) -> bool:
    """Whether x carries a difference."""
    return type(x) is DifferenceArray and x.form is not None


def has_form(x: Any) -> bool:
    """Whether x, or something in it, carries a difference."""
    return is_perturbed(x) or (isinstance(x, (list, tuple)) and any(map(has_form, x)))
