"""Plain evaluation where noise may hide a kink at θ, or where several kinks lie behind one another."""

from __future__ import annotations

import numpy as np
import pytest
from saturated_networks import CONVENTIONS, SaturatedNetwork

from fastcheck import check

pytestmark = pytest.mark.verdicts_alone


def noisy(cost, noise):
    """The cost, with a rounding error of this size that depends on the parameters."""
    return lambda v: cost(v) + noise * np.sin(1e14 * np.sum(v))


def beside_a_kink(size):
    """A cost with a kink at 0 whose slopes are 0 and ``size``, and a noise of 1e-16; θ; and the other slope."""
    cost = noisy(lambda v: size * max(v[0], 0.0) + 1e-7 * np.sin(v[1]), 1e-16)
    return cost, np.array([0.0, 0.3]), 1e-7 * np.cos(0.3)


@pytest.mark.parametrize("size", [1.5e-10, 2e-10, 5e-10])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_claim_of_either_side_of_a_kink_that_noise_hides_is_not_wrong(share, size):
    cost, x, other = beside_a_kink(size)
    for tolerance in (1e-7, 1e-5):
        claim = np.array([share * size, other])
        assert check(cost, x, claim, method="plain", tolerance=tolerance).verdict != "fail"


@pytest.mark.parametrize("size", [1.5e-10, 2e-10, 5e-10])
@pytest.mark.parametrize("share", [-1.0, 1.5, 2.0])
def test_a_claim_beyond_both_sides_is(share, size):
    cost, x, other = beside_a_kink(size)
    assert check(cost, x, np.array([share * size, other]), method="plain").verdict == "fail"


@pytest.mark.parametrize("factor", [-1.0, 2.0])
def test_mistakes_above_the_noise_fail_all_the_same(factor):
    x = np.array([0.0, 0.3])

    def cost(v):
        return 1e-7 * v[0] + 1e-7 * np.sin(v[1])

    right = np.array([1e-7, 1e-7 * np.cos(0.3)])
    for i in range(2):
        wrong = right.copy()
        wrong[i] *= factor
        assert check(noisy(cost, 1e-16), x, wrong, method="plain").verdict == "fail"


@pytest.mark.parametrize("largest", [8.0, 30.0])
@pytest.mark.parametrize("layers", [1, 2])
def test_right_gradients_of_saturated_networks_with_blank_samples_never_fail(layers, largest):
    for seed in range(24):
        network = SaturatedNetwork(seed, layers=layers, largest=largest)
        right = network.gradient(CONVENTIONS[seed % 3])
        assert check(network.cost, network.parameters, right, method="plain").verdict != "fail", seed


@pytest.mark.parametrize("layers", [1, 2])
def test_mistakes_in_them_fail(layers):
    for seed in range(8):
        network = SaturatedNetwork(seed, layers=layers)
        for mistake, wrong in network.mistakes(network.gradient(CONVENTIONS[seed % 3])):
            report = check(network.cost, network.parameters, wrong, method="plain")
            assert report.verdict == "fail", (seed, mistake)


def two_layers_of_zeros(seed):
    """v·relu(W2 relu(b1) + b2) at b1 = b2 = 0, and its slopes by a backward pass that takes 1 for ReLU'(0)."""
    rng = np.random.default_rng(seed)
    W2, v = rng.standard_normal((3, 4)), rng.standard_normal(3)

    def cost(p):
        return v @ np.maximum(W2 @ np.maximum(p["b1"], 0) + p["b2"], 0) + np.sum(np.sin(p["c"]))

    right = {"b1": W2.T @ v, "b2": v, "c": np.ones(2)}
    return cost, {"b1": np.zeros(4), "b2": np.zeros(3), "c": np.zeros(2)}, right


@pytest.mark.parametrize("seed", range(12))
def test_a_choice_at_kinks_behind_kinks_is_undecided_at_worst(seed):
    cost, theta, right = two_layers_of_zeros(seed)
    assert check(cost, theta, right, method="plain").verdict != "fail"
    assert check(cost, theta, right, method="difference").passed
    far_off = right | {"b1": right["b1"] + 1e3}
    assert check(cost, theta, far_off, method="plain").blocks["b1"].verdict == "fail"
    beside = right | {"c": 1.001 * right["c"]}
    assert check(cost, theta, beside, method="plain").blocks["c"].verdict == "fail"
