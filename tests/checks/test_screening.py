"""Screening where all slopes are found at once: mistakes, right gradients, bounds."""

import functools
import math

import numpy as np
import pytest
from softmax_network import network

from benchmarks.zoo.families import FAMILIES, build
from fastcheck import Verdict, check, screen

pytestmark = pytest.mark.verdicts_alone

SEEDS = range(5)


LARGE = (784, 300, 10)


def planted(make, block, mistake, seed):
    cost, parameters, gradients = make()
    wrong = {name: value.copy() for name, value in gradients.items()}
    mistake(wrong, block, parameters, np.random.default_rng(seed))
    return cost, parameters, wrong


def missing_l2(wrong, block, parameters, rng):
    wrong[block] -= 0.3 / 24 * parameters[block]


def times(factor):
    def mistake(wrong, block, parameters, rng):
        wrong[block] *= factor

    return mistake


def zero(wrong, block, parameters, rng):
    wrong[block][:] = 0


def row_negated(wrong, block, parameters, rng):
    wrong[block][rng.integers(len(wrong[block]))] *= -1


def rows_swapped(wrong, block, parameters, rng):
    one, other = rng.choice(len(wrong[block]), 2, replace=False)
    wrong[block][[one, other]] = wrong[block][[other, one]]


def coordinate_zeroed(wrong, block, parameters, rng):
    wrong[block].flat[rng.integers(wrong[block].size)] = 0


def coordinate_off(wrong, block, parameters, rng):
    wrong[block].flat[rng.integers(wrong[block].size)] += 1e-9 * np.linalg.norm(wrong[block])


MISTAKES = {
    "L2 missing": ("W1", missing_l2),
    "times 1.01": ("W2", times(1.01)),
    "the last bias zero": ("b", zero),
    "a row negated": ("W1", row_negated),
    "two rows swapped": ("W1", rows_swapped),
    "a coordinate zeroed": ("W1", coordinate_zeroed),
    "times 1.000001": ("W1", times(1.000001)),
    "the last bias times 1.000001": ("b", times(1.000001)),
    "a coordinate of W1 off by 1e-9 of the norm": ("W1", coordinate_off),
    "a coordinate of b1 off by 1e-9 of the norm": ("b1", coordinate_off),
    "a coordinate of W2 off by 1e-9 of the norm": ("W2", coordinate_off),
}


def blamed(make, block, mistake, seed):
    cost, parameters, wrong = planted(make, block, mistake, seed)
    report = screen(cost, parameters, wrong, seed=seed)
    assert report.method == "difference"
    return {name for name, one in report.blocks.items() if one.verdict is Verdict.FAIL}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found_in_their_block(mistake):
    block, how = MISTAKES[mistake]
    block = block if block != "b" else "b3"
    for seed in SEEDS:
        assert blamed(network, block, how, seed) == {block}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found_in_a_large_network(mistake):
    block, how = MISTAKES[mistake]
    block = block if block != "b" else "b2"
    for seed in range(20):
        assert blamed(functools.partial(network, LARGE, 24), block, how, seed) == {block}


@pytest.mark.parametrize("sizes", [(40, 30, 10, 6), LARGE])
def test_a_right_gradient_is_right_to_1e_12(sizes):
    report = screen(*network(sizes))
    assert report.verdict is Verdict.PASS
    assert report.checked == report.size
    assert report.difference < 1e-14
    for block in report.blocks.values():
        assert block.screened.relative_bound <= 1e-12
        assert block.screened.directions == 4
        assert block.wrong == 0
    assert report.forward_passes < 60


@pytest.mark.parametrize("family", FAMILIES)
def test_right_gradients_of_the_zoo(family):
    for seed in SEEDS:
        case = build(family, seed)
        gradients = case.backward(case.parameters)
        report = screen(case.cost, case.parameters, gradients, seed=seed)
        assert (report.verdict, report.method) == (Verdict.PASS, "difference")
    assert screen(case.cost, case.parameters, gradients, method="plain").verdict is not Verdict.FAIL


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_thousand_right_gradients(family):
    for seed in range(60):
        case = build(family, seed)
        claim = case.backward(case.parameters)
        assert screen(case.cost, case.parameters, claim, seed=seed).verdict is Verdict.PASS


@pytest.mark.parametrize("method", ["difference", "plain"])
def test_bounds_hold_where_the_truth_is_known(method):
    """Against a gradient in extended precision: the claim's error is never above its bound."""
    for family in ("L2", "trained", "deep sigmoid", "saturated"):
        for seed in SEEDS:
            case = build(family, seed)
            claimed = case.backward(case.parameters)
            truth = case.backward({k: v.astype(np.longdouble) for k, v in case.parameters.items()})
            report = screen(case.cost, case.parameters, claimed, seed=seed, method=method)
            for name, block in report.blocks.items():
                error = float(np.sqrt(np.sum((claimed[name] - truth[name]) ** 2)))
                size = float(np.sqrt(np.sum(truth[name] ** 2)))
                assert error <= block.screened.bound
                assert size == 0 or error <= block.screened.relative_bound * size


@pytest.mark.parametrize("method", ["difference", "plain"])
def test_the_bound_is_one_of_a_wrong_gradient_too(method):
    cost, parameters, gradients = network()
    for seed in range(20):
        wrong = gradients | {"W2": gradients["W2"] * 1.01}
        report = screen(cost, parameters, wrong, seed=seed, confidence=0.99, method=method)
        assert 0.01 <= report.blocks["W2"].screened.relative_bound <= (1 if method == "plain" else 0.0101)


def test_bounds_hold_with_the_confidence_that_is_asked_for():
    """The same residuals bound the error more closely where it may be larger more often."""
    cost, parameters, gradients = network()
    close, far = (screen(cost, parameters, gradients, confidence=share) for share in (0.5, 0.999_999))
    assert close.certified == far.certified
    for name, block in close.blocks.items():
        assert block.screened.confidence == 0.5
        assert block.screened.bound < far.blocks[name].screened.bound


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1e12, 1e200])
def test_the_scale_of_the_cost_does_not_matter(scale):
    cost, parameters, gradients = network()
    scaled = {name: scale * value for name, value in gradients.items()}
    report = screen(lambda p: scale * cost(p), parameters, scaled)
    assert report.passed
    assert report.method == "difference"
    assert all(block.screened.relative_bound <= 1e-12 for block in report.blocks.values())
    scaled["W2"] = scaled["W2"].copy()
    scaled["W2"][3, 4] += 1e-9 * math.sqrt(scaled["W2"].size) * np.max(np.abs(scaled["W2"]))
    report = screen(lambda p: scale * cost(p), parameters, scaled)
    assert [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL] == ["W2"]


# --- errors within the tolerance --------------------------------------------------------------------------


def test_a_small_error_everywhere_passes_and_one_in_a_few_places_does_not():
    """As `check` would say of each coordinate; but an error in few places is no matter of precision."""
    cost, parameters, gradients = network()
    everywhere = gradients | {"W1": gradients["W1"] * (1 + 1e-8)}
    report = screen(cost, parameters, everywhere)
    assert report.passed
    assert report.blocks["W1"].checked == 1200
    assert check(cost, parameters, everywhere).passed
    one_row = gradients | {"W1": gradients["W1"].copy()}
    one_row["W1"][3] *= 1 + 1e-8
    report = screen(cost, parameters, one_row)
    assert report.blocks["W1"].verdict is Verdict.FAIL
    assert any(note.startswith("W1 is wrong in few places") for note in report.notes)


def test_errors_in_few_places_within_the_tolerance_are_named():
    cost, parameters, gradients = network()
    few = gradients | {"W1": gradients["W1"].copy()}
    few["W1"][3, 7] *= 1 + 1e-8
    few["W1"][20, 30] *= 1 - 2e-8
    block = screen(cost, parameters, few).blocks["W1"]
    assert (block.verdict, block.wrong) == (Verdict.FAIL, 2)
    assert {one.index for one in block.worst[:2]} == {(3, 7), (20, 30)}


def test_rounding_that_hides_in_few_places_passes():
    """Three units saturate, and 1 - σ has lost four digits there: the errors of their slopes are no mistakes."""
    rng = np.random.default_rng(0)
    X, w, b = rng.standard_normal((50, 30)), rng.standard_normal((40, 50)) / 5, np.zeros((40, 1))
    b[:3] = 12

    def cost(p):
        return -np.sum(np.log(1 - 1 / (1 + np.exp(-(p["w"] @ X + b)))))

    claim = {"w": 1 / (1 + np.exp(-(w @ X + b))) @ X.T}
    report = screen(cost, {"w": w}, claim)
    assert report.method == "difference"
    assert report.passed


def test_the_epsilon_of_a_logarithm_passes():
    """log(a + 1e-10) in the cost, and not in the gradient."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 30)), (rng.random(30) < 0.5) * 1.0
    p = {"w": 0.3 * rng.standard_normal(6), "b": np.array([0.1])}

    def cost(p):
        a = 1 / (1 + np.exp(-(p["w"] @ X + p["b"])))
        return -np.mean(y * np.log(a + 1e-10) + (1 - y) * np.log(1 - a + 1e-10))

    d = (1 / (1 + np.exp(-(p["w"] @ X + p["b"]))) - y) / 30
    gradients = {"w": X @ d, "b": np.array([d.sum()])}
    for seed in SEEDS:
        assert (
            screen(cost, p, gradients, seed=seed).verdict is check(cost, p, gradients).verdict is Verdict.PASS
        )


def test_a_looser_tolerance_lets_more_pass():
    cost, parameters, gradients = network()
    claim = gradients | {"W1": gradients["W1"] * (1 + 1e-5)}
    assert screen(cost, parameters, claim).verdict is Verdict.FAIL
    assert screen(cost, parameters, claim, tolerance=1e-4).verdict is Verdict.PASS


def test_claims_in_float32_are_held_to_float32():
    cost, parameters, gradients = network()
    single = {name: value.astype(np.float32) for name, value in gradients.items()}
    assert screen(cost, parameters, single).passed
    for factor in (1.001, -1.0):
        wrong = single | {"W2": single["W2"] * np.float32(factor)}
        assert screen(cost, parameters, wrong).blocks["W2"].verdict is Verdict.FAIL


def test_a_gradient_that_is_zero_but_for_rounding():
    case = build("batch normalisation", 0)
    gradients = case.backward(case.parameters)
    report = screen(case.cost, case.parameters, gradients)
    assert report.passed
    assert "zero" in next(line for line in report.to_text(verbose=True).splitlines() if line.startswith("b1"))
    wrong = gradients | {"b1": gradients["b1"] + 1e-9 * np.max(np.abs(gradients["W1"]))}
    assert screen(case.cost, case.parameters, wrong).blocks["b1"].verdict is Verdict.FAIL
