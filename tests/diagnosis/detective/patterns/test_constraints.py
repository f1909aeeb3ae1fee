"""Claims that are right along constraints, for another function of the cost, or for another parameter."""

import numpy as np
import pytest
from wrong_claims import SLOPES, THETA, explanations, said

from fastcheck import check
from fastcheck.diagnosis.detective.patterns import Hints
from fastcheck.diagnosis.detective.patterns.constraints import OF_SQUARE_MATRICES
from fastcheck.diagnosis.detective.patterns.hints import OF_THE_COST
from fastcheck.diagnosis.detective.patterns.substitutes import OTHER_PARAMETERS

W, THETA_W, S = SLOPES["W"], THETA["W"], SLOPES["S"]
LINES = [(None, ""), (0, "each column of "), (1, "each row of ")]


@pytest.mark.parametrize(("axis", "what"), LINES)
def test_a_slope_on_the_sphere_is_named(axis, what):
    square = np.sum(THETA_W**2, axis=axis, keepdims=True)
    across = W - THETA_W * np.sum(THETA_W * W, axis=axis, keepdims=True) / square
    sentence = said({"W": across})
    assert sentence.startswith(
        f"dW is the right gradient without its part along {what}W: right on the sphere"
    )


@pytest.mark.parametrize(("axis", "what"), LINES[1:])
def test_a_slope_on_the_simplex_is_named(axis, what):
    sentence = said({"W": W - W.mean(axis=axis, keepdims=True)})
    lines = what.removesuffix(" of ")
    assert sentence.startswith(
        f"dW is the right gradient with the mean of {lines} subtracted: right where the sums"
    )


@pytest.mark.parametrize(("axis", "what"), LINES[1:])
def test_a_missing_subtraction_of_the_mean_is_named(axis, what):
    sentence = said({"W": W}, slopes=SLOPES | {"W": W - W.mean(axis=axis, keepdims=True)})
    assert sentence.startswith(f"dW has a mean in {what.removesuffix(' of ')}, and J does not change if")


@pytest.mark.parametrize(("made", "which", "function"), OF_SQUARE_MATRICES)
def test_slopes_along_symmetric_and_antisymmetric_matrices_are_named(made, which, function):
    assert said({"S": function(S)}) == (
        f"dS is {made}, g being the right gradient: that along {which} matrices, where the cost takes any matrix"
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_twice_a_gradient_that_is_symmetric_already_is_just_that(sign):
    of_itself = S + sign * S.T
    found = explanations({"S": 2 * of_itself}, slopes=SLOPES | {"S": of_itself})
    assert [one.sentence for one in found] == ["dS is 2 times the right gradient"]


@pytest.mark.parametrize(
    ("made", "tangent"),
    [
        ("g − W gᵀ W", lambda g, w: g - w @ g.T @ w),
        ("(g − W gᵀ W)/2", lambda g, w: (g - w @ g.T @ w) / 2),
        ("g − W (Wᵀg + gᵀW)/2", lambda g, w: g - w @ (w.T @ g + g.T @ w) / 2),
        ("g − W Wᵀg", lambda g, w: g - w @ (w.T @ g)),
    ],
)
def test_slopes_along_orthogonal_matrices_are_named(made, tangent):
    Q = np.linalg.qr(THETA_W)[0]
    words = "g being the right gradient: that along orthogonal matrices, where the cost takes any matrix"
    assert said({"W": tangent(W, Q)}, theta=THETA | {"W": Q}) == f"dW is {made}, {words}"
    turned = {"W": tangent(W, Q).T}
    sentence = said(turned, theta=THETA | {"W": Q.T}, slopes=SLOPES | {"W": W.T})
    assert sentence == f"dW is {made}, of its transpose, {words}"
    assert said({"W": tangent(W, THETA_W)}) is None


@pytest.mark.parametrize(("written", "function", "derivative"), OF_THE_COST)
def test_the_gradient_of_a_function_of_the_cost_is_named(written, function, derivative):
    sentence = said({"W": derivative(0.345) * W}, Hints(cost=0.345))
    assert sentence.startswith(f"dW is {written} ")
    assert f"(J is 0.345: the claim is right for {function}, and compared with J)" in sentence
    assert "J is" not in said({"W": derivative(0.345) * W}, Hints(cost=0.3451))


def test_numbers_that_have_a_name_already_keep_it():
    assert said({"W": 2 * W}, Hints(cost=0.5)) == "dW is 2 times the right gradient"
    assert said({"W": 0.7 * W}, Hints(cost=-0.3)) == "dW is 0.7 times the right gradient"


@pytest.mark.parametrize("method", ["auto", "plain"])
def test_the_value_of_the_cost_is_known_to_a_check(method):
    x = np.array([0.3, 1.7, -0.4])

    def cost(w):
        return np.sum(w**4) + 0.1

    report = check(cost, x, 4 * x**3 / cost(x), method=method)
    assert "the claim is right for log J, and compared with J" in report.causes[0].sentence


@pytest.mark.parametrize(("what", "function"), OTHER_PARAMETERS)
def test_the_gradient_for_another_parameter_is_named(what, function):
    positive = np.abs(THETA_W) / 4
    claim = function(W, positive, None)
    words = f"dW is the right gradient with respect to {what} of W, in place of W"
    assert said({"W": claim}, theta=THETA | {"W": positive}) == words


DERIVATIVES = {
    "the square": lambda x: 2 * x,
    "the square root": lambda x: 0.5 / np.sqrt(x),
    "the reciprocal": lambda x: -1 / x**2,
    "exp": np.exp,
    "the sigmoid": lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
    "the logit, log p/(1 − p),": lambda x: 1 / x + 1 / (1 - x),
    "softplus": lambda x: 1 / (1 + np.exp(-x)),
    "the inverse softplus, log(exp p − 1),": lambda x: np.exp(x) / (np.exp(x) - 1),
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "artanh": lambda x: 1 / (1 - x**2),
}


@pytest.mark.parametrize(("what", "function"), OTHER_PARAMETERS)
def test_other_parameters_have_the_slopes_of_their_names(what, function):
    x = np.linspace(0.1, 0.9, 5)
    np.testing.assert_allclose(function(np.ones(5), x, None), 1 / DERIVATIVES[what](x), rtol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_random_claims_are_none_of_these(seed):
    rng = np.random.default_rng([17, seed])
    claims = {name: rng.standard_normal(SLOPES[name].shape) for name in ("W", "b", "S", "K")}
    assert explanations(claims, Hints(cost=0.7)) == []
    assert all(explanations({name: claims[name]}, Hints(cost=0.7)) == [] for name in claims)


def test_a_parameter_outside_of_a_function_is_none_of_it():
    assert said({"W": W * THETA_W * (1 - THETA_W)}) is None
    assert said({"W": W * (1 - THETA_W**2)}) is None
