"""Weights that a backward pass may give to options at kinks: nearest ones, and what they can make of moves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, minimize

from fastcheck.engines.graph.kinks.feasible import FeasibleWeights

NONE = np.zeros(0, dtype=bool)


def rows(*lengths, ball=(), columns=False):
    """Return a set with rows of these lengths, some of them balls; or one square of tied entries that are sorted."""
    row = np.repeat(np.arange(len(lengths)), lengths)
    balls = np.isin(np.arange(len(lengths)), ball)
    return FeasibleWeights(row, balls, np.tile(np.arange(lengths[0]), len(lengths)) if columns else None)


def is_inside(feasible, weights):
    sums, squares = feasible.sums(weights), feasible.sums(weights**2)
    simplices = ~feasible.ball
    assert (weights[simplices[feasible.row]] >= 0).all()
    np.testing.assert_allclose(sums[simplices], 1, rtol=0, atol=1e-12)
    assert (squares[feasible.ball] <= 1 + 1e-12).all()
    return True


@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_weights_are_those_that_a_general_optimiser_finds(seed):
    rng = np.random.default_rng(seed)
    feasible = rows(3, 2, 4, ball=[2])
    wished = 2 * rng.standard_normal(9)
    found = feasible.project(wished)
    assert is_inside(feasible, found)
    simplices = [{"type": "eq", "fun": lambda w, s=s: w[s].sum() - 1} for s in (slice(3), slice(3, 5))]
    ball = {"type": "ineq", "fun": lambda w: 1 - (w[5:] ** 2).sum()}
    best = minimize(
        lambda w: ((w - wished) ** 2).sum(),
        feasible.random(rng),
        bounds=[(0, 1)] * 5 + [(-1, 1)] * 4,
        constraints=[*simplices, ball],
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(found, best.x, rtol=0, atol=1e-6)


def test_weights_of_the_set_are_their_own_nearest():
    feasible = rows(3, 1, 5, ball=[0])
    for weights in (
        feasible.first(),
        feasible.last(),
        feasible.split(),
        feasible.random(np.random.default_rng(0)),
    ):
        assert is_inside(feasible, weights)
        np.testing.assert_allclose(feasible.project(weights), weights, rtol=0, atol=1e-15)


def test_of_entries_that_are_sorted_each_has_one_place():
    feasible = rows(4, 4, 4, 4, columns=True)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(feasible.first().reshape(4, 4), np.eye(4))
    np.testing.assert_array_equal(feasible.last().reshape(4, 4), np.eye(4)[::-1])
    for weights in (feasible.first(), feasible.random(rng), feasible.project(rng.standard_normal(16))):
        square = weights.reshape(4, 4)
        np.testing.assert_allclose(square.sum(axis=0), 1, rtol=0, atol=1e-9)
        np.testing.assert_allclose(square.sum(axis=1), 1, rtol=0, atol=1e-9)
        assert (square >= 0).all()


def test_no_weights_make_more_of_moves_than_the_bound():
    rng = np.random.default_rng(1)
    feasible = rows(3, 2, 4, ball=[2])
    for _ in range(200):
        moves = rng.standard_normal(9)
        most = feasible.largest_sums(moves)
        assert (feasible.sums(feasible.random(rng) * moves) <= most + 1e-12).all()
        reached = np.where(
            np.arange(9) < 5, moves == np.maximum.reduceat(moves, feasible.starts)[feasible.row], 0.0
        )
        reached[5:] = moves[5:] / np.linalg.norm(moves[5:])
        np.testing.assert_allclose(feasible.sums(reached * moves), most, rtol=1e-14)


def test_the_best_weights_reach_the_bound():
    rng = np.random.default_rng(4)
    feasible = rows(3, 2, 4, ball=[2])
    for _ in range(20):
        moves, slopes = rng.standard_normal(9), rng.standard_normal(3)
        weights = feasible.best(slopes, moves)
        assert is_inside(feasible, weights)
        signed = slopes[feasible.row] * moves
        np.testing.assert_allclose(feasible.sums(weights * signed), feasible.largest_sums(signed), rtol=1e-14)


def test_the_best_weights_of_sorted_entries_are_the_best_order():
    rng = np.random.default_rng(5)
    feasible = rows(5, 5, 5, 5, 5, columns=True)
    for _ in range(20):
        slopes, moves = rng.standard_normal(5), rng.standard_normal(5)
        value = np.outer(slopes, moves)
        weights = feasible.best(slopes, np.tile(moves, 5)).reshape(5, 5)
        best = value[linear_sum_assignment(-value)].sum()
        assert (weights * value).sum() == pytest.approx(best, rel=1e-13)


def test_for_sorted_entries_the_bound_is_no_less_than_the_best_order():
    rng = np.random.default_rng(2)
    feasible = rows(4, 4, 4, 4, columns=True)
    for _ in range(20):
        slopes, moves = rng.standard_normal(4), rng.standard_normal(4)
        value = np.outer(slopes, moves)
        best = value[linear_sum_assignment(-value)].sum()
        assert feasible.largest_sums(value.reshape(-1)).sum() >= best - 1e-12


@pytest.mark.parametrize("columns", [False, True])
def test_changes_along_a_face_keep_all_sums_and_what_is_not_free(columns):
    rng = np.random.default_rng(3)
    feasible = rows(3, 3, 3, columns=columns)
    free = rng.random(9) < 0.8
    change = feasible.keeping_sums(rng.standard_normal(9), free)
    assert (change[~free] == 0).all()
    np.testing.assert_allclose(feasible.sums(change), 0, rtol=0, atol=1e-12)
    if columns:
        np.testing.assert_allclose(change.reshape(3, 3).sum(axis=0), 0, rtol=0, atol=1e-3)
