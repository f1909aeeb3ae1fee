"""Samples that are lost, counted twice or exchanged, in what goes back through any operation.

The smallest example: ``dZ[:, 1:] @ A[:, 1:].T`` for ``dZ @ A.T``. Along a direction the share of each entry of an axis
is known from one product with how the operation moves, so that all entries of all operations are tested at once.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective import wording
from fastcheck.diagnosis.detective.graph.cost_graph import Operation, Rule
from fastcheck.diagnosis.detective.searching.factors import EARLY
from fastcheck.diagnosis.detective.searching.probes import NEAR, NEAR_OF_SUM, Effect
from fastcheck.diagnosis.detective.searching.repeated_mutations import operations_of_spots
from fastcheck.diagnosis.detective.searching.search import Explanation, Search
from fastcheck.diagnosis.detective.searching.single_mutations import is_tried
from fastcheck.engines.graph.nodes.node import Array

MOST_AXES = 5
"""Axes that are looked at, from the first."""

ANY_SAMPLE = 0.4
"""One that is neither the first nor the last is so much less likely."""


class Recounted(NamedTuple):
    """A sample that is counted more or less often: ``change`` is how often, less once."""

    kind: str
    says: str
    unlikely: float
    change: float


RECOUNTED = (
    Recounted("sample lost", "leaves out", 2.0, -1.0),
    Recounted("sample counted twice", "counts twice", 2.2, 1.0),
)
"""How often people count a sample."""


class Exchanged(NamedTuple):
    """Samples in another order along an axis."""

    kind: str
    says: str
    unlikely: float
    reordered: Callable[[Array, int], Array]


def _rolled(slope: Array, axis: int, by: int) -> Array:
    return np.roll(slope, by, axis=axis)


EXCHANGED = (
    Exchanged(
        "samples shifted",
        "hands each entry the slope of the one before it",
        2.6,
        functools.partial(_rolled, by=1),
    ),
    Exchanged(
        "samples shifted",
        "hands each entry the slope of the next one",
        2.6,
        functools.partial(_rolled, by=-1),
    ),
    Exchanged("samples reversed", "hands back slopes in the reverse order", 2.8, np.flip),
)
"""What people do to the order of samples."""


def try_samples(search: Search) -> None:
    """Test samples that are lost, counted twice or exchanged, at each operation, and each time that a line runs.

    What is lost changes all blocks; samples in another order leave sums over them as they are.
    """
    for operations in _groups(search):
        spares = all(search.spares(operation.number) for operation in operations)
        for axis, length in enumerate(operations[0].shape[:MOST_AXES]):
            if length > 1 and spares:
                _try_recounted(search, operations, axis, length)
            if length > 1:
                _try_exchanged(search, operations, axis)


def _groups(search: Search) -> Iterator[Sequence[Operation]]:
    graph = search.graph
    for operation in graph.operations:
        if is_tried(search, operation) and search.spares(operation.number):
            yield [operation]
    for operations in operations_of_spots(graph):
        alike = all(operation.shape == operations[0].shape for operation in operations)
        reach = functools.reduce(operator.or_, (graph.reach[operation.number] for operation in operations))
        if alike and search.reaches(reach) and not reach & search.untouched:
            yield operations


def _try_recounted(search: Search, operations: Sequence[Operation], axis: int, length: int) -> None:
    along, size = search.known_effect(
        ("entries", operations[0].number, len(operations), axis),
        lambda: _of_each_entry(search, operations, axis, length),
    )
    for row in RECOUNTED:
        for entry in _candidates(search, row.change * along, size):
            last = entry == length - 1
            explain = functools.partial(
                _explanation,
                search,
                operations,
                kind=row.kind,
                says=f"{row.says} {_which(entry, length)} along axis {axis} at {{}}",
                unlikely=row.unlikely + (0.0 if entry == 0 or last else ANY_SAMPLE),
                reordered=functools.partial(_recounted, axis=axis, entry=entry, change=row.change),
                detail=(length, entry),
            )
            search.consider(Effect(row.change * along[:, entry], size[:, entry]), explain)


def _of_each_entry(search: Search, operations: Sequence[Operation], axis: int, length: int) -> Effect:
    """Return what goes back through each entry of an axis: arrays (probes, length)."""
    along = np.zeros((len(search.probes.blocks), length))
    size = np.zeros((len(search.probes.blocks), length))
    for operation in operations:
        moved, slope = search.probes.moved.get(operation.number), search.graph.slopes[operation.number]
        search.effort.test(0 if moved is None else moved.size)
        if moved is None:
            continue
        products = np.moveaxis(moved * np.broadcast_to(slope, operation.shape), axis + 1, 1)
        rows = products.reshape(*products.shape[:2], -1)
        along += rows.sum(axis=2)
        size += np.abs(rows).sum(axis=2)
    return Effect(along, size)


def _candidates(search: Search, along: Array, size: Array) -> Iterator[int]:
    """Yield the entries that may explain the claims, all of them or some."""
    probes = search.probes
    left = np.abs(along - probes.error[:, None])
    near = left <= NEAR * np.abs(along) + NEAR_OF_SUM * size + probes.near_zero[:, None]
    near &= np.isfinite(along)
    if search.keeps_partial:
        explains = (near & (probes.error != 0)[:, None]).any(axis=0)
        edge = np.zeros(along.shape[1], dtype=bool)
        edge[[0, -1]] = True
        explains &= edge
    else:
        explains = near.all(axis=0)
    return map(int, np.flatnonzero(explains))


def _which(entry: int, length: int) -> str:
    if entry == length - 1:
        return f"the last of {length} entries"
    return f"the {wording.ordinal(entry + 1)} of {length} entries"


def _recounted(slope: Array, axis: int, entry: int, change: float) -> Array:
    wrong = np.array(slope, dtype=float)
    wrong[(slice(None),) * axis + (entry,)] *= 1 + change
    return wrong


def _try_exchanged(search: Search, operations: Sequence[Operation], axis: int) -> None:
    along, size = search.known_effect(
        ("exchanged", operations[0].number, len(operations), axis),
        lambda: _of_each_exchange(search, operations, axis),
    )
    for number, row in enumerate(EXCHANGED):
        effect = Effect(along[number], size[number])
        if not effect.along.any():
            continue
        explain = functools.partial(
            _explanation,
            search,
            operations,
            kind=row.kind,
            says=f"{row.says}, along axis {axis}, at {{}}",
            unlikely=row.unlikely,
            reordered=functools.partial(_exchanged, row=row, axis=axis),
            detail=(axis, number),
            substitutes=True,
        )
        search.consider(effect, explain)


def _of_each_exchange(search: Search, operations: Sequence[Operation], axis: int) -> Effect:
    """Return what each other order of the samples does: arrays (orders, probes)."""
    along, size = np.zeros((2, len(EXCHANGED), len(search.probes.blocks)))
    for operation in operations:
        slope = np.broadcast_to(search.graph.slopes[operation.number], operation.shape)
        search.effort.test(len(EXCHANGED) * slope.size * len(search.probes.blocks))
        changes = np.stack([row.reordered(slope, axis) - slope for row in EXCHANGED])
        own = search.probes.of_each(operation.number, changes)
        along += own.along
        size += own.size
    return Effect(along, size)


def _exchanged(slope: Array, row: Exchanged, axis: int) -> Array:
    return row.reordered(slope, axis)


def _explanation(
    search: Search,
    operations: Sequence[Operation],
    *,
    kind: str,
    says: str,
    unlikely: float,
    reordered: Callable[[Array], Array],
    detail: tuple[object, ...],
    substitutes: bool = False,
) -> Explanation:
    graph = search.graph
    slopes = {op.number: np.broadcast_to(graph.slopes[op.number], op.shape) for op in operations}

    def rule_of(number: int) -> Rule:
        return lambda slope: [
            (target, part) for _, target, part in graph.shared(number, reordered(np.asarray(slope)))
        ]

    return Explanation(
        kind=kind,
        statement=(kind, *detail),
        says=lambda: f"the backward pass {wording.put(says, wording.place(operations, graph))}",
        lines=lambda: wording.lines_of(operations),
        seeds=lambda: {number: reordered(slope) - slope for number, slope in slopes.items()},
        rules=lambda: {number: rule_of(number) for number in slopes},
        unlikely=unlikely + EARLY * operations[0].number / len(graph.operations),
        substitutes=substitutes,
        place=operations[0].number,
    )
