"""Rules for matrix products, einsum and linear solves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fastcheck.engines.difference import contraction
from fastcheck.engines.difference.arrays import FUNCTIONS, UFUNCS, computed, rank, taken
from fastcheck.engines.difference.contraction import Labels
from fastcheck.engines.difference.forms import Form
from fastcheck.engines.difference.state import TracingError, current_recorder, running
from fastcheck.engines.difference.structure import array

WORTH_REMEMBERING = 200_000
"""Multiplications from which comparing the factors is cheaper than repeating the product."""


def contract(
    function: Callable[[Any, Any], Any], key: Any, x: Any, y: Any, lx: Labels, ly: Labels, out: Labels
) -> Any:
    """Return a product of two arrays, whose values ``function`` computes."""
    operands = x, y
    (x, f), (y, g) = taken(x), taken(y)
    recorder = current_recorder()
    if recorder is not None:
        recorder.product(*operands, lx, ly, out)
    if (
        recorder is None
        and isinstance(x, np.ndarray)
        and isinstance(y, np.ndarray)
        and x.size * y.size > WORTH_REMEMBERING * min(y.shape, default=1)
    ):
        value = running().memory.product(function, x, y, key)
    else:
        value = function(x, y)
    if f is None and g is None:
        return computed(value, None)
    return computed(value, contraction.contracted(np.asarray(x), f, lx, np.asarray(y), g, ly, out))


def matmul(x: Any, y: Any) -> Any:
    """Rule of x @ y."""
    p, q = rank(x), rank(y)
    if p == 0 or q == 0:
        raise ValueError("matmul: operands must have at least one axis")
    depth = max(p, q) - 2
    stack: Labels = tuple(range(depth))
    lx = (*stack[depth - (p - 2) :], "i", "k") if p > 1 else ("k",)
    ly = (*stack[depth - (q - 2) :], "k", "j") if q > 1 else ("k",)
    out = (*stack, *(("i",) if p > 1 else ()), *(("j",) if q > 1 else ()))
    return contract(np.matmul, "matmul", x, y, lx, ly, out)


def dot(x: Any, y: Any) -> Any:
    """Rule of np.dot."""
    p, q = rank(x), rank(y)
    if p == 0 or q == 0:
        return np.multiply(x, y)
    lx = (*(("x", k) for k in range(p - 1)), "k")
    ly: list[Any] = [("y", k) for k in range(q)]
    ly[q - 2 if q > 1 else 0] = "k"
    out = (*lx[:-1], *(label for label in ly if label != "k"))
    return contract(np.dot, "dot", x, y, lx, tuple(ly), out)


def inner(x: Any, y: Any) -> Any:
    """Rule of np.inner."""
    if rank(x) == 0 or rank(y) == 0:
        return np.multiply(x, y)
    return tensordot(x, y, (-1, -1))


def outer(x: Any, y: Any) -> Any:
    """Rule of np.outer."""
    return np.multiply(np.reshape(x, (-1, 1)), np.reshape(y, (1, -1)))


def vdot(x: Any, y: Any) -> Any:
    """Rule of np.vdot."""
    return dot(np.ravel(x), np.ravel(y))


def vecdot(x: Any, y: Any, axis: int = -1) -> Any:
    """Rule of np.vecdot."""
    return np.sum(np.multiply(x, y), axis=axis)


def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """Rule of np.tensordot."""
    p, q = rank(x), rank(y)
    if isinstance(axes, (int, np.integer)):
        first, second = list(range(p - int(axes), p)), list(range(int(axes)))
    else:
        first, second = ([int(k)] if isinstance(k, (int, np.integer)) else [int(a) for a in k] for k in axes)
    lx: list[Any] = [("x", k) for k in range(p)]
    ly: list[Any] = [("y", k) for k in range(q)]
    for number, (a, b) in enumerate(zip(first, second, strict=True)):
        lx[a] = ly[b] = number
    out = tuple(label for label in (*lx, *ly) if isinstance(label, tuple))
    pairs = (tuple(first), tuple(second))
    return contract(
        lambda x, y: np.tensordot(x, y, pairs), ("tensordot", pairs), x, y, tuple(lx), tuple(ly), out
    )


def einsum(subscripts: Any, *operands: Any, optimize: Any = False, **keywords: Any) -> Any:
    """Rule of np.einsum: one pair of operands after the other."""
    if not isinstance(subscripts, str) or keywords:
        raise TracingError("np.einsum", "only subscripts as text are supported.")
    terms, out = einsum_labels(subscripts, operands)
    arrays = []
    for k, (labels, x) in enumerate(zip(terms, operands, strict=True)):
        x = array(x)
        while len(set(labels)) < len(labels):
            double = next(label for label in labels if labels.count(label) > 1)
            a, b = [axis for axis, label in enumerate(labels) if label == double][:2]
            x = np.diagonal(x, 0, a, b)
            labels = (*(label for axis, label in enumerate(labels) if axis not in (a, b)), double)
        terms[k] = labels
        arrays.append(x)
    while len(arrays) > 1:
        x, y, lx, ly = arrays[0], arrays[1], terms[0], terms[1]
        later = {label for labels in (*terms[2:], out) for label in labels}
        kept = (
            out if len(arrays) == 2 else tuple(dict.fromkeys(label for label in (*lx, *ly) if label in later))
        )
        arrays[:2] = [pairwise(x, y, lx, ly, kept)]
        terms[:2] = [kept]
    (x,), (labels,) = arrays, terms
    if labels == out:
        return x
    lone = tuple(k for k, label in enumerate(labels) if label not in out)
    x = np.sum(x, axis=lone) if lone else x
    left = [label for label in labels if label in out]
    return np.transpose(x, [left.index(label) for label in out])


def pairwise(x: Any, y: Any, lx: Labels, ly: Labels, out: Labels) -> Any:
    """Return the einsum of two operands without repeated labels."""
    names = {label: number for number, label in enumerate(dict.fromkeys((*lx, *ly)))}
    a, b, c = ([names[label] for label in labels] for labels in (lx, ly, out))
    key = ("einsum", tuple(a), tuple(b), tuple(c))
    return contract(lambda x, y: np.einsum(x, a, y, b, c, optimize=True), key, x, y, lx, ly, out)


def einsum_labels(subscripts: str, operands: tuple[Any, ...]) -> tuple[list[Labels], Labels]:
    """Return the labels of every operand and of the result, the ellipsis spelled out."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms: list[Labels] = []
    widest = 0
    for term, x in zip(left.split(","), operands, strict=True):
        before, dots, after = term.partition("...")
        extra = rank(x) - len(before) - len(after) if dots else 0
        widest = max(widest, extra)
        terms.append((*before, *range(-extra, 0), *after))
    rest = tuple(range(-widest, 0))
    if arrow:
        before, dots, after = right.partition("...")
        return terms, (*before, *(rest if dots else ()), *after)
    letters = [label for labels in terms for label in labels if isinstance(label, str)]
    return terms, (*rest, *sorted({label for label in letters if letters.count(label) == 1}))


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Rule of convolve: windows of the longer one, with zeros around it, times the shorter one, turned."""
    a, v = (np.atleast_1d(array(x)) for x in (a, v))
    if v.size > a.size:
        a, v = v, a
    n = v.size
    full = dot(sliding_window_view(np.pad(a, n - 1), n), v[::-1])
    first = {"full": 0, "same": n - 1 - n // 2, "valid": n - 1}[mode]
    length = {"full": full.size, "same": a.size, "valid": a.size - n + 1}[mode]
    return full[first : first + length]


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Rule of correlate: of real arrays the convolution with the shorter one turned."""
    if np.size(v) > np.size(a):
        return convolve(v, np.flip(a), mode)[::-1]
    return convolve(a, np.flip(v), mode)


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Rule of np.trace."""
    return np.sum(np.diagonal(x, offset, axis1, axis2), axis=-1)


def solve(a: Any, b: Any) -> Any:
    """Rule of linalg.solve: (a + da)·dx = db - da·x."""
    (a_value, f), (b_value, g) = taken(a), taken(b)
    x = np.linalg.solve(a_value, b_value)
    if f is None and g is None:
        return computed(x, None)
    if np.ndim(a_value) != 2 or np.ndim(b_value) > 2:
        raise TracingError("np.linalg.solve", "stacks of matrices are not supported.")
    members = running().members
    right = np.zeros((members, *np.shape(b_value)))
    if g is not None:
        right += g.dense()
    end = a_value
    if f is not None:
        running().odd = False
        change = f.dense()
        right -= change @ x
        end = a_value + change
    columns = right if x.ndim == 2 else right[..., None]
    data = np.linalg.solve(np.broadcast_to(end, (members, *np.shape(a_value))), columns)
    return computed(x, Form(data.reshape(right.shape), x.shape))


def inv(a: Any) -> Any:
    """Rule of linalg.inv."""
    return solve(a, np.eye(len(a)))


def cholesky(a: Any, *, upper: bool = False) -> Any:
    """Rule of linalg.cholesky: L·F, where (1 + F)·(1 + F)ᵀ = 1 + E and E = L⁻¹·da·L⁻ᵀ, column by column."""
    a_value, f = taken(a)
    low = np.linalg.cholesky(a_value)
    if f is None:
        return computed(low.T if upper else low, None)
    if low.ndim != 2:
        raise TracingError("np.linalg.cholesky", "stacks of matrices are not supported.")
    running().odd = False
    change = np.tril(f.dense())
    change = change + np.swapaxes(np.tril(change, -1), -1, -2)
    half = np.linalg.solve(low, change)
    e = np.linalg.solve(low, np.swapaxes(half, -1, -2))
    factor = np.zeros_like(e)
    for j in range(low.shape[0]):
        row = factor[:, j, :j]
        square = e[:, j, j] - np.sum(row * row, axis=-1)
        factor[:, j, j] = square / (1.0 + np.sqrt(1.0 + square))
        below = e[:, j + 1 :, j] - np.matmul(factor[:, j + 1 :, :j], row[..., None])[..., 0]
        factor[:, j + 1 :, j] = below / (1.0 + factor[:, j, j])[:, None]
    result = computed(low, Form(low @ factor, low.shape))
    return np.transpose(result) if upper else result


def slogdet(a: Any) -> Any:
    """Rule of linalg.slogdet: log|det(1 + a⁻¹·da)| from the pivots of an elimination that keeps them minus 1."""
    a_value, f = taken(a)
    base = np.linalg.slogdet(a_value)
    if f is None or np.ndim(a_value) != 2:
        if f is not None:
            raise TracingError("np.linalg.slogdet", "stacks of matrices are not supported.")
        return base
    running().odd = False
    e = np.linalg.solve(a_value, f.dense())
    large = np.abs(e).sum(axis=-1).max(axis=-1) >= 0.5
    running().unsupported |= large  # elimination without pivoting is safe near the identity only
    e[large] = 0.0
    total = np.zeros(len(e))
    for j in range(len(a_value)):
        pivot = e[:, j, j]
        total += np.log1p(pivot)
        column = e[:, j + 1 :, j] / (1.0 + pivot)[:, None]
        e[:, j + 1 :, j + 1 :] -= column[:, :, None] * e[:, None, j, j + 1 :]
    return type(base)(base.sign, computed(base.logabsdet, Form(total, ())))


def det(a: Any) -> Any:
    """Rule of linalg.det."""
    sign, logabs = slogdet(a)
    return sign * np.exp(logabs)


def register() -> None:
    """Fill the tables."""
    UFUNCS.update({np.matmul: matmul, np.vecdot: vecdot})
    FUNCTIONS.update({np.dot: dot, np.inner: inner, np.outer: outer, np.vdot: vdot, np.tensordot: tensordot})
    FUNCTIONS.update(
        {np.einsum: einsum, np.trace: trace, np.linalg.trace: lambda x, offset=0: trace(x, offset, -2, -1)}
    )
    FUNCTIONS.update({np.linalg.outer: outer, np.linalg.matmul: matmul, np.linalg.vecdot: vecdot})
    FUNCTIONS.update({np.linalg.tensordot: lambda x, y, axes=2: tensordot(x, y, axes)})
    FUNCTIONS.update({np.linalg.solve: solve, np.linalg.inv: inv, np.linalg.cholesky: cholesky})
    FUNCTIONS.update({np.convolve: convolve, np.correlate: correlate})
    FUNCTIONS.update({np.linalg.slogdet: slogdet, np.linalg.det: det})


register()
