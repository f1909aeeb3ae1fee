"""Pooling: the largest, or the mean, of entries that a window covers."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from fastcheck.engines.graph.frameworks.torch.operations.linear_in_torch import linear_of_images
from fastcheck.engines.graph.frameworks.torch.operations.table import OPERATIONS, aten
from fastcheck.engines.graph.tracing.operands import fixed, stepped, values_of
from fastcheck.engines.graph.tracing.recorded import Recorded


def _each(option: Any, rank: int) -> tuple[int, ...]:
    """Return an option for each axis: one number stands for all."""
    numbers = [*option] if isinstance(option, (list, tuple)) else [option]
    return tuple(numbers * rank if len(numbers) == 1 else numbers)


def max_pool(
    rank: int,
    x: Any,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> tuple[Any, Any]:
    """Return the largest entry in each window, and its place in its image."""
    kernel, padding, dilation = (_each(option, rank) for option in (kernel_size, padding, dilation))
    stride = _each(stride, rank) if stride else kernel
    operation: Any = getattr(torch.ops.aten, f"max_pool{rank}d_with_indices")
    compute = functools.partial(
        _by_torch, operation, kernel=kernel, options=(stride, padding, dilation, ceil_mode)
    )
    lengths = compute(values_of(x))[0].shape[-rank:]
    widths = [(0, 0)] * (np.ndim(x) - rank)
    for n, m, k, s, p, d in zip(np.shape(x)[-rank:], lengths, kernel, stride, padding, dilation, strict=True):
        widths.append((p, max((m - 1) * s + (k - 1) * d + 1 - n - p, 0)))
    has_border = any(map(any, widths))
    x_around = np.pad(x, widths, constant_values=-np.inf) if has_border else x
    covered = windows(x_around, lengths, kernel, stride, dilation)
    axes = tuple(range(np.ndim(x), np.ndim(x) + rank))
    return np.max(covered, axis=axes), stepped(lambda values: compute(values)[1], x)


def _by_torch(operation: Any, x: Any, kernel: Any, options: Any) -> tuple[Any, Any]:
    values, places = operation(torch.from_numpy(np.array(x, dtype=float)), kernel, *options)
    return values.numpy(), places.numpy()


def windows(
    x: Any, lengths: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Any:
    """Return what windows over the last axes cover, with as many axes more, the last."""
    rank, ndim = len(kernel), np.ndim(x)
    spans = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    covered = sliding_window_view(x, spans, axis=tuple(range(ndim - rank, ndim)))
    key = [slice(None)] * (ndim - rank)
    key += [slice(0, (m - 1) * s + 1, s) for m, s in zip(lengths, stride, strict=True)]
    key += [slice(None, None, d) for d in dilation]
    return covered[tuple(key)]


for _rank in (2, 3):
    OPERATIONS[f"max_pool{_rank}d_with_indices"] = functools.partial(max_pool, _rank)


@aten("adaptive_max_pool2d", "adaptive_max_pool3d")
def adaptive_max_pool(x: Any, output_size: Sequence[int]) -> tuple[Any, Any]:
    """Return the largest entries of so many parts, and their places."""
    rank = len(output_size)
    operation: Any = getattr(torch.ops.aten, f"adaptive_max_pool{rank}d")
    places = stepped(
        lambda values: operation(torch.from_numpy(np.array(values)), tuple(output_size))[1].numpy(), x
    )
    parts = [_parts(n, m) for n, m in zip(np.shape(x)[-rank:], output_size, strict=True)]
    axes = tuple(range(-rank, 0))
    largest = [np.max(x[(Ellipsis, *cell)], axis=axes) for cell in itertools.product(*parts)]
    return np.reshape(np.stack(largest, axis=-1), (*np.shape(x)[:-rank], *output_size)), places


def _parts(length: int, count: int) -> list[slice]:
    return [slice(k * length // count, -(-(k + 1) * length // count)) for k in range(count)]


@aten("max_unpool2d", "max_unpool3d")
def max_unpool(x: Any, places: Any, output_size: Sequence[int], *_: Any) -> Any:
    """Return images of zeros with entries at places."""
    rank = len(output_size)
    lead = np.shape(x)[:-rank]
    result = Recorded(np.zeros((*lead, int(np.prod(output_size)))))
    flat = np.reshape(np.array(fixed(places)), (*lead, -1))
    grid = list(np.ogrid[tuple(slice(n) for n in flat.shape)])
    result[(*grid[:-1], flat)] = np.reshape(x, flat.shape)
    return np.reshape(result, (*lead, *output_size))


@aten("max_pool2d_with_indices_backward", "max_pool3d_with_indices_backward")
def max_pool_backward(
    slope: Any, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, places: Any
) -> Any:
    """Return images of zeros to which slopes are added at the places that were the largest."""
    rank = len(kernel)
    shape = np.shape(x)
    result = Recorded(np.zeros((*shape[:-rank], int(np.prod(shape[-rank:])))))
    flat = np.reshape(np.array(fixed(places)), (*shape[:-rank], -1))
    grid = list(np.ogrid[tuple(slice(n) for n in flat.shape)])
    np.add.at(result, (*grid[:-1], flat), np.reshape(slope, flat.shape))
    return np.reshape(result, shape)


# Linear functions of images


def of_images(operation: Any, rank: int) -> Callable[..., Any]:
    """Return the rule of a linear function of images that have so many axes, that of the channels included."""

    def rule(x: Any, *options: Any, **keywords: Any) -> Any:
        if np.ndim(x) < rank + 1:
            return rule(np.expand_dims(x, 0), *options, **keywords)[0]
        return linear_of_images(lambda images: operation(images, *options, **keywords), x, rank)

    return rule


LINEAR = {
    **{"avg_pool2d": 3, "avg_pool3d": 4, "_adaptive_avg_pool2d": 3, "_adaptive_avg_pool3d": 4},
    **{"adaptive_avg_pool2d": 3, "adaptive_avg_pool3d": 4, "avg_pool1d": 2, "adaptive_avg_pool1d": 2},
    **{"upsample_nearest1d": 2, "upsample_nearest2d": 3, "upsample_nearest3d": 4},
    **{"_upsample_nearest_exact1d": 2, "_upsample_nearest_exact2d": 3, "_upsample_nearest_exact3d": 4},
    **{"upsample_linear1d": 2, "upsample_bilinear2d": 3, "upsample_trilinear3d": 4},
    **{"upsample_bicubic2d": 3, "_upsample_bilinear2d_aa": 3, "_upsample_bicubic2d_aa": 3},
    **{"im2col": 3, "col2im": 2},
}
"""Linear functions of images, with the number of axes that one image has."""

OPERATIONS.update({name: of_images(getattr(torch.ops.aten, name), rank) for name, rank in LINEAR.items()})
