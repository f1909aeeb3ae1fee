"""A network of ReLU layers and a softmax with L2, features × samples, and its right gradient."""

import functools

from benchmarks.zoo.networks.perceptron import Perceptron, Shape


@functools.cache
def network(sizes=(40, 30, 10, 6), samples=24, seed=1):
    """Cost, parameters, right gradients."""
    found = Perceptron(Shape(sizes=sizes, samples=samples, loss="softmax", lambd=0.3), seed)
    gradients = found.backward(found.parameters)
    return found.cost, found.parameters, {name: gradients[name] for name in found.parameters}
