"""Rules for functions that move whole arrays: the same movement of the difference."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.difference import layout
from fastcheck.engines.difference.arrays import FUNCTIONS, DifferenceArray, made, taken
from fastcheck.engines.difference.state import ONLY_DOUBLE, TracingError
from fastcheck.engines.difference.views import (
    BroadcastLens,
    PickLens,
    ReshapeLens,
    TransposeLens,
    WindowLens,
    numbers,
)


def array(x: Any) -> Any:
    """Return x as a difference array: plain ones get no difference."""
    return x if type(x) is DifferenceArray else DifferenceArray(np.asarray(x))


# Shapes


def reshape(x: Any, /, *shape: Any, order: str = "C", newshape: Any = None, copy: Any = None) -> Any:
    """Rule of reshape, as function and as method."""
    x = array(x)
    if copy:
        x = copy_of(x)
    given = shape if shape else (newshape,)
    if order == "A":
        order = "F" if lies_in_columns(x.value) else "C"
    if order == "F":
        size = x.value.reshape(*given, order="F").shape
        return transpose(reshape(transpose(x), size[::-1]))
    if order != "C":
        raise TracingError("np.reshape", f"order={order!r} is not supported.")
    result = np.reshape(x.value, given[0] if len(given) == 1 else given)
    if isinstance(x.value, np.ndarray) and np.may_share_memory(result, x.value):
        return x.view_by(ReshapeLens(result.shape))
    return made(result, None if x.form is None else layout.reshaped(x.form, result.shape))


def lies_in_columns(value: Any) -> bool:
    """Whether the entries lie in memory in Fortran's order, and not in that of C: what ``order="A"`` asks."""
    return bool(value.flags.f_contiguous and not value.flags.c_contiguous)


def shaped_like(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of a function that only changes the shape: squeeze, expand_dims, ..."""

    @functools.wraps(function)
    def rule(x: Any, *arguments: Any, **keywords: Any) -> Any:
        x = array(x)
        return reshape(x, function(x.value, *arguments, **keywords).shape)

    return rule


def ravel(x: Any, order: str = "C") -> Any:
    """Rule of ravel: a view only of what lies in order."""
    x = array(x)
    if order == "K":
        axes = in_memory(x.value)
        if axes is None:
            raise TracingError("np.ravel", "order='K' of an array that does not lie in memory axis by axis.")
        return ravel(transpose(x, axes))
    if order == "C" and isinstance(x.value, np.ndarray) and not x.value.flags.c_contiguous:
        x = copy(x, "C")
    return reshape(x, -1, order=order)


def order_kept(value: Any, order: Any) -> bool:
    """Whether NumPy need not copy an array to have its entries in this order in memory."""
    return value.astype(value.dtype, order=order, copy=False) is value


def in_memory(value: Any) -> list[int] | None:
    """Return the axes of an array in the order of memory, the slowest first; None unless its entries lie close."""
    axes = sorted(range(value.ndim), key=lambda axis: -value.strides[axis])
    return axes if value.transpose(axes).flags.c_contiguous else None


def atleast(function: Any) -> Callable[..., Any]:
    """Return the rule of np.atleast_1d and friends."""

    def rule(*arrays: Any) -> Any:
        results = tuple(reshape(array(x), function(array(x).value).shape) for x in arrays)
        return results[0] if len(results) == 1 else results

    return rule


def transpose(x: Any, *axes: Any) -> Any:
    """Rule of transpose, as function and as method."""
    x = array(x)
    given = axes[0] if len(axes) == 1 and not isinstance(axes[0], (int, np.integer)) else axes
    order = tuple(range(x.ndim))[::-1] if not given else tuple(int(k) % x.ndim for k in given)
    if not isinstance(x.value, np.ndarray):
        return x
    return x.view_by(TransposeLens(order))


def axes_moved(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of a function that permutes axes: swapaxes, moveaxis, matrix_transpose."""

    @functools.wraps(function)
    def rule(x: Any, *arguments: Any, **keywords: Any) -> Any:
        x = array(x)
        # Strides tell the axes apart whatever their lengths.
        probe = np.lib.stride_tricks.as_strided(np.zeros(1), [1] * x.ndim, [8 * k + 8 for k in range(x.ndim)])
        moved = function(probe, *arguments, **keywords)
        return transpose(x, [stride // 8 - 1 for stride in moved.strides])

    return rule


def moving(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of a function that copies entries about: tile, repeat, roll; or leaves zeros: tril, diag."""

    @functools.wraps(function)
    def rule(x: Any, *arguments: Any, **keywords: Any) -> Any:
        x = array(x)
        value = function(x.value, *arguments, **keywords)
        if x.form is None:
            return made(value, None)
        # Counted from 1, so that a zero that the function puts in is told from the first entry.
        return made(value, layout.picked(x.form, function(numbers(x.shape) + 1, *arguments, **keywords) - 1))

    return rule


def moving_view(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of a function whose result is a read-only view."""

    @functools.wraps(function)
    def rule(x: Any, *arguments: Any, **keywords: Any) -> Any:
        return array(x).view_by(PickLens(lambda value: function(value, *arguments, **keywords)))

    return rule


def windows(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """Rule of sliding_window_view."""
    x = array(x)
    if writeable:
        raise TracingError("sliding_window_view", "writeable=True is not supported.")
    window = tuple(window_shape) if np.iterable(window_shape) else (int(window_shape),)
    axes = range(x.ndim) if axis is None else axis if np.iterable(axis) else (axis,)
    return x.view_by(WindowLens(window, tuple(int(k) % x.ndim for k in axes)))


def broadcast_to(x: Any, shape: Any) -> Any:
    """Rule of broadcast_to."""
    x = array(x)
    return x.view_by(BroadcastLens(np.broadcast_to(x.value, shape).shape))


def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    """Rule of broadcast_arrays."""
    shape = np.broadcast_shapes(*(np.shape(x) for x in arrays))
    return tuple(broadcast_to(x, shape) for x in arrays)


def diag(x: Any, k: int = 0) -> Any:
    """Rule of diag: a matrix with this diagonal, or the diagonal of a matrix, which is a view."""
    return moving(np.diag)(x, k) if array(x).ndim == 1 else FUNCTIONS[np.diagonal](x, k)


def pad(x: Any, pad_width: Any, mode: Any = "constant", **keywords: Any) -> Any:
    """Rule of pad: padded constants have no difference."""
    x = array(x)
    value = np.pad(x.value, pad_width, mode=mode, **keywords)
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise TracingError("np.pad", f"mode={mode!r} is not supported.")
    if x.form is None:
        return made(value, None)
    inner = np.pad(
        numbers(x.shape), pad_width, mode=mode, **({"constant_values": -1} if mode == "constant" else {})
    )
    if mode != "constant":
        return made(value, layout.picked(x.form, inner))
    corner = np.argwhere(inner == 0)[0]
    key = tuple(slice(int(k), int(k) + n) for k, n in zip(corner, x.shape, strict=True))
    return made(value, layout.assigned(None, key, x.form, value.shape, x.shape))


# Joining and splitting


def concatenate(arrays: Any, axis: Any = 0) -> Any:
    """Rule of concatenate."""
    parts = [array(x) for x in arrays]
    if axis is None:
        parts, axis = [ravel(x) for x in parts], 0
    value = np.concatenate([x.value for x in parts], axis=axis)
    return made(value, layout.joined([x.form for x in parts], [x.shape for x in parts], axis % value.ndim))


def append(x: Any, values: Any, axis: int | None = None) -> Any:
    """Rule of append."""
    return concatenate([np.ravel(x), np.ravel(values)]) if axis is None else concatenate([x, values], axis)


def stack(arrays: Any, axis: int = 0) -> Any:
    """Rule of stack."""
    parts = [array(x) for x in arrays]
    return concatenate([np.expand_dims(x, axis) for x in parts], axis)


def joining(prepare: Any, axis: int | None) -> Callable[[Any], Any]:
    """Return the rule of hstack, vstack, dstack: make the arrays deep enough, then join them."""

    def rule(arrays: Any) -> Any:
        parts = [prepare(array(x)) for x in arrays]
        return concatenate(parts, (0 if parts[0].ndim == 1 else 1) if axis is None else axis)

    return rule


def column(x: Any) -> Any:
    """Return a vector as a column."""
    return x if x.ndim > 1 else reshape(x, (-1, 1))


def block(arrays: Any) -> Any:
    """Rule of block."""

    def build(tree: Any, axis: int) -> Any:
        if not isinstance(tree, list):
            return array(tree)
        parts = [build(item, axis + 1) for item in tree]
        ndim = max(max(x.ndim for x in parts), -axis)
        parts = [reshape(x, (1,) * (ndim - x.ndim) + x.shape) for x in parts]
        return concatenate(parts, axis)

    def depth(tree: Any) -> int:
        return 1 + max(map(depth, tree)) if isinstance(tree, list) else 0

    return build(arrays, -depth(arrays)) if isinstance(arrays, list) else copy(arrays)


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Rule of split and array_split: views."""
    x = array(x)
    lead = (slice(None),) * (axis % x.ndim)
    ends = np.array_split(np.arange(x.shape[axis]), indices_or_sections)
    if isinstance(indices_or_sections, (int, np.integer)) and x.shape[axis] % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    begin, views = 0, []
    for part in ends:
        views.append(x[(*lead, slice(begin, begin + len(part)))])
        begin += len(part)
    return views


def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Rule of array_split."""
    parts = np.array_split(np.arange(np.shape(x)[axis]), indices_or_sections)
    return split(x, [int(k) for k in np.cumsum([len(part) for part in parts])[:-1]], axis)


def flip(x: Any, axis: Any = None) -> Any:
    """Rule of flip: a view with negative steps."""
    x = array(x)
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    back = {k % x.ndim for k in axes}
    return x[tuple(slice(None, None, -1) if k in back else slice(None) for k in range(x.ndim))]


def array_from(x: Any) -> Any:
    """Return nested lists of numbers and perturbed numbers as one array; anything else unchanged."""
    if type(x) is DifferenceArray:
        return x
    if not has_difference(x):
        return np.asarray(x)
    return stack([array_from(item) for item in x])


def values_of(x: Any) -> Any:
    """Return nested lists of numbers and perturbed numbers with values in place of the latter."""
    if type(x) is DifferenceArray:
        return x.value
    return [values_of(item) for item in x] if isinstance(x, (list, tuple)) else x


def has_difference(x: Any) -> bool:
    """Whether nested lists hold a difference array."""
    if type(x) is DifferenceArray:
        return True
    return isinstance(x, (list, tuple)) and any(has_difference(item) for item in x)


def rot90(x: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Rule of rot90: flips and a transposition, all of them views."""
    first, second = (axis % np.ndim(x) for axis in axes)
    if k % 4 == 0:
        return x[...]
    if k % 4 == 2:
        return np.flip(np.flip(x, first), second)
    flipped = np.flip(x, second) if k % 4 == 1 else x
    turned = np.swapaxes(flipped, first, second)
    return turned if k % 4 == 1 else np.flip(turned, second)


# Copies and new arrays


def copy(x: Any, order: Any = "K", subok: bool = False) -> Any:
    """Rule of copy."""
    x = array(x)
    return made(np.array(x.value, order=order), x.form)


copy_of = copy  # where an argument has this name


def copy_method(x: Any, order: Any = "C") -> Any:
    """Rule of x.copy(), whose order is not that of np.copy."""
    return copy(x, order)


def copyto(target: Any, source: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Rule of copyto."""
    from fastcheck.engines.difference.dispatch import write

    write(target, source if where is True else np.where(where, source, target), "copyto")


def astype(x: Any, dtype: Any, order: Any = "K", *, copy: bool = True, **keywords: Any) -> Any:
    """Rule of astype: to float64, and from float to bool."""
    kind = np.dtype(dtype)
    if kind == np.float64 and x.dtype == kind and not copy and order_kept(x.value, order):
        return x
    if x.form is not None and x.dtype.kind == "f" and kind.kind == "b":
        return copy_of(x != 0, order)
    if x.form is None or kind == np.float64 or (x.dtype.kind in "biu" and kind.kind in "iu"):
        return made(x.value.astype(kind, order=order), x.form)
    raise TracingError(f"astype({kind})", ONLY_DOUBLE)


def filled_like(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of zeros_like and friends: a new array, ready for perturbed values."""

    @functools.wraps(function)
    def rule(x: Any, *arguments: Any, **keywords: Any) -> Any:
        from fastcheck.engines.difference.dispatch import rewrap

        return rewrap(function(np.empty_like(array(x).value), *arguments, **keywords))

    return rule


def full_like(x: Any, fill_value: Any, **keywords: Any) -> Any:
    """Rule of full_like."""
    result = np.zeros_like(x, **keywords)
    result[...] = fill_value
    return result


def fact(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of a function that only looks at the shape."""

    @functools.wraps(function)
    def rule(x: Any, *arguments: Any, **keywords: Any) -> Any:
        return function(np.broadcast_to(0.0, array(x).shape), *arguments, **keywords)

    return rule


def register() -> None:
    """Fill the table."""
    FUNCTIONS.update(
        {np.reshape: reshape, np.ravel: ravel, np.transpose: transpose, np.permute_dims: transpose}
    )
    FUNCTIONS.update({f: shaped_like(f) for f in (np.squeeze, np.expand_dims)})
    FUNCTIONS.update({f: atleast(f) for f in (np.atleast_1d, np.atleast_2d, np.atleast_3d)})
    FUNCTIONS.update(
        {
            f: axes_moved(f)
            for f in (np.swapaxes, np.moveaxis, np.rollaxis, np.matrix_transpose, np.linalg.matrix_transpose)
        }
    )
    FUNCTIONS.update({f: moving(f) for f in (np.tile, np.repeat, np.roll, np.delete, np.resize)})
    FUNCTIONS.update({f: moving(f) for f in (np.tril, np.triu, np.diagflat)})
    FUNCTIONS.update({f: moving_view(f) for f in (np.diagonal, np.linalg.diagonal)})
    FUNCTIONS.update({np.diag: diag})
    FUNCTIONS.update({np.lib.stride_tricks.sliding_window_view: windows})
    FUNCTIONS.update({np.broadcast_to: broadcast_to, np.broadcast_arrays: broadcast_arrays, np.pad: pad})
    FUNCTIONS.update({np.append: append, np.rot90: rot90})
    FUNCTIONS.update({np.concatenate: concatenate, np.concat: concatenate, np.stack: stack, np.block: block})
    FUNCTIONS.update({np.hstack: joining(np.atleast_1d, None), np.vstack: joining(np.atleast_2d, 0)})
    FUNCTIONS.update({np.dstack: joining(np.atleast_3d, 2), np.column_stack: joining(column, 1)})
    FUNCTIONS.update({np.split: split, np.array_split: array_split})
    FUNCTIONS.update({np.vsplit: split, np.hsplit: lambda x, n: split(x, n, 0 if np.ndim(x) == 1 else 1)})
    FUNCTIONS.update({np.flip: flip, np.flipud: lambda x: flip(x, 0), np.fliplr: lambda x: flip(x, 1)})
    FUNCTIONS.update({np.copy: copy, np.copyto: copyto})
    FUNCTIONS.update({f: filled_like(f) for f in (np.zeros_like, np.ones_like, np.empty_like)})
    FUNCTIONS.update({np.full_like: full_like})
    FUNCTIONS.update({f: fact(f) for f in (np.shape, np.size, np.ndim)})
    FUNCTIONS.update({np.iscomplexobj: lambda x: False, np.isrealobj: lambda x: True})
    FUNCTIONS.update(
        {
            np.result_type: lambda *x: np.result_type(
                *(taken(a)[0] if type(a) is DifferenceArray else a for a in x)
            )
        }
    )


register()
