"""A network at θ: what does not change when a weight does, computed once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.differences import fused, interpreted
from fastcheck.engines.mlp.activations import Activation
from fastcheck.engines.mlp.arrangement import Arranged
from fastcheck.engines.mlp.losses import Loss

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """A multilayer perceptron, its data, and its forward pass; layers are counted from 0.

    ``Zs[l]`` is (n_{l+1}, m), ``inputs[l]`` (n_l, m) what layer l multiplies: X, and the activations with their masks;
    ``output`` (n_L, m) is what the output activation makes of the last Z.
    """

    arranged: Arranged
    hidden: tuple[Activation, ...]
    loss: Loss
    l2: float
    Zs: tuple[Array, ...]
    inputs: tuple[Array, ...]
    output: Array

    @classmethod
    def of(cls, arranged: Arranged, hidden: tuple[Activation, ...], loss: Loss, l2: float) -> Network:
        """Return the network after one forward pass."""
        A, Zs, inputs = arranged.X, [], [arranged.X]
        for layer, (W, b) in enumerate(zip(arranged.weights, arranged.biases, strict=True)):
            Zs.append(W @ A + b[:, None])
            if layer < len(hidden):
                A, mask = hidden[layer].value(Zs[-1]), arranged.masks[layer]
                A = A if mask is None else A * mask
                inputs.append(A)
        return cls(
            arranged=arranged,
            hidden=hidden,
            loss=loss,
            l2=l2,
            Zs=tuple(Zs),
            inputs=tuple(inputs),
            output=loss.output(Zs[-1]),
        )

    def cost(self) -> float:
        """Return J."""
        penalty = sum(float(np.vdot(W, W)) for W in self.arranged.weights) if self.l2 else 0.0
        return float(self.loss.value(self.Zs[-1], self.arranged.Y)) + self.decay / 2 * penalty

    @property
    def decay(self) -> float:
        """λ/m: the slope of the penalty is this times the weight, at any step."""
        return self.l2 / self.arranged.samples

    def difference(
        self, layer: int, Z: Array, dZ: Array, mask: Array | None, *, compiled: bool = False
    ) -> Array:
        """Return the difference of the activations of a hidden layer; Z and dZ are broadcast."""
        activation = self.hidden[layer]
        identity = fused(activation.difference) if compiled else interpreted(activation.difference)
        with np.errstate(all="ignore"):
            dA: Array = identity(Z, dZ, *activation.constants)
        return dA if mask is None else dA * mask
