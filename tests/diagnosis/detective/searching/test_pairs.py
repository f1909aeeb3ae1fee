"""Two mistakes: one behind the other, in other blocks, and in the same blocks."""

import numpy as np
import pytest

import fastcheck

RNG = np.random.default_rng(0)
X, Y, M = RNG.standard_normal((4, 12)), RNG.standard_normal((2, 12)), 12
THETA = {
    "W1": RNG.standard_normal((5, 4)),
    "b1": RNG.standard_normal((5, 1)),
    "W2": RNG.standard_normal((6, 5)),
    "b2": RNG.standard_normal((6, 1)),
    "W3": RNG.standard_normal((2, 6)),
    "b3": RNG.standard_normal((2, 1)),
}


def forward(p):
    A1 = np.tanh(p["W1"] @ X + p["b1"])
    Z2 = p["W2"] @ A1 + p["b2"]
    A2 = 1 / (1 + np.exp(-Z2))
    return A1, A2, p["W3"] @ A2 + p["b3"]


def cost(p):
    return np.sum((forward(p)[-1] - Y) ** 2) / (2 * M)


def backward(p, *bugs):
    A1, A2, Z3 = forward(p)
    dZ3 = (Z3 - Y) if "no average" in bugs else (Z3 - Y) / M
    dA2 = p["W3"].T @ dZ3
    dZ2 = dA2 if "sigmoid" in bugs else dA2 * A2 * (1 - A2)
    dA1 = p["W2"].T @ dZ2
    dZ1 = dA1 if "tanh" in bugs else dA1 * (1 - A1**2)
    dW2 = dZ2 @ A1.T
    db1 = dZ1[:, :1] if "first sample" in bugs else dZ1.sum(1, keepdims=True)
    return {
        "W1": dZ1 @ X.T,
        "b1": db1,
        "W2": 2 * dW2 if "doubled" in bugs else dW2,
        "b2": dZ2.sum(1, keepdims=True),
        "W3": dZ3 @ A2.T,
        "b3": dZ3.sum(1, keepdims=True),
    }


def causes(*bugs):
    report = fastcheck.check(cost, THETA, backward(THETA, *bugs))
    assert not report.passed
    return report.causes


def test_the_right_one_passes():
    assert fastcheck.check(cost, THETA, backward(THETA)).passed


@pytest.mark.parametrize(
    ("bugs", "lines"),
    [
        (("sigmoid", "tanh"), ("A1 = np.tanh", "A2 = 1 /")),
        (("no average", "tanh"), ("A1 = np.tanh",)),
        (("sigmoid", "first sample"), ("A2 = 1 /", "A1 = np.tanh")),
        (("tanh", "doubled"), ("A1 = np.tanh",)),
    ],
)
def test_both_are_named(bugs, lines):
    found = causes(*bugs)
    texts = [line.text for cause in found for line in cause.lines]
    for line in lines:
        assert any(text.startswith(line) for text in texts), (line, [cause.sentence for cause in found])
    assert not any(cause.certain and cause.lines for cause in found)


def test_two_facts_are_told_one_by_one():
    claim = backward(THETA)
    claim["W2"], claim["b1"] = 2 * claim["W2"], 4 * claim["b1"]
    sentences = {cause.sentence for cause in fastcheck.check(cost, THETA, claim).causes}
    assert sentences == {"dW2 is 2 times the right gradient", "db1 is 4 times the right gradient"}
