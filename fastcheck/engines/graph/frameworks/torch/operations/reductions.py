"""Operations that reduce axes: sums, means, products, norms, and softmax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcheck.engines.graph.frameworks.torch.operations.table import aten
from fastcheck.engines.graph.tracing.operands import values_of
from fastcheck.engines.graph.tracing.tape import current_tape


def axes(dim: Any, x: Any) -> Any:
    """Return NumPy's axis for PyTorch's dim, of x; a number has none, though PyTorch lets it have one."""
    if np.ndim(x) == 0:
        return None
    return (tuple(dim) or None) if isinstance(dim, (list, tuple)) else dim


def of_dtype(x: Any, dtype: Any) -> Any:
    """Return what is reduced if a dtype is asked for: single precision is read as double."""
    if dtype is None or values_of(x).dtype.kind != "f":
        floats = dtype is not None and dtype.is_floating_point
        return np.multiply(x, 1.0) if floats else x
    if not dtype.is_floating_point:
        raise current_tape().refusal(f"dtype={dtype}", "what becomes of floats there has no slopes.")
    return x


@aten("sum")
def total(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the sum over axes."""
    return np.sum(of_dtype(x, dtype), axis=axes(dim, x), keepdims=keepdim)


@aten("nansum")
def nansum(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the sum of what is not NaN."""
    return np.sum(np.where(np.isnan(x), 0.0, of_dtype(x, dtype)), axis=axes(dim, x), keepdims=keepdim)


@aten("mean")
def mean(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the mean over axes."""
    return np.mean(of_dtype(x, dtype), axis=axes(dim, x), keepdims=keepdim)


@aten("prod")
def prod(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the product over an axis."""
    return np.prod(of_dtype(x, dtype), axis=axes(dim, x), keepdims=keepdim)


@aten("var")
def var(x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, correction: Any = None) -> Any:
    """Return the variance over axes."""
    return var_mean(x, dim, unbiased, keepdim, correction)[0]


@aten("std")
def std(x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, correction: Any = None) -> Any:
    """Return the standard deviation over axes."""
    return np.sqrt(var(x, dim, unbiased, keepdim, correction))


@aten("var_mean")
def var_mean(
    x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, correction: Any = None
) -> tuple[Any, Any]:
    """Return variance and mean over axes."""
    if isinstance(dim, bool):  # the overload without axes
        dim, unbiased = None, dim
    over, less = axes(dim, x), (1 if unbiased else 0) if correction is None else correction
    middle = np.mean(x, axis=over, keepdims=True)
    squares = np.sum(np.square(x - middle), axis=over, keepdims=keepdim)
    count = values_of(x).size / max(1, values_of(middle).size)
    centre = middle if keepdim else np.reshape(middle, np.shape(squares))
    return squares / max(0.0, count - less) if count > less else squares * math.nan, centre


@aten("std_mean")
def std_mean(
    x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, correction: Any = None
) -> tuple[Any, Any]:
    """Return standard deviation and mean over axes."""
    variance, middle = var_mean(x, dim, unbiased, keepdim, correction)
    return np.sqrt(variance), middle


# Norms


@aten("linalg_vector_norm")
def vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the norm of vectors."""
    return np.linalg.vector_norm(of_dtype(x, dtype), axis=axes(dim, x), keepdims=keepdim, ord=ord)


@aten("norm")
def norm(x: Any, p: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the norm of vectors."""
    return vector_norm(x, 2 if p is None else p, dim, keepdim, dtype=dtype)


@aten("dist")
def dist(x: Any, y: Any, p: Any = 2) -> Any:
    """Return the norm of a difference."""
    return vector_norm(np.subtract(x, y), p)


# Exponentials


def largest(x: Any, dim: Any) -> Any:
    """Return the largest values along axes, where they are finite, as constants: what a shift may be."""
    top = np.max(values_of(x), axis=axes(dim, x), keepdims=True, initial=-math.inf)
    return np.where(np.isfinite(top), top, 0.0)


@aten("logsumexp")
def logsumexp(x: Any, dim: Any, keepdim: bool = False) -> Any:
    """Return log Σ exp(x), which is computed with a shift that keeps exp(x) finite."""
    top = largest(x, dim)
    total = np.log(np.sum(np.exp(x - top), axis=axes(dim, x), keepdims=True)) + top
    return total if keepdim else np.reshape(total, np.shape(np.sum(values_of(x), axis=axes(dim, x))))


@aten("_log_softmax")
def log_softmax(x: Any, dim: int, half_to_float: bool = False) -> Any:
    """Return x − log Σ exp(x), which no shift changes."""
    shifted = x - largest(x, dim)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axes(dim, x), keepdims=True))


@aten("_softmax")
def softmax(x: Any, dim: int, half_to_float: bool = False) -> Any:
    """Return exp(x) / Σ exp(x), which no shift changes."""
    powers = np.exp(x - largest(x, dim))
    return powers / np.sum(powers, axis=axes(dim, x), keepdims=True)


@aten("_safe_softmax")
def safe_softmax(x: Any, dim: int, dtype: Any = None) -> Any:
    """Return the same, zero where all is masked."""
    powers = np.exp(x - largest(x, dim))
    masked = np.all(values_of(x) == -math.inf, axis=axes(dim, x), keepdims=True)
    return powers / (np.sum(powers, axis=axes(dim, x), keepdims=True) + masked)


@aten("logcumsumexp")
def logcumsumexp(x: Any, dim: int) -> Any:
    """Return log Σ exp(x) of the entries up to each."""
    return scan(np.logaddexp, x, dim)


def scan(combine: Any, x: Any, dim: int) -> Any:
    """Return what is made of all entries up to each along an axis, by combining stretches of doubling length."""
    if np.ndim(x) == 0:
        return np.positive(x)
    lines, reach = np.moveaxis(x, dim, 0), 1
    while reach < np.shape(lines)[0]:
        lines = np.concatenate([lines[:reach], combine(lines[:-reach], lines[reach:])])
        reach *= 2
    return np.moveaxis(lines, 0, dim) if reach > 1 else np.copy(x)


@aten("cumsum")
def cumsum(x: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return the sums of the entries up to each."""
    x = of_dtype(x, dtype)
    return np.positive(x) if np.ndim(x) == 0 else np.cumsum(x, axis=dim)


@aten("cumprod")
def cumprod(x: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return the products of the entries up to each."""
    return scan(np.multiply, of_dtype(x, dtype), dim)


@aten("trace")
def trace(x: Any) -> Any:
    """Return the sum of the diagonal."""
    return np.trace(x)
