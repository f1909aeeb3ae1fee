"""What the cost creates: arrays that can receive perturbed values.

``np.zeros(shape)`` gives NumPy's dispatch no argument to look at, and ``np.array([h1, h2])`` no chance. So the cost
meets stand-ins of such functions (`instrumenting`), each of which acts only in a thread that is tracing.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from fastcheck.engines.difference import elementwise, reductions, structure
from fastcheck.engines.difference.arrays import DifferenceArray
from fastcheck.engines.difference.state import (
    Front,
    Trace,
    TracingError,
    UnknownFunctionError,
    current_front,
    is_running,
)
from fastcheck.engines.difference.views import PickLens

FRESH = ["zeros", "ones", "empty", "full", "eye", "identity", "linspace", "arange", "tri"]
"""Functions whose float64 results become difference arrays."""

CONVERTING = ["array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "require"]
"""Functions that copy or convert their first argument."""

GATHERING = "sum mean max min amax amin prod std var median average cumsum dot inner outer argmax argmin sort"
"""Functions of NumPy that people call with a list of numbers; they do not ask what is in it what to do."""

MATH = [
    "acos:arccos",
    "acosh:arccosh",
    "asin:arcsin",
    "asinh:arcsinh",
    "atan:arctan",
    "atan2:arctan2",
    "atanh:arctanh",
    "cbrt:cbrt",
    "cos:cos",
    "cosh:cosh",
    "degrees:degrees",
    "exp:exp",
    "exp2:exp2",
    "expm1:expm1",
    "fabs:fabs",
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
]
"""Functions of the math module and the ufuncs that take over for perturbed numbers."""

LIBRARIES = {
    "scipy.special": "logsumexp softmax log_softmax softplus sinc polygamma multigammaln zeta",
    "scipy.linalg": (
        "solve inv det pinv lstsq norm cholesky cho_factor cho_solve solve_triangular expm eigh eigvalsh svd svdvals "
        "qr block_diag toeplitz"
    ),
    "scipy.fft": (
        "fft ifft rfft irfft hfft ihfft fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn dct idct dst idst"
    ),
    "scipy.signal": "convolve correlate convolve2d correlate2d fftconvolve oaconvolve lfilter",
    "scipy.ndimage": (
        "convolve correlate convolve1d correlate1d gaussian_filter gaussian_filter1d uniform_filter uniform_filter1d"
    ),
    "math": "erf erfc gamma lgamma dist hypot fmod copysign",
}
"""Functions that do not ask their arguments what to do, by their modules; a front may know what takes over for them."""


np_full = np.full


def fresh(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in of np.zeros and friends."""

    @functools.wraps(original)
    def stand_in(*arguments: Any, **keywords: Any) -> Any:
        front = current_front()
        if front is None:
            return original(*arguments, **keywords)
        if original is np_full and any(map(front.holds, (*arguments[1:], *keywords.values()))):
            return full(front, *arguments, **keywords)
        result = original(*arguments, **keywords)
        made = type(result) is np.ndarray and result.dtype == np.float64
        return front.adopted(result) if made else result

    return stand_in


def full(
    front: type[Front], shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **_: Any
) -> Any:
    """Return np.full for a perturbed value, or a whole number that changes with one."""
    kind = np.dtype(getattr(fill_value, "dtype", float) if dtype is None else dtype)
    result = front.adopted(np.zeros(shape, kind if kind.kind in "biu" else float, order=order))
    result[...] = fill_value
    return result


def converting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in of np.array and friends."""

    @functools.wraps(original)
    def stand_in(x: Any, dtype: Any = None, *arguments: Any, **keywords: Any) -> Any:
        front = current_front()
        if front is None:
            return original(x, dtype, *arguments, **keywords)
        if front.holds(x):
            return front.converted(original, x, dtype, arguments, keywords)
        result = original(x, dtype, *arguments, **keywords)
        plain = result is x or result.dtype != np.float64 or result.base is x
        return result if plain else front.adopted(result)

    return stand_in


def gathering(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in of a function that takes lists of perturbed numbers: it gets an array of them."""

    @functools.wraps(original)
    def stand_in(*arguments: Any, **keywords: Any) -> Any:
        front = current_front()
        if front is None or not any(type(x) in (list, tuple) for x in (*arguments, *keywords.values())):
            return original(*arguments, **keywords)

        def gathered(x: Any) -> Any:
            return front.array(x) if type(x) in (list, tuple) and front.holds(x) else x

        return original(*map(gathered, arguments), **{name: gathered(x) for name, x in keywords.items()})

    return stand_in


def arithmetic(original: Callable[..., Any], rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in of a function that has a rule but no dispatch."""

    @functools.wraps(original)
    def stand_in(*arguments: Any, **keywords: Any) -> Any:
        front = current_front()
        if front is not None and any(map(front.holds, (*arguments, *keywords.values()))):
            return rule(*arguments, **keywords)
        return original(*arguments, **keywords)

    return stand_in


def of_front(name: str) -> Callable[..., Any]:
    """Return the function of this name of the front that is running."""
    return lambda *arguments, **keywords: getattr(current_front(), name)(*arguments, **keywords)


def of_library(name: str) -> Callable[..., Any]:
    """Return what takes over for a function of a library in the front that is running."""

    def rule(*arguments: Any, **keywords: Any) -> Any:
        front = current_front()
        known = None if front is None else front.library.get(name)
        if known is None:
            raise UnknownFunctionError(name, "difference propagation does not follow it.")
        return known(*arguments, **keywords)

    return rule


def by_entry(vectorized: Any) -> Callable[..., Any]:
    """Return the stand-in of an np.vectorize, whose function is called with single numbers."""
    return arithmetic(vectorized, functools.partial(of_library("numpy.vectorize"), vectorized))


def vectorize(*arguments: Any, **keywords: Any) -> Any:
    """Return an np.vectorize, or its stand-in."""
    made = np.vectorize(*arguments, **keywords)
    return by_entry(made) if is_running() and type(getattr(made, "pyfunc", None)) is not str else made


def logarithm(x: Any, base: Any = None) -> Any:
    """Return math.log of a perturbed number."""
    return np.log(x) if base is None else np.log(x) / np.log(base)


def copysign(x: Any, y: Any) -> Any:
    """Return math.copysign of perturbed numbers."""
    return np.absolute(x) * np.where(np.signbit(y), -1.0, 1.0)


def remainder_by(rounded: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return math.fmod or math.remainder of perturbed numbers, by how the quotient is rounded."""
    return lambda x, y: x - rounded(np.divide(x, y)) * y


def distance(p: Any, q: Any) -> Any:
    """Return math.dist of perturbed points."""
    front = current_front()
    assert front is not None
    return np.sqrt(np.sum((front.array(p) - front.array(q)) ** 2))


def special(name: str) -> Callable[[Any], Any]:
    """Return a function of scipy.special."""

    def rule(x: Any) -> Any:
        import scipy.special

        front = current_front()
        assert front is not None
        front.learn_scipy()
        return getattr(scipy.special, name)(x)

    return rule


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
        front = current_front()
        if front is None or not any(map(front.holds, parts)):
            return self._original[key]
        if any(isinstance(part, str) for part in parts):
            raise TracingError("np.c_ or np.r_", "directives in a string are not supported.")
        arrays = [np.r_[part] if isinstance(part, slice) else front.array(part) for part in parts]
        if not self._columns:
            return np.concatenate([np.atleast_1d(x) for x in arrays], 0)
        rows = [np.atleast_1d(x) for x in arrays]
        return np.concatenate([np.reshape(x, (-1, 1)) if np.ndim(x) < 2 else x for x in rows], -1)


def asking_dot(x: Any) -> Callable[..., Any]:
    """Return the method ``dot`` of a plain array, as the function where it meets a perturbed array."""

    def dot(b: Any, out: Any = None) -> Any:
        front = current_front()
        if front is None or not (front.holds(b) or front.holds(out)):
            return x.dot(b, out)
        return np.dot(x, front.array(b), out=out)

    return dot


class DifferenceFront:
    """What stand-ins do in a trace of difference propagation."""

    library: ClassVar[dict[str, Callable[..., Any]]] = {
        "scipy.special.logsumexp": reductions.logsumexp,
        "scipy.special.softmax": reductions.softmax,
        "scipy.special.log_softmax": reductions.log_softmax,
        "math.hypot": np.hypot,
    }

    isclose = staticmethod(reductions.isclose_numbers)

    @staticmethod
    def learn_scipy() -> None:
        """Learn the functions of SciPy."""
        elementwise.register_scipy()

    @staticmethod
    def holds(x: Any) -> bool:
        """Whether x is a perturbed array, or holds one."""
        return type(x) is DifferenceArray or structure.has_difference(x)

    @staticmethod
    def array(x: Any) -> Any:
        """Return an array, or nested lists of perturbed numbers, as a difference array."""
        return structure.array_from(x)

    @staticmethod
    def lifted(x: Any) -> Any:
        """Return data of the cost as a difference array."""
        return DifferenceArray(x, owned=False)

    @staticmethod
    def adopted(x: Any) -> Any:
        """Return an array that the cost created as a difference array."""
        return DifferenceArray(x)

    @staticmethod
    def converted(
        original: Any, x: Any, dtype: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        """Return what np.array and friends make of perturbed numbers."""
        if type(x) is DifferenceArray and isinstance(x.value, np.ndarray):
            plain = original(x.value, dtype, *arguments, **keywords)
            return converted(x, dtype, not np.may_share_memory(plain, x.value), plain.ndim, order_of(plain))
        plain = original(structure.values_of(x), dtype, *arguments, **keywords)
        copies = original.__name__ == "array" and keywords.get("copy", True)
        return converted(x, dtype, copies, keywords.get("ndmin", 0), order_of(plain))

    @staticmethod
    def as_strided(x: Any, shape: Any = None, strides: Any = None, **_: Any) -> Any:
        """Return as_strided of a perturbed array, a read-only view."""
        if not x.flags.c_contiguous:
            raise TracingError(
                "as_strided", "the perturbed array does not lie in memory as NumPy's new arrays do."
            )
        strided = np.lib.stride_tricks.as_strided
        return x.view_by(PickLens(lambda value: strided(value, shape, strides)))


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


Trace.front = DifferenceFront


def stand_ins() -> dict[int, tuple[Any, Any]]:
    """Return id of the original → original, stand-in; SciPy's once they have been imported."""
    return known_stand_ins(tuple(module for module in LIBRARIES if module in sys.modules))


@functools.cache
def known_stand_ins(modules: tuple[str, ...]) -> dict[int, tuple[Any, Any]]:
    """Return the table, made once."""
    pairs = [(getattr(np, name), fresh) for name in FRESH] + [
        (getattr(np, name), converting) for name in CONVERTING
    ]
    pairs += [(getattr(np, name), gathering) for name in GATHERING.split()] + [(np.linalg.norm, gathering)]
    table: dict[Any, Any] = {original: make(original) for original, make in pairs}
    for entry in MATH:
        name, _, ufunc = entry.partition(":")
        if hasattr(math, name):
            table[getattr(math, name)] = arithmetic(getattr(math, name), getattr(np, ufunc))
    table[math.log] = arithmetic(math.log, logarithm)
    table[math.isclose] = arithmetic(math.isclose, of_front("isclose"))
    table[math.fsum] = arithmetic(math.fsum, np.sum)
    table[math.copysign] = arithmetic(math.copysign, copysign)
    table[math.fmod] = arithmetic(math.fmod, remainder_by(np.trunc))
    table[math.remainder] = arithmetic(math.remainder, remainder_by(np.rint))
    table[math.dist] = arithmetic(math.dist, distance)
    for name, function in (("erf", "erf"), ("erfc", "erfc"), ("gamma", "gamma"), ("lgamma", "gammaln")):
        if importlib.util.find_spec("scipy") is not None:
            table[getattr(math, name)] = arithmetic(getattr(math, name), special(function))
    as_strided = np.lib.stride_tricks.as_strided
    table[as_strided] = arithmetic(as_strided, of_front("as_strided"))
    table[np.c_], table[np.r_] = Joining(np.c_, columns=True), Joining(np.r_, columns=False)
    table[getattr] = looked_up
    table[np.vectorize] = vectorize
    for module in modules:
        for name in LIBRARIES[module].split():
            original = getattr(sys.modules[module], name, None)
            if original is not None:
                table[original] = arithmetic(original, of_library(f"{module}.{name}"))
    return {id(original): (original, replacement) for original, replacement in table.items()}


def has_stand_in(value: Any, table: dict[int, Any]) -> bool:
    """Whether a value has a stand-in, which may be in this table."""
    return id(value) in table or type(value) is np.vectorize


def stand_in_of(value: Any) -> Any:
    """Return what takes the place of a value in a thread that is tracing: None if nothing does."""
    found = stand_ins().get(id(value))
    if found is None:
        return by_entry(value) if type(value) is np.vectorize else None
    return found[1]


def looked_up(*arguments: Any) -> Any:
    """Return ``getattr(np, "zeros")``, too, as the stand-in."""
    value = getattr(*arguments)
    return (stand_in_of(value) or value) if is_running() else value


@functools.cache
def attribute_names() -> frozenset[str]:
    """Return the names that functions with a stand-in have in their modules."""
    names = (*FRESH, *CONVERTING, *GATHERING.split(), *(entry.partition(":")[0] for entry in MATH))
    libraries = " ".join(LIBRARIES.values()).split()
    more = (
        "log",
        "fsum",
        "isclose",
        "copysign",
        "fmod",
        "remainder",
        "dist",
        "erf",
        "erfc",
        "gamma",
        "lgamma",
    )
    return frozenset((*names, *libraries, *more, "vectorize", "as_strided", "c_", "r_", "dot"))
