"""Operations at other values than those that were recorded: what follows from another operand, or another constant."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph
from fastcheck.engines.graph.nodes.movement import Selected
from fastcheck.engines.graph.nodes.node import Array, Leaf, Node, plain
from fastcheck.engines.graph.nodes.smooth import Elementwise

Constants = Mapping[tuple[int, int], Any]
"""Other constants: by the number of the operation, and the place among its operands."""


def shadows(
    graph: CostGraph,
    numbers: Iterable[int],
    values: Mapping[int, Array],
    constants: Constants,
    others: Mapping[int, Node] | None = None,
) -> dict[int, Node]:
    """Return copies of some operations, in order, as they would be if values or constants were others.

    ``values`` are results of operations that are not computed anew, ``others`` are operations in place of them.
    Operations that nothing changes have no copy.
    """
    changed: dict[int, Node] = dict(others or {})
    for number, value in values.items():
        changed[number] = _copy(graph.operations[number].node, (), value)
    for number in numbers:
        node = graph.operations[number].node
        if number in changed or isinstance(node, Leaf):
            continue
        operands = tuple(
            constants[number, k] if (number, k) in constants else _now(x, changed)
            for k, x in enumerate(node.operands)
        )
        if any(new is not old for new, old in zip(operands, node.operands, strict=True)):
            changed[number] = _copy(node, operands, _value_of(node, operands))
    return changed


def _now(x: Any, changed: Mapping[int, Node]) -> Any:
    return changed.get(x.number, x) if isinstance(x, Node) and x.live else x


def _copy(node: Node, operands: tuple[Any, ...], value: Any) -> Node:
    new = copy.copy(node)
    new.operands = operands or node.operands
    new.value = value
    if isinstance(new, Elementwise):
        new.forget_secants()
    if isinstance(new, Selected):
        new._positions = new.places(np.asarray(plain(new.operands[0])))
    return new


def _value_of(node: Node, operands: tuple[Any, ...]) -> Array:
    """Return the result for other operands: the recorded one, and its exact difference."""
    moves = [
        None
        if new is old
        else (np.asarray(plain(new), dtype=float) - np.asarray(plain(old), dtype=float))[None]
        for new, old in zip(operands, node.operands, strict=True)
    ]
    return np.asarray(np.asarray(node.value, dtype=float) + node.difference(moves, 1)[0])


def slope_of_chain(
    graph: CostGraph,
    start: int,
    chain: list[int],
    value: Array | None = None,
    constants: Constants | None = None,
) -> Array | None:
    """Return the derivative of the last operation of a chain in the result of ``start``, entry by entry.

    The chain holds the numbers of operations that work entry by entry, in order. With a ``value`` it is that at
    another value of the start, with ``constants`` that of a chain with these. None where it is not finite.
    """
    with np.errstate(all="ignore"):
        values = {} if value is None else {start: value}
        copies = shadows(graph, chain, values, constants or {}) if values or constants else {}
        slopes: dict[int, Array] = {chain[-1]: np.ones(graph.operations[chain[-1]].shape)}
        for number in reversed(chain):
            slope, node = slopes.get(number), copies.get(number, graph.operations[number].node)
            if slope is None:
                continue
            for x, part in zip(node.operands, node.backward(slope), strict=True):
                if isinstance(x, Node) and part is not None:
                    old = slopes.get(x.number)
                    slopes[x.number] = part if old is None else old + part
        found = slopes.get(start)
    if found is None or not np.isfinite(found).all():
        return None
    return np.broadcast_to(found, graph.operations[start].shape)
