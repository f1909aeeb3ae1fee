"""Complex arrays of a cost that is being recorded: a recorded real part and a recorded imaginary part."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastcheck.engines.graph.rules.layout import array, in_double, stack
from fastcheck.engines.graph.tracing import recorded as real_arrays
from fastcheck.engines.graph.tracing.operands import constant
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape, recording


class RecordedComplex:
    """A complex128 array or number: two recorded arrays of one shape. NumPy's protocols are set by `dispatch`."""

    __slots__ = ("imag", "real")

    __array_priority__ = 2000.0

    def __init__(self, real: Any, imag: Any) -> None:
        shape = np.broadcast_shapes(np.shape(real), np.shape(imag))
        self.real, self.imag = (_of_shape(x, shape) for x in (real, imag))

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # isinstance(z, np.ndarray) is what people's code asks
        return np.ndarray if np.ndim(self.real) else np.complex128

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return np.shape(self.real)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype, complex128."""
        return np.dtype(np.complex128)

    @property
    def T(self) -> Any:  # noqa: N802
        """The transposed array."""
        return by_parts(np.transpose)(self)

    def __len__(self) -> int:
        return len(self.real)

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        return RecordedComplex(self.real[key], self.imag[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.real[key], self.imag[key] = (0.0 if x is None else x for x in parts_of(value))

    def __getattr__(self, name: str) -> Any:
        if name in COMPLEX_METHODS.split() or name in RENAMED:
            return functools.partial(getattr(np, RENAMED.get(name, name)), self)
        if name.startswith("_"):
            raise AttributeError(name)
        raise refusal(f"ndarray.{name}")

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        """Return the entries in another shape."""
        return by_parts(np.reshape)(self, shape[0] if len(shape) == 1 else shape, order)

    def flatten(self, order: str = "C") -> Any:
        """Return the entries in a row, a copy."""
        return by_parts(np.copy)(by_parts(np.ravel)(self, order))

    def transpose(self, *axes: Any) -> Any:
        """Return the axes in another order."""
        if len(axes) == 1 and not isinstance(axes[0], int):
            axes = axes[0]
        return by_parts(np.transpose)(self, axes or None)

    def astype(self, dtype: Any, *_: Any, **__: Any) -> Any:
        """Return a copy; other dtypes than complex128 are not followed."""
        if np.dtype(dtype) != self.dtype:
            raise refusal(f"astype({np.dtype(dtype)})")
        return by_parts(np.copy)(self)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if recording() is None:
            return np.asarray(outlived(self), dtype=dtype)
        raise refusal("this function")

    def __complex__(self) -> complex:
        if recording() is None:
            return complex(outlived(self))
        raise refusal("complex")

    def __float__(self) -> float:
        raise refusal("float")


def outlived(x: Any) -> Any:
    """Return the plain array for one whose recording is over, also inside lists and tuples."""
    if type(x) is RecordedComplex:
        return real_arrays.outlived(x.real) + 1j * np.asarray(real_arrays.outlived(x.imag))
    if type(x) in (list, tuple):
        return type(x)(map(outlived, x))
    return real_arrays.outlived(x)


def refusal(what: str) -> Exception:
    """Return the error of what complex arrays are not followed in."""
    why = (
        "complex arrays are followed in arithmetic, np.abs, np.angle, .real, .imag, exp, log, sqrt, sums, products, "
        "indexing and np.fft, not here: compute with real and imaginary parts."
    )
    return current_tape().refusal(what, why)


def _of_shape(x: Any, shape: tuple[int, ...]) -> Any:
    x = x if type(x) is Recorded else constant(np.array(x, dtype=float))
    return x if np.shape(x) == shape else np.broadcast_to(x, shape)


def is_recorded(x: Any) -> bool:
    """Whether x, or something in a list or tuple, is a recorded complex array."""
    if type(x) in (list, tuple):
        return any(map(is_recorded, x))
    return type(x) is RecordedComplex


def is_complex(x: Any) -> bool:
    """Whether x, or something in a list or tuple, is complex."""
    if type(x) is Recorded:
        return False
    if type(x) in (list, tuple):
        return any(map(is_complex, x))
    if type(x) in (RecordedComplex, complex):
        return True
    return isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind == "c"


def parts_of(x: Any) -> tuple[Any, Any]:
    """Return real and imaginary part; None for the imaginary part of real arrays."""
    if isinstance(x, (list, tuple)):
        x = [parts_of(part) for part in x]
        return stack([array(re) for re, _ in x]), stack([_of_shape(im or 0.0, np.shape(re)) for re, im in x])
    x = in_double(x)
    if type(x) is RecordedComplex or is_complex(x):
        return x.real, x.imag
    return x, None


def joined(x: Any) -> Any:
    """Return a complex array, or nested lists of complex numbers, as a complex array."""
    return x if type(x) is RecordedComplex else RecordedComplex(*parts_of(x))


# Ufuncs


def add(x: Any, y: Any, sign: float = 1.0) -> Any:
    """Record x + y, or x − y."""
    (a, b), (c, d) = parts_of(x), parts_of(y)
    if sign < 0:
        c, d = np.negative(c), None if d is None else np.negative(d)
    imag = d if b is None else b if d is None else np.add(b, d)
    return RecordedComplex(np.add(a, c), imag)


def bilinear(product: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records a product, of which real arrays are recorded."""

    def rule(x: Any, y: Any, *arguments: Any, **keywords: Any) -> Any:
        (a, b), (c, d) = parts_of(x), parts_of(y)

        def times(first: Any, second: Any) -> Any:
            return product(first, second, *arguments, **keywords)

        if b is None:
            return RecordedComplex(times(a, c), times(a, d))
        if d is None:
            return RecordedComplex(times(a, c), times(b, c))
        return RecordedComplex(times(a, c) - times(b, d), times(a, d) + times(b, c))

    return rule


multiply = bilinear(np.multiply)


def conjugate(x: Any) -> Any:
    """Record the conjugate."""
    real, imag = parts_of(x)
    return RecordedComplex(np.positive(real), np.negative(imag))


def reciprocal(x: Any) -> Any:
    """Record 1/x."""
    real, imag = parts_of(x)
    if imag is None:
        return np.divide(1.0, real)
    size = np.square(real) + np.square(imag)
    return RecordedComplex(real / size, -imag / size)


def divide(x: Any, y: Any) -> Any:
    """Record x/y."""
    real, imag = parts_of(y)
    if imag is None:
        a, b = parts_of(x)
        return RecordedComplex(np.divide(a, real), np.divide(b, real))
    return multiply(x, reciprocal(y))


def absolute(x: Any) -> Any:
    """Record |x|."""
    return np.hypot(*parts_of(x))


def angle(x: Any, deg: bool = False) -> Any:
    """Record np.angle."""
    real, imag = parts_of(x)
    radians = np.arctan2(0.0 if imag is None else imag, real)
    return np.degrees(radians) if deg else radians


def exp(x: Any) -> Any:
    """Record eˣ."""
    real, imag = parts_of(x)
    size = np.exp(real)
    return RecordedComplex(size * np.cos(imag), size * np.sin(imag))


def log(x: Any) -> Any:
    """Record the logarithm."""
    return RecordedComplex(np.log(absolute(x)), angle(x))


def power(x: Any, y: Any) -> Any:
    """Record xʸ: products, if y is a small whole number."""
    if type(y) not in (Recorded, RecordedComplex) and np.ndim(y) == 0 and np.imag(y) == 0:
        exponent = float(np.real(y))
        if exponent == 0.5:
            return sqrt(x)
        if exponent.is_integer() and 0 < abs(exponent) <= 16:
            result = functools.reduce(multiply, [x] * int(abs(exponent)))
            result = RecordedComplex(*map(np.positive, parts_of(x))) if result is x else result
            return reciprocal(result) if exponent < 0 else result
    real, imag = parts_of(x)
    return exp(multiply(y, log(x) if imag is not None else np.log(real)))


def sqrt(x: Any) -> Any:
    """Record the square root."""
    size, half = np.sqrt(absolute(x)), angle(x) / 2.0
    return RecordedComplex(size * np.cos(half), size * np.sin(half))


def sin(x: Any) -> Any:
    """Record the sine."""
    real, imag = parts_of(x)
    return RecordedComplex(np.sin(real) * np.cosh(imag), np.cos(real) * np.sinh(imag))


def cos(x: Any) -> Any:
    """Record the cosine."""
    real, imag = parts_of(x)
    return RecordedComplex(np.cos(real) * np.cosh(imag), np.negative(np.sin(real) * np.sinh(imag)))


UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: add,
    np.subtract: functools.partial(add, sign=-1.0),
    np.multiply: multiply,
    np.divide: divide,
    np.matmul: bilinear(np.matmul),
    np.positive: lambda x: RecordedComplex(*map(np.positive, parts_of(x))),
    np.negative: lambda x: RecordedComplex(*map(np.negative, parts_of(x))),
    np.conjugate: conjugate,
    np.absolute: absolute,
    np.square: lambda x: multiply(x, x),
    np.reciprocal: reciprocal,
    np.power: power,
    np.exp: exp,
    np.log: log,
    np.sqrt: sqrt,
    np.sin: sin,
    np.cos: cos,
}
"""What records ufuncs of complex arrays."""


def rule_of(ufunc: np.ufunc) -> Callable[..., Any]:
    """Return what records a ufunc."""
    if ufunc not in UFUNCS:
        raise refusal(ufunc.__name__)
    return UFUNCS[ufunc]


# Methods


def by_parts(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records a linear function of its first argument, an array or a list of arrays."""

    def rule(x: Any, *arguments: Any, **keywords: Any) -> Any:
        if isinstance(x, (list, tuple)):
            parts = [parts_of(part) for part in x]
            real: Any = [re for re, _ in parts]
            imag: Any = [np.zeros(np.shape(re)) if im is None else im for re, im in parts]
        else:
            real, imag = parts_of(x)
        parts_out = function(real, *arguments, **keywords), function(imag, *arguments, **keywords)
        if isinstance(parts_out[0], (list, tuple)):
            return [RecordedComplex(re, im) for re, im in zip(*parts_out, strict=True)]
        return RecordedComplex(*parts_out)

    return rule


COMPLEX_METHODS = (
    "sum mean cumsum ravel squeeze swapaxes take diagonal trace copy repeat dot var std conjugate"
)
"""Methods that are the NumPy function of that name."""

RENAMED = {"conj": "conjugate"}
"""Methods that are a NumPy function of another name."""


def equip() -> None:
    """Give complex arrays their operators."""
    ufunc: Any
    for name, ufunc in (
        ("add", np.add),
        ("sub", np.subtract),
        ("mul", np.multiply),
        ("truediv", np.divide),
        ("pow", np.power),
        ("matmul", np.matmul),
    ):
        setattr(RecordedComplex, f"__{name}__", lambda self, other, ufunc=ufunc: operate(ufunc, self, other))
        setattr(RecordedComplex, f"__r{name}__", lambda self, other, ufunc=ufunc: operate(ufunc, other, self))
        setattr(RecordedComplex, f"__i{name}__", functools.partialmethod(in_place, ufunc))
    for name, ufunc in (("neg", np.negative), ("pos", np.positive), ("abs", np.absolute)):
        setattr(RecordedComplex, f"__{name}__", lambda self, ufunc=ufunc: operate(ufunc, self))


def in_place(self: Any, ufunc: np.ufunc, other: Any) -> Any:
    """Return ``z += w``: numbers are replaced, arrays written into, which views of them see."""
    result = operate(ufunc, self, other)
    if type(result) is not RecordedComplex or not self.ndim:
        return result
    if result.shape != self.shape:
        raise ValueError(f"non-broadcastable output operand with shape {self.shape}")
    self[...] = result
    return self


def operate(ufunc: np.ufunc, *operands: Any) -> Any:
    """Return what an operator returns."""
    return ufunc(*map(outlived, operands)) if recording() is None else UFUNCS[ufunc](*operands)


equip()
