from __future__ import annotations

import numpy as np
import pytest

from fastcheck.diagnosis.parts import HEAVIEST, Parts, rows_and_columns
from fastcheck.engines.plain.directions import Directions
from fastcheck.problem.parameters import Block
from fastcheck.problem.posing import pose

SHAPE = (6, 5, 4)


def parts_of(theta, gradient, *, cost=lambda p: np.sum(p**3)):
    problem = pose(cost, theta, gradient)
    return Parts(problem.claims[0], problem.layout.blocks[0], Directions(problem), tolerance=1e-7, seed=0)


@pytest.fixture
def wrong():
    """θ, a claim that is off everywhere, and its error."""
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(SHAPE)
    error = rng.standard_normal(SHAPE)
    return theta, 3 * theta**2 + error, error.reshape(6, 20)


@pytest.mark.parametrize(
    ("shape", "expected"), [((), (1, 1)), ((7,), (7, 1)), ((4, 6), (4, 6)), (SHAPE, (6, 20))]
)
def test_a_block_of_any_shape_is_a_matrix(shape, expected):
    size = int(np.prod(shape))
    assert rows_and_columns(Block(name="W", shape=shape, start=0, stop=size)) == expected


def test_residuals_are_weighted_sums_of_errors(wrong):
    theta, claim, error = wrong
    parts = parts_of(theta, claim)
    a, b = parts.weights(3)
    weighted = a[:, None] * b * error
    groups = [np.array([0]), np.arange(1, parts.rows)]
    for (residuals, bounds), truth in [
        (parts.of_rows(groups, 3), [weighted[group].sum() for group in groups]),
        (
            parts.of_columns([np.array([2, 5]), np.array([1])], 3),
            [weighted[:, [2, 5]].sum(), weighted[:, 1].sum()],
        ),
        (
            parts.inside_rows([np.array([0, 1]), parts.columns + np.arange(3)], 3),
            [error[0, :2] @ b[:2], error[1, :3] @ b[:3]],
        ),
    ]:
        assert (np.abs(residuals - truth) <= bounds).all()
        assert (bounds < 1e-5).all()
    whole, bound, _ = parts.whole(3)
    assert whole == pytest.approx(weighted.sum(), abs=bound)


def test_errors_taken_out_and_lines_left_out_are_not_measured(wrong):
    theta, claim, error = wrong
    parts = parts_of(theta, claim)
    parts.take_out(np.array([1, parts.columns + 2]), np.array([error[0, 1], error[1, 2]]))
    parts.left_out[0][2] = parts.left_out[1][0] = True
    rest = error.copy()
    rest[0, 1] = rest[1, 2] = 0
    rest[2] = rest[:, 0] = 0
    a, b = parts.weights(0)
    assert a[2] == b[0] == 0
    for (residuals, bounds), truth in [
        (parts.of_rows([np.array([0, 1, 2])], 0), (a[:3] @ rest[:3] @ b)),
        (parts.of_columns([np.array([0, 1, 2])], 0), (a @ rest[:, :3] @ b[:3])),
        (parts.inside_rows([np.arange(4)], 0), rest[0, :4] @ b[:4]),
    ]:
        assert (np.abs(residuals - truth) <= bounds).all()


def test_outside_of_the_support_nothing_is_measured(wrong):
    theta, claim, error = wrong
    parts = parts_of(theta, claim)
    support = np.random.default_rng(1).random(theta.size) < 0.5
    parts.restrict(support)
    a, b = parts.weights(0)
    inside = np.where(support.reshape(error.shape), error, 0)
    residual, bound, _ = parts.whole(0)
    assert residual == pytest.approx(a @ inside @ b, abs=bound)
    residuals, bounds = parts.of_rows([np.array([1, 2])], 0)
    assert residuals[0] == pytest.approx(a[1:3] @ inside[1:3] @ b, abs=bounds[0])
    assert parts.places_in_row(2).tolist() == (40 + np.flatnonzero(support[40:60])).tolist()


def test_coordinates_one_by_one_have_the_slope_of_the_cost(wrong):
    theta, claim, _ = wrong
    places = np.array([0, 7, 119])
    slopes = parts_of(theta, claim).one_by_one(places)
    assert (np.abs(slopes.central - 3 * theta.ravel()[places] ** 2) <= slopes.bound).all()


def test_at_a_kink_the_bound_covers_all_that_is_right():
    theta = np.array([[0.0, 1.0], [2.0, 3.0]])
    claim = np.array([[0.3, 1.0], [1.0, 1.0]])
    parts = parts_of(theta, claim, cost=lambda p: np.sum(np.abs(p)))
    residuals, bounds = parts.of_rows([np.array([0]), np.array([1])], 0)
    assert (np.abs(residuals) <= bounds).all()
    assert bounds[0] > 0.1 > 1e-8 > bounds[1]
    slopes = parts.one_by_one(np.array([0, 1]))
    np.testing.assert_allclose([slopes.lower, slopes.upper], [[-1, 1], [1, 1]])


def test_weights_have_both_signs_are_never_small_and_change_with_the_turn(wrong):
    parts = parts_of(*wrong[:2])
    drawn = np.concatenate([np.concatenate(parts.weights(turn)) for turn in range(50)])
    assert np.abs(drawn).min() >= 0.5
    assert np.abs(drawn).max() <= 1.5
    assert np.sqrt(HEAVIEST) == 1.5
    assert 0.4 < (drawn > 0).mean() < 0.6
    assert (parts.weights(1)[1] != parts.weights(2)[1]).all()
    np.testing.assert_array_equal(parts.weights(1)[1], parts.weights(1)[1])


def test_a_right_claim_is_within_its_bound_whatever_is_measured():
    theta = np.random.default_rng(1).standard_normal((50, 7))
    parts = parts_of(theta, 3 * theta**2)
    for turn in range(5):
        residuals, bounds = parts.of_rows([np.array([row]) for row in range(50)], turn)
        assert (np.abs(residuals) <= bounds).all()
        residual, bound, _ = parts.whole(turn)
        assert abs(residual) <= bound < 1e-5
