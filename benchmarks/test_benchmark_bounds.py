"""The measurement of bounds: the truth, and the page."""

import numpy as np
import pytest

from benchmarks.bounds import measure, table, truth
from benchmarks.exact_numpy import NUMBER as EXACT_NUMBER
from benchmarks.zoo.families import build


def test_the_truth_is_that_of_the_textbook():
    case = build("course", 0)
    first, second = truth.true_gradient(case.network, case.parameters)
    claimed = case.backward(case.parameters)
    expected = np.concatenate([claimed[name].ravel() for name in case.parameters])
    assert np.allclose(first, expected, rtol=1e-10, atol=1e-13)
    assert np.all(np.abs(second) <= np.spacing(np.abs(first)))
    assert second.any()


def test_a_wrong_backward_pass_is_no_truth():
    network = build("course", 0).network
    right = network.backward
    network.backward = lambda p: {name: g * (1 + EXACT_NUMBER(1e-20)) for name, g in right(p).items()}
    with pytest.raises(AssertionError, match="along a direction"):
        truth.true_gradient(network, network.parameters)


def test_the_page():
    measured = measure.measure(["course"], [0], ["float64", "computed in float32"])
    page = table.page(measured)
    assert "2 cases of 1 families" in page
    assert page.count("| plain | float64 | 0.01 | 47 | ") == 1
    assert "| difference | computed in float32" not in page
