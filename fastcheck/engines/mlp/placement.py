"""Where a network's weights and biases lie in the vector θ of a problem."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastcheck.engines.mlp.activations import Activation
from fastcheck.engines.mlp.arrangement import Arranged
from fastcheck.engines.mlp.losses import Loss
from fastcheck.engines.mlp.network import Array, Network
from fastcheck.parameters import Block, Layout, Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The numbers of a layer's blocks; ``bias`` is None without one, ``turned`` says that the block is W.T."""

    weight: int
    bias: int | None
    turned: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recognition:
    """The multilayer perceptron that a cost computes, with its data, and where its parameters are in the problem."""

    arranged: Arranged
    hidden: tuple[Activation, ...]
    loss: Loss
    l2: float
    layers: tuple[Layer, ...]

    def network(self, layout: Layout, theta: Vector) -> Network:
        """Return the network with the parameters θ, after one forward pass."""
        weights, biases = [], []
        for layer in self.layers:
            W = _part(layout, layer.weight, theta)
            weights.append(W.T if layer.turned else W)
            bias = np.zeros(len(weights[-1])) if layer.bias is None else _part(layout, layer.bias, theta)
            biases.append(bias.reshape(-1))
        arranged = dataclasses.replace(self.arranged, weights=tuple(weights), biases=tuple(biases))
        return Network.of(arranged, self.hidden, self.loss, self.l2)

    def scatter(self, layout: Layout, matrices: Sequence[Array]) -> Vector:
        """Return a vector like θ from one matrix [W, b] of shape (n_out, n_in + 1) for each layer."""
        vector = np.empty(layout.size)
        for layer, matrix in zip(self.layers, matrices, strict=True):
            W = _part(layout, layer.weight, vector)
            (W.T if layer.turned else W)[...] = matrix[:, :-1]
            if layer.bias is not None:
                _part(layout, layer.bias, vector).reshape(-1)[...] = matrix[:, -1]
        return vector

    def unit(self, layout: Layout, number: int, position: int) -> tuple[int, int, int | None]:
        """Return layer, unit and input (None for a bias) of the coordinate at a position of θ, in block ``number``."""
        offset = position - layout.blocks[number].start
        for k, layer in enumerate(self.layers):
            if number == layer.bias:
                return k, offset, None
            if number == layer.weight:
                row, column = divmod(offset, layout.blocks[number].shape[1])
                return (k, column, row) if layer.turned else (k, row, column)
        raise KeyError(number)


def _part(layout: Layout, number: int, vector: Array) -> Array:
    block: Block = layout.blocks[number]
    return vector[block.start : block.stop].reshape(block.shape)
