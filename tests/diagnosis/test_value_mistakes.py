"""What a failing claim is instead of the gradient is named: a multiple of it, zero, that of another penalty."""

import numpy as np
import pytest

from fastcheck import check, locate, screen

RNG = np.random.default_rng(5)
X, T = RNG.standard_normal((12, 4)), RNG.standard_normal((12, 3))
THETA = {"W": RNG.standard_normal((4, 3)), "b": RNG.standard_normal(3)}
METHODS = pytest.mark.parametrize("method", ["auto", "difference", "plain", "reference"])
LACKS = (
    "lacks {} times the parameter, as if the term of a penalty (L2, weight decay) were missing or too small."
)
TOO_MUCH = (
    "has {} times the parameter too much, as if the term of a penalty (L2, weight decay) were too large."
)


def cost_with(penalty):
    def cost(p):
        y = np.tanh(X @ p["W"] + p["b"] - T)
        return np.mean(np.sum(y**2, axis=1)) + penalty / 2 * np.sum(p["W"] ** 2)

    return cost


def gradients(penalty):
    y = np.tanh(X @ THETA["W"] + THETA["b"] - T)
    d = 2 * y * (1 - y**2) / len(X)
    return {"W": X.T @ d + penalty * THETA["W"], "b": d.sum(0)}


def said(cost, claim, theta=THETA, **options):
    report = check(cost, theta, claim, **options)
    return [note for note in report.notes if ": the claim " in note]


@METHODS
@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (12, "12 times"),
        (1 / 12, "1/12 of"),
        (-1, "−1 times"),
        (-0.5, "−1/2 of"),
        (0.8, "0.8 times"),
        (1.001, "1.001 times"),
    ],
)
def test_a_claim_that_is_a_multiple_of_the_gradient_is_named_with_the_factor(method, factor, words):
    claim = {name: factor * g for name, g in gradients(0.3).items()}
    assert said(cost_with(0.3), claim, method=method) == [f"W, b: the claim is {words} the gradient."]


@METHODS
@pytest.mark.parametrize(("penalty", "sentence"), [(0.25, LACKS), (2.25, TOO_MUCH)])
def test_a_claim_with_another_penalty_is_named_with_what_it_is_off_by(method, penalty, sentence):
    assert said(cost_with(1.25), gradients(penalty), method=method) == ["W: the claim " + sentence.format(1)]
    assert said(cost_with(1.0), gradients(penalty), method=method) == [
        "W: the claim " + sentence.format(abs(penalty - 1.0))
    ]


@METHODS
def test_a_claim_of_zeros_is_named(method):
    claim = gradients(0.3) | {"W": np.zeros((4, 3))}
    assert said(cost_with(0.3), claim, method=method) == ["W: the claim is zero, and the gradient is not."]


@METHODS
def test_other_mistakes_and_right_gradients_have_no_such_name(method):
    right = gradients(0.3)
    for claim in (
        right,
        right | {"W": right["W"] ** 3},
        right | {"b": right["b"] + 0.1},
        right | {"b": -right["b"][::-1]},
    ):
        assert said(cost_with(0.3), claim, method=method) == []
    row = right | {"W": right["W"] * np.array([[1.0], [2.0], [1.0], [1.0]])}
    assert said(cost_with(0.3), row, method=method) == []


def test_blocks_with_different_factors_have_a_sentence_each():
    right = gradients(0.3)
    claim = {"W": 2 * right["W"], "b": 3 * right["b"]}
    assert said(cost_with(0.3), claim) == [
        "W: the claim is 2 times the gradient.",
        "b: the claim is 3 times the gradient.",
    ]


def test_many_blocks_with_one_factor_share_a_sentence():
    theta = [np.array([k, 1.0]) for k in range(1, 10)]
    (sentence,) = said(lambda p: sum(np.sum(w**2) for w in p) / 2, [3 * w for w in theta], theta)
    assert sentence == "[0], [1], [2], [3], [4], [5] and 3 more: the claim is 3 times the gradient."


@METHODS
@pytest.mark.parametrize("claimed", [1.0, 1.5])
def test_where_kinks_leave_a_choice_there_is_no_one_gradient_to_be_a_multiple_of(method, claimed):
    X = np.ones((4, 3))
    report = check(lambda X: np.sum(X.max(axis=0)), X, np.full((4, 3), claimed), method=method)
    assert report.verdict == "fail" or (
        claimed == 1 and method != "auto"
    )  # each coordinate by itself may be 1
    assert not [note for note in report.notes if ": the claim is" in note]


def test_a_factor_of_one_coordinate_is_no_pattern():
    assert said(lambda p: np.exp(p[0]) + p[1] * 0, [3 * np.e, 0.0], np.ones(2)) == []


def test_samples_do_not_tell_of_the_whole_block():
    claim = {name: 2 * g for name, g in gradients(0.3).items()}
    assert said(cost_with(0.3), claim, coordinates={"W": 5, "b": 2}) == []


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_numbers_that_cannot_be_squared_are_no_trouble(size):
    report = check(lambda w: np.sum(w) * size, np.ones(5), np.full(5, 2 * size))
    assert report.verdict == "fail"


def test_small_even_errors_stay_precision():
    claim = {name: (1 + 3e-6) * g for name, g in gradients(0.3).items()}
    report = check(cost_with(0.3), THETA, claim)
    assert not said(cost_with(0.3), claim)
    assert any("precision" in note for note in report.notes)


def test_screening_says_it_and_locating_in_its_own_words():
    claim = {name: 12 * g for name, g in gradients(0.3).items()}
    assert "W, b: the claim is 12 times the gradient." in screen(cost_with(0.3), THETA, claim).notes
    found = locate(cost_with(0.3), THETA, claim)
    assert "by a factor of 12" in found.blocks["W"].located.sentence
    assert not [note for note in found.notes if "the claim" in note]
