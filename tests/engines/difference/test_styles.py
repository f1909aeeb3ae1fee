"""Costs written the way people write them: every coordinate agrees with plain evaluation at ε = 0.01."""

from __future__ import annotations

import math
from math import sqrt

import numpy as np
import pytest
import scipy.special
from numpy import array, zeros
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from fastcheck.engines.difference import TracingError, sweep
from fastcheck.engines.difference.lifting import LiftedCost

STEP = 1e-2


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


X = data(6, 5, seed=1)
XT = np.ascontiguousarray(X.T)
Y = (data(1, 5, seed=2) > 0).astype(float)
LABELS = np.array([0, 2, 1, 1, 0])
ONE_HOT = np.eye(3)[LABELS]
SEQUENCE = data(4, 3, 2, seed=3)  # steps, samples, features
IMAGES = data(2, 6, 6, 2, seed=4)


def relu(z):
    return np.maximum(0, z)


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def course(p):
    z1 = np.dot(p["W1"], X) + p["b1"]
    a1 = relu(z1)
    z2 = np.dot(p["W2"], a1) + p["b2"]
    a2 = relu(z2)
    z3 = np.dot(p["W3"], a2) + p["b3"]
    a3 = sigmoid(z3)
    logprobs = np.multiply(-np.log(a3), Y) + np.multiply(-np.log(1 - a3), 1 - Y)
    return 1.0 / Y.shape[1] * np.sum(logprobs)


def course_squeezed(p):
    cost = np.squeeze(course(p))
    assert cost.shape == ()
    return float(cost)


def course_l2(p):
    lambd, m = 0.7, X.shape[1]
    l2 = (
        lambd
        * (np.sum(np.square(p["W1"])) + np.sum(np.square(p["W2"])) + np.sum(np.square(p["W3"])))
        / (2 * m)
    )
    return course(p) + l2


def course_dropout(p):
    mask = np.random.RandomState(1).rand(4, 5) < 0.8
    a1 = np.tanh(p["W1"] @ X + p["b1"])
    a1 *= mask
    a1 /= 0.8
    a2 = np.maximum(p["W2"] @ a1 + p["b2"], 0.01 * (p["W2"] @ a1 + p["b2"]))
    z = p["W3"] @ a2 + p["b3"]
    return (np.logaddexp(0, z) - Y * z).mean().item()


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


def course_loop_over_samples(p):
    total = 0.0
    for i in range(X.shape[1]):
        h = np.tanh(p["W1"] @ X[:, i] + p["b1"][:, 0])
        h = np.array([max(v, 0.1 * v) for v in p["W2"] @ h + p["b2"].ravel()])
        a = sigmoid(p["W3"] @ h + p["b3"].ravel())[0]
        total += -Y[0, i] * math.log(a) - (1 - Y[0, i]) * math.log(1 - a)
    return total / X.shape[1]


COURSE = {
    "W1": data(4, 6), "b1": data(4, 1), "W2": data(3, 4), "b2": data(3, 1), "W3": data(1, 3), "b3": data(1, 1),
}  # fmt: skip


def softmax_classifier(p):
    h = relu(XT @ p["W1"] + p["b1"])
    scores = h @ p["W2"] + p["b2"]
    scores = scores - np.max(scores, axis=1, keepdims=True)
    e = np.exp(scores)
    probabilities = e / np.sum(e, axis=1, keepdims=True)
    loss = -np.log(probabilities[np.arange(5), LABELS]).mean()
    return loss + 0.5 * 0.1 * np.sum(p["W1"] * p["W1"])


def softmax_one_hot(p):
    h = np.tanh(np.matmul(XT, p["W1"]) + p["b1"])
    return -np.sum(ONE_HOT * scipy.special.log_softmax(h @ p["W2"] + p["b2"], axis=1)) / 5


def softmax_logsumexp(p):
    z = np.hypot(XT @ p["W1"], 0.1) @ p["W2"] + p["b2"] + p["b1"].sum()
    return (scipy.special.logsumexp(z, axis=1) - z[range(5), LABELS]).mean()


def hinge(p):
    scores = sigmoid(XT.dot(p["W1"]) + p["b1"]).dot(p["W2"]) + p["b2"]
    correct = scores[np.arange(5), LABELS][:, np.newaxis]
    margins = np.maximum(0, scores - correct + 1)
    margins[np.arange(5), LABELS] = 0
    return margins.sum() / 5 + np.linalg.norm(p["W2"]) ** 2


CLASSIFIER = {"W1": data(6, 4), "b1": data(4), "W2": data(4, 3), "b2": data(3)}


def convolution_with_loops(p):
    m, height, width, _ = IMAGES.shape
    f, filters = p["W"].shape[0], p["W"].shape[-1]
    out = np.zeros((m, height - f + 1, width - f + 1, filters))
    padded = np.pad(IMAGES, ((0, 0), (0, 0), (0, 0), (0, 0)), mode="constant", constant_values=0)
    for i in range(m):
        sample = padded[i]
        for h in range(out.shape[1]):
            for w in range(out.shape[2]):
                for c in range(filters):
                    piece = sample[h : h + f, w : w + f, :]
                    s = np.multiply(piece, p["W"][:, :, :, c])
                    out[i, h, w, c] = np.sum(s) + float(0) + p["b"][0, 0, 0, c]
    pooled = zeros((m, 2, 2, filters))
    for h in range(2):
        for w in range(2):
            pooled[:, h, w, :] = out[:, 2 * h : 2 * h + 2, 2 * w : 2 * w + 2, :].max(axis=(1, 2))
    return np.mean(np.tanh(pooled) ** 2)


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


CONVOLUTION = {"W": data(3, 3, 2, 3), "b": data(1, 1, 1, 3)}
CONVOLUTION_V = {**CONVOLUTION, "V": data(3, 3, 3, seed=5)}


def batch_normalisation(p):
    z = XT @ p["W1"]
    mu = z.mean(axis=0)
    xmu = z - mu
    variance = 1.0 / 5 * np.sum(xmu**2, axis=0)
    hat = xmu * (1.0 / np.sqrt(variance + 1e-5))
    out = p["gamma"] * hat + p["beta"]
    again = (out - np.mean(out, axis=0)) / np.sqrt(np.var(out, axis=0) + 1e-5)
    return np.sum(relu(again) * out) + np.std(out)


def layer_normalisation(p):
    z = XT.dot(p["W1"])
    mean = np.mean(z, axis=-1, keepdims=True)
    std = np.std(z, axis=-1, keepdims=True)
    y = p["gamma"] * (z - mean) / (std + 1e-6) + p["beta"]
    gelu = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    return (gelu * scipy.special.erf(y / sqrt(2))).sum()


NORMALISED = {"W1": data(6, 4), "gamma": 1 + 0.1 * data(4), "beta": data(4)}


def rnn(p):
    steps, samples, _ = SEQUENCE.shape
    n = p["Wh"].shape[0]
    states = np.zeros((samples, n, steps))
    h = np.zeros((samples, n))
    for t in range(steps):
        h = np.tanh(SEQUENCE[t] @ p["Wx"] + np.dot(h, p["Wh"]) + p["b"])
        states[:, :, t] = h
    return np.sum(states**2) / 2 + states[0, 0, -1]


def rnn_reads_what_it_wrote(p):
    h = {-1: np.zeros((3, 4))}
    hs = np.empty((4, 3, 4))
    for t, x in enumerate(SEQUENCE):
        hs[t] = np.tanh(x @ p["Wx"] + (hs[t - 1] if t else h[-1]) @ p["Wh"] + p["b"])
    return (hs * np.arange(4.0)).mean()


RNN = {"Wx": data(2, 4), "Wh": 0.5 * data(4, 4), "b": data(4)}


class LSTM:
    def __init__(self, hidden):
        self.hidden = hidden

    def step(self, x, h, c, p):
        gates = np.concatenate((h, x), axis=1) @ p["W"] + p["b"]
        i, f, o, g = np.split(gates, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    def __call__(self, p):
        h = np.zeros((3, self.hidden))
        c = np.zeros_like(h)
        outputs = []
        for x in SEQUENCE:
            h, c = self.step(x, h, c, p)
            outputs.append(h)
        return np.mean(np.square(np.stack(outputs) - 0.3))


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


def embedding(p):
    e = p["E"][TOKENS]
    scale = np.sqrt(e.shape[-1])
    h = e.mean(axis=1) / scale
    return -scipy.special.log_softmax(h @ p["E"].T, axis=-1)[np.arange(2), [3, 1]].sum()


def attention(p):
    x = p["E"][TOKENS]
    n, t, d = x.shape
    heads = 2
    q, k, v = (
        (x @ w).reshape(n, t, heads, d // heads).transpose(0, 2, 1, 3) for w in np.split(p["W"], 3, axis=1)
    )
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(d // heads)
    scores = np.where(np.tril(np.ones((t, t))) > 0, scores, -np.inf)
    weights = scipy.special.softmax(scores, axis=-1)
    out = (weights @ v).transpose(0, 2, 1, 3).reshape(n, t, d)
    return np.sum(np.sin(out))


def attention_einsum(p):
    x = p["E"][TOKENS]
    q, k, v = np.split(np.einsum("ntd,de->nte", x, p["W"]), 3, axis=-1)
    scores = np.einsum("nqe,nke->nqk", q, k)
    scores[:, np.triu(np.ones((3, 3), dtype=bool), 1)] = -1e9
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("nqk,nke->", weights, v)


ATTENTION = {"E": data(5, 4), "W": 0.5 * data(4, 12)}


def autoencoder(p):
    code = sigmoid(X.T @ p["W1"])
    back = code @ p["W1"].T
    rho = np.mean(code, axis=0)
    sparsity = np.sum(0.1 * np.log(0.1 / rho) + 0.9 * np.log(0.9 / (1 - rho)))
    return np.mean((back - X.T) ** 2) + sparsity


def logistic_regression(theta):
    z = np.c_[np.ones(5), XT] @ theta
    return np.sum(np.log1p(np.exp(z)) - Y[0] * z) + 0.5 * theta[1:] @ theta[1:]


def gaussian_process(p):
    points = X[0]
    length, noise = np.exp(p["log_length"]), np.exp(p["log_noise"])
    squares = (points[:, None] - points[None, :]) ** 2
    K = np.exp(-0.5 * squares / length**2) + noise * np.eye(5)
    L = np.linalg.cholesky(K)
    alpha = np.linalg.solve(L.T, np.linalg.solve(L, X[1]))
    return 0.5 * X[1] @ alpha + np.sum(np.log(np.diag(L))) + 0.5 * 5 * np.log(2 * np.pi)


def gaussian_process_slogdet(p):
    K = np.exp(-0.5 * (X[0][:, None] - X[0]) ** 2 / np.exp(2 * p["log_length"])) + np.exp(
        p["log_noise"]
    ) * np.eye(5)
    return 0.5 * (X[1] @ np.linalg.inv(K) @ X[1] + np.linalg.slogdet(K)[1])


def rosenbrock(x):
    return sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0)


def numbers_and_lists(x):
    v = array([x[0] ** 2, x[1] * x[2], 3.0])
    if x[0] > -100:
        v = v * 2
    return np.asarray([v.sum(), v[0] * v[1]]).prod()


def changes_its_parameters(p):
    p["W1"] *= 2.0
    p["b1"][0] = 0.0
    p["W1"][:, 0] += p["b1"][:, 0]
    return np.sum(np.tanh(p["W1"] @ X + p["b1"])) + np.sum(p["W2"]) * 0


def strided(p):
    return np.sum(as_strided(X, (2, 2), X.strides) @ np.reshape(p["W1"].ravel()[:4], (2, 2)) ** 2)


CASES = [
    (course, COURSE), (course_squeezed, COURSE), (course_l2, COURSE), (course_dropout, COURSE),
    (course_in_place, COURSE), (course_loop_over_samples, COURSE), (softmax_classifier, CLASSIFIER),
    (softmax_one_hot, CLASSIFIER), (softmax_logsumexp, CLASSIFIER), (hinge, CLASSIFIER),
    (convolution_with_loops, CONVOLUTION), (im2col, CONVOLUTION_V), (batch_normalisation, NORMALISED),
    (layer_normalisation, NORMALISED), (rnn, RNN), (rnn_reads_what_it_wrote, RNN),
    (LSTM(4), {"W": data(6, 16), "b": data(16)}),
    (gru, {"Wz": data(5, 3), "Wr": data(5, 3), "Wc": data(5, 3, seed=9)}),
    (embedding, ATTENTION), (attention, ATTENTION), (attention_einsum, ATTENTION), (autoencoder, {"W1": data(6, 3)}),
    (logistic_regression, data(7)), (gaussian_process, {"log_length": np.array(0.3), "log_noise": np.array(-1.0)}),
    (gaussian_process_slogdet, {"log_length": np.array(0.3), "log_noise": np.array(-1.0)}),
    (rosenbrock, data(6)), (numbers_and_lists, data(3)), (changes_its_parameters, COURSE), (strided, COURSE),
]  # fmt: skip


def leaves_and_build(parameters):
    if isinstance(parameters, dict):
        return list(parameters.values()), lambda arrays: dict(zip(parameters, arrays, strict=True))
    return [parameters], lambda arrays: arrays[0]


def central_differences(cost, leaves, build, leaf):
    result = np.zeros(leaves[leaf].size)
    for i in range(result.size):
        ends = []
        for step in (STEP, -STEP):
            moved = [x.copy() for x in leaves]
            moved[leaf].flat[i] += step
            ends.append(float(cost(build(moved))))
        result[i] = (ends[0] - ends[1]) / (2 * STEP)
    return result


def swept_or_lifted(cost, build, leaves, leaf, coordinates):
    """Sweep as the engine does: again with lifted data if a method of a plain array stops the trace."""
    try:
        return sweep(cost, build, leaves, leaf, coordinates, STEP)
    except TracingError:
        return sweep(LiftedCost(cost), build, leaves, leaf, coordinates, STEP)


@pytest.mark.parametrize(
    ("cost", "parameters"), CASES, ids=lambda c: getattr(c, "__name__", type(c).__name__)
)
def test_central_differences_are_those_of_plain_evaluation(cost, parameters):
    leaves, build = leaves_and_build(parameters)
    before = [x.copy() for x in leaves]
    for leaf, values in enumerate(leaves):
        s = swept_or_lifted(cost, build, leaves, leaf, np.arange(values.size))
        plain = central_differences(cost, leaves, build, leaf)
        scale = max(1.0, abs(s.values[0]), np.abs(plain).max())
        np.testing.assert_allclose((s.plus - s.minus) / (2 * STEP), plain, rtol=1e-12, atol=1e-12 * scale)
        assert s.values[0] == pytest.approx(float(cost(build([x.copy() for x in leaves]))), rel=1e-13)
        assert not s.unsupported.any()
    for x, y in zip(leaves, before, strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_cost_that_leaves_numpy_is_named():
    with pytest.raises(TracingError, match="float"):
        sweep(lambda x: math.ldexp(x[0], 2) + 1.0, lambda a: a[0], [data(2)], 0, np.arange(2), STEP)
