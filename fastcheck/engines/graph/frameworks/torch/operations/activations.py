"""Activation functions: smooth ones without a choice, others with the NumPy functions that have their kinks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from fastcheck.engines.graph.frameworks.torch.operations.by_torch import special
from fastcheck.engines.graph.frameworks.torch.operations.table import aten
from fastcheck.engines.graph.tracing.operands import values_of

expit = special("expit", torch.sigmoid)
log_expit = special("log_expit", torch.nn.functional.logsigmoid)
ndtr = special("ndtr", torch.special.ndtr)

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
"""Constants of self-normalising networks (Klambauer et al., 2017)."""

ROUNDING = 1e-15
"""Factors that differ by less than this are one."""

NEAR_ZERO = 1e-300
"""Where a function changes its formula at zero and has one slope there, it changes here, to the same values: no
parameter is on the border."""


@aten("relu")
def relu(x: Any) -> Any:
    """Return max(x, 0)."""
    return np.maximum(x, 0.0)


@aten("threshold")
def threshold(x: Any, at: Any, value: Any) -> Any:
    """Return x above a threshold, else a value."""
    return np.where(np.less_equal(x, at), value, x)


@aten("leaky_relu", "_prelu_kernel")
def leaky_relu(x: Any, slope: Any = 0.01) -> Any:
    """Return x, times a slope where it is negative."""
    return np.where(np.greater(x, 0), x, np.multiply(slope, x))


@aten("elu")
def elu(x: Any, alpha: Any = 1.0, scale: Any = 1.0, input_scale: Any = 1.0) -> Any:
    """Return scale·x, and scale·alpha·(exp(input_scale·x) − 1) where x is negative."""
    negative = np.expm1(np.multiply(x, input_scale)) * (alpha * scale)
    has_kink = abs(alpha * input_scale - 1.0) > ROUNDING
    return np.where(np.greater(x, 0.0 if has_kink else NEAR_ZERO), np.multiply(x, scale), negative)


@aten("celu")
def celu(x: Any, alpha: Any = 1.0) -> Any:
    """Return x, and alpha·(exp(x / alpha) − 1) where x is negative."""
    return elu(x, alpha, 1.0, 1.0 / alpha)


@aten("selu")
def selu(x: Any) -> Any:
    """Return the activation of self-normalising networks."""
    return elu(x, SELU_ALPHA, SELU_SCALE)


@aten("silu")
def silu(x: Any) -> Any:
    """Return x·σ(x)."""
    return np.multiply(x, expit(x))


@aten("gelu")
def gelu(x: Any, *, approximate: str = "none") -> Any:
    """Return x·Φ(x), or its approximation x·(1 + tanh(u)) / 2, which is x·σ(2u)."""
    return np.multiply(x, ndtr(x) if approximate == "none" else expit(twice_gelu_argument(x)))


def twice_gelu_argument(x: Any) -> Any:
    """Return 2·√(2/π)·(x + 0.044715 x³)."""
    return (2.0 * math.sqrt(2.0 / math.pi)) * (x + 0.044715 * np.power(x, 3.0))


@aten("softplus")
def softplus(x: Any, beta: Any = 1.0, threshold: Any = 20.0) -> Any:
    """Return log(1 + exp(beta·x)) / beta, and x where beta·x is above a threshold: the function jumps there."""
    scaled = np.multiply(x, beta)
    soft = np.logaddexp(0.0, scaled) / beta
    if not np.any(values_of(scaled) >= threshold):
        return soft
    return np.where(np.greater(scaled, threshold), x, soft)


@aten("mish")
def mish(x: Any) -> Any:
    """Return x·tanh(log(1 + exp(x)))."""
    return np.multiply(x, np.tanh(np.logaddexp(0.0, x)))


@aten("log_sigmoid_forward")
def log_sigmoid(x: Any) -> tuple[Any, Any]:
    """Return log σ(x), and what PyTorch keeps for its backward pass."""
    return log_expit(x), np.exp(-np.abs(values_of(x)))


@aten("hardtanh")
def hardtanh(x: Any, low: Any = -1.0, high: Any = 1.0) -> Any:
    """Return x, kept within bounds."""
    return np.minimum(np.maximum(x, low), high)


@aten("hardsigmoid")
def hardsigmoid(x: Any) -> Any:
    """Return (x + 3) / 6, kept within 0 and 1."""
    return hardtanh(np.add(x, 3.0), 0.0, 6.0) / 6.0


@aten("hardswish")
def hardswish(x: Any) -> Any:
    """Return x·(x + 3) / 6, the second factor kept within 0 and 1."""
    return np.multiply(x, hardtanh(np.add(x, 3.0), 0.0, 6.0)) / 6.0


@aten("hardshrink")
def hardshrink(x: Any, size: Any = 0.5) -> Any:
    """Return x, zero within bounds."""
    inside = np.logical_and(np.greater_equal(x, -size), np.less_equal(x, size))
    return np.where(inside, 0.0, x)


@aten("softshrink")
def softshrink(x: Any, size: Any = 0.5) -> Any:
    """Return x, moved towards zero by up to a size."""
    return np.subtract(x, hardtanh(x, -size, size))


@aten("glu")
def glu(x: Any, dim: int = -1) -> Any:
    """Return one half of x times σ of the other."""
    first, second = np.split(x, 2, dim)
    return np.multiply(first, expit(second))
