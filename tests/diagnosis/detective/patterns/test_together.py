"""Claims of several blocks at once: exchanged, or the gradient at other parameters."""

import numpy as np
import pytest
from wrong_claims import SLOPES, THETA, evidence_of, explanations, said

from fastcheck import check
from fastcheck.diagnosis.detective.patterns import hypotheses_of_other_parameters

THETA_2 = {"W": THETA["W"], "b": THETA["b"]}
PREVIOUS = {"W": THETA["W"] + 0.1, "b": THETA["b"] - 0.2}
A = np.random.default_rng(8).standard_normal((3, 5))


def slopes_at(theta):
    """The slopes of Σ tanh(A W + b)."""
    slope = 1 - np.tanh(A @ theta["W"] + theta["b"]) ** 2
    return {"W": A.T @ slope, "b": slope.sum(axis=0)}


def told_elsewhere(claims, there=slopes_at, **options):
    """What is said of these claims with slopes at other parameters; none of it is ever certain."""
    evidence = evidence_of(claims, theta=THETA_2, slopes=slopes_at(THETA_2), **options)
    found = hypotheses_of_other_parameters(evidence, there)
    assert all(one.substitutes for one in found)
    return [one.sentence for one in found]


def test_blocks_that_have_each_others_gradient_are_exchanged():
    found = explanations({"W": SLOPES["V"], "V": SLOPES["W"]})
    assert found[0].sentence == "dW and dV are exchanged"
    assert not found[0].substitutes


def test_the_gradient_at_previous_parameters_is_named_where_these_are_given():
    earlier, now = slopes_at(PREVIOUS), slopes_at(THETA_2)
    sentence = "dW and db are the right gradient at the previous parameters"
    assert told_elsewhere(earlier, previous=PREVIOUS) == [sentence]
    assert told_elsewhere(earlier) == []
    added = {name: now[name] + earlier[name] for name in now}
    words = "are the right gradient plus that at the previous parameters: it was not set to zero between the steps"
    assert told_elsewhere(added, previous=PREVIOUS) == [f"dW and db {words}"]


@pytest.mark.parametrize("rate", [0.1, 0.001, 1])
def test_the_gradient_after_the_update_is_named_with_the_step(rate):
    now = slopes_at(THETA_2)
    stepped = slopes_at({name: THETA_2[name] - rate * now[name] for name in now})
    words = f"after a step of {rate:g} times it"
    assert told_elsewhere(stepped) == [f"dW and db are the right gradient {words}"]
    assert told_elsewhere({"W": stepped["W"]}) == [f"dW is the right gradient {words}"]


def test_what_is_no_gradient_elsewhere_is_not_named_and_tried_a_few_times():
    calls = []

    def counted(theta):
        calls.append(theta)
        return slopes_at(theta)

    assert told_elsewhere({"W": 2 * slopes_at(THETA_2)["W"]}, counted, previous=PREVIOUS) == []
    assert len(calls) == 8
    assert told_elsewhere(slopes_at(PREVIOUS), lambda theta: {}, previous=PREVIOUS) == []


def test_blocks_are_exchanged_if_the_gradient_of_one_is_rounding():
    rounding = 1e-17 * np.random.default_rng(0).standard_normal((2, *SLOPES["W"].shape))
    slopes = {"W": SLOPES["W"], "b": rounding[0]}
    claims = {"W": rounding[1], "b": SLOPES["W"]}
    found = explanations(claims, theta={"W": THETA["W"], "b": THETA["V"]}, slopes=slopes)
    assert found[0].sentence == "dW and db are exchanged"


@pytest.mark.parametrize(("real", "imaginary"), [("z_re", "z_im"), ("real", "imag"), ("z_r", "z_i")])
def test_the_conjugate_of_a_gradient_is_named(real, imaginary):
    z = {real: SLOPES["W"], imaginary: SLOPES["V"]}
    sentence = said({imaginary: -SLOPES["V"]}, slopes=z, theta=z)
    assert sentence.startswith(
        f"d{imaginary} is −1 times the right gradient, and d{real} is right: that is the conj"
    )
    both = said({real: -SLOPES["W"], imaginary: -SLOPES["V"]}, slopes=z, theta=z)
    assert both == f"d{real} and d{imaginary} are −1 times the right gradient"
    assert "conjugate" not in said({imaginary: 2 * SLOPES["V"]}, slopes=z, theta=z)


def test_the_conjugate_is_told_first_by_a_check():
    def cost(p):
        return np.sum(p["re"] ** 2 * p["im"] + p["im"] ** 3)

    re, im = SLOPES["W"], SLOPES["V"]
    report = check(cost, {"re": re, "im": im}, {"re": 2 * re * im, "im": -(re**2) - 3 * im**2})
    assert "the conjugate of the gradient of the complex number" in report.causes[0].sentence
