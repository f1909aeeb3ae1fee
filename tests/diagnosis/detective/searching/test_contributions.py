"""What each place that uses a parameter contributes to its gradient, and how often the claim counts it."""

import numpy as np
import pytest

import fastcheck

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((4, 7, 3)), RNG.standard_normal((7, 2))
THETA = {
    "Wx": RNG.standard_normal((3, 5)),
    "Wh": 0.5 * RNG.standard_normal((5, 5)),
    "V": RNG.standard_normal((5, 2)),
}
LAM = 0.3


def states(p):
    h = [np.zeros((7, 5))]
    for x in X:
        h.append(np.tanh(x @ p["Wx"] + h[-1] @ p["Wh"]))
    return h


def cost(p):
    loss = np.sum((states(p)[-1] @ p["V"] - T) ** 2) / 2
    penalty = LAM / 2 * np.sum(p["V"] ** 2)
    return loss + penalty


def backward(p, times=slice(None), penalty=1.0, accumulates=True):
    h = states(p)
    dy = h[-1] @ p["V"] - T
    grads = {"V": h[-1].T @ dy + penalty * LAM * p["V"], "Wx": np.zeros((3, 5)), "Wh": np.zeros((5, 5))}
    dh = dy @ p["V"].T
    for t in reversed(range(4)):
        dz = dh * (1 - h[t + 1] ** 2)
        if accumulates:
            grads["Wx"] += X[t].T @ dz
        else:
            grads["Wx"] = X[t].T @ dz
        grads["Wh"] += h[t].T @ dz
        dh = dz @ p["Wh"].T
    return grads


def test_right_ones_have_no_cause():
    report = fastcheck.check(cost, THETA, backward(THETA))
    assert report.passed
    assert report.causes == ()


@pytest.mark.parametrize(
    ("penalty", "says"),
    [(0.0, "dV lacks what line "), (-1.0, "wrong sign"), (2.0, "2 times what ")],
)
def test_a_penalty_that_is_counted_otherwise(penalty, says):
    cause = fastcheck.check(cost, THETA, backward(THETA, penalty=penalty)).causes[0]
    assert cause.blocks == ("V",)
    assert says in cause.sentence, cause.sentence
    assert cause.lines[0].text.startswith("penalty = ")


def test_the_last_assignment_instead_of_a_sum():
    cause = fastcheck.check(cost, THETA, backward(THETA, accumulates=False)).causes[0]
    assert cause.blocks == ("Wx",)
    assert "assigned where it should be added" in cause.sentence, cause.sentence
    assert cause.lines[0].text.startswith("h.append(")


def test_a_penalty_that_the_cost_does_not_have():
    claim = backward(THETA)
    claim["Wh"] = claim["Wh"] + 0.125 * THETA["Wh"]
    cause = fastcheck.check(cost, THETA, claim).causes[0]
    assert cause.blocks == ("Wh",)
    assert "Wh" in cause.sentence
    assert "0.125" in cause.sentence or "1/8" in cause.sentence, cause.sentence
