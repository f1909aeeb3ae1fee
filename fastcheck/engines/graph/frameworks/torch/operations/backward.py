"""Backward passes of PyTorch's own operations: they run where a function asks autograd for gradients itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcheck.engines.graph.frameworks.torch.operations.activations import (
    expit,
    ndtr,
    twice_gelu_argument,
)
from fastcheck.engines.graph.frameworks.torch.operations.losses import MEAN, chosen_classes
from fastcheck.engines.graph.frameworks.torch.operations.table import aten
from fastcheck.engines.graph.tracing.operands import fixed, stepped, values_of

# Activations


@aten("threshold_backward")
def threshold_backward(grad: Any, x: Any, threshold: Any) -> Any:
    """Return what comes back of max(x, threshold)."""
    return np.where(np.less_equal(x, threshold), 0.0, grad)


@aten("tanh_backward")
def tanh_backward(grad: Any, y: Any) -> Any:
    """Return what comes back of y = tanh(x)."""
    return np.multiply(grad, 1.0 - np.square(y))


@aten("sigmoid_backward")
def sigmoid_backward(grad: Any, y: Any) -> Any:
    """Return what comes back of y = σ(x)."""
    return np.multiply(grad, np.multiply(np.subtract(1.0, y), y))


@aten("silu_backward")
def silu_backward(grad: Any, x: Any) -> Any:
    """Return what comes back of x·σ(x)."""
    sigma = expit(x)
    return np.multiply(grad, sigma * (1.0 + np.multiply(x, expit(np.negative(x)))))


@aten("gelu_backward")
def gelu_backward(grad: Any, x: Any, *, approximate: str = "none") -> Any:
    """Return what comes back of x·Φ(x), or of its approximation x·σ(2u)."""
    if approximate == "none":
        density = np.exp(np.square(x) * -0.5) / math.sqrt(2.0 * math.pi)
        return np.multiply(grad, ndtr(x) + np.multiply(x, density))
    argument = twice_gelu_argument(x)
    sigma = expit(argument)
    steep = (2.0 * math.sqrt(2.0 / math.pi)) * (1.0 + 0.134145 * np.square(x))
    return np.multiply(grad, sigma * (1.0 + np.multiply(x, expit(np.negative(argument)) * steep)))


@aten("softplus_backward")
def softplus_backward(grad: Any, x: Any, beta: Any, threshold: Any) -> Any:
    """Return what comes back of log(1 + exp(beta·x)) / beta."""
    scaled = np.multiply(x, beta)
    soft = np.multiply(grad, expit(scaled))
    if not np.any(values_of(scaled) >= threshold):
        return soft
    return np.where(np.greater(scaled, threshold), grad, soft)


@aten("elu_backward")
def elu_backward(grad: Any, alpha: Any, scale: Any, input_scale: Any, is_result: bool, x_or_y: Any) -> Any:
    """Return what comes back of elu, from its argument or its result."""
    if is_result:
        negative = (x_or_y + alpha * scale) * input_scale
    else:
        negative = np.exp(np.multiply(x_or_y, input_scale)) * (input_scale * alpha * scale)
    return np.multiply(grad, np.where(np.less_equal(x_or_y, 0), negative, scale))


@aten("leaky_relu_backward")
def leaky_relu_backward(grad: Any, x: Any, slope: Any, self_is_result: bool) -> Any:
    """Return what comes back of leaky_relu."""
    return np.where(np.greater(x, 0), grad, np.multiply(grad, slope))


@aten("_prelu_kernel_backward")
def prelu_backward(grad: Any, x: Any, weight: Any) -> tuple[Any, Any]:
    """Return what comes back of leaky_relu, to its argument and its slope."""
    positive = np.greater(x, 0)
    return np.where(positive, grad, np.multiply(weight, grad)), np.where(positive, 0.0, np.multiply(x, grad))


@aten("hardtanh_backward")
def hardtanh_backward(grad: Any, x: Any, low: Any, high: Any) -> Any:
    """Return what comes back of x, kept within bounds."""
    return np.where(np.logical_or(np.less_equal(x, low), np.greater_equal(x, high)), 0.0, grad)


@aten("hardsigmoid_backward")
def hardsigmoid_backward(grad: Any, x: Any) -> Any:
    """Return what comes back of hardsigmoid: PyTorch's slope is a sixth in single precision."""
    return hardtanh_backward(grad, x, -3.0, 3.0) * float(np.float32(1.0) / np.float32(6.0))


@aten("hardshrink_backward", "softshrink_backward")
def shrinking_backward(grad: Any, x: Any, size: Any) -> Any:
    """Return what comes back of hardshrink, or of softshrink."""
    inside = np.logical_and(np.greater_equal(x, -size), np.less_equal(x, size))
    return np.where(inside, 0.0, grad)


@aten("mish_backward")
def mish_backward(grad: Any, x: Any) -> Any:
    """Return what comes back of x·tanh(log(1 + exp(x)))."""
    y = np.tanh(np.logaddexp(0.0, x))
    return np.multiply(grad, y + np.multiply(x, expit(x)) * (1.0 - np.square(y)))


@aten("log_sigmoid_backward")
def log_sigmoid_backward(grad: Any, x: Any, buffer: Any) -> Any:
    """Return what comes back of log σ(x)."""
    return np.multiply(grad, expit(np.negative(x)))


@aten("logit_backward")
def logit_backward(grad: Any, x: Any, eps: float | None = None) -> Any:
    """Return what comes back of log(x / (1 − x))."""
    slopes = np.divide(grad, np.multiply(x, np.subtract(1.0, x)))
    if eps is None:
        return slopes
    return np.where(np.logical_or(np.less(x, eps), np.greater(x, 1.0 - eps)), 0.0, slopes)


@aten("glu_backward")
def glu_backward(grad: Any, x: Any, dim: int = -1) -> Any:
    """Return what comes back of one half of x times σ of the other."""
    first, second = np.split(x, 2, dim)
    sigma = expit(second)
    return np.concatenate([grad * sigma, grad * first * sigma * expit(np.negative(second))], dim)


# Softmax and normalisations


@aten("_softmax_backward_data")
def softmax_backward(grad: Any, y: Any, dim: int, dtype: Any) -> Any:
    """Return what comes back of y = softmax(x)."""
    share = np.multiply(grad, y)
    return share - np.multiply(y, np.sum(share, axis=dim, keepdims=True))


@aten("_log_softmax_backward_data")
def log_softmax_backward(grad: Any, y: Any, dim: int, dtype: Any) -> Any:
    """Return what comes back of y = log softmax(x)."""
    return grad - np.multiply(np.exp(y), np.sum(grad, axis=dim, keepdims=True))


@aten("native_layer_norm_backward")
def layer_norm_backward(
    grad: Any, x: Any, shape: Any, mean: Any, inverse: Any, weight: Any, bias: Any, mask: Any
) -> tuple[Any, Any, Any]:
    """Return what comes back of a layer norm, to x, weight and bias, as far as it is asked for."""
    inside = tuple(range(-len(shape), 0))
    outside = tuple(range(np.ndim(x) - len(shape)))
    normal = np.multiply(np.subtract(x, mean), inverse)
    to_normal = grad if weight is None else np.multiply(grad, weight)
    return (
        standardised_backward(to_normal, normal, inverse, inside) if mask[0] else None,
        np.sum(np.multiply(grad, normal), axis=outside) if mask[1] else None,
        np.sum(grad, axis=outside) if mask[2] else None,
    )


def standardised_backward(grad: Any, normal: Any, inverse: Any, axis: Any) -> Any:
    """Return what comes back of a standardisation along axes."""
    centred = grad - np.mean(grad, axis=axis, keepdims=True)
    along = np.mean(np.multiply(grad, normal), axis=axis, keepdims=True)
    return np.multiply(inverse, centred - np.multiply(normal, along))


@aten("_weight_norm_interface_backward")
def weight_norm_backward(grad: Any, v: Any, g: Any, norms: Any, dim: int) -> tuple[Any, Any]:
    """Return what comes back of g·v / ‖v‖, to v and g."""
    over = tuple(k for k in range(np.ndim(v)) if k != dim % np.ndim(v))
    along = np.sum(np.multiply(grad, v), axis=over, keepdims=True)
    apart = np.subtract(grad, np.multiply(v, along / np.square(norms)))
    return np.multiply(np.divide(g, norms), apart), along / norms


# Losses


def per_entry(grad: Any, count: int, reduction: int) -> Any:
    """Return what comes back to each of many losses, of which PyTorch may have taken the mean."""
    return np.divide(grad, float(count)) if reduction == MEAN else grad


@aten("mse_loss_backward")
def mse_loss_backward(grad: Any, x: Any, target: Any, reduction: int) -> Any:
    """Return what comes back of squares of differences."""
    apart = np.subtract(x, target)
    return np.multiply(np.multiply(apart, 2.0), per_entry(grad, np.size(apart), reduction))


@aten("smooth_l1_loss_backward")
def smooth_l1_loss_backward(grad: Any, x: Any, target: Any, reduction: int, beta: float) -> Any:
    """Return what comes back of d² / 2β of differences below β in size, |d| − β / 2 of others."""
    apart = np.subtract(x, target)
    slope = stepped(np.sign, apart) if beta == 0 else np.clip(apart, -beta, beta) / beta
    return np.multiply(slope, per_entry(grad, np.size(apart), reduction))


@aten("huber_loss_backward")
def huber_loss_backward(grad: Any, x: Any, target: Any, reduction: int, delta: float) -> Any:
    """Return what comes back of d² / 2 of differences up to δ in size, δ·(|d| − δ / 2) of others."""
    apart = np.subtract(x, target)
    return np.multiply(np.clip(apart, -delta, delta), per_entry(grad, np.size(apart), reduction))


@aten("nll_loss_backward", "nll_loss2d_backward")
def nll_loss_backward(
    grad: Any, x: Any, target: Any, weight: Any, reduction: int, ignored: int, total: Any
) -> Any:
    """Return what comes back of minus the entries of the target's classes, weighted."""
    target, at = fixed(target), 0 if np.ndim(x) == 1 else 1
    counts, classes = chosen_classes(target, ignored)
    weights = np.asarray(counts, float) if weight is None else np.where(counts, weight[classes], 0.0)
    share = np.divide(weights, total) if reduction == MEAN else weights
    back = np.expand_dims(np.negative(np.multiply(grad, share)), at)
    lengths = [1] * np.ndim(x)
    lengths[at] = -1
    chosen = np.arange(np.shape(x)[at]).reshape(lengths) == np.expand_dims(classes, at)
    return np.where(chosen, back, 0.0)
