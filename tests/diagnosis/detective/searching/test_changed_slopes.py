"""What wrong rules change is sent back alone: along random directions it is what a sweep through the graph makes."""

import numpy as np
import pytest
from explained_claims import graph_of

from fastcheck.diagnosis.detective.evidence import BlockEvidence, Evidence
from fastcheck.diagnosis.detective.graph.cost_graph import EdgeRule
from fastcheck.diagnosis.detective.searching.changed_slopes import Sweeps
from fastcheck.diagnosis.detective.searching.factors import factor_rules
from fastcheck.diagnosis.detective.searching.probes import Probes
from fastcheck.diagnosis.detective.searching.two_at_once import MOST_APART, NEIGHBOURS, nearest_pairs

RNG = np.random.default_rng(117)
X = RNG.standard_normal((4, 6, 3))
PARAMETERS = {
    "W": RNG.standard_normal((8, 5)) / 3,
    "b": RNG.standard_normal(5) / 10,
    "v": RNG.standard_normal(5),
    "unused": RNG.standard_normal(2),
}


def recurrent(p):
    h = np.zeros((4, 5))
    for t in range(6):
        z = np.concatenate([X[:, t], h], axis=1) @ p["W"] + p["b"]
        h = np.tanh(z) * z[:, :1]
    return np.sum((h @ p["v"]) ** 2) + np.sum(p["W"] ** 2)


def probed():
    graph = graph_of(recurrent, PARAMETERS)
    blocks = [
        BlockEvidence(
            name=name,
            theta=PARAMETERS[name],
            claimed=slope + RNG.standard_normal(slope.shape),
            slopes=slope,
            rounding=0.0,
            wrong=name in ("W", "b"),
        )
        for name, slope in graph.right().items()
    ]
    return graph, Probes(graph, Evidence(blocks=blocks, complete=True), 0)


def every(graph, start):
    found = [op for op in graph.operations if op.origin and op.origin.expression.startswith(start)]
    assert len(found) > 5
    return found


def without_derivative(graph):
    """The derivative of tanh left out, every time."""
    operands = {op.number: op.live_operands[0][1].number for op in every(graph, "np.tanh(z)")}
    return {n: lambda slope, target=target: [(target, slope)] for n, target in operands.items()}


def of_earlier_ones(graph):
    """The weights get the slope of the product after the next one."""
    products = [op for op in every(graph, "np.concatenate") if op.shape == (4, 5)]
    return {
        op.number: EdgeRule(
            graph, op, 1, lambda slope, op=op: op.operand_value(0).T @ slope, taken_from=later.number
        )
        for op, later in zip(products, products[2:], strict=False)
    }


def doubled(graph):
    """What goes back to h is doubled, the first time excepted."""
    products = [op for op in every(graph, "np.concatenate") if op.shape == (4, 5)]
    return factor_rules(graph, [(op.number, 0) for op in products if (op.number, 0) in graph.shares], 2.0)


RULES = (without_derivative, of_earlier_ones, doubled)


@pytest.mark.parametrize("rules_of", RULES)
def test_changes_alone_do_what_a_sweep_does(rules_of):
    graph, probes = probed()
    rules = rules_of(graph)
    assert rules
    wrong, right = graph.of_blocks(graph.sent_back({graph.result: np.ones(())}, rules)), graph.right()
    expected = probes.of_blocks({name: wrong[name] - right[name] for name in right})
    assert np.abs(expected.along).max() > 1e-3
    found = Sweeps(graph, probes).effect_of(rules)
    np.testing.assert_allclose(found.along, expected.along, rtol=1e-9, atol=1e-12)
    assert (found.size >= np.abs(found.along)).all()


@pytest.mark.parametrize("rules_of", RULES)
def test_changes_are_sent_back_through_a_backward_pass_that_is_wrong_already(rules_of):
    graph, probes = probed()
    first = {number: rule for number, rule in without_derivative(graph).items() if number % 2}
    mutated, rules = graph.mutated(first), rules_of(graph)
    start = {graph.result: np.ones(())}
    wrong, before = mutated.of_blocks(mutated.sent_back(start, rules)), mutated.right()
    expected = probes.of_blocks({name: wrong[name] - before[name] for name in before})
    found = Sweeps(mutated, probes).effect_of(rules)
    np.testing.assert_allclose(found.along, expected.along, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rules_of", RULES)
def test_what_each_does_alone_adds_up(rules_of):
    graph, probes = probed()
    sweeps, rules = Sweeps(graph, probes), rules_of(graph)
    alone = [sweeps.effect_of({number: rule}).along for number, rule in rules.items()]
    np.testing.assert_allclose(sweeps.effect_of_each(rules).along, sum(alone), rtol=1e-9, atol=1e-12)


def test_pairs_nearest_to_the_error_come_first():
    effects = RNG.standard_normal((700, 3))
    error = 3 * RNG.standard_normal(3)
    pairs = nearest_pairs(effects, error)
    apart = [float(np.linalg.norm(error - effects[i] - effects[j])) for i, j in pairs]
    assert apart == sorted(apart)
    assert apart[-1] <= MOST_APART * np.linalg.norm(error) * (1 + 1e-9)
    for i in (0, 255, 256, 500):
        distances = np.linalg.norm(error - effects[i] - effects[i + 1 :], axis=1)
        near = np.flatnonzero(distances <= MOST_APART * np.linalg.norm(error))
        nearest = set(i + 1 + near[np.argsort(distances[near])][:NEIGHBOURS])
        assert {j for first, j in pairs if first == i} == nearest
