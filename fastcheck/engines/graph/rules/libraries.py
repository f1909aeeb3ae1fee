"""Functions of SciPy, math and NumPy that do not ask their arguments what to do, by their full names."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided as numpy_as_strided

from fastcheck.engines.graph.nodes.movement import Pick
from fastcheck.engines.graph.rules import filters, fourier, linear_algebra, special_functions
from fastcheck.engines.graph.rules.layout import array, numbers
from fastcheck.engines.graph.rules.linear_algebra import from_triangle, transposed
from fastcheck.engines.graph.tracing.operands import constant, stepped
from fastcheck.engines.graph.tracing.tape import current_tape

LIBRARY: dict[str, Callable[..., Any]] = {}
"""Full name → what records the function. Its name alone is all that it takes: `stand_ins` are made from this table."""

SAME_AS_UFUNCS = {
    **{"acos": np.arccos, "asin": np.arcsin, "atan": np.arctan, "atan2": np.arctan2},
    **{"acosh": np.arccosh, "asinh": np.arcsinh, "atanh": np.arctanh},
    **{"cos": np.cos, "sin": np.sin, "tan": np.tan, "cosh": np.cosh, "sinh": np.sinh, "tanh": np.tanh},
    **{"exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log10": np.log10, "log1p": np.log1p},
    **{"log2": np.log2, "pow": np.power, "sqrt": np.sqrt, "cbrt": np.cbrt, "fabs": np.fabs},
    **{"degrees": np.degrees, "radians": np.radians, "fmod": np.fmod, "copysign": np.copysign},
    **{"isfinite": np.isfinite, "isinf": np.isinf, "isnan": np.isnan},
}
"""Function of the math module → the ufunc that takes over for recorded numbers."""


def follows(name: str) -> Callable[..., Any]:
    """Return a decorator that puts a rule into the table."""

    def put(rule: Callable[..., Any]) -> Callable[..., Any]:
        LIBRARY[name] = rule
        return rule

    return put


# Linear algebra


@follows("scipy.linalg.solve")
def solve(
    a: Any, b: Any, lower: bool = False, *_: Any, assume_a: Any = None, transposed: bool = False, **__: Any
) -> Any:
    """Record scipy.linalg.solve."""
    a = array(a)
    if assume_a in ("sym", "symmetric", "her", "hermitian", "pos", "positive definite"):
        a = from_triangle(a, lower)
    elif assume_a in ("lower triangular", "upper triangular"):
        return solve_triangular(a, b, lower=assume_a.startswith("lower"), trans=int(transposed))
    elif assume_a not in (None, "gen", "general"):
        raise current_tape().refusal("scipy.linalg.solve", f"assume_a={assume_a!r} is not recorded.")
    return np.linalg.solve(np.swapaxes(a, -1, -2) if transposed else a, b)


@follows("scipy.linalg.solve_triangular")
def solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False, *_: Any, **__: Any
) -> Any:
    """Record scipy.linalg.solve_triangular, which reads one triangle."""
    triangle = (np.tril if lower else np.triu)(array(a), (-1 if lower else 1) if unit_diagonal else 0)
    if unit_diagonal:
        triangle = triangle + np.eye(np.shape(triangle)[-1])
    return np.linalg.solve(transposed(triangle) if trans in (1, 2, "T", "C") else triangle, b)


@follows("scipy.linalg.cholesky")
def cholesky(a: Any, lower: bool = False, *_: Any, **__: Any) -> Any:
    """Record scipy.linalg.cholesky."""
    a = array(a)
    return np.linalg.cholesky(a) if lower else transposed(np.linalg.cholesky(transposed(a)))


@follows("scipy.linalg.cho_factor")
def cho_factor(a: Any, lower: bool = False, *_: Any, **__: Any) -> Any:
    """Record scipy.linalg.cho_factor, which leaves the other triangle as it was."""
    a = array(a)
    rest = np.triu(a, 1) if lower else np.tril(a, -1)
    return cholesky(a, lower) + rest, lower


@follows("scipy.linalg.cho_solve")
def cho_solve(c_and_lower: Any, b: Any, *_: Any, **__: Any) -> Any:
    """Record scipy.linalg.cho_solve."""
    factor, lower = c_and_lower
    first = solve_triangular(factor, b, trans=0 if lower else 1, lower=lower)
    return solve_triangular(factor, first, trans=1 if lower else 0, lower=lower)


@follows("scipy.linalg.pinv")
def pinv(a: Any, *_: Any, rtol: Any = None, return_rank: bool = False, **__: Any) -> Any:
    """Record scipy.linalg.pinv, of matrices of full rank."""
    result = linear_algebra.pinv(a, rtol=rtol)
    return (result, min(np.shape(a))) if return_rank else result


@follows("scipy.linalg.lstsq")
def lstsq(a: Any, b: Any, cond: Any = None, *_: Any, **__: Any) -> Any:
    """Record scipy.linalg.lstsq, of matrices of full rank."""
    return linear_algebra.lstsq(a, b, cond)


@follows("scipy.linalg.norm")
def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True) -> Any:
    """Record scipy.linalg.norm."""
    return np.linalg.norm(array(a), ord, axis, keepdims)


@follows("scipy.linalg.eigh")
def eigh(
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    eigvals_only: bool = False,
    type: int = 1,
    driver: Any = None,
    **_: Any,
) -> Any:
    """Record scipy.linalg.eigh of one matrix, all eigenvalues."""
    import scipy.linalg

    if b is not None or any(value is not None for name, value in _.items() if name.startswith("subset")):
        raise current_tape().refusal("scipy.linalg.eigh", "only all eigenvalues of one matrix are recorded.")
    result = linear_algebra.eigen(a, lower, functools.partial(_eigh, scipy.linalg.eigh, driver))
    return result[0] if eigvals_only else result


def _eigh(function: Callable[..., Any], driver: Any, x: Any) -> Any:
    """Return eigenvalues and vectors of the matrices of a stack."""
    if x.ndim == 2:
        return function(x, driver=driver)
    pairs = [_eigh(function, driver, part) for part in x]
    return np.stack([values for values, _ in pairs]), np.stack([vectors for _, vectors in pairs])


@follows("scipy.linalg.eigvalsh")
def eigvalsh(a: Any, b: Any = None, *, lower: bool = True, **keywords: Any) -> Any:
    """Record scipy.linalg.eigvalsh."""
    return eigh(a, b, lower=lower, eigvals_only=True, **keywords)


@follows("scipy.linalg.svd")
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, *_: Any, **__: Any) -> Any:
    """Record scipy.linalg.svd."""
    result = linear_algebra.svd(a, full_matrices, compute_uv)
    return tuple(result) if compute_uv else result


@follows("scipy.linalg.qr")
def qr(a: Any, *_: Any, mode: str = "full", pivoting: bool = False, **__: Any) -> Any:
    """Record scipy.linalg.qr."""
    if pivoting or mode not in ("full", "economic", "r"):
        raise current_tape().refusal("scipy.linalg.qr", 'only mode "economic" and "r" are recorded.')
    q, r = linear_algebra.qr(a, "complete" if mode == "full" else "reduced")
    return (r,) if mode == "r" else (q, r)


@follows("scipy.linalg.block_diag")
def block_diag(*arrays: Any) -> Any:
    """Record scipy.linalg.block_diag."""
    blocks = [np.atleast_2d(array(x)) for x in arrays]
    ends = np.cumsum([np.shape(x) for x in blocks], axis=0)
    result = constant(np.zeros(tuple(ends[-1])))
    for block, (row, column) in zip(blocks, ends.tolist(), strict=True):
        height, width = np.shape(block)
        result[row - height : row, column - width : column] = block
    return result


@follows("scipy.linalg.toeplitz")
def toeplitz(c: Any, r: Any = None) -> Any:
    """Record scipy.linalg.toeplitz."""
    c = np.ravel(array(c))
    r = c if r is None else np.ravel(array(r))
    all_ = np.concatenate([c[::-1], r[1:]])
    size = np.shape(c)[0]
    return all_[size - 1 - np.arange(size)[:, None] + np.arange(np.shape(r)[0])]


def first_only(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return a rule of one argument, whatever options come with it."""
    return lambda a, *_, **__: rule(array(a))


# NumPy


@follows("numpy.lib.stride_tricks.as_strided")
def as_strided(x: Any, shape: Any = None, strides: Any = None, **_: Any) -> Any:
    """Record as_strided, a read-only view."""
    if not x.array.flags.c_contiguous:
        raise current_tape().refusal(
            "as_strided", "the recorded array does not lie in memory as NumPy's new arrays do."
        )
    value, old_shape = numpy_as_strided(x.array, shape, strides, writeable=False), x.shape
    return x.seen_as(
        value, lambda node: Pick(value, node, lambda: numpy_as_strided(numbers(old_shape), shape, strides))
    )


# math


@follows("math.dist")
def dist(p: Any, q: Any, /) -> Any:
    """Record math.dist."""
    return np.sqrt(np.sum(np.square(array(list(p)) - array(list(q)))))


@follows("math.hypot")
def hypot(*numbers: Any) -> Any:
    """Record math.hypot."""
    return functools.reduce(np.hypot, numbers, 0.0) if len(numbers) != 2 else np.hypot(*numbers)


@follows("math.log")
def log(x: Any, base: Any = None) -> Any:
    """Record math.log."""
    return np.log(x) if base is None else np.log(x) / np.log(base)


@follows("math.fsum")
def fsum(numbers: Any) -> Any:
    """Record math.fsum."""
    return np.sum(array(list(numbers)))


@follows("math.remainder")
def remainder(x: Any, y: Any) -> Any:
    """Record math.remainder, which rounds the quotient to the nearest whole number."""
    return x - np.rint(np.divide(x, y)) * y


@follows("math.isclose")
def isclose(a: Any, b: Any, **tolerances: float) -> bool:
    """Return math.isclose, which has no slope."""
    return bool(stepped(lambda *numbers: np.bool_(math.isclose(*numbers, **tolerances)), a, b))


LIBRARY |= {
    "scipy.linalg.inv": first_only(np.linalg.inv),
    "scipy.linalg.det": first_only(np.linalg.det),
    "scipy.linalg.expm": first_only(linear_algebra.expm),
    "scipy.linalg.svdvals": first_only(linear_algebra.svdvals),
    "scipy.fft.dct": fourier.without_workers(fourier.cosine("dct")),
    "scipy.fft.idct": fourier.without_workers(fourier.cosine("idct")),
    "scipy.fft.dst": fourier.without_workers(fourier.cosine("dst")),
    "scipy.fft.idst": fourier.without_workers(fourier.cosine("idst")),
}
LIBRARY |= {f"scipy.fft.{name}": fourier.without_workers(rule) for name, rule in fourier.TRANSFORMS.items()}
LIBRARY |= filters.RULES
LIBRARY |= {f"scipy.special.{name}": rule for name, rule in special_functions.OF_SCIPY.items()}
LIBRARY |= {f"math.{name}": ufunc for name, ufunc in SAME_AS_UFUNCS.items()}
LIBRARY |= {f"math.{name}": rule for name, rule in special_functions.OF_MATH.items()}
