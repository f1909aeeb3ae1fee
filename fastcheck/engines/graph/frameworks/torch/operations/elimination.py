"""Triangular factors by Gaussian elimination: x = P·L·U."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from fastcheck.engines.graph.frameworks.torch.operations.by_torch import of_arrays
from fastcheck.engines.graph.frameworks.torch.operations.table import aten
from fastcheck.engines.graph.rules.linear_algebra import transposed
from fastcheck.engines.graph.tracing.operands import fixed, values_of


def packed_factors(x: Any) -> tuple[Any, Any]:
    """Return what PyTorch keeps of a solution or determinant for its backward pass: L and U as one matrix, and pivots.

    They are constants where there will be no backward pass.
    """
    if torch.is_grad_enabled():
        factors, pivots, _ = lu_factor(x)
    else:
        factors, pivots = of_arrays(torch.linalg.lu_factor)(values_of(x))
    return factors, pivots


def packed_factors_as_read(x: Any) -> tuple[Any, Any]:
    """Return the same of a determinant, for which PyTorch reads memory column by column: xᵀ, if rows lie close."""
    return packed_factors(transposed(x) if values_of(x).flags.c_contiguous else x)


@aten("linalg_lu_factor_ex")
def lu_factor(x: Any, *, pivot: bool = True, check_errors: bool = False) -> tuple[Any, Any, Any]:
    """Return L and U as one matrix, pivots, and that no fault was found with the matrices."""
    plain, pivots = of_arrays(torch.linalg.lu_factor)(values_of(x), pivot=pivot)
    swaps = permutation(plain, pivots)
    return eliminated(np.matmul(transposed(swaps), x)), pivots, np.zeros(np.shape(x)[:-2], dtype=np.int32)


def permutation(packed: Any, pivots: Any) -> Any:
    """Return the matrices that put the rows of L·U where those of x are."""
    return of_arrays(torch.lu_unpack)(values_of(packed), fixed(pivots), unpack_data=False)[0]


def eliminated(rows: Any) -> Any:
    """Return U above and on the diagonal, L below it: one row and one column after the other."""
    edges = []
    for _ in range(min(np.shape(rows)[-2:])):
        top, ratio = rows[..., :1, :], rows[..., 1:, :1] / rows[..., :1, :1]
        edges.append((top, ratio))
        rows = rows[..., 1:, 1:] - ratio * top[..., 1:]
    for top, ratio in reversed(edges):
        rows = np.concatenate([top, np.concatenate([ratio, rows], -1)], -2)
    return rows


def unpacked(packed: Any) -> tuple[Any, Any]:
    """Return L and U."""
    rows, columns = np.shape(packed)[-2:]
    size = min(rows, columns)
    return np.tril(packed, -1)[..., :size] + np.eye(rows, size), np.triu(packed)[..., :size, :]


@aten("linalg_lu")
def lu(x: Any, *, pivot: bool = True) -> tuple[Any, Any, Any]:
    """Return P, L and U."""
    packed, pivots, _ = lu_factor(x, pivot=pivot)
    return permutation(packed, pivots) if pivot else np.zeros(0), *unpacked(packed)


@aten("lu_unpack")
def lu_unpack(
    packed: Any, pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True
) -> tuple[Any, Any, Any]:
    """Return P, L and U, as far as they are asked for."""
    swaps = permutation(packed, pivots) if unpack_pivots else np.zeros(0)
    return swaps, *(unpacked(packed) if unpack_data else (np.zeros(0), np.zeros(0)))


@aten("linalg_lu_solve")
def lu_solve(packed: Any, pivots: Any, b: Any, *, left: bool = True, adjoint: bool = False) -> Any:
    """Return the solutions of x y = b, or y x = b, from the factors of x, or of its transpose."""
    if not left:
        return transposed(lu_solve(packed, pivots, transposed(b), adjoint=not adjoint))
    swaps = permutation(packed, pivots)
    low, high = unpacked(packed)
    if adjoint:
        return np.matmul(swaps, np.linalg.solve(transposed(low), np.linalg.solve(transposed(high), b)))
    return np.linalg.solve(high, np.linalg.solve(low, np.matmul(transposed(swaps), b)))
