"""What claims tell of the slopes that they were computed from, where samples are fewer than inputs."""

import numpy as np
import pytest
from explained_claims import evidence_of, graph_of

from fastcheck import check
from fastcheck.diagnosis.detective.searching.recovered_slopes import KIND, OF_A_FUNCTION, cause_of_recovered

RNG = np.random.default_rng(29)
INPUTS, SAMPLES, UNITS = 6, 5, 4
X, Y = RNG.standard_normal((INPUTS, SAMPLES)), RNG.standard_normal((UNITS, SAMPLES))
SOME = {"W": RNG.standard_normal((UNITS, INPUTS)), "b": RNG.standard_normal((UNITS, 1))}
LARGEST_ARGUMENT = 1.3
"""Above 1, and where the function is below it: then all rows of functions differ."""

FARTHEST = max((SOME["W"] @ X + SOME["b"]).ravel(), key=abs)
THETA = {name: array * LARGEST_ARGUMENT / FARTHEST for name, array in SOME.items()}


def features_first(p):
    Z = p["W"] @ X + p["b"]
    A = np.arctan(Z)
    return np.sum((A - Y) ** 2) + 0.1 * np.sum(p["W"] ** 2)


def samples_first(p):
    Z = X.T @ p["W"].T + p["b"].T
    A = np.arctan(Z)
    return np.sum((A - Y.T) ** 2) + 0.1 * np.sum(p["W"] ** 2)


def turned(p):
    Z = X.T @ p["W"] + p["b"].T
    A = np.arctan(Z)
    return np.sum((A - Y.T) ** 2) + 0.1 * np.sum(p["W"] ** 2)


COSTS = {"W @ X": (features_first, 1), "X @ W.T": (samples_first, 0), "X @ W": (turned, 0)}
FORMS = pytest.mark.parametrize(("cost", "axis"), COSTS.values(), ids=COSTS)

Z = THETA["W"] @ X + THETA["b"]
A = np.arctan(Z)
DA = 2 * (A - Y)
DZ = DA / (1 + Z**2)


def theta_of(cost):
    return THETA | {"W": THETA["W"].T} if cost is turned else THETA


def claim(cost, dZ):
    """The claim for W from these slopes of Z; that for b is right."""
    dW = dZ @ X.T + 0.2 * THETA["W"]
    return {"W": dW.T if cost is turned else dW, "b": DZ.sum(axis=1, keepdims=True)}


def said(cost, dZ):
    """Return what the claim tells of the slopes; nothing if it tells nothing."""
    graph = graph_of(cost, theta_of(cost))
    found = cause_of_recovered(evidence_of(graph, theta_of(cost), claim(cost, dZ)), graph)
    if found is None:
        return None
    assert found.kind == KIND
    assert not found.certain
    assert found.blocks == ("W",)
    assert [line.text[:3] for line in found.lines] == ["Z ="]
    what, _, said = found.sentence.partition(", that ")
    assert what.startswith("dW fits slopes of line ")
    return said


def times(*factors):
    return DZ * np.array(factors)


@FORMS
def test_lost_samples_are_named(cost, axis):
    some = f"are zero for entries 1 and 3 of axis {axis}, and right for all others"
    assert said(cost, times(1, 0, 1, 0, 1)) == some
    assert (
        said(cost, times(1, 1, 1, 1, 0)) == f"are zero for entry 4 of axis {axis}, and right for all others"
    )


@FORMS
def test_factors_of_samples_are_named(cost, axis):
    some = f"are those that are right times 2 and −0.5 for entries 0 and 4 of axis {axis}, and right for all others"
    assert said(cost, times(2, 1, 1, 1, -0.5)) == some
    every = "are those that are right times 1.5, 2, 3, 4 and 5 for entries 0, 1, 2, 3 and 4"
    assert said(cost, times(1.5, 2, 3, 4, 5)) == f"{every} of axis {axis}"


@FORMS
def test_samples_that_are_wrong_in_another_way_are_named(cost, axis):
    wrong = DZ.copy()
    wrong[:, 2] = np.arange(1.0, UNITS + 1)
    assert said(cost, wrong) == f"are wrong for entry 2 of axis {axis}, and right for all others"


@FORMS
@pytest.mark.parametrize(("name", "instead"), OF_A_FUNCTION)
def test_what_stands_in_for_the_derivative_is_named(cost, axis, name, instead):
    sentence = said(cost, DA * instead(Z, A))
    if name == "1/(1 + z²)":  # the derivative itself
        assert sentence is None
        return
    assert sentence.startswith(f"have {name} in place of the derivative of line ")
    assert "`np.arctan(Z)`, z being its argument and a its result" in sentence


@FORMS
@pytest.mark.parametrize("seed", range(20))
def test_random_claims_and_right_ones_tell_nothing(cost, axis, seed):
    rng = np.random.default_rng([29, seed])
    assert said(cost, rng.standard_normal(DZ.shape)) is None
    graph, theta = graph_of(cost, theta_of(cost)), theta_of(cost)
    random = {name: rng.standard_normal(value.shape) for name, value in theta.items()}
    assert cause_of_recovered(evidence_of(graph, theta, random), graph) is None
    assert said(cost, DZ) is None


def test_nothing_is_recovered_from_more_samples_than_inputs():
    many = RNG.standard_normal((3, 7))

    def cost(p):
        return np.sum(np.arctan(p["W"] @ many))

    W = RNG.standard_normal((4, 3))
    dZ = 1 / (1 + (W @ many) ** 2)
    dZ[:, 2] = 0
    graph = graph_of(cost, {"W": W})
    assert cause_of_recovered(evidence_of(graph, {"W": W}, {"W": dZ @ many.T}), graph) is None


def test_the_report_tells_it_beside_others_where_nothing_explains_all_blocks():
    report = check(features_first, THETA, claim(features_first, DA * np.cos(Z)))
    found = [cause for cause in report.causes if cause.kind == KIND]
    assert len(found) == 1
    assert "have cos z in place of the derivative" in str(report).replace("\n      ", " ")
    report = check(features_first, THETA, claim(features_first, times(1, 0, 1, 1, 1)))
    assert not report.passed
    report = check(features_first, THETA, {name: 2 * g for name, g in claim(features_first, DZ).items()})
    assert all(cause.kind != KIND for cause in report.causes)
