"""What moves entries: shapes, slices, padding."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.tracing.operands import fixed

Positions = NDArray[np.intp]

FILLED = -1
"""Stands for the position of an entry that is none of the array's."""


def numbers(shape: Sequence[int]) -> Positions:
    """Return the flat number of each entry."""
    return np.arange(math.prod(shape)).reshape(shape)


def picked(x: Any, positions: Positions, fill: Any = 0.0) -> Any:
    """Return the entries of x at flat positions, and another value where these are `FILLED`."""
    flat = np.ravel(x)
    if (positions != FILLED).all():
        return flat[positions]
    flat = np.concatenate([flat, np.reshape(fill, (1,))])
    return flat[np.where(positions == FILLED, np.size(flat) - 1, positions)]


def reshape(x: Any, new_sizes: Sequence[int], dimensions: Sequence[int] | None = None, **_: Any) -> Any:
    """Return x in another shape."""
    return np.reshape(x if dimensions is None else np.transpose(x, dimensions), new_sizes)


def transpose(x: Any, permutation: Sequence[int], **_: Any) -> Any:
    """Return x with its axes in another order."""
    return np.transpose(x, permutation)


def broadcast_in_dim(
    x: Any, *_: Any, shape: Sequence[int], broadcast_dimensions: Sequence[int], **__: Any
) -> Any:
    """Return x repeated along new axes, and those of length 1."""
    lengths = [1] * len(shape)
    for axis, n in zip(broadcast_dimensions, np.shape(x), strict=True):
        lengths[axis] = n
    x = np.reshape(x, lengths)
    return x if tuple(lengths) == tuple(shape) else np.broadcast_to(x, tuple(shape))


def squeeze(x: Any, dimensions: Sequence[int], **_: Any) -> Any:
    """Return x without these axes of length 1."""
    return np.reshape(x, [n for k, n in enumerate(np.shape(x)) if k not in dimensions])


def expand_dims(x: Any, dimensions: Sequence[int], **_: Any) -> Any:
    """Return x with axes of length 1 at these places."""
    return np.expand_dims(x, tuple(dimensions))


def concatenate(*operands: Any, dimension: int, **_: Any) -> Any:
    """Return arrays behind each other."""
    return np.concatenate(operands, dimension)


def slice_(
    x: Any,
    start_indices: Sequence[int],
    limit_indices: Sequence[int],
    strides: Sequence[int] | None = None,
    **_: Any,
) -> Any:
    """Return a part of x."""
    steps = strides or [1] * len(start_indices)
    return x[tuple(map(slice, start_indices, limit_indices, steps))]


def iota(*_: Any, dtype: Any, shape: Sequence[int], dimension: int, **__: Any) -> Any:
    """Return the number of each entry along an axis."""
    lengths = [1] * len(shape)
    lengths[dimension] = shape[dimension]
    return np.broadcast_to(np.arange(shape[dimension], dtype=dtype).reshape(lengths), tuple(shape))


def reverse(x: Any, dimensions: Sequence[int], **_: Any) -> Any:
    """Return x backwards along these axes."""
    return np.flip(x, tuple(dimensions))


def pad(x: Any, value: Any, padding_config: Sequence[tuple[int, int, int]], **_: Any) -> Any:
    """Return x with a value around it, or without its rim, and between its entries."""
    return picked(x, padded(numbers(np.shape(x)), padding_config), value)


def padded(positions: Positions, padding: Sequence[tuple[int, int, int]]) -> Positions:
    """Return positions with `FILLED` around and between them, as ``low, high, interior`` of each axis say."""
    sizes = [n + max(0, n - 1) * between for n, (_, _, between) in zip(positions.shape, padding, strict=True)]
    spread = np.full(sizes, FILLED)
    spread[tuple(slice(None, None, between + 1) for _, _, between in padding)] = positions
    inner = tuple(
        slice(max(0, -low), n - max(0, -high)) for n, (low, high, _) in zip(sizes, padding, strict=True)
    )
    around = [(max(0, low), max(0, high)) for low, high, _ in padding]
    return np.pad(spread[inner], around, constant_values=FILLED)


def split(x: Any, sizes: Sequence[int], axis: int, **_: Any) -> list[Any]:
    """Return the parts of x along an axis."""
    return list(np.split(x, np.cumsum(sizes)[:-1], axis))


def stack(*operands: Any, axis: int, **_: Any) -> Any:
    """Return arrays one upon the other, along a new axis."""
    return np.stack(operands, axis)


def unstack(x: Any, axis: int, **_: Any) -> list[Any]:
    """Return the slices of x along an axis."""
    return list(np.moveaxis(x, axis, 0))


def tile(x: Any, reps: Sequence[int], **_: Any) -> Any:
    """Return x side by side with itself."""
    return np.tile(x, reps)


def window_at(x: Any, sizes: Sequence[int], starts: Sequence[Any]) -> tuple[slice, ...]:
    """Return the place of a part of x that lies inside it."""
    first = [
        int(np.clip(fixed(start), 0, n - size))
        for start, n, size in zip(starts, np.shape(x), sizes, strict=True)
    ]
    return tuple(slice(start, start + size) for start, size in zip(first, sizes, strict=True))


def dynamic_slice(x: Any, *starts: Any, slice_sizes: Sequence[int], **_: Any) -> Any:
    """Return a part of x that begins at indices which were computed."""
    return x[window_at(x, slice_sizes, starts)]


def dynamic_update_slice(x: Any, update: Any, *starts: Any, **_: Any) -> Any:
    """Return x with another part at indices which were computed."""
    flat_places = numbers(np.shape(x))[window_at(x, np.shape(update), starts)]
    places = numbers(np.shape(x))
    places.reshape(-1)[flat_places.reshape(-1)] = np.size(x) + np.arange(flat_places.size)
    return np.concatenate([np.ravel(x), np.ravel(update)])[places]


RULES: dict[str, Callable[..., Any]] = {
    "reshape": reshape,
    "transpose": transpose,
    "broadcast_in_dim": broadcast_in_dim,
    "squeeze": squeeze,
    "expand_dims": expand_dims,
    "concatenate": concatenate,
    "slice": slice_,
    "iota": iota,
    "rev": reverse,
    "pad": pad,
    "split": split,
    "stack": stack,
    "unstack": unstack,
    "tile": tile,
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice,
}
