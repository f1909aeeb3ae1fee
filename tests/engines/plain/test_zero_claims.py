"""Claims of zero: right ones of many blocks take a few forward passes together, and wrong ones are found."""

import numpy as np
import pytest

from fastcheck import Verdict, check
from fastcheck.engines.plain.zero_claims import flat_along
from fastcheck.problem.posing import pose

W = np.linspace(-1.1, 0.9, 7)


def with_unused(blocks, influence=lambda p: 0.0):
    """A cost with parameters that nothing reads but ``influence``: the cost, parameters, and the claim."""
    parameters = {"w": W} | {f"unused{k}": np.linspace(0.2, 1.0, 1 + k % 3) for k in range(blocks)}
    claim = {name: np.cos(W) if name == "w" else np.zeros(value.size) for name, value in parameters.items()}
    return lambda p: float(np.sum(np.sin(p["w"]))) + 0.123456789 + influence(p), parameters, claim


INFLUENCES = {
    "a slope of one coordinate": lambda p: 1e-6 * p["unused2"][1],
    "a small slope of one coordinate": lambda p: 1e-9 * p["unused2"][0],
    "a curve": lambda p: 1e-3 * np.sin(p["unused2"][2]),
    "periods of the longest step": lambda p: 1e-3 * np.sin(np.pi * (p["unused2"][2] - 1)),
    "periods of a short step": lambda p: 1e-3 * np.sin(32 * np.pi * (p["unused2"][2] - 1)),
}


@pytest.mark.parametrize("blocks", [1, 5, 60])
def test_parameters_that_nothing_reads_take_a_few_passes_together(blocks):
    cost, parameters, claim = with_unused(blocks)
    report = check(cost, parameters, claim, method="plain")
    assert report.passed
    assert report.forward_passes <= 2 * report.checked + 20


@pytest.mark.parametrize("influence", INFLUENCES)
def test_what_has_a_slope_is_not_called_flat(influence):
    cost, parameters, claim = with_unused(5, INFLUENCES[influence])
    report = check(cost, parameters, claim, method="plain")
    assert report.blocks["unused2"].verdict is Verdict.FAIL
    others = [block.verdict for name, block in report.blocks.items() if name != "unused2"]
    assert set(others) == {Verdict.PASS}


def batch_normalised(seed, blocks):
    """Several layers with a bias before a batch normalisation, whose gradient is zero but for rounding."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((20, 3))
    parameters = {f"b{k}": rng.standard_normal(3) for k in range(blocks)} | {"v": rng.standard_normal(3)}

    def cost(p):
        H = X
        for k in range(blocks):
            Z = np.tanh(H) + p[f"b{k}"]
            H = (Z - Z.mean(axis=0)) / np.sqrt(Z.var(axis=0) + 1e-5)
        return float(np.mean((H @ p["v"] - 1) ** 2))

    H = X
    for _ in range(blocks):
        Z = np.tanh(H)
        H = (Z - Z.mean(axis=0)) / np.sqrt(Z.var(axis=0) + 1e-5)
    claim = {f"b{k}": 1e-17 * rng.standard_normal(3) for k in range(blocks)}
    claim["v"] = H.T @ (2 * (H @ parameters["v"] - 1) / 20)
    return cost, parameters, claim


@pytest.mark.parametrize("seed", range(4))
def test_biases_before_batch_normalisations_take_a_few_passes_together(seed):
    cost, parameters, claim = batch_normalised(seed, 6)
    report = check(cost, parameters, claim, method="plain")
    assert report.passed
    assert report.forward_passes <= 2 * report.checked + 20
    claim["b3"] = claim["b3"] + np.array([0.0, 1e-9, 0.0])
    assert check(cost, parameters, claim, method="plain").blocks["b3"].verdict is Verdict.FAIL


def test_a_direction_tells_how_far_a_cost_is_flat():
    def flat(cost, theta):
        problem = pose(cost, theta, np.zeros(theta.size))
        return flat_along(problem, np.arange(theta.size), 1e-16)

    theta = np.array([0.3, -0.2])
    still = flat(lambda w: 1.234 + 0.0 * w[0], theta)
    assert (still.distance, still.stands_still, still.passes) == (1.0, True, 8)
    near = flat(lambda w: 1.234 + max(abs(w[0]) - 1, 0.0) ** 3 * w[0], theta)
    assert (near.distance, near.stands_still) == (2.0**-5, False)
    assert flat(lambda w: 1.234 + 1e-3 * w[1], theta)[:2] == (0.0, False)
    at_a_border = flat(lambda w: 1.234 if abs(w[0] - 0.3) < 0.5 else np.nan, theta)
    assert (at_a_border.distance, at_a_border.stands_still) == (2.0**-5, False)
