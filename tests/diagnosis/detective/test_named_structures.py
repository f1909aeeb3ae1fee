"""Failures that a word explains are named: a transposed claim, one triangle that is read, a scale that is not."""

import numpy as np
import pytest

from fastcheck import check, locate
from fastcheck.report.causes import ORDER


def data(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


A = data(4, 4)
SYMMETRIC = A + A.T
POSITIVE = A @ A.T + np.eye(4)


def said(report):
    """What a report says of claims, whatever it says of lines of the cost."""
    return "; ".join(cause.sentence for cause in report.causes if cause.kind != ORDER and not cause.lines)


def both(cost, theta, claim, verdict):
    """What `check` says, by each method, and that `locate` says the same."""
    reports = [check(cost, theta, claim, method=method) for method in ("auto", "plain", "reference")]
    reports.append(locate(cost, theta, claim))
    assert {report.verdict.value for report in reports} == {verdict}
    return {said(report) for report in reports}


def folded(gradient, triangle=np.tril):
    """The claim for one triangle that belongs to the gradient of a symmetric matrix."""
    return triangle(2 * gradient) - np.diag(np.diag(gradient))


@pytest.mark.parametrize("triangle", [np.tril, np.triu])
def test_a_cost_that_reads_one_triangle_does_not_want_claims_for_the_other(triangle):
    def cost(L):
        factor = triangle(L)
        return np.sum(factor @ factor.T * SYMMETRIC)

    L = triangle(data(4, 4)) + 4 * np.eye(4)
    whole = 2 * SYMMETRIC @ L
    (sentence,) = both(cost, L, whole, "fail")
    name = {"tril": "lower", "triu": "upper"}[triangle.__name__]
    assert sentence == (
        f"dtheta is right in the {name} triangle and not zero in the other, but of theta the cost reads the {name} "
        f"triangle alone: return np.{triangle.__name__}(g)"
    )
    assert both(cost, L, triangle(whole), "pass") == {""}
    (sentence,) = both(cost, L, -whole, "fail")
    assert sentence.endswith("and its slopes in the other are zero")


def test_the_gradient_of_a_symmetric_matrix_is_told_from_that_of_its_triangle():
    def logdet(S):
        return 2 * np.sum(np.log(np.diag(np.linalg.cholesky(S))))

    inverse = np.linalg.inv(POSITIVE)
    (sentence,) = both(logdet, POSITIVE, inverse, "fail")
    assert (
        "dtheta is that of a symmetric matrix, but of theta the cost reads the lower triangle alone"
        in sentence
    )
    advice = "np.tril(g + g.T, -1) + np.diag(np.diag(g))"
    assert advice in sentence
    assert both(logdet, POSITIVE, eval(advice, {"np": np, "g": inverse}), "pass") == {""}


def test_a_claim_for_one_triangle_of_a_cost_that_reads_both_is_named():
    for triangle, name in ((np.tril, "lower"), (np.triu, "upper")):
        (sentence,) = both(lambda S: np.sum(S * S), SYMMETRIC, folded(2 * SYMMETRIC, triangle), "fail")
        assert sentence.startswith(
            f"dtheta is that of a symmetric matrix of which the {name} triangle alone is a parameter, but the cost "
            "reads both"
        )


def test_triangles_of_a_stack_of_matrices_are_seen():
    L = np.tril(data(3, 2, 2))
    report = check(
        lambda p: np.sum(np.tril(p["L"]) ** 3), {"L": L}, {"L": 3 * L**2 + np.triu(np.ones((2, 2)), 1)}
    )
    assert "of L the cost reads the lower triangle alone" in said(report)
    assert "return np.tril(g)" in said(report)


W, G = data(5, 4), data(5, 4, seed=1)


def normalised(axis):
    """A cost of weights that it divides by their norm, and the claim of a backward pass that forgets to."""
    norm = np.sqrt(np.sum(W * W, axis=axis, keepdims=True))

    def cost(w):
        return np.sum(G * np.tanh(w / np.sqrt(np.sum(w * w, axis=axis, keepdims=True))))

    outer = G * (1 - np.tanh(W / norm) ** 2)
    across = outer - W * np.sum(W * outer, axis=axis, keepdims=True) / norm**2
    return cost, outer, norm, across / norm


@pytest.mark.parametrize(
    ("axis", "what"), [(0, "each column of theta"), (1, "each row of theta"), (None, "theta")]
)
def test_a_backward_pass_that_forgets_a_normalisation_is_named(axis, what):
    cost, outer, norm, right = normalised(axis)
    assert both(cost, W, right, "pass") == {""}
    (sentence,) = both(cost, W, outer / norm, "fail")
    assert sentence.startswith(f"dtheta has a part along {what}, which J does not depend on")
    assert sentence.endswith("and without that part it is right")
    (sentence,) = both(cost, W, outer, "fail")
    assert sentence.endswith("and without that part, and divided by the norm, it is right")
    (sentence,) = both(cost, W, outer**2, "fail")
    assert sentence.endswith("is missing or not complete")


def test_the_transposed_gradient_of_a_square_matrix_is_named():
    X, w = data(5, 4), data(4, 4, seed=1)
    right = X.T @ (1 - np.tanh(X @ w) ** 2)
    (sentence,) = both(lambda w: np.sum(np.tanh(X @ w)), w, right.T, "fail")
    assert sentence.startswith("dtheta is transposed: return its .T")
    assert both(lambda w: np.sum(np.tanh(X @ w)), w, right, "pass") == {""}


def test_other_mistakes_are_not_taken_for_these():
    cost, _, _, right = normalised(0)
    report = check(cost, W, -right)  # at right angles to θ as it should be
    assert report.verdict == "fail"
    assert [cause.sentence for cause in report.causes] == ["dtheta is −1 times the right gradient"]
    square = data(4, 4)
    report = check(lambda w: np.sum(w**3), square, 3 * square**2 * (1 + np.triu(np.ones((4, 4)))))
    assert report.verdict == "fail"
    assert said(report).startswith(
        "dtheta is 2 times the right gradient in the triangle above the diagonal and on it"
    )
    report = check(lambda w: np.sum(np.tril(w) ** 2), square, 2 * np.tril(square) * 1.1)
    assert report.causes[0].sentence == "dtheta is 1.1 times the right gradient"


def test_of_a_sample_no_such_cause_is_named_if_the_cost_is_evaluated_plainly():
    cost, outer, _, _ = normalised(0)
    report = check(lambda w: float(f"{cost(w):.17g}"), W, outer, coordinates=10)
    assert report.verdict == "fail"
    assert said(report) == ""
