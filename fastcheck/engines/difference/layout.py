"""Moving entries about: reshape, transpose, basic and fancy indexing, assignment, joining; for one form at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcheck.engines.difference.forms import Array, Form, Position, Shape, same_position, spend


def transposed(f: Form, axes: Sequence[int]) -> Form:
    """Return the form of ``x.transpose(axes)``."""
    order = [0, *(axis + 1 for axis in axes)]
    shape = tuple(f.shape[axis] for axis in axes)
    at = {axes.index(axis): position for axis, position in f.at.items()}
    coef = None if f.coef is None else f.coef.transpose(axes)
    bound = None if f._bound is None else f._bound.transpose(order)
    return Form(f.data.transpose(order), shape, at, coef, bound, f._peak)


def groups(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]]:
    """Return which axes of ``old`` become which axes of ``new`` in a reshape, in the smallest groups."""
    result = []
    i = j = 0
    while i < len(old) or j < len(new):
        a, b = [i], [j]
        p = old[i] if i < len(old) else 1
        q = new[j] if j < len(new) else 1
        i, j = i + 1, j + 1
        while p != q:
            if p < q:
                p *= old[i]
                a.append(i)
                i += 1
            else:
                q *= new[j]
                b.append(j)
                j += 1
        result.append(([k for k in a if k < len(old)], [k for k in b if k < len(new)]))
    return result


def reshaped(f: Form, shape: Shape) -> Form | None:
    """Return the form of ``x.reshape(shape)``: axes that stay whole stay sparse, and so does a one-hot."""
    if shape == f.shape:
        return f
    if 0 in shape:
        return None
    parts = groups(f.shape, shape)
    torn = [
        axis
        for old, new in parts
        if len(old) != 1 or len(new) != 1
        for axis in old
        if axis in f.at and not all(k in f.at or f.shape[k] == 1 for k in old)
    ]
    f = f.spread(torn)
    at: dict[int, Position] = {}
    for old, new in parts:
        held = [axis for axis in old if axis in f.at]
        if held:
            index = [f.at.get(axis, 0) for axis in old]
            flat: Any = np.ravel_multi_index(index, [f.shape[k] for k in old])
            for k, position in zip(new, np.unravel_index(flat, [shape[k] for k in new]), strict=True):
                if shape[k] != 1:
                    at[k] = position if isinstance(position, np.ndarray) else int(position)

    def pour(array: Array) -> Array:
        dims = array.shape[1:]
        source, target = [len(array)], [len(array)]
        for old, new in parts:
            if all(dims[k] == 1 for k in old):
                source += [1] * len(old)
                target += [1] * len(new)
            else:
                source += [f.shape[k] for k in old]
                target += [shape[k] for k in new]
        if (1, *dims) != (1, *source[1:]):
            array = np.broadcast_to(array, source)
        return array.reshape(target)

    coef = None if f.coef is None else pour(f.coef[None])[0]
    bound = None if f._bound is None else pour(f._bound)
    return Form(pour(f.data), shape, at, coef, bound, f._peak)


def full_key(key: Any, ndim: int) -> list[Any]:
    """Return a key as a list with one entry per axis, and None for new ones."""
    parts = list(key) if isinstance(key, tuple) else [key]
    used = sum(
        part.ndim if is_mask(part) else 1 for part in parts if part is not None and part is not Ellipsis
    )
    fill = [slice(None)] * (ndim - used)
    for k, part in enumerate(parts):
        if part is Ellipsis:
            return parts[:k] + fill + parts[k + 1 :]
    return parts + fill


def is_mask(part: Any) -> bool:
    """Whether a part of a key is a boolean array."""
    return isinstance(part, np.ndarray) and part.dtype == bool


def is_basic(key: Any) -> bool:
    """Whether a key gives a view: numbers, slices, None and Ellipsis."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(
        part is None
        or part is Ellipsis
        or isinstance(part, slice)
        or (isinstance(part, (int, np.integer)) and not isinstance(part, (bool, np.bool_)))
        for part in parts
    )


def located(position: Position, part: slice, n: int) -> tuple[Position, Any]:
    """Return where a position falls within a slice, and whether it does."""
    start, stop, step = part.indices(n)
    if (start, stop, step) == (0, n, 1):
        return position, True
    length = len(range(start, stop, step))
    inner, rest = np.divmod(np.subtract(position, start), step)
    inside = (rest == 0) & (inner >= 0) & (inner < length)
    if isinstance(position, int):
        return int(inner), bool(inside)
    return np.where(inside, inner, 0), inside


def sliced(f: Form, key: Any, shape: Shape) -> Form | None:
    """Return the form of ``x[key]``, of the given shape, for a basic key."""
    if 0 in shape:
        return None
    index: list[Any] = []
    coef_index: list[Any] = []
    at: dict[int, Position] = {}
    inside: Any = True
    axis = place = 0
    for part in full_key(key, len(f.shape)):
        if part is None:
            index.append(None)
            coef_index.append(None)
            place += 1
            continue
        n, position = f.shape[axis], f.at.get(axis)
        if isinstance(part, slice):
            if position is not None:
                position, here = located(position, part, n)
                inside = inside & here
                if shape[place] != 1:
                    at[place] = position
            index.append(part if f.data.shape[axis + 1] != 1 else slice(None))
            coef_index.append(part if f.coef is not None and f.coef.shape[axis] != 1 else slice(None))
            place += 1
        else:
            if position is not None:
                inside = inside & (position == int(part) % n)
            index.append(part if f.data.shape[axis + 1] != 1 else 0)
            coef_index.append(part if f.coef is not None and f.coef.shape[axis] != 1 else 0)
        axis += 1
    if not np.any(inside):
        return None
    coef = None if f.coef is None else np.asarray(f.coef[tuple(coef_index)])
    data = f.data[(slice(None), *index)]
    if np.all(inside):
        return Form(data, shape, at, coef, peak=f._peak)
    return Form(data * inside.reshape([-1] + [1] * (data.ndim - 1)), shape, at, coef, peak=f._peak)


def fancied(f: Form, key: Any, shape: Shape) -> Form | None:
    """Return the form of ``x[key]``, of the given shape, for a key with index arrays or masks."""
    if 0 in shape:
        return None
    parts: list[Any] = []
    for part in full_key(key, len(f.shape)):
        parts += list(part.nonzero()) if is_mask(part) else [part]
    chosen = [k for k, part in enumerate(parts) if part is not None and not isinstance(part, slice)]
    if any(part is None for part in parts) or chosen[-1] - chosen[0] + 1 != len(chosen):
        return picked(f, np.arange(math.prod(f.shape)).reshape(f.shape)[key])
    slices = tuple(part if isinstance(part, slice) else slice(None) for part in parts)
    before = f.shape
    between = tuple(
        len(range(*part.indices(n))) if isinstance(part, slice) else n
        for part, n in zip(parts, before, strict=True)
    )
    g = sliced(f, slices, between)
    if g is None:
        return None
    values = g.values()
    arrays = np.broadcast_arrays(*(parts[k] for k in chosen))
    first, width, shift = chosen[0], len(chosen), arrays[0].ndim - len(chosen)
    index: list[Any] = [slice(None)] * values.ndim
    match: Any = True
    for k, where in zip(chosen, arrays, strict=True):
        where = np.asarray(where) % g.shape[k]
        index[k + 1] = np.zeros_like(where) if values.shape[k + 1] == 1 else where
        if k in g.at:
            match = match & (where[None] == np.reshape(g.at[k], [-1] + [1] * where.ndim))
    data = values[tuple(index)]
    if match is not True:
        after = len(g.shape) - first - width
        data = data * match.reshape(len(match), *[1] * first, *match.shape[1:], *[1] * after)
    spend(len(data), data.shape[1:])
    at = {k if k < first else k + shift: p for k, p in g.at.items() if k not in chosen}
    return Form(data, shape, {k: p for k, p in at.items() if shape[k] != 1}, peak=f._peak)


def picked(f: Form, source: Array) -> Form:
    """Return the form of an array whose entries are entries of x by flat number; -1 is an unperturbed entry."""
    values = f.dense()
    spend(len(values), source.shape)
    data = values.reshape(len(values), -1)[:, source]
    if (source < 0).any():
        data = np.where(source < 0, 0.0, data)
    return Form(data, source.shape, peak=f._peak)


def assigned(f: Form | None, key: Any, g: Form | None, shape: Shape, region: Shape) -> Form | None:
    """Return the form of x after ``x[key] = y``, for a basic key that selects an array of shape ``region``."""
    if f is None and g is None:
        return None
    parts = [part for part in full_key(key, len(shape)) if part is not None]
    if g is not None:
        g = reshaped(g.lifted(region), inner_shape(parts, shape, region))
    if g is None:
        return f if f is None or not touches(f, parts) else cleared(f, parts)
    places: dict[int, Position] = {}
    place = 0
    for axis, part in enumerate(parts):
        if not isinstance(part, slice):
            places[axis] = int(part) % shape[axis]
        else:
            start, stop, step = part.indices(shape[axis])
            if len(range(start, stop, step)) == 1:
                places[axis] = start
            elif place in g.at:
                places[axis] = g.at[place] * step + start
            place += 1
    if f is None:
        at = {axis: position for axis, position in places.items() if shape[axis] != 1}
    else:
        at = {a: p for a, p in places.items() if a in f.at and same_position(p, f.at[a])}
        f = f.keep(at)
    inner = [axis for axis, part in enumerate(parts) if isinstance(part, slice)]
    values = g.spread([k for k, axis in enumerate(inner) if axis not in at]).values()
    dims = [1 if axis in at else n for axis, n in enumerate(shape)]
    spend(len(values), dims)
    data = np.zeros((len(values), *dims))
    if f is not None:
        data[...] = f.values()
    index = [0 if axis in at and not isinstance(part, slice) else part for axis, part in enumerate(parts)]
    index = [
        slice(None) if axis in at and isinstance(part, slice) else part for axis, part in enumerate(index)
    ]
    data[(slice(None), *index)] = values
    return Form(data, shape, at, peak=g.peak() + (0.0 if f is None else f.peak()))


def inner_shape(parts: list[Any], shape: Shape, region: Shape) -> Shape:
    """Return the region's shape without new axes."""
    return tuple(
        len(range(*part.indices(n))) for part, n in zip(parts, shape, strict=True) if isinstance(part, slice)
    )


def touches(f: Form, parts: list[Any]) -> bool:
    """Whether any difference lies within the key's region."""
    inside: Any = True
    for axis, position in f.at.items():
        part = parts[axis]
        inside = inside & (
            located(position, part, f.shape[axis])[1]
            if isinstance(part, slice)
            else np.equal(position, int(part) % f.shape[axis])
        )
    return bool(np.any(inside))


def cleared(f: Form, parts: list[Any]) -> Form:
    """Return the form with zeros in the key's region."""
    mask = np.ones(f.shape, dtype=bool)
    mask[tuple(parts)] = False
    return f.selected(mask, f.shape)


def scattered(f: Form | None, key: Any, g: Form | None, shape: Shape, region: Shape) -> Form | None:
    """Return the form of x after ``x[key] = y`` for a fancy key."""
    if f is None and g is None:
        return None
    target = np.arange(math.prod(shape)).reshape(shape)[key].ravel()
    form = g if f is None else f
    members = max(len(form.data) if form is not None else 1, len(g.data) if g is not None else 1)
    spend(members, shape)
    data = np.zeros((members, *shape))
    if f is not None:
        data[...] = f.dense()
    flat = data.reshape(members, -1)
    flat[:, target] = 0.0 if g is None else g.lifted(region).dense().reshape(len(g.data), target.size)
    return Form(data, shape)


def joined(forms: Sequence[Form | None], shapes: Sequence[Shape], axis: int) -> Form | None:
    """Return the form of the concatenation of arrays along an axis."""
    present = [k for k, f in enumerate(forms) if f is not None]
    if not present:
        return None
    total = sum(shape[axis] for shape in shapes)
    shape = (*shapes[0][:axis], total, *shapes[0][axis + 1 :])
    first = forms[present[0]]
    assert first is not None
    if len(present) == 1 and axis in first.at:
        offset = sum(s[axis] for s in shapes[: present[0]])
        at = {k: p + offset if k == axis else p for k, p in first.at.items()}
        return Form(first.data, shape, at, first.coef, first._bound, first._peak)
    at = {
        k: p
        for k, p in first.at.items()
        if k != axis and all(f is None or (k in f.at and same_position(p, f.at[k])) for f in forms)
    }
    parts = [None if f is None else f.keep(at).values() for f in forms]
    known = [part for part in parts if part is not None]
    dims = [max(part.shape[k + 1] for part in known) for k in range(len(shape))]
    members = max(len(part) for part in known)
    dims[axis] = total
    spend(members, dims)
    data = np.zeros((members, *dims))
    begin = 0
    for part, s in zip(parts, shapes, strict=True):
        if part is not None:
            data[(slice(None),) * (axis + 1) + (slice(begin, begin + s[axis]),)] = part
        begin += s[axis]
    return Form(data, shape, at, peak=sum(f.peak() for f in forms if f is not None))
