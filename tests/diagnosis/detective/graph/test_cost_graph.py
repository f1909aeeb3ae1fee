"""The recorded cost as operations: slopes are those of the engine, moves are adjoint to them."""

import functools

import numpy as np
import pytest
from explained_claims import Every, graph_of
from recorded_costs import blocks_of
from scenarios import EVERY_SCENARIO

from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph
from fastcheck.diagnosis.detective.graph.shadows import shadows
from fastcheck.engines.graph.nodes.node import Leaf
from fastcheck.engines.graph.recording.lifting import LiftedCost
from fastcheck.engines.graph.recording.record import record
from fastcheck.engines.graph.recording.session import session_of
from fastcheck.engines.graph.tracing.tracing_error import TracingError

ROUNDING = 1e-12
"""Of slopes that are added in another order, beside the largest."""


@functools.cache
def recorded_scenario(name):
    """Return the graph of a scenario and the slopes of the engine by block."""
    scenario = EVERY_SCENARIO[name]()
    leaves, assemble = blocks_of(scenario.parameters)
    names = [str(k) for k in range(len(leaves))]
    with session_of(scenario.cost), np.errstate(all="ignore"):
        try:
            recording = record(scenario.cost, assemble, leaves, 10**9, named=Every())
        except TracingError:
            recording = record(LiftedCost(scenario.cost), assemble, leaves, 10**9, named=Every())
        slopes = dict(zip(names, recording.tape.slopes(recording.result, recording.leaves), strict=True))
    return CostGraph(recording, names), slopes


def largest(slopes):
    return max(float(np.max(np.abs(slope), initial=0.0)) for slope in slopes.values()) or 1.0


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_slopes_are_those_of_the_engine(name):
    graph, slopes = recorded_scenario(name)
    for block, slope in graph.right().items():
        assert slope.shape == slopes[block].shape
        np.testing.assert_allclose(slope, slopes[block], rtol=0, atol=ROUNDING * largest(slopes))


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_moves_are_adjoint_to_slopes(name):
    graph, _ = recorded_scenario(name)
    rng = np.random.default_rng(81)
    right = graph.right()
    moves = {block: rng.standard_normal((2, *slope.shape)) for block, slope in right.items()}
    moved = graph.tangents(moves, 2).get(graph.result, np.zeros(2)).reshape(2)
    for row in range(2):
        products = [moves[block][row] * slope for block, slope in right.items()]
        size = sum(float(np.sum(np.abs(product))) for product in products)
        assert abs(moved[row] - sum(map(np.sum, products))) <= 1e-9 * size


X = np.random.default_rng(82).standard_normal((5, 3))


def layer(p):
    return np.sum(np.tanh(X @ p["W"] + p["b"]) ** 2)


def parameters():
    rng = np.random.default_rng(83)
    return {"W": rng.standard_normal((3, 4)), "b": rng.standard_normal(4)}


def test_reach_tells_blocks():
    def cost(p):
        return np.sum(X @ p["W"]) + np.sum(p["b"] ** 2)

    graph = graph_of(cost, parameters())
    reach = {op.origin.expression: graph.reach[op.number] for op in graph.operations if op.origin is not None}
    assert reach['X @ p["W"]'] == graph.bits(["W"])
    assert reach['p["b"] ** 2'] == graph.bits(["b"])
    assert graph.reach[graph.result] == graph.bits(["W", "b"])


def test_all_that_operations_hand_back_adds_up_to_the_slopes():
    graph = graph_of(layer, parameters())
    sums = {}
    for edge, part in graph.shares.items():
        sums[graph.targets[edge]] = sums.get(graph.targets[edge], 0.0) + part
    assert set(sums) == set(graph.slopes) - {graph.result}
    for number, slope in sums.items():
        np.testing.assert_allclose(slope, graph.slopes[number], rtol=1e-13)


def test_what_is_added_to_slopes_is_sent_back():
    graph = graph_of(layer, parameters())
    products = next(op for op in graph.operations if op.origin and op.origin.expression == 'X @ p["W"]')
    change = np.random.default_rng(84).standard_normal(products.shape)
    found = graph.of_blocks(graph.sent_back({products.number: change}))
    np.testing.assert_allclose(found["W"], X.T @ change, rtol=1e-12)
    assert not found["b"].any()


def test_other_rules_are_sent_back_alone_and_as_a_graph():
    graph = graph_of(layer, parameters())
    tanh = next(op for op in graph.operations if op.origin and op.origin.expression.startswith("np.tanh"))
    (argument,) = [x.number for _, x in tanh.live_operands]
    rules = {tanh.number: lambda slope: [(argument, slope)]}
    sent = graph.of_blocks(graph.sent_back({graph.result: np.ones(())}, rules))
    dZ = 2 * tanh.value
    np.testing.assert_allclose(sent["b"], dZ.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(graph.mutated(rules).right()["b"], sent["b"], rtol=1e-12)
    np.testing.assert_allclose(graph.right()["b"], (dZ * (1 - tanh.value**2)).sum(axis=0), rtol=1e-12)


def test_values_follow_from_other_values():
    p = parameters()
    graph = graph_of(layer, p)
    at = graph.leaves[1]
    other = p["b"] + 0.5
    copies = shadows(graph, range(len(graph.operations)), {at: other}, {})
    assert float(copies[graph.result].value) == pytest.approx(layer({**p, "b": other}), rel=1e-13)
    assert not any(isinstance(graph.operations[number].node, Leaf) for number in copies if number != at)


def test_selected_entries_follow_from_other_values():
    def cost(p):
        return np.sum(np.max(p["W"] * 2, axis=1) ** 2)

    p = parameters()
    graph = graph_of(cost, p)
    copies = shadows(graph, range(len(graph.operations)), {graph.leaves[0]: -p["W"]}, {})
    assert float(copies[graph.result].value) == pytest.approx(cost({"W": -p["W"]}), rel=1e-13)
    selected = next(node for node in copies.values() if hasattr(node, "places"))
    np.testing.assert_array_equal(selected.positions % 4, np.argmax(-p["W"], axis=1))
