"""Slopes along directions by plain evaluation, against derivatives."""

import math
import tracemalloc

import numpy as np
import pytest
from scenarios import relu_network

from fastcheck.engines.plain.directions import Directions
from fastcheck.problem.posing import pose


@pytest.fixture(scope="module")
def network():
    cost, parameters, gradients = relu_network((12, 20, 8, 1), 9, seed=4, lambd=0.5)
    return pose(cost, parameters, gradients)


def vectors(block, count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, block.size))


def along(problem, direction, **options):
    """The slopes along a direction in the first block."""
    return Directions(problem).along(problem.layout.blocks[0], np.asarray(direction), **options)


def test_slopes_are_scalar_products_with_the_gradient(network):
    directions = Directions(network)
    for block, claim in zip(network.layout.blocks, network.claims, strict=True):
        for vector in vectors(block, 3):
            found, expected = directions.along(block, vector), vector @ claim.ravel()
            assert abs(found.central - expected) <= found.bound < 1e-5 * np.linalg.norm(claim)
            assert found.right == found.left == found.nearest(expected)
            assert not found.kinked


def test_a_direction_at_some_places_is_one_in_the_block(network):
    block, places = network.layout.blocks[0], np.array([3, 40, 239])
    dense = np.zeros(block.size)
    dense[places] = vector = np.array([0.5, -1.0, 2.0])
    some, whole = along(network, vector, places=places), along(network, dense)
    assert abs(some.central - whole.central) <= some.bound + whole.bound
    assert abs(some.central - dense @ network.claims[0].ravel()) <= some.bound
    assert block.size == 240


def test_the_cost_is_run_as_often_as_it_says():
    cost, parameters, gradients = relu_network((12, 20, 8, 1), 9, seed=4)
    calls = []

    def counted(p):
        calls.append(1)
        return cost(p)

    problem = pose(counted, parameters, gradients)
    before, directions = len(calls), Directions(problem)
    for block in problem.layout.blocks:
        for vector in vectors(block, 2):
            directions.along(block, vector)
    assert directions.forward_passes == len(calls) - before


def test_a_direction_takes_one_copy_of_the_parameters():
    theta = np.linspace(-1, 1, 2_000_000)
    problem = pose(lambda p: float(p[::1000] @ p[::1000]), theta)
    (vector,) = vectors(problem.layout.blocks[0], 1)
    tracemalloc.start()
    found = along(problem, vector)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert abs(found.central - 2 * theta[::1000] @ vector[::1000]) <= found.bound
    assert peak < 1.5 * theta.nbytes


def test_one_sided_slopes_at_a_kink():
    weights = np.array([1.0, -2.0, 3.0])
    problem = pose(lambda w: np.sum(np.maximum(w, 0) * weights) + np.sum(w**2), np.array([0.0, 0.0, 0.5]))
    for vector in vectors(problem.layout.blocks[0], 4):
        right = np.maximum(vector[:2], 0) @ weights[:2] + 4.0 * vector[2]
        left = np.minimum(vector[:2], 0) @ weights[:2] + 4.0 * vector[2]
        found = along(problem, vector)
        assert found.kinked
        assert abs(found.right - right) <= found.bound
        assert abs(found.left - left) <= found.bound
        middle = (right + left) / 2
        assert found.nearest(middle) == middle
        assert found.nearest(1e9) == max(found.right, found.left)


@pytest.mark.parametrize("distance", [1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9])
def test_a_kink_nearby_is_told_from_one_at_the_point(distance):
    problem = pose(lambda w: np.abs(w[0] - distance) + w[1] ** 3, np.array([0.0, 1.0]))
    for vector in vectors(problem.layout.blocks[0], 4):
        found, expected = along(problem, vector), -vector[0] + 3 * vector[1]
        low, high = sorted((found.left, found.right))
        assert low - found.bound <= expected <= high + found.bound
        if distance >= 1e-6:
            assert found.bound < 1e-6
            assert not found.kinked


def test_functions_of_python_are_evaluated_as_they_are():
    problem = pose(lambda w: math.exp(w[0]) + math.ldexp(w[1], 0) ** 2, np.array([0.3, 0.7]))
    for vector, expected in zip(np.eye(2), (math.exp(0.3), 1.4), strict=True):
        found = along(problem, vector)
        assert abs(found.central - expected) <= found.bound < 1e-6


def test_a_step_that_leaves_the_domain_is_made_smaller():
    problem = pose(lambda w: np.sum(np.log(w)), np.array([1e-7, 0.7]))
    with np.errstate(invalid="ignore"):
        found = along(problem, np.ones(2))
    assert abs(found.central - (1e7 + 1 / 0.7)) <= found.bound < 1e7


def test_where_no_step_stays_inside_nothing_is_known():
    problem = pose(lambda w: np.sum(np.where(w >= 0, w, np.nan)), np.zeros(2))
    assert np.isinf(along(problem, np.array([1.0, -1.0])).bound)


def test_an_exception_leaves_the_parameters_as_they_were():
    calls = []

    def interrupted(w):
        calls.append(w.copy())
        if len(calls) == interrupted_at:
            raise KeyboardInterrupt
        return w[0] ** 2 + w[1]

    interrupted_at = 0
    problem = pose(interrupted, np.array([0.3, 0.4]))
    block, directions = problem.layout.blocks[0], Directions(problem)
    directions.along(block, np.ones(2))
    interrupted_at = len(calls) + 1
    with pytest.raises(KeyboardInterrupt):
        directions.along(block, np.ones(1), np.array([0]))
    assert calls[-1][0] != 0.3
    found = directions.along(block, np.ones(1), np.array([1]))
    assert calls[-1][0] == 0.3
    assert abs(found.central - 1) <= found.bound
