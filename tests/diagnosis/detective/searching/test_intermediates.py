"""Arrays such as dZ2 and A1 that come with the gradients: the first wrong one is named, and none that is right."""

import itertools

import numpy as np
import pytest

from fastcheck import check, check_layer, check_object
from fastcheck.report.causes import INTERMEDIATE

RNG = np.random.default_rng(3)
SAMPLES, SIZES = 7, (4, 5, 3, 2)
X, Y = RNG.standard_normal((SIZES[0], SAMPLES)), RNG.standard_normal((SIZES[-1], SAMPLES))
THETA = {}
for layer, (before, after) in enumerate(itertools.pairwise(SIZES), start=1):
    THETA[f"W{layer}"] = RNG.standard_normal((after, before))
    THETA[f"b{layer}"] = RNG.standard_normal((after, 1))


def features_first(p):
    Z1 = p["W1"] @ X + p["b1"]
    A1 = np.tanh(Z1)
    Z2 = p["W2"] @ A1 + p["b2"]
    A2 = np.tanh(Z2)
    Z3 = p["W3"] @ A2 + p["b3"]
    return np.sum((Z3 - Y) ** 2) / SAMPLES


def samples_first(p):
    Z1 = X.T @ p["W1"].T + p["b1"].T
    A1 = np.tanh(Z1)
    Z2 = A1 @ p["W2"].T + p["b2"].T
    A2 = np.tanh(Z2)
    Z3 = A2 @ p["W3"].T + p["b3"].T
    return np.sum((Z3 - Y.T) ** 2) / SAMPLES


def in_a_loop(p):
    A = X
    for k in range(1, 4):
        Z = p["W" + str(k)] @ A + p["b" + str(k)]
        A = np.tanh(Z) if k < 3 else Z
    return np.sum((A - Y) ** 2) / SAMPLES


def values():
    A, found = X, {}
    for k in (1, 2, 3):
        found[f"Z{k}"] = THETA[f"W{k}"] @ A + THETA[f"b{k}"]
        found[f"A{k}"] = A = np.tanh(found[f"Z{k}"])
    return found


def strange(array):
    """What no table of mistakes has."""
    return array * (1 + 0.3 * np.cos(17 * array))


def backward(changed=(), change=strange, divided_late=False):
    """The gradients and the slopes of Z and A, some of them changed where they are computed."""
    v, slopes = values(), {}
    late = SAMPLES if divided_late else 1

    def keep(name, array):
        slopes[f"d{name}"] = change(array) if name in changed else array
        return slopes[f"d{name}"]

    d = keep("Z3", 2 * (v["Z3"] - Y) / (1 if divided_late else SAMPLES))
    gradients = {}
    for k in (3, 2, 1):
        below = v[f"A{k - 1}"] if k > 1 else X
        dW, db = d @ below.T / late, d.sum(axis=1, keepdims=True) / late
        gradients[f"dW{k}"] = change(dW) if f"W{k}" in changed else dW
        gradients[f"db{k}"] = change(db) if f"b{k}" in changed else db
        if k > 1:
            dA = keep(f"A{k - 1}", THETA[f"W{k}"].T @ d)
            d = keep(f"Z{k - 1}", dA * (1 - v[f"A{k - 1}"] ** 2))
    return gradients, slopes


def cause_of(gradients, others, cost=features_first):
    """Return the cause that names the first wrong one; None if there is none."""
    report = check(cost, THETA, gradients | others)
    assert not report.passed
    found = [cause for cause in report.causes if cause.kind == INTERMEDIATE]
    assert len(found) <= 1
    assert not any(cause.certain for cause in found)
    return found[0] if found else None


@pytest.mark.parametrize("cost", [features_first, samples_first])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("changed", "sentence", "line"),
    [
        ("A2", "dZ3 is right, and dA2 is wrong: look between them", "A2 ="),
        ("Z2", "dA2 is right, and dZ2 is wrong: look between them", "Z2 ="),
        ("A1", "dZ2 is right, and dA1 is wrong: look between them", "A1 ="),
        ("Z1", "dA1 is right, and dZ1 is wrong: look between them", "Z1 ="),
    ],
)
def test_the_first_wrong_slope_is_named(cost, late, changed, sentence, line):
    cause = cause_of(*backward([changed], divided_late=late), cost)
    assert cause.sentence == sentence
    assert [each.text.partition("=")[0] + "=" for each in cause.lines] == [line]


def test_a_factor_is_told():
    cause = cause_of(*backward(["A2"], lambda array: -array))
    assert cause.sentence == "dZ3 is right, and dA2 is wrong (−1 times what it should be): look between them"


def test_zeros_are_told():
    cause = cause_of(*backward(["A2"], np.zeros_like))
    assert cause.sentence == "dZ3 is right, and dA2 is wrong (zero): look between them"


@pytest.mark.parametrize(("block", "line"), [("W1", "Z1 ="), ("W2", "Z2 ="), ("b3", "Z3 =")])
def test_where_all_slopes_are_right_the_nearest_one_tells_the_line(block, line):
    cause = cause_of(*backward([block]))
    assert cause.sentence.endswith("are right, so the mistake is in what is computed from them")
    assert [each.text.partition("=")[0] + "=" for each in cause.lines] == [line]


def test_a_wrong_one_that_comes_first_may_be_a_convention():
    gradients, slopes = backward(["Z3"], lambda array: SAMPLES * array)
    cause = cause_of(gradients, {"dZ3": slopes["dZ3"]})
    what = "dZ3 is wrong (7 times what it should be), unless the gradients make up for that"
    assert cause.sentence.startswith(what)
    cause = cause_of(*backward(["Z3"]))
    assert cause.sentence.startswith("dZ3 is wrong, and it is the first of those that were returned")


@pytest.mark.parametrize("changed", ["Z2", "A1", "Z1", "A2"])
def test_slopes_in_a_loop_are_known_by_their_numbers(changed):
    gradients, slopes = backward([changed])
    cause = cause_of(gradients, slopes, in_a_loop)
    before = {"Z2": "dA2", "A1": "dZ2", "Z1": "dA1", "A2": "dZ3"}[changed]
    if changed == "A2":
        assert "dA2 is wrong" not in cause.sentence  # no other one tells how A is counted
    else:
        assert cause.sentence == f"{before} is right, and d{changed} is wrong: look between them"


def test_slopes_that_are_right_in_a_loop_stay_so_where_layers_are_counted_from_0():
    gradients, slopes = backward(["Z1"])
    renamed = {f"{key[:-1]}{int(key[-1]) - 1}": array for key, array in slopes.items()}
    cause = cause_of(gradients, renamed, in_a_loop)
    assert cause.sentence == "dA0 is right, and dZ0 is wrong: look between them"


@pytest.mark.parametrize("prefix", ["d", "d_", "grad_", "delta_", "delta", "dL_d", "g_"])
def test_usual_names_of_slopes_are_known(prefix):
    gradients, slopes = backward(["Z2"])
    renamed = {prefix + key[1:]: array for key, array in slopes.items()}
    cause = cause_of(gradients, renamed)
    assert cause.sentence == f"{prefix}A2 is right, and {prefix}Z2 is wrong: look between them"


def test_values_of_the_forward_pass_are_no_slopes():
    gradients, _ = backward(["Z2"])
    assert cause_of(gradients, values() | {"A0": X}) is None


@pytest.mark.parametrize("name", ["A1", "Z2"])
def test_a_stale_value_is_named(name):
    gradients, _ = backward(["Z2"])
    cache = values()
    cache[name] = cache[name] + 0.1
    cause = cause_of(gradients, cache)
    assert (
        cause.sentence
        == f"{name}, which came with the gradients, is not what the cost computes: it may be stale"
    )
    assert [each.text.partition("=")[0] for each in cause.lines] == [f"{name} "]


def test_stale_values_stand_beside_slopes():
    gradients, slopes = backward(["Z2"])
    cause = cause_of(gradients, slopes | {"A1": values()["A1"] + 0.1, "Z1": values()["Z1"] - 1})
    stale, _, of_slopes = cause.sentence.partition("; ")
    assert (
        stale == "A1 and Z1, which came with the gradients, are not what the cost computes: they may be stale"
    )
    assert of_slopes == "dA2 is right, and dZ2 is wrong: look between them"


def test_arrays_that_nothing_tells_of_are_ignored():
    gradients, _ = backward(["W2"])
    rng = np.random.default_rng(4)
    others = {
        "nested": {"dZ1": np.ones((5, 7))},
        "dOther": rng.standard_normal((5, 7)),
        "zeros": np.zeros((5, 7)),
        "dzeros": np.zeros((3, 3)),
        "mask": np.ones((5, 7)),
        "loss": np.array(0.5),
        "rate": np.array([2.0]),
        "list": [1.0, 2.0],
        "dEmpty": np.zeros((0, 3)),
        "whole": np.arange(6),
    }
    assert cause_of(gradients, others) is None


def test_slopes_that_are_zero_as_they_should_be_are_not_wrong():
    def cost(p):
        Z1 = p["W"] @ X
        A1 = 0 * Z1
        return np.sum(p["W"] ** 2) + np.sum(A1)

    w = THETA["W1"]
    report = check(cost, {"W": w}, {"W": 3 * w, "dZ1": np.zeros((5, 7))})
    assert all(cause.kind != INTERMEDIATE for cause in report.causes)
    report = check(cost, {"W": w}, {"W": 3 * w, "dZ1": np.ones((5, 7))})
    assert any(cause.sentence.startswith("dZ1 is wrong") for cause in report.causes)


def test_what_a_wrong_slope_does_not_come_from_is_not_said_to_be_before_it():
    def cost(p):
        P = np.tanh(p["u"])
        Q = np.tanh(p["v"])
        R = P**3
        return np.sum(R) + np.sum(Q**2)

    u, v = np.array([0.3, -0.4, 0.9]), np.array([0.2, 0.5, -0.7])
    P, Q = np.tanh(u), np.tanh(v)
    dP, dQ = 3 * P**2 * np.array([1.0, 2.0, 3.0]), 2 * Q
    claim = {"u": dP * (1 - P**2), "v": dQ * (1 - Q**2), "dR": np.ones(3), "dQ": dQ, "dP": dP}
    report = check(cost, {"u": u, "v": v}, claim)
    sentences = [cause.sentence for cause in report.causes if cause.kind == INTERMEDIATE]
    assert sentences == ["dR is right, and dP is wrong: look between them"]


@pytest.mark.parametrize("wrong", ["dZ", "dW"])
def test_a_layer_that_returns_more_tells_the_same(wrong):
    x, w = RNG.standard_normal((6, 4)), RNG.standard_normal((4, 3))

    def forward(x, w):
        Z = x @ w
        A = np.tanh(Z)
        return A, (x, w, A)

    def uneven(array):
        return array * (1 + 0.3 * np.cos(17.0 * np.arange(array.size))).reshape(array.shape)

    def layer_backward(dout, cache):
        x, w, A = cache
        dZ = dout * (1 - A**2)
        dZ = uneven(dZ) if wrong == "dZ" else dZ
        dw = x.T @ dZ
        return {"x": dZ @ w.T, "w": uneven(dw) if wrong == "dW" else dw, "dZ": dZ}

    report = check_layer(forward, layer_backward, x, w)
    assert not report.passed
    found = [cause.sentence for cause in report.causes if cause.kind == INTERMEDIATE]
    if wrong == "dZ":
        assert found == [
            "dZ is wrong, and it is the first of those that were returned: look at what leads to it"
        ]
    else:
        assert found == ["dZ is right, so the mistake is in what is computed from it"]


def test_an_object_whose_backward_pass_returns_more_tells_the_same():
    class Network:
        def __init__(self):
            self.W = THETA["W1"].copy()

        def loss(self, X):
            Z = self.W @ X
            self.A = np.tanh(Z)
            return np.sum(self.A**2)

        def backward(self):
            dA = 2 * self.A
            dZ = strange(dA * (1 - self.A**2))
            return {"W": dZ @ X.T, "dA": dA, "dZ": dZ}

    network = Network()
    report = check_object(network, network.loss, X, parameters={"W": network.W}, gradients=network.backward)
    assert not report.passed
    found = [cause.sentence for cause in report.causes if cause.kind == INTERMEDIATE]
    assert found == ["dA is right, and dZ is wrong: look between them"]


def test_arrays_of_the_caller_are_as_before():
    gradients, slopes = backward(["Z2"])
    before = {key: array.copy() for key, array in slopes.items()}
    cause_of(gradients, slopes)
    assert all(np.array_equal(slopes[key], before[key]) for key in before)
