"""Claims that lost digits or were clipped are named by what they were rounded to, and by their bounds."""

import re

import numpy as np
import pytest
from wrong_claims import SLOPES, explanations, said

W, B, V = SLOPES["W"], SLOPES["b"], SLOPES["V"]
RIGHT = "the right gradient"


def in_bfloat16(values):
    """Round to bfloat16, to the nearest, by the definition."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.rint(mantissa * 256) / 256, exponent)


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (W.astype(np.float32), f"is {RIGHT} rounded to float32"),
        (W.astype(np.float16), f"is {RIGHT} rounded to float16"),
        (in_bfloat16(W), f"is {RIGHT} rounded to bfloat16"),
        (
            (W * (1 + 3e-7)).astype(np.float32),
            "has no more digits than float32: it looks computed in that precision",
        ),
        (np.round(W, 3), f"is {RIGHT} rounded to 3 decimals"),
        (np.round(W, 1), f"is {RIGHT} rounded to 1 decimal"),
        (np.round(10 * W), None),
        (np.trunc(W * 100) / 100, f"is {RIGHT} cut off to 2 decimals"),
        (np.vectorize(lambda x: float(f"{x:.3e}"))(W), f"is {RIGHT} rounded to 4 significant digits"),
        (np.clip(W, -0.5, 0.5), f"is {RIGHT} clipped between −1/2 and 1/2"),
        (np.clip(W, -0.234, 0.567), f"is {RIGHT} clipped between −0.234 and 0.567"),
        (np.minimum(W, 0.3), f"is {RIGHT} clipped from above at 0.3"),
        (np.maximum(W, 0), f"is {RIGHT} clipped from below at 0"),
        (5 * W / np.linalg.norm(100 * W) * 10, "is scaled down to the norm 1/2"),
    ],
)
def test_lost_digits_and_bounds_are_named(claim, words):
    assert said({"W": np.asarray(claim, dtype=float)}) == (words and f"dW {words}")


def test_what_is_computed_in_low_precision_is_never_an_exact_explanation():
    found = explanations({"W": (W * (1 + 3e-7)).astype(np.float32).astype(float)})
    assert found[0].free == found[0].entries


def test_errors_as_small_as_those_of_float32_are_named_where_nothing_else_is():
    noise = 1e-7 * np.abs(W).max() * np.random.default_rng(5).uniform(-1, 1, W.shape)
    found = explanations({"W": W + noise})
    assert [one.kind for one in found] == ["errors of float32"]
    assert found[0].free == found[0].entries
    assert re.fullmatch(
        r"dW has errors as small as those of float32, at most \S+ of its largest entry", found[0].sentence
    )
    assert explanations({"W": W + 100 * noise}) == []


def test_round_numbers_are_not_taken_for_low_precision():
    slopes = SLOPES | {"W": np.arange(20.0).reshape(5, 4) + 0.01}
    found = explanations({"W": np.arange(20.0).reshape(5, 4)}, slopes=slopes)
    assert not any("float" in one.sentence or "precision" in one.sentence for one in found)


def test_a_bound_of_several_blocks_is_one_statement():
    found = explanations({"W": np.clip(W, -0.345, 0.345), "V": np.clip(V, -0.345, 0.345)})
    assert found[0].sentence == f"dW and dV are {RIGHT} clipped between −0.345 and 0.345"
    assert found[0].free == 1


def test_a_norm_of_several_blocks_is_one_statement():
    theta, slopes = {"W": W, "b": B}, {"W": W, "b": B}
    length = np.sqrt(np.sum(W**2) + np.sum(B**2))
    sentence = said({"W": W / length, "b": B / length}, theta=theta, slopes=slopes)
    assert sentence == "dW and db are scaled down, so that the norm of all blocks together is 1"


def test_claims_where_the_gradient_is_zero_were_not_cut_off():
    claims = np.arange(1.0, 21.0).reshape(5, 4)
    sentence = said({"W": claims}, slopes=SLOPES | {"W": np.zeros((5, 4))})
    assert sentence is None or "cut off" not in sentence
