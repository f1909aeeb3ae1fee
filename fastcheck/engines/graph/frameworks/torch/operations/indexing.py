"""Operations that take, or set, entries by their places."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.graph.frameworks.torch.operations.table import aten
from fastcheck.engines.graph.rules.layout import numbers
from fastcheck.engines.graph.tracing.operands import fixed, values_of
from fastcheck.engines.graph.tracing.recorded import Recorded


def key_of(indices: Sequence[Any]) -> tuple[Any, ...]:
    """Return NumPy's key for PyTorch's indices, None standing for a whole axis."""
    key: list[Any] = []
    for index in indices:
        places = fixed(index)
        key.append(slice(None) if places is None else np.array(places))
    return tuple(key)


def copied(x: Any) -> Any:
    """Return a copy that can be written into."""
    return np.copy(x) if type(x) is Recorded else Recorded(np.array(x))


@aten("index", "_unsafe_index")
def index(x: Any, indices: Sequence[Any]) -> Any:
    """Return the entries at some places, axes of advanced indices where PyTorch puts them: as NumPy does."""
    return x[key_of(indices)]


@aten("index_put", "_unsafe_index_put", "_index_put_impl")
def index_put(x: Any, indices: Any, values: Any, accumulate: bool = False, unsafe: bool = False) -> Any:
    """Return x with other entries at some places, or with something added there."""
    result, key = copied(x), key_of(indices)
    if accumulate:
        np.add.at(result, key, values)
    else:
        result[key] = values
    return result


def along(x: Any, dim: int, places: Any) -> tuple[Any, ...]:
    """Return the key of the entries whose places along one axis are given, in others those of the array of places."""
    grid = list(np.ogrid[tuple(slice(n) for n in np.shape(places))])
    grid[dim % max(np.ndim(places), 1)] = places
    return tuple(grid)


@aten("gather")
def gather(x: Any, dim: int, places: Any, *, sparse_grad: bool = False) -> Any:
    """Return the entries whose places along an axis are given."""
    places = np.array(fixed(places))
    if np.ndim(x) <= 1:
        return np.reshape(np.reshape(x, (-1,))[np.reshape(places, (-1,))], np.shape(places))
    return x[along(x, dim, places)]


@aten("scatter", "scatter.src", "scatter.value")
def scatter(x: Any, dim: int, places: Any, source: Any, **_: Any) -> Any:
    """Return x with entries of the source at places along an axis."""
    return scattered(x, dim, places, source, _set)


@aten("scatter_add")
def scatter_add(x: Any, dim: int, places: Any, source: Any) -> Any:
    """Return x with entries of the source added at places along an axis."""
    return scattered(x, dim, places, source, np.add.at)


@aten("scatter.reduce", "scatter.value_reduce")
def scatter_by(x: Any, dim: int, places: Any, source: Any, *, reduce: str) -> Any:
    """Return x with entries of the source added or multiplied at places along an axis."""
    if reduce == "add":
        return scattered(x, dim, places, source, np.add.at)
    return scatter_reduce(x, dim, places, source, "prod")


def scattered(x: Any, dim: int, places: Any, source: Any, put: Callable[..., Any]) -> Any:
    """Return a copy of x into which entries of the source were put."""
    places = np.array(fixed(places))
    if np.ndim(x) == 0:
        return np.reshape(scattered(np.reshape(x, (1,)), 0, np.reshape(places, (-1,)), source, put), ())
    result = copied(x)
    if np.ndim(source):
        source = source[tuple(slice(n) for n in places.shape)]
    put(result, along(x, dim, places), source)
    return result


def _set(x: Any, key: Any, value: Any) -> None:
    x[key] = value


@aten("scatter_reduce.two", "index_reduce")
def scatter_reduce(
    x: Any, dim: int, places: Any, source: Any, reduce: str, *, include_self: bool = True
) -> Any:
    """Return x with the entries of the source that have one place summed, averaged, multiplied or compared there."""
    places = np.array(fixed(places))
    if not np.ndim(x):
        one = (np.reshape(x, (1,)), 0, np.reshape(places, (-1,)), np.reshape(source, (-1,)), reduce)
        return np.reshape(scatter_reduce(*one, include_self=include_self), ())
    shape, at = np.shape(x), dim % np.ndim(x)
    if places.ndim == 1 < len(shape):  # of index_reduce
        places = np.broadcast_to(
            np.expand_dims(places, [k for k in range(len(shape)) if k != at]), source.shape
        )
    source = source[tuple(slice(n) for n in places.shape)]
    key = along(x, at, places)
    if reduce in ("sum", "mean"):
        return _added(x, key, source, reduce, include_self)
    where_in_x = np.ravel(numbers(shape)[key])
    flat = np.reshape(source, (-1,))
    own = [np.reshape(x, (-1,))] if include_self else []
    entries = np.concatenate([*own, flat])
    targets = np.concatenate([np.arange(math.prod(shape)), where_in_x]) if include_self else where_in_x
    members: dict[int, list[int]] = {}
    for number, target in enumerate(targets.tolist()):
        members.setdefault(target, []).append(number)
    result = copied(x)
    for target in sorted(set(where_in_x.tolist())):
        group = entries[np.array(members[target])]
        result[np.unravel_index(target, shape)] = REDUCTIONS[reduce](group)
    return result


REDUCTIONS: dict[str, Callable[..., Any]] = {"prod": np.prod, "amax": np.max, "amin": np.min}
"""What becomes of entries that have one place."""


def _added(x: Any, key: Any, source: Any, reduce: str, include_self: bool) -> Any:
    count = np.full(np.shape(x), float(include_self))
    np.add.at(count, key, 1.0)
    received = np.zeros(np.shape(x), dtype=bool)
    received[key] = True
    result = copied(x if include_self else np.where(received, 0.0, x))
    np.add.at(result, key, source)
    return result if reduce == "sum" else result / np.where(received, np.maximum(count, 1.0), 1.0)


@aten("index_select")
def index_select(x: Any, dim: int, places: Any) -> Any:
    """Return the slices at places of an axis."""
    places = np.array(fixed(places))
    if np.ndim(x) == 0:
        return np.reshape(x, (1,))[np.reshape(places, (-1,))]
    return x[(*(slice(None),) * (dim % np.ndim(x)), np.reshape(places, (-1,)))]


def slices(x: Any, dim: int, places: Any) -> tuple[Any, ...]:
    """Return the key of the slices at places of an axis."""
    return (*(slice(None),) * (dim % max(np.ndim(x), 1)), np.reshape(np.array(fixed(places)), (-1,)))


def with_slices(x: Any, dim: int, places: Any, put: Callable[[Any, Any], None]) -> Any:
    """Return a copy of x into which slices at places of an axis were put; a number is a vector of one."""
    result = copied(x if np.ndim(x) else np.reshape(x, (1,)))
    put(result, slices(result, dim, places))
    return result if np.ndim(x) else np.reshape(result, ())


@aten("index_add")
def index_add(x: Any, dim: int, places: Any, source: Any, *, alpha: Any = 1) -> Any:
    """Return x with alpha·source added to slices."""
    scaled = source if alpha == 1 else alpha * source
    return with_slices(x, dim, places, lambda result, key: np.add.at(result, key, scaled))


@aten("index_copy")
def index_copy(x: Any, dim: int, places: Any, source: Any) -> Any:
    """Return x with other slices at places of an axis."""
    return with_slices(x, dim, places, lambda result, key: _set(result, key, source))


@aten("index_fill")
def index_fill(x: Any, dim: int, places: Any, value: Any) -> Any:
    """Return x with one value in the slices at places of an axis."""
    return with_slices(x, dim, places, lambda result, key: _set(result, key, value))


@aten("take")
def take(x: Any, places: Any) -> Any:
    """Return entries by their places in the flattened array."""
    return np.reshape(x, (-1,))[np.array(fixed(places))]


@aten("put")
def put(x: Any, places: Any, source: Any, accumulate: bool = False) -> Any:
    """Return x with other entries at places in the flattened array."""
    flat = np.reshape(copied(x), (-1,))
    key = (np.reshape(np.array(fixed(places)), (-1,)),)
    return np.reshape(index_put(flat, key, np.reshape(source, (-1,)), accumulate), np.shape(x))


@aten("masked_select")
def masked_select(x: Any, mask: Any) -> Any:
    """Return the entries where a mask is true: how many there are is a decision."""
    shape = np.broadcast_shapes(np.shape(x), np.shape(mask))
    return np.broadcast_to(x, shape)[np.broadcast_to(np.array(fixed(mask)), shape)]


@aten("masked_scatter")
def masked_scatter(x: Any, mask: Any, source: Any) -> Any:
    """Return x with the entries of the source, one after the other, where a mask is true."""
    shape = np.broadcast_shapes(np.shape(x), np.shape(mask))
    chosen = np.broadcast_to(np.array(fixed(mask)), shape)
    result = copied(np.broadcast_to(x, shape))
    result[chosen] = np.reshape(source, (-1,))[: int(chosen.sum())]
    return result


@aten("select_scatter")
def select_scatter(x: Any, source: Any, dim: int, place: int) -> Any:
    """Return x with another slice at one place of an axis."""
    result = copied(x)
    result[(*(slice(None),) * (dim % np.ndim(x)), place)] = source
    return result


@aten("slice_scatter")
def slice_scatter(
    x: Any, source: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Any:
    """Return x with other slices at some places of an axis."""
    result = copied(x)
    result[(*(slice(None),) * (dim % np.ndim(x)), slice(start, end, step))] = source
    return result


@aten("diagonal_scatter")
def diagonal_scatter(x: Any, source: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Return x with another diagonal."""
    result = copied(x)
    places = np.diagonal(numbers(np.shape(x)), offset, dim1, dim2)
    result[np.unravel_index(places, np.shape(x))] = source
    return result


@aten("embedding")
def embedding(
    weight: Any, places: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    """Return rows of a matrix."""
    return weight[np.array(fixed(places))]


@aten("_embedding_bag", "_embedding_bag_forward_only")
def embedding_bag(
    weight: Any,
    places: Any,
    offsets: Any,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int = -1,
) -> Any:
    """Return sums, means or largest entries of rows of a matrix, and what PyTorch's backward pass asks for besides."""
    places, starts = np.array(fixed(places)), np.array(fixed(offsets)).tolist()
    ends = starts[1:] if include_last_offset else [*starts[1:], places.size]
    starts = starts[: len(ends)]
    bags = []
    for start, end in zip(starts, ends, strict=True):
        inside = np.arange(start, end)
        inside = inside[places[inside] != padding_idx] if padding_idx >= 0 else inside
        rows = weight[places[inside]]
        if per_sample_weights is not None:
            rows = rows * np.reshape(per_sample_weights[inside], (-1, 1))
        if not inside.size:
            bags.append(np.zeros(np.shape(weight)[1]))
        else:
            bags.append((np.sum, np.mean, np.max)[mode](rows, axis=0))
    empty = np.zeros(0, dtype=np.int64)
    return np.stack(bags), empty, empty, empty


@aten("nonzero")
def nonzero(x: Any) -> Any:
    """Return the places of entries other than zero: a decision."""
    return np.argwhere(x)


@aten("one_hot")
def one_hot(places: Any, num_classes: int = -1) -> Any:
    """Return rows with a single 1."""
    places = np.array(fixed(places))
    return np.eye(int(places.max()) + 1 if num_classes < 0 else num_classes, dtype=np.int64)[places]


@aten("bincount")
def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """Return how often each number occurs, or the sum of its weights."""
    places = np.array(fixed(x))
    if weights is None:
        return np.bincount(places, None, minlength)
    result = Recorded(np.zeros(max(int(places.max(initial=-1)) + 1, minlength)))
    np.add.at(result, places, weights)
    return result


@aten("_local_scalar_dense", "item")
def scalar(x: Any) -> Any:
    """Return the one entry as a number of Python's: a decision if it is a truth value or a whole number.

    Other numbers leave the record. Most are printed, kept, or looked at; of what is computed with one the record knows
    nothing, and the cost itself, evaluated plainly, does not confirm it.
    """
    values = np.reshape(values_of(x), ())
    number = np.reshape(x, ())
    return (
        bool(number)
        if values.dtype.kind == "b"
        else int(number)
        if values.dtype.kind in "iu"
        else float(values)
    )


@aten("is_nonzero")
def is_nonzero(x: Any) -> bool:
    """Return whether the one entry is other than zero: a decision."""
    return bool(np.reshape(x, ()) != 0)


@aten("equal")
def equal(x: Any, y: Any) -> bool:
    """Return whether two arrays are the same: a decision."""
    return bool(np.array_equal(x, y))
