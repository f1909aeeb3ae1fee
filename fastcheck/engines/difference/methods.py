"""Operators and methods of the array: each is the NumPy function of its name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.difference import indexing, ordering, products, reductions, structure
from fastcheck.engines.difference.arrays import UFUNCS, DifferenceArray, memory
from fastcheck.engines.difference.choices import clip, rounded
from fastcheck.engines.difference.dispatch import check_dtype, write
from fastcheck.engines.difference.state import UnknownFunctionError, running

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

UNARY = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}


def forward(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return ``x + y``."""
    rule = UFUNCS.get(ufunc, ufunc)

    def operator(self: Any, other: Any) -> Any:
        running().begin()
        return rule(self, other) if other is not None else NotImplemented

    return operator


def backward(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return ``y + x``, x being the difference array."""
    rule = UFUNCS.get(ufunc, ufunc)

    def operator(self: Any, other: Any) -> Any:
        running().begin()
        return rule(other, self) if other is not None else NotImplemented

    return operator


def in_place(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return ``x += y``: numbers are replaced, arrays written into."""
    rule = UFUNCS.get(ufunc, ufunc)

    def operator(self: Any, other: Any) -> Any:
        running().begin()
        result = rule(self, other)
        if not isinstance(self.value, np.ndarray):
            return result
        if np.shape(result) != self.shape:
            raise ValueError(f"non-broadcastable output operand with shape {self.shape}")
        self[...] = result
        return self

    return operator


def unary(ufunc: np.ufunc) -> Callable[[Any], Any]:
    """Return ``-x``."""
    rule = UFUNCS.get(ufunc, ufunc)

    def operator(self: Any) -> Any:
        running().begin()
        return rule(self)

    return operator


def method(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return a rule as a method, with the arguments ``dtype`` and ``out`` that the function has too."""

    def call(self: Any, *arguments: Any, out: Any = None, **keywords: Any) -> Any:
        running().begin()
        check_dtype(keywords, rule.__name__)
        result = rule(self, *arguments, **keywords)
        return result if out is None else write(out, result, rule.__name__)

    return call


def item(x: Any, *index: Any) -> Any:
    """Return one entry; it stays perturbed."""
    if not index:
        return structure.reshape(x, ())[()]
    if len(index) == 1 and not isinstance(index[0], tuple):
        return structure.ravel(x)[index[0]]
    return x[index[0] if len(index) == 1 else index]


def tolist(x: Any) -> Any:
    """Return nested lists of perturbed numbers, or of truth values."""
    if x.form is None and x.dtype == np.bool_:
        return x.value.tolist()
    return x if x.ndim == 0 else [tolist(part) for part in x]


def fill(x: Any, value: Any) -> None:
    """Set every entry."""
    x[...] = value


def plain_only(name: str) -> Callable[..., Any]:
    """Return a method that needs plain memory."""

    def call(self: Any, *arguments: Any, **keywords: Any) -> Any:
        if self.form is None:
            return getattr(self.__array__(), name)(*arguments, **keywords)
        raise UnknownFunctionError(f"ndarray.{name}", "difference propagation has no rule for it.")

    return call


METHODS: dict[str, Callable[..., Any]] = {
    "all": reductions.truth(np.all),
    "any": reductions.truth(np.any),
    "argmax": reductions.argmax,
    "argmin": reductions.argmin,
    "argsort": ordering.argsort,
    "astype": structure.astype,
    "choose": indexing.choose,
    "clip": clip,
    "compress": lambda x, condition, axis=None: indexing.compress(condition, x, axis),
    "copy": structure.copy_method,
    "cumprod": reductions.cumprod,
    "cumsum": reductions.cumsum,
    "diagonal": structure.moving_view(np.diagonal),
    "dot": products.dot,
    "fill": fill,
    "flatten": lambda x, order="C": structure.copy(structure.ravel(x, order)),
    "item": item,
    "max": reductions.max_,
    "mean": reductions.mean,
    "min": reductions.min_,
    "nonzero": indexing.nonzero,
    "partition": ordering.partition_in_place,
    "prod": reductions.prod,
    "put": indexing.put,
    "ravel": structure.ravel,
    "repeat": structure.moving(np.repeat),
    "reshape": structure.reshape,
    "sort": ordering.sort_in_place,
    "squeeze": structure.shaped_like(np.squeeze),
    "std": reductions.std,
    "sum": reductions.sum_,
    "round": rounded,
    "swapaxes": structure.axes_moved(np.swapaxes),
    "take": indexing.take,
    "tolist": tolist,
    "trace": products.trace,
    "transpose": structure.transpose,
    "var": reductions.var,
}
"""Method → the rule with the same arguments."""

PLAIN_ONLY = [
    "argpartition",
    "byteswap",
    "dump",
    "dumps",
    "getfield",
    "resize",
    "searchsorted",
    "setflags",
    "tobytes",
    "tofile",
]


def attach() -> None:
    """Give the class its operators and methods."""
    special = {
        **{f"__{name}__": forward(ufunc) for name, ufunc in (BINARY | COMPARISONS).items()},
        **{f"__r{name}__": backward(ufunc) for name, ufunc in BINARY.items()},
        **{f"__i{name}__": in_place(ufunc) for name, ufunc in BINARY.items()},
        **{f"__{name}__": unary(ufunc) for name, ufunc in UNARY.items()},
        **{name: method(rule) for name, rule in METHODS.items()},
        **{name: plain_only(name) for name in PLAIN_ONLY},
        "__getitem__": indexing.getitem,
        "__setitem__": indexing.setitem,
        "T": property(structure.transpose),
        "mT": property(structure.axes_moved(np.matrix_transpose)),
        "real": property(lambda x: x),
        "flat": property(flat, set_flat),
        "base": property(lambda x: x._parent),
    }
    for name, function in special.items():
        setattr(DifferenceArray, name, or_outside(name, function))


def or_outside(name: str, inside: Any) -> Any:
    """Return a method or property that is that of the values once its array has outlived its trace."""
    if isinstance(inside, property):
        get, put = inside.fget, inside.fset
        assert get is not None

        def look(x: Any) -> Any:
            return getattr(memory(x), name) if x._trace.over else get(x)

        def assign(x: Any, value: Any) -> None:
            if x._trace.over:
                setattr(memory(x), name, value)
            elif put is not None:
                put(x, value)

        return property(look, assign if put else None)

    @functools.wraps(inside)
    def call(self: Any, *arguments: Any, **keywords: Any) -> Any:
        if self._trace.over:
            return getattr(memory(self), name, lambda *_: NotImplemented)(*arguments, **keywords)
        return inside(self, *arguments, **keywords)

    return call


def flat(x: Any) -> Any:
    """Return the entries in order, as a view where memory allows."""
    return structure.ravel(x) if x.flags.c_contiguous else indexing.Flat(x)


def set_flat(x: Any, value: Any) -> None:
    """Set all entries in order; the values are repeated as often as needed."""
    x[...] = np.resize(structure.array_from(value), x.shape)


attach()
