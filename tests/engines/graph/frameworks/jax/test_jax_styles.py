"""Functions in JAX in many personal styles are recorded, and their slopes are those of `jax.grad`."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")

from jax_styles import QUICK, SLOW  # noqa: E402

from fastcheck import check  # noqa: E402
from fastcheck.jax.forwards import Forward  # noqa: E402
from fastcheck.jax.questions import question  # noqa: E402
from fastcheck.jax.rules_of_users import reverse_rule  # noqa: E402

STYLES = [
    *(pytest.param(*style, id=name) for name, style in QUICK.items()),
    *(pytest.param(*style, id=name, marks=pytest.mark.slow) for name, style in SLOW.items()),
]


@pytest.mark.parametrize(("function", "arguments"), STYLES)
def test_slopes_are_those_of_jax_to_rounding_and_one_that_is_off_is_found(function, arguments):
    with jax.enable_x64(True):
        asked = question(function, arguments, None)
        forward, rule = Forward(asked), reverse_rule(asked)
        cotangents = asked.cotangents(forward.outputs, 0, 0)
        cost, claim = forward.cost(cotangents), rule.claim(cotangents)
        claims = claim.exact or claim.own
        right = check(cost, asked.parameters, claims)
        assert right.method == "difference", right.notes
        assert right.passed
        assert right.difference < 1e-13
        name = max(claims, key=lambda each: np.max(np.abs(claims[each]), initial=0.0))
        wrong = claims[name].copy()
        wrong.reshape(-1)[np.argmax(np.abs(wrong))] *= 1.001
        report = check(cost, asked.parameters, claims | {name: wrong})
        assert report.blocks[name].wrong == 1
