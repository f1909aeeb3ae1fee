"""Small parts judged together are judged as each by itself, and those in doubt are left to closer looks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcheck import Verdict, check
from fastcheck.engines import Bound, Estimate, Slopes
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import pose
from fastcheck.verdict.first_sight import SMALL, judge_together
from fastcheck.verdict.judging import judge_coordinates
from fastcheck.verdict.power import measure_power
from fastcheck.verdict.rule import claims

SCALES = (0.0, 1e-300, 1e-12, 1.0, 1e9)
ERRORS = (0.0, 1e-12, 0.9e-7, 1.1e-7, 1e-3)
BOUNDS = (0.0, 1e-12, 0.9e-7, 1.1e-7, 1e-2)


def estimates_of(claimed, numerical, bounds, *, subtracted=True):
    """The problem of a dict of claims, and an estimate for each block."""
    problem = pose(lambda p: 1.0, {name: np.zeros(g.shape) for name, g in claimed.items()}, claimed)
    plan = make_plan(problem.layout, problem.theta, "all", None, 0)
    return problem, [
        Estimate(
            part=part,
            slopes=Slopes(
                central=numerical[part.block.name],
                known_to=Bound(0.0, bounds[part.block.name]),
                subtracted=subtracted,
            ),
            noise=1e-16,
        )
        for part in plan.parts
    ]


def assert_the_same(problem, estimate, sight, tolerance=1e-7):
    """Whether a part was judged as it is by itself, or was left out as anything about it is in doubt."""
    alone = judge_coordinates(problem, estimate, tolerance)
    if sight is None:
        return alone.wrong or alone.undecided or alone.comparison.exponent
    together = sight.judgement
    assert together.verdict is alone.verdict is Verdict.PASS
    assert (alone.wrong, alone.undecided) == (0, 0)
    assert together.worst == alone.worst
    assert (together.hardest, together.easiest) == (alone.hardest, alone.easiest)
    assert together.comparison.claimed == pytest.approx(alone.comparison.claimed, rel=1e-14)
    assert together.comparison.numerical == pytest.approx(alone.comparison.numerical, rel=1e-14)
    assert together.comparison.error == pytest.approx(alone.comparison.error, rel=1e-12, abs=0)
    rows = np.array([alone.hardest, alone.easiest])
    power = measure_power(estimate, alone, claims(problem, estimate.part, rows))
    assert sight.power.coordinate == pytest.approx(power.coordinate, rel=1e-12)
    assert sight.power.factor == pytest.approx(power.factor, rel=1e-12)
    return True


@given(
    st.lists(
        st.tuples(
            st.integers(1, 25),
            st.sampled_from(SCALES),
            st.sampled_from(ERRORS),
            st.sampled_from(BOUNDS),
            st.sampled_from([np.float64, np.float32]),
        ),
        min_size=1,
        max_size=7,
    ),
    st.booleans(),
    st.integers(0, 2**16),
)
@settings(max_examples=150, deadline=None)
def test_parts_are_judged_as_each_by_itself(blocks, subtracted, seed):
    rng = np.random.default_rng(seed)
    claimed, numerical, bounds = {}, {}, {}
    for k, (size, scale, error, bound, dtype) in enumerate(blocks):
        slopes = scale * rng.standard_normal(size)
        at = rng.integers(size)
        numerical[f"b{k}"] = slopes.copy()
        slopes[at] += error * np.sqrt(np.mean(slopes**2))
        claimed[f"b{k}"] = slopes.astype(dtype)
        bounds[f"b{k}"] = bound * scale * rng.uniform(0.5, 1.0, size)
    problem, estimates = estimates_of(claimed, numerical, bounds, subtracted=subtracted)
    sights = judge_together(problem, estimates, 1e-7)
    for estimate, sight in zip(estimates, sights, strict=True):
        assert assert_the_same(problem, estimate, sight)


def test_one_wrong_part_is_left_out_and_no_other():
    claimed = {f"b{k}": np.linspace(1.0, 2.0, 3 + k) for k in range(6)}
    numerical = {name: g.copy() for name, g in claimed.items()}
    claimed["b3"][2] *= 1.00001
    bounds = {name: np.full(g.size, 1e-12) for name, g in claimed.items()}
    sights = judge_together(*estimates_of(claimed, numerical, bounds), 1e-7)
    assert [sight is None for sight in sights] == [False, False, False, True, False, False]


def test_slopes_that_are_not_known_and_large_parts_and_kinks_are_left_to_others():
    claimed = {"nan": np.ones(3), "good": np.ones(2)}
    numerical = {"nan": np.array([1.0, np.nan, 1.0]), "good": np.ones(2)}
    bounds = {"nan": np.full(3, 1e-12), "good": np.full(2, 1e-12)}
    assert judge_together(*estimates_of(claimed, numerical, bounds), 1e-7)[0] is None
    large = {"large": np.ones(SMALL + 1), "small": np.ones(SMALL)}
    problem, estimates = estimates_of(
        large, large, {name: np.full(g.size, 1e-12) for name, g in large.items()}
    )
    assert [sight is None for sight in judge_together(problem, estimates, 1e-7)] == [True, False]
    at_kink = Slopes(central=np.ones(3), known_to=Bound(0.0, 0.0), interval=(np.zeros(3), np.ones(3)))
    problem = pose(lambda w: 1.0, np.zeros(3), np.ones(3))
    part = make_plan(problem.layout, problem.theta, "all", None, 0).parts[0]
    assert judge_together(problem, [Estimate(part=part, slopes=at_kink, noise=0.0)], 1e-7) == [None]


def network(count, off=None):
    """A cost of many small arrays, and its gradient, of which one block may be off by 1e-6 of itself in one entry."""
    rng = np.random.default_rng(3)
    theta = {f"v{k}": rng.standard_normal(1 + k % 4) for k in range(count)}
    claimed = {name: -np.sin(value) for name, value in theta.items()}
    if off is not None:
        claimed[off][-1] *= 1 + 1e-6
    return lambda p: float(np.sum(np.cos(np.concatenate([p[name] for name in theta])))), theta, claimed


@pytest.mark.parametrize("method", ["plain", "auto"])
def test_of_many_small_blocks_the_one_that_is_off_fails_alone(method):
    assert check(*network(40), method=method).passed
    report = check(*network(40, off="v17"), method=method)
    assert [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL] == ["v17"]
    assert list(report.blocks) == [f"v{k}" for k in range(40)]
