"""Networks that stand on kinks: backward passes with any convention pass, scaled and mixed ones fail."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks_at_kinks import CONVENTIONS, RELU, Choices, Network
from slow import first_of

from fastcheck import Verdict, check

pytestmark = pytest.mark.verdicts_alone


def judged(cost, parameters, claim, **options):
    report = check(cost, parameters, claim, **options)
    assert report.method == "difference"
    return report


def arrays(claim):
    return {name: np.asarray(value, dtype=float) for name, value in claim.items()}


# --- networks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("relu", first_of(RELU, len(RELU) // 2))
@pytest.mark.parametrize("how", CONVENTIONS)
def test_networks_pass_with_every_convention(relu, how):
    for seed, (layers, pooled, l1) in enumerate(
        [(1, False, 0.3), (2, False, 0.0), (2, True, 0.0), (3, False, 0.1)]
    ):
        network = Network(seed, relu, layers, pooled, l1)
        claim = network.gradients(Choices(how, np.random.default_rng(seed)))
        report = judged(network.cost, network.parameters, claim)
        assert report.passed
        if how in ("first", "last", "split") or layers == 1:
            assert any("and one choice there gives all of the claim" in note for note in report.notes)


@pytest.mark.parametrize("pooled", [False, True])
def test_weights_and_biases_that_choose_differently_fail(pooled):
    """Unless a bias alone stands on the kinks: then the choices are the same for the weights."""
    failed = 0
    for seed in range(12):
        network = Network(seed, "maximum(z, 0)", 1, pooled)
        one, other = (network.gradients(Choices(how, np.random.default_rng(0))) for how in ("first", "last"))
        mixed = judged(network.cost, network.parameters, one | {"b0": other["b0"]})
        if mixed.passed:
            assert any("and one choice there gives all of the claim" in note for note in mixed.notes)
        failed += mixed.verdict is Verdict.FAIL
    assert failed >= 8


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    relu=st.sampled_from(list(RELU)),
    layers=st.integers(1, 3),
    pooled=st.booleans(),
    l1=st.sampled_from([0.0, 0.3]),
    how=st.sampled_from(CONVENTIONS),
)
def test_right_subgradients_pass_and_scaled_ones_fail(seed, relu, layers, pooled, l1, how):
    """Random choices behind other kinks may stay open: they are never called wrong."""
    network = Network(seed, relu, layers, pooled, l1)
    claim = network.gradients(Choices(how, np.random.default_rng(seed)))
    verdict = judged(network.cost, network.parameters, claim).verdict
    assert verdict is Verdict.PASS or (
        layers > 1 and how.startswith("per") and verdict is Verdict.INCONCLUSIVE
    )
    if any(np.abs(part).max() > 1e-9 for part in claim.values()):
        scaled = {name: 3.0 * part for name, part in claim.items()}
        assert judged(network.cost, network.parameters, scaled).verdict is Verdict.FAIL


def blank_sample(units=40, samples=20, stacked=False, zero=None):
    """A network with zero biases that sees a blank sample: cost, parameters, and a backward pass.

    All weights ``zero`` are zero.
    """
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((samples, 30)), rng.integers(0, 4, samples)
    X[3] = 0
    sizes = [30, units, *([units] if stacked else []), 4]
    parameters = {}
    for k, (n, m) in enumerate(itertools.pairwise(sizes)):
        parameters |= {f"W{k}": rng.standard_normal((n, m)) / np.sqrt(n), f"b{k}": np.zeros(m)}
    if zero is not None:
        parameters[zero][:] = 0
    last = len(sizes) - 2

    def forward(p):
        A, kept = X, []
        for k in range(last + 1):
            Z = A @ p[f"W{k}"] + p[f"b{k}"]
            kept.append((A, Z))
            A = np.maximum(Z, 0)
        return kept, Z - Z.max(axis=1, keepdims=True)

    def cost(p):
        Z = forward(p)[1]
        return -np.mean((Z - np.log(np.exp(Z).sum(axis=1, keepdims=True)))[np.arange(samples), y])

    def gradients(at_zero):
        kept, Z = forward(parameters)
        d = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
        d[np.arange(samples), y] -= 1
        d, found = d / samples, {}
        for k in range(last, -1, -1):
            found |= {f"W{k}": kept[k][0].T @ d, f"b{k}": d.sum(axis=0)}
            if k:
                Z = kept[k - 1][1]
                d = d @ parameters[f"W{k}"].T * np.where(Z == 0, at_zero, Z > 0)
        return found

    return cost, parameters, gradients


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("method", ["auto", "difference"])
def test_a_blank_sample_with_zero_biases(method, stacked):
    cost, parameters, gradients = blank_sample(stacked=stacked)
    for at_zero in (0.0, 0.3, 0.5, 1.0):
        report = judged(cost, parameters, gradients(at_zero), method=method)
        assert report.passed
        assert report.forward_passes < 60


@pytest.mark.parametrize("stacked", [False, True])
def test_a_mistake_beside_hundreds_of_kinks_is_found(stacked):
    cost, parameters, gradients = blank_sample(units=300, stacked=stacked)
    for at_zero in (0.0, 1.0):
        claim = gradients(at_zero)
        place = np.unravel_index(np.argmax(np.abs(claim["W0"])), claim["W0"].shape)
        claim["W0"][place] *= 1 + 1e-5
        report = judged(cost, parameters, claim)
        assert report.blocks["W0"].wrong == 1
        assert report.blocks["W0"].worst[0].index == place
        assert [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL] == ["W0"]


def test_a_mistake_in_a_coordinate_at_a_kink_is_found_if_no_choice_gives_it():
    cost, parameters, gradients = blank_sample()
    claim = gradients(0.5)
    place = np.argmax(np.abs(gradients(1.0)["b0"] - gradients(0.0)["b0"]))
    claim["b0"][place] += 2 * (gradients(1.0)["b0"] - gradients(0.0)["b0"])[place]
    report = judged(cost, parameters, claim)
    assert report.blocks["b0"].wrong == 1
    assert report.blocks["b0"].worst[0].index == (place,)


@pytest.mark.parametrize("zeros", [10, 100])
def test_a_sort_of_many_zeros_in_any_order(zeros):
    """An unstable sort may leave equal entries in any order; all with the slope of the first is none."""
    rng = np.random.default_rng(zeros)
    x, factors = rng.standard_normal(2 * zeros), rng.standard_normal(2 * zeros)
    x[::2] = 0
    right = np.empty(2 * zeros)
    right[np.argsort(x, kind="stable")] = factors

    def cost(p):
        return np.sum(factors * np.sort(p["x"]))

    places = np.flatnonzero(x == 0)
    permuted, first = right.copy(), right.copy()
    permuted[places], first[places] = right[rng.permutation(places)], right[places[0]]
    for claim in (right, permuted):
        report = judged(cost, {"x": x}, {"x": claim})
        assert report.passed
        assert "and one choice there gives all of the claim" in report.notes[0]
    assert judged(cost, {"x": x}, {"x": first}).verdict is Verdict.FAIL


def test_choices_of_their_own_for_each_of_many_entries():
    rng = np.random.default_rng(0)
    factors, x = rng.standard_normal((60, 50)), rng.standard_normal((60, 50))
    x[rng.random(x.shape) < 0.7] = 0

    def cost(p):
        return np.sum(factors * np.maximum(p["x"], 0)) + 0.3 * np.sum(np.abs(p["x"]))

    for part in (rng.integers(0, 2, x.shape), rng.random(x.shape)):
        claim = factors * np.where(x == 0, part, x > 0) + 0.3 * np.where(x == 0, 2 * part - 1, np.sign(x))
        report = judged(cost, {"x": x}, {"x": claim})
        assert report.passed
        assert "and one choice there gives all of the claim" in report.notes[0]


def test_where_no_choice_gives_the_claim_the_nearest_is_near():
    """One of many columns of equal entries gets too much: the others are not called wrong."""
    x = np.ones((4, 50))
    shares = np.random.default_rng(1).dirichlet(np.ones(4), 50).T
    shares[:, 7] = 1.0
    report = judged(lambda p: np.sum(p["x"].max(axis=0)), {"x": x}, {"x": shares})
    assert report.notes[0].startswith("no choice at the 50 kinks")
    assert report.blocks["x"].wrong == 4
    assert {coordinate.index[1] for coordinate in report.blocks["x"].worst[:4]} == {7}


def test_a_shift_before_a_softmax_is_no_kink():
    """The largest of equal scores is subtracted, and makes no difference but rounding."""
    cost, parameters, gradients = blank_sample()
    report = judged(cost, parameters, gradients(0.0))
    assert "40 coordinates are at kinks" in report.notes[0]
    assert " max in line " not in report.notes[0]


@pytest.mark.parametrize("zero", ["W0", "W1", "W2"])
def test_a_layer_of_zero_weights(zero):
    cost, parameters, gradients = blank_sample(units=8, samples=6, stacked=True, zero=zero)
    for at_zero in (0.0, 0.5, 1.0):
        claim = gradients(at_zero)
        assert judged(cost, parameters, claim).passed
        largest = max(claim, key=lambda name: np.abs(claim[name]).max())
        claim[largest] = -claim[largest]
        assert judged(cost, parameters, claim).verdict is Verdict.FAIL
