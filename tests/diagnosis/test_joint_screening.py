"""Screening of all blocks together: few forward passes, bounds that hold, mistakes that are found in their block."""

import math

import numpy as np
import pytest
import scipy.stats
from budgeted_costs import Counted
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcheck import Verdict, screen
from fastcheck.diagnosis.block_screening import BlockScreening
from fastcheck.diagnosis.joint_screening import LOOKS, MOST_PASSES, JointScreening, residuals_of
from fastcheck.diagnosis.screening_options import ScreeningOptions
from fastcheck.engines.plain.directions import Directions
from fastcheck.problem.posing import pose


def smooth(sizes, seed, spread=1.0):
    """Blocks of these sizes in one smooth cost, their slopes of sizes up to ``spread`` apart; and the right claim."""
    rng = np.random.default_rng(seed)
    scale = spread ** rng.random(len(sizes))
    parameters = {f"w{k}": rng.standard_normal(size) for k, size in enumerate(sizes)}
    mix = {
        name: rng.standard_normal(value.size) / math.sqrt(value.size) for name, value in parameters.items()
    }

    def cost(p):
        return 1.7 + sum(
            s * np.exp(0.3 * (mix[name] @ p[name])) for s, name in zip(scale, parameters, strict=True)
        )

    claim = {
        name: s * 0.3 * mix[name] * np.exp(0.3 * (mix[name] @ v))
        for s, (name, v) in zip(scale, parameters.items(), strict=True)
    }
    return cost, parameters, claim


SIZES = {
    "one number": [1],
    "one large block": [3_000],
    "several": [300, 20, 400, 20, 200, 10],
    "16 small ones": [3] * 16,
    "12 of all sizes": [1, 300, 3, 30, 1, 5, 400, 7, 1, 50, 2, 9],
}


@pytest.mark.parametrize("sizes", SIZES)
def test_any_number_of_blocks_takes_at_most_sixty_passes(sizes):
    """Where rounding hides nothing: J is a sum over the blocks, and has the noise of all of them."""
    for seed in range(3):
        cost, parameters, claim = smooth(SIZES[sizes], seed, spread=1.0)
        counted = Counted(cost)
        report = screen(counted, parameters, claim, method="plain", seed=seed)
        assert report.passed
        assert report.forward_passes == counted.calls <= MOST_PASSES
        for block in report.blocks.values():
            assert block.screened.confidence == 0.999
            assert 0 < block.screened.bound < math.inf


@pytest.mark.parametrize("mistake", ["doubled", "a coordinate", "negated", "slightly off", "zero"])
def test_a_mistake_in_one_of_many_blocks_is_found_there(mistake):
    sizes = [1 + k % 17 for k in range(24)]
    for seed in range(3):
        cost, parameters, claim = smooth(sizes, seed, spread=10.0)
        wrong = f"w{7 + seed}"
        g = claim[wrong].copy()
        if mistake == "a coordinate":
            g[-1] += 1e-4 * np.abs(g).max()
        else:
            g *= {"doubled": 2.0, "negated": -1.0, "slightly off": 1 + 3e-6, "zero": 0.0}[mistake]
        report = screen(cost, parameters, claim | {wrong: g}, method="plain", seed=seed)
        assert [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL] == [wrong]
        assert {block.verdict for name, block in report.blocks.items() if name != wrong} == {Verdict.PASS}


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=12),
    seed=st.integers(0, 2**16),
    exponent=st.floats(-6.5, 0),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_no_block_passes_that_is_off_by_more_than_its_limit(sizes, seed, exponent, data):
    cost, parameters, claim = smooth(sizes, seed, spread=10.0)
    name = f"w{data.draw(st.integers(0, len(sizes) - 1))}"
    g = claim[name].copy()
    place = data.draw(st.integers(0, g.size - 1))
    typical = np.sqrt(np.mean(g**2))
    off = 100 * 10.0**exponent * typical  # 3e-5 to 100 of a typical entry
    problem = pose(cost, parameters, claim | {name: g + off * (np.arange(g.size) == place)})
    joint = joint_screening(problem, seed=seed)
    assert int(name[1:]) not in joint.screened()
    right = joint_screening(pose(cost, parameters, claim), seed=seed).screened()
    assert all(block.report.verdict is Verdict.PASS for block in right.values())


def joint_screening(problem, *, directions=4, confidence=0.999, seed=0):
    options = ScreeningOptions(
        directions=directions, confidence=confidence, epsilon=None, tolerance=1e-7, seed=seed
    )
    own = Directions(problem)
    blocks = [BlockScreening(problem, own, options, k) for k in range(len(problem.layout.blocks))]
    return JointScreening(problem, options, blocks)


def misses(count, seeds, confidence):
    """How often one of the bounds of three blocks does not hold, for errors of several kinds, a linear cost."""
    rng, missed = np.random.default_rng(0), 0
    c = {"a": rng.standard_normal(5), "b": 10 * rng.standard_normal(40), "c": rng.standard_normal(1)}
    for seed in seeds:
        errors = {name: 10.0 ** rng.uniform(-3, 0) * rng.standard_normal(v.size) for name, v in c.items()}
        errors["b"][1:] *= seed % 2  # in one coordinate, or in all
        problem = pose(
            lambda p: 0.3 + sum(float(c[name] @ p[name]) for name in c),
            {name: np.zeros(v.size) for name, v in c.items()},
            {name: c[name] + errors[name] for name in c},
        )
        joint = joint_screening(problem, directions=count, seed=seed)
        shares, numbers = np.array([1.0, 0.03, 0.4]), (0, 1, 2)
        products = np.array([joint._products(numbers, k) for k in range(count)])
        slopes = [joint._along(numbers, shares, k, 60) for k in range(count)]
        bounds = [
            residuals_of(problem.layout.blocks[k], k, shares, products, slopes).error_bound(confidence)
            for k in numbers
        ]
        missed += any(bound < np.linalg.norm(e) for bound, e in zip(bounds, errors.values(), strict=True))
    return missed


def test_bounds_hold_for_all_blocks_together():
    """One look misses with half of the probability that is left, and errors of other blocks make it miss less."""
    assert misses(4, range(150), 0.5) <= scipy.stats.binom.ppf(1 - 1e-4, 150, 0.5 / LOOKS)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "confidence"), [(4, 0.9), (6, 0.9), (1, 0.8), (4, 0.99)])
def test_bounds_hold_as_often_as_they_say(count, confidence):
    tries = 4000
    most = scipy.stats.binom.ppf(1 - 1e-4, tries, (1 - confidence) / LOOKS)
    assert misses(count, range(tries), confidence) <= most


def test_claims_in_single_precision_are_looked_at_together_too():
    cost, parameters, claim = smooth([30, 4, 60], 0)
    single = {name: value.astype(np.float32) for name, value in claim.items()}
    mixed = {"w0": single["w0"], "w1": claim["w1"], "w2": single["w2"]}
    for claimed in (single, mixed):
        report = screen(cost, parameters, claimed, method="plain")
        assert report.passed
        assert report.forward_passes <= MOST_PASSES
        wrong = claimed | {"w2": claimed["w2"] * np.float32(1.001)}
        assert screen(cost, parameters, wrong, method="plain").blocks["w2"].verdict is Verdict.FAIL


@pytest.mark.parametrize("unused", [1, 40])
def test_blocks_without_influence_take_a_few_passes_together(unused):
    cost, parameters, claim = smooth([30, 4], 1)
    more = {f"u{k}": np.full(1 + k % 5, 0.7) for k in range(unused)}
    zeros = {name: np.zeros(value.size) for name, value in more.items()}
    report = screen(cost, parameters | more, claim | zeros, method="plain")
    assert report.passed
    assert report.forward_passes <= MOST_PASSES
    moved = screen(
        lambda p: cost(p) + 1e-7 * p["u0"][0], parameters | more, claim | zeros, method="plain"
    ).blocks
    assert moved["u0"].verdict is not Verdict.PASS


def test_more_directions_give_smaller_bounds_and_take_more_passes():
    cost, parameters, claim = smooth([50, 50, 50], 2)
    few, many = (screen(cost, parameters, claim, method="plain", directions=k) for k in (4, 12))
    assert few.forward_passes < many.forward_passes
    assert many.blocks["w1"].screened.directions == 12
    assert all(many.blocks[n].screened.bound < few.blocks[n].screened.bound for n in parameters)


def test_what_is_seen_together_repeats_with_the_seed():
    cost, parameters, claim = smooth([50, 20], 3)
    one, same, other = (
        screen(cost, parameters, claim, method="plain", seed=seed).blocks for seed in (1, 1, 2)
    )
    assert dict(one) == dict(same)
    assert one["w0"].screened != other["w0"].screened
