"""Slopes that go back through weights which were updated already, are told with the learning rate."""

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks

RNG = np.random.default_rng(91)
X, Y = RNG.standard_normal((3, 6)), RNG.standard_normal((2, 6))


def parameters():
    rng = np.random.default_rng(92)
    return {
        "W1": rng.standard_normal((4, 3)),
        "W2": rng.standard_normal((5, 4)),
        "W3": rng.standard_normal((2, 5)),
    }


def columns(p):
    return np.sum((p["W3"] @ np.tanh(p["W2"] @ np.tanh(p["W1"] @ X)) - Y) ** 2) / 2


def rows(p):
    return np.sum((np.tanh(np.tanh(X.T @ p["W1"].T) @ p["W2"].T) @ p["W3"].T - Y.T) ** 2) / 2


def claim_of(p, rates):
    """Return the claims of a backward pass that goes back through W3 and W2 after updates with these rates."""
    A1 = np.tanh(p["W1"] @ X)
    A2 = np.tanh(p["W2"] @ A1)
    dZ3 = p["W3"] @ A2 - Y
    dW3 = dZ3 @ A2.T
    dZ2 = (p["W3"] - rates[0] * dW3).T @ dZ3 * (1 - A2**2)
    dW2 = dZ2 @ A1.T
    dZ1 = (p["W2"] - rates[1] * dW2).T @ dZ2 * (1 - A1**2)
    return {"W1": dZ1 @ X.T, "W2": dW2, "W3": dW3}


@pytest.mark.parametrize("cost", [columns, rows])
@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ((0.02, 0.02), "W2 − 0.02·dW2 and W3 − 0.02·dW3"),
        ((0.02, 0.0), "already, W3 − 0.02·dW3, at"),
        ((0.0, 0.02), "already, W2 − 0.02·dW2, at"),
    ],
)
def test_weights_that_were_updated_already_are_named_with_the_learning_rate(cost, rates, words):
    p = parameters()
    assert wrong_blocks(cost, p, claim_of(p, (0.0, 0.0))) == []
    found = assert_named(cost, p, claim_of(p, rates), "weights already updated")
    assert words in found.sentence
    assert found.coefficient == pytest.approx(0.02)


def test_weights_that_were_changed_otherwise_are_not_named():
    p = parameters()
    other = p | {"W3": p["W3"] + 0.01 * np.cos(p["W3"])}
    claim = claim_of(p, (0.0, 0.0))
    claim["W1"], claim["W2"] = claim_of(other, (0.0, 0.0))["W1"], claim_of(other, (0.0, 0.0))["W2"]
    assert "weights already updated" not in [one.kind for one in explanations(columns, p, claim)]
