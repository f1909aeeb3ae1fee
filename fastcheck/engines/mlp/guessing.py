"""What a hidden layer does to its products, guessed from their values: bias, activation, dropout mask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.mlp.activations import ACTIVATIONS, WITH_CONSTANT, Activation
from fastcheck.engines.mlp.arrangement import Mask
from fastcheck.engines.mlp.fitting import simple

Array = NDArray[np.float64]

SAME = 1e-11
"""Two arrays that differ by no more than this, relative to the largest entry, are the same function of others."""

SMOOTH = [ACTIVATIONS[name] for name in ("tanh", "sigmoid", "softplus", "silu", "gelu", "gelu_tanh")]
"""Activations without a constant to be found."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Guess:
    """A hidden layer: ``bias`` is the key of its bias or None, ``mask`` (n, m) includes the keep probability."""

    bias: int | None
    activation: Activation
    mask: Mask


def guess_layer(
    P: Array, A: Array, biases: Mapping[int, Array], masks: Iterable[NDArray[Any]], columns: Any
) -> Guess | None:
    """Return the layer that makes A (n, c) of the products P = W A_prev (n, c), or None.

    The biases (n,) and masks (n, m) are what the layer may have; P and A are of these ``columns`` of all samples.
    """
    options = [*((number, P + b[:, None]) for number, b in biases.items()), (None, P)]
    for number, Z in options:
        activation = guess_activation(Z, A)
        if activation is not None:
            return Guess(bias=number, activation=activation, mask=None)
    for mask in masks:
        M = mask[:, columns]
        on = M != 0
        if not on.any() or A[~on].any():
            continue
        for number, Z in options:
            for activation, scale in _scaled(Z[on], A[on] / M[on]):
                return Guess(bias=number, activation=activation, mask=mask.astype(np.float64) * scale)
    return None


def guess_activation(Z: Array, A: Array) -> Activation | None:
    """Return the activation with A = f(Z), or None. Constants are inferred where Z is most negative."""
    for activation in _kinked(Z, A):
        if _error(activation.value(Z), A) <= SAME:
            return activation
    errors = [_error(activation.value(Z), A) for activation in SMOOTH]
    best = int(np.argmin(errors))  # the two forms of GELU are nearly the same for small Z
    return SMOOTH[best] if errors[best] <= SAME else None


def _kinked(Z: Array, A: Array) -> Iterator[Activation]:
    yield ACTIVATIONS["relu"]
    yield ACTIVATIONS["identity"]
    lowest = np.argmin(Z)
    z, a = float(Z.flat[lowest]), float(A.flat[lowest])
    if z < 0:
        # A single negative entry fits either: then it is the one with a plain constant.
        constants = {"leaky_relu": a / z, "elu": a / np.expm1(z)}
        plain = {name: simple(constant, SAME) for name, constant in constants.items()}
        for name in sorted(constants, key=lambda name: plain[name] is None):
            yield WITH_CONSTANT[name](plain[name] or constants[name])


def _scaled(Z: Array, Q: Array) -> Iterator[tuple[Activation, float]]:
    """Yield the activations and numbers c with Q = c f(Z), all (k,)."""
    highest = np.argmax(Z)
    if Z[highest] > 0:
        scale = _plain(Q[highest] / Z[highest])  # of everything that is z for z > 0
        activation = guess_activation(Z, Q / scale) if scale else None
        if activation is not None:
            yield activation, scale
    for activation in SMOOTH:
        value = activation.value(Z)
        largest = np.argmax(np.abs(value))
        scale = _plain(Q[largest] / value[largest])
        if _error(scale * value, Q) <= SAME:
            yield activation, scale


def _plain(scale: float) -> float:
    return simple(float(scale), SAME) or float(scale)


def _error(a: Array, b: Array) -> float:
    """Return the largest difference, relative to the largest entry of b; infinity if that is 0 or NaN is there."""
    size, error = float(np.max(np.abs(b))), float(np.max(np.abs(a - b)))
    return error / size if size > 0 and error >= 0 else np.inf
