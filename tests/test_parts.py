from __future__ import annotations

import contextlib

import numpy as np
import pytest

from fastcheck.engines.directions import opened
from fastcheck.execution import Execution
from fastcheck.parts import HEAVIEST, ROWS_AT_ONCE, Parts, View
from fastcheck.problem import pose

SHAPE = (6, 5, 4)


@contextlib.contextmanager
def parts_of(theta, gradient, *, method="difference", axis=0, max_memory=2**29, cost=lambda p: np.sum(p**3)):
    problem = pose(cost, theta, gradient)
    block = problem.layout.blocks[0]
    with opened(problem, Execution(), method) as directions:
        parts = Parts(problem.claims[0], block, directions, tolerance=1e-7, seed=0, max_memory=max_memory)
        parts.see(View(block.shape, axis))
        yield parts


@pytest.fixture
def wrong():
    """θ, a claim that is off everywhere, and its error."""
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(SHAPE)
    error = rng.standard_normal(SHAPE)
    return theta, 3 * theta**2 + error, error


def matrix_of(error, axis):
    return np.moveaxis(error, axis, 0).reshape(error.shape[axis], -1)


@pytest.mark.parametrize(
    ("shape", "axis"), [((7,), 0), ((4, 6), 0), ((4, 6), 1), (SHAPE, 0), (SHAPE, 1), (SHAPE, 2)]
)
def test_a_view_numbers_the_places_of_the_block(shape, axis):
    view, places = View(shape, axis), np.arange(np.prod(shape))
    numbers = places.reshape(shape)
    np.testing.assert_array_equal(view.moved(numbers).reshape(view.rows, -1).ravel(), view.in_block(places))
    np.testing.assert_array_equal(view.in_matrix(view.in_block(places)), places)
    assert view.rows * view.columns == places.size


def test_a_number_is_one_row_and_one_column():
    view = View(())
    assert (view.rows, view.columns) == (1, 1)
    np.testing.assert_array_equal(view.in_block(np.array([0])), [0])


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("method", ["difference", "plain"])
def test_residuals_are_weighted_sums_of_errors(wrong, axis, method):
    theta, claim, error = wrong
    matrix = matrix_of(error, axis)
    with parts_of(theta, claim, method=method, axis=axis) as parts:
        a, b = parts.weights(3)
        weighted = a[:, None] * b * matrix
        groups = [np.array([0]), np.arange(1, parts.rows)]
        for found, truth in [
            (parts.of_rows(groups, 3), [weighted[group].sum() for group in groups]),
            (parts.of_each_row(np.arange(parts.rows), 3), matrix @ b),
            (
                parts.of_columns([np.array([2, 5]), np.array([1])], 3),
                [weighted[:, [2, 5]].sum(), weighted[:, 1].sum()],
            ),
            (
                parts.inside_rows([np.array([0, 1]), parts.columns + np.arange(3)], 3),
                [matrix[0, :2] @ b[:2], matrix[1, :3] @ b[:3]],
            ),
        ]:
            residuals, bounds = found
            assert (np.abs(residuals - truth) <= bounds).all()
            assert (bounds < 1e-5).all()
        whole, bound, _ = parts.whole(3)
        assert whole == pytest.approx(weighted.sum(), abs=bound)


@pytest.mark.parametrize("axis", [0, 2])
def test_errors_taken_out_and_lines_left_out_are_not_measured(wrong, axis):
    theta, claim, error = wrong
    matrix = matrix_of(error, axis)
    with parts_of(theta, claim, axis=axis) as parts:
        parts.take_out(np.array([1, parts.columns + 2]), np.array([matrix[0, 1], matrix[1, 2]]))
        parts.left_out[0][2] = parts.left_out[1][0] = True
        rest = matrix.copy()
        rest[0, 1] = rest[1, 2] = 0
        rest[2] = rest[:, 0] = 0
        a, b = parts.weights(0)
        assert a[2] == b[0] == 0
        for (residuals, bounds), truth in [
            (parts.of_rows([np.array([0, 1, 2])], 0), (a[:3] @ rest[:3] @ b)),
            (parts.of_columns([np.array([0, 1, 2])], 0), (a @ rest[:, :3] @ b[:3])),
            (parts.of_each_row(np.array([0, 1]), 0), rest[:2] @ b),
            (parts.inside_rows([np.arange(4)], 0), rest[0, :4] @ b[:4]),
        ]:
            assert (np.abs(residuals - truth) <= bounds).all()


def test_coordinates_one_by_one_have_the_slope_of_the_cost(wrong):
    theta, claim, _ = wrong
    with parts_of(theta, claim, axis=1) as parts:
        places = np.array([0, 7, 119])
        slopes = parts.one_by_one(places)
        truth = 3 * theta.ravel()[parts.view.in_block(places)] ** 2
        assert (np.abs(slopes.central - truth) <= slopes.bound).all()


def test_at_a_kink_the_bound_covers_all_that_is_right():
    theta = np.array([[0.0, 1.0], [2.0, 3.0]])
    claim = np.array([[0.3, 1.0], [1.0, 1.0]])
    with parts_of(theta, claim, cost=lambda p: np.sum(np.abs(p))) as parts:
        residuals, bounds = parts.of_each_row(np.array([0, 1]), 0)
        assert (np.abs(residuals) <= bounds).all()
        assert bounds[0] > 0.4 > 1e-9 > bounds[1]
        slopes = parts.one_by_one(np.array([0, 1]))
        np.testing.assert_allclose([slopes.lower, slopes.upper], [[-1, 1], [1, 1]])


def test_weights_have_both_signs_are_never_small_and_change_with_the_turn(wrong):
    with parts_of(*wrong[:2]) as parts:
        drawn = np.concatenate([np.concatenate(parts.weights(turn)) for turn in range(50)])
        assert np.abs(drawn).min() >= 0.5
        assert np.abs(drawn).max() <= 1.5
        assert np.sqrt(HEAVIEST) == 1.5
        assert 0.4 < (drawn > 0).mean() < 0.6
        assert (parts.weights(1)[1] != parts.weights(2)[1]).all()
        np.testing.assert_array_equal(parts.weights(1)[1], parts.weights(1)[1])


def test_small_memory_makes_small_batches_and_the_same_residuals(wrong):
    theta, claim, _ = wrong
    with parts_of(theta, claim) as parts:
        many = parts.of_each_row(np.arange(6), 0)[0]
    with parts_of(theta, claim, max_memory=1) as parts:
        assert parts.entries_at_once == 1
        np.testing.assert_allclose(parts.of_each_row(np.arange(6), 0)[0], many, rtol=1e-12)


def test_a_right_claim_is_within_its_bound_whatever_is_measured():
    rng = np.random.default_rng(1)
    theta = rng.standard_normal((ROWS_AT_ONCE + 44, 7))
    with parts_of(theta, 3 * theta**2) as parts:
        for turn in range(5):
            residuals, bounds = parts.of_each_row(np.arange(parts.rows), turn)
            assert (np.abs(residuals) <= bounds).all()
            residual, bound, _ = parts.whole(turn)
            assert abs(residual) <= bound < 1e-8
