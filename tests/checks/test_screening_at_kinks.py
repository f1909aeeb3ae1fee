"""Screening where θ stands on kinks: any claim between the slopes is right, and kinks hide no mistake elsewhere."""

import math

import numpy as np
import pytest
from slow import first_of

import fastcheck
from fastcheck import Verdict, screen

pytestmark = pytest.mark.verdicts_alone

SEEDS = range(5)


@pytest.mark.parametrize("method", ["difference", "plain"])
@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_any_claim_between_the_slopes_is_right(at_zero, method):
    rng = np.random.default_rng(0)
    X, t = rng.standard_normal((20, 5)), rng.standard_normal(20)
    X[0] = 0  # with a bias of zero, this sample lies on the kink

    def cost(p):
        return np.sum((np.maximum(X @ p["w"] + p["b"], 0) - t) ** 2)

    p = {"w": rng.standard_normal(5), "b": np.zeros(1)}
    z = X @ p["w"]
    d = 2 * (np.maximum(z, 0) - t) * np.where(z == 0, at_zero, z > 0)
    gradients = {"w": X.T @ d, "b": np.array([d.sum()])}
    for seed in SEEDS:
        report = screen(cost, p, gradients, seed=seed, method=method)
        assert report.passed or (method == "plain" and report.verdict is Verdict.INCONCLUSIVE)
        assert (report.blocks["b"].screened.kinked > 0) is (method == "plain")
        assert report.blocks["w"].screened.kinked == 0
    gradients["b"] = gradients["b"] + 2 * abs(2 * t[0])
    assert screen(cost, p, gradients, method=method).blocks["b"].verdict is Verdict.FAIL


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_many_kinks_at_the_point_are_no_mistake(at_zero):
    """All weights zero: every unit of every sample lies on its kink, and pushes either way."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 40)), rng.standard_normal(40)
    p = {"W": np.zeros((8, 20)), "b": np.zeros((8, 1)), "v": rng.standard_normal(8)}

    def cost(p):
        return np.mean((p["v"] @ np.maximum(p["W"] @ X + p["b"], 0) - y) ** 2)

    dZ = np.outer(p["v"], -2 * y / 40) * at_zero
    gradients = {"W": dZ @ X.T, "b": dZ.sum(axis=1, keepdims=True), "v": np.zeros(8)}
    for seed in SEEDS:
        report = screen(cost, p, gradients, seed=seed)
        assert report.verdict is not Verdict.FAIL
        for block in report.blocks.values():
            assert (block.cause is None) == (block.verdict is Verdict.PASS)


def absolute_values(seed, shape, zeros):
    """Σ|θ| with some zeros in one row: cost, θ, and the claim that takes ``at_zero`` there."""
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal(shape)
    theta[rng.integers(shape[0]), :zeros] = 0

    def claim(at_zero):
        return np.where(theta == 0, at_zero, np.sign(theta))

    return lambda t: np.sum(np.abs(t)), theta, claim


@pytest.mark.parametrize("seed", first_of(SEEDS, 2))
@pytest.mark.parametrize("shape", [(60, 50), (100, 90)])
@pytest.mark.parametrize("zeros", [1, 25, 50])
def test_kinks_hide_no_mistake_elsewhere(shape, zeros, seed):
    cost, theta, claim = absolute_values(seed, shape, zeros)
    for at_zero in (0.0, 0.5, -1.0, 1.0):
        report = screen(cost, theta, claim(at_zero), seed=seed)
        assert (report.verdict, report.method) == (Verdict.PASS, "difference")
        assert report.blocks["theta"].screened.relative_bound < 1e-11
        for off in (0.5, 1e-5):
            wrong = claim(at_zero)
            row = np.flatnonzero((theta != 0).all(axis=1))[0]
            wrong[row, 7] += off
            assert screen(cost, theta, wrong, seed=seed).verdict is Verdict.FAIL
    assert screen(cost, theta, claim(1.5), seed=seed).verdict is Verdict.FAIL


def test_kinks_in_plain_evaluation():
    """A small block is checked coordinate by coordinate; of a large one, nothing is said that is not known."""

    def along(cost, theta, claim):
        return screen(cost, theta, claim, method="plain")

    cost, theta, claim = absolute_values(0, (4, 200), 150)
    report = along(cost, theta, claim(0.5))
    assert report.passed
    assert report.blocks["theta"].checked == 800
    wrong = claim(0.5)
    wrong[theta != 0] += np.where(np.arange((theta != 0).sum()) == 11, 1e-6, 0)
    for look in (along, screen):
        assert look(cost, theta, wrong).verdict is Verdict.FAIL
    cost, theta, claim = absolute_values(0, (100, 200), 150)
    report = along(cost, theta, claim(0.5))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.blocks["theta"].cause.startswith("kink: directions in theta meet kinks at θ")
    assert report.blocks["theta"].screened.bound == math.inf
    assert screen(cost, theta, claim(0.5)).passed
    for look in (along, screen):
        assert look(cost, theta, -claim(0.5)).verdict is Verdict.FAIL


def planted_kinks(seed, sizes, samples):
    """Return a ReLU network with pre-activations that are exactly zero: cost, parameters, claims by ReLU'(0)."""
    rng = np.random.default_rng(seed)
    parameters, A = {}, rng.standard_normal((sizes[0], samples))
    A[:, rng.integers(samples)] = 0
    X = A
    for k in range(1, len(sizes)):
        parameters[f"W{k}"] = rng.standard_normal((sizes[k], sizes[k - 1]))
        parameters[f"b{k}"] = 0.1 * rng.standard_normal((sizes[k], 1)) * (rng.random((sizes[k], 1)) < 0.7)
        if rng.random() < 0.5:
            parameters[f"W{k}"][rng.integers(sizes[k])] = 0
    t = rng.standard_normal((sizes[-1], samples))
    layers = range(1, len(sizes))

    def forward(p):
        A, kept = X, [(X, None)]
        for k in layers:
            Z = p[f"W{k}"] @ A + p[f"b{k}"]
            A = np.maximum(Z, 0) if k < layers[-1] else Z
            kept.append((A, Z))
        return kept

    def cost(p):
        return np.mean((forward(p)[-1][0] - t) ** 2)

    def backward(at_zero):
        kept, gradients = forward(parameters), {}
        dZ = 2 * (kept[-1][0] - t) / t.size
        for k in reversed(layers):
            gradients[f"W{k}"] = dZ @ kept[k - 1][0].T
            gradients[f"b{k}"] = dZ.sum(axis=1, keepdims=True)
            if k > 1:
                Z = kept[k - 1][1]
                dZ = (parameters[f"W{k}"].T @ dZ) * np.where(Z == 0, at_zero, Z > 0)
        return gradients

    return cost, parameters, backward


@pytest.mark.parametrize("seed", first_of(range(12), 4))
def test_networks_with_planted_zeros(seed):
    """Right claims pass, and one coordinate off never does."""
    rng = np.random.default_rng(seed)
    sizes = (*rng.integers(3, 12, rng.integers(2, 4)).tolist(), 2)
    cost, parameters, backward = planted_kinks(seed, sizes, int(rng.integers(3, 9)))
    for at_zero in (0.0, 0.5, 1.0):
        gradients = backward(at_zero)
        assert screen(cost, parameters, gradients, seed=seed).passed
        for name, value in gradients.items():
            away = np.flatnonzero(backward(0.0)[name] == backward(1.0)[name])
            wrong = gradients | {name: value.copy()}
            if away.size:
                wrong[name].flat[rng.choice(away)] += 1e-5 * max(1.0, np.abs(value).max())
            else:
                wrong[name].flat[rng.integers(value.size)] += 30 * max(1.0, np.abs(value).max())
            assert not screen(cost, parameters, wrong, seed=seed).passed


@pytest.mark.parametrize("rows", [2, 40])
def test_a_subgradient_of_a_norm_at_zero_passes_as_in_a_check(rows):
    Z = np.random.default_rng(0).standard_normal((rows, 3))
    Z[-1] = 0
    right = Z / np.linalg.norm(np.where(Z == 0, 1, Z), axis=1, keepdims=True)
    right[-1] = [0.6, 0, -0.8]

    def cost(p):
        return np.sum(np.linalg.norm(p["Z"], axis=1))

    for look in (fastcheck.check, fastcheck.screen, fastcheck.locate):
        assert look(cost, {"Z": Z}, {"Z": right}).verdict == "pass"
        wrong = right.copy()
        wrong[0, 1] += 1e-3
        assert look(cost, {"Z": Z}, {"Z": wrong}).verdict == "fail"
