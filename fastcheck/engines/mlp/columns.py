"""Differences of the loss when one unit's z changes in one sample, by the identities: the general path.

A column is one such change: unit i of a layer, sample s, and δ. Perturbing W[i, j] by ε is the sum over the samples of
the columns (i, s) with δ = ε·a[j, s], and perturbing b[i] the same with a = 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastcheck.differences import interpreted
from fastcheck.differences.exact import log_ratio
from fastcheck.engines.mlp.losses import Loss
from fastcheck.engines.mlp.network import Array, Network

Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]


def column_differences(
    network: Network, layer: int, units: Indices, samples: Indices, delta: Array, *, compiled: bool = False
) -> tuple[Array, Flags]:
    """Return what columns do to J, and which of them change the sign of a unit that has a kink; both (P,).

    ``units``, ``samples`` and ``delta`` have shape (P,); ``compiled`` asks for compiled identities.
    Cost: P samples' way through the later layers.
    """
    arranged, last = network.arranged, len(network.Zs) - 1
    crossed = np.zeros(len(delta), dtype=bool)
    if layer == last:
        dZ = np.zeros((len(network.Zs[last]), len(delta)))
        dZ[units, np.arange(len(delta))] = delta
    else:
        mask = arranged.masks[layer]
        Z = network.Zs[layer][units, samples]
        crossed |= straddles(network, layer, Z, delta)
        dA = network.difference(
            layer, Z, delta, None if mask is None else mask[units, samples], compiled=compiled
        )
        dZ = arranged.weights[layer + 1][:, units] * dA
        for k in range(layer + 1, last):
            Z, mask = network.Zs[k][:, samples], arranged.masks[k]
            crossed |= straddles(network, k, Z, dZ).any(axis=0)
            dA = network.difference(k, Z, dZ, None if mask is None else mask[:, samples], compiled=compiled)
            dZ = arranged.weights[k + 1] @ dA
    weight = network.loss.weight(network.Zs[last])
    Z, output, Y = (array[:, samples] for array in (network.Zs[last], network.output, arranged.Y))
    return weight * loss_differences(network.loss, Z, output, dZ, Y), crossed


def straddles(network: Network, layer: int, Z: Array, dZ: Array) -> Flags:
    """Return where z and z + dz are on different sides of a kink, or z is on it."""
    if not network.hidden[layer].kinked:
        return np.zeros(Z.shape, dtype=bool)
    return np.asarray((np.sign(Z + dZ) != np.sign(Z)) & (dZ != 0))


def loss_differences(loss: Loss, Z: Array, output: Array, dZ: Array, Y: Array) -> Array:
    """Return the differences of each sample's loss, unweighted: broadcastable (n_out, …) arrays to (…)."""
    if loss.kind == "binary_cross_entropy":
        return np.asarray(entropy_differences(Z, dZ, Y).sum(axis=0))
    if loss.kind == "mean_squared_error":
        return np.asarray(interpreted("square")(Z - Y, dZ).sum(axis=0))
    # With Σ y = t: t·(log Σ exp(z + d) - log Σ exp z) - Σ y d = t·log Σ p·exp(d - Σ y d / t).
    total = Y.sum(axis=0)
    shifted = dZ - (Y * dZ).sum(axis=0) / np.where(total == 0, 1.0, total)
    with np.errstate(all="ignore"):
        relative = np.asarray((output * np.expm1(shifted)).sum(axis=0))
        logarithm = np.log1p(relative)
        if (relative < -0.5).any():
            logarithm = log_ratio(relative, (output * np.exp(shifted)).sum(axis=0))
        return np.asarray(total * logarithm)


def loss_secants(network: Network, dZ: Array) -> Array:
    """Return (loss at z + dz - loss at z) / dz for each logit by itself, weighted; (n_out, m) like ``dZ``."""
    loss, Z, Y, P = network.loss, network.Zs[-1], network.arranged.Y, network.output
    if loss.kind == "binary_cross_entropy":
        change = entropy_differences(Z, dZ, Y)
    elif loss.kind == "mean_squared_error":
        change = interpreted("square")(Z - Y, dZ)
    else:
        # The formula of `loss_differences`, where only one d is not 0.
        total = Y.sum(axis=0)
        share = Y / np.where(total == 0, 1.0, total)
        winner = np.arange(len(P))[:, None] == np.argmax(P, axis=0)
        others = np.where(winner, np.where(winner, 0.0, P).sum(axis=0), 1.0 - P)
        change = total * np.log1p(P * np.expm1(dZ * (1.0 - share)) + others * np.expm1(-dZ * share))
    return np.asarray(change / dZ * loss.weight(Z))


def entropy_differences(Z: Array, dZ: Array, Y: Array) -> Array:
    """Return the differences of -y·log σ(z) - (1 - y)·log σ(-z), entry by entry."""
    identity = interpreted("softplus")
    if np.isin(Y, (0.0, 1.0)).all():
        sign = 1.0 - 2.0 * Y
        return np.asarray(identity(sign * Z, sign * dZ))
    return np.asarray(Y * identity(-Z, -dZ) + (1.0 - Y) * identity(Z, dZ))
