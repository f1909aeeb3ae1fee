"""Claims that are something else: another block's gradient, a sum of the gradient, a function of it."""

import numpy as np
import pytest
from wrong_claims import SLOPES, THETA, explanations, said

W, B, V, S, K = (SLOPES[name] for name in "WbVSK")
RIGHT = "the right gradient"


@pytest.mark.parametrize(
    ("name", "claim", "words"),
    [
        ("W", V, "is dV"),
        ("W", THETA["V"], "is V"),
        ("S", SLOPES["K"].ravel()[:16].reshape(4, 4), None),
        ("W", 0 * W + W.sum(axis=0), f"has the sum of {RIGHT} over its rows in every entry"),
        (
            "W",
            0 * W + W.mean(axis=1, keepdims=True),
            f"has the mean of {RIGHT} over its columns in every entry",
        ),
        ("b", 0 * B + B.sum(), f"has the sum of {RIGHT} over all entries in every entry"),
        (
            "K",
            0 * K + K.sum(axis=(0, 2), keepdims=True),
            f"has the sum of {RIGHT} over axes 0, 2 in every entry",
        ),
        ("W", np.abs(W), f"is the absolute value of {RIGHT}"),
        ("W", np.sign(W), f"is the sign of {RIGHT}"),
        ("W", W**2, f"is {RIGHT} squared, entry by entry"),
        ("W", W * THETA["W"], f"is {RIGHT} times W, entry by entry: that with respect to log |W|"),
        ("W", W / THETA["W"], f"is {RIGHT} divided by W, entry by entry"),
        ("W", W - W.mean(), f"is {RIGHT} with its mean subtracted"),
        ("W", W / np.abs(W).max(), f"is {RIGHT} divided by its largest entry"),
    ],
)
def test_what_stands_for_the_gradient_is_named(name, claim, words):
    assert said({name: claim}) == (words and f"d{name} {words}")


def test_what_was_tried_of_other_places_is_marked():
    assert all(one.substitutes for one in explanations({"W": V}))


def test_a_block_of_the_same_size_may_have_another_shape():
    theta = {"A": THETA["W"], "B": THETA["W"].T.copy()}
    slopes = {"A": W, "B": V.T.copy()}
    sentence = said({"A": slopes["B"].reshape(5, 4)}, theta=theta, slopes=slopes)
    assert sentence == "dA is dB, reshaped"
