"""Linear algebra of real matrices, in stacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from fastcheck.engines.graph.frameworks.torch.operations.by_torch import of_arrays
from fastcheck.engines.graph.frameworks.torch.operations.elimination import (
    packed_factors,
    packed_factors_as_read,
)
from fastcheck.engines.graph.frameworks.torch.operations.table import aten
from fastcheck.engines.graph.rules import linear_algebra
from fastcheck.engines.graph.rules.linear_algebra import transposed
from fastcheck.engines.graph.tracing.operands import values_of
from fastcheck.engines.graph.tracing.tape import current_tape


def no_errors(x: Any) -> Any:
    """Return the codes with which LAPACK says that it found no fault with the matrices of a stack."""
    return np.zeros(np.shape(x)[:-2], dtype=np.int32)


@aten("linalg_inv_ex")
def inverse(x: Any, *, check_errors: bool = False) -> tuple[Any, Any]:
    """Return the inverses."""
    return np.linalg.inv(x), no_errors(x)


@aten("linalg_cholesky_ex")
def cholesky(x: Any, *, upper: bool = False, check_errors: bool = False) -> tuple[Any, Any]:
    """Return triangular factors, of which PyTorch reads the triangle that it returns."""
    factor = np.linalg.cholesky(transposed(x) if upper else x)
    return transposed(factor) if upper else factor, no_errors(x)


@aten("cholesky")
def old_cholesky(x: Any, upper: bool = False) -> Any:
    """Return triangular factors."""
    return cholesky(x, upper=upper)[0]


@aten("_linalg_solve_ex")
def solve(a: Any, b: Any, *, left: bool = True, check_errors: bool = False) -> tuple[Any, ...]:
    """Return the solutions of a x = b, or x a = b, and how PyTorch factorised the matrices."""
    vector = np.ndim(b) == 1 or (np.ndim(a) - 1 == np.ndim(b) and np.shape(b) == np.shape(a)[:-1])
    right = np.expand_dims(b, -1) if vector else b
    solution = solved(a, right, left)
    return np.squeeze(solution, -1) if vector else solution, *packed_factors(a), no_errors(a)


def solved(a: Any, b: Any, left: bool) -> Any:
    """Return the solutions of a x = b, or x a = b."""
    return np.linalg.solve(a, b) if left else transposed(np.linalg.solve(transposed(a), transposed(b)))


@aten("_linalg_det")
def determinant(x: Any) -> tuple[Any, Any, Any]:
    """Return determinants."""
    return np.linalg.det(x), *packed_factors_as_read(x)


@aten("_linalg_slogdet")
def slogdet(x: Any) -> tuple[Any, ...]:
    """Return signs and logarithms of determinants."""
    return *np.linalg.slogdet(x), *packed_factors_as_read(x)


@aten("_linalg_eigh")
def eigh(x: Any, UPLO: str = "L", compute_v: bool = True) -> tuple[Any, Any]:
    """Return eigenvalues and eigenvectors of symmetric matrices."""
    values, vectors = linear_algebra.eigen(x, UPLO.upper() == "L", of_arrays(torch.linalg.eigh))
    return values, vectors if compute_v else np.zeros(0)


@aten("linalg_qr")
def qr(x: Any, mode: str = "reduced") -> tuple[Any, Any]:
    """Return orthogonal and triangular factors."""
    rows, columns = np.shape(x)[-2:]
    if mode == "complete" and rows > columns:
        raise current_tape().refusal("linalg.qr", 'mode="complete" is not determined: pass "reduced".')
    q, r = linear_algebra.triangular_factors(x, of_arrays(torch.linalg.qr))
    return np.zeros(0) if mode == "r" else q, r


@aten("_linalg_svd")
def svd(
    x: Any, full_matrices: bool = False, compute_uv: bool = True, *, driver: Any = None
) -> tuple[Any, Any, Any]:
    """Return singular vectors and values."""
    rows, columns = np.shape(x)[-2:]
    if full_matrices and compute_uv and rows != columns:
        why = "the vectors beyond the singular values are not determined: pass full_matrices=False."
        raise current_tape().refusal("linalg.svd", why)
    u, sizes, v = linear_algebra.singular(x, _thin_svd)
    return (u, sizes, v) if compute_uv else (np.zeros(0), sizes, np.zeros(0))


def _thin_svd(x: Any) -> Any:
    return of_arrays(torch.linalg.svd)(x, full_matrices=False)


@aten("linalg_solve_triangular")
def solve_triangular(a: Any, b: Any, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    """Return the solutions of a x = b, or x a = b, of which one triangle of a is read."""
    return solved(triangle(a, upper, unitriangular), b, left)


@aten("triangular_solve")
def triangular_solve(
    b: Any, a: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> tuple[Any, Any]:
    """Return the solutions of a x = b or aᵀ x = b, of which one triangle of a is read, and a copy of a."""
    read = triangle(a, upper, unitriangular)
    return np.linalg.solve(transposed(read) if transpose else read, b), np.copy(a)


def triangle(a: Any, upper: bool, unitriangular: bool) -> Any:
    """Return one triangle of matrices, perhaps with ones on the diagonal."""
    offset = int(unitriangular)
    part = np.triu(a, offset) if upper else np.tril(a, -offset)
    return part + np.eye(np.shape(a)[-1]) if unitriangular else part


@aten("cholesky_solve")
def cholesky_solve(b: Any, factor: Any, upper: bool = False) -> Any:
    """Return the solutions of l lᵀ x = b."""
    low = transposed(triangle(factor, True, False)) if upper else triangle(factor, False, False)
    return np.linalg.solve(transposed(low), np.linalg.solve(low, b))


@aten("cholesky_inverse")
def cholesky_inverse(factor: Any, upper: bool = False) -> Any:
    """Return the inverses of l lᵀ."""
    return cholesky_solve(np.broadcast_to(np.eye(np.shape(factor)[-1]), np.shape(factor)), factor, upper)


@aten("linalg_pinv.atol_rtol_tensor")
def pinv(x: Any, *, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Any:
    """Return pseudo-inverses of matrices of full rank."""
    x = linear_algebra.from_triangle(x, lower=True) if hermitian else x
    if np.size(x) == 0:
        return np.zeros(np.shape(transposed(x)))
    sizes = np.linalg.svd(values_of(x), compute_uv=False)
    least = max(np.shape(x)[-2:]) * np.finfo(float).eps if rtol is None else values_of(rtol)
    least = least if atol is None else np.maximum(least, values_of(atol) / sizes[..., 0])
    return linear_algebra.pinv(x, rtol=float(np.max(least)))


@aten("linalg_matrix_exp")
def matrix_exp(x: Any) -> Any:
    """Return the exponentials."""
    if np.ndim(x) == 2:
        return linear_algebra.expm(x)
    shape = np.shape(x)
    flat = np.reshape(x, (-1, *shape[-2:]))
    return np.reshape(np.stack([linear_algebra.expm(flat[k]) for k in range(len(flat))]), shape)


@aten("linalg_lstsq")
def lstsq(a: Any, b: Any, rcond: Any = None, *, driver: Any = None) -> tuple[Any, ...]:
    """Return least-squares solutions of matrices of full rank, and what else PyTorch returns of them."""
    plain = of_arrays(torch.linalg.lstsq)(values_of(a), values_of(b), rcond=rcond, driver=driver)
    vector = np.ndim(a) == np.ndim(b) + 1
    right = np.expand_dims(b, -1) if vector else b
    solution = np.matmul(linear_algebra.pinv(a), right)
    residuals: Any = plain[1]
    if np.size(residuals):
        residuals = np.sum(np.square(right - np.matmul(a, solution)), axis=-2)
    return np.squeeze(solution, -1) if vector else solution, residuals, *plain[2:]


@aten("linalg_cross")
def cross(x: Any, y: Any, *, dim: int = -1) -> Any:
    """Return the cross products of vectors of three."""
    first, second = np.broadcast_arrays(x, y)
    return np.cross(first, second, axis=dim)
