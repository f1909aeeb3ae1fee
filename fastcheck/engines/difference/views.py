"""How a view sees its parent: basic indexing, reshape, transpose, and read-only views that pick entries."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fastcheck.engines.difference import layout
from fastcheck.engines.difference.arrays import Lens
from fastcheck.engines.difference.forms import Array, Form, Shape


class IndexLens(Lens):
    """The view ``x[key]``, the key being basic."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def look(self, value: Any) -> Any:
        """Return the values."""
        return value[self.key]

    def get(self, form: Form, shape: Shape) -> Form | None:
        """Return the differences."""
        return layout.sliced(form, self.key, shape)

    def put(self, old: Form | None, new: Form | None, shape: Shape, region: Shape) -> Form | None:
        """Return the parent's differences."""
        return layout.assigned(old, self.key, new, shape, region)


class ReshapeLens(Lens):
    """The view ``x.reshape(shape)``."""

    __slots__ = ("shape",)

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def look(self, value: Any) -> Any:
        """Return the values."""
        return value.reshape(self.shape)

    def get(self, form: Form, shape: Shape) -> Form | None:
        """Return the differences."""
        return layout.reshaped(form, self.shape)

    def put(self, old: Form | None, new: Form | None, shape: Shape, region: Shape) -> Form | None:
        """Return the parent's differences."""
        return None if new is None else layout.reshaped(new, shape)


class TransposeLens(Lens):
    """The view ``x.transpose(axes)``."""

    __slots__ = ("axes",)

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = axes

    def look(self, value: Any) -> Any:
        """Return the values."""
        return value.transpose(self.axes)

    def get(self, form: Form, shape: Shape) -> Form | None:
        """Return the differences."""
        return layout.transposed(form, self.axes)

    def put(self, old: Form | None, new: Form | None, shape: Shape, region: Shape) -> Form | None:
        """Return the parent's differences."""
        return None if new is None else layout.transposed(new, [int(k) for k in np.argsort(self.axes)])


class PickLens(Lens):
    """A read-only view by a function that moves entries."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def look(self, value: Any) -> Any:
        """Return the values, which cannot be written."""
        view = self.function(value).view()
        view.flags.writeable = False
        return view

    def get(self, form: Form, shape: Shape) -> Form | None:
        """Return the differences."""
        return layout.picked(form, self.function(numbers(form.shape)))


class BroadcastLens(PickLens):
    """The read-only view ``broadcast_to(x, shape)``."""

    __slots__ = ("shape",)

    def __init__(self, shape: Shape) -> None:
        super().__init__(lambda value: np.broadcast_to(value, shape))
        self.shape = shape

    def get(self, form: Form, shape: Shape) -> Form | None:
        """Return the differences, in the form that they have."""
        return form.lifted(shape)


class WindowLens(PickLens):
    """The read-only view ``sliding_window_view(x, window, axes)``."""

    __slots__ = ("axes", "window")

    def __init__(self, window: Shape, axes: tuple[int, ...]) -> None:
        super().__init__(lambda value: sliding_window_view(value, window, axes))
        self.window, self.axes = window, axes

    def get(self, form: Form, shape: Shape) -> Form | None:
        """Return the differences: windows of those, which stay sparse along the other axes."""
        form = form.spread(self.axes)
        values = form.values()
        dims = [form.shape[k] if k in self.axes else n for k, n in enumerate(values.shape[1:])]
        full = np.broadcast_to(values, (len(values), *dims))
        data = sliding_window_view(full, self.window, tuple(k + 1 for k in self.axes))
        return Form(data, shape, form.at, peak=form.peak())


def numbers(shape: Shape) -> Array:
    """Return the flat number of each entry."""
    return np.arange(math.prod(shape)).reshape(shape)
