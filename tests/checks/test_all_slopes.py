"""Bounds on the errors of blocks of which all slopes are certified."""

import numpy as np
import pytest

from fastcheck import screen
from fastcheck.engines.graph.certificate import Certificate

THETA = {"a": np.linspace(1, 2, 9), "b": np.linspace(-1, 3, 7)}
CLAIM = {"a": 2 * THETA["a"], "b": 3 * THETA["b"] ** 2}


def cost(p):
    return np.sum(p["a"] ** 2) + np.sum(p["b"] ** 3)


def bounds(**options):
    report = screen(cost, THETA, CLAIM, method="difference", **options)
    return {name: block.screened.bound for name, block in report.blocks.items()}


def test_a_block_has_the_bound_that_the_certificate_leaves_open_in_it(monkeypatch):
    monkeypatch.setattr(Certificate, "error_in", lambda _, number: (0.0, 7.0)[number])
    of_blocks = bounds(alpha=1e-3, confidence=0.999)
    assert of_blocks["a"] < 1e-10
    assert of_blocks["b"] == pytest.approx(7.0)


def test_a_bound_holds_with_the_confidence_asked_for_whatever_the_certificate_does():
    certain, usual = bounds(alpha=1e-9, confidence=1 - 1e-9), bounds(alpha=1e-9, confidence=0.9)
    same = bounds(alpha=1e-2, confidence=0.9)
    for name in THETA:
        assert certain[name] > usual[name]
        assert same[name] == pytest.approx(usual[name], rel=1e-9)


def test_a_block_that_is_zero_but_for_rounding_is_bounded_by_the_largest():
    """As the biases before a batch normalisation: the certificate knows them no better than the others."""
    rng = np.random.default_rng(0)
    X, target = rng.standard_normal((6, 5)), rng.standard_normal((4, 5))
    theta = {"W": rng.standard_normal((4, 6)), "b": rng.standard_normal((4, 1))}

    def normalised(p):
        z = p["W"] @ X + p["b"]
        z = z - z.mean(axis=1, keepdims=True)
        return np.sum((z / np.sqrt((z**2).mean(axis=1, keepdims=True)) - target) ** 2)

    def gradients(p):
        z = p["W"] @ X - (p["W"] @ X).mean(axis=1, keepdims=True)
        size = np.sqrt((z**2).mean(axis=1, keepdims=True))
        out = z / size
        d = 2 * (out - target)
        d = d - d.mean(axis=1, keepdims=True) - out * (d * out).mean(axis=1, keepdims=True)
        return {"W": d / size @ X.T, "b": np.zeros((4, 1))}

    report = screen(normalised, theta, gradients(theta), alpha=1e-3, confidence=0.999)
    assert report.passed
    relative, of_largest = float(report.certified.split()[3]), np.linalg.norm(gradients(theta)["W"])
    assert report.blocks["b"].screened.bound > 0.5 * relative * of_largest
