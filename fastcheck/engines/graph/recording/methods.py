"""Operators and methods of the recorded array: each is the NumPy function of its name."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.recording.dispatch import by_name, expect_float, rule_of, write_into
from fastcheck.engines.graph.rules import composites, layout
from fastcheck.engines.graph.rules.tables import FUNCTIONS, UFUNCS
from fastcheck.engines.graph.tracing.operands import fixed, stepped, values_of
from fastcheck.engines.graph.tracing.recorded import Recorded, outlived
from fastcheck.engines.graph.tracing.tape import ONLY_DOUBLE, current_tape
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.engines.graph.tracing.unknown import computed_anyway

BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
    "pow": np.power,
    "matmul": np.matmul,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
}
"""Name of the operator → ufunc."""

COMPARISONS = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}
"""Name of the comparison → ufunc."""

UNARY = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}
"""Name of the operator of one operand → ufunc."""

METHODS = [
    "sum",
    "mean",
    "max",
    "min",
    "argmax",
    "argmin",
    "argsort",
    "argpartition",
    "var",
    "std",
    "prod",
    "cumsum",
    "dot",
    "ravel",
    "squeeze",
    "swapaxes",
    "clip",
    "repeat",
    "take",
    "diagonal",
    "trace",
    "any",
    "all",
    "nonzero",
    "round",
    "searchsorted",
    "put",
]
"""Methods that are the NumPy function of that name."""


def forward(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return ``x + y``."""
    return lambda self, other: (
        NotImplemented if _is_foreign(other) else rule_of(ufunc, self, other)(self, other)
    )


def backward(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return ``y + x``, x being the recorded array."""
    return lambda self, other: (
        NotImplemented if _is_foreign(other) else rule_of(ufunc, self, other)(other, self)
    )


def _is_foreign(x: Any) -> bool:
    """Whether an operand is none of NumPy's: its own operators are asked."""
    return x is None or isinstance(x, Recorded.foreign)


def in_place(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return ``x += y``: numbers are replaced, arrays written into."""

    def operator(self: Any, other: Any) -> Any:
        result = rule_of(ufunc, self, other)(self, other)
        if not isinstance(self.array, np.ndarray):
            return result
        if np.shape(result) != self.shape:
            raise ValueError(f"non-broadcastable output operand with shape {self.shape}")
        return write_into(self, result)

    return operator


def unary(ufunc: np.ufunc) -> Callable[[Any], Any]:
    """Return ``-x``."""
    return lambda self: UFUNCS[ufunc](self)


def method(name: str) -> Callable[..., Any]:
    """Return a function as a method, with the arguments ``dtype`` and ``out`` that the function has too."""
    function = getattr(np, name)
    rule = FUNCTIONS[function]

    def call(self: Any, *arguments: Any, **keywords: Any) -> Any:
        arguments, keywords = by_name(function, (self, *arguments), keywords)
        out = keywords.pop("out", None)
        expect_float(name, keywords.pop("dtype", None))
        result = rule(*arguments, **keywords)
        return result if out is None else write_into(out, result)

    return call


def reshape(x: Any, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    """Return ``x.reshape(…)``."""
    return layout.reshape(x, shape[0] if len(shape) == 1 else shape, order)


def transpose(x: Any, *axes: Any) -> Any:
    """Return ``x.transpose(…)``."""
    return layout.transpose(x, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None)


def flatten(x: Any, order: str = "C") -> Any:
    """Return ``x.flatten()``, a copy."""
    return layout.copy(layout.ravel(x, order), "C")


def astype(x: Any, dtype: Any, order: Any = "K", *_: Any, copy: bool = True, **__: Any) -> Any:
    """Return the array as floats: other dtypes cannot be followed where parameters reach it."""
    if np.dtype(dtype) == np.float64:
        plain = x.array.astype(dtype, order, copy=copy)
        return x if plain is x.array else layout.copy(x, order, dtype=plain.dtype)
    if x.live and np.dtype(dtype).kind not in "biu":
        raise current_tape().refusal(f"astype({np.dtype(dtype)})", ONLY_DOUBLE)
    return stepped(lambda values: np.asarray(values).astype(dtype), x)


def item(x: Any, *index: Any) -> Any:
    """Return one entry; it stays recorded."""
    if not index:
        return layout.reshape(x, ())[()]
    if len(index) == 1 and not isinstance(index[0], tuple):
        return layout.ravel(x)[index[0]]
    return x[index[0] if len(index) == 1 else index]


def tolist(x: Any) -> Any:
    """Return nested lists of recorded numbers."""
    if not x.live:
        return fixed(x).tolist()
    return x if x.ndim == 0 else [tolist(part) for part in x]


def view(x: Any, *kind: Any, **options: Any) -> Any:
    """Return another name of the same memory; in another dtype or type, of what parameters do not reach."""
    if not options and all(part in (np.ndarray, x.dtype) for part in kind):
        return x[...]
    if x.live:
        raise current_tape().refusal("ndarray.view", "another dtype or type is not recorded.")
    return x.__array__().view(*kind, **options)


def fill(x: Any, value: Any) -> None:
    """Set every entry."""
    x[...] = value


def sort(x: Any, axis: int = -1, **_: Any) -> None:
    """Sort in place."""
    x[...] = np.sort(x, axis=axis)


def partition(x: Any, kth: Any, axis: int = -1, **_: Any) -> None:
    """Partition in place."""
    x[...] = np.partition(x, kth, axis=axis)


def tobytes(x: Any, *arguments: Any) -> bytes:
    """Return the bytes of what parameters do not reach."""
    return bytes(x.__array__().tobytes(*arguments))


def rounded(x: Recorded, digits: int | None = None) -> Any:
    """Return ``round(x)``, which is a whole number without digits."""
    if digits is None or x.outlived:
        x.decides(round)
        return round(x.array, digits)
    return stepped(lambda number: np.float64(round(number, digits)), x)


def set_shape(x: Any, shape: Any) -> None:
    """Record ``x.shape = (2, 3)``."""
    view = layout.reshape(x, shape)
    if not np.may_share_memory(view.array, x.array):
        raise AttributeError("Incompatible shape for in-place modification: use x.reshape(...).")
    x.become_view(view)


def attribute(x: Recorded, name: str) -> Any:
    """Return an attribute of arrays that is not recorded: a method is computed all the same."""
    if name != "_tape" and x.outlived:
        return getattr(outlived(x), name)
    if name == "_tape" or name.startswith("_") or not hasattr(np.ndarray, name):
        raise AttributeError(f"{type(x.array).__name__!r} object has no attribute {name!r}")
    if not x.live:
        return getattr(x.__array__(), name)
    error = current_tape().refusal(f"ndarray.{name}", "it is not recorded.")
    if not callable(getattr(np.ndarray, name)):
        raise error
    current_tape().forgive(error)
    return lambda *arguments, **keywords: computed_anyway(
        error, operator.methodcaller(name, *map(values_of, arguments), **keywords), [x], {}
    )


def living(name: str, record: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that records, and of an array whose recording is over is that of the plain array."""

    def call(self: Any, *arguments: Any, **keywords: Any) -> Any:
        if self.outlived:
            plain = {key: outlived(x) for key, x in keywords.items()}
            return getattr(outlived(self), name)(*map(outlived, arguments), **plain)
        try:
            return record(self, *arguments, **keywords)
        except TracingError as error:
            return computed_anyway(error, functools.partial(method_of, name), (self, *arguments), keywords)

    return call


def method_of(name: str, x: Any, *arguments: Any, **keywords: Any) -> Any:
    """Return what a method of a plain array returns."""
    return getattr(x, name)(*arguments, **keywords)


def living_property(name: str, record: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the same for an attribute."""
    return lambda self: getattr(outlived(self), name) if self.outlived else record(self)


def equip() -> None:
    """Give `Recorded` its operators and methods."""
    attributes: dict[str, Any] = {}
    for name, ufunc in BINARY.items():
        attributes[f"__{name}__"] = forward(ufunc)
        attributes[f"__r{name}__"] = backward(ufunc)
        attributes[f"__i{name}__"] = in_place(ufunc)
    for name, ufunc in COMPARISONS.items():
        attributes[f"__{name}__"] = forward(ufunc)
    for name, ufunc in UNARY.items():
        attributes[f"__{name}__"] = unary(ufunc)
    for name in METHODS:
        attributes[name] = method(name)
    attributes |= {"reshape": reshape, "transpose": transpose, "flatten": flatten, "astype": astype}
    attributes |= {"item": item, "tolist": tolist, "fill": fill, "sort": sort, "tobytes": tobytes}
    attributes["partition"] = partition
    attributes |= {"__getitem__": layout.index, "__setitem__": layout.assign}
    attributes |= {"__divmod__": np.divmod, "__rdivmod__": lambda x, y: np.divmod(y, x), "view": view}
    attributes["copy"] = lambda x, order="C": layout.copy(x, order)
    attributes["conj"] = lambda x: x
    for name, get in (
        ("T", transpose),
        ("real", lambda x: x),
        ("imag", np.imag),
        ("mT", lambda x: np.swapaxes(x, -1, -2)),
    ):
        attributes[name] = property(living_property(name, get))
    attributes["flat"] = property(living_property("flat", composites.Flat), composites.set_flat)
    attributes["compress"] = lambda x, condition, axis=None: np.compress(condition, x, axis)
    for name, method_or_property in attributes.items():
        is_property = isinstance(method_or_property, property)
        setattr(Recorded, name, method_or_property if is_property else living(name, method_or_property))
    for name, plainly_set in (("__round__", rounded), ("__getattr__", attribute)):
        setattr(Recorded, name, plainly_set)
    setattr(Recorded, "shape", property(operator.attrgetter("array.shape"), set_shape))  # noqa: B010
