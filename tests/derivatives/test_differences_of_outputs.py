import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcheck.derivatives.differences import DifferencesTruth

SMOOTH = {
    "exp": (np.exp, np.exp),
    "sin(30 x)": (lambda x: np.sin(30 * x), lambda x: 30 * np.cos(30 * x)),
    "1/x": (lambda x: 1 / x, lambda x: -1 / x**2),
    "x⁹": (lambda x: x**9, lambda x: 9 * x**8),
    "1e-20 log": (lambda x: 1e-20 * np.log(np.abs(x)), lambda x: 1e-20 / x),
    "1e6 + sin": (lambda x: 1e6 + np.sin(x), np.cos),
}


def truth_of(function, x):
    return DifferencesTruth(function, x, function(x))


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(sorted(SMOOTH)), st.integers(0, 10**6))
def test_differences_are_within_their_bounds(name, seed):
    function, slope = SMOOTH[name]
    x = np.random.default_rng(seed).uniform(0.3, 2.0, 4) * np.array([1, -1, 1, -1])
    known = truth_of(function, x).columns(np.arange(4))
    assert (np.abs(known.values - np.diag(slope(x))) <= known.bounds).all()
    assert not known.kinked.any()


@pytest.mark.parametrize("name", ["exp", "1/x", "x⁹"])
def test_smooth_functions_are_known_to_ten_digits_in_few_evaluations_a_column(name):
    function, slope = SMOOTH[name]
    x = np.array([0.7, 1.1])
    truth = truth_of(function, x)
    truth.noise  # noqa: B018 — its evaluations are not those of columns
    before = truth.forward_passes
    known = truth.columns(np.arange(2))
    np.testing.assert_allclose(np.diag(known.values), slope(x), rtol=1e-10)
    assert (known.bounds <= 1e-9 * np.abs(slope(x)).max()).all()
    assert 2 * 6 <= truth.forward_passes - before <= 2 * 8


def test_kinks_and_jumps_are_told_from_smooth_functions():
    def function(x):
        return np.array([np.abs(x[0]), float(x[0] > 0), x[0] ** 2 + x[0], np.maximum(x[1], 0)])

    known = truth_of(function, np.array([0.0, 1.0])).columns(np.array([0]))
    assert known.kinked[0].tolist() == [True, False, False, False]
    assert known.bounds[0, 1] > 100
    assert 1.0 <= known.bounds[0, 0] <= 1.5


def test_a_border_of_the_domain_leaves_no_bound_that_is_too_small():
    known = truth_of(np.sqrt, np.array([1e-12, 4.0])).columns(np.arange(2))
    exact = np.diag(0.5 / np.sqrt([1e-12, 4.0]))
    assert (np.abs(known.values - exact) <= known.bounds).all()


@pytest.mark.parametrize("quantum", [1e-12, 1e-8, 1e-5])
def test_functions_that_are_rounded_have_bounds_that_hold(quantum):
    weights = np.random.default_rng(3).standard_normal((4, 3))

    def rounded(x):
        return np.round(np.sin(weights @ x) / quantum) * quantum

    for seed in range(5):
        x = np.random.default_rng(seed).standard_normal(3)
        exact = np.cos(weights @ x)[:, None] * weights
        known = truth_of(rounded, x).columns(np.arange(3)).transposed
        assert (np.abs(known.values - exact) <= known.bounds).all()


def test_noise_is_part_of_the_bounds():
    def noisy(x):
        return x**2 + 1e-9 * np.sin(1e12 * x)

    known = truth_of(noisy, np.array([1.3])).columns(np.array([0]))
    assert abs(known.values[0, 0] - 2.6) <= known.bounds[0, 0]
    assert known.bounds[0, 0] > 1e-9
