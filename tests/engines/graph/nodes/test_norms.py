"""Roots that are norms of vectors of zeros: recognised as people write them, with rules that agree with each other."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from fastcheck import Verdict, check
from fastcheck.engines.graph.nodes.lengths import Norm
from fastcheck.engines.graph.nodes.node import Leaf

X = np.array([[0.0, 0.0, 0.0], [1.0, -2.0, 2.0]])
UNIT = np.array([[0.6, 0.0, -0.8], [1 / 3, -2 / 3, 2 / 3]])

WAYS = {
    "norm": lambda x: np.linalg.norm(x, axis=1),
    "sqrt of squares": lambda x: np.sqrt(np.sum(x**2, axis=1)),
    "sqrt of products": lambda x: np.sqrt((x * x).sum(1)),
    "sqrt(square)": lambda x: np.sqrt(np.sum(np.square(x), axis=-1, keepdims=True)),
    "power of a half": lambda x: np.sum(x**2, axis=1) ** 0.5,
    "einsum": lambda x: np.sqrt(np.einsum("ij,ij->i", x, x)),
    "rows": lambda x: np.stack([np.sqrt(x[0] @ x[0]), np.sqrt(x[1].dot(x[1]))]),
    "terms": lambda x: np.sqrt(x[:, 0] ** 2 + x[:, 1] ** 2 + x[:, 2] ** 2),
    "mean": lambda x: np.sqrt(3) * np.sqrt(np.mean(x**2, axis=1)),
    "hypot": lambda x: np.hypot(np.hypot(x[:, 0], x[:, 1]), x[:, 2]),
    "transposed": lambda x: np.sqrt(np.sum(x.T**2, axis=0)).reshape(2, 1),
    "differences": lambda x: np.sqrt(np.sum((x[:, None] - x[:1]) ** 2, axis=-1)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_norm_of_zeros_as_people_write_it(way):
    weights = np.array([2.0, 1.0])

    def cost(p):
        return np.sum(np.reshape(WAYS[way](p["x"]), (-1,)) * weights)

    def claim(first):
        found = weights[:, None] * np.where(X == 0, np.reshape(first, (1, 3)), UNIT)
        if way == "differences":  # of each row and the first
            found = np.array([weights[1] * -UNIT[1], weights[1] * UNIT[1]])
        return {"x": found}

    for first, verdict in (
        ([0.0, 0.0, 0.0], Verdict.PASS),
        (UNIT[0], Verdict.PASS),
        ([0.9, 0.9, 0.9], Verdict.FAIL),
    ):
        report = check(cost, {"x": X}, claim(first))
        assert report.method == "difference"
        if way != "differences":
            assert report.verdict is verdict
        else:
            assert report.passed


def test_a_root_of_zero_that_is_no_norm_is_left_to_other_engines():
    report = check(
        lambda p: np.sum(np.sqrt(p["x"] * 1.0)) + np.sum(p["x"]), {"x": np.array([4.0])}, {"x": [1.25]}
    )
    assert report.passed
    vectors = {"x": np.zeros(2), "y": np.zeros(2)}
    claim = {"x": np.zeros(2), "y": np.zeros(2)}
    report = check(lambda p: np.sum(np.sqrt(p["x"] ** 2 * p["y"] ** 2)), vectors, claim)
    assert report.method != "difference"


def test_the_difference_of_a_norm_is_exact_however_large_or_small_the_step():
    rng = np.random.default_rng(0)
    x = np.vstack([np.zeros(3), rng.standard_normal((3, 3))])
    node = Norm(np.linalg.norm(x, axis=1), (Leaf(x),))
    for step in (1e3, 1.0, 1e-3, 1e-9, 1e-24):
        move = step * rng.standard_normal((2, 4, 3))
        found = node.difference([move], 2)
        with mpmath.workdps(60):
            for k in range(2):
                for i in range(4):
                    start = mpmath.sqrt(sum(mpmath.mpf(v) ** 2 for v in x[i]))
                    end = mpmath.sqrt(
                        sum(
                            (mpmath.mpf(v) + mpmath.mpf(d)) ** 2
                            for v, d in zip(x[i], move[k, i], strict=True)
                        )
                    )
                    assert float(abs((end - start) - found[k, i])) <= 1e-13 * np.abs(move[k, i]).sum()


def test_the_rules_of_a_norm_agree():
    rng = np.random.default_rng(1)
    x, slope, move = rng.standard_normal((4, 3)), rng.standard_normal(4), rng.standard_normal((2, 4, 3))
    node = Norm(np.linalg.norm(x, axis=1), (Leaf(x),))
    tangent = node.tangent([move], 2)
    np.testing.assert_allclose(
        (tangent * slope).sum(1), (node.backward(slope)[0] * move).sum((1, 2)), rtol=1e-13
    )
    np.testing.assert_allclose(node.difference([2.0**-60 * move], 2) * 2.0**60, tangent, rtol=1e-13)
    assert not node.kinked([move])
    assert Norm(np.zeros(1), (Leaf(np.zeros((1, 3))),)).kinked([move[:, :1]])
