"""How functions that move entries are recorded: reshaping, indexing, joining, creating."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fastcheck.engines.graph.nodes.movement import Join, Pick, Positions, Reshape, Section, Spread, Transpose
from fastcheck.engines.graph.rules.tables import FUNCTIONS
from fastcheck.engines.graph.tracing.operands import as_is_now, fixed, is_recorded, recorded, values_of
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape


def numbers(shape: tuple[int, ...]) -> Positions:
    """Return the flat number of each entry."""
    return np.arange(math.prod(shape)).reshape(shape)


def array(x: Any) -> Any:
    """Return an argument as something with axes: recorded, or an array; lists of recorded numbers are joined."""
    if type(x) is Recorded or isinstance(x, (np.ndarray, np.generic)):
        return x
    if isinstance(x, (list, tuple)) and is_recorded(x):
        return stack([array(part) for part in x])
    return np.asarray(x)


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes that are reduced, none negative."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(int(k) % ndim for k in (axis if isinstance(axis, (tuple, list)) else (axis,)))


def in_double(x: Any) -> Any:
    """Return data in double precision, as NumPy computes with it together with an array of doubles."""
    single = isinstance(x, (np.ndarray, np.generic)) and x.dtype in (np.float16, np.float32, np.complex64)
    return np.asarray(x, np.complex128 if single and x.dtype.kind == "c" else float)[()] if single else x


def reshape(x: Any, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    """Record np.reshape."""
    x = np.positive(array(x)) if copy else array(x)
    if order == "F" or (order == "A" and x.flags.fnc):
        return np.transpose(reshape(np.transpose(x), tuple(np.reshape(values_of(x), shape).shape)[::-1]))
    value = values_of(x).reshape(shape)
    if type(x) is not Recorded:
        return value
    return x.seen_as(value, lambda node: Reshape(value, (node,)))


def ravel(x: Any, order: str = "C") -> Any:
    """Record np.ravel."""
    x = array(x)
    if order == "K" and not x.flags.c_contiguous:
        return as_in_memory(x)
    if order == "F" or (order == "A" and x.flags.fnc):
        return ravel(np.transpose(x))
    value = values_of(x).ravel()  # a copy where entries do not lie close, other than of reshape
    if type(x) is not Recorded:
        return value
    return x.seen_as(value, lambda node: Reshape(value, (node,)))


def as_in_memory(x: Any) -> Any:
    """Record the entries in the order in which they lie in memory."""
    value = values_of(x).ravel("K")
    if type(x) is not Recorded:
        return value
    places = np.empty_like(x.array, dtype=np.intp)
    places[...] = numbers(x.shape)
    return x.seen_as(value, lambda node: Pick(value, node, places.ravel("K")))


def transpose(x: Any, axes: Any = None) -> Any:
    """Record np.transpose."""
    x = array(x)
    axes = tuple(range(x.ndim))[::-1] if axes is None else tuple(int(k) % x.ndim for k in axes)
    value = values_of(x).transpose(axes)
    if type(x) is not Recorded:
        return value
    return x.seen_as(value, lambda node: Transpose(value, node, axes))


def shaped_like(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records a function that only adds or drops axes of length 1."""

    def rule(x: Any, *arguments: Any, **keywords: Any) -> Any:
        return reshape(x, function(values_of(x), *arguments, **keywords).shape)

    return rule


def axes_moved(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records a function that reorders axes."""

    def rule(x: Any, *arguments: Any, **keywords: Any) -> Any:
        x = array(x)
        order = function(np.empty(range(1, x.ndim + 1)), *arguments, **keywords).shape
        return transpose(x, [n - 1 for n in order])

    return rule


def atleast(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records np.atleast_1d and its like."""

    def rule(*arrays: Any) -> Any:
        results = [reshape(x, function(values_of(array(x))).shape) for x in arrays]
        return results[0] if len(results) == 1 else tuple(results)

    return rule


def moving(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records a function that picks entries of its first argument, or fills in zeros."""

    def rule(x: Any, *arguments: Any, **keywords: Any) -> Any:
        x = array(x)
        arguments = as_is_now(tuple(map(fixed, arguments)))
        keywords = {name: as_is_now(fixed(value)) for name, value in keywords.items()}
        value = function(values_of(x), *arguments, **keywords)
        if type(x) is not Recorded:
            return value
        shape = x.shape

        def positions() -> Positions:
            picked: Positions = function(numbers(shape) + 1, *arguments, **keywords) - 1
            return picked

        return x.seen_as(value, lambda node: Pick(value, node, positions))

    return rule


def broadcast_to(x: Any, shape: Any, subok: bool = False) -> Any:
    """Record np.broadcast_to."""
    x = array(x)
    value, before = np.broadcast_to(values_of(x), shape), x.shape
    if type(x) is not Recorded:
        return value

    def positions() -> Positions:
        return np.broadcast_to(numbers(before), shape)

    return x.seen_as(value, lambda node: Spread(value, node, positions))


def pad(x: Any, pad_width: Any, mode: Any = "constant", **keywords: Any) -> Any:
    """Record np.pad."""
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap", "empty"):
        raise current_tape().refusal("np.pad", f"mode={mode!r} is not recorded.")
    value = np.pad(values_of(x), pad_width, mode, **keywords)
    shape = np.shape(x)

    def positions() -> Positions:
        fill = {"constant_values": -1} if mode == "constant" else {}
        return np.pad(numbers(shape), pad_width, mode, **fill)

    return recorded(value, lambda value, taken: Pick(value, taken[0], positions), x)


def index(x: Recorded, key: Any) -> Any:
    """Record ``x[key]``."""
    key = tuple(map(fixed, key)) if isinstance(key, tuple) else fixed(key)
    value = x.array[key]
    if is_basic(key):
        return x.seen_as(value, lambda node: Section(value, node, key))
    shape, key = x.shape, as_is_now(key)
    return x.seen_as(value, lambda node: Pick(value, node, lambda: numbers(shape)[key]))


def is_basic(key: Any) -> bool:
    """Whether a key takes no entry twice and makes a view."""
    return all(
        k is None or k is Ellipsis or (isinstance(k, (int, np.integer, slice)) and not isinstance(k, bool))
        for k in (key if isinstance(key, tuple) else (key,))
    )


def assign(x: Recorded, key: Any, value: Any) -> None:
    """Record ``x[key] = value``: a mask that moves, and one number, are a choice in every entry."""
    if type(key) is Recorded and key.moves and key.dtype == np.bool_ and np.ndim(values_of(value)) == 0:
        mask = reshape(key, (*key.shape, *(1,) * (x.ndim - key.ndim)))
        key, value = Ellipsis, np.where(mask, value, x)
    key = tuple(map(fixed, key)) if isinstance(key, tuple) else fixed(key)
    x.write(key, array(value) if is_recorded(value) else value)


def concatenate(arrays: Any, axis: Any = 0, **_: Any) -> Any:
    """Record np.concatenate."""
    parts = [array(x) for x in arrays]
    if axis is None:
        parts, axis = [ravel(x) for x in parts], 0
    at = int(axis) % parts[0].ndim
    value = np.concatenate([values_of(x) for x in parts], at)
    return recorded(value, lambda value, taken: Join(value, taken, at), *parts)


def stack(arrays: Any, axis: int = 0, **_: Any) -> Any:
    """Record np.stack."""
    parts = [array(x) for x in arrays]
    at = int(axis) % (parts[0].ndim + 1)
    shapes = {x.shape for x in parts}
    if len(shapes) != 1:
        raise ValueError("all input arrays must have the same shape")
    return concatenate([reshape(x, (*x.shape[:at], 1, *x.shape[at:])) for x in parts], at)


def joining(prepared: Callable[..., Any], axis: int | None) -> Callable[..., Any]:
    """Return what records np.vstack and its like."""

    def rule(arrays: Any, **_: Any) -> Any:
        parts = [prepared(x) for x in arrays]
        return concatenate(parts, (0 if parts[0].ndim == 1 else 1) if axis is None else axis)

    return rule


def block(arrays: Any) -> Any:
    """Record np.block: lists inside lists, the innermost joined along the last axis."""

    def depth_of(x: Any) -> int:
        return 1 + max(map(depth_of, x)) if isinstance(x, list) else 0

    def rank_of(x: Any) -> int:
        return max(map(rank_of, x)) if isinstance(x, list) else np.ndim(x)

    depth = depth_of(arrays)
    rank = max(depth, rank_of(arrays))

    def joined(x: Any, level: int) -> Any:
        if isinstance(x, list):
            return concatenate([joined(part, level + 1) for part in x], level - depth)
        x = array(x)
        return reshape(x, (*(1,) * (rank - x.ndim), *x.shape))

    return joined(arrays, 0) if depth else copy(array(arrays))


def column(x: Any) -> Any:
    """Return a vector as a column."""
    x = array(x)
    return reshape(x, (-1, 1)) if x.ndim < 2 else x


def append(x: Any, values: Any, axis: Any = None) -> Any:
    """Record np.append."""
    return concatenate([ravel(x), ravel(values)] if axis is None else [x, values], axis or 0)


def array_split(x: Any, sections: Any, axis: int = 0) -> list[Any]:
    """Record np.array_split and np.split."""
    at = int(axis) % np.ndim(x)
    bounds = [piece.shape[at] for piece in np.array_split(values_of(x), sections, at)]
    ends = np.cumsum(bounds).tolist()
    before = (slice(None),) * at
    return [x[(*before, slice(end - n, end))] for n, end in zip(bounds, ends, strict=True)]


def split(x: Any, sections: Any, axis: int = 0) -> list[Any]:
    """Record np.split, which divides evenly."""
    np.split(values_of(x), sections, axis)
    return array_split(x, sections, axis)


def copy(x: Any, order: Any = "K", subok: bool = False, dtype: Any = None) -> Any:
    """Record a copy, its entries in this order in memory."""
    value = np.array(values_of(x), dtype=dtype, order=order)
    return recorded(value, lambda value, taken: Reshape(value, taken), x)


def order_of(plain: Any) -> Any:
    """Return how the entries of an array lie in memory, as NumPy's ``order``."""
    return "C" if plain.flags.c_contiguous else "F" if plain.flags.f_contiguous else "K"


def broadcast_arrays(*arrays: Any, **_: Any) -> Any:
    """Record np.broadcast_arrays."""
    shape = np.broadcast_shapes(*(np.shape(x) for x in arrays))
    return tuple(np.broadcast_to(x, shape) for x in arrays)


def filled_like(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what records np.zeros_like and its like: arrays that may be written into."""

    def rule(x: Any, dtype: Any = None, *arguments: Any, **keywords: Any) -> Any:
        result = function(values_of(x), dtype, *arguments, **keywords)
        return Recorded(result) if result.dtype == np.float64 else result

    return rule


def full_like(x: Any, fill_value: Any, dtype: Any = None, **_: Any) -> Any:
    """Record np.full_like."""
    result = filled_like(np.zeros_like)(x, dtype)
    result[...] = fill_value
    return result


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """Record np.diff."""
    at = int(axis) % np.ndim(x)
    before = (slice(None),) * at
    for _ in range(n):
        x = x[(*before, slice(1, None))] - x[(*before, slice(None, -1))]
    return x


def copyto(target: Any, source: Any, *, where: Any = True) -> None:
    """Record np.copyto."""
    if type(target) is not Recorded:
        raise current_tape().refusal("np.copyto", "it writes a recorded array into a plain one.")
    if where is not True:
        source = np.where(where, source, target)
    assign(target, ..., source)


def windows(x: Any, window_shape: Any, axis: Any = None, **_: Any) -> Any:
    """Record sliding_window_view."""
    return moving(sliding_window_view)(x, window_shape, axis)


FUNCTIONS |= {
    np.reshape: reshape,
    np.ravel: ravel,
    np.transpose: transpose,
    np.permute_dims: transpose,
    sliding_window_view: windows,
    np.pad: pad,
    np.broadcast_to: broadcast_to,
    np.concatenate: concatenate,
    np.concat: concatenate,
    np.stack: stack,
    np.hstack: joining(np.atleast_1d, None),
    np.vstack: joining(np.atleast_2d, 0),
    np.dstack: joining(np.atleast_3d, 2),
    np.column_stack: joining(column, 1),
    np.split: split,
    np.array_split: array_split,
    np.vsplit: split,
    np.append: append,
    np.hsplit: lambda x, n: split(x, n, 0 if np.ndim(x) == 1 else 1),
    np.copy: copy,
    np.real: lambda x: x,
    np.full_like: full_like,
    np.diff: diff,
    np.copyto: copyto,
    np.block: block,
    np.broadcast_arrays: broadcast_arrays,
}

PICKING: tuple[Callable[..., Any], ...] = (
    *(np.tile, np.repeat, np.roll, np.delete, np.resize, np.tril, np.triu, np.diagflat),
    *(np.diagonal, np.diag, np.rot90, np.flip, np.flipud, np.fliplr, np.take),
    np.take_along_axis,
)
"""Functions that pick entries of their first argument, or fill in zeros."""

SWAPPING: tuple[Callable[..., Any], ...] = (
    *(np.swapaxes, np.moveaxis, np.rollaxis, np.matrix_transpose, np.linalg.matrix_transpose),
)
"""Functions that reorder axes."""

FUNCTIONS |= {function: moving(function) for function in PICKING}
FUNCTIONS |= {function: axes_moved(function) for function in SWAPPING}
FUNCTIONS |= {function: shaped_like(function) for function in (np.squeeze, np.expand_dims)}
FUNCTIONS |= {function: atleast(function) for function in (np.atleast_1d, np.atleast_2d, np.atleast_3d)}
FUNCTIONS |= {function: filled_like(function) for function in (np.zeros_like, np.ones_like, np.empty_like)}
