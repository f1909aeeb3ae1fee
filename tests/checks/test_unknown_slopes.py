"""A numerical gradient is NaN where nothing is known of it, and a warning says where and why."""

import warnings

import numpy as np
import pytest

from fastcheck import numerical_gradient
from fastcheck.errors import UnknownSlopeWarning

THETA = {"W": np.linspace(0.1, 0.6, 6).reshape(2, 3), "b": np.array([2.0, 0.0])}


def cost_that(fails, *places):
    """Return a cost that fails wherever one of these entries of W is moved."""

    def cost(p):
        if any(p["W"][place] != THETA["W"][place] for place in places):
            fails()
        return float(f"{np.sum(p['W'] ** 2) + p['b'][0] ** 2:.17g}")

    return cost


def diverge():
    raise ArithmeticError("it diverges")


def exhaust():
    raise MemoryError("the mesh is too fine")


@pytest.mark.parametrize("method", ["auto", "plain", "reference"])
@pytest.mark.parametrize(
    ("fails", "why"),
    [
        (diverge, r"the cost has no value on either side: at W\[0, 1\] .*ArithmeticError: it diverges"),
        (exhaust, r".*there was too little memory.*: MemoryError: the mesh is too fine"),
    ],
)
def test_entries_of_which_nothing_is_known_are_nan_and_named_with_the_reason(method, fails, why):
    with pytest.warns(UnknownSlopeWarning, match=rf"W\[0, 1\].*: {why}") as warned:
        found = numerical_gradient(cost_that(fails, (0, 1), (1, 2)), THETA, method=method)
    assert [warning.filename for warning in warned] == [__file__]
    assert "W[1, 2]" in str(warned[0].message)
    expected = 2 * THETA["W"]
    expected[0, 1] = expected[1, 2] = np.nan
    np.testing.assert_allclose(found["W"], expected, rtol=1e-6)
    np.testing.assert_allclose(found["b"], [4.0, 0.0], rtol=1e-6, atol=1e-6)


def test_a_slope_of_zero_and_a_border_with_one_side_are_known():
    def cost(p):
        if p["W"][0, 0] > THETA["W"][0, 0]:
            raise ValueError("beyond the border")
        return float(f"{np.sum(p['W'] ** 2) + 1e5 * (p['W'][0, 1] - 0.2) ** 2:.17g}")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = numerical_gradient(cost, THETA, method="plain")
    np.testing.assert_allclose(found["W"], 2 * THETA["W"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["b"], 0.0, atol=1e-6)
