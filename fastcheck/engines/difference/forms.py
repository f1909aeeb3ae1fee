"""The form of a difference: what a batch of B perturbations changes in one array, stored sparsely.

One class covers every form. The difference of member b, in an array of shape S, is ``coef * data[b]``, where

* ``data`` has shape (B, *dims); each of the dims is the axis' full length, or 1,
* an axis in ``at`` (axis → position) is zero except at that position, the same for all members (an int) or one
  for each (an array of shape (B,)); its dim is 1,
* along any other axis of dim 1 the difference is constant,
* ``coef`` (None for 1) is common to the batch, with dims of its own, 1 or the full length; 1 along ``at``.
* ``peak`` is a number that no |difference| exceeds: rarely tight, but for free.

So a one-hot difference has every axis in ``at``; a changed row or column has one; a dense one none. A change that
all members share up to a factor, such as ``W2[:, i] * dA1[i, :]`` when every member changes row i, is a ``coef`` of
shape (n, 1) and data of shape (B, 1, m): linear operations, and a ReLU that no member switches, only touch ``coef``.

Forms are immutable: operations share their arrays freely.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.difference.state import running

Array = NDArray[Any]
Position = int | NDArray[np.intp]
Shape = tuple[int, ...]
Places = Mapping[int, Position]

NOWHERE: Places = {}

MANY = 10_000
"""Entries whose absolute values take longer to write than to be read twice."""


class Form:
    """A batch of differences of one array of shape ``shape``; see the module's text."""

    __slots__ = ("_bound", "_peak", "at", "coef", "data", "shape")

    def __init__(
        self,
        data: Array,
        shape: Shape,
        at: Places = NOWHERE,
        coef: Array | None = None,
        bound: Array | None = None,
        peak: float | None = None,
    ) -> None:
        self.data = data
        self.shape = shape
        self.at = at
        self.coef = coef
        self._bound = bound
        self._peak = peak

    @property
    def common(self) -> bool:
        """Whether all members share their positions."""
        return all(isinstance(position, int) for position in self.at.values())

    def bound(self) -> Array:
        """Return max |data| over the members, shape (1, *dims)."""
        if self._bound is None:
            data = self.data
            if len(data) == 1:
                self._bound = np.abs(data)
                return self._bound
            high: Array = np.maximum.reduce(data, axis=0, keepdims=True)
            low: Array = np.minimum.reduce(data, axis=0, keepdims=True)
            self._bound = np.maximum(high, -low)
        return self._bound

    def peak(self) -> float:
        """Return a number that no |difference| exceeds; NaN or infinite if the differences may be."""
        if self._peak is None:
            size = largest(self.data if self._bound is None else self._bound)
            self._peak = size * (1.0 if self.coef is None else largest(self.coef))
        return self._peak

    def magnitude(self) -> Array:
        """Return the largest |difference| of any member, shape of dims: meaningful if positions are common."""
        bound: Array = self.bound()[0]
        return bound if self.coef is None else np.abs(self.coef) * bound

    def values(self) -> Array:
        """Return ``coef * data``, shape (B, *dims)."""
        if self.coef is None:
            return self.data
        spend(len(self.data), longer(self.coef.shape, self.data.shape[1:]))
        return self.coef * self.data

    def plain(self) -> Form:
        """Return the same difference without ``coef``."""
        return self if self.coef is None else Form(self.values(), self.shape, self.at, peak=self._peak)

    def shared(self, coef: Array | None, peak: float | None = None) -> Form:
        """Return the same data with another ``coef``."""
        return Form(self.data, self.shape, self.at, coef, self._bound, peak)

    def spread(self, axes: Sequence[int]) -> Form:
        """Return the same difference with these axes stored in full length."""
        axes = [axis for axis in axes if axis in self.at]
        if not axes:
            return self
        values = self.values()
        members = len(values)
        dims = [self.shape[k] if k in axes else n for k, n in enumerate(values.shape[1:])]
        spend(members, dims)
        data = np.zeros((members, *dims))
        index: list[Any] = [slice(None)] * data.ndim
        arrays = [axis for axis in axes if not isinstance(self.at[axis], int)]
        for axis in axes:
            index[axis + 1] = self.at[axis]
        if not arrays:
            for axis in axes:
                index[axis + 1] = slice(self.at[axis], int(self.at[axis]) + 1)
            data[tuple(index)] = values
        else:
            index[0] = np.arange(members)
            rest = [k for k in range(len(dims)) if k not in axes]
            order = [0, *(k + 1 for k in axes), *(k + 1 for k in rest)]
            target = data.transpose(order)
            where = tuple(index[k] for k in order[: len(axes) + 1])
            target[where] = values.reshape([members, *(dims[k] for k in rest)])
        return Form(data, self.shape, {k: p for k, p in self.at.items() if k not in axes}, peak=self._peak)

    def keep(self, at: Places) -> Form:
        """Return the same difference, sparse only along the axes of ``at``."""
        return self.spread([axis for axis in self.at if axis not in at])

    def dense(self) -> Array:
        """Return the differences, shape (B, *shape); possibly a read-only view."""
        full = self.spread(list(self.at)).values()
        if full.shape[1:] != self.shape:
            spend(len(full), self.shape)
            full = np.broadcast_to(full, (len(full), *self.shape))
        return full

    def lifted(self, shape: Shape) -> Form:
        """Return the difference of the array broadcast to ``shape``."""
        if shape == self.shape:
            return self
        extra = len(shape) - len(self.shape)
        data, coef, bound, at = self.data, self.coef, self._bound, self.at
        if extra:
            ones = (1,) * extra
            data = data.reshape(len(data), *ones, *data.shape[1:])
            coef = None if coef is None else coef.reshape(ones + coef.shape)
            bound = None if bound is None else bound.reshape(1, *ones, *bound.shape[1:])
            at = {k + extra: p for k, p in at.items()}
        return Form(data, shape, at, coef, bound, self._peak)

    def scaled(self, factor: Any, shape: Shape, *, given: bool = False) -> Form:
        """Return the difference of ``factor * x``, broadcast to ``shape``, for an unperturbed factor.

        If the factor is ``given`` away, nobody else uses its memory.
        """
        form = self.lifted(shape)
        peak = form.peak() * largest(factor)
        if np.ndim(factor) == 0:
            factor = float(factor)
            coef = np.full((1,) * len(shape), factor) if form.coef is None else factor * form.coef
            return form.shared(coef, peak)
        picked = gather(lift(factor, len(shape)), form.at)
        if len(picked) == 1:
            return form.shared(_multiplied(form.coef, picked[0], given), peak)
        values = form.values()
        spend(len(values), longer(values.shape[1:], picked.shape[1:]))
        return Form(values * picked, shape, form.at, peak=peak)

    def selected(self, mask: Array, shape: Shape) -> Form:
        """Return the difference where ``mask`` holds, and exactly 0 elsewhere, whatever was there."""
        if math.isfinite(self.peak()):
            return self.scaled(mask, shape)
        form = self.lifted(shape)
        picked = gather(lift(mask, len(shape)), form.at)
        return Form(np.where(picked, form.values(), 0.0), shape, form.at)

    def mapped(self, function: Callable[[Array], Array], shape: Shape) -> Form:
        """Apply a function to each part that works along untouched axes: the batch is the first axis."""
        bound = None if self._bound is None else function(self._bound)
        coef = None if self.coef is None else function(self.coef[None])[0]
        return Form(function(self.data), shape, self.at, coef, bound, self._peak)

    def members(self) -> NDArray[np.bool_]:
        """Return which members change anything, shape (B,)."""
        values = self.values()
        changed: NDArray[np.bool_] = (values != 0).any(axis=tuple(range(1, values.ndim)))
        return changed


def _multiplied(coef: Array | None, factor: Array, given: bool) -> Array:
    """Return coefficient times factor, in the memory of a factor that is ``given`` away if it fits there.

    Else it is a copy: the factor may be the user's memory, and written to before the product is read.
    """
    given = given and factor.dtype == float and factor.flags.writeable
    if coef is None:
        return factor if given else np.array(factor, dtype=float)
    fits = given and np.broadcast_shapes(coef.shape, factor.shape) == factor.shape
    return np.multiply(coef, factor, out=factor if fits else None)


def largest(x: Any) -> float:
    """Return max |x|, 0 for no entries."""
    if not isinstance(x, np.ndarray) or x.ndim == 0:
        return abs(float(x))
    if x.size > MANY:
        return max(float(np.maximum.reduce(x, axis=None)), -float(np.minimum.reduce(x, axis=None)))
    return float(np.maximum.reduce(np.abs(x), axis=None, initial=0.0))


def smallest(x: Any) -> float:
    """Return min x, infinity for no entries."""
    if not np.ndim(x):
        return float(x)
    return float(np.minimum.reduce(x, axis=None)) if np.size(x) else np.inf


def spend(members: int, dims: Sequence[int]) -> None:
    """Count an array of differences in the running trace."""
    running().spend(members * math.prod(dims))


def longer(one: Sequence[int], other: Sequence[int]) -> Shape:
    """Return the dims of two arrays multiplied, of one length."""
    return tuple(map(max, one, other))


def lift(value: Any, ndim: int) -> Array:
    """Return the array with axes of length 1 in front."""
    array: Array = np.asarray(value)
    return array if array.ndim == ndim else array.reshape((1,) * (ndim - array.ndim) + array.shape)


def gather(value: Array, at: Places) -> Array:
    """Return the part of ``value`` at the positions: shape (1, *dims), or (B, *dims) if they are not common.

    Axes on which ``value`` has length 1 are left alone: it is broadcast there.
    """
    if not at:
        return value[None]
    index: list[Any] = [slice(None)] * value.ndim
    arrays: list[int] = []
    for axis, position in at.items():
        if value.shape[axis] == 1:
            continue
        if isinstance(position, int):
            index[axis] = slice(position, position + 1)
        else:
            arrays.append(axis)
    value = value[tuple(index)]
    if not arrays:
        return value[None]
    rest = [k for k in range(value.ndim) if k not in arrays]
    picked = value.transpose(arrays + rest)[tuple(at[k] for k in arrays)]
    dims = [1 if k in arrays else n for k, n in enumerate(value.shape)]
    return np.reshape(picked, [len(picked), *dims])


def same_position(one: Position, other: Position) -> bool:
    """Whether two positions are equal for every member."""
    if one is other:
        return True
    if isinstance(one, int) or isinstance(other, int):
        return isinstance(one, int) and isinstance(other, int) and one == other
    return bool(np.array_equal(one, other))


def shared_places(forms: Sequence[Form]) -> Places:
    """Return the positions that all the forms, of one shape, have in common."""
    first, *others = forms
    if not others:
        return first.at
    return {
        axis: position
        for axis, position in first.at.items()
        if all(axis in form.at and same_position(position, form.at[axis]) for form in others)
    }


def combined(operation: Any, f: Form | None, g: Form | None, shape: Shape) -> Form | None:
    """Return the difference of ``x + y`` or ``x - y``, by ``operation``."""
    if g is None:
        return None if f is None else f.lifted(shape)
    if f is None:
        g = g.lifted(shape)
        return g if operation is np.add else g.scaled(-1.0, shape)
    f, g = f.lifted(shape), g.lifted(shape)
    at = shared_places([f, g])
    peak = f.peak() + g.peak()
    if same_data(f, g) and len(at) == len(f.at) == len(g.at):
        one = np.ones((1,) * len(shape))
        coef = operation(one if f.coef is None else f.coef, one if g.coef is None else g.coef)
        return f.shared(coef, peak)
    f, g = f.keep(at), g.keep(at)
    f_values, g_values = f.values(), g.values()
    spend(len(f_values), longer(f_values.shape[1:], g_values.shape[1:]))
    fresh = f.coef is not None and f_values.shape == np.broadcast_shapes(f_values.shape, g_values.shape)
    return Form(operation(f_values, g_values, out=f_values if fresh else None), shape, at, peak=peak)


def same_data(f: Form, g: Form) -> bool:
    """Whether two forms hold the same memory, seen the same way."""
    a, b = f.data, g.data
    return a is b or (
        a.shape == b.shape
        and a.strides == b.strides
        and np.may_share_memory(a, b)
        and a.__array_interface__["data"] == b.__array_interface__["data"]
    )


def members_of(flags: Array) -> Array:
    """Return which members have a flag set anywhere, shape (B,), or (1,) if none are told apart."""
    result: Array = np.any(flags.reshape(len(flags), -1), axis=1)
    return result
