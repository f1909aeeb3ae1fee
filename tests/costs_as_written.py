"""More costs as people write them, each with its parameters."""

from __future__ import annotations

from math import sqrt

import numpy as np
import scipy.special
from numpy import array, zeros
from numpy.lib.stride_tricks import sliding_window_view


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


X = data(6, 5, seed=1)
XT = np.ascontiguousarray(X.T)
Y = (data(1, 5, seed=2) > 0).astype(float)
LABELS = np.array([0, 2, 1, 1, 0])
SEQUENCE = data(4, 3, 2, seed=3)  # steps, samples, features
IMAGES = data(2, 6, 6, 2, seed=4)


def course_in_place(p):
    z = np.dot(p["W1"], X)
    z += p["b1"]
    z[z < 0] = 0
    h = p["W2"].dot(z)
    h += p["b2"]
    h *= h > 0
    out = np.empty((1, 5))
    np.matmul(p["W3"], h, out=out)
    out += p["b3"]
    np.negative(out, out=out)
    np.exp(out, out=out)
    out += 1
    out **= -1
    return -(Y * np.log(out) + (1 - Y) * np.log(1 - out)).sum() / 5


COURSE = {
    "W1": data(4, 6), "b1": data(4, 1), "W2": data(3, 4), "b2": data(3, 1), "W3": data(1, 3), "b3": data(1, 1),
}  # fmt: skip


def hinge(p):
    scores = scipy.special.expit(XT.dot(p["W1"]) + p["b1"]).dot(p["W2"]) + p["b2"]
    correct = scores[np.arange(5), LABELS][:, np.newaxis]
    margins = np.maximum(0, scores - correct + 1)
    margins[np.arange(5), LABELS] = 0
    return margins.sum() / 5 + np.linalg.norm(p["W2"]) ** 2


CLASSIFIER = {"W1": data(6, 4), "b1": data(4), "W2": data(4, 3), "b2": data(3)}


def im2col(p):
    m, height, width, channels = IMAGES.shape
    f, filters = p["W"].shape[0], p["W"].shape[-1]
    k = np.arange(f)
    n = height - f + 1
    rows = (np.arange(n)[:, None, None, None] + k[None, None, :, None]) % height
    cols = (np.arange(n)[None, :, None, None] + k[None, None, None, :]) % width
    patches = IMAGES[:, rows, cols, :]
    columns = patches.reshape(m * n * n, f * f * channels)
    out = (columns @ p["W"].reshape(-1, filters) + p["b"].reshape(-1)).reshape(m, n, n, filters)
    out = np.where(out > 0, out, 0.2 * out)
    second = sliding_window_view(np.pad(out, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), axis=(1, 2))
    z = np.einsum("nhwcij,cij->nhw", second, p["V"])
    return 0.5 * np.sum((z - 1.0) ** 2) / m


CONVOLUTION = {"W": data(3, 3, 2, 3), "b": data(1, 1, 1, 3), "V": data(3, 3, 3, seed=5)}


def layer_normalisation(p):
    z = XT.dot(p["W1"])
    mean = np.mean(z, axis=-1, keepdims=True)
    std = np.std(z, axis=-1, keepdims=True)
    y = p["gamma"] * (z - mean) / (std + 1e-6) + p["beta"]
    gelu = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    return (gelu * scipy.special.erf(y / sqrt(2))).sum()


NORMALISED = {"W1": data(6, 4), "gamma": 1 + 0.1 * data(4), "beta": data(4)}


def gru(p):
    h = zeros((3, 3))
    for x in SEQUENCE:
        hx = np.hstack([h, x])
        z = scipy.special.expit(hx @ p["Wz"])
        r = scipy.special.expit(hx @ p["Wr"])
        candidate = np.tanh(np.hstack([r * h, x]) @ p["Wc"])
        h = (1 - z) * h + z * candidate
    return np.linalg.norm(h)


TOKENS = np.array([[1, 4, 4], [0, 2, 1]])


def attention_einsum(p):
    x = p["E"][TOKENS]
    q, k, v = np.split(np.einsum("ntd,de->nte", x, p["W"]), 3, axis=-1)
    scores = np.einsum("nqe,nke->nqk", q, k)
    scores[:, np.triu(np.ones((3, 3), dtype=bool), 1)] = -1e9
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("nqk,nke->", weights, v)


ATTENTION = {"E": data(5, 4), "W": 0.5 * data(4, 12)}


def gaussian_process(p):
    points = X[0]
    length, noise = np.exp(p["log_length"]), np.exp(p["log_noise"])
    squares = (points[:, None] - points[None, :]) ** 2
    K = np.exp(-0.5 * squares / length**2) + noise * np.eye(5)
    L = np.linalg.cholesky(K)
    alpha = np.linalg.solve(L.T, np.linalg.solve(L, X[1]))
    return 0.5 * X[1] @ alpha + np.sum(np.log(np.diag(L))) + 0.5 * 5 * np.log(2 * np.pi)


def numbers_and_lists(x):
    v = array([x[0] ** 2, x[1] * x[2], 3.0])
    if x[0] > -100:
        v = v * 2
    return np.asarray([v.sum(), v[0] * v[1]]).prod()


LOGARITHMS = {"log_length": np.array(0.3), "log_noise": np.array(-1.0)}
CASES = [
    (course_in_place, COURSE), (hinge, CLASSIFIER), (im2col, CONVOLUTION), (layer_normalisation, NORMALISED),
    (gru, {"Wz": data(5, 3), "Wr": data(5, 3), "Wc": data(5, 3, seed=9)}), (attention_einsum, ATTENTION),
    (gaussian_process, LOGARITHMS), (numbers_and_lists, data(3)),
]  # fmt: skip
