"""Claims that are a multiple of the gradient are named with the factor, and with what it equals."""

import numpy as np
import pytest
from wrong_claims import SLOPES, THETA, edited, explanations, said

from fastcheck.diagnosis.detective.patterns import Hints

W, B = SLOPES["W"], SLOPES["b"]


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (2, "2 times the right gradient"),
        (-1, "−1 times the right gradient"),
        (0.5, "1/2 of the right gradient"),
        (-0.5, "−1/2 of the right gradient"),
        (1.5, "3/2 times the right gradient"),
        (7, "7 times the right gradient"),
        (1 / 7, "1/7 of the right gradient"),
        (12, "12 times the right gradient (12 is the number of samples)"),
        (1 / 12, "1/12 of the right gradient (12 is the number of samples)"),
        (11 / 12, "11/12 times the right gradient (12 is the number of samples)"),
        (144, "12² times the right gradient (12 is the number of samples)"),
        (12**0.5, "√12 times the right gradient (12 is the number of samples)"),
        (-(12**-0.5), "−1/√12 of the right gradient (12 is the number of samples)"),
        (0.8, "0.8 times the right gradient (0.8 is keep_prob)"),
        (1.25, "1/0.8 of the right gradient (0.8 is keep_prob)"),
        (0.2, "1/5 of the right gradient (5 is the number of rows of W, the number of rows of V)"),
        (1.37, "1.37 times the right gradient"),
        (1.0001, "1.0001 times the right gradient"),
        (3.14 / np.pi, "3.14/π times the right gradient (π is 3.141592654)"),
        (np.sqrt(2 / np.pi) / 0.79788, "(√(2/π))/0.79788 times the right gradient (√(2/π) is 0.7978845608)"),
    ],
)
def test_a_factor_is_named_for_all_blocks_that_have_it(factor, words):
    hints = Hints(sizes={"the number of samples": 12}, constants={0.8: "keep_prob"})
    found = explanations({"W": factor * W, "b": factor * B}, hints)
    assert found[0].sentence.startswith(f"dW and db are {words}")
    assert found[0].kind == "a factor"
    assert found[0].coefficient == pytest.approx(factor, rel=1e-12)
    assert found[0].free == (1 if words.startswith(("1.37", "1.0001")) else 0)
    assert found[0].entries == 24


def test_plain_numbers_need_no_reason_and_others_have_all_that_there_are():
    hints = Hints(
        sizes={"the number of samples": 2, "the number of classes": 12, "the number of columns of X": 12}
    )
    assert said({"W": 2 * W}, hints) == "dW is 2 times the right gradient"
    why = "12 is the number of classes, the number of columns of X"
    assert said({"W": 12 * W}, hints) == f"dW is 12 times the right gradient ({why})"


def test_sizes_are_those_of_the_blocks_where_no_others_are_known():
    sentence = (
        "dW is 20 times the right gradient (20 is the number of entries of W, the number of entries of V)"
    )
    assert said({"W": 20 * W}) == sentence


def test_factors_of_their_own_are_told_of_each_block():
    found = explanations({"W": 2 * W, "b": 3 * B})
    assert found[0].sentence == "dW is 2 times the right gradient; db is 3 times the right gradient"
    assert found[0].coefficient is None
    together = explanations({"W": 2 * W, "b": 2 * B})
    assert found[0].rank > together[0].rank


def test_a_claim_of_zeros_is_named():
    found = explanations({"W": 0 * W, "b": 0 * B})
    assert found[0].sentence == "dW and db are zero, and the right gradient is not"
    assert found[0].kind == "zero"


def test_dead_units_do_not_enter_factors():
    slopes = SLOPES | {"W": edited(W, (slice(1, 4), slice(None)), lambda x: 0 * x)}
    found = explanations({"W": 3 * slopes["W"]}, slopes=slopes)
    assert found[0].sentence == "dW is 3 times the right gradient"
    assert found[0].entries == 8


def test_a_factor_of_one_entry_is_a_pattern_only_where_it_has_a_name_or_other_blocks_have_it():
    assert said({"s": 1.2345 * SLOPES["s"]}) is None
    assert said({"s": 2 * SLOPES["s"]}) == "ds is 2 times the right gradient"
    both = said({"s": 1.2345 * SLOPES["s"], "W": 1.2345 * W})
    assert both == "dW and ds are 1.2345 times the right gradient"


def test_rows_and_columns_with_factors_of_their_own_are_named():
    rows = np.array([0.3, 1.7, 2.9, 4.1, 1.0])[:, None]
    found = explanations({"W": rows * W})
    assert found[0].kind == "a factor per row or column"
    words = "each row multiplied by a factor of its own (0.3, 1.7, 2.9, 4.1, …)"
    assert found[0].sentence == f"dW is the right gradient with {words}"
    assert found[0].free == 4
    found = explanations({"W": W * THETA["b"]})
    assert found[0].sentence == "dW is the right gradient, each column multiplied by its entry of b"
    assert found[0].free == 0
    last_axis = "each slice of axis 3 multiplied by its entry of 1/b"
    assert said({"K": SLOPES["K"] / THETA["b"]}) == f"dK is the right gradient, {last_axis}"


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (np.full((5, 4), np.nan), "dW is NaN throughout"),
        (np.full((5, 4), -np.inf), "dW is infinite throughout"),
        (edited(W, (0, 0), lambda x: np.nan), "dW is not finite: 1 of its entries is NaN"),
        (
            edited(edited(W, 0, lambda x: x * np.nan), (1, 1), lambda x: np.inf),
            "dW is not finite: 4 of its entries are NaN and 1 of its entries is infinite",
        ),
    ],
)
def test_claims_that_are_no_numbers_are_counted(claim, sentence):
    found = explanations({"W": claim})
    assert [one.sentence for one in found] == [sentence]
    assert said({"W": claim, "b": 2 * B}) == f"{sentence}; db is 2 times the right gradient"


def test_names_that_are_no_words_stay_legible():
    theta = {f"layers[{k}].W": THETA["W"] + k for k in range(9)}
    slopes = {name: W + k for k, name in enumerate(theta)}
    one = said({"layers[0].W": 2 * W}, theta=theta, slopes=slopes)
    assert one == "the gradient of layers[0].W is 2 times the right gradient"
    many = said({name: 2 * slopes[name] for name in theta}, theta=theta, slopes=slopes)
    assert many.startswith("the gradients of layers[0].W, layers[1].W, ")
    assert many.endswith("layers[5].W and 3 more are 2 times the right gradient")


def test_rounding_in_the_place_of_zeros_is_zero():
    noise = 1e-17 * np.random.default_rng(0).standard_normal(W.shape)
    assert said({"W": noise}) == "dW is zero but for rounding, and the right gradient is not"
    assert not any("zero" in one.sentence for one in explanations({"W": 1e3 * noise}))
