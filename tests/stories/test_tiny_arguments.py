"""Functions of parameters that are tiny: log w at 1e-20, 1 / w, roots and powers, beside ordinary parameters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow import first_of

from fastcheck import check

FUNCTIONS = {
    "log": (np.log, lambda w: 1 / w),
    "log²": (lambda w: np.log(w) ** 2, lambda w: 2 * np.log(w) / w),
    "log(1 + 1/w)": (lambda w: np.log1p(1 / w), lambda w: -1 / (w * (w + 1))),
    "1 / w": (lambda w: 1 / w, lambda w: -1 / w**2),
    "w^-0.5": (lambda w: w**-0.5, lambda w: -0.5 * w**-1.5),
    "sqrt": (np.sqrt, lambda w: 0.5 / np.sqrt(w)),
    "cbrt": (np.cbrt, lambda w: np.cbrt(w) / (3 * w)),
    "w^0.3": (lambda w: w**0.3, lambda w: 0.3 * w**-0.7),
    "w^1.5": (lambda w: w**1.5, lambda w: 1.5 * np.sqrt(w)),
    "w log w": (lambda w: w * np.log(w), lambda w: np.log(w) + 1),
    "w / (w + 1e-20)": (lambda w: w / (w + 1e-20), lambda w: 1e-20 / (w + 1e-20) ** 2),
}
"""Functions and their derivatives."""

ORDINARY = [0.7, 2.0]
"""Parameters that may stand beside tiny ones."""


def posed(name, exponent, beside):
    """Cost, parameters and right gradient."""
    function, slope = FUNCTIONS[name]
    w = np.array([10.0**exponent, 3 * 10.0**exponent, *(ORDINARY if beside else [])])

    def cost(v):
        with np.errstate(all="ignore"):
            return np.sum(function(v))

    return cost, w, slope(w)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(list(FUNCTIONS)),
    exponent=st.floats(-150, -3),
    beside=st.booleans(),
    method=st.sampled_from(["auto", "plain", "reference"]),
)
def test_right_gradients_never_fail(name, exponent, beside, method):
    cost, w, right = posed(name, exponent, beside)
    assert check(cost, w, right, method=method).verdict != "fail"


@pytest.mark.parametrize("exponent", first_of([-12, -90, -20, -40], 2))
@pytest.mark.parametrize("name", ["log", "log²", "w^-0.5", "sqrt", "w^0.3", "w^1.5", "w log w"])
def test_slopes_of_tiny_arguments_are_certified(name, exponent):
    for beside in (False, True):
        cost, w, right = posed(name, exponent, beside)
        report = check(cost, w, right)
        assert (report.verdict, report.method) == ("pass", "difference")
        for factor in (1.001, -1.0):
            assert check(cost, w, factor * right).verdict == "fail"
        one = right.copy()
        one[np.argmax(np.abs(right))] *= 1.01
        assert check(cost, w, one).verdict == "fail"


@pytest.mark.parametrize("name", ["log", "w^-0.5", "log(1 + 1/w)"])
@pytest.mark.parametrize("exponent", [-20, -90])
def test_steps_below_a_tiny_parameter_tell_its_slope(name, exponent):
    cost, w, right = posed(name, exponent, beside=False)
    report = check(cost, w, right, method="plain")
    assert report.passed
    assert check(cost, w, 2 * right, method="plain").verdict != "pass"


@pytest.mark.parametrize("method", ["auto", "plain"])
@pytest.mark.parametrize("factor", [1.001, 2.0, -1.0, 0.0])
def test_a_smooth_cost_excuses_no_mistake_at_tiny_parameters(factor, method):
    w = np.array([1e-20, 1e-8, 3e-6, 0.0, 0.4])
    right = 2 * np.cos(2 * w)
    for i in range(w.size):
        wrong = right.copy()
        wrong[i] *= factor
        assert check(lambda v: np.sum(np.sin(2 * v)), w, wrong, method=method).verdict == "fail"


@pytest.mark.parametrize(("power", "size"), [(1.5, 1e-290), (2, 1e-170), (4, 1e-90)])
def test_a_cost_that_underflows_to_zero_tells_nothing(power, size):
    w = np.array([1.0, 3.0]) * size
    assert check(lambda v: np.sum(v**power), w, power * w ** (power - 1)).verdict == "inconclusive"
