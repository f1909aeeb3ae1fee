"""Activation functions of hidden layers: value and slope.

Everything is elementwise and NumPy only. Slopes are functions of Z, not of A: 1 − tanh² and σ(1 − σ) computed
from A lose all their digits where the unit saturates.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import InvalidProblemError
from fastcheck.identities.exact import erfc_value

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

SQRT_HALF = math.sqrt(0.5)
SQRT_TWO_PI = math.sqrt(2 * math.pi)
SQRT_TWO_OVER_PI = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715
SATURATED = 64.0
"""Both forms of GELU are z or 0 to the last bit beyond ±64, where squares and cubes could overflow."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Activation:
    """One activation function.

    ``value`` maps Z, of any shape, to A, and ``slope`` to dA/dZ; where the slope jumps, at 0, it is the one of z < 0.
    ``rectifier`` says that negative inputs are damped, so that the variance of initial weights is twice as large
    (`MLP.initialize`).
    """

    name: str
    value: Function
    slope: Function
    rectifier: bool = False


def find_activation(specification: Any) -> Activation:
    """Return the activation of a name such as ``"relu"``, or of a pair such as ``("leaky_relu", 0.2)``.

    Raises `InvalidProblemError` for other names and for constants that are no finite numbers.
    """
    if isinstance(specification, str) and specification in ACTIVATIONS:
        return ACTIVATIONS[specification]
    if isinstance(specification, tuple) and len(specification) == 2 and specification[0] in WITH_CONSTANT:
        name, constant = specification
        if isinstance(constant, (int, float, np.floating)) and math.isfinite(constant):
            return WITH_CONSTANT[name](float(constant))
        raise InvalidProblemError(
            f"activations: expected a finite number as the constant of {name!r}, got {constant!r}."
        )
    names = ", ".join(map(repr, ACTIVATIONS))
    pairs = " or ".join(f"({name!r}, 0.2)" for name in WITH_CONSTANT)
    raise InvalidProblemError(
        f"activations: expected one of {names}, a pair such as {pairs}, or, as the last one, 'softmax'; got "
        f"{specification!r}."
    )


def sigmoid(Z: Array) -> Array:
    """Return σ(z) = 1 / (1 + e⁻ᶻ), accurate in both tails."""
    tail = np.exp(-np.abs(Z))
    A: Array = np.where(Z >= 0, 1.0, tail) / (1.0 + tail)
    return A


def softplus(Z: Array) -> Array:
    """Return log(1 + eᶻ)."""
    A: Array = np.logaddexp(0.0, Z)
    return A


def _sigmoid_slope(Z: Array) -> Array:
    return sigmoid(Z) * sigmoid(-Z)


def _tanh_slope(Z: Array) -> Array:
    """Return sech²(z) = (2t / (1 + t²))², t = e^-|z|."""
    tail = np.exp(-np.abs(Z))
    slope: Array = np.square(2.0 * tail / (1.0 + tail * tail))
    return slope


def _relu(Z: Array) -> Array:
    A: Array = np.maximum(Z, 0.0)
    return A


def _relu_slope(Z: Array) -> Array:
    return (Z > 0).astype(np.float64)


def _leaky_relu(Z: Array, slope: float) -> Array:
    return np.where(Z > 0, Z, slope * Z)


def _leaky_relu_slope(Z: Array, slope: float) -> Array:
    return np.where(Z > 0, 1.0, slope)


def _elu(Z: Array, alpha: float) -> Array:
    return np.where(Z > 0, Z, alpha * np.expm1(np.minimum(Z, 0.0)))


def _elu_slope(Z: Array, alpha: float) -> Array:
    return np.where(Z > 0, 1.0, alpha * np.exp(np.minimum(Z, 0.0)))


def _silu(Z: Array) -> Array:
    return Z * sigmoid(Z)


def _silu_slope(Z: Array) -> Array:
    return sigmoid(Z) * (1.0 + Z * sigmoid(-Z))


def _gelu(Z: Array) -> Array:
    """Return z Φ(z) = z erfc(−z/√2) / 2 (Hendrycks and Gimpel, 2016)."""
    A: Array = Z * (0.5 * erfc_value(-SQRT_HALF * Z))
    return A


def _gelu_slope(Z: Array) -> Array:
    """Return Φ(z) + z φ(z)."""
    limited = np.clip(Z, -SATURATED, SATURATED)
    slope: Array = 0.5 * erfc_value(-SQRT_HALF * Z) + limited * np.exp(-0.5 * limited * limited) / SQRT_TWO_PI
    return slope


def _gelu_tanh(Z: Array) -> Array:
    """Return z (1 + tanh v) / 2 = z σ(2v), v = √(2/π) (z + 0.044715 z³)."""
    return Z * sigmoid(_twice_v(np.clip(Z, -SATURATED, SATURATED)))


def _gelu_tanh_slope(Z: Array) -> Array:
    limited = np.clip(Z, -SATURATED, SATURATED)
    twice_v = _twice_v(limited)
    slope_of_twice_v = 2.0 * SQRT_TWO_OVER_PI * (1.0 + 3.0 * GELU_CUBIC * limited * limited)
    return sigmoid(twice_v) * (1.0 + limited * sigmoid(-twice_v) * slope_of_twice_v)


def _twice_v(Z: Array) -> Array:
    return 2.0 * SQRT_TWO_OVER_PI * (Z + GELU_CUBIC * (Z * Z * Z))


def _identity(Z: Array) -> Array:
    return Z


def _leaky_relu_of(slope: float) -> Activation:
    return Activation(
        name="leaky_relu",
        value=functools.partial(_leaky_relu, slope=slope),
        slope=functools.partial(_leaky_relu_slope, slope=slope),
        rectifier=True,
    )


def _elu_of(alpha: float) -> Activation:
    return Activation(
        name="elu",
        value=functools.partial(_elu, alpha=alpha),
        slope=functools.partial(_elu_slope, alpha=alpha),
        rectifier=True,
    )


WITH_CONSTANT: dict[str, Callable[[float], Activation]] = {"leaky_relu": _leaky_relu_of, "elu": _elu_of}
"""Activations that have a constant: the slope of negative inputs, and α."""

ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation(name="relu", value=_relu, slope=_relu_slope, rectifier=True),
        _leaky_relu_of(0.01),
        _elu_of(1.0),
        Activation(name="softplus", value=softplus, slope=sigmoid, rectifier=True),
        Activation(name="silu", value=_silu, slope=_silu_slope, rectifier=True),
        Activation(name="gelu", value=_gelu, slope=_gelu_slope, rectifier=True),
        Activation(
            name="gelu_tanh",
            value=_gelu_tanh,
            slope=_gelu_tanh_slope,
            rectifier=True,
        ),
        Activation(name="tanh", value=np.tanh, slope=_tanh_slope),
        Activation(name="sigmoid", value=sigmoid, slope=_sigmoid_slope),
        Activation(name="identity", value=_identity, slope=np.ones_like),
    )
}
"""Every activation of a hidden layer by its name, with the usual constants: the place for another one."""
