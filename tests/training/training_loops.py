"""Two networks that are trained: functions of dicts as in the courses, and an object with attributes."""

import numpy as np

from fastcheck import check_backprop, check_object

rng = np.random.default_rng(0)
X = rng.standard_normal((6, 40))
Y = (rng.random((1, 40)) < 0.5).astype(float)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def initialize(seed=1):
    rng = np.random.default_rng(seed)
    return {
        "W1": rng.standard_normal((5, 6)) * 0.5,
        "b1": np.zeros((5, 1)),
        "W2": rng.standard_normal((1, 5)) * 0.5,
        "b2": np.zeros((1, 1)),
    }


def forward(X, Y, parameters, masks=1.0):
    A1 = np.tanh(parameters["W1"] @ X + parameters["b1"]) * masks
    A2 = sigmoid(parameters["W2"] @ A1 + parameters["b2"])
    cost = -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))
    return cost, (A1, A2, parameters["W2"], masks)


def backward(X, Y, cache):
    A1, A2, W2, masks = cache
    dZ2 = (A2 - Y) / Y.size
    dZ1 = W2.T @ dZ2 * masks * (1 - np.where(masks != 0, A1 / np.where(masks, masks, 1), 0) ** 2)
    return {
        "dW1": dZ1 @ X.T,
        "db1": dZ1.sum(axis=1, keepdims=True),
        "dW2": dZ2 @ A1.T,
        "db2": dZ2.sum(axis=1, keepdims=True),
    }


def update(parameters, gradients, rate=0.5):
    return {name: value - rate * gradients["d" + name] for name, value in parameters.items()}


def course_step(parameters):
    _, cache = forward(X, Y, parameters)
    return update(parameters, backward(X, Y, cache))


def course_check(parameters):
    return check_backprop(forward, backward, parameters, X, Y)


class Network:
    """Parameters, gradients and momentum in attributes."""

    def __init__(self, factor=1.0):
        rng = np.random.default_rng(5)
        self.W = rng.standard_normal((6, 3)) * 0.3
        self.v = rng.standard_normal(3) * 0.3
        self.dW, self.dv = np.zeros_like(self.W), np.zeros_like(self.v)
        self.speed = [np.zeros_like(self.W), np.zeros_like(self.v)]
        self.factor = factor

    def loss(self):
        self.hidden = np.tanh(X.T @ self.W)
        self.error = self.hidden @ self.v - Y[0]
        return np.mean(self.error**2) / 2

    def backprop(self):
        self.dv[:] = self.hidden.T @ self.error / 40
        self.dW[:] = X @ (np.outer(self.error, self.v) * (1 - self.hidden**2)) / 40 * self.factor

    def train_step(self):
        self.loss()
        self.backprop()
        for p, g, s in zip((self.W, self.v), (self.dW, self.dv), self.speed, strict=True):
            s *= 0.9
            s -= 0.05 * g
            p += s

    def check(self):
        self.loss()
        self.backprop()
        return check_object(
            self, self.loss, {"W": self.W, "v": self.v}, {"W": self.dW.copy(), "v": self.dv.copy()}
        )


def steps_of(report):
    return [stage.step for stage in report.stages]
