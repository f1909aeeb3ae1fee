"""Costs that look like multilayer perceptrons and are something else: none of them is recognised."""

import numpy as np
from perceptron_styles import M, Style, T, X, Y, bce, columns, normal, relu, sigmoid

NEAR_MISSES: list[Style] = []


def near_miss(parameters):
    def register(cost):
        NEAR_MISSES.append(Style(cost.__name__, cost, parameters, ()))
        return cost

    return register


def logits(p, f=relu):
    return p["W2"] @ f(p["W1"] @ X + p["b1"]) + p["b2"]


NET = columns(4, 5, 1)


@near_miss(NET)
def logarithm_of_a_plus_a_little(p):
    a = sigmoid(logits(p))
    return -np.mean(Y * np.log(a + 1e-8) + (1 - Y) * np.log(1 - a + 1e-8))


@near_miss(NET)
def clipped(p):
    return bce(np.clip(sigmoid(logits(p)), 0.45, 0.55))


@near_miss(NET)
def bias_twice(p):
    return bce(sigmoid(p["W2"] @ relu(p["W1"] @ X + p["b1"] + p["b1"]) + p["b2"]))


@near_miss(NET)
def last_bias_twice(p):
    return bce(sigmoid(logits(p) + p["b2"]))


@near_miss(NET)
def penalised_biases(p):
    return bce(sigmoid(logits(p))) + 0.1 * sum(np.sum(block**2) for block in p.values())


@near_miss(NET)
def one_penalised_weight(p):
    return bce(sigmoid(logits(p))) + 0.1 * np.sum(p["W1"] ** 2)


@near_miss(NET)
def absolute_weights(p):
    return bce(sigmoid(logits(p))) + 0.01 * sum(np.sum(np.abs(p[name])) for name in ("W1", "W2"))


@near_miss(NET)
def negative_penalty(p):
    return bce(sigmoid(logits(p))) - 0.01 * sum(np.sum(p[name] ** 2) for name in ("W1", "W2"))


@near_miss(NET)
def weighted_classes(p):
    a = sigmoid(logits(p))
    return -np.mean(3 * Y * np.log(a) + (1 - Y) * np.log(1 - a))


@near_miss(NET)
def targets_of_another_shape(p):
    return np.mean((logits(p) - Y.T) ** 2)


@near_miss(NET)
def squared_error_of_a_sigmoid(p):
    return np.mean((sigmoid(logits(p)) - Y) ** 2)


@near_miss(NET)
def scaled_layer(p):
    return bce(sigmoid(p["W2"] @ (2.0 * relu(p["W1"] @ X + p["b1"])) + p["b2"]))


@near_miss(NET)
def scaled_weights(p):
    return bce(sigmoid(p["W2"] @ relu((p["W1"] / 2) @ X + p["b1"]) + p["b2"]))


@near_miss(NET)
def scaled_logits(p):
    return bce(sigmoid(logits(p) / 2))


@near_miss(NET)
def another_activation(p):
    return bce(sigmoid(logits(p, np.sin)))


@near_miss(NET)
def almost_gelu(p):
    return bce(sigmoid(logits(p, lambda z: z * sigmoid(1.702 * z))))


@near_miss(NET)
def normalised_batch(p):
    z = p["W1"] @ X + p["b1"]
    z = (z - z.mean(axis=1, keepdims=True)) / np.sqrt(z.var(axis=1, keepdims=True) + 1e-5)
    return bce(sigmoid(p["W2"] @ relu(z) + p["b2"]))


@near_miss({**columns(4, 4, 1)})
def skip_connection(p):
    return bce(sigmoid(p["W2"] @ (relu(p["W1"] @ X + p["b1"]) + X) + p["b2"]))


@near_miss({"W": normal(5, 4), "b1": normal(5, 1), "b2": normal(4, 1)})
def tied_weights(p):
    return np.mean((p["W"].T @ np.tanh(p["W"] @ X + p["b1"]) + p["b2"] - X) ** 2)


@near_miss({**columns(4, 5, 1), "V": normal(5, 4)})
def two_branches(p):
    a = np.tanh(p["W1"] @ X + p["b1"]) + sigmoid(p["V"] @ X)
    return bce(sigmoid(p["W2"] @ a + p["b2"]))


@near_miss({**columns(4, 5, 1), "slope": np.array([0.1])})
def extra_parameter(p):
    z = p["W1"] @ X + p["b1"]
    return bce(sigmoid(p["W2"] @ np.where(z > 0, z, p["slope"] * z) + p["b2"]))


@near_miss({**columns(4, 5, 1), "gamma": normal(5, 1)})
def unused_parameter(p):
    return bce(sigmoid(logits(p)))


@near_miss({"W": normal(5, 5), "U": normal(5, 4), "b": normal(5, 1)})
def recurrent(p):
    h = np.zeros((5, 1))
    for t in range(M):
        h = np.tanh(p["W"] @ h + p["U"] @ X[:, t : t + 1] + p["b"])
    return np.sum(h**2)


@near_miss({"F": normal(2, 2), "W": normal(1, 9)})
def convolution(p):
    image = T[:4, :3].reshape(4, 3)
    out = np.array([[np.sum(image[i : i + 2, j : j + 2] * p["F"]) for j in range(2)] for i in range(3)])
    return np.sum(p["W"][:, :6] @ np.tanh(out.reshape(6, 1))) ** 2


@near_miss(NET)
def thresholds_as_a_mask(p):
    z = p["W1"] @ X + p["b1"]
    gate = (z > 0.5) * np.array([[2.0]])
    return bce(sigmoid(p["W2"] @ (z * gate) + p["b2"]))


@near_miss(NET)
def hidden_units_penalised(p):
    a = relu(p["W1"] @ X + p["b1"])
    return bce(sigmoid(p["W2"] @ a + p["b2"])) + 1e-6 * np.sum(a**2)


@near_miss(NET)
def single_precision(p):
    return float(np.float32(bce(sigmoid(logits(p)))))


@near_miss(NET)
def raises_elsewhere(p):
    if p["W1"][0, 0] != NET["W1"][0, 0]:
        raise ValueError("not here")
    return bce(sigmoid(logits(p)))


@near_miss(NET)
def not_finite_elsewhere(p):
    near = p["W1"][0, 0] == NET["W1"][0, 0]
    return bce(sigmoid(logits(p))) if near else np.nan


@near_miss(NET)
def other_elsewhere(p):
    far = abs(float(p["W1"][0, 0]) - NET["W1"][0, 0]) > 0.05
    return bce(sigmoid(logits(p, np.tanh if far else relu)))


@near_miss(np.array([2.0]))
def straight_line(theta):
    return 3.0 * theta[0]


@near_miss({"w": normal(60)})
def quadratic(p):
    return np.sum(p["w"] ** 2)
