"""What the cost creates: arrays that can receive perturbed values.

``np.zeros(shape)`` gives NumPy's dispatch no argument to look at, and ``np.array([h1, h2])`` no chance. So for the
time of a trace the names that the user's modules look up are bound to stand-ins: ``zeros`` where it was imported from
NumPy, and ``np`` to a module that is NumPy but for these functions. NumPy's own namespace is left alone, for compiled
code looks names up there and takes what it gets for plain memory. A stand-in acts only in a thread that is tracing.
"""

from __future__ import annotations

import functools
import math
import sys
import threading
import types
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from fastcheck.engines.difference import elementwise, reductions, structure
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

LIBRARIES = ("numpy", "scipy", "numba", "fastcheck.engines", "fastcheck.differences")
"""Modules that are never the user's, though the cost may hold their functions."""


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


def full(shape: Any, fill_value: Any, dtype: Any = None, **_: Any) -> Any:
    """Return np.full for a perturbed value."""
    result = DifferenceArray(np.zeros(shape))
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
            return converted(x, dtype, not np.may_share_memory(plain, x.value), plain.ndim)
        if type(x) is DifferenceArray or structure.has_difference(x):
            return converted(x, dtype, copies and keywords.get("copy", True), keywords.get("ndmin", 0))
        result = original(x, dtype, *arguments, **keywords)
        return (
            result
            if result is x or result.dtype != np.float64 or result.base is x
            else DifferenceArray(result)
        )

    return stand_in


def converted(x: Any, dtype: Any, copy: bool, ndmin: int) -> Any:
    """Return an array of perturbed numbers."""
    if type(x) is not DifferenceArray:
        x = structure.array_from(x)
    elif copy or not isinstance(x.value, np.ndarray):
        x = DifferenceArray(np.array(x.value), x.form)
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
    table[math.fsum] = arithmetic(math.fsum, np.sum)
    table[np_as_strided] = arithmetic(np_as_strided, as_strided)
    table[np.c_], table[np.r_] = Joining(np.c_, columns=True), Joining(np.r_, columns=False)
    if scipy:
        for name, rule in SCIPY.items():
            original = getattr(sys.modules["scipy.special"], name)
            table[original] = arithmetic(original, cast(Any, rule))
    for module in (np, math, sys.modules["scipy.special"] if scipy else None):
        if module is not None:
            table[module] = StandIn(module, table)
    if scipy:
        table[sys.modules["scipy"]] = StandIn(sys.modules["scipy"], table)
    return {id(original): (original, replacement) for original, replacement in table.items()}


class StandIn(types.ModuleType):
    """A module with some of its attributes replaced; what is set on it is set on the original."""

    def __init__(self, original: types.ModuleType, table: dict[Any, Any]) -> None:
        super().__init__(original.__name__)
        replaced = {k: table[v] for k, v in vars(original).items() if isinstance(v, Hashable) and v in table}
        self.__dict__.update({**replaced, "_original": original})

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_original"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_original"], name, value)


class _Installation:
    """The stand-ins that are in place, and for how many traces."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.places: list[tuple[dict[str, Any], str, Any, Any]] = []
        self.seen: set[int] = set()
        self.costs: dict[int, Any] = {}

    def enter(self, cost: Any) -> None:
        with self.lock:
            self.users += 1
            if id(cost) in self.costs:
                return
            self.costs[id(cost)] = cost
            try:
                table = stand_ins()
                for namespace in namespaces(cost):
                    self.substitute(namespace, table)
            except BaseException:
                self.release()
                raise

    def substitute(self, namespace: dict[str, Any], table: dict[int, tuple[Any, Any]]) -> None:
        if id(namespace) in self.seen:
            return
        self.seen.add(id(namespace))
        for name, value in list(namespace.items()):
            found = table.get(id(value))
            if found is not None:
                namespace[name] = found[1]
                self.places.append((namespace, name, *found))

    def leave(self) -> None:
        with self.lock:
            self.release()

    def release(self) -> None:
        self.users -= 1
        if self.users:
            return
        for namespace, name, original, replacement in self.places:
            if namespace.get(name) is replacement:
                namespace[name] = original
        self.places.clear()
        self.seen.clear()
        self.costs.clear()


_installation = _Installation()


@contextmanager
def substituted(cost: Any) -> Iterator[None]:
    """Bind the stand-ins for the time of a trace of ``cost``."""
    if "scipy.special" in sys.modules:
        elementwise.register_scipy()
    _installation.enter(cost)
    try:
        yield
    finally:
        _installation.leave()


def namespaces(cost: Any) -> Iterator[dict[str, Any]]:
    """Yield the namespaces of the functions that the cost can reach, and of all of the user's modules."""
    for function in reachable(cost):
        if not (function.__module__ or "").startswith(LIBRARIES):
            yield function.__globals__
    for name, module in list(sys.modules.items()):
        if isinstance(module, types.ModuleType) and belongs_to_user(name, module):
            yield module.__dict__


PLAIN = (types.ModuleType, type, np.ndarray, np.generic, str, bytes, int, float, complex, type(None))
"""What holds no functions."""


def reachable(cost: Any) -> Iterator[types.FunctionType]:
    """Yield the Python functions found in the cost, its closures, defaults and attributes."""
    waiting, seen = [cost], set()
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, types.FunctionType):
            yield thing
            for cell in thing.__closure__ or ():
                try:
                    waiting.append(cell.cell_contents)
                except ValueError:  # an empty cell
                    continue
            waiting += thing.__defaults__ or ()
        elif isinstance(thing, types.MethodType):
            waiting += [thing.__func__, thing.__self__]
        elif isinstance(thing, functools.partial):
            waiting += [thing.func, *thing.args, *thing.keywords.values()]
        elif isinstance(thing, (list, tuple)):
            waiting += [item for item in thing if not isinstance(item, PLAIN)]
        elif isinstance(thing, dict):
            waiting += [item for item in thing.values() if not isinstance(item, PLAIN)]
        elif not isinstance(thing, PLAIN):
            waiting += vars(thing).values() if hasattr(thing, "__dict__") else ()
            waiting += [f for cls in type(thing).__mro__[:-1] for f in vars(cls).values() if callable(f)]


@functools.cache
def installed_folders() -> tuple[str, ...]:
    """Return the folders of the standard library, of installed packages and of fastcheck."""
    import sysconfig

    paths = sysconfig.get_paths()
    room = str(Path(__file__).parents[2])
    return (
        *(paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")),
        sys.base_prefix + "/lib",
        room,
    )


@functools.lru_cache(maxsize=4096)
def belongs_to_user(name: str, module: types.ModuleType) -> bool:
    """Whether a module is the user's own, not an installed package."""
    file = vars(module).get("__file__")
    if name == "__main__":
        return True
    return isinstance(file, str) and not file.startswith(installed_folders())
