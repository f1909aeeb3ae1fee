"""Loops whose backward pass assigns where it should add up.

The smallest example: ``dx[i : i + 3] = dwindow`` in a loop over windows that overlap.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from fastcheck.diagnosis.detective.graph.cost_graph import Operation
from fastcheck.diagnosis.detective.mutations.moved_entries import moved_by
from fastcheck.diagnosis.detective.searching.recurrences import explanation_of
from fastcheck.diagnosis.detective.searching.repeated_mutations import operations_of_spots
from fastcheck.diagnosis.detective.searching.search import Search
from fastcheck.engines.graph.nodes.movement import Pick, Section, Selected
from fastcheck.engines.graph.nodes.node import Array

OVERWRITTEN = 1.3
"""How unlikely this is."""


def try_assigned_in_loops(search: Search) -> None:
    """Test parts of arrays, taken in a loop, whose slopes are assigned."""
    for operations in operations_of_spots(search.graph):
        _try_overwritten(search, operations)


def _try_overwritten(search: Search, operations: Sequence[Operation]) -> None:
    """Test parts of one array: where they overlap, the last of the loop stays, or the first."""
    graph, first = search.graph, operations[0]
    if not isinstance(first.node, (Section, Pick)) or isinstance(first.node, Selected):
        return
    targets = {graph.targets.get((op.number, 0)) for op in operations}
    (target,) = targets if len(targets) == 1 else (None,)
    if target is None or not search.may_explain(target):
        return
    for words, order in (("last", operations), ("first", operations[::-1])):
        found, right = np.zeros((2, *graph.operations[target].shape))
        for operation in order:
            moved = moved_by(operation.node, 0)
            assert moved is not None
            inside = moved.positions >= 0
            slope = np.broadcast_to(graph.slopes[operation.number], operation.shape)
            found.reshape(-1)[moved.positions[inside]] = slope[inside]
            right += graph.shares[operation.number, 0]
            search.effort.test(slope.size)
        change = found - right
        explain = functools.partial(
            explanation_of,
            search,
            operations,
            "assigned in a loop, not added",
            f"keeps the {words} slope of entries that several parts have, where it should add them up, at {{}}",
            OVERWRITTEN,
            rules=dict,
            seeds=functools.partial(dict[int, Array], {target: change}),
        )
        if change.any():
            search.consider(search.probes.of(target, change), explain)
