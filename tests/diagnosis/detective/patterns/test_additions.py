"""Terms of a penalty, and constants, that a claim lacks or has too much."""

import numpy as np
import pytest
from wrong_claims import SLOPES, THETA, explanations, said

from fastcheck.diagnosis.detective.patterns import Hints

W, B, V = SLOPES["W"], SLOPES["b"], SLOPES["V"]
L2 = "as if a penalty (L2, weight decay) were"
LAMBDA = Hints(sizes={"the number of samples": 12}, constants={0.3: "lam"})


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (-0.3, f"lacks 0.3 times W (0.3 is lam), {L2} missing or too small"),
        (0.3, f"has 0.3 times W too much (0.3 is lam), {L2} too large"),
        (-0.6, f"lacks 2·0.3 times W (0.3 is lam), {L2} missing or too small"),
        (-0.15, f"lacks 0.3/2 times W (0.3 is lam), {L2} missing or too small"),
        (0.025, f"has 0.3/12 times W too much (0.3 is lam, 12 is the number of samples), {L2} too large"),
        (-0.123, f"lacks 0.123 times W, {L2} missing or too small"),
    ],
)
def test_a_penalty_is_named_with_its_share(share, words):
    found = explanations({"W": W + share * THETA["W"]}, LAMBDA)
    assert found[0].sentence == f"dW {words}"
    assert found[0].coefficient == pytest.approx(share, rel=1e-10)
    assert found[0].free == (1 if share == -0.123 else 0)


def test_a_penalty_of_several_blocks_is_one_statement_with_one_share():
    share = 0.123
    claims = {name: SLOPES[name] - share * THETA[name] for name in ("W", "V", "s")}
    found = explanations(claims)
    assert found[0].sentence == f"dW, dV and ds lack 0.123 times their parameters, {L2} missing or too small"
    assert found[0].free == 1
    alone = explanations({"s": claims["s"]})
    assert not any(one.kind.startswith("penalty") for one in alone)


def test_the_sign_of_the_parameter_is_the_slope_of_another_penalty():
    sentence = said({"W": W - 0.3 * np.sign(THETA["W"])}, LAMBDA)
    l1 = "as if an L1 penalty were missing or too small"
    assert sentence == f"dW lacks 0.3 times the sign of W (0.3 is lam), {l1}"


def test_a_factor_that_spares_the_penalty_is_named():
    sentence = said({"W": 12 * (W - 0.3 * THETA["W"]) + 0.3 * THETA["W"]}, LAMBDA)
    times = "12 times the right gradient (12 is the number of samples)"
    assert sentence.startswith(f"dW is {times} minus 3.3 times W")


def test_a_penalty_alone_and_the_parameter_itself_are_named():
    assert said({"W": THETA["W"]}) == "dW is W itself"
    sentence = said({"W": 0.3 * THETA["W"]}, LAMBDA)
    assert sentence == "dW is 0.3 times W (0.3 is lam), as if a penalty alone had a gradient"


def test_constants_that_are_added_or_stand_for_all_entries_are_named():
    assert said({"W": W + 1}) == "dW is the right gradient with 1 added to every entry"
    assert said({"W": W - 0.321}) == "dW is the right gradient with −0.321 added to every entry"
    assert said({"W": np.ones_like(W)}) == "dW has one number in all entries, 1"
    assert said({"W": 0 * W + 0.321}) == "dW has one number in all entries, 0.321"


def test_where_the_gradient_is_along_the_parameter_both_explanations_are_told():
    slopes = SLOPES | {"W": 0.5 * THETA["W"]}
    found = explanations({"W": 1.5 * THETA["W"]}, slopes=slopes)
    kinds = {one.kind for one in found}
    assert {"a factor", "penalty missing or too much"} <= kinds
    assert len({one.statement for one in found}) >= 2
