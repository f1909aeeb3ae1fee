"""A plan as vectors: what is known of all parts at once is what is known of each."""

import numpy as np
import pytest

from fastcheck import Verdict, check
from fastcheck.engines.plain.flat_plan import LARGER_STEP, PROMISING, FlatPlan, suggested_steps
from fastcheck.engines.plain.noise import SAFETY
from fastcheck.engines.plain.steps import LARGEST_CHOSEN, SMALLEST_CHOSEN, units
from fastcheck.norms import root_mean_square, root_mean_squares
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import pose

CLAIMS = {
    "a": np.array([3.0, -4.0]),
    "b": np.zeros(3),
    "c": np.array([1e-9]),
    "d": np.array([[1.0, 2.0], [5.0, 0.0]]),
}
THETA = {"a": np.array([0.3, -7.0]), "b": np.ones(3), "c": np.array([100.0]), "d": np.zeros((2, 2))}


def flat(coordinates="all", claims=CLAIMS):
    problem = pose(lambda p: 1.0 + 1e-3, THETA, claims)
    plan = make_plan(problem.layout, problem.theta, coordinates, None, 0)
    return problem, plan, FlatPlan(problem, plan.parts)


@pytest.mark.parametrize("coordinates", ["all", 2, {"a": 1, "d": "all"}])
def test_vectors_are_those_of_the_parts(coordinates):
    problem, plan, vectors = flat(coordinates)
    assert vectors.rows == list(plan.rows)
    assert np.array_equal(vectors.coordinates, plan.coordinates)
    assert np.array_equal(vectors.units, units(problem.theta[plan.coordinates]))
    everything = np.concatenate([np.ravel(CLAIMS[name]) for name in CLAIMS])
    assert np.array_equal(vectors.claimed, everything[plan.coordinates])
    typical, largest = vectors.typical_claims, vectors.largest_claims
    for k, rows in enumerate(plan.rows):
        assert typical[k] == pytest.approx(root_mean_square(vectors.claimed[rows]), rel=1e-15)
        assert largest[k] == np.abs(vectors.claimed[rows]).max()


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_squares_neither_overflow_nor_vanish(scale):
    values = scale * np.array([1.0, -2.0, 0.0, 0.0, 3.0, 1e-8])
    got = root_mean_squares(values, np.array([0, 2, 4]), np.array([2, 2, 2]))
    assert got == pytest.approx(scale * np.array([np.sqrt(2.5), 0.0, np.sqrt(4.5)]), rel=1e-15)


@pytest.mark.parametrize("noise", [0.0, 1e-18, 1e-16, 1e-14, 1e-12, 1e-9])
def test_suggested_steps_leave_what_is_promised(noise):
    """No step is suggested where rounding would hide too much, and none for what is claimed to be zero."""
    _, plan, vectors = flat()
    steps = suggested_steps(vectors, noise)
    assert np.isnan(steps[1])
    for step, rows in zip(steps, plan.rows, strict=True):
        typical = root_mean_square(vectors.claimed[rows])
        if np.isfinite(step):
            assert SMALLEST_CHOSEN <= step <= LARGEST_CHOSEN
            assert SAFETY * noise / (step * vectors.units[rows].min()) <= PROMISING * typical
        elif typical:
            balanced = np.cbrt(noise / root_mean_square((vectors.claimed * vectors.units)[rows]) / 2)
            longest = min(2 * LARGER_STEP * balanced, LARGEST_CHOSEN) * vectors.units[rows].min()
            assert SAFETY * noise / longest > PROMISING * typical / 2
    assert np.isnan(suggested_steps(FlatPlan(pose(lambda p: 1.0, THETA), plan.parts), noise)).all()


def small_slopes(off=1.0):
    """Blocks of which one has a fiftieth of the slopes of the others, as the biases of a network may."""
    rng = np.random.default_rng(5)
    sizes = {"large": 1.0, "small": 0.02, "other": 0.3}
    theta = {name: rng.uniform(0.5, 1.5, 6) for name in sizes}
    claims = {name: size * np.cos(theta[name]) for name, size in sizes.items()}
    claims["small"][4] *= off
    return lambda p: sum(size * float(np.sum(np.sin(p[name]))) for name, size in sizes.items()), theta, claims


def test_a_block_with_small_slopes_takes_no_line_and_is_seen_all_the_same():
    report = check(*small_slopes(), method="plain")
    assert report.passed
    assert report.forward_passes == 2 * 18 + 2
    for off in (1 + 1e-6, 1 - 1e-6, 1 + 4e-7):
        blocks = check(*small_slopes(off), method="plain").blocks
        assert [name for name in blocks if blocks[name].verdict is not Verdict.PASS] == ["small"]
