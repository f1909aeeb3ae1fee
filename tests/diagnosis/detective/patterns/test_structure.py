"""Claims that do not fit the structure of a block: the other triangle, a symmetric matrix, a scale."""

import numpy as np
import pytest
from wrong_claims import SLOPES, THETA, explanations, said

S, THETA_S = SLOPES["S"], THETA["S"]
SYMMETRIC = S + S.T
MISSING = "the backward pass of a normalisation is missing"


def folded(gradient, triangle=np.tril):
    """The claim for one triangle that belongs to the gradient of a symmetric matrix."""
    return triangle(2 * gradient) - np.diag(np.diag(gradient))


@pytest.mark.parametrize(("triangle", "name"), [(np.tril, "lower"), (np.triu, "upper")])
def test_a_cost_that_reads_one_triangle_does_not_want_claims_for_the_other(triangle, name):
    slopes = SLOPES | {"S": triangle(S)}
    reads = f"of S the cost reads the {name} triangle alone"
    words = f"is right in the {name} triangle and not zero in the other, but {reads}"
    assert said({"S": S}, slopes=slopes) == f"dS {words}: return np.{triangle.__name__}(g)"
    found = explanations({"S": -S}, slopes=slopes)
    words = f"is not zero in both triangles, but {reads}, and its slopes in the other are zero"
    assert [one.sentence for one in found] == [f"dS {words}"]
    assert found[0].free == found[0].entries


@pytest.mark.parametrize(("triangle", "name"), [(np.tril, "lower"), (np.triu, "upper")])
def test_the_gradient_of_a_symmetric_matrix_is_told_from_that_of_its_triangle(triangle, name):
    slopes = SLOPES | {"S": folded(SYMMETRIC, triangle)}
    sentence = said({"S": SYMMETRIC}, slopes=slopes)
    assert sentence.startswith("dS is that of a symmetric matrix, but of S the cost reads")
    advice = sentence.partition("add both entries of a pair, ")[2]
    assert np.allclose(eval(advice, {"np": np, "g": SYMMETRIC}), slopes["S"])
    sentence = said({"S": folded(SYMMETRIC, triangle)}, slopes=SLOPES | {"S": SYMMETRIC})
    one = f"of a symmetric matrix of which the {name} triangle alone is a parameter"
    assert sentence.startswith(f"dS is that {one}, but the cost reads both")


def test_triangles_of_a_stack_of_matrices_are_seen():
    stack = np.stack([S, S + 1, S - 1])
    slopes, theta = {"L": np.tril(stack)}, {"L": stack}
    assert "reads the lower triangle alone: return np.tril(g)" in said(
        {"L": stack}, slopes=slopes, theta=theta
    )


@pytest.mark.parametrize(
    ("axis", "what"),
    [(0, "each column of S"), (1, "each row of S"), (None, "S")],
    ids=["column", "row", "all"],
)
def test_a_backward_pass_that_forgets_a_normalisation_is_named(axis, what):
    square = np.sum(THETA_S**2, axis=axis, keepdims=True)
    across = S - THETA_S * np.sum(THETA_S * S, axis=axis, keepdims=True) / square
    said_always = f"dS has a part along {what}, which J does not depend on: {MISSING}"
    sentence = said({"S": S}, slopes=SLOPES | {"S": across})
    assert sentence == f"{said_always}, and without that part it is right"
    sentence = said({"S": S}, slopes=SLOPES | {"S": across / np.sqrt(square)})
    assert sentence == f"{said_always}, and without that part, and divided by the norm, it is right"
    assert said({"S": S**3}, slopes=SLOPES | {"S": across}) == f"{said_always} or not complete"


def test_at_right_angles_as_it_should_be_no_normalisation_is_missed():
    across = S - THETA_S * np.sum(THETA_S * S, axis=0) / np.sum(THETA_S**2, axis=0)
    assert said({"S": -across}, slopes=SLOPES | {"S": across}) == "dS is −1 times the right gradient"


def test_other_mistakes_are_not_taken_for_these():
    assert said({"S": S * (1 + np.triu(S**2))}) is None
    tril = SLOPES | {"S": np.tril(S)}
    assert said({"S": 1.1 * np.tril(S)}, slopes=tril) == "dS is 1.1 times the right gradient"
