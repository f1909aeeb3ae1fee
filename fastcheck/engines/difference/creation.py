"""What the cost creates: arrays that can receive perturbed values.

``np.zeros(shape)`` gives NumPy's dispatch no argument to look at, and ``np.array([h1, h2])`` no chance. So the cost
meets stand-ins of such functions (`instrumenting`), each of which acts only in a thread that is tracing.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from fastcheck.engines.difference import reductions, structure
from fastcheck.engines.difference.arrays import DifferenceArray, has_form
from fastcheck.engines.difference.state import TracingError, is_running
from fastcheck.engines.difference.views import PickLens

FRESH = ["zeros", "ones", "empty", "full", "eye", "identity"]
"""Functions whose float64 results become difference arrays."""

CONVERTING = ["array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "require"]
"""Functions that copy or convert their first argument."""

MATH = [
    "acos:arccos",
    "acosh:arccosh",
    "asin:arcsin",
    "asinh:arcsinh",
    "atan:arctan",
    "atan2:arctan2",
    "atanh:arctanh",
    "cbrt:cbrt",
    "ceil:ceil",
    "cos:cos",
    "cosh:cosh",
    "degrees:degrees",
    "exp:exp",
    "exp2:exp2",
    "expm1:expm1",
    "fabs:fabs",
    "floor:floor",
    "hypot:hypot",
    "isfinite:isfinite",
    "isinf:isinf",
    "isnan:isnan",
    "log10:log10",
    "log1p:log1p",
    "log2:log2",
    "pow:power",
    "radians:radians",
    "sin:sin",
    "sinh:sinh",
    "sqrt:sqrt",
    "tan:tan",
    "tanh:tanh",
    "trunc:trunc",
]
"""Functions of the math module and the ufuncs that take over for perturbed numbers."""

SCIPY = {
    "logsumexp": reductions.logsumexp,
    "softmax": reductions.softmax,
    "log_softmax": reductions.log_softmax,
}
"""Functions of scipy.special that are not ufuncs."""


def fresh(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in of np.zeros and friends."""

    @functools.wraps(original)
    def stand_in(*arguments: Any, **keywords: Any) -> Any:
        if not is_running():
            return original(*arguments, **keywords)
        if original is np_full and has_form(arguments[1:] or keywords.get("fill_value")):
            return full(*arguments, **keywords)
        result = original(*arguments, **keywords)
        return DifferenceArray(result) if result.dtype == np.float64 else result

    return stand_in


def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **_: Any) -> Any:
    """Return np.full for a perturbed value."""
    result = DifferenceArray(np.zeros(shape, order=order))
    result[...] = fill_value
    return result


def converting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in of np.array and friends."""
    copies = original.__name__ == "array"

    @functools.wraps(original)
    def stand_in(x: Any, dtype: Any = None, *arguments: Any, **keywords: Any) -> Any:
        if not is_running():
            return original(x, dtype, *arguments, **keywords)
        if type(x) is DifferenceArray and isinstance(x.value, np.ndarray):
            plain = original(x.value, dtype, *arguments, **keywords)
            return converted(x, dtype, not np.may_share_memory(plain, x.value), plain.ndim, order_of(plain))
        if type(x) is DifferenceArray or structure.has_difference(x):
            plain = original(structure.values_of(x), dtype, *arguments, **keywords)
            copy = copies and keywords.get("copy", True)
            return converted(x, dtype, copy, keywords.get("ndmin", 0), order_of(plain))
        result = original(x, dtype, *arguments, **keywords)
        return (
            result
            if result is x or result.dtype != np.float64 or result.base is x
            else DifferenceArray(result)
        )

    return stand_in


def order_of(plain: Any) -> Any:
    """Return how the entries of an array lie in memory, as NumPy's ``order``."""
    return "C" if plain.flags.c_contiguous else "F" if plain.flags.f_contiguous else "K"


def converted(x: Any, dtype: Any, copy: bool, ndmin: int, order: Any) -> Any:
    """Return an array of perturbed numbers, with its entries in this order in memory if it is a new one."""
    if type(x) is not DifferenceArray:
        x = structure.copy(structure.array_from(x), order)
    elif copy or not isinstance(x.value, np.ndarray):
        x = DifferenceArray(np.array(x.value, order=order), x.form)
    if dtype is not None and np.dtype(dtype) != x.dtype:
        x = structure.astype(x, dtype)
    if ndmin > np.ndim(x):
        x = np.reshape(x, (1,) * (ndmin - x.ndim) + x.shape)
    return x


def arithmetic(original: Callable[..., Any], rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in of a function that has a rule but no dispatch."""

    @functools.wraps(original)
    def stand_in(*arguments: Any, **keywords: Any) -> Any:
        if is_running() and any(type(x) is DifferenceArray for x in (*arguments, *keywords.values())):
            return rule(*arguments, **keywords)
        return original(*arguments, **keywords)

    return stand_in


def logarithm(x: Any, base: Any = None) -> Any:
    """Return math.log of a perturbed number."""
    return np.log(x) if base is None else np.log(x) / np.log(base)


class Joining:
    """The stand-in of np.c_ and np.r_, which are no functions: brackets around arrays join them."""

    def __init__(self, original: Any, columns: bool) -> None:
        self._original, self._columns = original, columns

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __len__(self) -> int:
        return len(self._original)

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if not is_running() or not any(map(structure.has_difference, parts)):
            return self._original[key]
        if any(isinstance(part, str) for part in parts):
            raise TracingError("np.c_ or np.r_", "directives in a string are not supported.")
        arrays = [np.r_[part] if isinstance(part, slice) else structure.array_from(part) for part in parts]
        if not self._columns:
            return structure.concatenate([np.atleast_1d(x) for x in arrays], 0)
        return structure.concatenate([structure.column(np.atleast_1d(x)) for x in arrays], -1)


np_full = np.full
np_as_strided = np.lib.stride_tricks.as_strided


def as_strided(x: Any, shape: Any = None, strides: Any = None, **_: Any) -> Any:
    """Return as_strided of a perturbed array, a read-only view."""
    if not x.flags.c_contiguous:
        raise TracingError(
            "as_strided", "the perturbed array does not lie in memory as NumPy's new arrays do."
        )
    return x.view_by(PickLens(lambda value: np_as_strided(value, shape, strides)))


def asking_dot(x: Any) -> Callable[..., Any]:
    """Return the method ``dot`` of a plain array, as the function where it meets a perturbed array."""

    def dot(b: Any, out: Any = None) -> Any:
        if type(b) is DifferenceArray or type(out) is DifferenceArray:
            return np.dot(x, b, out=out)
        return np.dot(x, structure.array_from(b), out=out) if structure.has_difference(b) else x.dot(b, out)

    return dot


def stand_ins() -> dict[int, tuple[Any, Any]]:
    """Return id of the original → original, stand-in; SciPy's once it has been imported."""
    return known_stand_ins("scipy.special" in sys.modules)


@functools.cache
def known_stand_ins(scipy: bool) -> dict[int, tuple[Any, Any]]:
    """Return the table, made once."""
    pairs = [(getattr(np, name), fresh) for name in FRESH] + [
        (getattr(np, name), converting) for name in CONVERTING
    ]
    table: dict[Any, Any] = {original: make(original) for original, make in pairs}
    for entry in MATH:
        name, _, ufunc = entry.partition(":")
        if hasattr(math, name):
            table[getattr(math, name)] = arithmetic(getattr(math, name), getattr(np, ufunc))
    table[math.log] = arithmetic(math.log, logarithm)
    table[math.isclose] = arithmetic(math.isclose, reductions.isclose_numbers)
    table[math.fsum] = arithmetic(math.fsum, np.sum)
    table[np_as_strided] = arithmetic(np_as_strided, as_strided)
    table[np.c_], table[np.r_] = Joining(np.c_, columns=True), Joining(np.r_, columns=False)
    table[getattr] = looked_up
    if scipy:
        for name, rule in SCIPY.items():
            original = getattr(sys.modules["scipy.special"], name)
            table[original] = arithmetic(original, cast(Any, rule))
    return {id(original): (original, replacement) for original, replacement in table.items()}


def stand_in_of(value: Any) -> Any:
    """Return what takes the place of a value in a thread that is tracing: None if nothing does."""
    found = stand_ins().get(id(value))
    return None if found is None else found[1]


def looked_up(*arguments: Any) -> Any:
    """Return ``getattr(np, "zeros")``, too, as the stand-in."""
    value = getattr(*arguments)
    return (stand_in_of(value) or value) if is_running() else value


@functools.cache
def attribute_names() -> frozenset[str]:
    """Return the names that functions with a stand-in have in their modules."""
    names = (*FRESH, *CONVERTING, *(entry.partition(":")[0] for entry in MATH), *SCIPY)
    return frozenset((*names, "log", "fsum", "isclose", "as_strided", "c_", "r_", "dot"))
