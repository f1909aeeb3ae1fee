"""Multilayer perceptrons the way people write them: all of them are recognised."""

import functools
import itertools
import math
from collections import namedtuple
from typing import Any, NamedTuple

import numpy as np
import scipy.special
from scipy.special import expit, log_softmax, logsumexp

from fastcheck import MLP, course
from fastcheck.adapters import ForwardCost
from fastcheck.objects import ObjectCost

M = 7
RNG = np.random.default_rng(7)


def normal(*shape, scale=1.0):
    return scale * RNG.standard_normal(shape)


X = normal(4, M)
XS = np.ascontiguousarray(X.T)
Y = (RNG.random((1, M)) < 0.5).astype(float)
y = Y.ravel()
LABELS = np.array([0, 2, 1, 1, 0, 2, 2])
ONE_HOT = np.eye(3)[LABELS]
SOFT = ONE_HOT * 0.9 + 0.1 / 3
T = normal(M, 3)
DIGITS = RNG.integers(0, 256, (M, 4), dtype=np.uint8)


class Style(NamedTuple):
    """A cost with its parameters, and what is to be found: hidden activations, kind of loss, λ, and masks."""

    name: str
    cost: Any
    parameters: Any
    hidden: tuple
    loss: str = "binary_cross_entropy"
    l2: float = 0.0
    masks: tuple = ()

    def __str__(self):
        return self.name


STYLES: list[Style] = []


def style(parameters, *hidden, loss="binary_cross_entropy", l2=0.0, masks=(), given=None):
    def register(cost):
        STYLES.append(
            Style(cost.__name__, given(cost) if given else cost, parameters, hidden, loss, l2, masks)
        )
        return cost

    return register


def columns(*sizes, zero=False):
    """W1 (n1, n0), b1 (n1, 1), …, as in the courses."""
    found = {}
    for k, (n, n_out) in enumerate(itertools.pairwise(sizes), start=1):
        found[f"W{k}"] = normal(n_out, n, scale=0.5)
        found[f"b{k}"] = np.zeros((n_out, 1)) if zero else normal(n_out, 1, scale=0.5)
    return found


def rows(*sizes):
    """W1 (n0, n1), b1 (n1,), …"""
    found = {}
    for k, (n, n_out) in enumerate(itertools.pairwise(sizes), start=1):
        found[f"W{k}"], found[f"b{k}"] = normal(n, n_out, scale=0.5), normal(n_out)
    return found


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def relu(z):
    return np.maximum(0, z)


def bce(a, t=Y):
    return -np.mean(t * np.log(a) + (1 - t) * np.log(1 - a))


def cross_entropy(z, labels=LABELS):
    z = z - z.max(axis=1, keepdims=True)
    return -np.mean((z - np.log(np.exp(z).sum(axis=1, keepdims=True)))[np.arange(len(z)), labels])


# --- the courses, unchanged ------------------------------------------------------------------------------

COURSE = course.gradient_check_n_solved_case()
MASKS = [RNG.random((5, M)) < 0.7, RNG.random((3, M)) < 0.7]


@style(COURSE[0], "relu", "relu", given=lambda forward: ForwardCost(forward, COURSE[2], COURSE[3]))
def course_exercise(X, Y, parameters):
    return course.forward_propagation_n(X, Y, parameters)


@style(columns(4, 5, 3, 1), "relu", "relu", l2=0.7, given=lambda forward: ForwardCost(forward, X, Y))
def course_regularisation(X, Y, parameters):
    _, cache = course.forward_propagation_n(X, Y, parameters)
    return course.compute_cost_with_regularization(cache[-3], Y, parameters, 0.7), cache


@style(
    columns(4, 5, 3, 1),
    "relu",
    "relu",
    masks=tuple(mask / 0.7 for mask in MASKS),
    given=lambda forward: ForwardCost(forward, X, Y),
)
def course_dropout(X, Y, parameters):
    return course.forward_propagation_with_masks(X, Y, parameters, MASKS, 0.7)


@style(columns(4, 3, 1, zero=True), "tanh", given=lambda forward: ForwardCost(forward, X, Y))
def planar_data(X, Y, parameters):
    W1, b1, W2, b2 = (parameters[name] for name in ("W1", "b1", "W2", "b2"))
    Z1 = np.dot(W1, X) + b1
    A1 = np.tanh(Z1)
    Z2 = np.dot(W2, A1) + b2
    A2 = sigmoid(Z2)
    m = Y.shape[1]
    logprobs = np.multiply(np.log(A2), Y) + np.multiply(np.log(1 - A2), 1 - Y)
    cost = float(np.squeeze(-np.sum(logprobs) / m))
    return cost, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}


def linear_activation_forward(A_prev, W, b, activation):
    Z = W.dot(A_prev) + b
    A = sigmoid(Z) if activation == "sigmoid" else np.maximum(0, Z)
    assert A.shape == (W.shape[0], A_prev.shape[1])
    return A, ((A_prev, W, b), Z)


@style(columns(4, 6, 5, 3, 1), "relu", "relu", "relu")
def l_layer_model(parameters):
    caches, A, L = [], X, len(parameters) // 2
    for layer in range(1, L):
        A, cache = linear_activation_forward(A, parameters[f"W{layer}"], parameters[f"b{layer}"], "relu")
        caches.append(cache)
    AL, _ = linear_activation_forward(A, parameters[f"W{L}"], parameters[f"b{L}"], "sigmoid")
    return np.squeeze((1.0 / Y.shape[1]) * (-np.dot(Y, np.log(AL).T) - np.dot(1 - Y, np.log(1 - AL).T)))


@style(columns(4, 5, 1), "relu", masks="inside")
def dropout_with_a_seed_inside(parameters):
    np.random.seed(1)  # noqa: NPY002
    A1 = relu(np.dot(parameters["W1"], X) + parameters["b1"])
    D1 = np.random.rand(A1.shape[0], A1.shape[1])  # noqa: NPY002
    D1 = D1 < 0.8
    A1 = A1 * D1
    A1 = A1 / 0.8
    A2 = sigmoid(np.dot(parameters["W2"], A1) + parameters["b2"])
    return 1.0 / M * np.nansum(np.multiply(-np.log(A2), Y) + np.multiply(-np.log(1 - A2), 1 - Y))


# --- samples first ---------------------------------------------------------------------------------------


@style(rows(4, 5, 3), "relu", loss="cross_entropy", l2=2 * M * 0.1)
def two_layer_net(p):
    reg, N = 0.1, XS.shape[0]
    h1 = np.maximum(0, XS.dot(p["W1"]) + p["b1"])
    scores = h1.dot(p["W2"]) + p["b2"]
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    softmax = np.exp(shifted) / np.sum(np.exp(shifted), axis=1).reshape(-1, 1)
    loss = -np.sum(np.log(softmax[range(N), list(LABELS)]))
    loss /= N
    return loss + reg * (np.sum(p["W1"] * p["W1"]) + np.sum(p["W2"] * p["W2"]))


@style({"W1": normal(4, 5), "W2": normal(5, 3)}, "leaky_relu", loss="cross_entropy")
def dots_without_biases(p):
    z1 = XS.dot(p["W1"])
    return cross_entropy(np.where(z1 > 0, z1, 0.2 * z1).dot(p["W2"]))


@style(rows(4, 6, 3), "gelu", loss="cross_entropy", l2=M * 0.5)
def fully_connected(p):
    def affine(x, w, b):
        return x.reshape(x.shape[0], -1) @ w + b

    z = affine(XS.reshape(M, 2, 2), p["W1"], p["b1"])
    out = affine(0.5 * z * (1 + scipy.special.erf(z / math.sqrt(2))), p["W2"], p["b2"])
    data_loss = -np.sum(ONE_HOT * log_softmax(out, axis=1)) / M
    return data_loss + 0.5 * 0.5 * (np.linalg.norm(p["W1"]) ** 2 + np.linalg.norm(p["W2"]) ** 2)


@style([(normal(4, 5), normal(1, 5)), (normal(5, 4), normal(1, 4)), (normal(4, 3), normal(1, 3))], "silu", "silu",
       loss="cross_entropy")  # fmt: skip
def list_of_pairs(layers):
    a = XS
    for w, b in layers[:-1]:
        a = a @ w + b
        a = a * sigmoid(a)
    w, b = layers[-1]
    z = a @ w + b
    return (logsumexp(z, axis=1) - (z * ONE_HOT).sum(axis=1)).mean()


@style({"layers": [{"kernel": normal(4, 3), "bias": normal(3)}, {"kernel": normal(3, 3), "bias": normal(3)}]},
       "softplus", loss="mean_squared_error")  # fmt: skip
def nested_dicts(tree):
    first, second = tree["layers"]
    hidden = np.logaddexp(0, XS @ first["kernel"] + first["bias"])
    return np.mean((hidden @ second["kernel"] + second["bias"] - T) ** 2)


Parameters = namedtuple("Parameters", "output_bias output hidden_bias hidden")


@style(Parameters(normal(3), normal(3, 6), normal(6), normal(6, 4)), "elu", loss="mean_squared_error")
def any_order(p):
    z = np.einsum("hf,nf->nh", p.hidden, XS) + p.hidden_bias
    h = np.where(z > 0, z, 0.5 * (np.exp(z) - 1))
    out = np.einsum("nh,oh->no", h, p.output) + p.output_bias
    return ((out - T) ** 2).sum() / (2 * M)


@style([normal(5, 4), normal(5), normal(3, 5), normal(3)], "gelu_tanh", loss="mean_squared_error")
def flat_list(p):
    w1, b1, w2, b2 = p
    z = XS @ w1.T + b1
    a = 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * np.power(z, 3))))
    return np.square(a @ w2.T + b2 - T).sum()


@style(rows(4, 5, 4, 3), "sigmoid", "tanh", loss="cross_entropy", l2=0.01)
def label_smoothing_and_mixed_layouts(p):
    smooth = np.eye(3)[LABELS] * 0.8 + 0.2 / 3
    h1 = expit(np.tensordot(XS, p["W1"], axes=1) + p["b1"])
    h2 = np.tanh(p["W2"].T @ h1.T + p["b2"][:, None])
    z = np.matmul(h2.T, p["W3"]) + p["b3"]
    probabilities = scipy.special.softmax(z, axis=1)
    cost = -(smooth * np.log(probabilities)).sum(axis=1).mean()
    for k in (1, 2, 3):
        cost += 0.01 / (2 * M) * np.sum(np.square(p[f"W{k}"]))
    return cost


@style(rows(4, 5, 3), "relu", loss="cross_entropy")
def pixels(p):
    images = DIGITS.astype(np.float32) / np.float32(255)
    z = np.maximum(images @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"]
    return cross_entropy(z)


# --- activations -----------------------------------------------------------------------------------------


def in_place(z):
    a = z.copy()
    a[a < 0] = 0
    return a


def stable_sigmoid(z):
    return np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))


SPELLINGS = {
    "relu": [lambda z: z * (z > 0), lambda z: np.where(z > 0, z, 0), in_place, lambda z: (z + np.abs(z)) / 2,
             lambda z: np.clip(z, 0, None)],
    "leaky_relu": [lambda z: np.maximum(0.01 * z, z), lambda z: np.where(z >= 0, z, z * 0.1),
                   lambda z: relu(z) - 0.3 * relu(-z)],
    "sigmoid": [sigmoid, expit, stable_sigmoid, lambda z: 0.5 * (1 + np.tanh(z / 2)),
                lambda z: np.exp(z) / (1 + np.exp(z))],
    "tanh": [np.tanh, lambda z: 2 * sigmoid(2 * z) - 1, lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))],
    "softplus": [lambda z: np.log(1 + np.exp(z)), lambda z: np.log1p(np.exp(z)),
                 lambda z: relu(z) + np.log1p(np.exp(-np.abs(z)))],
    "silu": [lambda z: z / (1 + np.exp(-z)), lambda z: z * expit(z)],
    "gelu": [lambda z: z * scipy.special.ndtr(z)],
    "gelu_tanh": [lambda z: z * sigmoid(2 * np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))],
    "elu": [lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda z: relu(z) + np.minimum(0, np.exp(z) - 1)],
    "identity": [lambda z: z],
}  # fmt: skip


def hidden_then_logistic(f, p):
    a = f(p["W1"] @ X + p["b1"])
    return bce(sigmoid(p["W2"] @ a + p["b2"]))


for name, functions in SPELLINGS.items():
    for number, function in enumerate(functions):
        cost = functools.partial(hidden_then_logistic, function)
        STYLES.append(Style(f"{name}_{number}", cost, columns(4, 5, 1), (name,)))


# --- outputs and losses ----------------------------------------------------------------------------------

LOSSES = {
    "binary_cross_entropy": [
        lambda z: np.mean(np.logaddexp(0, z) - Y * z),
        lambda z: np.sum(np.maximum(z, 0) - z * Y + np.log(1 + np.exp(-np.abs(z)))) / M,
        lambda z: -(Y * np.log(expit(z)) + (1 - Y) * np.log(expit(-z))).sum(),
        lambda z: -float(np.dot(y, np.log(sigmoid(z[0]))) + np.dot(1 - y, np.log(1 - sigmoid(z[0])))) / M,
        lambda z: np.average(-np.log(np.where(Y == 1, sigmoid(z), 1 - sigmoid(z)))),
        lambda z: sum(-math.log(sigmoid(z)[0, i] if y[i] else 1 - sigmoid(z)[0, i]) for i in range(M)) / M,
        lambda z: bce(np.clip(sigmoid(z), 1e-15, 1 - 1e-15)),
        lambda z: 0.5 * np.sum(-Y * np.log(sigmoid(z)) - (1 - Y) * np.log(1 - sigmoid(z)), axis=1)[0],
    ],
    "mean_squared_error": [
        lambda z: np.mean((z - Y) ** 2),
        lambda z: 1 / (2 * M) * np.sum(np.square(Y - z)),
        lambda z: np.sum((z.ravel() - y) ** 2),
        lambda z: 0.5 * np.linalg.norm(z - Y) ** 2,
        lambda z: ((z - Y) @ (z - Y).T).item() / M,
        lambda z: 3.7 * np.mean((z - Y) ** 2),
    ],
}


def hidden_then(loss, p):
    return loss(p["W2"] @ np.tanh(p["W1"] @ X + p["b1"]) + p["b2"])


for kind, functions in LOSSES.items():
    for number, function in enumerate(functions):
        cost = functools.partial(hidden_then, function)
        STYLES.append(Style(f"{kind}_{number}", cost, columns(4, 5, 1), ("tanh",), kind))

CROSS_ENTROPIES = [
    lambda z: -np.mean(np.log(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))[np.arange(M), LABELS]),
    lambda z: -np.sum(ONE_HOT * np.log(np.exp(z) / np.sum(np.exp(z), axis=1)[:, None])) / M,
    lambda z: -np.sum(np.log(np.take_along_axis(scipy.special.softmax(z, axis=1), LABELS[:, None], axis=1))),
    lambda z: np.mean(np.log(np.sum(np.exp(z), axis=-1)) - z[np.arange(M), LABELS]),
    lambda z: -np.mean(np.sum(SOFT * log_softmax(z, axis=-1), axis=-1)),
    lambda z: -np.mean(ONE_HOT * log_softmax(z, axis=-1)),
    lambda z: -sum(np.log(np.exp(z[i]) / np.exp(z[i]).sum())[LABELS[i]] for i in range(M)) / M,
    lambda z: -np.trace(ONE_HOT.T @ log_softmax(z, axis=1)) / M,
]


def hidden_then_classes(loss, p):
    return loss(relu(XS @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"])


for number, function in enumerate(CROSS_ENTROPIES):
    cost = functools.partial(hidden_then_classes, function)
    STYLES.append(Style(f"cross_entropy_{number}", cost, rows(4, 5, 3), ("relu",), "cross_entropy"))


@style(columns(4, 5, 3), "relu", loss="binary_cross_entropy")
def several_labels(p):
    a = sigmoid(p["W2"] @ relu(p["W1"] @ X + p["b1"]) + p["b2"])
    return np.mean(-(ONE_HOT.T * np.log(a) + (1 - ONE_HOT.T) * np.log(1 - a)))


@style(columns(4, 5, 3), "relu", loss="cross_entropy")
def features_first_labels(p):
    z = p["W2"] @ relu(p["W1"] @ X + p["b1"]) + p["b2"]
    a = np.exp(z - z.max(axis=0)) / np.exp(z - z.max(axis=0)).sum(axis=0)
    return -np.log(a[LABELS, np.arange(M)]).mean()


# --- depth 1 ---------------------------------------------------------------------------------------------


@style({"w": normal(4, 1), "b": 0.3}, given=lambda forward: ForwardCost(forward, X, Y))
def logistic_regression(X, Y, parameters):
    A = sigmoid(np.dot(parameters["w"].T, X) + parameters["b"])
    return -1 / X.shape[1] * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)), A


@style({"w": np.zeros(4), "b": np.zeros(1)})
def logistic_regression_from_zero(p):
    return bce(sigmoid(XS @ p["w"] + p["b"]), y)


@style((normal(4), 0.1), loss="mean_squared_error", l2=2 * M * 0.3)
def ridge(p):
    w, b = p
    r = XS.dot(w) + b - T[:, 0]
    return r.dot(r) / (2 * M) + 0.3 * w.dot(w)


@style(normal(4, 3), loss="cross_entropy", l2=M * 1e-3)
def softmax_regression(W):
    loss = 0.0
    scores = XS.dot(W)
    for i in range(M):
        f = scores[i] - np.max(scores[i])
        loss += -np.log(np.exp(f)[LABELS[i]] / np.sum(np.exp(f)))
    return loss / M + 0.5 * 1e-3 * np.sum(W * W)


# --- objects and other habits ----------------------------------------------------------------------------


class Network:
    def __init__(self, sizes, inputs, targets):
        self.W = [normal(n, n_in) for n_in, n in itertools.pairwise(sizes)]
        self.b = [normal(n, 1) for n in sizes[1:]]
        self.inputs, self.targets, self.history = inputs, targets, []

    def forward(self, a):
        self.zs = []
        for W, b in zip(self.W, self.b, strict=True):
            self.zs.append(W.dot(a) + b)
            a = sigmoid(self.zs[-1])
        return a

    def loss(self):
        a = self.forward(self.inputs)
        self.history.append(a)
        return bce(a, self.targets)


class TwoLayers:
    def __init__(self):
        self.params = rows(4, 5, 3)
        self.X, self.labels = XS, LABELS

    def loss(self):
        hidden = np.maximum(0, self.X.dot(self.params["W1"]) + self.params["b1"])
        scores = hidden.dot(self.params["W2"]) + self.params["b2"]
        exp = np.exp(scores)
        return -np.log(exp[np.arange(M), self.labels] / exp.sum(axis=1)).mean()


NETWORK, TWO_LAYERS = Network((4, 3, 3, 1), X, Y), TwoLayers()
PARAMETERS = {"W": NETWORK.W, "b": NETWORK.b}
STYLES += [
    Style("object", ObjectCost(NETWORK, NETWORK.loss, PARAMETERS), PARAMETERS, ("sigmoid", "sigmoid")),
    Style(
        "object_with_dots",
        ObjectCost(TWO_LAYERS, TWO_LAYERS.loss, TWO_LAYERS.params),
        TWO_LAYERS.params,
        ("relu",),
        "cross_entropy",
    ),
]

MODEL = MLP(("leaky_relu", "elu", "softmax"), l2=0.2, layout="samples_first")
MODEL_PARAMETERS = MODEL.initialize((4, 5, 4, 3), seed=1)
STYLES.append(
    Style(
        "fastcheck_model",
        lambda p: MODEL.cost(p, XS, LABELS),
        MODEL_PARAMETERS,
        ("leaky_relu", "elu"),
        "cross_entropy",
        0.2,
    )
)

Z_BUFFER, A_BUFFER = np.empty((5, M)), np.empty((5, M))


@style(columns(4, 5, 1), "relu")
def preallocated(p):
    Z_BUFFER[...] = p["W1"] @ X
    Z_BUFFER[...] += p["b1"]
    np.maximum(Z_BUFFER, 0, out=A_BUFFER)
    z = p["W2"] @ A_BUFFER
    z += p["b2"]
    return bce(sigmoid(z))


@style(columns(4, 5, 1), "relu", l2=0.4)
def numbers_in_the_middle(p):
    a = sigmoid(p["W2"] @ np.maximum(p["W1"] @ X + p["b1"], 0.0) + p["b2"])
    loss = float(bce(a))
    penalty = float(np.sum(p["W1"] ** 2)) + float(np.vdot(p["W2"], p["W2"]))
    return loss + 0.4 / M / 2 * penalty


@style(columns(4, 5, 1), "relu", l2=0.4)
def converted(p):
    W1, b1, W2, b2 = (np.asarray(p[name], dtype=float) for name in ("W1", "b1", "W2", "b2"))
    a = sigmoid(np.array(W2) @ np.maximum(W1.copy() @ np.array(X) + b1.reshape(-1, 1), 0.0) + b2)
    return bce(a, np.array([y])) + 0.4 / M / 2 * (np.trace(W1.T @ W1) + np.einsum("ij,ij->", W2, W2))


@style(columns(4, 5, 1), "leaky_relu")
def product_written_twice(p):
    a = np.maximum(p["W1"] @ X + p["b1"], 0.01 * (p["W1"] @ X + p["b1"]))
    return bce(sigmoid(p["W2"] @ a + p["b2"]))


@style(columns(4, 5, 4, 1), "relu", "tanh", masks=(MASKS[0] / 0.8, None))
def one_mask(p):
    a1 = relu(p["W1"] @ X + p["b1"])
    a1 *= MASKS[0]
    a1 /= 0.8
    a2 = np.tanh(p["W2"] @ a1 + p["b2"])
    return bce(sigmoid(p["W3"] @ a2 + p["b3"]))


DROP = ((RNG.random((M, 6)) < 0.6) / 0.6).astype(np.float32)


@style(rows(4, 6, 3), "leaky_relu", loss="cross_entropy", masks=(DROP.T,))
def scaled_mask_samples_first(p):
    z = XS @ p["W1"] + p["b1"]
    h = np.where(z > 0, z, 0.01 * z) * DROP
    return cross_entropy(h @ p["W2"] + p["b2"])


@style(rows(4, 6, 3), "sigmoid", loss="cross_entropy", masks=((DROP.T > 0) / 0.6,))
def mask_after_sigmoid(p):
    h = np.where(DROP > 0, sigmoid(XS @ p["W1"] + p["b1"]), 0) / 0.6
    return cross_entropy(h @ p["W2"] + p["b2"])


@style(columns(4, 5, 5, 5, 5, 5, 1), *["tanh"] * 5)
def six_layers(p):
    a = X
    for k in range(1, 7):
        z = p[f"W{k}"] @ a + p[f"b{k}"]
        a = np.tanh(z) if k < 6 else sigmoid(z)
    return bce(a)


@style(
    {"W1": normal(5, 4), "b1": normal(5), "W2": normal(3, 5), "b2": normal(3)},
    "tanh",
    loss="mean_squared_error",
)
def one_sample(p):
    x, t = X[:, 0], T[0]
    return np.sum((p["W2"] @ np.tanh(p["W1"] @ x + p["b1"]) + p["b2"] - t) ** 2)


@style(columns(4, 5, 1), "relu")
def standardised_mini_batch(p):
    batch, targets = X[:, 1:6], Y[:, 1:6]
    batch = (batch - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
    a = sigmoid(np.dot(p["W2"], np.maximum(0, np.dot(p["W1"], batch) + p["b1"])) + p["b2"])
    return bce(a, targets)


@style({"theta": normal(5)}, l2=0.3)
def column_of_ones(p):
    ones = np.hstack([np.ones((M, 1)), XS])
    h = 1 / (1 + np.exp(-ones.dot(p["theta"])))
    J = -1 / M * (y.dot(np.log(h)) + (1 - y).dot(np.log(1 - h)))
    return J + 0.3 / (2 * M) * np.sum(p["theta"] ** 2)


@style(rows(4, 5, 3), "relu", loss="cross_entropy")
def labels_from_one(p):
    labels = [int(label) + 1 for label in LABELS]
    z = np.maximum(0, np.inner(XS, p["W1"].T) + p["b1"]) @ p["W2"] + p["b2"]
    probabilities = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return -np.mean(np.log(probabilities[np.arange(M), np.array(labels) - 1]))


@style(columns(4, 5, 1), "relu", loss="mean_squared_error")
def targets_in_a_list(p):
    targets = [[0.5, -1.0, 0.25, 2.0, 0.0, 1.0, -0.75]]
    return np.mean((p["W2"] @ relu(p["W1"] @ X + p["b1"]) + p["b2"] - np.array(targets)) ** 2)
