"""Linear algebra of NumPy, and of SciPy where it is the same, written as what is recorded already."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.eigen import coincide, eigen_node, singular_node
from fastcheck.engines.graph.rules.layout import array, axes_of
from fastcheck.engines.graph.rules.tables import FUNCTIONS, UFUNCS
from fastcheck.engines.graph.tracing.operands import constant, recorded, stepped, values_of
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape


def transposed(x: Any) -> Any:
    """Return the matrices of a stack transposed."""
    return np.swapaxes(x, -1, -2)


def from_triangle(x: Any, lower: bool) -> Any:
    """Return the symmetric matrix of which only one triangle is read."""
    return np.tril(x) + transposed(np.tril(x, -1)) if lower else np.triu(x) + transposed(np.triu(x, 1))


# Eigenvalues and singular values


def eigen(x: Any, lower: bool, compute: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Record eigenvalues and eigenvectors of a symmetric matrix."""
    x = from_triangle(array(x), lower)
    value, make = eigen_node(values_of(x), compute)
    if type(x) is Recorded and x.live and coincide(value[..., 0, :], whole=True):
        raise current_tape().refusal("eigenvalues", "two of them coincide, where single ones have no slopes.")
    both = recorded(value, make, x)
    return both[..., 0, :], both[..., 1:, :]


def eigh(x: Any, UPLO: str = "L") -> Any:
    """Record np.linalg.eigh."""
    kind = type(np.linalg.eigh(np.eye(1)))
    return kind(*eigen(x, UPLO.upper() == "L", np.linalg.eigh))


def eigvalsh(x: Any, UPLO: str = "L") -> Any:
    """Record np.linalg.eigvalsh."""
    return eigh(x, UPLO)[0]


def singular(x: Any, compute: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
    """Record the thin singular value decomposition."""
    x = array(x)
    value, make = singular_node(values_of(x), compute)
    if type(x) is Recorded and x.live and coincide(value[..., 0, :], whole=False):
        raise current_tape().refusal(
            "singular values", "two of them coincide, or one is zero, where single ones have no slopes."
        )
    all_ = recorded(value, make, x)
    rows = x.shape[-2]
    return all_[..., 1 : rows + 1, :], all_[..., 0, :], transposed(all_[..., rows + 1 :, :])


def thin_svd(x: Any) -> Any:
    """Return NumPy's thin decomposition of a plain array."""
    return np.linalg.svd(x, full_matrices=False)


def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """Record np.linalg.svd."""
    x = array(x)
    if not compute_uv:
        return singular(x, thin_svd)[1]
    if full_matrices and x.shape[-1] != x.shape[-2]:
        why = "the vectors beyond the singular values are not determined: pass full_matrices=False."
        raise current_tape().refusal("np.linalg.svd", why)
    kind = type(np.linalg.svd(np.eye(1)))
    return kind(*singular(x, thin_svd))


def svdvals(x: Any) -> Any:
    """Record the singular values."""
    return singular(x, thin_svd)[1]


# Triangular factors and least squares


def triangular_factors(x: Any, compute: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Record the thin Q and R.

    Q₀ and R₀ being the factors as they are, B = x·R₀⁻¹ is Q₀ but for changes of x, and BᵀB = L·Lᵀ is the identity but
    for them: Q = B·L⁻ᵀ and R = Lᵀ·R₀, which loses nothing to a large condition number.
    """
    rows, columns = x.shape[-2:]
    if rows < columns:
        q, r = triangular_factors(x[..., :rows], compute)
        return q, np.concatenate([r, transposed(q) @ x[..., rows:]], -1)
    _, start = compute(values_of(x))
    expect_full_rank("qr", values_of(x))
    base = np.matmul(x, np.linalg.inv(start))
    low = np.linalg.cholesky(transposed(base) @ base)
    return transposed(np.linalg.solve(low, transposed(base))), transposed(low) @ start


def expect_full_rank(name: str, values: Any, rcond: Any = None) -> None:
    """Raise unless a matrix has full rank, where its factors and its inverse have slopes."""
    sizes = np.linalg.svd(values, compute_uv=False)
    least = max(values.shape[-2:]) * np.finfo(float).eps if rcond is None else rcond
    if np.any(sizes[..., -1:] <= least * sizes[..., :1]):
        raise current_tape().refusal(name, "the matrix lacks full rank, where it has no slopes.")


def qr(x: Any, mode: str = "reduced") -> Any:
    """Record np.linalg.qr."""
    x = array(x)
    if mode not in ("reduced", "r", "complete") or (mode == "complete" and x.shape[-2] > x.shape[-1]):
        raise current_tape().refusal("np.linalg.qr", f'mode="{mode}" is not recorded: pass "reduced".')
    q, r = triangular_factors(x, np.linalg.qr)
    return r if mode == "r" else type(np.linalg.qr(np.eye(1)))(q, r)


def pinv(x: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Record np.linalg.pinv, of matrices of full rank."""
    x = array(x)
    least = rcond if rtol is None else rtol
    expect_full_rank("pinv", values_of(x), 1e-15 if least is None else least)
    if x.shape[-2] < x.shape[-1]:
        return transposed(pinv(transposed(x)))
    q, r = triangular_factors(x, np.linalg.qr)
    return np.linalg.solve(r, transposed(q))


def lstsq(x: Any, y: Any, rcond: Any = None) -> Any:
    """Record np.linalg.lstsq, of matrices of full rank."""
    x, y = array(x), array(y)
    expect_full_rank("lstsq", values_of(x), rcond)
    right = np.reshape(y, (-1, 1)) if y.ndim == 1 else y
    rows, columns = x.shape
    residuals = constant(np.zeros(0))
    if rows >= columns:
        q, r = triangular_factors(x, np.linalg.qr)
        solution = np.linalg.solve(r, transposed(q) @ right)
        if rows > columns:
            residuals = np.sum(np.square(right - np.matmul(x, solution)), axis=0)
    else:
        q, r = triangular_factors(transposed(x), np.linalg.qr)
        solution = q @ np.linalg.solve(transposed(r), right)
    sizes = np.linalg.svd(values_of(x), compute_uv=False)
    if type(x) is Recorded and x.live:
        sizes = sizes if coincide(sizes, whole=False) else svdvals(x)
    return (np.reshape(solution, (-1,)) if y.ndim == 1 else solution), residuals, min(rows, columns), sizes


# Norms


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    """Record np.linalg.norm."""
    x = array(x)
    axes = axes_of(axis, x.ndim)
    if ord is None or ord in ("fro", "f") or (ord == 2 and len(axes) == 1):
        return np.sqrt(np.sum(np.square(x), axis=axes, keepdims=keepdims))
    if len(axes) == 1:
        return vector_norm(x, axis=axes, keepdims=keepdims, ord=ord)
    if len(axes) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    size = matrix_size(np.moveaxis(x, axes, (-2, -1)), ord)
    shape = [1 if k in axes else n for k, n in enumerate(x.shape)]
    return np.reshape(size, shape) if keepdims else size


def matrix_size(x: Any, ord: Any) -> Any:
    """Return the norm of the matrices of a stack."""
    if ord in (2, -2, "nuc"):
        sizes = svdvals(x)
        return np.sum(sizes, axis=-1) if ord == "nuc" else sizes[..., 0 if ord == 2 else -1]
    if ord not in (1, -1, np.inf, -np.inf):
        raise ValueError("Invalid norm order for matrices.")
    sums = np.sum(np.absolute(x), axis=-2 if abs(ord) == 1 else -1)
    return np.max(sums, axis=-1) if ord > 0 else np.min(sums, axis=-1)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Record np.linalg.vector_norm."""
    x = array(x)
    if ord == 2:
        return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))
    if ord == 0:
        return np.sum(np.where(np.not_equal(x, 0), 1.0, 0.0), axis=axis, keepdims=keepdims)
    sizes = np.absolute(x)
    if ord in (np.inf, -np.inf):
        return (np.max if ord > 0 else np.min)(sizes, axis=axis, keepdims=keepdims)
    powers = sizes if ord == 1 else sizes**ord
    total = np.sum(powers, axis=axis, keepdims=keepdims)
    return total if ord == 1 else total ** (1.0 / ord)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Record np.linalg.matrix_norm."""
    return norm(x, ord, (-2, -1), keepdims)


def cond(x: Any, p: Any = None) -> Any:
    """Record np.linalg.cond."""
    x = array(x)
    if p is None or p in (2, -2):
        sizes = svdvals(x)
        first, last = sizes[..., 0], sizes[..., -1]
        return last / first if p == -2 else first / last
    return norm(x, p, (-2, -1)) * norm(np.linalg.inv(x), p, (-2, -1))


# Products and powers


def matrix_power(x: Any, n: int) -> Any:
    """Record np.linalg.matrix_power."""
    x = array(x)
    if n == 0:
        return np.broadcast_to(np.eye(x.shape[-1]), x.shape).copy()
    base = np.linalg.inv(x) if n < 0 else x
    n, result = abs(n), None
    while n:
        if n % 2:
            result = base if result is None else result @ base
        n //= 2
        base = base @ base if n else base
    return result


def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """Record np.linalg.multi_dot, beginning with the smaller end."""
    arrays = [array(x) for x in arrays]
    if arrays[-1].ndim == 1 or arrays[-1].shape[-1] <= arrays[0].shape[0]:
        result = arrays.pop()
        while arrays:
            result = np.dot(arrays.pop(), result)
        return result
    result = arrays.pop(0)
    while arrays:
        result = np.dot(result, arrays.pop(0))
    return result


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """Record np.linalg.tensorsolve."""
    a, b = array(a), array(b)
    if axes is not None:
        rest = [k for k in range(a.ndim) if k not in axes_of(axes, a.ndim)]
        a = np.transpose(a, [*rest, *axes_of(axes, a.ndim)])
    shape = a.shape[b.ndim - a.ndim :] if b.ndim < a.ndim else ()
    size = math.prod(b.shape)
    return np.reshape(np.linalg.solve(np.reshape(a, (size, size)), np.reshape(b, (-1,))), shape)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """Record np.linalg.tensorinv."""
    a = array(a)
    size = math.prod(a.shape[ind:])
    return np.reshape(np.linalg.inv(np.reshape(a, (size, size))), (*a.shape[ind:], *a.shape[:ind]))


PADE = (
    64764752532480000.0,
    32382376266240000.0,
    7771770303897600.0,
    1187353796428800.0,
    129060195264000.0,
    10559470521600.0,
    670442572800.0,
    33522128640.0,
    1323241920.0,
    40840800.0,
    960960.0,
    16380.0,
    182.0,
    1.0,
)
"""Coefficients of the diagonal Padé approximant of order 13 to exp (N. Higham, SIAM J. Matrix Anal. 26, 2005)."""

PADE_REACH = 5.371920351148152
"""1-norm of a matrix up to which that approximant is exact in float64."""


def expm(x: Any) -> Any:
    """Record scipy.linalg.expm: scaling, a Padé approximant, and squaring."""
    x = array(x)
    size = float(np.max(np.sum(np.abs(values_of(x)), axis=-2), initial=0.0))
    squarings = max(0, math.ceil(math.log2(size / PADE_REACH))) if size > 0 else 0
    x = x / 2.0**squarings
    b, identity = PADE, np.eye(x.shape[-1])
    second = x @ x
    fourth = second @ second
    sixth = second @ fourth
    odd = sixth @ (b[13] * sixth + b[11] * fourth + b[9] * second)
    odd = x @ (odd + b[7] * sixth + b[5] * fourth + b[3] * second + b[1] * identity)
    even = sixth @ (b[12] * sixth + b[10] * fourth + b[8] * second)
    even = even + b[6] * sixth + b[4] * fourth + b[2] * second + b[0] * identity
    result = np.linalg.solve(even - odd, even + odd)
    for _ in range(squarings):
        result = result @ result
    return result


def last_two(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records a function of np.linalg that works on the last two axes of a stack."""
    return lambda x, /, *, offset=0, dtype=None: function(x, offset, -2, -1)


def _rank(arguments: Any, keywords: Any, x: Any) -> Any:
    return np.linalg.matrix_rank(x, *arguments, **keywords)


linalg = np.linalg

FUNCTIONS |= {
    linalg.eigh: eigh,
    linalg.eigvalsh: eigvalsh,
    linalg.svd: svd,
    linalg.qr: qr,
    linalg.svdvals: svdvals,
    linalg.pinv: pinv,
    linalg.lstsq: lstsq,
    linalg.norm: norm,
    linalg.vector_norm: vector_norm,
    linalg.matrix_norm: matrix_norm,
    linalg.cond: cond,
    linalg.matrix_power: matrix_power,
    linalg.multi_dot: multi_dot,
    linalg.tensorsolve: tensorsolve,
    linalg.tensorinv: tensorinv,
    linalg.trace: last_two(np.trace),
    linalg.diagonal: last_two(np.diagonal),
    linalg.outer: np.outer,
    linalg.matmul: np.matmul,
    linalg.tensordot: np.tensordot,
    linalg.vecdot: lambda x, y, /, *, axis=-1: np.sum(np.multiply(x, y), axis=axis),
    linalg.cross: lambda x, y, /, *, axis=-1: np.cross(x, y, axis=axis),
    linalg.matrix_rank: lambda x, *arguments, **keywords: stepped(
        functools.partial(_rank, arguments, keywords), x
    ),
}

for name, rule in (
    ("matvec", lambda a, x: (a @ np.expand_dims(x, -1))[..., 0]),
    ("vecmat", lambda x, a: (np.expand_dims(x, -2) @ a)[..., 0, :]),
):
    if hasattr(np, name):
        UFUNCS[getattr(np, name)] = rule
