"""Mutations of movement: entries that go back to the wrong places, or are assigned where they should be added up.

The smallest example: ``dx.reshape(N, C, H, W)`` for what was flattened after ``transpose(0, 2, 3, 1)``.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.buffers import Gathered, Places
from fastcheck.diagnosis.detective.graph.chains import Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.mutations.mutation import (
    Mutation,
    instead_of_chain,
    instead_on_edge,
)
from fastcheck.engines.graph.nodes.movement import Pick, Reshape, Section, Selected, Transpose
from fastcheck.engines.graph.nodes.node import Array, Node, plain, summed_to

MOST_AXES = 5
"""Arrays of more axes are not permuted in all ways."""

LONGEST_WAY = 4
"""Operations that only move entries, one after the other, of which the whole may be left out."""


@dataclasses.dataclass(frozen=True, eq=False)
class Moved:
    """How an operation moved the entries of an operand: ``positions`` of its shape, in the result's shape.

    They are in the order of C; −1 where an entry of the result is from elsewhere.
    """

    shape: tuple[int, ...]
    positions: Places

    @property
    def size(self) -> int:
        """The number of entries of the operand."""
        return math.prod(self.shape)

    @functools.cached_property
    def counts(self) -> Array:
        """How often each entry of the operand was taken."""
        return np.bincount(self.positions[self.positions >= 0], minlength=self.size)

    @property
    def repeats(self) -> bool:
        """Whether some entry was taken more than once."""
        return bool((self.counts > 1).any())

    @property
    def permutes(self) -> bool:
        """Whether each entry was taken once, and nothing else."""
        return self.positions.size == self.size and bool((self.counts == 1).all())

    def assigned(self, slope: Array, *, last: bool) -> Array:
        """Return slopes that were assigned in the order of C, or against it, not added up."""
        inside = self.positions >= 0
        at, slopes = self.positions[inside], slope[inside]
        found = np.zeros(self.size)
        order = slice(None) if last else slice(None, None, -1)
        found[at[order]] = slopes[order]
        return found.reshape(self.shape)

    def averaged(self, slope: Array) -> Array:
        """Return the averages of slopes of the same entry."""
        inside = self.positions >= 0
        summed = np.bincount(self.positions[inside], slope[inside], self.size)
        return (summed / np.maximum(self.counts, 1)).reshape(self.shape)

    def as_it_is(self, slope: Array) -> Array:
        """Return slopes in the order that they have now."""
        return slope.reshape(self.shape)

    def once_more(self, slope: Array) -> Array:
        """Return slopes moved the same way, not back."""
        return np.ravel(slope)[np.ravel(self.positions)].reshape(self.shape)


class InsteadOfMovingBack(NamedTuple):
    """What stands in for moving slopes back; ``applies`` tells to which movements."""

    kind: str
    says: str
    unlikely: float
    applies: Callable[[Moved], bool]
    value: Callable[[Moved, Array], Array]


INSTEAD_OF_MOVING_BACK = (
    InsteadOfMovingBack(
        "movement not undone",
        "leaves slopes in the order that {} brings entries into, where it should move them back",
        1.3,
        lambda moved: moved.permutes,
        lambda moved, slope: moved.as_it_is(slope),
    ),
    InsteadOfMovingBack(
        "moved once more",
        "moves entries the same way once more, not back, at {}",
        1.5,
        lambda moved: moved.permutes,
        lambda moved, slope: moved.once_more(slope),
    ),
    InsteadOfMovingBack(
        "assigned, not added",
        "keeps the last slope of each entry that {} takes more than once, where it should add them up",
        1.0,
        lambda moved: moved.repeats,
        lambda moved, slope: moved.assigned(slope, last=True),
    ),
    InsteadOfMovingBack(
        "first only, not added",
        "keeps the first slope of each entry that {} takes more than once, where it should add them up",
        1.3,
        lambda moved: moved.repeats,
        lambda moved, slope: moved.assigned(slope, last=False),
    ),
    InsteadOfMovingBack(
        "averaged, not added",
        "averages the slopes of each entry that {} takes more than once, where it should add them up",
        1.5,
        lambda moved: moved.repeats,
        lambda moved, slope: moved.averaged(slope),
    ),
)
"""What people do with slopes of entries that were moved."""


ORDERS_OF_AXES = ("moved once more",)
"""What `orders` tells of transpositions."""


def movements(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield where slopes may go at an operation that moves entries."""
    if isinstance(operation.node, Reshape):
        return
    for k, _ in operation.live_operands:
        moved = moved_by(operation.node, k)
        if moved is None:
            continue
        for row in INSTEAD_OF_MOVING_BACK:
            if row.applies(moved) and not (
                row.kind in ORDERS_OF_AXES and isinstance(operation.node, Transpose)
            ):
                value = functools.partial(row.value, moved)
                share = instead_on_edge(graph, operation, k, value)
                yield Mutation(row.kind, row.says, share, row.unlikely, detail=k)


def moved_by(node: Node, k: int) -> Moved | None:
    """Return how a node moves the entries of an operand, None if it does something else."""
    shape = np.shape(plain(node.operands[k]))
    own = np.arange(math.prod(shape)).reshape(shape)
    if isinstance(node, Transpose):
        return Moved(shape, own.transpose(node.axes))
    if isinstance(node, Section):
        return Moved(shape, np.asarray(own[node.key]))
    if isinstance(node, Selected) and not node.sorts:
        return None
    if isinstance(node, Pick):
        return Moved(shape, node.positions)
    if isinstance(node, Gathered):
        return Moved(shape, np.where(node.sources == k, node.places, -1))
    return None


def orders(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield other orders in which a slope may be reshaped, or its axes may be put."""
    node = operation.node
    if isinstance(node, Reshape):
        yield from _orders_of_reshape(operation, graph)
    elif isinstance(node, Transpose):
        yield from _orders_of_axes(operation, graph, node)


def _orders_of_reshape(operation: Operation, graph: CostGraph) -> Iterator[Mutation]:
    before, after = np.shape(plain(operation.node.operands[0])), operation.shape
    ways: dict[object, Callable[[Array], Array]] = {}
    if min(len(before), len(after)) > 0:
        ways["F"] = functools.partial(np.reshape, shape=before, order="F")
    for order in _permutations(len(before)):
        ways["before", order] = functools.partial(_reshaped_in_order, shape=before, order=order)
    for order in _permutations(len(after)):
        ways["after", order] = functools.partial(_reordered_and_reshaped, shape=before, order=order)
    for detail, value in ways.items():
        yield Mutation(
            "reshaped in another order",
            f"reshapes at {{}} in another order{_in_words(detail)}",
            instead_on_edge(graph, operation, 0, value),
            1.3 if detail == "F" else 1.6,
            detail=detail,
        )


def _reshaped_in_order(slope: Array, shape: tuple[int, ...], order: tuple[int, ...]) -> Array:
    """Return the slope in a shape whose axes are filled in another order."""
    return slope.reshape([shape[k] for k in order]).transpose(np.argsort(order))


def _reordered_and_reshaped(slope: Array, shape: tuple[int, ...], order: tuple[int, ...]) -> Array:
    """Return the slope in a shape, its own axes being put in another order before."""
    return slope.transpose(order).reshape(shape)


def _in_words(detail: object) -> str:
    if not isinstance(detail, tuple):
        return ", that of Fortran"
    where, order = detail
    what = "of what it reshapes" if where == "after" else "of the shape that it goes back to"
    return f": the axes {what} in the order {', '.join(map(str, order))}"


def _orders_of_axes(operation: Operation, graph: CostGraph, node: Transpose) -> Iterator[Mutation]:
    before, right = np.shape(plain(node.operands[0])), tuple(int(k) for k in np.argsort(node.axes))
    for order in _permutations(len(before)):
        fits = tuple(operation.shape[k] for k in order) == before
        if order == right or not (fits or order == node.axes):
            continue
        yield Mutation(
            "axes in another order",
            f"transposes to the order {', '.join(map(str, order))} of axes, "
            f"where it should be {', '.join(map(str, right))}, at {{}}",
            instead_on_edge(
                graph, operation, 0, functools.partial(_reordered_and_reshaped, shape=before, order=order)
            ),
            1.5,
            detail=order,
        )


def _permutations(axes: int) -> Iterator[tuple[int, ...]]:
    """Yield the orders of axes that are not the usual one; of many axes the first stays the first."""
    fixed = 0 if axes <= 3 else 1
    if axes > MOST_AXES:
        return
    for rest in itertools.permutations(range(fixed, axes)):
        order = (*range(fixed), *rest)
        if order != tuple(range(axes)):
            yield order


class Reordered(NamedTuple):
    """How entries are reshaped through several operations, of which so many are ``transpositions`` at least."""

    kind: str
    says: str
    unlikely: float
    order: Literal["C", "F"]
    transpositions: int


REORDERED = (
    Reordered(
        "transpositions forgotten",
        "reshapes entries in their order, without undoing the transpositions, at {}",
        1.3,
        "C",
        2,
    ),
    Reordered(
        "reshaped in the order of Fortran",
        "reshapes entries in the order of Fortran, without undoing the transposition, at {}",
        1.8,
        "F",
        1,
    ),
)
"""What people do to entries that were reshaped and transposed."""


def ways_back(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield slopes reshaped through several operations that move entries, whose order is left as it is.

    Where only one of these transposes, that it is not undone is told at this one.
    """
    way = [operation]
    while len(way) < LONGEST_WAY and _moves_all(way[-1]):
        source = graph.operations[way[-1].node.operands[0].number]
        way.append(source)
        transpositions = sum(isinstance(step.node, Transpose) for step in way[:-1])
        for row in REORDERED:
            if len(way) > 2 and transpositions >= row.transpositions:
                back = functools.partial(np.reshape, shape=source.shape, order=row.order)
                rule = instead_of_chain(source.number, source.shape, back)
                yield Mutation(row.kind, row.says, rule, row.unlikely, detail=len(way))


def _moves_all(operation: Operation) -> bool:
    return isinstance(operation.node, (Reshape, Transpose))


def strides(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield the slopes of a section at other places: shifted by one, or without its stride."""
    node = operation.node
    if not isinstance(node, (Section, Pick, Gathered)) or isinstance(node, Selected):
        return
    for k, x in operation.live_operands:
        shape = np.shape(x.value)
        if np.size(x.value) == 0:
            continue
        for axis, by in [(axis, by) for axis, n in enumerate(shape) if n > 1 for by in (1, -1)]:
            yield Mutation(
                "shifted by one",
                f"puts slopes one place {'behind' if by > 0 else 'before'} what {{}} takes, along axis {axis}",
                instead_on_edge(
                    graph, operation, k, functools.partial(_shifted, graph, operation, k, axis, by)
                ),
                2.0,
                detail=(k, axis, by),
            )
    if isinstance(node, Section) and _has_stride(node.key):
        yield Mutation(
            "stride ignored",
            "puts slopes next to each other, without the stride of {}",
            instead_on_edge(graph, operation, 0, functools.partial(_without_stride, node)),
            1.4,
        )


def _shifted(graph: CostGraph, operation: Operation, k: int, axis: int, by: int, slope: Array) -> Array:
    shape = np.shape(plain(operation.node.operands[k]))
    unreduced = np.asarray(graph.unreduced(operation.number, slope)[k], dtype=float)
    whole = np.broadcast_to(unreduced, np.broadcast_shapes(unreduced.shape, shape))
    return np.roll(summed_to(whole, shape), by, axis=axis)


def _keys(key: object) -> tuple[object, ...]:
    return key if isinstance(key, tuple) else (key,)


def _has_stride(key: object) -> bool:
    return any(isinstance(part, slice) and part.step not in (None, 1) for part in _keys(key))


def _without_stride(node: Section, slope: Array) -> Array:
    """Return the slopes at the first entries from where the section begins, or ends if it runs backwards."""
    shape = np.shape(plain(node.operands[0]))
    whole, places = np.zeros(shape), list[Any]()
    given = [part for part in _keys(node.key) if part is not None]
    missing = len(shape) - sum(part is not Ellipsis for part in given)
    for part in given:
        if part is Ellipsis:
            places += [slice(None)] * missing
        elif isinstance(part, slice):
            taken = range(*part.indices(shape[len(places)]))
            start = min(taken, default=0)
            places.append(slice(start, start + len(taken)))
        else:
            places.append(part)
    target = whole[tuple(places)]
    whole[tuple(places)] = np.reshape(slope, np.shape(target))
    return whole


def windows(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield windows that a loop takes next to each other, to which slopes go with steps of one entry.

    The smallest example: ``dA[h : h + 2]`` for ``A[2 * h : 2 * h + 2]``.
    """
    node = operation.node
    if not isinstance(node, Section) or operation.origin is None:
        return
    if len(graph.same_spot[operation.origin.spot]) < 2:
        return
    shape = np.shape(plain(node.operands[0]))
    if len(operation.shape) != len(shape) or any(isinstance(part, int) for part in _keys(node.key)):
        return
    taken = np.arange(math.prod(shape)).reshape(shape)[node.key]
    begin = np.unravel_index(int(taken.flat[0]), shape) if taken.size else ()
    steps = [_step_of_one(int(start), n, of) for start, n, of in zip(begin, taken.shape, shape, strict=False)]
    others = tuple(slice(start, start + n) for start, n in zip(steps, taken.shape, strict=False))
    if taken.size and steps != list(begin):
        yield Mutation(
            "stride of windows ignored",
            "puts the slopes of windows one entry after the other, without the stride of {}",
            instead_on_edge(graph, operation, 0, functools.partial(_at, shape, others)),
            1.5,
        )


def _step_of_one(start: int, length: int, of: int) -> int:
    """Return where a window begins whose steps are 1, not its length."""
    is_window = 1 < length < of and start % length == 0
    return start // length if is_window else start


def _at(shape: tuple[int, ...], places: tuple[slice, ...], slope: Array) -> Array:
    whole = np.zeros(shape)
    whole[places] = slope
    return whole
