"""Factors are named by the lengths of axes and the constants of the recorded cost."""

import numpy as np

from fastcheck import check

RNG = np.random.default_rng(1)
X = RNG.standard_normal((12, 5))
W = RNG.standard_normal((5, 7))
KEEP = 0.8


def cost(W):
    A = np.tanh(X @ W) / KEEP
    return np.sum(A**3) / 36


def gradient(W):
    T = np.tanh(X @ W)
    return X.T @ (3 * (T / KEEP) ** 2 * (1 - T * T) / KEEP) / 36


def first(claim):
    return check(cost, W, claim).causes[0].sentence


def test_a_factor_is_named_by_what_it_equals_in_the_cost():
    right = gradient(W)
    assert check(cost, W, right).passed
    assert (
        first(12 * right) == "dtheta is 12 times the right gradient (12 is the length of axis 0 of `X @ W`)"
    )
    entries = "84 is the number of entries of `X @ W`"
    assert first(right / 84) == f"dtheta is 1/84 of the right gradient ({entries})"
    assert first(-0.8 * right).startswith("dtheta is −0.8 times the right gradient (0.8 is a number in line ")
    assert first(3 * right) == "dtheta is 3 times the right gradient"


def test_a_mask_of_the_cost_is_named():
    kept = np.array([[1.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    theta = np.arange(1.0, 13).reshape(4, 3)

    def masked(w):
        return np.sum((w * kept) ** 2) + np.sum(w**3)

    right = 2 * theta * kept + 3 * theta**2
    causes = check(masked, theta, np.where(kept == 1, 2 * right, right)).causes
    assert any("in the entries where the mask of line " in f"{cause.sentence}" for cause in causes)
