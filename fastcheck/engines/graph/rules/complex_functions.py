"""How NumPy's functions of complex arrays are recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.rules.complexes import (
    RecordedComplex,
    absolute,
    angle,
    bilinear,
    by_parts,
    conjugate,
    is_complex,
    parts_of,
    refusal,
)
from fastcheck.engines.graph.rules.tables import FUNCTIONS
from fastcheck.engines.graph.tracing import operands


def where(condition: Any, x: Any, y: Any) -> Any:
    """Record np.where."""
    (a, b), (c, d) = parts_of(x), parts_of(y)
    imag = np.where(condition, 0.0 if b is None else b, 0.0 if d is None else d)
    return RecordedComplex(np.where(condition, a, c), imag)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Record np.linalg.norm, of vectors and the Frobenius norm."""
    if (x.ndim > 1 and not isinstance(axis, int)) and ord not in (None, "fro"):
        raise refusal("np.linalg.norm")
    if ord in (None, "fro", 2):
        real, imag = parts_of(x)
        return np.sqrt(np.sum(np.square(real) + np.square(imag), axis=axis, keepdims=keepdims))
    return np.linalg.norm(absolute(x), ord, axis, keepdims)


def var(x: Any, *arguments: Any, **keywords: Any) -> Any:
    """Record np.var."""
    return sum(np.var(part, *arguments, **keywords) for part in parts_of(x))


def einsum(subscripts: str, *operands: Any, **keywords: Any) -> Any:
    """Record np.einsum of one or two operands."""
    if len(operands) == 1:
        return by_parts(lambda x: np.einsum(subscripts, x, **keywords))(*operands)
    if len(operands) != 2:
        raise refusal("np.einsum of more than two operands")
    return bilinear(lambda x, y: np.einsum(subscripts, x, y, **keywords))(*operands)


BY_PARTS = (
    "sum mean cumsum reshape ravel transpose roll flip fliplr flipud rot90 take concatenate stack vstack hstack dstack "
    "column_stack pad diff squeeze expand_dims broadcast_to tile repeat moveaxis swapaxes rollaxis trace diagonal diag "
    "copy split array_split atleast_1d atleast_2d tril triu average delete resize gradient trapezoid take_along_axis"
)
"""Functions that are linear in their first argument."""

PRODUCTS = "dot inner outer tensordot kron convolve"
"""Functions that are linear in both arguments."""

DECIDING_OF_COMPLEX = "iscomplex isreal allclose isclose array_equal"
"""Functions without slope."""


def fixed(x: Any) -> Any:
    """Return the values of an argument that decides what is done."""
    if type(x) is RecordedComplex:
        return operands.fixed(x.real) + 1j * np.asarray(operands.fixed(x.imag))
    return operands.fixed(x)


def facts_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what computes a function without slope."""

    def rule(*arguments: Any, **keywords: Any) -> Any:
        return function(*(fixed(x) for x in arguments), **keywords)

    return rule


TABLE: dict[Any, Callable[..., Any]] = {}
"""NumPy function → what records it where an argument is complex."""


def call_function(function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Record a NumPy function of complex arrays."""
    if function in TABLE and keywords.get("out") is None:
        keywords.pop("out", None)
        return TABLE[function](*arguments, **keywords)
    raise refusal(getattr(function, "__name__", str(function)))


TABLE |= {
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.size: lambda x: x.size,
    np.iscomplexobj: lambda x: True,
    np.isrealobj: lambda x: False,
    np.real: lambda x: parts_of(x)[0],
    np.imag: lambda x: parts_of(x)[1],
    np.angle: angle,
    np.where: where,
    np.linalg.norm: norm,
    np.var: var,
    np.einsum: einsum,
    np.std: lambda *arguments, **keywords: np.sqrt(var(*arguments, **keywords)),
    np.vdot: lambda x, y: bilinear(np.vdot)(conjugate(x) if is_complex(x) else x, y),
    np.append: lambda x, values, axis=None: by_parts(np.concatenate)(
        [np.ravel(x), np.ravel(values)] if axis is None else [x, values], axis or 0
    ),
}

FUNCTIONS[np.angle] = angle

TABLE |= {getattr(np, name): by_parts(getattr(np, name)) for name in BY_PARTS.split() if hasattr(np, name)}
TABLE |= {getattr(np, name): bilinear(getattr(np, name)) for name in PRODUCTS.split()}
TABLE |= {getattr(np, name): facts_of(getattr(np, name)) for name in DECIDING_OF_COMPLEX.split()}
