"""Values that may have been taken for another one of the same shape by mistake."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.chains import Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.mutations.operands import operand_text, place_of
from fastcheck.engines.graph.nodes.node import Array, Node, plain

MOST_OTHERS = 12
"""Other values of one shape that are tried for one operand: the nearest ones."""

MOST_SLOPES = 6
"""Slopes of other operations that are tried for that of one."""

BEFORE_ACTIVATION, PART, OF_OTHER_TIME, OF_LAST_TIME, SAME_LINE, SHIFTED, OTHER_VALUE = (
    1.8,
    2.0,
    2.2,
    2.2,
    2.3,
    2.4,
    2.9,
)
"""How unlikely each is: a factor that lacks what was done last, or is one of two that were multiplied."""

INSIDE = 0.15
"""What is computed on the way to a result, in one expression, is less likely to be taken than what has a name."""


class OtherValue(NamedTuple):
    """A value that may stand in for another: ``instead`` tells where it is from.

    ``value()`` makes it, ``detail`` is the same for what is the same in other executions of the line.
    """

    kind: str
    instead: str
    value: Callable[[], Array]
    unlikely: float
    detail: Hashable


def relation(operation: Operation, other: Operation, graph: CostGraph) -> Hashable:
    """Return where another operation is, seen from one: the same in other executions of their lines.

    Of the operations that are one in several executions, it is the last before this one, the next after it, and so on.
    """
    if other.origin is None:
        return other.number
    times = graph.same_spot[other.origin.spot]
    return other.origin.spot, bisect.bisect(times, other.number) - bisect.bisect(times, operation.number)


def other_values(operation: Operation, k: int, graph: CostGraph, chains: Chains) -> Iterator[OtherValue]:
    """Yield what may have been taken for an operand, each of its shape."""
    x = operation.node.operands[k]
    value = np.asarray(plain(x), dtype=float)
    if value.ndim == 0 or value.size < 2:
        return
    yield from _shifted(value, operand_text(operation, k, graph))
    yield from _of_other_times(operation, k, graph)
    yield from _of_last_time(operation, k, graph)
    number = x.number if isinstance(x, Node) else None
    own = {y.number for y in operation.node.operands if isinstance(y, Node)}
    before = set() if number is None else _before(graph.operations[number], chains)
    parts = [] if number is None else [y.number for _, y in graph.operations[number].live_operands]
    near = [part for part in parts if graph.operations[part].shape == value.shape]
    alike = graph.of_shape.get(value.shape, ())
    near += nearest([n for n in alike if not _is_inside(graph.operations[n], graph)], operation.number)
    near += nearest([n for n in alike if _is_inside(graph.operations[n], graph)], operation.number)
    for other in list(dict.fromkeys(near))[: MOST_OTHERS + len(parts)]:
        if other not in own:
            yield _of_operation(operation, graph.operations[other], graph, other in before, other in parts)
    yield from _constants(operation, x, value.shape, graph)


def _of_operation(
    operation: Operation, other: Operation, graph: CostGraph, is_before: bool, is_part: bool
) -> OtherValue:
    kind, unlikely = "another value for a factor", OTHER_VALUE
    if is_before:
        kind, unlikely = "factor before the activation", BEFORE_ACTIVATION
    elif is_part:
        kind, unlikely = "part of a factor", PART
    elif _is_of_same_execution(operation, other):
        unlikely = SAME_LINE
    return OtherValue(
        kind=kind,
        instead=f"the value of {place_of(other, graph)}",
        value=lambda: other.value,
        unlikely=unlikely + INSIDE * _is_inside(other, graph),
        detail=relation(operation, other, graph),
    )


def other_slopes(operation: Operation, graph: CostGraph) -> Iterator[Operation]:
    """Yield operations whose slopes, of the same shape, may have been taken for those of one: the nearest after it."""
    after = [n for n in graph.of_shape.get(operation.shape, ()) if n > operation.number and n in graph.slopes]
    for number in after[:MOST_SLOPES]:
        yield graph.operations[number]


def _shifted(value: Array, written: str) -> Iterator[OtherValue]:
    for axis, length in enumerate(value.shape):
        steps = (1, -1) if length > 2 else (1,)
        for by in steps if length > 1 else ():
            yield OtherValue(
                kind="shifted factor",
                instead=f"{written} moved {'on' if by > 0 else 'back'} by one along axis {axis}",
                value=lambda axis=axis, by=by: np.roll(value, by, axis=axis),  # type: ignore[misc]
                unlikely=SHIFTED,
                detail=(axis, by),
            )


def _of_other_times(operation: Operation, k: int, graph: CostGraph) -> Iterator[OtherValue]:
    """Yield the operand of the next execution and of the one before, the last being followed by the first."""
    if operation.origin is None:
        return
    times = graph.same_spot[operation.origin.spot]
    if len(times) < 2:
        return
    at = times.index(operation.number)
    for by, words in ((1, "next"), (-1, "previous")):
        other = graph.operations[times[(at + by) % len(times)]]
        if k < len(other.node.operands) and _shape(other, k) == _shape(operation, k):
            yield OtherValue(
                kind="factor of another time",
                instead=f"that of the {words} time the line runs",
                value=lambda other=other: other.operand_value(k),  # type: ignore[misc]
                unlikely=OF_OTHER_TIME,
                detail=by,
            )


def _of_last_time(operation: Operation, k: int, graph: CostGraph) -> Iterator[OtherValue]:
    """Yield the last value of what an operand is one of: the state that a loop ends with.

    The first time that is a constant, such as a state of zeros.
    """
    if operation.origin is None:
        return
    times = (graph.operations[number] for number in graph.same_spot[operation.origin.spot])
    operands = (time.node.operands[k] for time in times if k < len(time.node.operands))
    origins = (graph.operations[x.number].origin for x in operands if isinstance(x, Node) and x.live)
    origin = next((origin for origin in origins if origin is not None), None)
    values = [] if origin is None else graph.same_spot[origin.spot]
    if len(values) < 2 or graph.operations[values[-1]].shape != _shape(operation, k):
        return
    last = graph.operations[values[-1]]
    if last.node is not operation.node.operands[k]:
        yield OtherValue(
            kind="factor of the last time",
            instead=f"the last value of {place_of(last, graph)}",
            value=lambda: last.value,
            unlikely=OF_LAST_TIME,
            detail="last",
        )


def _is_of_same_execution(operation: Operation, other: Operation) -> bool:
    origins = operation.origin, other.origin
    return None not in origins and origins[0].execution is origins[1].execution  # type: ignore[union-attr]


def _is_inside(operation: Operation, graph: CostGraph) -> bool:
    """Whether a value is computed on the way to another one, in one expression."""
    if operation.origin is None:
        return False
    uses = (graph.operations[number].origin for number, _ in graph.uses[operation.number])
    return all(use is not None and use.execution is operation.origin.execution for use in uses)


def _constants(
    operation: Operation, own: object, shape: tuple[int, ...], graph: CostGraph
) -> Iterator[OtherValue]:
    """Yield constant arrays of the cost, such as the dropout mask of another layer."""
    users = dict(graph.constants_of_shape.get(shape, ()))
    for user in nearest(sorted(users), operation.number):
        found = graph.operations[user]
        place = users[user]
        if found.node.operands[place] is not own:
            yield OtherValue(
                kind="another constant for a factor",
                instead=f"the constant array of {place_of(found, graph)}",
                value=lambda found=found, place=place: found.operand_value(place),  # type: ignore[misc]
                unlikely=OTHER_VALUE,
                detail=(relation(operation, found, graph), place),
            )


def nearest(numbers: Sequence[int], to: int) -> list[int]:
    """Return the numbers that are nearest to one, `MOST_OTHERS` at most."""
    if len(numbers) <= MOST_OTHERS:
        return list(numbers)
    return sorted(numbers, key=lambda number: abs(number - to))[:MOST_OTHERS]


def _before(operation: Operation, chains: Chains) -> set[int]:
    """Return operations of which one is a function entry by entry."""
    return {chain.start.number for chain in chains.ending_at(operation)}


def _shape(operation: Operation, k: int) -> tuple[int, ...]:
    return tuple(np.shape(plain(operation.node.operands[k])))
