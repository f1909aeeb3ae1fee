"""Multilayer perceptrons in people's own forward functions: recorded once, guessed, and proved by behaviour.

One recorded run at a random point tells which parameter is multiplied with what. There the values of the arrays tell
the rest: two functions that give the same thousand random numbers are the same. What has been guessed counts only if
the network it describes has the user's cost, evaluated plainly, at other points too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.difference.lifting import LiftedCost
from fastcheck.engines.difference.recording import Product, Recorder, record
from fastcheck.engines.difference.session import session_of
from fastcheck.engines.mlp.activations import Activation
from fastcheck.engines.mlp.arrangement import Arranged, Mask
from fastcheck.engines.mlp.fitting import Case, Fitted, fit
from fastcheck.engines.mlp.guessing import guess_layer
from fastcheck.engines.mlp.placement import Layer, Recognition
from fastcheck.parameters import Layout, Vector
from fastcheck.problem import Problem

Array = NDArray[np.float64]
Arrays = Sequence[NDArray[Any]]
Cost = Callable[[Any], Any]

RELATIVE, ABSOLUTE = 0.3, 0.2
"""Parameters are moved by up to this much of their own size and of their block's: many units change their sign."""

SCALE = 0.05
"""Size of parameters that are all zero, once they are moved."""

SHRUNK = (0.8, 0.55, 0.7)
"""The random points are nearer to zero than θ, where outputs saturate less and J is known better, and not equally
near, which tells λ from the factor of the loss."""

COLUMNS = 64
"""Samples from which activations are guessed."""


def recognise(problem: Problem) -> Recognition | None:
    """Return the network that the cost computes, or None if it is none that is known, or not certainly one.

    The cost is recorded at a random point near θ and, if that looks like a multilayer perceptron, evaluated at two
    others; the network must have the same cost at all of them and at θ, but for rounding. Whatever the user's code
    raises there means None. Every block of the parameters must be one W_l or b_l, so that a network whose parameters
    lie in one vector is None. Afterwards what the cost can reach is as it was before.

    Cost: one forward pass on recording arrays, a second one if compiled code hid products from the first, and for
    what looks like a network two plain passes and the work of four.
    """
    blocks = problem.layout.blocks
    if any(len(block.shape) > 2 or block.size == 0 for block in blocks):
        return None
    cost = problem.evaluator.cost
    with session_of(cost) as session, np.errstate(all="ignore"):
        recorder, found = _attempt(problem, cost, session.kept.arrays)
        session.kept.restore()
        if found is None and recorder is not None and recorder.unwrapped:
            _, found = _attempt(problem, LiftedCost(cost), session.kept.arrays)
            session.kept.restore()
    return found


def _attempt(problem: Problem, recorded: Cost, reached: Arrays) -> tuple[Recorder | None, Recognition | None]:
    """Record the cost, and return the recorder, if the cost came to its end, and the network, if there is one."""
    layout, points = problem.layout, _points(problem)
    point = next(points)
    problem.evaluator.spend(1)
    try:
        leaves = [point[block.start : block.stop].reshape(block.shape) for block in layout.blocks]
        value, recorder = record(recorded, layout.assemble, leaves)
    except Exception:  # the user's code may raise anything
        return None, None
    arrays = list({id(array): array for array in (*reached, *recorder.constants.values())}.values())
    networks = list(_networks(recorder, layout, arrays))
    if not networks:
        return recorder, None
    cases = [[network.case(point, value, random=True)] for network in networks]
    for point in points:
        try:
            value = problem.evaluator(point)
        except Exception:  # likewise
            return None, None
        for network, known in zip(networks, cases, strict=True):
            known.append(network.case(point, value, random=True))
    for network, known in zip(networks, cases, strict=True):
        at_theta = network.case(problem.theta, problem.value, random=False)
        fitted = fit([*known, at_theta], [*arrays, *recorder.late])
        if fitted is not None:
            return recorder, network.recognition(problem.theta, fitted)
    return recorder, None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Network:
    """A guess at everything but the loss."""

    layout: Layout
    layers: tuple[Layer, ...]
    hidden: tuple[Activation, ...]
    masks: tuple[Mask, ...]
    X: Array

    def weights(self, theta: Vector) -> list[Array]:
        """Return the W_l (n_l, n_{l−1}) as views of θ."""
        weights, n_in = [], len(self.X)
        for layer in self.layers:
            W = self._entries(layer.weight, theta)
            weights.append(W.reshape(n_in, -1).T if layer.turned else W.reshape(-1, n_in))
            n_in = len(weights[-1])
        return weights

    def biases(self, theta: Vector) -> list[Array]:
        """Return the b_l (n_l,), views of θ or zeros."""
        return [
            np.zeros(len(W)) if layer.bias is None else self._entries(layer.bias, theta)
            for layer, W in zip(self.layers, self.weights(theta), strict=True)
        ]

    def case(self, theta: Vector, cost: float, *, random: bool) -> Case:
        """Return logits and penalty at θ, beside the user's cost there."""
        weights, A = self.weights(theta), self.X
        for layer, (W, b) in enumerate(zip(weights, self.biases(theta), strict=True)):
            Z = W @ A + b[:, None]
            if layer < len(self.hidden):
                mask = self.masks[layer]
                A = self.hidden[layer].value(Z)
                A = A if mask is None else A * mask
        entries = [self._entries(layer.weight, theta) for layer in self.layers]
        squares = sum(float(np.dot(w, w)) for w in entries)
        return Case(Z=Z, squares=squares, cost=cost, random=random)

    def recognition(self, theta: Vector, fitted: Fitted) -> Recognition:
        """Return what has been found out."""
        arranged = Arranged(
            weights=tuple(self.weights(theta)),
            biases=tuple(self.biases(theta)),
            X=self.X,
            Y=fitted.targets,
            masks=(*self.masks, None),
        )
        return Recognition(
            arranged=arranged, hidden=self.hidden, loss=fitted.loss, l2=fitted.l2, layers=self.layers
        )

    def _entries(self, number: int, theta: Vector) -> Vector:
        block = self.layout.blocks[number]
        return theta[block.start : block.stop]


def _networks(recorder: Recorder, layout: Layout, arrays: Arrays) -> Iterator[_Network]:
    """Yield what the recorded products may be the network of: nearly always one, or none."""
    products = recorder.products
    if recorder.strange or len({product.leaf for product in products}) < len(products):
        return
    chains = [products] if products else []
    if recorder.unwrapped:
        chains += [[first, *products] for first in _unseen(products, layout, arrays)]
    for chain in chains:
        network = _network(chain, recorder.leaves, layout, arrays)
        if network is not None:
            yield network


def _network(
    chain: Sequence[Product], leaves: Sequence[Array], layout: Layout, arrays: Arrays
) -> _Network | None:
    """Return the network of these products, if each makes the inputs of the next and all parameters have a place."""
    m = chain[0].inputs.shape[1]
    if any(after.inputs.shape != (before.outputs, m) for before, after in pairwise(chain)):
        return None
    weights = {product.leaf for product in chain}
    biases = {number: leaves[number] for number in range(len(leaves)) if number not in weights}
    columns = slice(None) if m <= COLUMNS else np.linspace(0, m - 1, COLUMNS).astype(np.intp)
    guesses = []
    for before, after in pairwise(chain):
        n = before.outputs
        fitting = {number: b for number, b in biases.items() if b.size == n}
        P = _weight(leaves[before.leaf], before) @ before.inputs[:, columns]
        guess = guess_layer(P, after.inputs[:, columns], fitting, _masks(arrays, (n, m)), columns)
        if guess is None:
            return None
        if guess.bias is not None:
            del biases[guess.bias]
        guesses.append(guess)
    if len(biases) > 1 or any(b.size != chain[-1].outputs for b in biases.values()):
        return None
    numbers = [*(guess.bias for guess in guesses), next(iter(biases), None)]
    return _Network(
        layout=layout,
        layers=tuple(
            Layer(weight=product.leaf, bias=bias, turned=product.turned)
            for product, bias in zip(chain, numbers, strict=True)
        ),
        hidden=tuple(guess.activation for guess in guesses),
        masks=tuple(guess.mask for guess in guesses),
        X=chain[0].inputs,
    )


def _unseen(products: Sequence[Product], layout: Layout, arrays: Arrays) -> Iterator[Product]:
    """Yield what ``X.dot(W)``, which no one is told of, may have multiplied before the first recorded product."""
    seen = {product.leaf for product in products}
    unseen = [(leaf, block) for leaf, block in enumerate(layout.blocks) if leaf not in seen]
    for inputs in _matrices(arrays):
        for leaf, block in unseen:
            n_in, m = inputs.shape
            outputs = block.size // n_in if n_in else 0
            if outputs and (not products or products[0].inputs.shape == (outputs, m)):
                X = inputs.astype(np.float64, copy=False)
                if block.shape in ((outputs, n_in), (n_in,)):
                    yield Product(leaf=leaf, turned=False, outputs=outputs, inputs=X)
                if block.shape == (n_in, outputs):
                    yield Product(leaf=leaf, turned=True, outputs=outputs, inputs=X)


def _masks(arrays: Arrays, shape: tuple[int, int]) -> Iterator[NDArray[Any]]:
    """Yield the arrays that may be dropout masks (n, m), the same for all samples perhaps."""
    for mask in _matrices(arrays):
        if mask.shape in (shape, (shape[0], 1)):
            yield np.broadcast_to(mask, shape)


def _matrices(arrays: Arrays) -> Iterator[NDArray[Any]]:
    """Yield matrices of numbers, and their transposes."""
    for array in arrays:
        if array.ndim == 2 and array.dtype.kind in "biuf":
            yield array
            yield array.T


def _weight(entries: Array, product: Product) -> Array:
    n_in = len(product.inputs)
    return entries.reshape(n_in, -1).T if product.turned else entries.reshape(-1, n_in)


def _points(problem: Problem) -> Iterator[Vector]:
    """Yield three random points near θ, where no two blocks are the same; each in the memory of the one before."""
    theta, everything = problem.theta, _size(problem.theta)
    steps = np.random.default_rng(0).random(theta.size + len(SHRUNK), dtype=np.float32)
    steps -= np.float32(0.5)
    point = np.empty(theta.size)
    for number, scale in enumerate(SHRUNK):
        for block in problem.layout.blocks:
            part, given = point[block.start : block.stop], theta[block.start : block.stop]
            np.multiply(given, 2.0 * RELATIVE, out=part)
            part += 2.0 * ABSOLUTE * (_size(given) or everything / 2 or SCALE)
            part *= steps[block.start + number : block.stop + number]
            part += given
        point *= scale
        yield point


def _size(values: Vector) -> float:
    """Return the root of the mean square."""
    return math.sqrt(float(np.dot(values, values)) / values.size)
