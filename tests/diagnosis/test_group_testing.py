from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcheck.diagnosis.group_testing import MOST_GROUPS, SINGLES_TRIED, WrongPlaces, find_wrong


class Errors:
    """A simulated error vector: measured are weighted sums, with noise of at most the bound."""

    def __init__(self, errors, *, bound=0.0, seed=0, weights=None):
        self.errors, self.bound, self.seed, self.weights = np.asarray(errors, float), bound, seed, weights
        self.calls = 0
        self.groups = 0
        self.noise = np.random.default_rng(seed)
        self.drawn = {}

    def __call__(self, groups, turn):
        self.calls += 1
        self.groups += len(groups)
        weights = self.weights_of(turn)
        sums = np.array([math.fsum(weights[group] * self.errors[group]) for group in groups])
        rounding = 1e-14 * np.abs(weights * self.errors).sum()
        return sums + self.bound * self.noise.uniform(-1, 1, len(groups)), np.full(
            len(groups), self.bound + rounding
        )

    def weights_of(self, turn):
        if turn == 0 and self.weights is not None:
            return self.weights
        if turn not in self.drawn:
            rng = np.random.default_rng([self.seed, turn])
            signs = rng.choice([-1.0, 1.0], self.errors.size)
            self.drawn[turn] = rng.uniform(0.5, 1.5, self.errors.size) * signs
        return self.drawn[turn]


def planted(size, wrong, rng):
    errors = np.zeros(size)
    errors[wrong] = rng.choice([-1.0, 1.0], len(wrong)) * 10.0 ** rng.uniform(-3, 3, len(wrong))
    return errors


def search(errors, **options) -> WrongPlaces:
    return find_wrong([np.arange(errors.errors.size)], errors, **options)[0]


@given(st.integers(1, 100_000), st.data(), st.integers(0, 2**20))
@settings(deadline=None)
def test_all_wrong_places_are_found_with_few_measurements(size, data, seed):
    k = data.draw(st.integers(0, min(12, size)))
    rng = np.random.default_rng(seed)
    wrong = np.sort(rng.choice(size, size=k, replace=False))
    errors = Errors(planted(size, wrong, rng), seed=seed)
    found = search(errors)
    if found.dense:
        assert 2 * k > min(size, SINGLES_TRIED) / 2
        return
    np.testing.assert_array_equal(found.wrong, wrong)
    assert found.complete
    assert errors.groups <= 1 + SINGLES_TRIED + 1.5 * k * (1 + math.log2(max(1, size / max(1, k))) + 1)


def test_one_wrong_place_costs_one_measurement_a_halving():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        errors = Errors(planted(2**16, rng.integers(2**16, size=1), rng), seed=seed)
        assert search(errors).wrong.size == 1
        assert errors.groups <= 1 + 16 + 8  # every other half that follows by subtraction is measured, too


def test_nothing_wrong_is_one_measurement():
    errors = Errors(np.zeros(1000), bound=1e-9)
    found = search(errors)
    assert (found.wrong.size, found.complete, errors.groups) == (0, True, 1)


def test_a_set_without_places_is_complete():
    found = search(Errors(np.zeros(0)))
    assert found.complete
    assert not found.wrong.size


def test_places_are_reported_by_their_own_numbers():
    errors = Errors(planted(1000, [77], np.random.default_rng(0)))
    (found,) = find_wrong([np.arange(70, 90)], errors)
    assert found.wrong.tolist() == [77]


def test_sets_are_searched_side_by_side_and_judged_each_by_itself():
    rng = np.random.default_rng(6)
    wrong = [3, 700, *range(1000, 2000), 2500]
    errors = Errors(planted(4000, wrong, rng))
    first, dense, last, none = find_wrong([np.arange(i, i + 1000) for i in range(0, 4000, 1000)], errors)
    assert first.wrong.tolist() == [3, 700]
    assert dense.dense
    assert not dense.wrong.size
    assert last.wrong.tolist() == [2500]
    assert none.complete
    assert not none.wrong.size
    assert errors.calls <= 3 * 11


@pytest.mark.parametrize("share", [1.0, 0.9])
@pytest.mark.parametrize("size", [300, 10**6])
def test_dense_errors_are_recognised_early(size, share):
    rng = np.random.default_rng(1)
    wrong = np.flatnonzero(rng.random(size) < share)
    errors = Errors(planted(size, wrong, rng))
    found = search(errors)
    assert found.dense
    assert not found.complete
    assert errors.groups <= 3 * SINGLES_TRIED


def test_many_scattered_errors_stop_the_search_but_are_not_called_dense():
    rng = np.random.default_rng(2)
    wrong = np.sort(rng.choice(10**6, size=1000, replace=False))
    errors = Errors(planted(10**6, wrong, rng))
    found = search(errors)
    assert not found.dense
    assert len(found.groups) > MOST_GROUPS
    assert errors.groups < 6 * MOST_GROUPS
    assert all(np.intersect1d(group, wrong).size for group in found.groups)


def test_a_run_of_wrong_places_is_found_whole():
    rng = np.random.default_rng(3)
    wrong = np.arange(5000, 5025)
    np.testing.assert_array_equal(search(Errors(planted(10**6, wrong, rng))).wrong, wrong)


def test_errors_that_cancel_in_a_half_are_found_with_other_weights():
    # The halves of the whole look right, the whole does not: 1 and -1 in each, and three times the bound in all.
    errors = np.zeros(64)
    errors[[3, 5, 40, 50]] = 1.0, -1.0, 1.0, -1.0
    weights = np.ones(64)
    weights[[3, 40]] += 0.9e-3
    simulated = Errors(errors, weights=weights)
    simulated.bound = 0.0

    def residuals(groups, turn):
        sums, _ = simulated(groups, turn)
        return sums, np.full(len(groups), 1e-3)

    (found,) = find_wrong([np.arange(64)], residuals)
    assert set(found.wrong) <= {3, 5, 40, 50}
    assert found.wrong.size >= 2


@given(st.integers(2, 5000), st.integers(0, 10**6))
@settings(deadline=None)
def test_noise_never_makes_a_right_place_wrong(size, seed):
    rng = np.random.default_rng(seed)
    wrong = np.sort(rng.choice(size, size=min(3, size // 2), replace=False))
    errors = np.zeros(size)
    errors[wrong] = rng.uniform(1, 100, wrong.size)
    found = search(Errors(errors, bound=1.0, seed=seed))
    assert np.isin(found.wrong, wrong).all()
    if not found.wrong.size and not found.dense:
        loud = (
            errors[wrong].max() > 20
        )  # the largest alone is beyond the noise, unless others stand against it
        assert found.undecided.size or not loud or errors[wrong].size > 1


def test_what_is_above_the_noise_is_found_among_what_is_below():
    rng = np.random.default_rng(4)
    errors = rng.uniform(-1e-6, 1e-6, 100_000)
    errors[[123, 45_678]] = 1.0, -2.0
    found = search(Errors(errors, bound=1e-3))
    assert found.wrong.tolist() == [123, 45_678]


def test_a_sum_of_errors_each_below_the_noise_is_undecided():
    # The whole is beyond the bound, no half is: the error is spread thinly.
    def residuals(groups, _turn):
        return np.array([group.size * 1.0 for group in groups]), np.full(len(groups), 60.0)

    (found,) = find_wrong([np.arange(100)], residuals)
    assert found.wrong.size == 0
    np.testing.assert_array_equal(found.undecided, np.arange(100))
    assert not found.complete


def test_halves_of_one_level_are_measured_in_one_call():
    rng = np.random.default_rng(5)
    errors = Errors(planted(2**16, rng.choice(2**16, size=8, replace=False), rng))
    assert search(errors).wrong.size == 8
    assert errors.calls <= 1 + 1 + 2 * 16
