"""Networks as objects in further styles: closures, layers that know their neighbours, recurrences; and all styles."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from object_styles import (
    LABELS,
    Attributes,
    CourseDict,
    CourseInSinglePrecision,
    Dataclasses,
    ListOfLayers,
    ListsOfWeights,
    ParameterObjects,
    ParamsAndGrads,
    Saitoh,
    Separate,
    Style,
    X,
    rng,
    softmax_loss,
)


class FeaturesFirst(Style):
    """Column samples, a namespace of weights, gradients in a namespace, loss and gradients in a dict."""

    names: ClassVar[set[str]] = {"W1", "b1", "W2", "b2"}
    data: ClassVar[tuple[Any, ...]] = (X.T.copy(), LABELS)

    def make(self, w1, b1, w2, b2):
        self.theta = SimpleNamespace(
            W1=w1.T.copy(), b1=b1[:, None].copy(), W2=w2.T.copy(), b2=b2[:, None].copy()
        )

    def step(self, X, y):
        t = self.theta
        A = np.zeros((5, X.shape[1]))
        for j in range(X.shape[1]):
            A[:, j] = np.tanh(t.W1.dot(X[:, j]) + t.b1[:, 0])
        loss, d = softmax_loss((t.W2.dot(A) + t.b2).T, y)
        d = d.T
        back = t.W2.T.dot(d) * (1 - np.power(A, 2))
        grads = {"dW2": d.dot(A.T), "db2": d.sum(1, keepdims=True), "dW1": back.dot(X.T) * self.mistake}
        return {"loss": loss, "grads": {**grads, "db1": back.sum(axis=1, keepdims=True)}, "A": A}

    @property
    def cost(self):
        return self.step


class Linear(Style):
    """cs231n's linear classifier: one matrix W, loss(X, y, reg) returns (loss, dW); naive loops over samples."""

    names: ClassVar[set[str]] = {"W"}
    data: ClassVar[tuple[Any, ...]] = (X, LABELS, 0.05)

    def make(self, w1, *_):
        self.W = w1[:, :3].copy()

    def loss(self, X, y, reg):
        loss, dW = 0.0, np.zeros(self.W.shape)
        for i in range(X.shape[0]):
            scores = X[i].dot(self.W)
            scores -= np.max(scores)
            total = sum(np.exp(scores))
            loss += float(np.log(total)) - float(scores[y[i]])
            for j in range(self.W.shape[1]):
                dW[:, j] += (np.exp(scores[j]) / total - (j == y[i])) * X[i]
        loss = loss / X.shape[0] + reg * np.sum(self.W * self.W)
        return loss, (dW / X.shape[0] + 2 * reg * self.W) * self.mistake


class Recurrent(Style):
    """A loop over time steps; states in a list; gradients as a tuple in the order of the attributes."""

    names: ClassVar[set[str]] = {"Wx", "Wh", "b"}
    data: ClassVar[tuple[Any, ...]] = (rng.standard_normal((3, 4, 2)), rng.standard_normal((3, 3)))

    def make(self, w1, *_):
        self.Wx, self.Wh, self.b = w1[:2, :3].copy(), w1[1:4, 1:4].copy(), w1[0, :3].copy()

    def loss(self, x, target):
        N, T, _ = x.shape
        h = [np.zeros((N, 3))]
        for t in range(T):
            h.append(np.tanh(x[:, t].dot(self.Wx) + h[-1].dot(self.Wh) + self.b))
        error = h[-1] - target
        dWx, dWh, db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        dh = error.copy()
        for t in reversed(range(T)):
            da = dh * (1 - h[t + 1] ** 2)
            dWx += x[:, t].T.dot(da)
            dWh += h[t].T.dot(da)
            db += da.sum(axis=0)
            dh = da.dot(self.Wh.T)
        return 0.5 * np.sum(error**2), dWx * self.mistake, dWh, db


class BatchNormalisation(Style):
    """gamma and beta beside running means, which are updated in place and are no parameters; grad_gamma, grad_beta."""

    names: ClassVar[set[str]] = {"W", "gamma", "beta"}

    def make(self, w1, b1, w2, _):
        self.W, self.gamma, self.beta = w1[:, :3].copy(), 1 + 0.1 * b1[:3], w2[0].copy()
        self.running_mean, self.running_var = np.zeros(3), np.ones(3)

    def loss(self, X, y):
        z = X.dot(self.W)
        mean, variance = z.mean(axis=0), z.var(axis=0)
        self.running_mean *= 0.9
        self.running_mean += 0.1 * mean
        self.running_var[:] = 0.9 * self.running_var + 0.1 * variance
        scale = 1 / np.sqrt(variance + 1e-5)
        normal = (z - mean) * scale
        loss, d = softmax_loss(self.gamma * normal + self.beta, y)
        self.grad_gamma, self.grad_beta = (d * normal).sum(axis=0), d.sum(axis=0)
        d = d * self.gamma
        d = scale * (d - d.mean(axis=0) - normal * (d * normal).mean(axis=0))
        self.grad_W = X.T.dot(d) * self.mistake
        return loss


class Closures(Style):
    """Functions inside a function share a dict of weights and a cache; the object is what holds them."""

    def make(self, *parameters):
        weights, cache, mistake = (
            dict(zip(("W1", "b1", "W2", "b2"), parameters, strict=True)),
            {},
            self.mistake,
        )

        def forward(X):
            cache["X"] = X
            cache["mask"] = (z := X @ weights["W1"] + weights["b1"]) > 0
            cache["H"] = np.where(cache["mask"], z, 0.01 * z)
            return cache["H"] @ weights["W2"] + weights["b2"]

        def backward(d):
            back = (d @ weights["W2"].T) * np.where(cache["mask"], 1.0, 0.01)
            return {
                "dW2": cache["H"].T @ d,
                "db2": d.sum(axis=0),
                "dW1": cache["X"].T @ back * mistake,
                "db1": back.sum(axis=0),
            }

        def step(X, y):
            loss, d = softmax_loss(forward(X), y)
            cache["losses"] = [*cache.get("losses", []), float(loss)]
            return loss, backward(d)

        self.weights, self.cache, self.step = weights, cache, step

    @property
    def cost(self):
        return self.step


STYLES = [
    BatchNormalisation,
    Closures,
    CourseDict,
    CourseInSinglePrecision,
    Attributes,
    Separate,
    Saitoh,
    ListOfLayers,
    ParamsAndGrads,
    ParameterObjects,
    ListsOfWeights,
    Dataclasses,
    FeaturesFirst,
    Linear,
    Recurrent,
]
