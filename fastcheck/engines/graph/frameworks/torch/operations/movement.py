"""Operations that move entries.

Views must be views: an operation without a rule whose result is a view is found by its memory, so that the rules of
views below only make that quicker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided

from fastcheck.engines.graph.frameworks.torch.operations.table import aten
from fastcheck.engines.graph.rules.layout import numbers
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape

# Views


@aten("view", "_unsafe_view", "reshape", "_reshape_copy", "view_copy")
def view(x: Any, shape: Any) -> Any:
    """Return the entries in another shape."""
    return np.reshape(x, tuple(shape))


@aten("view.dtype")
def bits(x: Any, dtype: Any) -> Any:
    """Refuse to show the bits of numbers as those of another dtype."""
    raise current_tape().refusal("Tensor.view(dtype)", "the bits of a number are not recorded.")


@aten("_reshape_alias")
def reshape_alias(x: Any, shape: Any, stride: Any) -> Any:
    """Return the entries in another shape."""
    return np.reshape(x, tuple(shape))


@aten("t", "t_copy")
def t(x: Any) -> Any:
    """Return the transposed matrix."""
    return np.transpose(x)


@aten("transpose", "transpose_copy")
def transpose(x: Any, dim0: int, dim1: int) -> Any:
    """Return the array with two axes swapped."""
    return np.swapaxes(x, dim0, dim1) if np.ndim(x) else x[...]


@aten("permute", "permute_copy")
def permute(x: Any, dims: Sequence[int]) -> Any:
    """Return the axes in another order."""
    return np.transpose(x, tuple(dims)) if np.ndim(x) else x[...]


@aten("expand", "expand_copy")
def expand(x: Any, size: Sequence[int], *, implicit: bool = False) -> Any:
    """Return the entries repeated along axes of length 1, and new ones."""
    before = np.shape(x)
    missing = len(size) - len(before)
    shape = tuple(before[k - missing] if n == -1 else n for k, n in enumerate(size))
    return np.broadcast_to(x, shape)


@aten("squeeze", "squeeze_copy")
def squeeze(x: Any, dim: Any = None) -> Any:
    """Return the array without axes of length 1: all, or those of ``dim``."""
    shape = np.shape(x)
    if dim is None:
        dims = list(range(len(shape)))
    else:
        dims = [k % max(len(shape), 1) for k in (dim if isinstance(dim, (list, tuple)) else [dim])]
    return np.reshape(x, tuple(n for k, n in enumerate(shape) if k not in dims or n != 1))


@aten("unsqueeze", "unsqueeze_copy")
def unsqueeze(x: Any, dim: int) -> Any:
    """Return the array with one more axis, of length 1."""
    shape = list(np.shape(x))
    shape.insert(dim % (len(shape) + 1), 1)
    return np.reshape(x, tuple(shape))


@aten("detach", "alias", "detach_copy", "alias_copy", "lift", "lift_fresh", "lift_fresh_copy")
def detach(x: Any) -> Any:
    """Return the same entries: that autograd stops here changes nothing of what is computed."""
    return x[...]


@aten("select", "select_copy")
def select(x: Any, dim: int, index: int) -> Any:
    """Return the entries at one place of an axis."""
    return x[(*(slice(None),) * (dim % np.ndim(x)), index, Ellipsis)]  # of a vector, too, a view


@aten("slice", "slice_copy")
def section(x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    """Return the entries at some places of an axis."""
    return x[(*(slice(None),) * (dim % np.ndim(x)), slice(start, end, step))]


@aten("narrow_copy")
def narrow_copy(x: Any, dim: int, start: int, length: int) -> Any:
    """Return so many entries of an axis."""
    start = start % max(np.shape(x)[dim], 1)
    return section(x, dim, start, start + length)


@aten("as_strided_copy")
def as_strided_copy(x: Any, size: Any, stride: Any, storage_offset: Any = None) -> Any:
    """Return the entries at some places of the memory, which must be that of x alone."""
    if not x.flags.c_contiguous or storage_offset is None:
        raise current_tape().refusal("torch.as_strided_copy", "it reads memory around a tensor.")
    places = as_strided(numbers(x.shape).ravel()[storage_offset:], size, [8 * n for n in stride])
    return np.reshape(x, (-1,))[places]


@aten("split", "unsafe_split", "split_copy")
def split(x: Any, size: Any, dim: int = 0) -> Any:
    """Return pieces of one length along an axis, or of lengths that are given."""
    if isinstance(size, (list, tuple)):
        return split_with_sizes(x, size, dim)
    length = np.shape(x)[dim]
    starts = range(0, max(length, 1), max(size, 1))
    return [section(x, dim, start, start + size) for start in starts]


@aten("split_with_sizes", "unsafe_split_with_sizes", "split_with_sizes_copy")
def split_with_sizes(x: Any, sizes: Sequence[int], dim: int = 0) -> Any:
    """Return pieces of these lengths along an axis."""
    ends = np.cumsum(sizes).tolist()
    return [section(x, dim, end - n, end) for n, end in zip(sizes, ends, strict=True)]


@aten("unbind", "unbind_copy")
def unbind(x: Any, dim: int = 0) -> Any:
    """Return what is at each place of an axis."""
    return [select(x, dim, k) for k in range(np.shape(x)[dim])]


# Copies


@aten("clone")
def clone(x: Any, *, memory_format: Any = None) -> Any:
    """Return a copy, its entries in the same order in memory, or in that of C."""
    return np.copy(x, order="C" if memory_format is torch.contiguous_format else "K")


@aten("contiguous")
def contiguous(x: Any, *, memory_format: Any = None) -> Any:
    """Return a copy, its entries in the order of C."""
    return np.copy(x, order="C")


@aten("copy")
def copy(x: Any, source: Any, non_blocking: bool = False) -> Any:
    """Return what is written over x."""
    return source


@aten("cat", "concat", "concatenate")
def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Return arrays one after the other; empty vectors among them count for nothing."""
    arrays = [x for x in tensors if np.shape(x) != (0,)]
    return np.concatenate(arrays, axis=dim) if arrays else tensors[0]


@aten("stack")
def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Return arrays along a new axis."""
    return np.stack(tensors, axis=dim)


@aten("flip")
def flip(x: Any, dims: Sequence[int]) -> Any:
    """Return the entries in opposite order along axes."""
    return np.flip(x, tuple(dims)) if dims else np.copy(x)


@aten("roll")
def roll(x: Any, shifts: Any, dims: Any = ()) -> Any:
    """Return the entries moved on along axes, those that leave coming in again."""
    if not dims:
        return np.roll(x, shifts[0] if isinstance(shifts, (list, tuple)) else shifts)
    return np.roll(x, tuple(shifts), tuple(dims))


@aten("rot90")
def rot90(x: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """Return the array turned by k right angles."""
    return np.rot90(x, k, (dims[0], dims[1]))


@aten("repeat", "tile")
def repeat(x: Any, repeats: Sequence[int]) -> Any:
    """Return copies of the array beside each other."""
    missing = len(repeats) - np.ndim(x)
    return np.tile(np.reshape(x, ((1,) * missing + np.shape(x))), tuple(repeats))


@aten("repeat_interleave.self_int", "repeat_interleave.self_Tensor")
def repeat_interleave(x: Any, repeats: Any, dim: Any = None, *, output_size: Any = None) -> Any:
    """Return each entry, or slice, repeated."""
    return np.repeat(x, repeats, axis=dim)


def padding_of(pad: Sequence[int], ndim: int) -> list[tuple[int, int]]:
    """Return NumPy's widths for PyTorch's, which begin with the last axis."""
    widths = [(0, 0)] * ndim
    for k in range(len(pad) // 2):
        widths[ndim - 1 - k] = (pad[2 * k], pad[2 * k + 1])
    return widths


def padded(x: Any, pad: Sequence[int], mode: Any, **keywords: Any) -> Any:
    """Return the array with entries around it; where widths are negative, without its border."""
    widths = padding_of(pad, np.ndim(x))
    inside = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(np.shape(x), widths, strict=True))
    middle = x[inside]
    if not np.size(middle):  # its border is empty, or PyTorch would have refused
        mode, keywords = "constant", {}
    return np.pad(middle, [(max(a, 0), max(b, 0)) for a, b in widths], mode, **keywords)


@aten("constant_pad_nd", "pad")
def constant_pad(x: Any, pad: Sequence[int], value: float = 0) -> Any:
    """Return the array with a constant around it."""
    return padded(x, pad, "constant", constant_values=value)


@aten("reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
def reflection_pad(x: Any, pad: Sequence[int]) -> Any:
    """Return the array, mirrored at its border."""
    return padded(x, pad, "reflect")


@aten("replication_pad1d", "replication_pad2d", "replication_pad3d")
def replication_pad(x: Any, pad: Sequence[int]) -> Any:
    """Return the array, its border repeated; where widths are negative, without that."""
    for axis, (before, after) in enumerate(padding_of(pad, np.ndim(x))):
        length = np.shape(x)[axis]
        if before or after:
            x = np.take(x, np.clip(np.arange(-before, length + after), 0, length - 1), axis=axis)
    return x


@aten("_pad_circular")
def circular_pad(x: Any, pad: Sequence[int]) -> Any:
    """Return the array, continued periodically."""
    return padded(x, pad, "wrap")


@aten("tril")
def tril(x: Any, diagonal: int = 0) -> Any:
    """Return the lower triangle, zeros above it."""
    return np.tril(x, diagonal)


@aten("triu")
def triu(x: Any, diagonal: int = 0) -> Any:
    """Return the upper triangle, zeros below it."""
    return np.triu(x, diagonal)


@aten("diag_embed")
def diag_embed(x: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Return matrices with the entries on a diagonal."""
    length = np.shape(x)[-1] + abs(offset)
    places = np.eye(length, k=offset, dtype=bool)
    at = (np.cumsum(places.ravel()) - 1).reshape(places.shape)
    inside = np.where(places, np.take(x, np.maximum(at, 0), axis=-1), 0.0)
    return np.moveaxis(inside, (-2, -1), (dim1, dim2))


@aten("pixel_shuffle")
def pixel_shuffle(x: Any, factor: int) -> Any:
    """Return channels as entries of finer images."""
    *lead, channels, height, width = np.shape(x)
    k, m = channels // factor**2, len(np.shape(x)) - 3
    split_up = np.reshape(x, (*lead, k, factor, factor, height, width))
    order = (*range(m), *(m + n for n in (0, 3, 1, 4, 2)))
    return np.reshape(np.transpose(split_up, order), (*lead, k, height * factor, width * factor))


@aten("pixel_unshuffle")
def pixel_unshuffle(x: Any, factor: int) -> Any:
    """Return entries of finer images as channels."""
    *lead, k, height, width = np.shape(x)
    m = len(lead)
    split_up = np.reshape(x, (*lead, k, height // factor, factor, width // factor, factor))
    order = (*range(m), *(m + n for n in (0, 2, 4, 1, 3)))
    shape = (*lead, k * factor**2, height // factor, width // factor)
    return np.reshape(np.transpose(split_up, order), shape)


@aten("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(x: Any, groups: int) -> Any:
    """Return channels of different groups in turn."""
    shape = np.shape(x)
    parts = np.reshape(x, (shape[0], groups, shape[1] // groups, *shape[2:]))
    return np.reshape(np.swapaxes(parts, 1, 2), shape)


@aten("_pack_padded_sequence")
def pack_padded_sequence(x: Any, lengths: Any, batch_first: bool) -> tuple[Any, Any]:
    """Return the steps of sequences, those of one time after the other, and how many sequences go on at each."""
    x = np.swapaxes(x, 0, 1) if batch_first else x
    counts = [int(np.sum(lengths > time)) for time in range(int(np.max(lengths)))]
    rows = [x[time, :count] for time, count in enumerate(counts)]
    return np.concatenate(rows, axis=0), np.array(counts, dtype=np.int64)


@aten("_pad_packed_sequence")
def pad_packed_sequence(
    data: Any, batch_sizes: Any, batch_first: bool, padding_value: Any, total_length: int
) -> tuple[Any, Any]:
    """Return sequences with padding behind those that end before others, and their lengths."""
    counts = batch_sizes.tolist()
    times = max(total_length, len(counts))
    result = np.full((times, counts[0], *np.shape(data)[1:]), float(padding_value))
    places = np.array([(time, k) for time, count in enumerate(counts) for k in range(count)])
    padded_ones = Recorded(result)
    padded_ones[places[:, 0], places[:, 1]] = data
    lengths = np.array([sum(k < count for count in counts) for k in range(counts[0])], dtype=np.int64)
    return (np.swapaxes(padded_ones, 0, 1) if batch_first else padded_ones), lengths
