"""The noise that claims tell by agreeing with slopes: what it is, how often it is believed, and where it is not."""

import math

import joined
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcheck import Verdict, check
from fastcheck.engines.plain.agreement import (
    AGREEMENT,
    PILOTS,
    Pilots,
    agreed_noise,
    choose_pilots,
    guessed_noise,
    may_agree,
)
from fastcheck.engines.plain.batches import PlainEngine
from fastcheck.engines.plain.flat_plan import FlatPlan, suggested_steps
from fastcheck.engines.plain.noise import SAFETY
from fastcheck.engines.plain.steps import CentralDifferences, units
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import pose

STEP = 2.0**-17


def pilots(residuals, claimed):
    """Pilots of which the slopes are off the claims by these residuals."""
    central = np.asarray(claimed) + residuals
    rows = np.arange(central.size)
    return Pilots(rows, np.full(central.size, STEP), CentralDifferences(central, np.zeros(central.size)))


@pytest.mark.parametrize("count", range(1, PILOTS + 1))
def test_the_noise_is_that_of_the_residuals_but_for_chance(count):
    """Of many draws one in twenty is above what is inferred, and most are not far below."""
    rng, sigma, claimed = np.random.default_rng(0), 1e-16, np.ones(count)
    levels = []
    for _ in range(2000):
        residuals = sigma / (math.sqrt(2) * STEP) * rng.standard_normal(count)
        levels.append(agreed_noise(pilots(residuals, claimed), claimed).level)
    assert np.mean(np.array(levels) < sigma) == pytest.approx(0.05, abs=0.02)
    assert np.median(levels) < 15 * sigma


@pytest.mark.parametrize("count", range(1, PILOTS + 1))
def test_wrong_claims_agree_by_chance_only_whatever_the_noise(count):
    """A claim that is off by the tolerance, with the noise for which it agrees most often."""
    rng, off, claimed = np.random.default_rng(1), 1e-7, np.ones(count)
    stated, draws = {1: 1.4e-3, 2: 8e-5, 3: 6e-6, 4: 6e-7}[count], 200_000
    for size in (0.3, 1 / math.sqrt(count), 2.0, 8.0):
        drawn = off * size * rng.standard_normal((draws, count))
        drawn[:, 0] += off
        close = drawn[(np.abs(drawn) < off / 20).all(axis=1)]  # others cannot agree
        agreed = sum(agreed_noise(pilots(one, claimed), claimed) is not None for one in close)
        assert agreed <= stated * draws + 4 * math.sqrt(stated * draws)


def test_agreement_leaves_a_share_of_the_tolerance():
    claimed = np.array([2.0, -1.0, 0.5, 3.0])
    for exponent in range(-14, -5):
        noise = agreed_noise(pilots(np.full(4, 10.0**exponent), claimed), claimed)
        believed = noise is not None
        assert believed == (exponent <= -10)
        if noise is not None:
            assert SAFETY * noise.level / STEP <= AGREEMENT * 1e-7 * 0.5


def test_costs_that_are_not_defined_agree_with_nothing():
    claimed = np.ones(2)
    assert agreed_noise(pilots(np.zeros(2), claimed), claimed) is not None
    assert agreed_noise(pilots(np.array([0.0, np.nan]), claimed), claimed) is None


X = np.linspace(-1.3, 1.1, 12)


def smooth(w):
    return np.sum(np.sin(w)) + 0.123456789


CASES = {
    "a quiet cost": (smooth, np.cos(X), True),
    "one in float32": (lambda w: np.float32(smooth(w)), np.cos(X), False),
    "a claim in float32": (smooth, np.cos(X).astype(np.float32), False),
}


@pytest.mark.parametrize("case", CASES)
def test_single_precision_is_told_nothing(case):
    cost, claim, expected = CASES[case]
    assert may_agree(pose(cost, X, claim)) is expected
    assert not may_agree(pose(cost, X))
    assert not may_agree(pose(cost, X, claim, nondeterminism=1e-12))


def noisy(level):
    """The same with digits beyond a grid cut off, as a solver leaves them that stops early."""
    return lambda w: smooth(w) + level * np.sin(1e9 * np.sum(w**2 * np.arange(1, 13)))


@pytest.mark.parametrize("level", [1e-14, 1e-12, 1e-9])
def test_noise_does_not_agree_and_is_measured(level):
    """The verdict is that of the noise along lines, for right claims and for wrong ones."""
    problem = pose(noisy(level), X, np.cos(X))
    plan = make_plan(problem.layout, problem.theta, "all", None, 0)
    (estimate,), _ = joined.run_engine(PlainEngine(), problem, plan)
    assert estimate.noise > level / 8
    assert check(noisy(level), X, np.cos(X), method="plain").verdict is not Verdict.FAIL
    assert check(noisy(level), X, np.cos(X) * 1.01, method="plain").verdict is Verdict.FAIL


GRIDS = {
    "parameters on a grid": lambda w: smooth(np.round(w * 2e5) / 2e5),
    "a printed cost": lambda w: float(f"{smooth(w):.10g}"),
}


@pytest.mark.parametrize("case", GRIDS)
def test_differences_with_the_very_step_do_not_pass_for_a_gradient(case):
    """They agree with these to the last bit, whatever the grid leaves of the slopes."""
    cost, claim = GRIDS[case], np.cos(X)
    for _ in range(3):
        problem = pose(cost, X, claim)
        flat = FlatPlan(problem, make_plan(problem.layout, problem.theta, "all", None, 0).parts)
        steps = suggested_steps(flat, guessed_noise(problem, flat))[0] * units(X)
        moves = steps[:, None] * np.eye(X.size)
        claim = np.array([cost(X + move) - cost(X - move) for move in moves]) / (2 * steps)
    assert np.abs(claim - np.cos(X)).max() > 1e-6
    assert check(cost, X, claim, method="plain").verdict is not Verdict.PASS
    assert check(cost, X, np.cos(X), method="plain").verdict is not Verdict.FAIL


def test_claims_of_exact_costs_agree_to_the_last_bit_and_pass_in_few_passes():
    w = np.array([1.0, -2.0, 3.0])
    report = check(lambda w: w @ w + 0.1, w, 2 * w, method="plain")
    assert report.passed
    assert report.forward_passes <= 2 * w.size + 2 + 2 * PILOTS
    assert check(lambda w: w @ w + 0.1, w, [2, -4, 6.00001], method="plain").verdict is Verdict.FAIL


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=9), seed=st.integers(0, 2**16), data=st.data())
@settings(max_examples=60, deadline=None)
def test_pilots_are_few_distinct_and_of_usable_parts(sizes, seed, data):
    rng = np.random.default_rng(seed)
    parameters = {f"b{k}": np.ones(size) for k, size in enumerate(sizes)}
    problem = pose(lambda p: float(sum(v.sum() for v in p.values())), parameters, parameters)
    plan = make_plan(problem.layout, problem.theta, "all", None, 0)
    usable = data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    claims = rng.standard_normal(sum(sizes)) * (rng.random(sum(sizes)) < 0.7)
    rows = choose_pilots(plan.rows, claims, usable)
    assert rows.size <= PILOTS
    assert np.array_equal(rows, np.unique(rows))
    assert claims[rows].all()
    allowed = [
        k for part, use in zip(plan.rows, usable, strict=True) if use for k in range(part.start, part.stop)
    ]
    assert set(rows.tolist()) <= set(allowed)
    if len(sizes) == 1 and usable[0]:
        assert rows.size == min(PILOTS, np.count_nonzero(claims))
