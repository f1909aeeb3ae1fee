"""Convolutions, and reductions of windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fastcheck.engines.graph.frameworks.jax.primitives.movement import Positions, numbers, padded, picked
from fastcheck.engines.graph.tracing.operands import constant, fixed


def positions_in_windows(
    shape: Sequence[int],
    sizes: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    window_dilation: Sequence[int],
) -> Positions:
    """Return the flat positions of the entries of windows in an array: axes that number windows, then those inside."""
    around = [(low, high, d - 1) for (low, high), d in zip(padding, dilation, strict=True)]
    spread = padded(numbers(shape), around)
    reach = [(size - 1) * d + 1 for size, d in zip(sizes, window_dilation, strict=True)]
    if any(n < r for n, r in zip(spread.shape, reach, strict=True)):
        outer = [max(0, (n - r) // s + 1) for n, r, s in zip(spread.shape, reach, strides, strict=True)]
        return np.zeros((*outer, *sizes), np.intp)
    windows = sliding_window_view(spread, reach)
    steps = (*(slice(None, None, s) for s in strides), *(slice(None, None, d) for d in window_dilation))
    return np.ascontiguousarray(windows[steps])


def convolution(
    x: Any,
    kernel: Any,
    *,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    dimension_numbers: Any,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    **_: Any,
) -> Any:
    """Return the convolution of signals with kernels, a product of their windows and these."""
    x = np.transpose(x, dimension_numbers.lhs_spec)  # N, C, space
    kernel = np.transpose(kernel, dimension_numbers.rhs_spec)  # O, I, space
    space, window = np.shape(x)[2:], np.shape(kernel)[2:]
    places = positions_in_windows(space, window, window_strides, padding, lhs_dilation, rhs_dilation)
    outer = places.shape[: len(space)]
    out, into = np.shape(kernel)[:2]
    groups = feature_group_count * batch_group_count
    flat = np.reshape(x, (-1, *np.shape(x)[1:2], math.prod(space)))
    if batch_group_count > 1:  # as many groups of signals, each with kernels of its own
        flat = np.reshape(flat, (batch_group_count, -1, *np.shape(flat)[1:]))
        flat = np.moveaxis(flat, 0, 1)
        flat = np.reshape(flat, (np.shape(flat)[0], -1, math.prod(space)))
    columns = _columns(flat, places.reshape(math.prod(outer), math.prod(window)))
    many = np.shape(flat)[0]
    columns = np.reshape(columns, (many, groups, into, math.prod(outer), math.prod(window)))
    columns = np.transpose(columns, (1, 0, 3, 2, 4))
    columns = np.reshape(columns, (groups, many * math.prod(outer), into * math.prod(window)))
    kernels = np.reshape(kernel, (groups, out // groups, into * math.prod(window)))
    result = np.matmul(columns, np.swapaxes(kernels, 1, 2))  # groups, N·outer, O/groups
    result = np.reshape(result, (groups, many, math.prod(outer), out // groups))
    result = np.reshape(np.transpose(result, (1, 0, 3, 2)), (many, out, *outer))
    return np.transpose(result, np.argsort(dimension_numbers.out_spec))


def _columns(flat: Any, places: Positions) -> Any:
    """Return the entries of the windows in the last axis of an array, zero where they are outside."""
    size = np.shape(flat)[-1]
    if (places < 0).any():
        flat = np.concatenate([flat, np.zeros((*np.shape(flat)[:-1], 1))], axis=-1)
        places = np.where(places < 0, size, places)
    return flat[..., places]


def reducing(function: Callable[..., Any], fill: float) -> Callable[..., Any]:
    """Return the rule of what reduces windows, beyond the rim of which a value is that changes nothing."""

    def rule(
        x: Any,
        *,
        window_dimensions: Sequence[int],
        window_strides: Sequence[int],
        padding: Sequence[tuple[int, int]],
        base_dilation: Sequence[int] | None = None,
        window_dilation: Sequence[int] | None = None,
        **_: Any,
    ) -> Any:
        ones = [1] * len(window_dimensions)
        places = positions_in_windows(
            np.shape(x),
            window_dimensions,
            window_strides,
            padding,
            base_dilation or ones,
            window_dilation or ones,
        )
        outer = places.shape[: len(ones)]
        return function(picked(x, places.reshape(*outer, -1), fill), axis=-1)

    return rule


def scattered_to_winners(
    source: Any,
    x: Any,
    *,
    select_prim: Any,
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    **_: Any,
) -> Any:
    """Return the sums of the entries of a source at those of x that win in their windows: max pooling, backwards."""
    ones = [1] * len(window_dimensions)
    places = positions_in_windows(np.shape(x), window_dimensions, window_strides, padding, ones, ones)
    flat_places = places.reshape(math.prod(np.shape(source)), -1)
    wins, worst = (np.argmax, -np.inf) if select_prim.name == "ge" else (np.argmin, np.inf)
    winners = np.asarray(fixed(wins(picked(x, flat_places, worst), axis=-1)))
    result = constant(np.zeros(math.prod(np.shape(x))))
    np.add.at(result, flat_places[np.arange(len(flat_places)), winners], np.ravel(source))
    return np.reshape(result, np.shape(x))


RULES: dict[str, Callable[..., Any]] = {
    "conv_general_dilated": convolution,
    "select_and_scatter_add": scattered_to_winners,
    "reduce_window_sum": reducing(np.sum, 0.0),
    "reduce_window_max": reducing(np.max, -np.inf),
    "reduce_window_min": reducing(np.min, np.inf),
}
