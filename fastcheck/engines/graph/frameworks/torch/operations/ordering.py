"""Operations that order entries: extrema, sorting, medians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from fastcheck.engines.graph.frameworks.torch.operations.by_torch import of_arrays
from fastcheck.engines.graph.frameworks.torch.operations.reductions import axes, scan
from fastcheck.engines.graph.frameworks.torch.operations.table import OPERATIONS, aten
from fastcheck.engines.graph.tracing.operands import stepped, values_of


def indices(operation: Any, x: Any, *arguments: Any, **options: Any) -> Any:
    """Return the indices of entries that an operation of PyTorch finds, its second result."""

    def found(values: Any) -> Any:
        return of_arrays(operation)(values, *arguments, **options)[1]

    return stepped(found, x)


def extreme(name: str, reduce: Callable[..., Any], of_two: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of ``max`` or ``min``: of all entries, along an axis, or of two arrays."""

    def rule(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if dim is None:
            return reduce(x)
        if not isinstance(dim, int):
            return of_two(x, dim)
        found = indices(getattr(torch.ops.aten, name), x, dim, keepdim)
        return along(reduce, x, dim, keepdim), found

    return rule


def along(reduce: Callable[..., Any], x: Any, dim: Any, keepdim: bool) -> Any:
    """Return a reduction along axes; that of a number is itself."""
    return np.positive(x) if np.ndim(x) == 0 else reduce(x, axis=axes(dim, x), keepdims=keepdim)


OPERATIONS.update(
    {
        "max": extreme("max", np.max, np.maximum),
        "min": extreme("min", np.min, np.minimum),
    }
)


@aten("amax")
def amax(x: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Return the largest entries along axes."""
    return along(np.max, x, dim, keepdim)


@aten("amin")
def amin(x: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Return the smallest entries along axes."""
    return along(np.min, x, dim, keepdim)


@aten("aminmax")
def aminmax(x: Any, *, dim: Any = None, keepdim: bool = False) -> tuple[Any, Any]:
    """Return the smallest and the largest entries along an axis."""
    return along(np.min, x, dim, keepdim), along(np.max, x, dim, keepdim)


@aten("cummax")
def cummax(x: Any, dim: int) -> tuple[Any, Any]:
    """Return the largest of the entries up to each, and where they are."""
    return scan(np.maximum, x, dim), indices(torch.ops.aten.cummax, x, dim)


@aten("cummin")
def cummin(x: Any, dim: int) -> tuple[Any, Any]:
    """Return the smallest of the entries up to each, and where they are."""
    return scan(np.minimum, x, dim), indices(torch.ops.aten.cummin, x, dim)


# Sorting


@aten("sort")
def sort(x: Any, dim: int = -1, descending: bool = False, *, stable: bool | None = None) -> tuple[Any, Any]:
    """Return the entries in order, and where they were."""
    places = indices(torch.ops.aten.sort.stable, x, stable=stable, dim=dim, descending=descending)
    if np.ndim(x) == 0:
        return np.positive(x), places
    ordered = np.sort(x, axis=dim)
    return np.flip(ordered, dim) if descending else ordered, places


@aten("msort")
def msort(x: Any) -> Any:
    """Return the entries in order along the first axis."""
    return sort(x, 0)[0]


@aten("topk")
def topk(x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Any, Any]:
    """Return the k largest, or smallest, entries, and where they are."""
    places = indices(torch.ops.aten.topk, x, k, dim, largest, sorted)
    if np.ndim(x) == 0:
        return np.positive(x), places
    best = np.moveaxis(sort(x, dim, largest)[0], dim, 0)[:k]
    if not sorted:  # in the order in which PyTorch found them
        found = np.moveaxis(of_arrays(torch.ops.aten.topk)(values_of(x), k, dim, largest, sorted)[0], dim, 0)
        ranks = np.argsort(np.argsort(-found if largest else found, axis=0, kind="stable"), axis=0)
        best = np.take_along_axis(best, ranks, 0)
    return np.moveaxis(best, 0, dim), places


@aten("kthvalue")
def kthvalue(x: Any, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Any, Any]:
    """Return the k-th smallest entries, and where they are."""
    places = indices(torch.ops.aten.kthvalue, x, k, dim, keepdim)
    if np.ndim(x) == 0:
        return np.positive(x), places
    return rank(x, k, dim, keepdim), places


def rank(x: Any, k: int, dim: int, keepdim: bool) -> Any:
    """Return the k-th smallest entries along an axis."""
    chosen = np.moveaxis(np.sort(x, axis=dim), dim, 0)[k - 1 : k]
    return np.moveaxis(chosen, 0, dim) if keepdim else chosen[0]


@aten("median")
def median(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the middle entries, the smaller one of two, and along an axis where they are."""
    if dim is None:
        flat = np.reshape(x, (-1,))
        return rank(flat, (np.shape(flat)[0] + 1) // 2, 0, False)
    places = indices(torch.ops.aten.median, x, dim, keepdim)
    if np.ndim(x) == 0:
        return np.positive(x), places
    return rank(x, (np.shape(x)[dim] + 1) // 2, dim, keepdim), places


def picked(x: Any, places: Any, dim: int, keepdim: bool) -> tuple[Any, Any]:
    """Return the entries at places along an axis, one in each line, and the places."""
    chosen = np.take_along_axis(x, places, dim)
    return (chosen, places) if keepdim else (np.squeeze(chosen, dim), np.squeeze(places, dim))


@aten("nanmedian")
def nanmedian(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the middle entries of what is not NaN, the smaller one of two, and along an axis where they are."""
    if not np.any(np.isnan(values_of(x))):
        return median(x, dim, keepdim)
    if dim is None:
        return np.take(np.reshape(x, (-1,)), indices(torch.ops.aten.nanmedian, np.reshape(x, (-1,)), 0))
    places = indices(torch.ops.aten.nanmedian, x, dim, True)
    return picked(x, places, dim, keepdim)


@aten("mode")
def mode(x: Any, dim: int = -1, keepdim: bool = False) -> tuple[Any, Any]:
    """Return the entries that occur most often, and where they are."""
    places = indices(torch.ops.aten.mode, x, dim, True)
    if np.ndim(x) == 0:
        return np.positive(x), places
    return picked(x, places, dim, keepdim)
