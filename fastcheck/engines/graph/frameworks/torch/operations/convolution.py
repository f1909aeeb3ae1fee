"""Convolutions, in one, two or three dimensions, and their backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fastcheck.engines.graph.frameworks.torch.operations.table import aten
from fastcheck.engines.graph.nodes.linear_maps import Bilinear, Pairing
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.tracing.operands import recorded, values_of


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a kernel moves over the images."""

    stride: Sequence[int]
    padding: Sequence[int]
    dilation: Sequence[int]
    transposed: bool
    output_padding: Sequence[int]
    groups: int

    def convolved(self, x: Array, kernel: Array) -> Array:
        """Return the convolution of images, channels first, with a kernel."""
        y = torch.ops.aten.convolution(_tensor(x), _tensor(kernel), None, *self._options)
        return _array(y)

    def back_to_images(self, slope: Array, kernel: Array, shape: Sequence[int]) -> Array:
        """Return the adjoint, for the kernel: slopes of images of this shape."""
        x = torch.empty(tuple(shape), dtype=torch.float64)
        return self._backward(_tensor(slope), x, _tensor(kernel), 0)

    def back_to_kernel(self, x: Array, slope: Array, shape: Sequence[int]) -> Array:
        """Return the adjoint, for the images: slopes of a kernel of this shape."""
        kernel = torch.empty(tuple(shape), dtype=torch.float64)
        return self._backward(_tensor(slope), _tensor(x), kernel, 1)

    def _backward(self, slope: torch.Tensor, x: torch.Tensor, kernel: torch.Tensor, of: int) -> Array:
        asked = [of == k for k in range(3)]
        backward = torch.ops.aten.convolution_backward
        return _array(backward(slope, x, kernel, None, *self._options, asked)[of])

    @property
    def _options(self) -> tuple[Any, ...]:
        return self.stride, self.padding, self.dilation, self.transposed, self.output_padding, self.groups


@aten("convolution", "_convolution", "convolution_overrideable")
def convolution(
    x: Any,
    kernel: Any,
    bias: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    *_: Any,
) -> Any:
    """Return the convolution of images with a kernel, and a bias for each channel."""
    geometry = Geometry(stride, padding, dilation, transposed, output_padding, groups)
    y = convolved(geometry, x, kernel)
    if bias is None:
        return y
    spatial = np.ndim(kernel) - 2
    return y + np.reshape(bias, (-1, *(1,) * spatial))


@aten("conv_tbc")
def conv_tbc(x: Any, kernel: Any, bias: Any, pad: int = 0) -> Any:
    """Return the convolution along the first axis, channels being the last."""
    geometry = Geometry((1,), (pad,), (1,), False, (0,), 1)
    y = convolved(geometry, np.transpose(x, (1, 2, 0)), np.transpose(kernel, (2, 1, 0)))
    return np.transpose(y, (2, 0, 1)) + bias


def convolved(geometry: Geometry, x: Any, kernel: Any) -> Any:
    """Record a convolution."""
    of_images, of_kernel = np.shape(x), np.shape(kernel)

    def moved_images(stack: Array, kernel: Array) -> Array:
        many = stack.shape[0]
        y = geometry.convolved(stack.reshape(-1, *stack.shape[2:]), kernel)
        return y.reshape(many, -1, *y.shape[1:])

    pairing = Pairing(
        of_first=lambda slope, kernel: geometry.back_to_images(slope, kernel, of_images),
        of_second=lambda x, slope: geometry.back_to_kernel(x, slope, of_kernel),
        moved_first=moved_images,
        moved_second=lambda x, stack: np.stack([geometry.convolved(x, kernel) for kernel in stack]),
    )
    value = geometry.convolved(values_of(x), values_of(kernel))
    return recorded(value, lambda value, taken: Bilinear(value, taken, pairing), x, kernel)


@aten("convolution_backward")
def convolution_backward(
    slope: Any,
    x: Any,
    kernel: Any,
    bias_sizes: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    asked: Sequence[bool],
) -> tuple[Any, Any, Any]:
    """Return what a slope makes of images, kernel and bias, each bilinear."""
    geometry = Geometry(stride, padding, dilation, transposed, output_padding, groups)
    of_bias = np.sum(slope, axis=(0, *range(2, np.ndim(slope)))) if asked[2] else None
    return (
        images_of(geometry, slope, kernel, np.shape(x)) if asked[0] else None,
        kernel_of(geometry, x, slope, np.shape(kernel)) if asked[1] else None,
        of_bias,
    )


def images_of(geometry: Geometry, slope: Any, kernel: Any, shape: Sequence[int]) -> Any:
    """Record the adjoint of a convolution as a function of the images."""

    def back(slope: Array, kernel: Array) -> Array:
        return geometry.back_to_images(slope, kernel, shape)

    pairing = Pairing(
        of_first=lambda outer, kernel: geometry.convolved(outer, kernel),
        of_second=lambda slope, outer: geometry.back_to_kernel(outer, slope, np.shape(kernel)),
        moved_first=lambda stack, kernel: np.stack([back(slope, kernel) for slope in stack]),
        moved_second=lambda slope, stack: np.stack([back(slope, kernel) for kernel in stack]),
    )
    value = back(values_of(slope), values_of(kernel))
    return recorded(value, lambda value, taken: Bilinear(value, taken, pairing), slope, kernel)


def kernel_of(geometry: Geometry, x: Any, slope: Any, shape: Sequence[int]) -> Any:
    """Record the adjoint of a convolution as a function of the kernel."""

    def back(x: Array, slope: Array) -> Array:
        return geometry.back_to_kernel(x, slope, shape)

    pairing = Pairing(
        of_first=lambda outer, slope: geometry.back_to_images(slope, outer, np.shape(x)),
        of_second=lambda x, outer: geometry.convolved(x, outer),
        moved_first=lambda stack, slope: np.stack([back(x, slope) for x in stack]),
        moved_second=lambda x, stack: np.stack([back(x, slope) for slope in stack]),
    )
    value = back(values_of(x), values_of(slope))
    return recorded(value, lambda value, taken: Bilinear(value, taken, pairing), x, slope)


def _tensor(x: Array) -> torch.Tensor:
    return torch.from_numpy(np.array(x, dtype=float))


def _array(x: torch.Tensor) -> Array:
    array: Array = x.contiguous().numpy()
    return array
