"""Backward passes that go back through weights which they have already updated: W − c·dW in place of W.

The smallest example: ``W2 -= rate * dW2`` before ``dA1 = W2.T @ dZ2``. The claims are linear in the learning rate where
one of these products lies before a block, so that it is known from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fastcheck.diagnosis.detective import wording
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, EdgeRule, Operation, Rule
from fastcheck.diagnosis.detective.mutations.matrix_products import MatrixEdge
from fastcheck.diagnosis.detective.mutations.mutation import instead_on_edge
from fastcheck.diagnosis.detective.naming import gradient_names
from fastcheck.diagnosis.detective.searching.search import Explanation, Search
from fastcheck.engines.graph.nodes.movement import Transpose
from fastcheck.engines.graph.nodes.node import Array, Node
from fastcheck.engines.graph.nodes.products import Matmul

UNLIKELY = 1.4

LEAST_RATE, LARGEST_RATE = 1e-8, 1e3
"""Learning rates that people use."""


def try_updated_weights(search: Search) -> None:
    """Test whether slopes went back through weights that an update had changed, all of them or those of one layer."""
    claims = {block.name: block.claimed for block in search.evidence.blocks}
    graph = search.graph
    updates = [update for update in _updates(graph, claims) if graph.reach[update.target] & search.needed]
    tried: set[tuple[int, ...]] = set()
    for some in [updates, *([update] for update in updates)]:
        places = tuple(update.rule.operation.number for update in some)
        rate = _learning_rate(search, some) if some and places not in tried else None
        tried.add(places)
        if rate is not None:
            search.try_rules(_explanation(graph, some, rate))


class _Update:
    """A product with a parameter: ``rule`` hands on what a gradient step of size 1 changes of it."""

    def __init__(self, graph: CostGraph, operation: Operation, k: int, name: str, step: Array) -> None:
        self.name, edge = name, MatrixEdge(operation, k)
        self.rule: EdgeRule = instead_on_edge(
            graph, operation, k, lambda slope: -edge.folded(edge.product(edge.slope(slope), step))
        )

    @property
    def target(self) -> int:
        """The operand that gets the share."""
        return self.rule.target

    def after(self, graph: CostGraph, rate: float) -> Rule:
        """Return how the product shares after a step."""
        operation, k = self.rule.operation, self.rule.k

        def share(slope: Array) -> Array:
            right = next(part for j, _, part in graph.shared(operation.number, slope) if j == k)
            return np.asarray(right + rate * self.rule.on_edge(slope, graph.slopes))

        return instead_on_edge(graph, operation, k, share)


def _updates(graph: CostGraph, claims: Mapping[str, Array]) -> list[_Update]:
    """Return the products with parameters, or their transposes, that are used once."""
    found = []
    for operation in graph.operations:
        if not isinstance(operation.node, Matmul) or len(operation.live_operands) < 2:
            continue
        for k in (0, 1):
            name, is_transposed = _parameter(graph, operation.node.operands[1 - k])
            step = claims.get(name) if name is not None else None
            if name is not None and step is not None and step.ndim == 2 and operation.number in graph.slopes:
                found.append(_Update(graph, operation, k, name, step.T if is_transposed else step))
    return found


def _parameter(graph: CostGraph, operand: Node) -> tuple[str | None, bool]:
    """Return which parameter an operand is that nothing else uses, and whether it is transposed."""
    is_transposed = isinstance(operand, Transpose) and np.ndim(operand.value) == 2
    leaf = operand.operands[0] if is_transposed else operand
    is_used_once = len(graph.uses[leaf.number]) == 1 and len(graph.uses[operand.number]) == 1
    return (graph.blocks.get(leaf.number) if is_used_once else None), is_transposed


def _learning_rate(search: Search, updates: Sequence[_Update]) -> float | None:
    """Return the size of the step, from the wrong blocks that one of the products alone leads to."""
    graph, probes = search.graph, search.probes
    reach = [graph.reach[update.target] for update in updates]
    for name in search.wrong:
        leading = [
            update for update, blocks in zip(updates, reach, strict=True) if blocks & graph.bits([name])
        ]
        rows = probes.rows_of(name)
        if len(leading) != 1 or not rows.size:
            continue
        rule = leading[0].rule
        change = rule.on_edge(graph.slopes[rule.operation.number], graph.slopes)
        along, error = probes.of(rule.target, change).along[rows], probes.error[rows]
        square = float(along @ along)
        rate = float(along @ error) / square if square else 0.0
        fits = np.allclose(rate * along, error, rtol=0, atol=1e-5 * float(np.abs(error).max()))
        return rate if fits and LEAST_RATE < rate < LARGEST_RATE else None
    return None


def _explanation(graph: CostGraph, updates: Sequence[_Update], rate: float) -> Explanation:
    operations = [update.rule.operation for update in updates]
    names = list(dict.fromkeys(update.name for update in updates))
    steps = " and ".join(f"{name} − {rate:.6g}·{gradient_names([name])}" for name in names)
    return Explanation(
        kind="weights already updated",
        statement=("weights already updated", *names),
        says=lambda: (
            f"slopes go back through weights that are updated already, {steps}, at "
            f"{wording.places(operations, graph)}: update them after the backward pass"
        ),
        lines=lambda: wording.lines_of(operations),
        seeds=dict,
        rules=lambda: {update.rule.operation.number: update.after(graph, rate) for update in updates},
        unlikely=UNLIKELY,
        free=1,
        coefficient=rate,
        place=operations[0].number,
    )
