"""Slopes along directions, both ways of measuring them, against derivatives."""

import math
import tracemalloc

import numpy as np
import pytest
from scenarios import relu_network

from fastcheck import InvalidProblemError
from fastcheck.engines import DisagreementError
from fastcheck.engines.difference.state import TracingError
from fastcheck.engines.directional import PlainDirections
from fastcheck.engines.directions import METHODS, opened, together
from fastcheck.execution import Execution
from fastcheck.parameters import Block
from fastcheck.problem import pose


@pytest.fixture(scope="module")
def network():
    cost, parameters, gradients = relu_network((12, 20, 8, 1), 9, seed=4, lambd=0.5)
    return pose(cost, parameters, gradients)


def vectors(block, count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, block.size))


def claims(problem, block, entries):
    return entries @ problem.claims[problem.layout.blocks.index(block)].ravel()


@pytest.mark.parametrize("method", METHODS)
def test_slopes_are_scalar_products_with_the_gradient(network, method):
    with opened(network, Execution(), method) as directions:
        for block in network.layout.blocks:
            entries = vectors(block, 3)
            found = directions.along(block, entries)
            expected = claims(network, block, entries)
            for side in (found.right, found.left):
                assert (np.abs(side - expected) <= found.bound).all()
            scale = np.linalg.norm(expected)
            assert (found.bound < (1e-11 if directions.method == "difference" else 1e-5) * scale).all()
            assert (found.noise <= found.bound).all()
            assert not found.kinked.any()
    assert directions.method == ("plain" if method in ("plain", "reference") else "difference")


@pytest.mark.parametrize("method", ["difference", "plain"])
def test_a_direction_in_a_row_is_one_in_the_block(network, method):
    block = network.layout.blocks[0]
    rows = np.array([3, 3, 19])
    entries = np.random.default_rng(1).standard_normal((3, 12))
    dense = np.zeros((3, *block.shape))
    dense[np.arange(3), rows] = entries
    with opened(network, Execution(), method) as directions:
        one = directions.along_rows(block, rows, entries)
        other = directions.along(block, dense.reshape(3, -1))
    assert (np.abs(one.right - other.right) <= one.bound + other.bound).all()
    assert (np.abs(one.right - claims(network, block, dense.reshape(3, -1))) <= one.bound).all()


def test_blocks_run_together_give_what_each_gives(network):
    blocks = network.layout.blocks
    with opened(network, Execution()) as directions:
        joint = directions.along_blocks([(block, vectors(block, 2)) for block in blocks])
        for block, found in zip(blocks, joint, strict=True):
            alone = directions.along(block, vectors(block, 2))
            assert (np.abs(found.right - alone.right) <= found.bound).all()


def test_which_blocks_are_run_together():
    def block(size):
        return Block(name=str(size), shape=(size,), start=0, stop=size)

    sizes = [[b.size for b in group] for group in together([block(n) for n in (10, 3, 10**6, 5, 6)], 4)]
    assert sizes == [[10, 3], [10**6], [5, 6]]


def test_the_cost_is_run_as_often_as_it_says():
    cost, parameters, gradients = relu_network((12, 20, 8, 1), 9, seed=4)
    calls = []

    def counted(p):
        calls.append(1)
        return cost(p)

    problem = pose(counted, parameters, gradients)
    before = len(calls)
    with opened(problem, Execution(), "plain") as directions:
        for block in problem.layout.blocks:
            directions.along(block, vectors(block, 2))
    assert directions.forward_passes == len(calls) - before
    calls.clear()
    with opened(problem, Execution()) as directions:
        for block in problem.layout.blocks:
            directions.along(block, vectors(block, 4))
    assert len(calls) <= directions.forward_passes < 100


def test_memory_decides_how_many_directions_are_run_at_a_time(network):
    block = network.layout.blocks[0]
    with opened(network, Execution()) as directions:
        free = directions.along(block, vectors(block, 5))
    with opened(network, Execution(), max_memory=64 * block.size) as directions:
        tight = directions.along(block, vectors(block, 5))
    assert (np.abs(free.right - tight.right) <= free.bound).all()
    assert tight.forward_passes > free.forward_passes


def test_plain_evaluation_along_a_direction_takes_one_copy_of_the_parameters():
    theta = np.linspace(-1, 1, 2_000_000)
    problem = pose(lambda p: float(p[::1000] @ p[::1000]), theta)
    entries = np.random.default_rng(0).standard_normal((1, theta.size))
    directions = PlainDirections(problem)
    tracemalloc.start()
    found = directions.along(problem.layout.blocks[0], entries)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert abs(found.right[0] - 2 * theta[::1000] @ entries[0, ::1000]) <= found.bound[0]
    assert peak < 1.5 * theta.nbytes


def test_one_direction_that_does_not_fit_is_evaluated_plainly():
    problem = pose(lambda w: np.sum(np.outer(w, w) ** 2), np.linspace(0.1, 1, 100))
    (block,) = problem.layout.blocks
    with opened(problem, Execution(), max_memory=2**26) as directions:
        directions.exact.limit = 1000
        found = directions.along(block, vectors(block, 2))
    assert directions.method == "plain"
    assert "one direction alone needs more memory than allowed" in directions.notes[0]
    expected = vectors(block, 2) @ (4 * problem.theta * np.sum(problem.theta**2))
    assert (np.abs(found.right - expected) <= found.bound).all()


# --- kinks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["difference", "plain"])
def test_one_sided_slopes_at_a_kink(method):
    weights = np.array([1.0, -2.0, 3.0])
    problem = pose(lambda w: np.sum(np.maximum(w, 0) * weights) + np.sum(w**2), np.array([0.0, 0.0, 0.5]))
    (block,) = problem.layout.blocks
    entries = vectors(block, 4)
    right = np.maximum(entries[:, :2], 0) @ weights[:2] + 4.0 * entries[:, 2]
    left = np.minimum(entries[:, :2], 0) @ weights[:2] + 4.0 * entries[:, 2]
    with opened(problem, Execution(), method) as directions:
        found = directions.along(block, entries)
    assert found.kinked.all()
    assert (np.abs(found.right - right) <= found.bound).all()
    assert (np.abs(found.left - left) <= found.bound).all()


@pytest.mark.parametrize("distance", [1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9])
def test_plain_evaluation_tells_a_kink_nearby_from_one_at_the_point(distance):
    problem = pose(lambda w: np.abs(w[0] - distance) + w[1] ** 3, np.array([0.0, 1.0]))
    (block,) = problem.layout.blocks
    entries = vectors(block, 4)
    with opened(problem, Execution(), "plain") as directions:
        found = directions.along(block, entries)
    expected = -entries[:, 0] + 3 * entries[:, 1]
    low, high = np.minimum(found.left, found.right), np.maximum(found.left, found.right)
    assert (expected >= low - found.bound).all()
    assert (expected <= high + found.bound).all()
    if distance >= 1e-6:
        assert (found.bound < 1e-6).all()
        assert not found.kinked.any()


# --- costs that cannot be followed ------------------------------------------------------------------------


def unfollowed(w):
    return math.exp(w[0]) + math.ldexp(w[1], 0) ** 2


def test_what_cannot_be_followed_is_evaluated_plainly_and_named():
    problem = pose(unfollowed, np.array([0.3, 0.7]))
    with opened(problem, Execution()) as directions:
        found = directions.along(problem.layout.blocks[0], np.eye(2))
    assert directions.method == "plain"
    assert (np.abs(found.right - [math.exp(0.3), 1.4]) <= found.bound).all()
    (note,) = directions.notes
    assert note.startswith("evaluated plainly. Difference propagation stopped at line")
    assert "math.exp" in note


def test_by_name_it_raises():
    problem = pose(unfollowed, np.array([0.3, 0.7]))
    with pytest.raises(TracingError), opened(problem, Execution(), "difference"):
        pass


class Different:
    """Another function on anything but plain arrays: evaluation must contradict."""

    def __call__(self, w):
        return (
            np.sum(w**2)
            if type(w) is np.ndarray
            else np.sum(w**2) + 1e-3 * np.sum((w - self.at) ** 3 / 1e-14)
        )

    def __init__(self, at):
        self.at = at


def test_evaluation_must_confirm():
    w = np.array([0.3, 0.7])
    problem = pose(Different(w.copy()), w)
    found = pytest.raises(DisagreementError, match="along a random direction in all blocks it changes")
    with found, opened(problem, Execution(), "difference"):
        pass
    with opened(problem, Execution()) as directions:
        found = directions.along(problem.layout.blocks[0], np.eye(2))
    assert directions.method == "plain"
    assert (np.abs(found.right - [0.6, 1.4]) <= found.bound).all()


def test_a_step_that_leaves_the_domain_is_made_smaller():
    problem = pose(lambda w: np.sum(np.log(w)), np.array([1e-7, 0.7]))
    with opened(problem, Execution(), "plain") as directions, np.errstate(invalid="ignore"):
        found = directions.along(problem.layout.blocks[0], np.ones((1, 2)))
    assert abs(found.right[0] - (1e7 + 1 / 0.7)) <= found.bound[0] < 1e7


def test_where_no_step_stays_inside_nothing_is_known():
    problem = pose(lambda w: np.sum(np.where(w >= 0, w, np.nan)), np.zeros(2))
    with opened(problem, Execution(), "plain") as directions:
        found = directions.along(problem.layout.blocks[0], np.array([[1.0, -1.0]]))
    assert np.isinf(found.bound[0])


def test_unknown_methods_are_refused(network):
    refused = pytest.raises(
        InvalidProblemError, match="method: expected one of 'auto', 'difference', 'plain'"
    )
    with refused, opened(network, Execution(), "exact"):
        pass
