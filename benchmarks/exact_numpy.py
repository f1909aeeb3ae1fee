"""NumPy at 50 digits: a program written with ``np`` and ``sp`` runs on object arrays of mpmath numbers instead.

Only what NumPy cannot do with object arrays is replaced. A program that is run this way must not use methods of
scalars, and must create its arrays by ``np.zeros`` and the like, as float64 ones would round what is stored in them.
"""

from __future__ import annotations

import math
import types

import mpmath
import numpy as np

DIGITS = 50
EXACT = mpmath.MPContext()
EXACT.dps = DIGITS
NUMBER = EXACT.mpf

UNARY = {
    "arctan": EXACT.atan,
    "cbrt": lambda x: EXACT.cbrt(x) if x >= 0 else -EXACT.cbrt(-x),
    "cos": EXACT.cos,
    "exp": EXACT.exp,
    "expm1": EXACT.expm1,
    "floor": EXACT.floor,
    "log": EXACT.ln,
    "log1p": lambda x: EXACT.ln(1 + x),
    "reciprocal": lambda x: 1 / x,
    "sign": EXACT.sign,
    "sin": EXACT.sin,
    "sinh": EXACT.sinh,
    "sqrt": EXACT.sqrt,
    "tanh": EXACT.tanh,
}
BINARY = {
    "arctan2": EXACT.atan2,
    "hypot": EXACT.hypot,
    "logaddexp": lambda x, y: EXACT.ln(EXACT.exp(x) + EXACT.exp(y)),
}
SPECIAL = {
    "erf": EXACT.erf,
    "expit": lambda x: 1 / (1 + EXACT.exp(-x)),
    "log_expit": lambda x: -EXACT.ln(1 + EXACT.exp(-x)),
}


def exact(x):
    """Return a scalar or array of floats, integers or exact numbers as exact numbers."""
    array = np.asarray(x)
    return array if array.dtype == bool else np.asarray(np.frompyfunc(number, 1, 1)(array), dtype=object)


def number(x):
    return x if type(x) is NUMBER else NUMBER(int(x) if isinstance(x, (np.integer, np.bool_)) else x)


def of_numbers(function, arity):
    """Return a ufunc of object arrays."""
    return np.frompyfunc(lambda *x: function(*map(number, x)), arity, 1)


def exactly(function):
    """Return a NumPy function whose result, 0 and 1 included, consists of exact numbers."""
    return lambda *arguments, **keywords: exact(function(*arguments, **keywords))


def full(shape, value, dtype=float):
    if dtype is not float:
        return np.full(shape, value, dtype)
    result = np.empty(shape, object)
    result[...] = exact(value)
    return result


def array(x, dtype=float):
    return exact(np.array(x, dtype=object)) if dtype is float else np.array(x, dtype)


def sum_(x, axis=None, keepdims=False, where=True):
    return np.sum(np.where(where, x, NUMBER(0)), axis=axis, keepdims=keepdims)


def var(x, axis=None, ddof=0, keepdims=False):
    rest = x - np.mean(x, axis=axis, keepdims=True)
    count = np.size(x) // np.size(np.sum(rest, axis=axis))
    return np.sum(rest * rest, axis=axis, keepdims=keepdims) / NUMBER(count - ddof)


def std(x, axis=None, ddof=0, keepdims=False):
    return ROOT(var(x, axis, ddof, keepdims))


def norm(x, ord=None, axis=None, keepdims=False):
    if ord in (None, "fro", 2):
        return ROOT(np.sum(x * x, axis=axis, keepdims=keepdims))
    size = np.abs(x)
    if ord == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims)
    power = np.sum(size**ord, axis=axis, keepdims=keepdims)
    return power ** (1 / NUMBER(ord))


def eliminated(a, b):
    """Return the solution of a·x = b by elimination with pivoting, and the determinant of a."""
    a, b, determinant = exact(a).copy(), exact(b).copy(), NUMBER(1)
    for j in range(len(a)):
        k = j + int(np.argmax(np.abs(a[j:, j])))
        a[[j, k]], b[[j, k]] = a[[k, j]], b[[k, j]]
        determinant *= a[j, j] if k == j else -a[j, j]
        for i in range(len(a)):
            if i != j:
                factor = a[i, j] / a[j, j]
                a[i], b[i] = a[i] - factor * a[j], b[i] - factor * b[j]
    return b / np.diagonal(a).reshape([-1] + [1] * (b.ndim - 1)), determinant


def det(a):
    return eliminated(a, np.zeros(len(a)))[1]


def softmax(x, axis=None):
    terms = EXPONENTIAL(x - np.max(x, axis=axis, keepdims=True))
    return terms / np.sum(terms, axis=axis, keepdims=True)


def logsumexp(x, axis=None, keepdims=False):
    return LOGARITHM(np.sum(EXPONENTIAL(x), axis=axis, keepdims=keepdims))


ROOT, EXPONENTIAL, LOGARITHM = (of_numbers(f, 1) for f in (EXACT.sqrt, EXACT.exp, EXACT.ln))


class Module:
    """A module of which some functions are replaced."""

    def __init__(self, module, **replaced):
        self.__dict__.update(replaced)
        self._module = module

    def __getattr__(self, name):
        return getattr(self._module, name)


class Extremum(Module):
    """np.maximum or np.minimum, with the methods of a ufunc."""

    def __call__(self, x, y, out=None):
        result = exact(self._module(x, y))
        if out is None:
            return result
        out[...] = result
        return out


NP = Module(
    np,
    **{name: of_numbers(function, 1) for name, function in UNARY.items()},
    **{name: of_numbers(function, 2) for name, function in BINARY.items()},
    **{name: exactly(getattr(np, name)) for name in ("clip", "fmax", "pad", "tril", "triu", "where")},
    array=array,
    asarray=lambda x, dtype=float: x if isinstance(x, np.ndarray) else array(x, dtype),
    full=full,
    zeros=lambda shape, dtype=float: full(shape, 0, dtype),
    ones=lambda shape, dtype=float: full(shape, 1, dtype),
    empty=lambda shape, dtype=float: full(shape, 0, dtype),
    eye=lambda *arguments: exact(np.eye(*arguments)),
    zeros_like=lambda x: full(np.shape(x), 0),
    ones_like=lambda x: full(np.shape(x), 1),
    empty_like=lambda x: full(np.shape(x), 0),
    full_like=lambda x, value: full(np.shape(x), value),
    maximum=Extremum(np.maximum),
    minimum=Extremum(np.minimum),
    sum=sum_,
    var=var,
    std=std,
    vdot=lambda x, y: sum_(np.ravel(x) * np.ravel(y)),  # NumPy's of no objects is None
    linalg=Module(
        np.linalg,
        det=det,
        inv=lambda a: eliminated(a, np.eye(len(a)))[0],
        norm=norm,
        slogdet=lambda a: (EXACT.sign(det(a)), EXACT.ln(abs(det(a)))),
        solve=lambda a, b: eliminated(a, b)[0],
    ),
)
SP = types.SimpleNamespace(
    **{name: of_numbers(function, 1) for name, function in SPECIAL.items()},
    softmax=softmax,
    logsumexp=logsumexp,
    log_softmax=lambda x, axis=None: x - logsumexp(x, axis, keepdims=True),
)


def scale_of(x):
    """Return the root mean square of float64 or exact numbers."""
    return math.sqrt(float(sum(v * v for v in x) / max(1, len(x))))
