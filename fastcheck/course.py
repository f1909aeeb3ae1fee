"""The exercises of the classic courses, under their usual names.

The 1-D exercise J(θ) = θ x, the three-layer network of 47 parameters with its two planted mistakes, the way
between a dictionary of parameters and a vector, L2 and dropout. ``m`` is the number of samples; data is laid
out features × samples; hidden layers are ReLU, the output is a sigmoid with cross-entropy. Parameters are a
dict ``W1, b1, …, WL, bL`` of any depth.

Everything here is plain textbook code, readable beside a lecture. For networks beyond it use
`fastcheck.check`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.reference import central_differences
from fastcheck.errors import InvalidProblemError
from fastcheck.report.result import Coordinate
from fastcheck.verdict import relative_difference

Array = NDArray[np.float64]
Parameters = Mapping[str, Array]
Gradients = dict[str, Array]

THRESHOLD = 2e-7
"""The courses call a difference above this a mistake."""

COURSE_SHAPES = {"W1": (5, 4), "b1": (5, 1), "W2": (3, 5), "b2": (3, 1), "W3": (1, 3), "b3": (1, 1)}


def forward_propagation(x: float, theta: float) -> float:
    """Return the cost of the 1-D exercise, J(θ) = θ x."""
    return theta * x


def backward_propagation(x: float, theta: float) -> float:
    """Return the derivative of the 1-D cost, dJ/dθ = x."""
    return x


def gradient_check(x: float, theta: float, epsilon: float = 1e-7, print_msg: bool = False) -> float:
    """Check the 1-D exercise; returns the difference. Costs two forward passes.

    >>> gradient_check(3.0, 4.0) < 1e-8
    True
    """
    point = np.array([float(theta)])
    numerical = central_differences(lambda t: forward_propagation(x, t[0]), point, [0], epsilon)
    difference = relative_difference(np.array([backward_propagation(x, theta)], dtype=float), numerical)
    if print_msg:
        _print_message(difference)
    return difference


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(−x)), elementwise."""
    s: Array = 1 / (1 + np.exp(-x))
    return s


def relu(x: Array) -> Array:
    """Return max(x, 0), elementwise."""
    s: Array = np.maximum(0, x)
    return s


def forward_propagation_n(X: Array, Y: Array, parameters: Parameters) -> tuple[float, tuple[Any, ...]]:
    """Return the cross-entropy cost of the network, and the cache for the backward pass.

    ``X`` is (features, m), ``Y`` (m,) or (1, m). The cache is (Z1, A1, W1, b1, Z2, A2, W2, b2, …).
    """
    m = X.shape[1]
    L = _depth(parameters)
    A, cache = X, []
    for layer in range(1, L + 1):
        W, b = parameters[f"W{layer}"], parameters[f"b{layer}"]
        Z = np.dot(W, A) + b
        A = relu(Z) if layer < L else sigmoid(Z)
        cache += [Z, A, W, b]
    return _cross_entropy(A, Y, m), tuple(cache)


def backward_propagation_n(X: Array, Y: Array, cache: tuple[Any, ...]) -> Gradients:
    """Return the gradients of `forward_propagation_n`: dZ3, dW3, db3, dA2, dZ2, dW2, …, all right."""
    return _backward(X, Y, cache)


def backward_propagation_n_buggy(X: Array, Y: Array, cache: tuple[Any, ...]) -> Gradients:
    """Return gradients with the two mistakes of the course: dW2 doubled, and db1 with 4/m, not 1/m."""
    gradients = _backward(X, Y, cache)
    gradients["db1"] = gradients["db1"] * 4
    if "dW2" in gradients:
        gradients["dW2"] = gradients["dW2"] * 2
    return gradients


def gradient_check_n(
    parameters: Parameters,
    gradients: Mapping[str, Array],
    X: Array,
    Y: Array,
    epsilon: float = 1e-7,
    print_msg: bool = False,
) -> float:
    """Check claimed gradients of `forward_propagation_n` by the textbook loop; returns the difference.

    Costs two forward passes a parameter: 94 for the course's 47. With a right gradient and ε = 1e-7 the
    difference is about 1.2e-7: the loop subtracts two costs that agree to seven digits, which leaves an error
    of about 1e-16·|J|/ε in each entry.

    >>> parameters, gradients, X, Y = gradient_check_n_test_case()
    >>> round(gradient_check_n(parameters, gradients, X, Y), 9)
    1.19e-07
    """
    claimed, numerical = _compare(parameters, gradients, X, Y, epsilon)
    difference = relative_difference(claimed, numerical)
    if print_msg:
        _print_message(difference)
    return difference


def detailed_gradient_check(
    parameters: Parameters, gradients: Mapping[str, Array], X: Array, Y: Array, epsilon: float = 1e-7
) -> list[Coordinate]:
    """Return the ten coordinates with the largest errors |g − ĝ|, worst first, with name and position.

    Costs two forward passes a parameter.
    """
    claimed, numerical = _compare(parameters, gradients, X, Y, epsilon)
    error = np.abs(claimed - numerical)
    worst = []
    for i in np.argsort(-error, kind="stable")[:10]:
        name, position = identify_parameter(int(i), parameters)
        largest = max(abs(claimed[i]), abs(numerical[i]))
        worst.append(
            Coordinate(
                block=name.removeprefix("d"),
                index=position,
                claimed=float(claimed[i]),
                numerical=float(numerical[i]),
                error=float(error[i]),
                relative_error=float(error[i] / largest) if largest else 0.0,
            )
        )
    return worst


def dictionary_to_vector(parameters: Parameters) -> tuple[Array, list[str]]:
    """Return all parameters W1, b1, W2, … as one column (n, 1), and for each row the name of its block."""
    names = _names(parameters)
    vector = np.concatenate([np.reshape(parameters[name], (-1, 1)) for name in names])
    return vector, [name for name in names for _ in range(np.size(parameters[name]))]


def vector_to_dictionary(vector: Array, shapes: Mapping[str, Any] | None = None) -> dict[str, Array]:
    """Return the parameters that `dictionary_to_vector` was called on.

    ``shapes`` maps names to shapes, or to arrays of these shapes (the parameters themselves will do), in
    the order W1, b1, …; without it they are the course's 5×4, 5×1, 3×5, 3×1, 1×3, 1×1. Raises
    `InvalidProblemError` if the vector has another length.
    """
    flat = np.ravel(vector)
    given: Mapping[str, Any] = COURSE_SHAPES if shapes is None else shapes
    wanted = {name: _shape(given[name]) for name in _names(given)}
    size = sum(int(np.prod(shape)) for shape in wanted.values())
    if flat.size != size:
        raise InvalidProblemError(
            f"vector_to_dictionary: expected {size} numbers for the shapes {wanted}, got {flat.size}. Pass "
            "the shapes of your network: vector_to_dictionary(vector, parameters)."
        )
    parameters, start = {}, 0
    for name, shape in wanted.items():
        stop = start + int(np.prod(shape))
        parameters[name] = flat[start:stop].reshape(shape)
        start = stop
    return parameters


def gradients_to_vector(gradients: Mapping[str, Array]) -> Array:
    """Return dW1, db1, dW2, … as one column (n, 1); other keys, such as dZ1, are ignored."""
    names = [name for layer in range(1, _depth(gradients, "dW") + 1) for name in (f"dW{layer}", f"db{layer}")]
    return np.concatenate([np.reshape(gradients[name], (-1, 1)) for name in names])


def identify_parameter(index: int, parameters: Parameters) -> tuple[str, tuple[int, ...]]:
    """Return the gradient's name and the position in it of entry ``index`` of the vector.

    >>> parameters, _, _, _ = gradient_check_n_test_case()
    >>> identify_parameter(12, parameters)
    ('dW1', (3, 0))
    """
    rest = index
    for name in _names(parameters):
        size = np.size(parameters[name])
        if 0 <= rest < size:
            return f"d{name}", tuple(int(i) for i in np.unravel_index(rest, np.shape(parameters[name])))
        rest -= size
    total = sum(np.size(parameters[name]) for name in _names(parameters))
    raise InvalidProblemError(f"identify_parameter: expected an index from 0 to {total - 1}, got {index}.")


def gradient_check_n_test_case() -> tuple[dict[str, Array], Gradients, Array, Array]:
    """Return the course's test case: parameters, right gradients, X (4×3) and Y (3,), from seed 1.

    NumPy's global generator is as before afterwards.
    """
    rng = np.random.RandomState(1)  # the course's numbers come from this generator
    X = rng.randn(4, 3)
    Y = np.array([1, 1, 0])
    parameters = {name: rng.randn(*shape) for name, shape in COURSE_SHAPES.items()}
    _, cache = forward_propagation_n(X, Y, parameters)
    return parameters, backward_propagation_n(X, Y, cache), X, Y


def compute_cost_with_regularization(A3: Array, Y: Array, parameters: Parameters, lambd: float) -> float:
    """Return cross-entropy + λ/2m · Σ W², for the output A3 (1, m); biases are not penalised."""
    m = A3.shape[1]
    squares = sum(np.sum(np.square(parameters[f"W{k}"])) for k in range(1, _depth(parameters) + 1))
    cost: float = _cross_entropy(A3, Y, m) + lambd / (2 * m) * squares
    return cost


def backward_propagation_with_regularization(
    X: Array, Y: Array, cache: tuple[Any, ...], lambd: float
) -> Gradients:
    """Return the gradients of the regularised cost: λ/m · W is added to each dW, nothing to db."""
    return _backward(X, Y, cache, lambd=lambd)


def dropout_masks(parameters: Parameters, m: int, keep_prob: float, seed: int = 0) -> list[Array]:
    """Draw one mask of zeros and ones (units, m) for each hidden layer; keep them for the whole check."""
    rng = np.random.default_rng(seed)
    units = [np.shape(parameters[f"W{layer}"])[0] for layer in range(1, _depth(parameters))]
    return [(rng.random((n, m)) < keep_prob).astype(float) for n in units]


def forward_propagation_with_dropout(
    X: Array, Y: Array, parameters: Parameters, masks: list[Array], keep_prob: float = 0.5
) -> tuple[float, tuple[Any, ...]]:
    """Return cost and cache with inverted dropout: A ∘ mask / keep_prob in each hidden layer.

    The cache is (Z1, D1, A1, W1, b1, …, ZL, AL, WL, bL). ``keep_prob=1.0`` ignores the masks.
    """
    L = _depth(parameters)
    A, cache = X, []
    for layer in range(1, L + 1):
        W, b = parameters[f"W{layer}"], parameters[f"b{layer}"]
        Z = np.dot(W, A) + b
        if layer == L:
            A = sigmoid(Z)
            cache += [Z, A, W, b]
        else:
            D = masks[layer - 1] if keep_prob < 1 else np.ones_like(Z)
            A = relu(Z) * D / keep_prob
            cache += [Z, D, A, W, b]
    return _cross_entropy(A, Y, X.shape[1]), tuple(cache)


def backward_propagation_with_dropout(
    X: Array, Y: Array, cache: tuple[Any, ...], keep_prob: float = 0.5
) -> Gradients:
    """Return the gradients of `forward_propagation_with_dropout`, through the masks in its cache."""
    hidden, output = cache[:-4], cache[-4:]
    masks = list(hidden[1::5])
    plain = [entry for i, entry in enumerate(hidden) if i % 5 != 1]
    return _backward(X, Y, (*plain, *output), masks=masks, keep_prob=keep_prob)


def _backward(
    X: Array,
    Y: Array,
    cache: tuple[Any, ...],
    lambd: float = 0.0,
    masks: list[Array] | None = None,
    keep_prob: float = 1.0,
) -> Gradients:
    """Return all gradients; the cache holds Z, A, W, b for each layer."""
    m = X.shape[1]
    layers = [cache[i : i + 4] for i in range(0, len(cache), 4)]
    gradients: Gradients = {}
    dZ = layers[-1][1] - Y
    for layer in range(len(layers), 0, -1):
        _, _, W, _ = layers[layer - 1]
        A_previous = layers[layer - 2][1] if layer > 1 else X
        gradients[f"dZ{layer}"] = dZ
        gradients[f"dW{layer}"] = np.dot(dZ, A_previous.T) / m + lambd / m * W
        gradients[f"db{layer}"] = np.sum(dZ, axis=1, keepdims=True) / m
        if layer > 1:
            dA = np.dot(W.T, dZ)
            if masks is not None:
                dA = dA * masks[layer - 2] / keep_prob
            gradients[f"dA{layer - 1}"] = dA
            dZ = dA * (layers[layer - 2][0] > 0)
    return gradients


def _shape(shape_or_array: Any) -> tuple[int, ...]:
    if isinstance(shape_or_array, np.ndarray):
        shape_or_array = shape_or_array.shape
    return tuple(shape_or_array)


def _cross_entropy(A: Array, Y: Array, m: int) -> float:
    losses = np.multiply(-np.log(A), Y) + np.multiply(-np.log(1 - A), 1 - Y)
    cost: float = np.sum(losses) / m
    return cost


def _compare(
    parameters: Parameters, gradients: Mapping[str, Array], X: Array, Y: Array, epsilon: float
) -> tuple[Array, Array]:
    """Return claimed and numerical gradient, both (n,)."""
    vector, _ = dictionary_to_vector(parameters)

    def cost(theta: Array) -> float:
        return forward_propagation_n(X, Y, vector_to_dictionary(theta, parameters))[0]

    theta = vector.ravel().astype(float)
    claimed = gradients_to_vector(gradients).ravel()
    if claimed.size != theta.size:
        raise InvalidProblemError(
            f"gradients: expected {theta.size} numbers, one for each parameter, got {claimed.size}. Compare "
            "the shapes of dW1, db1, … with those of W1, b1, …."
        )
    return claimed, central_differences(cost, theta, range(theta.size), epsilon)


def _names(parameters: Mapping[str, Any]) -> list[str]:
    return [name for layer in range(1, _depth(parameters) + 1) for name in (f"W{layer}", f"b{layer}")]


def _depth(parameters: Mapping[str, Any], weight: str = "W") -> int:
    """Return the number of layers L; W1, b1, …, WL, bL must all be there."""
    depth = 0
    while f"{weight}{depth + 1}" in parameters:
        depth += 1
    missing = [k for k in range(1, depth + 1) if f"{weight[:-1]}b{k}" not in parameters]
    if depth == 0 or missing:
        raise InvalidProblemError(
            f"parameters: expected {weight}1, {weight[:-1]}b1, {weight}2, …, got "
            f"{', '.join(map(str, parameters))}."
        )
    return depth


def _print_message(difference: float) -> None:
    wrong = difference > THRESHOLD
    text = (
        f"There is a mistake in the backward propagation! difference = {difference}"
        if wrong
        else f"Your backward propagation works perfectly fine! difference = {difference}"
    )
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        text = f"\033[{93 if wrong else 92}m{text}\033[0m"
    print(text)
