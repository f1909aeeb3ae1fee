"""Layers as people write them, each with its right backward pass: the mistakes are planted in tests."""

import numpy as np


def data(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# --- functions with a cache ------------------------------------------------------------------------------


def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout
    return dx, dw, dout.sum(axis=0)


def softmax_forward(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p, p


def softmax_backward(grad_output, p):
    return p * (grad_output - (grad_output * p).sum(axis=1, keepdims=True))


def attention_forward(q, k, v):
    a, _ = softmax_forward(q @ k.T / np.sqrt(k.shape[1]))
    return a @ v, (q, k, v, a)


def attention_backward(dY, cache):
    q, k, v, a = cache
    dS = softmax_backward(dY @ v.T, a) / np.sqrt(k.shape[1])
    return {"dq": dS @ k, "dk": dS.T @ q, "dv": a.T @ dY}


def embed_forward(ids, table):
    return table[ids], (ids, table.shape)


def embed_backward(dout, cache):
    ids, shape = cache
    dtable = np.zeros(shape)
    np.add.at(dtable, ids, dout)
    return None, dtable


def im2col(x, size):
    n, c, h, w = x.shape
    rows, columns = h - size + 1, w - size + 1
    patches = np.empty((n, rows, columns, c * size * size))
    for i in range(rows):
        for j in range(columns):
            patches[:, i, j] = x[:, :, i : i + size, j : j + size].reshape(n, -1)
    return patches


def conv_forward(x, w, b):
    patches = im2col(x, w.shape[-1])
    out = patches @ w.reshape(len(w), -1).T + b
    return out.transpose(0, 3, 1, 2), (x.shape, patches, w)


def conv_backward(dout, cache):
    shape, patches, w = cache
    size = w.shape[-1]
    d = dout.transpose(0, 2, 3, 1)
    dw = np.tensordot(d, patches, axes=([0, 1, 2], [0, 1, 2])).reshape(w.shape)
    dpatches = d @ w.reshape(len(w), -1)
    dx = np.zeros(shape)
    for i in range(d.shape[1]):
        for j in range(d.shape[2]):
            dx[:, :, i : i + size, j : j + size] += dpatches[:, i, j].reshape(*shape[:2], size, size)
    return dx, dw, d.sum(axis=(0, 1, 2))


def two_outputs_forward(x, w):
    h = np.tanh(x @ w)
    return (h, x.sum(axis=1)), (x, w, h)


def two_outputs_backward(dout, cache):
    (dh, ds), (x, w, h) = dout, cache
    d = dh * (1 - h**2)
    return d @ w.T + ds[:, None], x.T @ d


FUNCTIONS = {
    "affine": (affine_forward, affine_backward, (data(5, 2, 2), data(4, 3, seed=1), data(3, seed=2))),
    "softmax": (softmax_forward, softmax_backward, (data(4, 5),)),
    "attention": (
        attention_forward,
        attention_backward,
        (data(4, 3), data(5, 3, seed=1), data(5, 2, seed=2)),
    ),
    "embedding": (embed_forward, embed_backward, (np.array([0, 2, 2, 1]), data(3, 4))),
    "convolution": (
        conv_forward,
        conv_backward,
        (data(2, 2, 5, 4), data(3, 2, 3, 3, seed=1), data(3, seed=2)),
    ),
    "two outputs": (two_outputs_forward, two_outputs_backward, (data(4, 3), data(3, 3, seed=1))),
}


# --- classes ---------------------------------------------------------------------------------------------


class Dense:
    """Inputs in self.x, gradients returned."""

    def forward(self, x, W, b):
        self.x, self.W = x, W
        self.out = np.maximum(x @ W + b, 0)
        return self.out

    def backward(self, dout):
        d = dout * (self.out > 0)
        return d @ self.W.T, self.x.T @ d, d.sum(axis=0)


class BatchNorm:
    """Running statistics are updated in each forward pass."""

    def __init__(self, features):
        self.running_mean, self.running_var = np.zeros(features), np.ones(features)

    def forward(self, x, gamma, beta):
        self.mean, self.var = x.mean(axis=0), x.var(axis=0)
        self.running_mean = 0.9 * self.running_mean + 0.1 * self.mean
        self.running_var = 0.9 * self.running_var + 0.1 * self.var
        self.gamma = gamma
        self.xhat = (x - self.mean) / np.sqrt(self.var + 1e-5)
        return gamma * self.xhat + beta

    def backward(self, dout):
        d = dout * self.gamma
        centred = d - d.mean(axis=0) - self.xhat * (d * self.xhat).mean(axis=0)
        return centred / np.sqrt(self.var + 1e-5), (dout * self.xhat).sum(axis=0), dout.sum(axis=0)


class Dropout:
    """The generator is the object's, and the mask is drawn once."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.mask = None

    def forward(self, x):
        if self.mask is None:
            self.mask = (self.rng.random(x.shape) < 0.5) / 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class LayerNorm:
    """Everything lives in one dict."""

    def forward(self, x, g):
        self.cache = {"x": x, "mean": x.mean(1, keepdims=True), "std": x.std(1, keepdims=True), "g": g}
        return g * (x - self.cache["mean"]) / self.cache["std"]

    def backward(self, up):
        c = self.cache
        h = (c["x"] - c["mean"]) / c["std"]
        d = up * c["g"]
        dx = (d - d.mean(1, keepdims=True) - h * (d * h).mean(1, keepdims=True)) / c["std"]
        return dx, (up * h).sum(0)


CLASSES = {
    "dense": (Dense, (), (data(5, 4), data(4, 3, seed=1), data(3, seed=2))),
    "batch norm": (BatchNorm, (4,), (data(6, 4), data(4, seed=1), data(4, seed=2))),
    "dropout": (Dropout, (0,), (data(6, 4),)),
    "layer norm": (LayerNorm, (), (data(3, 5), data(5, seed=1))),
}
