"""The one-term series: right to the last bits where its condition just holds, not used where it just fails."""

import mpmath
import numpy as np
import pytest

from fastcheck.engines.difference import sweep
from fastcheck.engines.difference.forms import Form
from fastcheck.engines.difference.linear import NEGLIGIBLE, SERIES, to_the_last_bit
from fastcheck.engines.difference.state import Trace

POINTS = np.array([-40.0, -3.0, -1.1, -0.3, -1e-3, 1e-9, 1e-3, 0.3, 0.99, 1.7, 3.0, 35.0])
POSITIVE = {"log", "log2", "log10", "sqrt"}

EXACT = {
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "log2": lambda x: mpmath.log(x, 2),
    "log10": mpmath.log10,
    "log1p": lambda x: mpmath.log(1 + x),
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "arctan": mpmath.atan,
    "arcsinh": mpmath.asinh,
    "expit": lambda x: 1 / (1 + mpmath.exp(-x)),
    "log_expit": lambda x: -mpmath.log(1 + mpmath.exp(-x)),
}


def points(name):
    if name in POSITIVE:
        return np.abs(POINTS)
    return POINTS[POINTS > -1] if name == "log1p" else POINTS


def attempted(name, x, d):
    with Trace(1):
        form = to_the_last_bit(name, [(np.array([x]), Form(np.array([[d]]), (1,)))], (1,))
        return None if form is None else float(form.dense()[0, 0])


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("sign", [1, -1])
def test_series_is_the_difference_where_its_condition_just_holds(name, sign):
    exact = EXACT.get(name) or getattr(mpmath, name)
    for x in points(name):
        d = sign * NEGLIGIBLE * float(np.abs(SERIES[name][1](np.array(x))))
        got = attempted(name, x, d)
        assert got is not None
        with mpmath.workdps(100):
            true = exact(mpmath.mpf(x) + mpmath.mpf(d)) - exact(mpmath.mpf(x))
            assert abs(mpmath.mpf(got) - true) <= 8 * mpmath.mpf(float(np.spacing(abs(float(true)))))


@pytest.mark.parametrize("name", SERIES)
def test_series_is_not_used_where_its_condition_just_fails(name):
    for x in points(name):
        d = NEGLIGIBLE * float(np.abs(SERIES[name][1](np.array(x)))) * (1 + 1e-9)
        assert attempted(name, x, d) is None


def test_no_difference_needs_no_condition():
    assert attempted("square", 0.0, 0.0) == 0.0
    assert attempted("square", 0.0, 1e-200) is None


@pytest.mark.parametrize("exponent", [3, 0.5, -2.5, 1.7])
def test_tiny_and_small_steps_give_the_same_slopes(exponent):
    x = np.array([0.3, 1.5, 2.0, 7.0])

    def cost(p):
        y = p[0]
        return np.sum(np.tanh(y**exponent) * np.sqrt(y) / (1 + y**2) * np.exp(-y))

    tiny, small = 2.0**-80, 1e-5
    slopes = [
        (s.plus - s.minus) / (2 * step)
        for step, s in ((step, sweep(cost, list, [x], 0, np.arange(4), step)) for step in (tiny, small))
    ]
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-7)
