"""Problems whose gradients are derived by hand, as the courses do: the first of all scenarios."""

from __future__ import annotations

from collections import namedtuple
from itertools import pairwise

import mpmath
import numpy as np
from structures import Scenario


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# --- features × samples, W1, b1, … in a dict, as in the courses -----------------------------------------


def relu_forward(X, Y, parameters, lambd=0.0):
    """ReLU layers, sigmoid output, cross-entropy, L2 on the weights; X is (features, m)."""
    m, depth, A, cache = X.shape[1], len(parameters) // 2, X, [X]
    for layer in range(1, depth + 1):
        Z = parameters[f"W{layer}"] @ A + parameters[f"b{layer}"]
        A = np.maximum(Z, 0) if layer < depth else Z
        cache += [Z, A]
    cost = np.sum(np.logaddexp(0, A) - Y * A) / m
    penalty = lambd / (2 * m) * sum(np.sum(parameters[f"W{k}"] ** 2) for k in range(1, depth + 1))
    return cost + penalty, (parameters, cache)


def relu_backward(X, Y, cache, lambd=0.0, at_zero=0.0):
    """The gradients dW1, db1, …; ``at_zero`` is the slope claimed for a ReLU exactly at 0."""
    parameters, values = cache
    m, depth, gradients = X.shape[1], len(parameters) // 2, {}
    dZ = (sigmoid(values[-1]) - Y) / m
    for layer in range(depth, 0, -1):
        W, A = parameters[f"W{layer}"], values[2 * layer - 2]
        gradients[f"dW{layer}"] = dZ @ A.T + lambd / m * W
        gradients[f"db{layer}"] = dZ.sum(axis=1, keepdims=True)
        if layer > 1:
            Z = values[2 * layer - 3]
            dZ = (W.T @ dZ) * np.where(Z == 0, at_zero, Z > 0).astype(Z.dtype)
    return {f"d{name}": gradients[f"d{name}"] for name in parameters}


def relu_network(sizes, m, seed, lambd=0.0, dtype=np.float64):
    """A cost of the parameters, parameters and their right gradients for the network above."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((sizes[0], m)).astype(dtype)
    Y = (rng.random((1, m)) < 0.5).astype(dtype)
    parameters = {}
    for layer, (rows, columns) in enumerate(zip(sizes[1:], sizes, strict=False), start=1):
        parameters[f"W{layer}"] = rng.standard_normal((rows, columns)) * np.sqrt(2 / columns)
        parameters[f"b{layer}"] = rng.standard_normal((rows, 1)) * 0.1
    parameters = {name: array.astype(dtype) for name, array in parameters.items()}

    def cost(parameters):
        return relu_forward(X, Y, parameters, lambd)[0]

    gradients = relu_backward(X, Y, relu_forward(X, Y, parameters, lambd)[1], lambd)
    return cost, parameters, gradients


def relu_scenario(name, sizes, m, seed, lambd=0.0):
    cost, parameters, gradients = relu_network(sizes, m, seed, lambd)
    return Scenario(name=name, cost=cost, parameters=parameters, gradients=gradients, kinks=True)


# --- samples × features, nested ---------------------------------------------------------------------------


def tanh_layers(X, T, net):
    """Mean squared error of tanh layers and a linear output; X is (m, features), net["layers"][k]["W"]."""
    H, cache = X, [X]
    for layer in net["layers"]:
        H = np.tanh(H @ layer["W"] + layer["b"])
        cache.append(H)
    out = H @ net["out"]["W"] + net["out"]["b"]
    return float(np.mean((out - T) ** 2)), (cache, out)


def tanh_layers_gradients(X, T, net):
    _, (cache, out) = tanh_layers(X, T, net)
    d = 2 * (out - T) / out.size
    gradients = {"layers": [{} for _ in net["layers"]], "out": {"W": cache[-1].T @ d, "b": d.sum(0)}}
    d = d @ net["out"]["W"].T
    for k in range(len(net["layers"]) - 1, -1, -1):
        d = d * (1 - cache[k + 1] ** 2)
        gradients["layers"][k] = {"W": cache[k].T @ d, "b": d.sum(0)}
        d = d @ net["layers"][k]["W"].T
    return gradients


def nested_scenario():
    rng = np.random.default_rng(7)
    X, T = rng.standard_normal((9, 4)), rng.standard_normal((9, 2))
    net = {
        "layers": [
            {"W": rng.standard_normal((4, 4)) / 2, "b": rng.standard_normal(4) / 2},
            {"W": rng.standard_normal((4, 3)) / 2, "b": rng.standard_normal(3) / 2},
        ],
        "out": {"W": rng.standard_normal((3, 2)), "b": rng.standard_normal(2)},
    }
    return Scenario(
        name="nested dict of lists, samples first",
        cost=lambda net: tanh_layers(X, T, net)[0],
        parameters=net,
        gradients=tanh_layers_gradients(X, T, net),
    )


# --- one array ---------------------------------------------------------------------------------------------


def logistic_scenario():
    """Logistic regression, the parameters one vector."""
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((12, 6)), rng.integers(0, 2, 12).astype(float)
    w = rng.standard_normal(6)

    def exact(w):
        total = mpmath.mpf(0)
        for row, label in zip(X, y, strict=True):
            z = mpmath.fsum(mpmath.mpf(float(x)) * value for x, value in zip(row, w, strict=True))
            total += mpmath.log1p(mpmath.exp(z)) - mpmath.mpf(float(label)) * z
        return total / len(y)

    return Scenario(
        name="single array",
        cost=lambda w: np.mean(np.logaddexp(0, X @ w) - y * (X @ w)),
        parameters=w,
        gradients=X.T @ (sigmoid(X @ w) - y) / 12,
        exact=exact,
    )


def rosenbrock_scenario():
    """Steep and curved: coordinates of very different size."""
    x = np.array([-1.2, 1.0, 0.3, 2.0, -0.7])

    def cost(x):
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    def exact(x):
        return mpmath.fsum(100 * (b - a**2) ** 2 + (1 - a) ** 2 for a, b in pairwise(x))

    gradient = np.zeros_like(x)
    gradient[:-1] += -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
    gradient[1:] += 200 * (x[1:] - x[:-1] ** 2)
    return Scenario(name="Rosenbrock", cost=cost, parameters=x, gradients=gradient, exact=exact)


def polynomial_scenario():
    """Products of neighbours; two blocks."""
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal(8), rng.standard_normal((2, 4))

    def exact(v):
        return mpmath.fsum(x * x * y + mpmath.sin(y) for x, y in zip(v[:8], v[8:], strict=True))

    return Scenario(
        name="two blocks, sin",
        cost=lambda p: np.sum(p["a"] ** 2 * p["b"].ravel() + np.sin(p["b"].ravel())),
        parameters={"a": a, "b": b},
        gradients={"a": 2 * a * b.ravel(), "b": (a**2 + np.cos(b.ravel())).reshape(2, 4)},
        exact=exact,
    )


# --- named tuples, tuples and numbers ---------------------------------------------------------------------

Weights = namedtuple("Weights", ["gamma", "beta", "scale"])


def named_tuple_scenario():
    """Batch normalisation in a named tuple, with a Python number among the parameters."""
    rng = np.random.default_rng(11)
    x, t = rng.standard_normal((20, 5)), rng.standard_normal((20, 5))
    normal = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
    p = Weights(rng.standard_normal(5), rng.standard_normal(5), 0.8)

    def cost(p):
        return 0.5 * np.sum((p.scale * (p.gamma * normal + p.beta) - t) ** 2) / 20

    inner = p.gamma * normal + p.beta
    d = (p.scale * inner - t) / 20
    gradients = Weights((d * p.scale * normal).sum(0), (d * p.scale).sum(0), float((d * inner).sum()))
    return Scenario(name="named tuple with a number", cost=cost, parameters=p, gradients=gradients)


def list_scenario():
    """A bilinear form with square matrices, in a list."""
    rng = np.random.default_rng(13)
    A, B, u, v = (rng.standard_normal(shape) for shape in [(4, 4), (4, 4), 4, 4])

    def cost(parameters):
        A, B = parameters
        return u @ A @ np.tanh(B @ v)

    t = np.tanh(B @ v)
    return Scenario(
        name="list of square matrices",
        cost=cost,
        parameters=[A, B],
        gradients=[np.outer(u, t), np.outer((A.T @ u) * (1 - t**2), v)],
    )


def scalars_scenario():
    """A line fitted through points: slope and intercept are plain numbers."""
    x = np.linspace(0.0, 1.0, 7)
    y = 2 * x + np.cos(9 * x)

    def cost(p):
        return sum((p["slope"] * a + p["intercept"] - b) ** 2 for a, b in zip(x, y, strict=True))

    rest = 0.5 * x - 0.25 - y
    gradients = {"dslope": float(2 * np.sum(rest * x)), "dintercept": float(2 * np.sum(rest))}
    return Scenario(
        name="plain numbers", cost=cost, parameters={"slope": 0.5, "intercept": -0.25}, gradients=gradients
    )


def float32_scenario():
    """Parameters and gradients in float32: right to about seven digits."""
    cost, parameters, gradients = relu_network((6, 5, 4, 1), 16, seed=17, dtype=np.float32)
    assert all(gradient.dtype == np.float32 for gradient in gradients.values())
    return Scenario(name="float32", cost=cost, parameters=parameters, gradients=gradients, kinks=True)


def derived() -> list[Scenario]:
    """All of them."""
    return [
        relu_scenario("features first", (4, 5, 3, 1), 3, seed=1),
        relu_scenario("features first with L2", (6, 6, 4, 1), 20, seed=2, lambd=0.7),
        nested_scenario(),
        logistic_scenario(),
        rosenbrock_scenario(),
        polynomial_scenario(),
        named_tuple_scenario(),
        list_scenario(),
        scalars_scenario(),
        float32_scenario(),
    ]
