"""Costs that write into arrays: what is read comes from what was written there last."""

import numpy as np
import pytest
from explained_claims import graph_of

from fastcheck.diagnosis.detective.graph.buffers import Added, Gathered
from fastcheck.engines.graph.nodes.movement import Open, Read, Write

STEP = 1e-6


def parameters():
    rng = np.random.default_rng(71)
    return {"x": rng.standard_normal(4), "y": rng.standard_normal(4)}


def in_a_loop(p):
    states = np.zeros((4, 4))
    states[0] = p["x"]
    for t in range(3):
        states[t + 1] = np.tanh(states[t] * p["y"])
    return np.sum(states[1:] ** 2)


def overwritten(p):
    a = np.zeros(4)
    a[:] = p["x"]
    b = a * 2
    a[1:3] = p["y"][:2]
    a[2] = 5.0
    return np.sum(np.sin(a) * b)


def added(p):
    a = np.zeros(4)
    a += p["x"]
    a[1:] += p["y"][:3] * a[:3]
    a *= 2.0
    return np.sum(a**3)


def added_at(p):
    a = np.zeros(3)
    np.add.at(a, [0, 2, 0, 2], p["x"])
    np.add.at(a, [1, 1, 1, 0], p["y"])
    return np.sum(np.exp(a))


def through_a_view(p):
    a = np.zeros((2, 4))
    row = a[1]
    row[:] = p["x"]
    row[::2] += p["y"][:2]
    return np.sum(np.cos(a) * np.arange(8.0).reshape(2, 4))


def transposed_view(p):
    a = np.zeros((2, 2))
    a.T[...] = p["x"].reshape(2, 2)
    a[0] *= p["y"][0]
    return np.sum(np.sin(a) * np.array([[1.0, 2.0], [3.0, 4.0]]))


def columns_of_windows(p):
    out, x = np.zeros((2, 3)), np.concatenate([p["x"], p["y"]])
    for i in range(2):
        for j in range(3):
            out[i, j] = np.sum(x[i + j : i + j + 3] ** 2)
    return np.sum(np.sqrt(1 + out))


def a_copy_is_not_written_into(p):
    a = np.zeros(4)
    a[:] = p["x"]
    b = a.copy()
    a[:] = p["y"]
    return np.sum(a * a) + np.sum(np.sin(b))


def masked(p):
    a = np.zeros(4)
    a[:] = p["x"]
    a[a < 0] = 0.0
    return np.sum(a**2 * p["y"])


def repeated_places(p):
    a = np.zeros(3)
    a[[0, 1, 1]] = p["x"][:3]
    return np.sum(np.exp(a) * p["y"][:3])


def broadcast_into(p):
    a = np.ones((3, 4))
    a[...] = p["x"]
    a[1] += p["y"]
    return np.sum(np.tanh(a) * np.arange(12.0).reshape(3, 4))


COSTS = (
    in_a_loop, overwritten, added, added_at, through_a_view, transposed_view, columns_of_windows,
    a_copy_is_not_written_into, masked, repeated_places, broadcast_into,
)  # fmt: skip


def differences(cost, p):
    found = {}
    for name, value in p.items():
        slopes = np.zeros(value.shape)
        for i in range(value.size):
            ends = []
            for sign in (1, -1):
                moved = value.copy()
                moved[i] += sign * STEP
                ends.append(cost({**p, name: moved}))
            slopes[i] = (ends[0] - ends[1]) / (2 * STEP)
        found[name] = slopes
    return found


@pytest.mark.parametrize("cost", COSTS)
def test_slopes_are_those_of_the_cost(cost):
    p = parameters()
    right = graph_of(cost, p).right()
    for name, slopes in differences(cost, p).items():
        np.testing.assert_allclose(right[name], slopes, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("cost", COSTS)
def test_buffers_are_gone_and_operations_are_numbered_in_order(cost):
    graph = graph_of(cost, parameters())
    assert [op.node.number for op in graph.operations] == list(range(len(graph.operations)))
    assert not any(isinstance(op.node, (Open, Read, Write)) for op in graph.operations)
    for op in graph.operations:
        assert all(x.number < op.number for _, x in op.live_operands)
        assert all(graph.operations[x.number].node is x for _, x in op.live_operands)


@pytest.mark.parametrize("cost", COSTS)
def test_values_are_those_of_the_operands(cost):
    for op in graph_of(cost, parameters()).operations:
        if isinstance(op.node, Gathered):
            for k, x in op.live_operands:
                taken = op.node.sources == k
                np.testing.assert_array_equal(op.value[taken], np.ravel(x.value)[op.node.places[taken]])


@pytest.mark.parametrize("cost", COSTS)
def test_moves_are_adjoint_to_slopes(cost):
    p = parameters()
    graph = graph_of(cost, p)
    rng = np.random.default_rng(72)
    moves = {name: rng.standard_normal((3, 4)) for name in p}
    moved = graph.tangents(moves, 3)[graph.result]
    expected = sum(moves[name] @ graph.right()[name] for name in p)
    np.testing.assert_allclose(moved, expected, rtol=1e-12, atol=1e-12)


def test_what_is_added_at_repeated_places_is_one_operation_each():
    graph = graph_of(added_at, parameters())
    assert sum(isinstance(op.node, Added) for op in graph.operations) == 2


def test_lines_of_what_is_read_are_those_that_read():
    graph = graph_of(in_a_loop, parameters())
    lines = [
        op.origin.execution.code_line.text
        for op in graph.operations
        if isinstance(op.node, Gathered) and op.origin is not None
    ]
    assert lines[:3] == ['states[t + 1] = np.tanh(states[t] * p["y"])'] * 3
    assert "states[1:]" in lines[3]


def test_numbers_in_memory_are_known_before_others_are_added():
    def cost(p):
        a = np.zeros(4)
        a[1:3] = p["x"][:2]
        a[1:] += p["x"][:3]
        np.add.at(a, [0, 1, 1, 3], p["y"])
        return np.sum(a**2)

    p = parameters()
    graph = graph_of(cost, p)
    (added,) = [op for op in graph.operations if isinstance(op.node, Added)]
    expected = np.array([0.0, 2 * p["x"][0], p["x"][2]])
    np.testing.assert_array_equal(added.operand_value(0), expected)
    np.add.at(expected, [0, 1, 1, 2], p["y"])
    np.testing.assert_array_equal(added.value, expected)
