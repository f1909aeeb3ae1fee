"""The networks of the courses, with their backward passes; ``m`` is the number of samples.

Data is laid out features × samples; hidden layers are ReLU, the output is a sigmoid with cross-entropy. Parameters are
a dict ``W1, b1, …, WL, bL`` of any depth.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastcheck.course.vectors import COURSE_SHAPES, Array, depth
from fastcheck.errors import InvalidProblemError

Parameters = Mapping[str, Array]
Gradients = dict[str, Array]


class LayerCache(NamedTuple):
    """What the backward pass needs of one layer: its input, its own arrays, and its dropout mask, if it has one."""

    A_previous: Array
    Z: Array
    A: Array
    W: Array
    b: Array
    D: Array | None


Cache = Sequence[Any]
"""Either the arrays of all layers in a row, or a `LayerCache` of each."""


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(−x)), elementwise."""
    s: Array = 1 / (1 + np.exp(-x))
    return s


def relu(x: Array) -> Array:
    """Return max(x, 0), elementwise."""
    s: Array = np.maximum(0, x)
    return s


def initialize_parameters(
    layer_dims: Sequence[int] = (4, 5, 3, 1), seed: int = 1, gain: float = 2.0
) -> dict[str, Array]:
    """Return W1, b1, …: weights of variance gain / inputs, zero biases, the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    parameters = {}
    for layer, (n_in, n_out) in enumerate(itertools.pairwise(layer_dims), start=1):
        parameters[f"W{layer}"] = rng.standard_normal((n_out, n_in)) * np.sqrt(gain / n_in)
        parameters[f"b{layer}"] = np.zeros((n_out, 1))
    return parameters


def update_parameters(
    parameters: Parameters, gradients: Mapping[str, Array], learning_rate: float
) -> Gradients:
    """Return the parameters after a step of gradient descent; those given stay as they are."""
    return {name: array - learning_rate * gradients[f"d{name}"] for name, array in parameters.items()}


def gradient_check_n_test_case() -> tuple[Array, Array, dict[str, Array]]:
    """Return the course's test case: X (4×3), Y (3,) and the 47 parameters, from seed 1.

    NumPy's global generator is as before afterwards.
    """
    rng = np.random.RandomState(1)  # the course's numbers come from this generator
    X = rng.randn(4, 3)
    Y = np.array([1, 1, 0])
    parameters = {name: rng.randn(*shape) for name, shape in COURSE_SHAPES.items()}
    return X, Y, parameters


def gradient_check_n_solved_case() -> tuple[dict[str, Array], Gradients, Array, Array]:
    """Return the parameters of the test case, their right gradients, X and Y: the arguments of `gradient_check_n`."""
    X, Y, parameters = gradient_check_n_test_case()
    _, cache = forward_propagation_n(X, Y, parameters)
    return parameters, backward_propagation_n(X, Y, cache), X, Y


def forward_propagation_n(X: Array, Y: Array, parameters: Parameters) -> tuple[float, tuple[Any, ...]]:
    """Return the cross-entropy cost of the network, and the cache for the backward pass.

    ``X`` is (features, m), ``Y`` (m,) or (1, m). The cache is (Z1, A1, W1, b1, Z2, A2, W2, b2, …).
    """
    layers = forward_pass(X, parameters)
    return compute_cost(layers[-1].A, Y), _in_a_row(layers)


def backward_propagation_n(X: Array, Y: Array, cache: Cache) -> Gradients:
    """Return the gradients of `forward_propagation_n`: dZ3, dW3, db3, dA2, dZ2, dW2, …, all right."""
    return backward_pass(layers_of(X, cache), Y)


def backward_propagation_n_buggy(X: Array, Y: Array, cache: Cache) -> Gradients:
    """Return gradients with the two mistakes of the course: dW2 doubled, and db1 with 4/m, not 1/m."""
    gradients = backward_propagation_n(X, Y, cache)
    gradients["db1"] = gradients["db1"] * 4
    if "dW2" in gradients:
        gradients["dW2"] = gradients["dW2"] * 2
    return gradients


def compute_cost(AL: Array, Y: Array) -> float:
    """Return the cross-entropy of the outputs AL (1, m), averaged over the samples."""
    losses = np.multiply(-np.log(AL), Y) + np.multiply(-np.log(1 - AL), 1 - Y)
    cost: float = np.sum(losses) / AL.shape[1]
    return cost


def compute_cost_with_regularization(AL: Array, Y: Array, parameters: Parameters, lambd: float) -> float:
    """Return cross-entropy + λ/2m · Σ W², for the outputs AL (1, m); biases are not penalised."""
    return compute_cost(AL, Y) + l2_penalty(parameters, lambd, AL.shape[1])


def l2_penalty(parameters: Parameters, lambd: float, m: int) -> float:
    """Return λ/2m · Σ W² over all weights."""
    squares = sum(np.sum(np.square(parameters[f"W{k}"])) for k in range(1, depth(parameters) + 1))
    penalty: float = lambd / (2 * m) * squares
    return penalty


def backward_propagation_with_regularization(X: Array, Y: Array, cache: Cache, lambd: float) -> Gradients:
    """Return the gradients of the regularised cost: λ/m · W is added to each dW, nothing to db."""
    return backward_pass(layers_of(X, cache), Y, lambd=lambd)


def dropout_masks(parameters: Parameters, m: int, keep_prob: float, seed: int = 0) -> list[Array]:
    """Draw one mask of zeros and ones (units, m) for each hidden layer; keep them for the whole check."""
    return _draw_masks(parameters, m, keep_prob, np.random.default_rng(seed).random)


def forward_with_caches(
    X: Array, parameters: Parameters, keep_prob: float = 1.0
) -> tuple[Array, list[LayerCache]]:
    """Return the outputs AL and the caches of all layers; below 1 with masks from NumPy's global generator."""
    layers = forward_pass(X, parameters, _global_masks(X, parameters, keep_prob), keep_prob)
    return layers[-1].A, layers


def backward_from_caches(AL: Array, Y: Array, caches: Cache, keep_prob: float = 1.0) -> Gradients:
    """Return all gradients from what `forward_with_caches` returned."""
    if not isinstance(caches[0], LayerCache):
        raise InvalidProblemError(
            "backward_propagation: expected the caches that forward_propagation(X, parameters) returned, got "
            f"{type(caches[0]).__name__} first. The cache of forward_propagation_n goes to backward_propagation_n."
        )
    return backward_pass(caches, Y, keep_prob=keep_prob, AL=AL)


def forward_propagation_with_dropout(
    X: Array, parameters: Parameters, keep_prob: float = 0.5
) -> tuple[Array, tuple[Any, ...]]:
    """Return the outputs AL and the cache with inverted dropout: A ∘ mask / keep_prob in each hidden layer.

    Every call draws new masks from NumPy's global generator, as the courses do: ``np.random.seed(1)`` before it repeats
    them, ``keep_prob=1.0`` draws none. The cache is (Z1, D1, A1, W1, b1, …, ZL, AL, WL, bL).
    """
    layers = forward_pass(X, parameters, _global_masks(X, parameters, keep_prob), keep_prob)
    return layers[-1].A, _in_a_row(layers, masks=True)


def forward_propagation_with_masks(
    X: Array, Y: Array, parameters: Parameters, masks: Sequence[Array], keep_prob: float = 0.5
) -> tuple[float, tuple[Any, ...]]:
    """Return cost and cache with the given dropout masks, so that the cost is the same in every call.

    The cache is that of `forward_propagation_with_dropout`. ``keep_prob=1.0`` ignores the masks.
    """
    layers = forward_pass(X, parameters, masks if keep_prob < 1 else None, keep_prob)
    return compute_cost(layers[-1].A, Y), _in_a_row(layers, masks=True)


def backward_propagation_with_dropout(X: Array, Y: Array, cache: Cache, keep_prob: float = 0.5) -> Gradients:
    """Return the gradients of `forward_propagation_with_dropout`, through the masks in its cache."""
    return backward_pass(layers_of(X, cache, masks=True), Y, keep_prob=keep_prob)


def forward_pass(
    X: Array, parameters: Parameters, masks: Sequence[Array] | None = None, keep_prob: float = 1.0
) -> list[LayerCache]:
    """Return what all layers compute; hidden ones with their dropout mask, if there are any."""
    L = depth(parameters)
    layers, A = [], X
    for layer in range(1, L + 1):
        A_previous, W, b = A, parameters[f"W{layer}"], parameters[f"b{layer}"]
        Z, D = np.dot(W, A_previous) + b, None
        A = relu(Z) if layer < L else sigmoid(Z)
        if masks is not None and layer < L:
            D = masks[layer - 1]
            A = A * D / keep_prob
        layers.append(LayerCache(A_previous, Z, A, W, b, D))
    return layers


def backward_pass(
    layers: Sequence[LayerCache],
    Y: Array,
    lambd: float = 0.0,
    keep_prob: float = 1.0,
    AL: Array | None = None,
) -> Gradients:
    """Return all gradients, from the last layer to the first; ``AL`` in place of the outputs in the cache."""
    gradients: Gradients = {}
    dZ = (layers[-1].A if AL is None else AL) - Y
    m = dZ.shape[1]
    for number in range(len(layers), 0, -1):
        layer = layers[number - 1]
        gradients[f"dZ{number}"] = dZ
        gradients[f"dW{number}"] = np.dot(dZ, layer.A_previous.T) / m + lambd / m * layer.W
        gradients[f"db{number}"] = np.sum(dZ, axis=1, keepdims=True) / m
        if number > 1:
            before = layers[number - 2]
            dA = np.dot(layer.W.T, dZ)
            if before.D is not None:
                dA = dA * before.D / keep_prob
            gradients[f"dA{number - 1}"] = dA
            dZ = dA * (before.Z > 0)
    return gradients


def layers_of(X: Array, cache: Cache, masks: bool = False) -> list[LayerCache]:
    """Return the layers of a cache, however it is written; hidden ones in a row hold a mask if ``masks``."""
    if isinstance(cache[0], LayerCache):
        return list(cache)
    layers, A_previous, width = [], X, 5 if masks else 4
    for start in range(0, len(cache), width):
        Z, *D, A, W, b = cache[start : start + width]
        layers.append(LayerCache(A_previous, Z, A, W, b, D[0] if D else None))
        A_previous = A
    return layers


def _global_masks(X: Array, parameters: Parameters, keep_prob: float) -> list[Array] | None:
    """Return masks drawn from NumPy's global generator, or None if all units are kept."""
    if keep_prob >= 1:
        return None
    return _draw_masks(parameters, X.shape[1], keep_prob, np.random.random)


def _draw_masks(
    parameters: Parameters, m: int, keep_prob: float, draw: Callable[[tuple[int, int]], Any]
) -> list[Array]:
    units = [np.shape(parameters[f"W{layer}"])[0] for layer in range(1, depth(parameters))]
    return [(draw((n, m)) < keep_prob).astype(float) for n in units]


def _in_a_row(layers: Sequence[LayerCache], masks: bool = False) -> tuple[Any, ...]:
    """Return Z, D, A, W, b of all layers, or without the D; the last layer has none."""
    row: list[Any] = []
    for number, layer in enumerate(layers, start=1):
        D = [np.ones_like(layer.Z) if layer.D is None else layer.D] if masks and number < len(layers) else []
        row += [layer.Z, *D, layer.A, layer.W, layer.b]
    return tuple(row)
