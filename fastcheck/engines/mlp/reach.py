"""How far one z may move, in the complex plane, until the rest of the network stops being analytic and tame.

For unit i of a layer and sample s, let φ(δ) be the difference of J when z[i, s] moves by δ. This module computes
Q[i, s] such that, for complex |δ| < 1/Q, no unit crosses its kink, and every later layer stays where its activation
is analytic and steeper than at θ by a known factor only. Cauchy's estimate then bounds the Taylor coefficients of φ:
|c_n| ≤ N·Q^(n-1), where N bounds the slope. With t = |δ|·Q the odd terms of φ from order 2q + 1 on are below
N·|δ|·t^2q, less than the rounding errors of φ itself once t^2q < 2⁻⁵⁶. Derivation: docs/kernels.md.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.mlp.activations import Activation, sigmoid
from fastcheck.engines.mlp.losses import Loss
from fastcheck.engines.mlp.network import Network

Array = NDArray[np.float64]

FARTHEST = 1e100
"""Stands for 1/0, so that 0 · 1/0 = 0: a kink that no weight leads to does not matter."""

NARROW, WIDE = 0.125, 0.25
"""Radii of the discs, for tanh and for the others, in which the factors below hold."""

FACTOR = 1.45
"""In these discs 1/cosh² of tanh and of sigmoid, and the slope of softplus, grow by less than this."""

CHUNK = 1_048_576
"""Entries of the largest array of a chunk: 8 MiB."""

Reach = tuple[Array, Array]
"""1/radius of the disc, and a bound on |f'| in it."""


def _relu(Z: Array, *_: float) -> Reach:
    return _inverse(np.abs(Z)), np.asarray(Z > 0, dtype=float)


def _leaky_relu(Z: Array, slope: float) -> Reach:
    return _inverse(np.abs(Z)), np.where(Z > 0, 1.0, abs(slope))


def _elu(Z: Array, alpha: float) -> Reach:
    near = np.minimum(np.abs(Z), 1.0)
    return _inverse(near), np.where(Z > 0, 1.0, abs(alpha) * np.exp(np.minimum(Z + near, 0.0)))


def _tanh(Z: Array) -> Reach:
    return np.full_like(Z, 1 / NARROW), FACTOR * 4 * sigmoid(2 * Z) * sigmoid(-2 * Z)


def _sigmoid(Z: Array) -> Reach:
    return np.full_like(Z, 1 / WIDE), FACTOR * sigmoid(Z) * sigmoid(-Z)


def _softplus(Z: Array) -> Reach:
    return np.full_like(Z, 1 / WIDE), FACTOR * sigmoid(Z)


def _silu(Z: Array) -> Reach:
    """Use |f''| ≤ |σ'|·(2 + 1.2·|z|) in the disc, and |f'| at its centre."""
    bell = sigmoid(Z) * sigmoid(-Z)
    slope = np.abs(sigmoid(Z) + Z * bell)
    return np.full_like(Z, 1 / WIDE), slope + WIDE * FACTOR * bell * (2 + 1.2 * (np.abs(Z) + WIDE))


def _gelu(Z: Array) -> Reach:
    """Use f'' = φ(z)·(2 - z²), and |φ(z + d)| ≤ φ(z)·exp(|z·d| + |d|²/2)."""
    size = np.minimum(np.abs(Z), 64.0)
    bell = np.exp(-0.5 * size * size) / np.sqrt(2 * np.pi)
    slope = sigmoid(1.8 * Z) + size * bell + 0.03
    steeper = bell * np.exp(WIDE * size + WIDE * WIDE / 2) * (2 + np.square(size + WIDE))
    return np.full_like(Z, 1 / WIDE), slope + WIDE * steeper


def _gelu_tanh(Z: Array) -> Reach:
    """Use f = z·σ(u), u = 1.6 (z + 0.0447 z³), in a disc that u maps into one of radius 1/4."""
    size = np.minimum(np.abs(Z), 64.0)
    steepness = 1.6 * (1 + 0.1342 * np.square(size + WIDE))
    u = 1.5957691216057308 * (Z + 0.044715 * np.clip(Z, -64.0, 64.0) ** 3)
    bell = sigmoid(u) * sigmoid(-u)
    return np.maximum(steepness, 1.0) / WIDE, FACTOR * (sigmoid(u) + (size + WIDE) * bell * steepness)


def _identity(Z: Array) -> Reach:
    return np.zeros_like(Z), np.ones_like(Z)


REACHES: dict[str, Callable[..., Reach]] = {
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "silu": _silu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "identity": _identity,
}
"""Name of the activation → its disc around every z, and how steep it may be there."""


def inverse_radii(network: Network) -> list[Array]:
    """Return Q for every layer, arrays (n_{l+1}, m).

    A change of one unit of layer l moves unit k of the next by |W[k, i]|·K·|δ| at most, and all of them at once: the
    conditions of the later layers hold if the sum of these, each times that unit's Q, is below 1.
    Cost: about one forward pass.
    """
    Q = loss_reach(network.loss, network.Zs[-1], network.arranged.Y)
    found = [Q]
    for layer in range(len(network.hidden) - 1, -1, -1):
        own, steepness = reach(network.hidden[layer], network.Zs[layer])
        mask = network.arranged.masks[layer]
        if mask is not None:
            steepness = steepness * np.abs(mask)
        later = sizes_through(network.arranged.weights[layer + 1], np.minimum(Q, FARTHEST))
        Q = np.maximum(own, steepness * later)
        found.append(Q)
    return found[::-1]


def sizes_through(W: Array, Q: Array) -> Array:
    """Return |W|ᵀ @ Q, without |W| as a whole."""
    size = max(1, CHUNK // W.shape[1])
    total = np.zeros((W.shape[1], Q.shape[1]))
    for start in range(0, len(W), size):
        total += np.abs(W[start : start + size]).T @ Q[start : start + size]
    return total


def sharper(network: Network, layer: int, Q: list[Array]) -> Array:
    """Return Q of one layer, (n_{l+1}, m), without adding up conditions of later layers that hold one by one.

    Follows the bounds on what each unit does to every later one. Cost: as much as a column for each unit and sample.
    """
    arranged, last = network.arranged, len(network.Zs) - 1
    own = [reach(f, Z) for f, Z in zip(network.hidden, network.Zs, strict=False)]
    if layer == last:
        return Q[last]
    found = np.empty_like(Q[layer])
    widest = max(len(Z) for Z in network.Zs[layer:]) * len(found)
    for start in range(0, arranged.samples, max(1, CHUNK // widest)):
        some = slice(start, start + max(1, CHUNK // widest))
        sharp, moves = own[layer][0][:, some].T, np.eye(len(found))[None]
        for k in range(layer, last):
            steepness, mask = own[k][1][:, some], arranged.masks[k]
            steepness = steepness if mask is None else steepness * np.abs(mask[:, some])
            moves = np.abs(arranged.weights[k + 1]) @ (steepness.T[:, :, None] * moves)
            limit = own[k + 1][0] if k + 1 < last else Q[last]
            sharp = np.maximum(sharp, (moves * limit[:, some].T[:, :, None]).max(axis=1))
        found[:, some] = sharp.T
    return np.minimum(found, Q[layer])


def reach(activation: Activation, Z: Array) -> Reach:
    """Return, for each z, 1/radius of a disc where the activation is analytic, and a bound on its slope there."""
    return REACHES[activation.name](Z, *activation.constants)


def loss_reach(loss: Loss, Z: Array, Y: Array) -> Array:
    """Return 1/radius of a disc for each logit in which the loss is analytic, and terms of its slope at most double."""
    if loss.kind == "mean_squared_error":
        # A polynomial: its even term alone is neglected, where a step stays small beside the residual.
        return _inverse(np.abs(Z - Y))
    return np.full_like(Z, 1 / NARROW)


def _inverse(radius: Array) -> Array:
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(np.minimum(1.0 / radius, FARTHEST))
