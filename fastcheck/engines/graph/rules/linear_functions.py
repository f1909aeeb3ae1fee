"""How linear functions are recorded, products with sparse matrices among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.linear_maps import LinearMap
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.tracing.operands import recorded, values_of
from fastcheck.engines.graph.tracing.tape import current_tape


def linear(value: Any, x: Any, apply: Callable[[Array], Array], adjoint: Callable[[Array], Array]) -> Any:
    """Record a linear function."""
    return recorded(value, lambda value, taken: LinearMap(value, taken[0], apply, adjoint), x)


def along_last(function: Callable[[Array], Array], x: Any) -> Any:
    """Record a linear function that works along the last axis: its adjoint by its matrix."""
    size = np.shape(x)[-1]

    def adjoint(slope: Array) -> Array:
        back: Array = slope @ function(np.eye(size)).T
        return back

    return linear(function(values_of(x)), x, function, adjoint)


def is_sparse(x: Any) -> bool:
    """Whether x is a sparse matrix of SciPy."""
    return type(x).__module__.startswith("scipy.sparse")


def sparse_rule_of(ufunc: np.ufunc, *operands: Any) -> Callable[..., Any]:
    """Return what records a ufunc of a sparse matrix: ``@``, and ``*`` of the classes for which it is the same."""
    matrices = all(type(x).__name__.endswith("_matrix") for x in operands if is_sparse(x))
    if ufunc is np.matmul or (ufunc is np.multiply and matrices):
        return sparse_matmul
    why = "of sparse matrices only products with @ are recorded: use matrix.toarray()."
    raise current_tape().refusal(ufunc.__name__, why)


def sparse_matmul(x: Any, y: Any) -> Any:
    """Record the product of a sparse matrix and an array, or of an array and a sparse matrix."""
    if not is_sparse(x):
        product = sparse_matmul(y.T, np.swapaxes(x, -1, -2) if np.ndim(x) > 1 else x)
        return np.swapaxes(product, -1, -2) if np.ndim(x) > 1 else product
    if np.ndim(y) > 2:
        raise ValueError("sparse matrices multiply arrays of one or two axes")
    turned = x.T

    def times(matrix: Any) -> Callable[[Array], Array]:
        def apply(stack: Array) -> Array:
            columns = np.moveaxis(stack, 0, -1)
            products = matrix @ columns.reshape(columns.shape[0], -1)
            return np.moveaxis(np.reshape(products, (-1, *columns.shape[1:])), -1, 0)

        return apply

    return linear(x @ values_of(y), y, times(x), times(turned))
