"""Normalisations: of layers, groups, batches and weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcheck.engines.graph.frameworks.torch.operations.table import aten


def standardised(x: Any, axis: Any, eps: float) -> tuple[Any, Any, Any]:
    """Return x with mean 0 and variance 1 along axes, the mean, and 1 / √(variance + eps)."""
    mean = np.mean(x, axis=axis, keepdims=True)
    centred = x - mean
    inverse = np.reciprocal(np.sqrt(np.mean(np.square(centred), axis=axis, keepdims=True) + eps))
    return centred * inverse, mean, inverse


def scaled(x: Any, weight: Any, bias: Any) -> Any:
    """Return x·weight + bias, as far as there are any."""
    x = x if weight is None else np.multiply(x, weight)
    return x if bias is None else np.add(x, bias)


@aten("native_layer_norm")
def layer_norm(x: Any, shape: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """Return x standardised over the last axes, its means and inverse deviations."""
    normal, mean, inverse = standardised(x, tuple(range(-len(shape), 0)), eps)
    return scaled(normal, weight, bias), mean, inverse


@aten("_fused_rms_norm")
def rms_norm(x: Any, shape: Any, weight: Any, eps: float | None) -> tuple[Any, Any]:
    """Return x over its root mean square along the last axes, and one over that."""
    eps = float(np.finfo(float).eps) if eps is None else eps
    squares = np.mean(np.square(x), axis=tuple(range(-len(shape), 0)), keepdims=True)
    inverse = np.reciprocal(np.sqrt(squares + eps))
    return scaled(np.multiply(x, inverse), weight, None), inverse


@aten("native_group_norm")
def group_norm(
    x: Any, weight: Any, bias: Any, samples: int, channels: int, size: int, groups: int, eps: float
) -> tuple[Any, Any, Any]:
    """Return x standardised over groups of channels, its means and inverse deviations."""
    normal, mean, inverse = standardised(np.reshape(x, (samples, groups, channels // groups * size)), -1, eps)
    per_channel = (1, channels, *(1,) * (np.ndim(x) - 2))
    weight, bias = (None if part is None else np.reshape(part, per_channel) for part in (weight, bias))
    result = scaled(np.reshape(normal, np.shape(x)), weight, bias)
    return result, np.reshape(mean, (samples, groups)), np.reshape(inverse, (samples, groups))


@aten("_weight_norm_interface")
def weight_norm(v: Any, g: Any, dim: int = 0) -> tuple[Any, Any]:
    """Return g·v / ‖v‖, the norms being those along all axes but one, and the norms."""
    over = tuple(k for k in range(np.ndim(v)) if k != dim % np.ndim(v))
    norms = np.sqrt(np.sum(np.square(v), axis=over, keepdims=True))
    return np.multiply(v, np.divide(g, norms)), norms


@aten("renorm")
def renorm(x: Any, p: Any, dim: int, largest: Any) -> Any:
    """Return x, its parts along an axis shortened to a norm."""
    over = tuple(k for k in range(np.ndim(x)) if k != dim % np.ndim(x))
    norms = np.linalg.vector_norm(x, axis=over, keepdims=True, ord=p)
    return x * np.where(np.greater(norms, largest), largest / (norms + 1e-7), 1.0)
