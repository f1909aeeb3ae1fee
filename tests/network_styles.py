"""Networks the way different people write them, of random shapes: each style returns a cost and its parameters.

All axes may have length 1, a time series may have no steps before the last, a class no samples.
"""

from __future__ import annotations

import functools
import math
from collections import namedtuple
from itertools import pairwise

import numpy as np
import scipy.special
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import expit, logsumexp


class Shapes:
    """Random sizes and numbers."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def size(self, most=5):
        return int(self.rng.integers(1, most + 1))

    def __call__(self, *shape, scale=0.7):
        return np.array(scale * self.rng.standard_normal(shape))

    def labels(self, m, classes):
        return self.rng.integers(classes, size=m)

    def coin(self):
        return bool(self.rng.random() < 0.5)


def features_first(s):
    """The courses: W1, b1, … in a dict, samples in columns, one sigmoid at the end."""
    n, h1, h2, m = s.size(), s.size(), s.size(), s.size(8)
    X, Y = s(n, m), (s(1, m) > 0) * 1.0
    activation = [np.tanh, lambda z: np.maximum(0.01 * z, z), lambda z: z * (z > 0)][s.size(3) - 1]
    lambd = 0.3 * s.coin()

    def cost(parameters):
        A = X
        for layer in ("1", "2"):
            Z = np.dot(parameters["W" + layer], A) + parameters["b" + layer]
            A = activation(Z)
        AL = 1.0 / (1.0 + np.exp(-(np.dot(parameters["W3"], A) + parameters["b3"])))
        logprobs = np.multiply(-np.log(AL), Y) + np.multiply(-np.log(1 - AL), 1 - Y)
        L2 = lambd / (2 * m) * sum(np.sum(np.square(parameters["W" + k])) for k in "123")
        return float(np.squeeze(1.0 / m * np.sum(logprobs) + L2))

    W = {"W1": s(h1, n), "b1": s(h1, 1), "W2": s(h2, h1), "b2": s(h2, 1), "W3": s(1, h2), "b3": s(1, 1)}
    return cost, W


def samples_first(s):
    """A list of (W, b), softmax of shifted scores, the right class picked by fancy indexing."""
    sizes, m = [s.size(), s.size(), s.size(4)], s.size(8)
    X, y = s(m, sizes[0]), s.labels(m, sizes[-1])

    def cost(layers):
        h = X
        for i, (W, b) in enumerate(layers):
            h = h @ W + b
            if i < len(layers) - 1:
                h = np.where(h > 0, h, np.exp(h) - 1)
        h -= h.max(axis=1, keepdims=True)
        p = np.exp(h)
        p /= p.sum(axis=1, keepdims=True)
        return float(-np.log(p[range(m), y]).mean())

    return cost, [(s(a, b), s(b)) for a, b in pairwise(sizes)]


class Perceptron:
    """A class that keeps everything in attributes, lists and a dict."""

    def __init__(self, s):
        self.m = s.size(6)
        self.X, self.T = s(self.m, s.size()), s(self.m, s.size(3))
        self.cache, self.activations = {}, []

    def layer(self, A, W, b, k):
        self.cache[f"Z{k}"] = A @ W + b
        self.activations.append(np.tanh(self.cache[f"Z{k}"]))
        return self.activations[-1]

    def cost(self, p):
        self.activations = []
        h = self.layer(self.X, p["W"][0], p["b"][0], 0)
        self.out = self.layer(h, p["W"][1], p["b"][1], 1)
        self.loss = 0.5 * np.linalg.norm(self.out - self.T) ** 2 / self.m
        return self.loss + 0.01 * (self.activations[0] ** 2).sum()


def attributes(s):
    network, h = Perceptron(s), s.size()
    n, k = network.X.shape[1], network.T.shape[1]
    return network.cost, {"W": [s(n, h), s(h, k)], "b": [s(h), s(k)]}


def loop_over_samples(s):
    """Plain Python: a loop over samples and units, max and math functions of numbers."""
    n, h, m = s.size(3), s.size(3), s.size(4)
    X, y = s(m, n), s.labels(m, 2)

    def cost(p):
        J = 0.0
        for i in range(m):
            hidden = []
            for j in range(h):
                z = p["b"][j]
                for k in range(n):
                    z = z + p["W"][j, k] * X[i, k]
                hidden.append(z if z > 0 else 0.2 * z)
            t = sum(v * a for v, a in zip(p["v"], hidden, strict=True)) + p["c"]
            J += math.log(1 + math.exp(-t)) if y[i] else math.log(1 + math.exp(t))
        return J / m

    return cost, {"W": s(h, n), "b": s(h), "v": s(h), "c": s()}


def recurrent(s):
    """States in an array filled step by step, sequences of different lengths under a mask."""
    d, h, m, T = s.size(3), s.size(4), s.size(4), s.size(4)
    x, target = s(T, m, d), s(m, h)
    mask = np.arange(T)[:, None] < s.rng.integers(1, T + 1, m)

    def cost(p):
        states = np.zeros((T + 1, m, h))
        for t in range(T):
            new = np.tanh(x[t] @ p["Wx"] + states[t] @ p["Wh"] + p["b"])
            states[t + 1] = mask[t][:, None] * new + (1 - mask[t][:, None]) * states[t]
        return ((states[-1] - target) ** 2).sum() / m + 0.1 * np.mean(states[1:, :, 0] * mask)

    return cost, {"Wx": s(d, h), "Wh": s(h, h), "b": s(h)}


def lstm(s):
    """One matrix for all gates, samples in columns; the outputs in a list."""
    d, h, m = s.size(3), s.size(3), s.size(3)
    sequence = [s(d, m) for _ in range(s.size(4))]

    def cost(p):
        a, c, outputs = np.zeros((h, m)), np.zeros((h, m)), []
        for x in sequence:
            gates = p["W"] @ np.concatenate((a, x)) + p["b"][:, None]
            i, f, o = (expit(gates[k * h : (k + 1) * h]) for k in range(3))
            c = f * c + i * np.tanh(gates[3 * h :])
            a = o * np.tanh(c)
            outputs.append(p["V"] @ a)
        y = np.array(outputs)
        return np.mean((y[1:] - y[:-1]) ** 2) + np.mean(y**2) if len(y) > 1 else np.mean(y**2)

    return cost, {"W": s(4 * h, h + d), "b": s(4 * h), "V": s(2, h)}


def unrolled(s):
    """All parameters in one vector, cut and reshaped."""
    n, h, k, m = s.size(), s.size(), s.size(3), s.size(6)
    X, Y = s(m, n), np.eye(k)[s.labels(m, k)]

    def cost(theta):
        Theta1 = theta[: h * (n + 1)].reshape(h, n + 1)
        Theta2 = np.reshape(theta[h * (n + 1) :], (k, h + 1), order="F")
        a1 = np.hstack((np.ones((m, 1)), X))
        a2 = np.concatenate([np.ones((m, 1)), expit(a1 @ Theta1.T)], axis=1)
        a3 = expit(a2 @ Theta2.T)
        J = np.sum(-Y * np.log(a3) - (1 - Y) * np.log(1 - a3)) / m
        return J + 0.5 / (2 * m) * (np.sum(Theta1[:, 1:] ** 2) + np.sum(Theta2[:, 1:] ** 2))

    return cost, s(h * (n + 1) + k * (h + 1))


def embedding(s):
    """Token ids, mean pooling under a mask, output tied to the embedding."""
    vocabulary, d, m, T = s.size() + 1, s.size(4), s.size(4), s.size(4)
    ids, lengths = s.rng.integers(vocabulary, size=(m, T)), s.rng.integers(0, T + 1, m)
    keep = (np.arange(T) < lengths[:, None])[..., None]
    y = s.labels(m, vocabulary)

    def cost(p):
        e = p["E"][ids] + p["P"][:T]
        pooled = np.sum(e * keep, axis=1) / np.maximum(keep.sum(axis=1), 1)
        h = pooled * expit(1.7 * pooled)
        return -np.sum(scipy.special.log_softmax(h @ p["E"].T, axis=1)[np.arange(m), y]) / m

    return cost, {"E": s(vocabulary, d), "P": s(T + 1, d)}


def convolution(s):
    """Four loops over a padded image, maximum or mean pooling."""
    m, H, f, c, k, pad = s.size(2), s.size(3) + 1, s.size(2), s.size(2), s.size(2), s.size(2) - 1
    X = np.pad(s(m, H, H, c), ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    n = X.shape[1] - f + 1
    pool = np.max if s.coin() else np.mean

    def cost(p):
        Z = np.zeros((m, n, n, k))
        for i in range(m):
            for h in range(n):
                for w in range(n):
                    for ch in range(k):
                        Z[i, h, w, ch] = (
                            np.sum(X[i, h : h + f, w : w + f] * p["W"][..., ch]) + p["b"][0, 0, 0, ch]
                        )
        A = np.tanh(Z)
        P = np.zeros((m, n - 1, n - 1, k)) if n > 1 else A
        for h in range(n - 1):
            for w in range(n - 1):
                P[:, h, w] = pool(A[:, h : h + 2, w : w + 2], axis=(1, 2))
        return np.sum((P - 0.3) ** 2) / m

    return cost, {"W": s(f, f, c, k), "b": s(1, 1, 1, k)}


def windows(s):
    """A convolution by windows and einsum, channels first."""
    m, c, k, L, f = s.size(3), s.size(2), s.size(3), s.size(4) + 2, s.size(3)
    X = s(m, c, L)

    def cost(p):
        z = np.einsum("mclf,kcf->mkl", sliding_window_view(X, f, axis=2), p["W"]) + p["b"][:, None]
        z = np.log1p(np.exp(z))
        second = sliding_window_view(np.pad(z, ((0, 0), (0, 0), (1, 1))), 2, axis=-1)
        return np.mean(np.tensordot(second, p["V"], axes=([1, 3], [0, 1])) ** 2)

    return cost, {"W": s(k, c, f), "b": s(k), "V": s(k, 2)}


def attention(s):
    """Heads by reshape and transpose, future positions masked, a residual connection and layer normalisation."""
    n, T, heads, dh = s.size(3), s.size(4), s.size(2), s.size(3)
    d = heads * dh
    x, future = s(n, T, d), np.triu(np.ones((T, T), dtype=bool), k=1)

    def cost(p):
        q, k, v = ((x @ p[w]).reshape(n, T, heads, dh).transpose(0, 2, 1, 3) for w in ("Wq", "Wk", "Wv"))
        scores = np.matmul(q, np.swapaxes(k, -1, -2)) / np.sqrt(dh)
        scores = np.where(future, -1e9, scores)
        e = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
        a = e / e.sum(axis=-1, keepdims=True)
        out = x + (a @ v).transpose(0, 2, 1, 3).reshape(n, T, d) @ p["Wo"]
        centred = out - out.mean(-1, keepdims=True)
        normal = p["g"] * centred / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 0.1)
        return np.mean(np.sin(normal + 0.5))

    return cost, {"Wq": s(d, d), "Wk": s(d, d), "Wv": s(d, d), "Wo": s(d, d), "g": 1 + s(d)}


class BatchNormalisation:
    """Normalises by the batch; what it saw last stays in its attributes."""

    def __init__(self, s):
        self.x = s(s.size(5) + 1, s.size(3))

    def cost(self, p):
        z = self.x @ p["W"] + p["b"]
        self.mean, self.var = z.mean(axis=0), z.var(axis=0)
        self.hat = (z - self.mean) / np.sqrt(self.var + 0.05)
        return np.sum(np.tanh(p["gamma"] * self.hat + p["beta"]) ** 2 * 0.7) + np.std(z)


def batch_normalisation(s):
    network, h = BatchNormalisation(s), s.size(4)
    return network.cost, {"W": s(network.x.shape[1], h), "b": s(h), "gamma": 1 + s(h), "beta": s(h)}


Coder = namedtuple("Coder", "W b c")


def tied_autoencoder(s):
    """The decoder is the encoder transposed; a named tuple of parameters; sparsity by a divergence."""
    n, h, m = s.size(), s.size(4), s.size(5)
    X = s(n, m)

    def cost(q):
        code = expit(q.W @ X + q.b)
        rho = np.mean(code, axis=1)
        divergence = np.sum(0.2 * np.log(0.2 / rho) + 0.8 * np.log(0.8 / (1 - rho)))
        return np.sum((q.W.T @ code + q.c - X) ** 2) / (2 * m) + 0.1 * divergence

    return cost, Coder(s(h, n), s(h, 1), s(n, 1))


def per_class(s):
    """Sums over the samples of each class, some of which may have none; masks as indices."""
    n, k, m = s.size(3), s.size(4), s.size(5)
    X, y = s(m, n), s.labels(m, k)

    def cost(p):
        h = np.tanh(X @ p["W"])
        total = 0.0
        for c in range(k):
            members = h[y == c]
            total += np.sum((members - p["centres"][c]) ** 2)
            if len(members):
                total += 0.1 * np.linalg.norm(members.mean(axis=0) + 0.5)
        margins = np.maximum(0, h[:, :1] - h + 0.5)
        margins[y == 0] = 0
        return total / m + margins.sum()

    return cost, {"W": s(n, 2), "centres": s(k, 2)}


def variational(s):
    """Fixed noise, log-variances, a nested dict, a dropout mask drawn from a seed in the cost."""
    n, z, m = s.size(4), s.size(3), s.size(4)
    X, noise = (s(m, n) > 0).astype(float), s(m, z)

    def cost(net):
        keep = np.random.RandomState(3).rand(m, n) < 0.8
        h = X * keep / 0.8
        mu, logvar = h @ net["encoder"]["mu"], h @ net["encoder"]["logvar"]
        sample = mu + np.exp(0.5 * logvar) * noise
        logits = sample @ net["decoder"]["W"] + net["decoder"]["b"]
        reconstruction = np.sum(np.maximum(logits, 0) - logits * X + np.log1p(np.exp(-np.abs(logits))))
        return (reconstruction - 0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))) / m

    return cost, {"encoder": {"mu": s(n, z), "logvar": s(n, z)}, "decoder": {"W": s(z, n), "b": s(n)}}


def factorisation(s):
    """Users and items by index arrays, squared errors and a penalty; several ways into one array."""
    users, items, d, m = s.size(4), s.size(4), s.size(3), s.size(8)
    u, i, r = s.labels(m, users), s.labels(m, items), s(m)

    def cost(p):
        prediction = (p["U"][u] * p["V"][i]).sum(axis=-1) + p["bu"][u] + np.take(p["bi"], i) + p["mu"]
        error = np.zeros(m)
        np.subtract(r, prediction, out=error)
        return error @ error / m + 0.05 * (np.vdot(p["U"], p["U"]) + np.vdot(p["V"], p["V"]))

    return cost, {"U": s(users, d), "V": s(items, d), "bu": s(users), "bi": s(items), "mu": s()}


def markov(s):
    """The forward algorithm in logarithms: out[t] from out[t - 1]."""
    states, symbols, T = s.size(4), s.size(3), s.size(5)
    seen = s.labels(T, symbols)

    def cost(p):
        A = p["A"] - logsumexp(p["A"], axis=1, keepdims=True)
        B = np.log(np.exp(p["B"]) / np.exp(p["B"]).sum(1)[:, None])
        alpha = np.empty((T, states))
        alpha[0] = B[:, seen[0]] + 0.1 * p["A"][0]
        for t in range(1, T):
            alpha[t] = B[:, seen[t]] + logsumexp(alpha[t - 1][:, None] + A, axis=0)
        return -logsumexp(alpha[-1])

    return cost, {"A": s(states, states), "B": s(states, symbols)}


def graph(s):
    """Messages along edges, summed by np.add.at; maxout; a partial function for a cost."""
    nodes, edges, d, h = s.size(5), s.size(6), s.size(3), s.size(3)
    source, target = s.labels(edges, nodes), s.labels(edges, nodes)

    def cost(x, p):
        messages = np.tanh(x[source] @ p["M"])
        collected = np.zeros((nodes, h))
        np.add.at(collected, target, messages)
        z = (collected @ p["W"]).reshape(nodes, 2, 2).max(axis=2)
        return np.mean((z + p["b"]) ** 2)

    return functools.partial(cost, s(nodes, d)), {"M": s(d, h), "W": s(h, 4), "b": s(2)}


def flow(s):
    """Euler steps of an ordinary differential equation, updated in place; one parameter array, a bare array."""
    d, m, steps = s.size(3), s.size(3), s.size(4)
    x0 = s(m, d)

    def cost(W):
        x = x0.copy()
        for k in range(steps):
            dx = np.tanh(x @ W[0] + W[1].mean(axis=0))
            x += 0.3 * dx
            x[:, 0] *= 1 + 0.1 * k
            x[k % m] -= x.mean(axis=0)
        return np.sum(x**2) + np.sum(W[1] * W[0].T)

    return cost, s(2, d, d)


STYLES = [
    features_first, samples_first, attributes, loop_over_samples, recurrent, lstm, unrolled, embedding, convolution,
    windows, attention, batch_normalisation, tied_autoencoder, per_class, variational, factorisation, markov, graph,
    flow,
]  # fmt: skip
