"""How products and solutions of matrices are recorded."""

from __future__ import annotations

import math
import string
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.matrices import Cholesky, LogDeterminant, Solve
from fastcheck.engines.graph.nodes.products import Einsum
from fastcheck.engines.graph.rules.layout import array, axes_of, in_double
from fastcheck.engines.graph.rules.tables import FUNCTIONS
from fastcheck.engines.graph.tracing.operands import recorded, stepped, values_of
from fastcheck.engines.graph.tracing.tape import current_tape


def dot(x: Any, y: Any) -> Any:
    """Record np.dot."""
    x, y = array(x), array(y)
    if x.ndim == 0 or y.ndim == 0:
        return np.multiply(x, y)
    return np.matmul(x, y) if y.ndim <= 2 else tensordot(x, y, ((-1,), (-2,)))


def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """Record np.tensordot: one product of matrices."""
    x, y = array(x), array(y)
    if isinstance(axes, (int, np.integer)):
        first, second = tuple(range(x.ndim - int(axes), x.ndim)), tuple(range(int(axes)))
    else:
        first, second = axes_of(axes[0], x.ndim), axes_of(axes[1], y.ndim)
    rows = [k for k in range(x.ndim) if k not in first]
    columns = [k for k in range(y.ndim) if k not in second]
    row_shape, column_shape = [x.shape[k] for k in rows], [y.shape[k] for k in columns]
    inside = math.prod(x.shape[k] for k in first)
    left = np.reshape(np.transpose(x, [*rows, *first]), (math.prod(row_shape), inside))
    right = np.reshape(np.transpose(y, [*second, *columns]), (inside, math.prod(column_shape)))
    return np.reshape(left @ right, [*row_shape, *column_shape])


def inner(x: Any, y: Any) -> Any:
    """Record np.inner."""
    x, y = array(x), array(y)
    return np.multiply(x, y) if x.ndim == 0 or y.ndim == 0 else tensordot(x, y, ((-1,), (-1,)))


def outer(x: Any, y: Any) -> Any:
    """Record np.outer."""
    return np.multiply(np.reshape(x, (-1, 1)), np.reshape(y, (1, -1)))


def einsum(subscripts: Any, *operands: Any, optimize: Any = False, **keywords: Any) -> Any:
    """Record np.einsum."""
    if not isinstance(subscripts, str) or keywords:
        raise current_tape().refusal("np.einsum", "only subscripts as text are recorded.")
    arrays = [in_double(array(x)) for x in operands]
    terms, out = labels_of(subscripts, [x.ndim for x in arrays])
    for k, term in enumerate(terms):
        while len(set(term)) < len(term):
            double = next(label for label in term if term.count(label) > 1)
            a, b = [axis for axis, label in enumerate(term) if label == double][:2]
            arrays[k] = np.diagonal(arrays[k], 0, a, b)
            term = "".join(label for axis, label in enumerate(term) if axis not in (a, b)) + double
        terms[k] = term
    if len(terms) == 1 and sorted(terms[0]) == sorted(out):  # a view
        return np.transpose(arrays[0], [terms[0].index(label) for label in out])
    value = np.einsum(f"{','.join(terms)}->{out}", *map(values_of, arrays), optimize=optimize)
    return recorded(np.array(value)[()], lambda value, taken: Einsum(value, taken, terms, out), *arrays)


def labels_of(subscripts: str, ranks: list[int]) -> tuple[list[str], str]:
    """Return the labels of operands and result, the ellipsis and the result written out."""
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    spare = [label for label in string.ascii_letters if label not in subscripts]
    depths = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    depth = max((d for term, d in zip(terms, depths, strict=True) if "..." in term), default=0)
    stack = "".join(spare[:depth])
    terms = [
        term.replace("...", stack[depth - d :] if d else "") for term, d in zip(terms, depths, strict=True)
    ]
    if arrow:
        return terms, out.replace("...", stack)
    joined = "".join(terms)
    once = "".join(sorted(label for label in set(joined) if joined.count(label) == 1 and label not in stack))
    return terms, stack + once


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Record np.trace."""
    return np.sum(np.diagonal(x, offset, axis1, axis2), axis=-1)


def solve(x: Any, y: Any) -> Any:
    """Record np.linalg.solve."""
    x, y = array(x), array(y)
    if y.ndim == 1:
        return np.reshape(solve(x, np.reshape(y, (-1, 1))), (-1,))
    return recorded(np.linalg.solve(values_of(x), values_of(y)), Solve, x, y)


def inv(x: Any) -> Any:
    """Record np.linalg.inv."""
    return solve(x, np.broadcast_to(np.eye(x.shape[-1]), x.shape).copy())


def cholesky(x: Any, *, upper: bool = False) -> Any:
    """Record np.linalg.cholesky, which reads the lower triangle."""
    result = recorded(np.linalg.cholesky(values_of(x)), Cholesky, x)
    return np.swapaxes(result, -1, -2) if upper else result


def slogdet(x: Any) -> Any:
    """Record np.linalg.slogdet."""
    kind = type(np.linalg.slogdet(np.eye(1)))
    sign = stepped(lambda values: np.linalg.slogdet(values)[0], x)
    return kind(sign, recorded(np.linalg.slogdet(values_of(x))[1], LogDeterminant, x))


def det(x: Any) -> Any:
    """Record np.linalg.det."""
    sign, log = slogdet(x)
    return np.multiply(sign, np.exp(log))


FUNCTIONS |= {
    np.dot: dot,
    np.inner: inner,
    np.outer: outer,
    np.tensordot: tensordot,
    np.vdot: lambda x, y: dot(np.ravel(x), np.ravel(y)),
    np.einsum: einsum,
    np.trace: trace,
    np.linalg.solve: solve,
    np.linalg.inv: inv,
    np.linalg.cholesky: cholesky,
    np.linalg.slogdet: slogdet,
    np.linalg.det: det,
}
