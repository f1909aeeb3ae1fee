"""What a failing claim is instead of the gradient is named: a multiple of it, zero, that of another penalty."""

import re

import numpy as np
import pytest

from fastcheck import check, locate, screen
from fastcheck.diagnosis.detective.ranking import UNRECOGNISED
from fastcheck.report.causes import ORDER

RNG = np.random.default_rng(5)
X, T = RNG.standard_normal((12, 4)), RNG.standard_normal((12, 3))
THETA = {"W": RNG.standard_normal((4, 3)), "b": RNG.standard_normal(3)}
METHODS = pytest.mark.parametrize("method", ["auto", "difference", "plain", "reference"])
LACKS = "dW lacks {} times W, as if a penalty (L2, weight decay) were missing or too small"
TOO_MUCH = "dW has {} times W too much, as if a penalty (L2, weight decay) were too large"


def cost_with(penalty):
    def cost(p):
        y = np.tanh(X @ p["W"] + p["b"] - T)
        return np.mean(np.sum(y**2, axis=1)) + penalty / 2 * np.sum(p["W"] ** 2)

    return cost


def not_recorded(cost):
    """The same cost for plain evaluation alone: another library makes a number of it."""
    return lambda p: float(f"{cost(p):.17g}")


def gradients(penalty):
    y = np.tanh(X @ THETA["W"] + THETA["b"] - T)
    d = 2 * y * (1 - y**2) / len(X)
    return {"W": X.T @ d + penalty * THETA["W"], "b": d.sum(0)}


def said(cost, claim, theta=THETA, **options):
    """What a check says of claims, whatever it says of lines of the cost."""
    causes = check(cost, theta, claim, **options).causes
    return [cause.sentence for cause in causes if cause.kind not in (ORDER, UNRECOGNISED)]


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
    sentence, *_ = said(cost_with(0.3), claim, method=method)
    assert re.sub(r" \(.*\)", "", sentence) == f"dW and db are {words} the right gradient"


@METHODS
@pytest.mark.parametrize(("penalty", "sentence", "other"), [(0.25, LACKS, "3/4"), (2.25, TOO_MUCH, "1.25")])
def test_a_claim_with_another_penalty_is_named_with_what_it_is_off_by(method, penalty, sentence, other):
    for right, off_by in ((1.25, "1"), (1.0, other)):
        report = check(cost_with(right), THETA, gradients(penalty), method=method)
        words = " ".join(f"{cause.sentence}. {cause.evidence}" for cause in report.causes)
        assert sentence.format(off_by) in words


@METHODS
def test_a_claim_of_zeros_is_named(method):
    claim = gradients(0.3) | {"W": np.zeros((4, 3))}
    (sentence,) = said(cost_with(0.3), claim, method=method)
    assert sentence == "dW is zero, and the right gradient is not"


@METHODS
def test_other_mistakes_and_right_gradients_have_no_such_name(method):
    right = gradients(0.3)
    for claim in (
        right,
        right | {"W": right["W"] ** 3},
        right | {"b": right["b"] + np.array([0.1, -0.2, 0.3])},
    ):
        assert not [
            one for one in said(cost_with(0.3), claim, method=method) if "times" in one or " of the" in one
        ]
    row = right | {"W": right["W"] * np.array([[1.0], [2.0], [1.0], [1.0]])}
    assert "dW is 2 times the right gradient" not in said(cost_with(0.3), row, method=method)


def test_blocks_with_different_factors_have_a_sentence_each():
    right = gradients(0.3)
    claim = {"W": 2 * right["W"], "b": 3 * right["b"]}
    assert said(cost_with(0.3), claim) == [
        "dW is 2 times the right gradient",
        "db is 3 times the right gradient",
    ]


def test_many_blocks_with_one_factor_share_a_sentence():
    theta = [np.array([k, 1.0]) for k in range(1, 10)]
    claim = [9 * w**2 for w in theta]
    (sentence,) = said(lambda p: sum(np.sum(w**3) for w in p), claim, theta)
    assert (
        sentence == "the gradients of [0], [1], [2], [3], [4], [5] and 3 more are 3 times the right gradient"
    )


@METHODS
@pytest.mark.parametrize("claimed", [1.0, 1.5])
def test_where_kinks_leave_a_choice_there_is_no_one_gradient_to_be_a_multiple_of(method, claimed):
    X = np.ones((4, 3))
    report = check(lambda X: np.sum(X.max(axis=0)), X, np.full((4, 3), claimed), method=method)
    assert report.verdict == "fail" or (
        claimed == 1 and method != "auto"
    )  # each coordinate by itself may be 1
    assert not [
        cause for cause in report.causes if "times" in cause.sentence or "of the right" in cause.sentence
    ]


def test_what_is_said_of_one_coordinate_is_not_certain():
    report = check(lambda p: np.exp(p[0]) + p[1] * 0, np.ones(2), [3 * np.e, 0.0])
    assert report.causes
    assert not any(cause.certain for cause in report.causes)


def test_samples_do_not_tell_of_the_whole_block_but_the_graph_does():
    claim = {name: 2 * g for name, g in gradients(0.3).items()}
    sample = {"W": 5, "b": 2}
    assert said(cost_with(0.3), claim, coordinates=sample) == ["dW and db are 2 times the right gradient"]
    assert said(not_recorded(cost_with(0.3)), claim, coordinates=sample) == []


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_numbers_that_cannot_be_squared_are_no_trouble(size):
    report = check(lambda w: np.sum(w) * size, np.ones(5), np.full(5, 2 * size))
    assert report.verdict == "fail"


def test_small_even_errors_stay_precision():
    noise = np.random.default_rng(3)
    claim = {name: g * (1 + 3e-6 * noise.standard_normal(g.shape)) for name, g in gradients(0.3).items()}
    report = check(cost_with(0.3), THETA, claim)
    assert not said(cost_with(0.3), claim)
    assert any("precision" in note for note in report.notes)


def test_a_small_error_that_is_exactly_a_factor_is_none_of_precision():
    claim = {name: (1 + 3e-6) * g for name, g in gradients(0.3).items()}
    report = check(cost_with(0.3), THETA, claim)
    assert said(cost_with(0.3), claim) == ["dW and db are 1.000003 times the right gradient"]
    assert not any("precision" in note for note in report.notes)


def test_screening_and_locating_say_it():
    claim = {name: 12 * g for name, g in gradients(0.3).items()}
    for report in (screen(cost_with(0.3), THETA, claim), locate(cost_with(0.3), THETA, claim)):
        assert report.causes[0].sentence.startswith("dW and db are 12 times the right gradient")
    assert "by a factor of 12" in report.blocks["W"].located.sentence
    plainly = locate(cost_with(0.3), THETA, claim, method="plain")
    assert plainly.causes[0].sentence.startswith("dW and db are 12 times the right gradient")
