"""Kinks where digits are lost: verdicts on both sides, by slopes that are certified all the same."""

from __future__ import annotations

import numpy as np
import pytest
from saturated_networks import CONVENTIONS, SaturatedNetwork
from slow import first_of

from fastcheck import check

pytestmark = pytest.mark.verdicts_alone


def networks(count, **options):
    """So many networks, each with a convention."""
    for seed in range(count):
        yield SaturatedNetwork(seed, **options), CONVENTIONS[seed % len(CONVENTIONS)]


@pytest.mark.parametrize("pooled", first_of([True, False]))
@pytest.mark.parametrize("layers", [1, 2])
def test_right_gradients_pass_and_mistakes_fail(layers, pooled):
    for network, at_zero in networks(9, layers=layers, pooled=pooled):
        right = network.gradient(at_zero)
        report = check(network.cost, network.parameters, right)
        assert (report.verdict, report.method) == ("pass", "difference")
        for mistake, wrong in network.mistakes(right):
            assert check(network.cost, network.parameters, wrong).verdict == "fail", mistake


@pytest.mark.parametrize("largest", first_of([20.0, 36.0, 28.0], 2))
def test_right_gradients_never_fail_however_saturated_logits_are(largest):
    certified = 0
    for network, at_zero in networks(30, layers=2, largest=largest):
        report = check(network.cost, network.parameters, network.gradient(at_zero))
        assert report.verdict != "fail"
        certified += report.method == "difference"
    assert certified >= 28


@pytest.mark.parametrize("largest", first_of([28.0, 20.0]))
def test_and_gross_mistakes_fail_there(largest):
    for network, at_zero in networks(30, layers=2, largest=largest):
        right = network.gradient(at_zero)
        wrong = right | {"c": -right["c"]}
        assert check(network.cost, network.parameters, wrong).blocks["c"].verdict == "fail"


def blank_sample_behind_saturation():
    """log(1 + exp(-|z|)) + max(z, 0) - y z of six samples, the first of which is blank, with logits of up to 36."""
    network = SaturatedNetwork(0, loss="log1p")
    network.X, network.Y = np.random.default_rng(0).standard_normal((network.X.shape[0], 6)), np.ones((1, 6))
    network.X[:, 0], network.Y[0, 0] = 0.0, 0.0
    network.shift = np.array([[-19.0, 28.0, 10.0, 18.0, 36.0, 11.0]])
    return network


@pytest.mark.parametrize("at_zero", CONVENTIONS)
def test_a_blank_sample_with_a_slope_of_a_thousandth_of_the_others(at_zero):
    network = blank_sample_behind_saturation()
    right = network.gradient(at_zero)
    assert check(network.cost, network.parameters, right).method == "difference"
    assert check(network.cost, network.parameters, right).verdict != "fail"
    for name in ("V", "c"):
        wrong = right | {name: 1.001 * right[name]}
        assert check(network.cost, network.parameters, wrong).blocks[name].verdict == "fail"
