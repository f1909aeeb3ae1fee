"""A check inside the cost: the message names the line of the cost that makes it."""

import numpy as np
import pytest

from fastcheck import check, numerical_gradient
from fastcheck.engines.graph.tracing.tracing_error import TracingError


def inner(p):
    return np.sum(p["w"] ** 2)


def cost(p):
    return np.sum(numerical_gradient(inner, p)["w"])


def test_the_line_of_a_check_inside_the_cost_is_named():
    theta, twos = {"w": np.ones(3)}, {"w": np.full(3, 2.0)}
    with pytest.raises(TracingError) as caught:
        check(cost, theta, twos, method="difference")
    assert caught.value.filename == __file__
    assert "numerical_gradient(inner, p)" in caught.value.source
    assert "test_checks_inside.py" in " ".join(check(cost, theta, twos).notes)
