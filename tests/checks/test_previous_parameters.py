"""Parameters before the last update: stale gradients are named, verdicts stay, bad ones are refused."""

import numpy as np
import pytest

from fastcheck import InvalidProblemError, check

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((4, 12)), RNG.standard_normal((3, 12))
THETA = {
    "W1": RNG.standard_normal((5, 4)),
    "b1": RNG.standard_normal((5, 1)),
    "W2": RNG.standard_normal((3, 5)),
    "b2": RNG.standard_normal((3, 1)),
}
PREVIOUS = {name: value + 0.1 * RNG.standard_normal(value.shape) for name, value in THETA.items()}


def outputs(p):
    A = np.tanh(p["W1"] @ X + p["b1"])
    return A, p["W2"] @ A + p["b2"]


def cost(p):
    return np.sum((outputs(p)[1] - Y) ** 2) / 12


def gradients(p):
    A, Y_hat = outputs(p)
    dY = 2 * (Y_hat - Y) / 12
    dZ = p["W2"].T @ dY * (1 - A * A)
    return {
        "W1": dZ @ X.T,
        "b1": dZ.sum(axis=1, keepdims=True),
        "W2": dY @ A.T,
        "b2": dY.sum(axis=1, keepdims=True),
    }


ALL = "dW1, db1, dW2 and db2 are the right gradient"


def sentences(claim, **options):
    return [cause.sentence for cause in check(cost, THETA, claim, **options).causes]


def test_a_stale_gradient_is_named_with_the_previous_parameters():
    stale = gradients(PREVIOUS)
    before = {name: value.copy() for name, value in PREVIOUS.items()}
    report = check(cost, THETA, stale, previous=PREVIOUS)
    assert [cause.sentence for cause in report.causes] == [f"{ALL} at the previous parameters"]
    assert not report.causes[0].certain
    assert all(np.array_equal(PREVIOUS[name], before[name]) for name in before)
    assert not any("previous" in sentence for sentence in sentences(stale))


def test_gradients_that_were_not_set_to_zero_are_named():
    now, earlier = gradients(THETA), gradients(PREVIOUS)
    added = {name: now[name] + earlier[name] for name in now}
    (sentence,) = sentences(added, previous=PREVIOUS)
    assert sentence.startswith(f"{ALL} plus that at the previous parameters")


def test_a_gradient_after_the_update_is_named_with_the_step():
    now = gradients(THETA)
    later = gradients({name: THETA[name] - 0.01 * now[name] for name in now})
    assert sentences(later) == [f"{ALL} after a step of 0.01 times it"]


def test_previous_parameters_change_no_verdict_and_no_other_cause():
    assert check(cost, THETA, gradients(THETA), previous=PREVIOUS).passed
    doubled = {name: 2 * g for name, g in gradients(THETA).items()}
    assert sentences(doubled, previous=PREVIOUS) == sentences(doubled)


def test_where_the_cost_cannot_be_recorded_a_note_says_so():
    def evaluated(p):
        return float(f"{cost(p):.17g}")

    report = check(evaluated, THETA, gradients(PREVIOUS), previous=PREVIOUS)
    assert any(note.startswith("previous: what the gradient is there is not known") for note in report.notes)


@pytest.mark.parametrize(
    ("previous", "message"),
    [
        (PREVIOUS | {"W1": 1}, "previous: parameter W1: expected a float NumPy array, got int"),
        (
            PREVIOUS | {"x": np.ones(2)},
            r"previous: expected no x, as in the parameters, got one of shape \(2,\)",
        ),
        ({"W1": PREVIOUS["W1"]}, r"previous: expected b1 of shape \(5, 1\), as in the parameters, got none"),
        (
            PREVIOUS | {"W1": np.ones((4, 5))},
            r"previous: expected W1 of shape \(5, 4\).*got one of shape \(4, 5\)",
        ),
        (PREVIOUS["W1"], "previous: expected W1 of shape"),
    ],
)
def test_previous_parameters_of_another_structure_are_refused(previous, message):
    with pytest.raises(InvalidProblemError, match=message):
        check(cost, THETA, gradients(THETA), previous=previous)
