"""Batch norms whose backward pass uses running statistics: what is said is so, and it is not said of others."""

import numpy as np
import pytest
from explained_claims import evidence_of, graph_of

from fastcheck import check
from fastcheck.diagnosis.detective.searching.other_statistics import KIND, other_statistics

RNG = np.random.default_rng(5)
X, T = RNG.standard_normal((8, 6)), RNG.standard_normal((8, 3))
RUNNING_MEAN, RUNNING_VAR = 0.1 * RNG.standard_normal(3), 1 + RNG.random(3)
THETA = {name: RNG.standard_normal(shape) for name, shape in {"W": (6, 3), "gamma": 3, "beta": 3}.items()}
EPSILON = 1e-5


def cost(p):
    Z = X @ p["W"]
    N = (Z - Z.mean(axis=0)) / np.sqrt(Z.var(axis=0) + EPSILON)
    return np.sum((p["gamma"] * N + p["beta"] - T) ** 2)


def claim(*, mean_of_gamma=True, terms=False, factors=None):
    """The gradient with running statistics in the backward pass of W, and in that of gamma or not."""
    Z = X @ THETA["W"]
    N = (Z - Z.mean(axis=0)) / np.sqrt(Z.var(axis=0) + EPSILON)
    dY = 2 * (THETA["gamma"] * N + THETA["beta"] - T)
    dN = dY * THETA["gamma"]
    of_batch = dN - dN.mean(axis=0) - N * (dN * N).mean(axis=0) if terms else dN
    dZ = of_batch / np.sqrt(RUNNING_VAR + EPSILON) if factors is None else of_batch * factors
    normalised = N if mean_of_gamma else (Z - RUNNING_MEAN) / np.sqrt(RUNNING_VAR + EPSILON)
    return {"W": X.T @ dZ, "gamma": (dY * normalised).sum(axis=0), "beta": dY.sum(axis=0)}


@pytest.mark.parametrize("mean_of_gamma", [True, False])
def test_running_statistics_in_the_backward_pass_are_asked_for(mean_of_gamma):
    report = check(cost, THETA, claim(mean_of_gamma=mean_of_gamma))
    cause = report.causes[0]
    assert cause.kind == KIND
    assert not cause.certain
    assert cause.blocks == ("W",)
    assert cause.sentence.startswith("dW is right for constants in place of mean and variance at line ")
    assert "(Z - Z.mean(axis=0)) / np.sqrt(Z.var(axis=0) + EPSILON)" in cause.sentence
    deviations = np.sqrt((X @ THETA["W"]).var(axis=0) + EPSILON) / np.sqrt(RUNNING_VAR + EPSILON)
    assert all(f"{factor:.6g}" in cause.sentence for factor in deviations)


def test_running_deviations_alone_are_factors_of_columns():
    report = check(cost, THETA, claim(terms=True))
    assert [cause.kind for cause in report.causes] == ["a factor per row or column"]


def test_the_statistics_of_the_batch_as_constants_are_told_as_that():
    deviation = np.sqrt((X @ THETA["W"]).var(axis=0) + EPSILON)
    report = check(cost, THETA, claim(factors=1 / deviation))
    assert all(cause.kind != KIND for cause in report.causes)
    assert "takes mean and variance for constants" in report.causes[0].sentence


@pytest.mark.parametrize("seed", range(20))
def test_random_claims_are_not_explained(seed):
    rng = np.random.default_rng([5, seed])
    graph = graph_of(cost, THETA)
    claims = graph.right() | {"W": rng.standard_normal((6, 3))}
    assert list(other_statistics(evidence_of(graph, THETA, claims), graph, None)) == []
    uneven = claim() | {"W": claim()["W"] * (1 + 0.1 * rng.random((6, 3)))}
    assert list(other_statistics(evidence_of(graph, THETA, uneven), graph, None)) == []
