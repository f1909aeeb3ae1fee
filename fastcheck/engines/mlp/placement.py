"""Where a network's weights and biases lie in the vector θ of a problem."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from fastcheck.engines.mlp.activations import Activation
from fastcheck.engines.mlp.arrangement import Arranged
from fastcheck.engines.mlp.losses import Loss
from fastcheck.engines.mlp.network import Array, Network
from fastcheck.parameters import Block, Layout, Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Where the parameters of a layer are among ``layout.blocks``; ``bias`` is None if it has none.

    The entries of block ``weight``, in C order, are those of W_l (n_l, n_{l−1}), or, if it is ``turned``, those of
    W_l.T.
    """

    weight: int
    bias: int | None
    turned: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recognition:
    """The multilayer perceptron that a cost computes: the arguments of `fastcheck.MLP`, and where they come from.

    ``arranged`` holds the parameters θ and the data, float64, as views of θ and of the user's arrays where they can
    be: they are not to be written into. Layers without a bias have zeros there. ``l2`` is λ in λ/(2m) Σ‖W‖².
    ``forward_passes`` is what finding this out was worth.
    """

    arranged: Arranged
    hidden: tuple[Activation, ...]
    loss: Loss
    l2: float
    layers: tuple[Layer, ...]
    forward_passes: int = 0

    def network(self, layout: Layout, theta: Vector) -> Network:
        """Return the network with the parameters θ, after one forward pass."""
        weights, biases = [], []
        for k, layer in enumerate(self.layers):
            weights.append(self._weight(layout, k, theta))
            bias = np.zeros(len(weights[-1])) if layer.bias is None else _part(layout, layer.bias, theta)
            biases.append(bias)
        arranged = dataclasses.replace(self.arranged, weights=tuple(weights), biases=tuple(biases))
        return Network.of(arranged, self.hidden, self.loss, self.l2)

    def unit(self, number: int, place: int) -> tuple[int, int, int | None]:
        """Return layer, unit and input (None for a bias) of the coordinate at a place of block ``number``."""
        for k, layer in enumerate(self.layers):
            if number == layer.bias:
                return k, place, None
            if number == layer.weight:
                n_out, n_in = self.arranged.weights[k].shape
                row, column = divmod(place, n_out if layer.turned else n_in)
                return (k, column, row) if layer.turned else (k, row, column)
        raise KeyError(number)

    def _weight(self, layout: Layout, k: int, vector: Array) -> Array:
        """Return the view of W_l (n_out, n_in) in a vector like θ."""
        layer, (n_out, n_in) = self.layers[k], self.arranged.weights[k].shape
        entries = _part(layout, layer.weight, vector)
        return entries.reshape(n_in, n_out).T if layer.turned else entries.reshape(n_out, n_in)


def _part(layout: Layout, number: int, vector: Array) -> Array:
    block: Block = layout.blocks[number]
    return vector[block.start : block.stop]
