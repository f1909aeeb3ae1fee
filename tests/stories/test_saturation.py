"""Right gradients of networks with one sample of which the output is sure, and wrong.

There log(1 − A) is rounded to multiples of ulp(1) / (1 − A), and 1 − A stands still until z has changed enough for the
next one: over short steps the sample seems to have no slope at all.
"""

import numpy as np
import pytest
from scenarios import sigmoid
from scipy.special import expit
from slow import first_of

from fastcheck import check, check_mlp, locate, screen

pytestmark = pytest.mark.verdicts_alone

METHODS = ["auto", "plain", "reference"]
LOOKS = [check, screen, locate]


def sure_network(rest, seed=0, samples=20):
    """A logistic network of which one sample has the label 0 and an output of 1 − ``rest``."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((6, samples)), (rng.random((1, samples)) < 0.5) * 1.0
    W1, b1 = rng.standard_normal((8, 6)) * 0.6, rng.standard_normal((8, 1)) * 0.1
    A1 = np.maximum(W1 @ X + b1, 0)
    first = int(np.argmax(np.sum(A1, axis=0)))
    W2 = rng.standard_normal((1, 8))
    W2 = W2 + A1[:, first] * ((-np.log(rest) - W2 @ A1[:, first]) / np.sum(A1[:, first] ** 2))
    Y[0, first] = 0.0

    def forward(p):
        Z1 = p["W1"] @ X + p["b1"]
        return Z1, np.maximum(Z1, 0), sigmoid(p["W2"] @ np.maximum(Z1, 0) + p["b2"])

    def cost(p):
        A2 = forward(p)[2]
        return -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / samples

    def backward(p):
        Z1, A1, A2 = forward(p)
        dZ2 = (A2 - Y) / samples
        dZ1 = p["W2"].T @ dZ2 * (Z1 > 0)
        biases = {"b1": dZ1.sum(axis=1, keepdims=True), "b2": dZ2.sum(axis=1, keepdims=True)}
        return {"W1": dZ1 @ X.T, "W2": dZ2 @ A1.T} | biases

    return cost, {"W1": W1, "b1": b1, "W2": W2, "b2": np.zeros((1, 1))}, backward


@pytest.mark.parametrize(
    ("rest", "seed", "samples"),
    [(rest, 7, 20) for rest in (1e-4, 1e-9, 1e-10, 2e-15)]
    + [
        pytest.param(rest, seed, samples, marks=pytest.mark.slow)
        for rest, seed, samples in [
            *((rest, 0, 20) for rest in (1e-4, 1e-8, 1e-9, 1e-10, 1e-12, 1e-13, 2e-15)),
            *((rest, 7, 20) for rest in (1e-8, 1e-12, 1e-13)),
            *((rest, 7, 1000) for rest in (1e-10, 2e-15)),
        ]
    ],
)
def test_a_right_gradient_does_not_fail_however_it_is_looked_at(rest, seed, samples):
    """Seed 7 has the largest error beside the jumps of J, of twelve."""
    cost, parameters, backward = sure_network(rest, seed, samples)
    for look in LOOKS:
        for method in METHODS if look is check else METHODS[:2]:
            report = look(cost, parameters, backward, method=method)
            assert report.verdict != "fail"
            if look is check and rest == 1e-4 and samples == 20 and method != "reference":
                assert report.verdict == "pass"
    if rest in (1e-9, 1e-10):
        wrong = {name: 2 * gradient for name, gradient in backward(parameters).items()}
        for method in METHODS:
            assert check(cost, parameters, wrong, method=method).verdict == "fail"
        assert screen(cost, parameters, wrong).verdict == "fail"


def sure_and_right(rest, seed):
    """A logistic regression of which all outputs are sure, and right.

    A − Y has lost the digits of 1 − A, of which the slope of −log A needs none.
    """
    rng = np.random.default_rng(seed)
    X, w = rng.standard_normal((6, 20)), rng.standard_normal((1, 6))
    Y = (w @ X > 0) * 1.0
    X *= -np.log(rest) * rng.uniform(1, 1.1, (1, 20)) / np.abs(w @ X)
    dZ = (sigmoid(w @ X) - Y) / 20
    return X, Y, {"W1": w, "b1": np.zeros((1, 1))}, {"W1": dZ @ X.T, "b1": dZ.sum(axis=1, keepdims=True)}


@pytest.mark.parametrize("seed", first_of(range(2)))
@pytest.mark.parametrize("rest", [1e-4, 1e-6, 1e-8, 1e-9, 1e-10, 1e-12])
def test_a_claim_that_loses_more_digits_than_the_cost(rest, seed):
    X, Y, parameters, gradients = sure_and_right(rest, seed)

    def cost(p):
        A = sigmoid(p["W1"] @ X + p["b1"])
        return -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A))

    for look in LOOKS:
        assert look(cost, parameters, gradients).verdict != "fail"
    report = check_mlp(parameters, gradients, X, Y, activations=("sigmoid",))
    assert report.verdict == ("pass" if rest >= 1e-6 else report.verdict)
    assert report.verdict != "fail"
    if report.verdict == "inconclusive":
        assert "loses digits" in report.blocks["W1"].cause or "loses digits" in report.blocks["b1"].cause
    gradients["W1"][0, 3] *= 1 + max(1e-6, 1e4 * 2.0**-53 / rest)
    assert check_mlp(parameters, gradients, X, Y, activations=("sigmoid",)).verdict == "fail"


def test_screening_says_what_the_cost_loses():
    cost, parameters, backward = sure_network(1e-12)
    report = screen(cost, parameters, backward)
    assert report.verdict == "inconclusive"
    assert any("loses digits" in (block.cause or "") for block in report.blocks.values())


def one_minus(A):
    return np.sum(np.stack([np.ones_like(A), -A]), axis=0)


LOSING = {
    "difference": lambda z: -np.log(1 - sigmoid(2 * z)),
    "log1p": lambda z: -np.log1p(-sigmoid(2 * z)),
    "sum": lambda z: -np.log(one_minus(sigmoid(2 * z))),
    "product": lambda z: -np.log(np.array([1.0, -1.0]) @ np.stack([np.ones(20), sigmoid(2 * z)])),
    "arctanh": lambda z: np.arctanh(np.tanh(z)),
}
"""Functions that lose the digits of what is nearly 1, in several ways."""


@pytest.mark.parametrize("how", LOSING)
def test_in_whatever_operation_digits_are_lost(how):
    for large in (10.0, 12.0, 13.0):
        rng = np.random.default_rng(int(large))
        X, w = rng.standard_normal((6, 20)), 0.3 * rng.standard_normal(6)
        first = int(np.argmax(np.abs(w @ X)))
        X[:, first] *= large / (w @ X[:, first])
        slopes = np.ones(20) if how == "arctanh" else 2 * sigmoid(2 * (w @ X))
        for look in LOOKS:
            report = look(lambda w, X=X: np.sum(LOSING[how](w @ X)) / 20, w, X @ slopes / 20)
            assert report.verdict != "fail"


def test_difference_propagation_still_finds_a_small_mistake():
    cost, parameters, backward = sure_network(1e-9)
    wrong = backward(parameters)
    wrong["W1"] *= 1 + 1e-4
    report = check(cost, parameters, wrong)
    assert report.method == "difference"
    assert report.blocks["W1"].verdict == "fail"


def hidden_units_at(logit, activation, seed=0):
    """A network of which all hidden units saturate, as with data that nobody has normalised."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((3, 8)), (rng.random((1, 8)) < 0.5) * 1.0
    parameters = {
        "W1": 0.3 * rng.standard_normal((4, 3)),
        "b1": 0.3 * rng.standard_normal((4, 1)) + logit,
        "W2": rng.standard_normal((1, 4)),
        "b2": np.zeros((1, 1)),
    }
    function = {"tanh": np.tanh, "sigmoid": sigmoid}.get(activation, activation)

    def forward(p):
        A1 = function(p["W1"] @ X + p["b1"])
        return A1, sigmoid(p["W2"] @ A1 + p["b2"])

    def cost(p):
        A2 = forward(p)[1]
        return -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))

    A1, A2 = forward(parameters)
    dZ2 = (A2 - Y) / 8
    dZ1 = parameters["W2"].T @ dZ2 * (1 - A1**2 if activation == "tanh" else A1 * (1 - A1))
    biases = {"b1": dZ1.sum(axis=1, keepdims=True), "b2": dZ2.sum(axis=1, keepdims=True)}
    return cost, parameters, {"W1": dZ1 @ X.T, "W2": dZ2 @ A1.T} | biases, (X, Y)


SIGMOIDS = {
    "1 first": lambda z: 1 / (1 + np.exp(-z)),
    "1 last": lambda z: 1 / (np.exp(-z) + 1.0),
    "ones": lambda z: np.ones(z.shape) / (np.ones(z.shape) + np.exp(-z)),
    "of e^z": lambda z: np.exp(z) / (1 + np.exp(z)),
    "power": lambda z: (1 + np.exp(-z)) ** -1,
    "tanh": lambda z: 0.5 * (1 + np.tanh(z / 2)),
    "stable": lambda z: np.where(z >= 0, 1, np.exp(-np.abs(z))) / (1 + np.exp(-np.abs(z))),
    "expit": expit,
}


@pytest.mark.parametrize("how", SIGMOIDS)
def test_however_the_sigmoid_is_written(how):
    for logit in (20, 36, 100):
        cost, parameters, gradients, _ = hidden_units_at(logit, SIGMOIDS[how])
        for look in (check, screen):
            assert look(cost, parameters, gradients).verdict != "fail"


def looks_at(network, activation):
    """Yield what every way of looking says of the gradients of such a network."""
    cost, parameters, gradients, data = network
    for look in LOOKS:
        yield look(cost, parameters, gradients)
    yield check_mlp(parameters, gradients, *data, activations=(activation, "sigmoid"))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize("logit", first_of([10, 20, 40, 16, 30, 100], 3))
def test_a_claim_may_lose_digits_in_hidden_units_and_mistakes_beside_them_are_found(activation, logit):
    """1 - A², of an A near 1, has lost the digits that the cost has in tanh z; A = 1 has lost all."""
    for seed in range(2):
        for report in looks_at(hidden_units_at(logit, activation, seed), activation):
            assert report.verdict != "fail"
            if logit == 100:
                assert report.verdict == "pass"

    def failing(mistaken):
        cost, parameters, gradients, data = hidden_units_at(logit, activation)
        network = cost, parameters, gradients | mistaken(gradients), data
        return [report.verdict == "fail" for report in looks_at(network, activation)]

    assert all(failing(lambda g: {"W2": g["W2"] * (1 + 1e-6)}))
    assert all(failing(lambda g: {"W1": g["W1"] + 1e-6}))
    if logit <= {"tanh": 16, "sigmoid": 30}[activation]:
        assert all(failing(lambda g: {"W1": 2 * g["W1"]}))
        assert all(failing(lambda g: {"b1": 0 * g["b1"]}))


def attention(scale):
    """Attention whose weights are sure: of each row of its softmax, one is 1 and the others are next to nothing."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5, 3))
    parameters = {name: rng.standard_normal((3, 3)) for name in ("Wq", "Wk", "Wv")}
    parameters["Wq"] *= scale

    def forward(p):
        scores = (X @ p["Wq"]) @ (X @ p["Wk"]).T
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True), X @ p["Wv"]

    def cost(p):
        P, V = forward(p)
        return np.sum((P @ V) ** 2) / 2

    P, V = forward(parameters)
    dP = P @ V @ V.T
    dS = P * (dP - np.sum(dP * P, axis=1, keepdims=True))
    Q, K = X @ parameters["Wq"], X @ parameters["Wk"]
    return cost, parameters, {"Wq": X.T @ (dS @ K), "Wk": X.T @ (dS.T @ Q), "Wv": X.T @ (P.T @ (P @ V))}


@pytest.mark.parametrize("look", LOOKS)
def test_softmax_inside_a_network_saturates_too(look):
    for scale in (30.0, 200.0, 1000.0):
        cost, parameters, gradients = attention(scale)
        assert look(cost, parameters, gradients).verdict != "fail"
        gradients["Wq"] = gradients["Wq"] + 1e-6
        assert look(cost, parameters, gradients).blocks["Wq"].verdict == "fail"


@pytest.mark.parametrize("method", ["auto", "plain"])
def test_a_cost_that_stands_still_at_zero(method):
    """All costs beside θ are 0 to the last bit: there is no noise to compare anything with."""
    labels = np.arange(6) % 3

    def softmax(Z):
        e = np.exp(Z - Z.max(axis=0))
        return e / e.sum(axis=0)

    Z = 40.0 * np.eye(3)[labels].T
    gradient = (softmax(Z) - np.eye(3)[labels].T) / 6
    for look in (screen, locate):
        report = look(
            lambda Z: -np.mean(np.log(softmax(Z)[labels, np.arange(6)])), Z, gradient + 1e-3, method=method
        )
        assert report.verdict == "fail"


@pytest.mark.parametrize("method", ["auto", "difference"])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_within_a_budget(activation, method):
    cost, parameters, gradients, _ = hidden_units_at({"tanh": 14, "sigmoid": 30}[activation], activation)
    stored = {}

    def storing(p):
        stored["p"] = p
        return cost(p)

    for function in (cost, storing):
        report = check(function, parameters, gradients, method=method, max_forward_passes=400)
        assert report.verdict == "inconclusive"
        assert "loses digits" in report.blocks["W1"].cause
        wrong = gradients | {"W1": 2 * gradients["W1"]}
        report = check(function, parameters, wrong, method=method, max_forward_passes=400)
        assert report.blocks["W1"].verdict == "fail"
    assert all(type(array) is np.ndarray for array in stored.get("p", {}).values())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("w", [33.5, 35.0, 36.5])
def test_what_has_lost_nearly_all_its_digits_is_undecided(w, method):
    """J stands still over any small step, and jumps by as much as its slope makes it over one of 1."""
    theta = w + 0.05 * np.arange(3.0)[: 1 if w == 36.5 else 3]

    def cost(w):
        with np.errstate(divide="ignore"):
            return np.sum(-np.log(1 - 1 / (1 + np.exp(-w))))

    for look in LOOKS:
        report = look(cost, theta, sigmoid(theta), method=method)
        assert report.verdict == "inconclusive"
    assert "loses digits" in check(cost, theta, sigmoid(theta)).blocks["theta"].cause
    if method == "auto":
        for factor in (0, 2):
            assert check(cost, theta, factor * sigmoid(theta), method=method).verdict == "fail"
