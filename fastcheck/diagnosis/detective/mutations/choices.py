"""Mutations of choices: to which entries the slope of a maximum goes, and where a mask lets slopes pass.

The smallest example: ``dX = (X == m) * dm`` for ``m = X.max(axis=1, keepdims=True)``, where of equal entries one alone
gets the slope.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.chains import Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.mutations.mutation import Mutation, instead_on_edge
from fastcheck.engines.graph.nodes.choices import Choice, Extremum
from fastcheck.engines.graph.nodes.movement import Selected
from fastcheck.engines.graph.nodes.node import Array, Node, plain
from fastcheck.engines.graph.nodes.smooth import Multiply


@dataclasses.dataclass(frozen=True, eq=False)
class Winners:
    """A maximum, or minimum, along some axes: ``rows`` has the entries that compete in its last axis."""

    node: Selected

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what is chosen from."""
        return np.shape(plain(self.node.operands[0]))

    def rows(self, x: Array) -> Array:
        """Return an array of this shape with those that compete along its last axis."""
        axes = self.node.axes
        moved = np.moveaxis(x, axes, range(-len(axes), 0))
        return moved.reshape(*moved.shape[: moved.ndim - len(axes)], -1)

    def back(self, rows: Array) -> Array:
        """Return rows as they were before."""
        axes = self.node.axes
        kept = [n for k, n in enumerate(self.shape) if k not in axes]
        moved = rows.reshape(*kept, *(self.shape[k] for k in axes))
        return np.moveaxis(moved, range(-len(axes), 0), axes)

    @functools.cached_property
    def values(self) -> Array:
        """What competes, negated for a minimum."""
        sign = 1.0 if self.node.name == "max" else -1.0
        return sign * self.rows(np.asarray(plain(self.node.operands[0]), dtype=float))

    def first(self, values: Array) -> Array:
        """Return 1 for the first of the largest of each row."""
        return self._one_hot(np.asarray(np.argmax(values, axis=-1)))

    def last(self) -> Array:
        """Return 1 for the last of the largest of each row."""
        return self._one_hot(self.values.shape[-1] - 1 - np.argmax(self.values[..., ::-1], axis=-1))

    def ties(self) -> Array:
        """Return 1 for all of the largest of each row."""
        return np.asarray((self.values == self.values.max(axis=-1, keepdims=True)) * 1.0)

    def _one_hot(self, at: Array) -> Array:
        return np.asarray((np.arange(self.values.shape[-1]) == at[..., None]) * 1.0)


class InsteadOfWinner(NamedTuple):
    """Which part of the slope of a maximum each entry gets."""

    kind: str
    says: str
    unlikely: float
    shares: Callable[[Winners], Array]


INSTEAD_OF_WINNERS = (
    InsteadOfWinner(
        "maximum to all ties",
        "hands the slope to all entries that are equally large, where one gets it, at {}",
        1.0,
        lambda winners: winners.ties(),
    ),
    InsteadOfWinner(
        "maximum shared by ties",
        "shares the slope among entries that are equally large, where one gets it, at {}",
        1.2,
        lambda winners: winners.ties() / winners.ties().sum(axis=-1, keepdims=True),
    ),
    InsteadOfWinner(
        "maximum to all entries",
        "hands the slope to all entries, where the selected one alone gets it, at {}",
        1.5,
        lambda winners: np.ones(winners.values.shape),
    ),
    InsteadOfWinner(
        "maximum shared by all entries",
        "shares the slope among all entries, where the selected one alone gets it, at {}",
        1.2,
        lambda winners: np.full(winners.values.shape, 1 / winners.values.shape[-1]),
    ),
    InsteadOfWinner(
        "maximum to the last tie",
        "hands the slope to the last of the entries that are equally large, where the first gets it, at {}",
        2.0,
        lambda winners: winners.last(),
    ),
    InsteadOfWinner(
        "maximum to the next entry",
        "hands the slope to the entry after the selected one, at {}",
        2.0,
        lambda winners: np.roll(winners.first(winners.values), 1, axis=-1),
    ),
    InsteadOfWinner(
        "maximum to the entry before",
        "hands the slope to the entry before the selected one, at {}",
        2.2,
        lambda winners: np.roll(winners.first(winners.values), -1, axis=-1),
    ),
    InsteadOfWinner(
        "minimum for maximum",
        "hands the slope to the entry at the other end, the smallest for the largest, at {}",
        2.0,
        lambda winners: winners.first(-winners.values),
    ),
    InsteadOfWinner(
        "maximum to the first entry",
        "hands the slope to the first entry, whichever is selected, at {}",
        2.3,
        lambda winners: (np.arange(winners.values.shape[-1]) == 0) * np.ones(winners.values.shape),
    ),
)
"""What people do with the slope of a maximum."""


def winners(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield what may become of the slope of a maximum along axes."""
    node = operation.node
    if not isinstance(node, Selected) or node.name not in ("max", "min") or not node.axes:
        return
    chosen = Winners(node)
    if chosen.values.shape[-1] < 2 or chosen.values.size == 0:
        return
    has_ties = bool((chosen.ties().sum(axis=-1) > 1).any())
    for row in INSTEAD_OF_WINNERS:
        if "tie" in row.kind and not has_ties:
            continue
        shares = row.shares(chosen)

        def share(slope: Array, shares: Array = shares) -> Array:
            return chosen.back(shares * np.reshape(slope, (*chosen.values.shape[:-1], 1)))

        yield Mutation(
            row.kind,
            row.says,
            instead_on_edge(graph, operation, 0, share),
            row.unlikely,
            changes_few="tie" in row.kind,
        )


class InsteadOfMask(NamedTuple):
    """What stands in for a mask, an array of 0 and 1 in the shape of the result."""

    kind: str
    says: str
    unlikely: float
    mask: Callable[[Array], Array]


INSTEAD_OF_MASKS = (
    InsteadOfMask(
        "mask left out", "lets slopes pass everywhere at {}", 1.2, lambda mask: np.ones(mask.shape)
    ),
    InsteadOfMask(
        "mask inverted",
        "lets slopes pass where they should not at {}, and not where they should",
        1.6,
        lambda mask: 1.0 - mask,
    ),
    InsteadOfMask(
        "half of each side", "lets half of the slopes pass everywhere at {}", 2.2, lambda mask: 0.5 + 0 * mask
    ),
)
"""What people do with a mask."""


def masks(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield what may stand in for the masks of `numpy.where`, of a maximum of two operands, and of a product.

    What `derivatives` tells of a function of one argument, or any factor that is left out, is not told once more.
    """
    for k, x in operation.live_operands:
        mask = _mask(operation, k)
        if mask is None or not mask.any() or mask.all():
            continue
        is_function = len(operation.live_operands) == 1 and np.shape(x.value) == operation.shape
        is_chosen = isinstance(operation.node, (Choice, Extremum))
        if is_function and isinstance(operation.node, Extremum):
            continue
        for row in INSTEAD_OF_MASKS:
            is_told = is_function if is_chosen else _scale(operation, k) == 1
            if not (row.kind == "mask left out" and is_told):
                yield _with_mask(operation, graph, k, row.mask(mask), row)
        if is_function or not is_chosen:
            continue
        for axis, by in [(axis, by) for axis, n in enumerate(mask.shape) if n > 1 for by in (1, -1)]:
            row = InsteadOfMask(
                "mask of the next entry",
                f"has the mask of {{}} shifted by one along axis {axis}",
                2.5,
                functools.partial(np.roll, shift=by, axis=axis),
            )
            yield _with_mask(operation, graph, k, row.mask(mask), row, (axis, by), substitutes=True)


def _scale(operation: Operation, k: int) -> float:
    """Return by what slopes are multiplied where a mask lets them pass."""
    is_product = isinstance(operation.node, Multiply)
    return float(np.max(plain(operation.node.operands[1 - k]))) if is_product else 1.0


def _mask(operation: Operation, k: int) -> Array | None:
    """Return where an operation lets slopes pass to an operand, None if it is none that chooses."""
    node, shape = operation.node, operation.shape
    if isinstance(node, Choice):
        chosen = np.broadcast_to(np.asarray(plain(node.operands[0])) != 0, shape)
        return (chosen if k == 1 else ~chosen) * 1.0
    if isinstance(node, Extremum):
        chosen = np.broadcast_to(node.mask, shape)
        return (chosen if k == 0 else ~chosen) * 1.0
    if isinstance(node, Multiply):
        other = node.operands[1 - k]
        values = np.asarray(plain(other))
        is_constant = not (isinstance(other, Node) and other.live)
        if is_constant and values.ndim and np.isin(values, (0, values.max())).all():
            return np.broadcast_to((values != 0) * 1.0, shape)
    return None


def _with_mask(
    operation: Operation,
    graph: CostGraph,
    k: int,
    instead: Array,
    row: InsteadOfMask,
    detail: object = None,
    *,
    substitutes: bool = False,
) -> Mutation:
    scale = _scale(operation, k)

    def share(slope: Array) -> Array:
        return np.asarray(slope * instead * scale)

    return Mutation(
        row.kind,
        row.says,
        instead_on_edge(graph, operation, k, share),
        row.unlikely,
        detail=(k, detail),
        substitutes=substitutes,
    )
