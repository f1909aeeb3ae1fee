"""Is a handwritten digit even? A network of 64-25-12-1 units with its backward pass written by hand.

Plain NumPy, as one writes it in a course or a first project: ReLU, ReLU, sigmoid, cross-entropy, L2. The
data are the 1,797 real 8×8 images that scikit-learn ships. Samples are columns.
"""

from itertools import pairwise

import numpy as np

SIZES = (64, 25, 12, 1)
LAMBDA = 0.7


def load_data():
    """Return the images X (64, 1797), scaled to 0 … 1, and Y (1, 1797): 1 for an even digit, 0 for an odd one."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    X = digits.data.T / 16.0
    Y = (digits.target % 2 == 0).astype(float).reshape(1, -1)
    return X, Y


def initialize(seed=0):
    """Return W1, b1, W2, b2, W3, b3 after He et al."""
    rng = np.random.default_rng(seed)
    parameters = {}
    for layer, (n_in, n_out) in enumerate(pairwise(SIZES), start=1):
        parameters[f"W{layer}"] = rng.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in)
        parameters[f"b{layer}"] = np.zeros((n_out, 1))
    return parameters


def forward(X, Y, parameters):
    """Return the cost and what the backward pass needs."""
    m = X.shape[1]
    W1, b1 = parameters["W1"], parameters["b1"]
    W2, b2 = parameters["W2"], parameters["b2"]
    W3, b3 = parameters["W3"], parameters["b3"]

    Z1 = W1 @ X + b1
    A1 = np.maximum(Z1, 0)
    Z2 = W2 @ A1 + b2
    A2 = np.maximum(Z2, 0)
    Z3 = W3 @ A2 + b3
    A3 = 1 / (1 + np.exp(-Z3))

    cross_entropy = -np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)) / m
    penalty = LAMBDA / (2 * m) * (np.sum(W1**2) + np.sum(W2**2) + np.sum(W3**2))
    return cross_entropy + penalty, (Z1, A1, W1, Z2, A2, W2, A3, W3)


def backward(X, Y, cache):
    """Return the gradient of the cost with respect to every parameter."""
    m = X.shape[1]
    Z1, A1, W1, Z2, A2, W2, A3, W3 = cache

    dZ3 = (A3 - Y) / m
    dW3 = dZ3 @ A2.T + LAMBDA / m * W3
    db3 = dZ3.sum(axis=1, keepdims=True)

    dZ2 = (W3.T @ dZ3) * (Z2 > 0)
    dW2 = dZ2 @ A1.T + LAMBDA / m * W2
    db2 = dZ2.sum(axis=1, keepdims=True)

    dZ1 = (W2.T @ dZ2) * (Z1 > 0)
    dW1 = dZ1 @ X.T + LAMBDA / m * W1
    db1 = dZ1.sum(axis=1, keepdims=True)

    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2, "dW3": dW3, "db3": db3}


def train(X, Y, parameters, steps=200, rate=0.5):
    """Return the parameters after gradient descent on all samples."""
    parameters = {name: value.copy() for name, value in parameters.items()}
    for _ in range(steps):
        _, cache = forward(X, Y, parameters)
        gradients = backward(X, Y, cache)
        for name in parameters:
            parameters[name] -= rate * gradients[f"d{name}"]
    return parameters


def accuracy(X, Y, parameters):
    """Return the share of images that are classified right."""
    _, cache = forward(X, Y, parameters)
    A3 = cache[6]
    return float(np.mean((A3 > 0.5) == Y))
