"""Costs in several styles, as people write them, of which the networks are drawn."""

import numpy as np

rng = np.random.default_rng(0)

X, Y = rng.standard_normal((4, 6)), rng.integers(0, 2, (1, 6))

PERCEPTRON = {
    "W1": rng.standard_normal((5, 4)),
    "b1": rng.standard_normal((5, 1)),
    "W2": rng.standard_normal((3, 5)),
    "b2": rng.standard_normal((3, 1)),
    "W3": rng.standard_normal((1, 3)),
    "b3": rng.standard_normal((1, 1)),
}


def relu(Z):
    return np.maximum(Z, 0)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def perceptron(p):
    A1 = relu(p["W1"] @ X + p["b1"])
    A2 = relu(p["W2"] @ A1 + p["b2"])
    A3 = sigmoid(p["W3"] @ A2 + p["b3"])
    return -np.mean(Y * np.log(A3) + (1 - Y) * np.log(1 - A3))


def loop_over_layers(p):
    A = X
    for layer in (1, 2, 3):
        Z = p[f"W{layer}"] @ A + p[f"b{layer}"]
        A = np.tanh(Z)
    return np.sum((A - Y) ** 2)


class Dense:
    def __init__(self, inputs, outputs):
        self.W, self.b = rng.standard_normal((inputs, outputs)), np.zeros(outputs)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y


class Layers:
    def __init__(self):
        self.layers = [Dense(4, 5), Tanh(), Dense(5, 1)]
        first, _, last = self.layers
        self.params = {"W1": first.W, "b1": first.b, "W2": last.W, "b2": last.b}

    def loss(self, x, y):
        for layer in self.layers:
            x = layer.forward(x)
        return np.mean((x - y) ** 2)


STEPS = 20
SEQUENCE = rng.standard_normal((STEPS, 2, 3))
LSTM = {f"W{gate}": rng.standard_normal((7, 4)) / 2 for gate in "ifog"} | {"V": rng.standard_normal((4, 1))}


def lstm_cell(x, h, c, p):
    z = np.concatenate([h, x], axis=1)
    i = sigmoid(z @ p["Wi"])
    f = sigmoid(z @ p["Wf"])
    o = sigmoid(z @ p["Wo"])
    g = np.tanh(z @ p["Wg"])
    c = f * c + i * g
    h = o * np.tanh(c)
    return h, c


def lstm(p):
    h, c = np.zeros((2, 4)), np.zeros((2, 4))
    outputs = np.zeros((STEPS, 2, 4))
    for t in range(STEPS):
        h, c = lstm_cell(SEQUENCE[t], h, c, p)
        outputs[t] = h
    y = outputs @ p["V"]
    return np.sum(y**2)


IMAGES = rng.standard_normal((2, 4, 4))
KERNEL = {"W": rng.standard_normal((3, 3)), "b": np.zeros(1)}


def convolution(p):
    W = p["W"]
    out = np.zeros((2, 2, 2))
    for n in range(2):
        for i in range(2):
            for j in range(2):
                patch = IMAGES[n, i : i + 3, j : j + 3]
                out[n, i, j] = np.sum(patch * W)
    out += p["b"]
    mask = out > 0
    return np.sum((out * mask) ** 2)


TOKENS = rng.standard_normal((2, 5, 4))
ATTENTION = {name: rng.standard_normal((4, 4)) / 2 for name in ("Wq", "Wk", "Wv")}


def softmax(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(p):
    Q, K, V = (TOKENS @ p[name] for name in ("Wq", "Wk", "Wv"))
    A = softmax(Q @ K.swapaxes(-1, -2) / 2)
    return np.sum((A @ V) ** 2)
