"""Matrices as they are claimed: dense, sparse, or operators that only multiply."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import EvaluationError, InvalidProblemError
from fastcheck.problem.parameters import Layout, to_numpy

Matrix = NDArray[np.float64]
Places = NDArray[np.intp]


class ClaimedMatrix(Protocol):
    """A matrix of shape (m, n) that somebody claims to be a Jacobian."""

    kind: str
    """``"dense"``, ``"sparse"`` or ``"operator"``."""

    dtype: np.dtype[Any]
    """That of its entries."""

    shape: tuple[int, int]

    def along(self, directions: Matrix) -> Matrix:
        """Return J v for each row of ``directions``, (k, n): (k, m)."""
        ...

    def back(self, cotangents: Matrix) -> Matrix | None:
        """Return Jᵀ u for each row of ``cotangents``, (k, m): (k, n); None if the operator has no transpose."""
        ...

    def rows(self, places: Places) -> Matrix | None:
        """Return some rows, (k, n), as `back` would have them."""
        ...

    def columns(self, places: Places) -> Matrix:
        """Return some columns, (k, m): one in each row."""
        ...

    def stores(self, row: int, column: int) -> bool:
        """Tell whether an entry is stored: all are, unless it is sparse."""
        ...


class DenseMatrix:
    """An array."""

    kind = "dense"

    def __init__(self, array: NDArray[Any]) -> None:
        self.dtype = array.dtype
        self.array = array.astype(np.float64)
        self.shape = (int(array.shape[0]), int(array.shape[1]))

    def along(self, directions: Matrix) -> Matrix:
        """Return J v for each row."""
        return directions @ self.array.T

    def back(self, cotangents: Matrix) -> Matrix | None:
        """Return Jᵀ u for each row."""
        return cotangents @ self.array

    def rows(self, places: Places) -> Matrix | None:
        """Return some rows."""
        return self.array[places]

    def columns(self, places: Places) -> Matrix:
        """Return some columns."""
        return self.array[:, places].T

    def stores(self, row: int, column: int) -> bool:
        """Every entry is stored."""
        return True


class SparseMatrix:
    """A matrix or array of `scipy.sparse`: its entries by row and by column."""

    kind = "sparse"

    def __init__(self, matrix: Any) -> None:
        self.dtype = matrix.dtype
        self.by_row = matrix.tocsr().astype(np.float64)
        self.by_row.sum_duplicates()
        self.by_column = self.by_row.tocsc()
        self.shape = (int(matrix.shape[0]), int(matrix.shape[1]))

    def along(self, directions: Matrix) -> Matrix:
        """Return J v for each row."""
        return np.asarray(self.by_row @ directions.T).T

    def back(self, cotangents: Matrix) -> Matrix | None:
        """Return Jᵀ u for each row."""
        return np.asarray(self.by_column.T @ cotangents.T).T

    def rows(self, places: Places) -> Matrix | None:
        """Return some rows."""
        return np.asarray(self.by_row[places].toarray())

    def columns(self, places: Places) -> Matrix:
        """Return some columns."""
        return np.asarray(self.by_column[:, places].toarray()).T

    def stores(self, row: int, column: int) -> bool:
        """Tell whether an entry is stored."""
        start, stop = self.by_row.indptr[row : row + 2]
        return bool(np.any(self.by_row.indices[start:stop] == column))


class OperatorMatrix:
    """What only multiplies: a `LinearOperator`, or the function v → J v (and u → Jᵀ u, if there is one)."""

    kind = "operator"

    def __init__(
        self,
        name: str,
        shape: tuple[int, int],
        times: Callable[[Any], Any],
        transposed: Callable[[Any], Any] | None,
        dtype: Any = None,
    ) -> None:
        self.name, self.shape = name, shape
        self.times, self.transposed = times, transposed
        self.dtype = np.dtype(np.float64 if dtype is None else dtype)

    def along(self, directions: Matrix) -> Matrix:
        """Return J v for each row."""
        return self._products(self.times, directions, self.shape[0], "v → J v")

    def back(self, cotangents: Matrix) -> Matrix | None:
        """Return Jᵀ u for each row; None if that is not implemented."""
        if self.transposed is None:
            return None
        try:
            return self._products(self.transposed, cotangents, self.shape[1], "u → Jᵀ u")
        except NotImplementedError:
            self.transposed = None
            return None

    def rows(self, places: Places) -> Matrix | None:
        """Return some rows, of the transpose."""
        return self.back(units(places, self.shape[0]))

    def columns(self, places: Places) -> Matrix:
        """Return some columns."""
        return self.along(units(places, self.shape[1]))

    def stores(self, row: int, column: int) -> bool:
        """Nothing tells that one is not."""
        return True

    def _products(self, times: Callable[[Any], Any], vectors: Matrix, size: int, what: str) -> Matrix:
        products = np.zeros((len(vectors), size))
        for number, vector in enumerate(vectors):
            given = vector.copy()
            product = to_numpy(times(given), f"{self.name}: {what}")
            if not np.array_equal(given, vector):
                raise EvaluationError(
                    f"{self.name}: {what} changes its vector in place. Work on a copy: v = v.copy()."
                )
            if product.size != size or product.dtype.kind not in "fiub":
                raise InvalidProblemError(
                    f"{self.name}: expected {what} to return {size:,} real numbers, got shape {product.shape} and "
                    f"dtype {product.dtype}."
                )
            if not np.isfinite(product).all():
                raise InvalidProblemError(f"{self.name}: {what} returned numbers that are not finite.")
            products[number] = product.reshape(-1)
        return products


def units(places: Places, size: int) -> Matrix:
    """Return unit vectors, (k, size)."""
    vectors = np.zeros((len(places), size))
    vectors[np.arange(len(places)), places] = 1.0
    return vectors


def is_sparse(value: Any) -> bool:
    """Tell whether this is a sparse matrix or array, without importing SciPy."""
    return hasattr(value, "tocsr") and hasattr(value, "nnz")


def is_operator(value: Any) -> bool:
    """Tell whether this is a `LinearOperator`, or what looks like one."""
    return hasattr(value, "matvec") and hasattr(value, "shape") and not is_sparse(value)


def read_matrix(
    value: Any, name: str, shapes: Sequence[tuple[int, ...]], layout: Layout, point: str = "x"
) -> ClaimedMatrix:
    """Return a claim of the user's as a matrix, (m, n).

    ``shapes`` are those that outputs have; a dict has an array for each block of the parameters. Raises
    `InvalidProblemError`, which calls it by its ``name``, and the parameters ``point``.
    """
    rows = sum(int(np.prod(shape, dtype=int)) for shape in shapes)
    expected = (rows, layout.size)
    if value is None:
        raise InvalidProblemError(
            f"{name}: expected a matrix, got None. Does the function end in a return statement?"
        )
    if is_sparse(value):
        _expect_shape(value.shape, expected, name)
        _expect_real(value.dtype, name)
        if not np.isfinite(np.asarray(value.tocoo().data, dtype=float)).all():
            raise InvalidProblemError(f"{name}: expected finite numbers, got some that are not.")
        return SparseMatrix(value)
    if is_operator(value):
        _expect_shape(value.shape, expected, name)
        if value.dtype is not None:
            _expect_real(value.dtype, name)
        return OperatorMatrix(name, expected, value.matvec, getattr(value, "rmatvec", None), value.dtype)
    if isinstance(value, Mapping):
        return DenseMatrix(_joined(value, name, shapes, layout, point))
    array = _dense(value, name)
    if len(shapes) == 1 and len(layout.blocks) == 1:
        full = (*shapes[0], *layout.blocks[0].shape)
        if array.shape == full:
            array = array.reshape(expected)
    if rows == 1 and array.shape == (layout.size,):
        array = array.reshape(expected)
    if layout.size == 1 and array.shape == (rows,):
        array = array.reshape(expected)
    _expect_shape(array.shape, expected, name)
    return DenseMatrix(array)


def _joined(
    value: Mapping[Any, Any], name: str, shapes: Sequence[tuple[int, ...]], layout: Layout, point: str
) -> NDArray[Any]:
    """Return the arrays of all blocks side by side."""
    rows = sum(int(np.prod(shape, dtype=int)) for shape in shapes)
    known = {block.name: block for block in layout.blocks}
    missing = [key for key in known if key not in value]
    surplus = [str(key) for key in value if key not in known]
    if missing or surplus:
        raise InvalidProblemError(
            f"{name}: expected the keys of {point} ({', '.join(known)}), got {', '.join(map(str, value)) or 'none'}."
        )
    parts = []
    for key, block in known.items():
        array = _dense(value[key], f"{name}[{key!r}]")
        if array.size != rows * block.size:
            raise InvalidProblemError(
                f"{name}[{key!r}]: expected shape {(rows, block.size)}, or that of the output followed by "
                f"{block.shape}, got {array.shape}."
            )
        parts.append(array.reshape(rows, block.size))
    return np.concatenate(parts, axis=1)


def _dense(value: Any, name: str) -> NDArray[Any]:
    if is_sparse(value):
        value = value.toarray()
    array = np.asarray(value) if isinstance(value, np.ndarray) else to_numpy(value, name)
    _expect_real(array.dtype, name)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    if not np.isfinite(array).all():
        index = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
        raise InvalidProblemError(f"{name}: expected finite numbers, got {array[tuple(index)]} at {index}.")
    return array


def _expect_real(dtype: np.dtype[Any], name: str) -> None:
    if np.dtype(dtype).kind not in "fiub":
        raise InvalidProblemError(f"{name}: expected real numbers, got dtype {dtype}.")


def _expect_shape(shape: tuple[int, ...], expected: tuple[int, int], name: str) -> None:
    if tuple(shape) == expected:
        return
    advice = "One row for each output, one column for each parameter."
    if tuple(shape) == expected[::-1]:
        advice = f"That is the shape of its transpose: is it {name}.T?"
    raise InvalidProblemError(f"{name}: expected shape {expected}, got {tuple(shape)}. {advice}")
