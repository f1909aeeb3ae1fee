"""A perceptron of which mistakes are located."""

import functools

import numpy as np

import fastcheck
from benchmarks.zoo.networks.perceptron import Perceptron, Shape
from fastcheck import Report

SIZES = (40, 40, 30, 5)


class Network:
    """A network of the zoo, weights features × inputs or, transposed, inputs × features, and its right gradient."""

    def __init__(self, seed, sizes=SIZES, *, transposed=False, activation="tanh"):
        shape = Shape(sizes=sizes, samples=6, loss="softmax", hidden=activation)
        self.network, self.transposed = Perceptron(shape, seed), transposed
        self.parameters = self.turned(self.network.parameters, copied=True)

    def turned(self, blocks, copied=False):
        if not self.transposed:
            return blocks
        turned = {name: block.T if name.startswith("W") else block for name, block in blocks.items()}
        return {name: np.ascontiguousarray(block) for name, block in turned.items()} if copied else turned

    def cost(self, p):
        return self.network.cost(self.turned(p))

    def gradients(self):
        found = self.turned(self.network.backward(self.network.parameters), copied=True)
        return {f"d{name}": found[name] for name in self.parameters}

    def locate(self, gradients, **options) -> Report:
        return fastcheck.locate(self.cost, self.parameters, gradients, **options)


def wrong_coordinates(report, block):
    return {c.index for c in report.blocks[block].worst if c.relative_error > 1e-7}


@functools.cache
def wide(transposed):
    return Network(0, sizes=(400, 300, 10), transposed=transposed, activation="relu")
