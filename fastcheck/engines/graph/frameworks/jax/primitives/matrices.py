"""Linear algebra, and Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax import lax

from fastcheck.engines.graph.frameworks.jax.doubling import DoublePrecision
from fastcheck.engines.graph.tracing.operands import fixed, stepped
from fastcheck.engines.graph.tracing.tape import current_tape


def cholesky(x: Any, **_: Any) -> Any:
    """Return the Cholesky factor of a matrix, of which the lower triangle counts."""
    return np.linalg.cholesky(x)


def triangular_solve(
    a: Any,
    b: Any,
    *,
    left_side: bool,
    lower: bool,
    transpose_a: bool,
    unit_diagonal: bool = False,
    **_: Any,
) -> Any:
    """Return x with a·x = b, or x·a = b, where one triangle of ``a`` counts."""
    matrix = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        one = np.eye(np.shape(a)[-1])
        matrix = np.multiply(matrix, 1.0 - one) + one
    if transpose_a:
        matrix = np.swapaxes(matrix, -1, -2)
    if left_side:
        return np.linalg.solve(matrix, b)
    return np.swapaxes(np.linalg.solve(np.swapaxes(matrix, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)


def lu(x: Any, **_: Any) -> list[Any]:
    """Return L and U in one matrix, the rows that were exchanged, and their order."""

    def part(number: int) -> Any:
        def function(values: Any) -> Any:
            with DoublePrecision():
                return np.asarray(lax.linalg.lu(values)[number])

        return stepped(function, x)

    order = part(2)
    rows = np.take_along_axis(x, np.asarray(fixed(order))[..., None], -2)
    return [eliminated(rows), part(1), order]


def eliminated(rows: Any) -> Any:
    """Return L and U of a matrix whose rows are in their order, in one matrix."""
    steps = min(np.shape(rows)[-2:])
    done: list[tuple[Any, Any]] = []
    rest = rows
    for _ in range(steps):
        row, column = rest[..., :1, :], rest[..., 1:, :1] / rest[..., :1, :1]
        done.append((row, column))
        rest = rest[..., 1:, 1:] - np.multiply(column, row[..., 1:])
    for row, column in reversed(done):
        rest = np.concatenate([row, np.concatenate([column, rest], -1)], -2)
    return rest


def qr(x: Any, *, full_matrices: bool = True, pivoting: bool = False, **_: Any) -> list[Any]:
    """Return Q and R."""
    rows, columns = np.shape(x)[-2:]
    if pivoting or (full_matrices and rows > columns):
        raise current_tape().refusal("qr", "it is followed for thin factors without pivoting.")
    return list(np.linalg.qr(x))


def eigh(x: Any, *, lower: bool = True, **_: Any) -> list[Any]:
    """Return eigenvectors and eigenvalues of a symmetric matrix."""
    values, vectors = np.linalg.eigh(x, "L" if lower else "U")
    return [vectors, values]


def svd(x: Any, *, full_matrices: bool = True, compute_uv: bool = True, **_: Any) -> list[Any]:
    """Return singular values, and the vectors on both sides if they are asked for."""
    if not compute_uv:
        return [np.linalg.svd(x, compute_uv=False)]
    u, sizes, vt = np.linalg.svd(x, full_matrices)
    return [sizes, u, vt]


def fft(x: Any, *, fft_type: Any, fft_lengths: Sequence[int], **_: Any) -> Any:
    """Return the Fourier transform along the last axes."""
    lengths, axes = tuple(fft_lengths), tuple(range(-len(fft_lengths), 0))
    function = (np.fft.fftn, np.fft.ifftn, np.fft.rfftn, np.fft.irfftn)[int(fft_type)]
    return function(x, lengths, axes)


RULES: dict[str, Callable[..., Any]] = {
    "cholesky": cholesky,
    "triangular_solve": triangular_solve,
    "lu": lu,
    "qr": qr,
    "eigh": eigh,
    "svd": svd,
    "fft": fft,
}
