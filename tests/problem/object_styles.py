"""Networks that are objects, as people write them: each style puts parameters and gradients elsewhere.

``Style(mistake)`` is a network; ``cost(network)`` and ``data`` are what `check_object` gets. With ``mistake`` the
gradient of the first weight is wrong by one per mille.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, ClassVar

import numpy as np

rng = np.random.default_rng(5)
X, LABELS = rng.standard_normal((6, 4)), np.array([0, 2, 1, 1, 0, 2])
W1, B1, W2, B2 = (0.5 * rng.standard_normal(shape) for shape in ((4, 5), (5,), (5, 3), (3,)))


def softmax_loss(scores: Any, labels: Any) -> tuple[Any, Any]:
    """Return loss and its slopes in the scores."""
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    probabilities = np.exp(shifted)
    probabilities /= np.sum(probabilities, axis=1, keepdims=True)
    n = scores.shape[0]
    loss = -np.sum(np.log(probabilities[np.arange(n), labels])) / n
    d = probabilities.copy()
    d[np.arange(n), labels] -= 1
    return loss, d / n


class Style:
    data: ClassVar[tuple[Any, ...]] = (X, LABELS)
    names: ClassVar[set[str]] = {"W1", "b1", "W2", "b2"}

    def __init__(self, mistake: float = 1.0) -> None:
        self.mistake = mistake
        self.make(W1.copy(), B1.copy(), W2.copy(), B2.copy())

    def make(self, *parameters: Any) -> None:
        raise NotImplementedError

    @property
    def cost(self) -> Any:
        return self.loss


class CourseDict(Style):
    """cs231n: params is a dict, loss returns (loss, grads)."""

    def make(self, *parameters):
        self.params = dict(zip(("W1", "b1", "W2", "b2"), parameters, strict=True))

    def loss(self, X, y=None):
        p = self.params
        hidden = np.maximum(0, X.dot(p["W1"]) + p["b1"])
        scores = hidden.dot(p["W2"]) + p["b2"]
        if y is None:
            return scores
        loss, d = softmax_loss(scores, y)
        loss += 0.1 * np.sum(p["W1"] * p["W1"])
        grads = {"W2": hidden.T.dot(d), "b2": d.sum(axis=0)}
        back = d.dot(p["W2"].T)
        back[hidden <= 0] = 0
        grads["W1"] = (X.T.dot(back) + 0.2 * p["W1"]) * self.mistake
        grads["b1"] = np.sum(back, axis=0)
        return loss, grads


class CourseInSinglePrecision(CourseDict):
    """Its gradients are rounded, sorted, printed and thrown into float32: J depends on none of that."""

    def loss(self, X, y):
        loss, grads = super().loss(X, y)
        self.norms = {k: float(np.linalg.norm(v)) for k, v in grads.items()}
        self.text = f"{loss:.3f} {grads['b1']}"
        self.spectrum = np.linalg.svd(grads["W1"].astype(np.float32))
        np.clip(grads["W2"], -5, 5, out=grads["W2"])
        self.history = [*getattr(self, "history", []), float(loss)]
        return loss, grads


class Attributes(Style):
    """W1, b1 and dW1, db1, set by the loss; caches Z1 and dZ1 look alike and are no parameters."""

    def make(self, *parameters):
        self.W1, self.b1, self.W2, self.b2 = parameters

    def loss(self, X, y):
        self.Z1 = X.dot(self.W1) + self.b1
        self.A1 = np.tanh(self.Z1)
        self.scores = self.A1.dot(self.W2) + self.b2
        loss, self.dscores = softmax_loss(self.scores, y)
        self.dW2, self.db2 = self.A1.T.dot(self.dscores), self.dscores.sum(axis=0)
        self.dA1 = self.dscores.dot(self.W2.T)
        self.dZ1 = self.dA1 * (1 - self.A1**2)
        self.dW1, self.db1 = X.T.dot(self.dZ1) * self.mistake, self.dZ1.sum(axis=0)
        return loss


class Separate(Attributes):
    """forward, loss and backward are three methods, and the cost calls two of them."""

    def loss(self, X, y):
        self.X = X
        return super().loss(X, y)

    def compute_cost(self, X, y):
        self.A1 = np.tanh(X.dot(self.W1) + self.b1)
        return softmax_loss(self.A1.dot(self.W2) + self.b2, y)[0]

    def backward(self, X, y):
        self.loss(X, y)

    @property
    def cost(self):
        return self.compute_cost


class Affine:
    def __init__(self, W, b):
        self.W, self.b, self.dW, self.db = W, b, None, None

    def forward(self, x):
        self.x = x
        return x.dot(self.W) + self.b

    def backward(self, dout):
        self.dW = self.x.T.dot(dout)
        self.db = dout.sum(axis=0)
        return dout.dot(self.W.T)


class ReLU:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        return dout


class Saitoh(Style):
    """params is a dict, layers an ordered one that shares the arrays, gradient(x, t) returns the gradients."""

    def make(self, *parameters):
        self.params = dict(zip(("W1", "b1", "W2", "b2"), parameters, strict=True))
        p = self.params
        self.layers = collections.OrderedDict()
        self.layers["Affine1"] = Affine(p["W1"], p["b1"])
        self.layers["Relu1"] = ReLU()
        self.layers["Affine2"] = Affine(p["W2"], p["b2"])

    def loss(self, x, t):
        for layer in self.layers.values():
            x = layer.forward(x)
        value, self.dout = softmax_loss(x, t)
        return value

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.dout
        for layer in reversed(list(self.layers.values())):
            dout = layer.backward(dout)
        one, two = self.layers["Affine1"], self.layers["Affine2"]
        return {"W1": one.dW * self.mistake, "b1": one.db, "W2": two.dW, "b2": two.db}


class ListOfLayers(Style):
    """A list of layers with W, b, dW, db; those without parameters between them; the cost runs the backward pass."""

    names: ClassVar[set[str]] = {"layers[0].W", "layers[0].b", "layers[2].W", "layers[2].b"}

    def make(self, *parameters):
        self.layers = [Affine(*parameters[:2]), ReLU(), Affine(*parameters[2:])]

    def loss(self, X, y):
        out = X
        for layer in self.layers:
            out = layer.forward(out)
        loss, d = softmax_loss(out, y)
        for layer in reversed(self.layers):
            d = layer.backward(d)
        self.layers[0].dW *= self.mistake
        return loss


class ParamsAndGrads(ListOfLayers):
    """Layers with lists params and grads, written in place and added up: zero_grad comes before."""

    names: ClassVar[set[str]] = {"[0]", "[1]", "[2]", "[3]"}

    def make(self, *parameters):
        self.layers = [Accumulating(*parameters[:2]), ReLU(), Accumulating(*parameters[2:])]

    def parameters(self):
        return [p for layer in self.layers for p in getattr(layer, "params", [])]

    def gradients(self):
        return [g for layer in self.layers for g in getattr(layer, "grads", [])]

    def loss(self, X, y):
        out = X
        for layer in self.layers:
            out = layer.forward(out)
        loss, d = softmax_loss(out, y)
        for layer in reversed(self.layers):
            d = layer.backward(d)
        self.layers[0].grads[0][...] *= self.mistake
        return loss


class Accumulating:
    def __init__(self, W, b):
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]

    def forward(self, x):
        W, b = self.params
        self.x = x
        return x @ W + b

    def backward(self, dout):
        dW, db = self.grads
        dW += self.x.T @ dout
        db += dout.sum(axis=0)
        return dout @ self.params[0].T


class Parameter:
    def __init__(self, value):
        self.value, self.grad = value, np.zeros_like(value)


class ParameterObjects(Style):
    """Objects with value and grad, given out by a method; gradients are stored into arrays that are there."""

    def make(self, *parameters):
        self.W1, self.b1, self.W2, self.b2 = map(Parameter, parameters)

    def params(self):
        return {"W1": self.W1, "b1": self.b1, "W2": self.W2, "b2": self.b2}

    def compute_loss_and_gradients(self, X, y):
        hidden = np.tanh(X.dot(self.W1.value) + self.b1.value)
        loss, d = softmax_loss(np.dot(hidden, self.W2.value) + self.b2.value, y)
        self.W2.grad[:] = hidden.T.dot(d)
        self.b2.grad[:] = d.sum(axis=0)
        back = d.dot(self.W2.value.T) * (1 - hidden**2)
        self.W1.grad[:] = X.T.dot(back)
        self.W1.grad *= self.mistake
        self.b1.grad[:] = back.sum(axis=0)
        return loss

    @property
    def cost(self):
        return self.compute_loss_and_gradients


class ListsOfWeights(Style):
    """Nielsen: lists of weights and biases, samples one at a time, gradients returned as two lists."""

    names: ClassVar[set[str]] = {"weights[0]", "biases[0]", "weights[1]", "biases[1]"}
    data: ClassVar[tuple[Any, ...]] = (
        [(x.reshape(-1, 1), np.eye(3)[y].reshape(-1, 1)) for x, y in zip(X, LABELS, strict=True)],
    )

    def make(self, w1, b1, w2, b2):
        self.weights, self.biases = [w1.T.copy(), w2.T.copy()], [b1.reshape(-1, 1), b2.reshape(-1, 1)]

    def total_cost(self, batch):
        total = 0.0
        for x, y in batch:
            a = x
            for w, b in zip(self.weights, self.biases, strict=True):
                a = 1.0 / (1.0 + np.exp(-(np.dot(w, a) + b)))
            total += 0.5 * np.linalg.norm(a - y) ** 2 / len(batch)
        return total

    def backprop(self, batch):
        self.dweights = [np.zeros(w.shape) for w in self.weights]
        self.dbiases = [np.zeros(b.shape) for b in self.biases]
        for x, y in batch:
            activations = [x]
            for w, b in zip(self.weights, self.biases, strict=True):
                activations.append(1.0 / (1.0 + np.exp(-(np.dot(w, activations[-1]) + b))))
            delta = (activations[-1] - y) / len(batch)
            for k in (1, 0):
                delta = delta * activations[k + 1] * (1 - activations[k + 1])
                self.dbiases[k] += delta
                self.dweights[k] += np.dot(delta, activations[k].T)
                delta = np.dot(self.weights[k].T, delta)
        self.dweights[0] *= self.mistake

    @property
    def cost(self):
        return self.total_cost


@dataclasses.dataclass
class Dense:
    w: Any
    b: Any
    grad_w: Any = None
    grad_b: Any = None
    cache: dict = dataclasses.field(default_factory=dict)


class Dataclasses(Style):
    """Layers are dataclasses with grad_w; caches are dicts; activations are written into a buffer that is there."""

    names: ClassVar[set[str]] = {"hidden.w", "hidden.b", "output.w", "output.b"}

    def make(self, *parameters):
        self.hidden, self.output = Dense(*parameters[:2]), Dense(*parameters[2:])
        self.buffer = np.empty((len(X), 5))

    def loss(self, X, y):
        first, second = self.hidden, self.output
        np.dot(X, first.w, out=self.buffer)
        self.buffer += first.b
        first.cache["h"] = np.tanh(self.buffer)
        second.cache["scores"] = first.cache["h"] @ second.w + second.b
        loss, d = softmax_loss(second.cache["scores"], y)
        second.grad_w, second.grad_b = first.cache["h"].T @ d, d.sum(0)
        d = (d @ second.w.T) * (1 - first.cache["h"] ** 2)
        first.grad_w, first.grad_b = X.T @ d * self.mistake, d.sum(0)
        return loss
