"""The recorded cost as the search for causes sees it: operations, their lines, and what J makes of each."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fastcheck.diagnosis.detective.graph.buffers import without_buffers
from fastcheck.diagnosis.detective.graph.origins import Origin, Place, origins_of
from fastcheck.diagnosis.detective.graph.pullbacks import Handed, pullbacks_of
from fastcheck.diagnosis.detective.graph.tied_operands import is_tied, tied
from fastcheck.engines.graph.nodes.choices import Extremum
from fastcheck.engines.graph.nodes.decisions import Guard, Step
from fastcheck.engines.graph.nodes.movement import Section
from fastcheck.engines.graph.nodes.node import Array, Leaf, Node, plain, summed_to
from fastcheck.engines.graph.recording.record import Recording

Shares = list[tuple[int, Array]]
"""What an operation hands to others: the number of each, and what J makes of it by this operation."""

Rule = Callable[[Array], Shares]
"""What an operation shares, given what J makes of its result."""


@dataclasses.dataclass(frozen=True, eq=False)
class Operation:
    """One operation of the cost.

    ``number`` is its place in the order in which they ran, ``node`` knows values and rules, ``origin`` the line
    that ran it and which time that was, None for parameters.
    """

    number: int
    node: Node
    origin: Origin | None

    @property
    def live(self) -> bool:
        """Whether it has slopes."""
        return self.node.live

    @property
    def value(self) -> Array:
        """Its result."""
        return np.asarray(self.node.value, dtype=float)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its result."""
        return np.shape(self.node.value)

    @functools.cached_property
    def live_operands(self) -> list[tuple[int, Node]]:
        """Those of its operands that have slopes, with their places."""
        return [(k, x) for k, x in enumerate(self.node.operands) if isinstance(x, Node) and x.live]

    @functools.cached_property
    def pullbacks(self) -> Sequence[Handed] | None:
        """What each operand is handed; None if that is computed for all of them together."""
        return pullbacks_of(self.node)

    def shared(self, slope: Array) -> list[tuple[int, int, Array]]:
        """Return what it hands back: the place of each operand, its number, and its slope, in its shape."""
        if self.pullbacks is None:
            return shares_of(self.node, slope)
        return [(k, target, pullback(slope)) for k, target, pullback in self.pullbacks]

    def operand_value(self, k: int) -> Array:
        """Return the value of an operand."""
        return np.asarray(plain(self.node.operands[k]), dtype=float)

    def constants(self) -> list[float]:
        """Return the numbers that it computes with, other than 0 and 1."""
        numbers = [x for x in self.node.operands if not isinstance(x, Node) and np.ndim(x) == 0]
        return [float(x) for x in numbers if isinstance(x, (int, float, np.number)) and x not in (0, 1)]


class EdgeRule:
    """The rule by which operand ``k`` of an operation gets another share, and all others what is right.

    ``share(slope)`` is in the shape of the operand, or one that it was broadcast to. With ``taken_from``, it is given
    the slope of that operation instead of the right one.
    """

    def __init__(
        self,
        graph: CostGraph,
        operation: Operation,
        k: int,
        share: Callable[[Array], Array],
        taken_from: int | None = None,
    ) -> None:
        self.graph, self.operation, self.k = graph, operation, k
        self.share, self.taken_from = share, taken_from

    @property
    def target(self) -> int:
        """The operand's number."""
        return int(self.operation.node.operands[self.k].number)

    def __call__(self, slope: Array) -> Shares:
        """Return all shares, where other slopes are as they should be."""
        return self.among(slope, self.graph.slopes)

    def among(self, slope: Array, slopes: Mapping[int, Array]) -> Shares:
        """Return all shares, where these are the slopes of other operations."""
        shared = self.graph.shared(self.operation.number, slope)
        right = [(target, part) for j, target, part in shared if j != self.k]
        return [*right, (self.target, self.on_edge(slope, slopes))]

    def on_edge(self, slope: Array, slopes: Mapping[int, Array]) -> Array:
        """Return the share of the operand."""
        if self.taken_from is not None:
            slope = slopes.get(self.taken_from, np.zeros(self.operation.shape))
        shape = self.graph.operations[self.target].shape
        wrong = np.asarray(self.share(slope), dtype=float)
        full = np.broadcast_shapes(wrong.shape, shape)
        return summed_to(np.broadcast_to(wrong, full), shape)

    def times(self, factor: float) -> EdgeRule:
        """Return the rule by which the operand gets a multiple of that."""
        return EdgeRule(
            self.graph, self.operation, self.k, lambda slope: factor * self.share(slope), self.taken_from
        )


def shares_by(rule: Rule, slope: Array, slopes: Mapping[int, Array]) -> Shares:
    """Return what an operation hands on by a rule, where these are the slopes of other operations."""
    return rule.among(slope, slopes) if isinstance(rule, EdgeRule) else rule(slope)


def finite_shares(rule: Rule, slope: Array, slopes: Mapping[int, Array]) -> Shares:
    """Return the same; what is infinitely steep is taken for what nothing moves."""
    return [(target, finite(part)) for target, part in shares_by(rule, slope, slopes)]


class CostGraph:
    """The operations of a recorded cost, in order; buffers are gone (`buffers`).

    ``names`` are those of the blocks, ``leaves`` the numbers of their operations, in the order of the parameters.
    ``slopes`` is what J makes of every operation's result, by number, ``shares`` what each hands to its operands, by
    number and place, and ``targets`` which these are.
    ``reach`` tells which blocks each operation is made of, as bits in the order of ``names``. ``has_steps``: values of
    the cost change with the parameters and have no slope.
    """

    def __init__(self, recording: Recording, names: Sequence[str]) -> None:
        self.names = tuple(names)
        nodes, frames = without_buffers(recording)
        steps = [node for node in recording.tape.nodes if isinstance(node, Step)]
        self.has_steps = not all(isinstance(step, Guard) for step in steps)
        self.has_ties = any(isinstance(node, Extremum) and is_tied(node) for node in nodes)
        origins = origins_of(nodes, frames)
        self.operations = [Operation(k, node, origins.get(k)) for k, node in enumerate(nodes)]
        self.leaves = [leaf.number for leaf in recording.leaves]
        self.blocks = dict(zip(self.leaves, self.names, strict=True))
        self.result = None if recording.result is None else recording.result.number
        self.reach = self._reach()
        self.rules: Mapping[int, Rule] = {}
        self._send_back()

    def with_ties(self, weight: float) -> CostGraph:
        """Return the same cost, in which ties of two operands give the first this weight, and the second the rest."""
        other = copy.copy(self)
        other.operations = [
            dataclasses.replace(op, node=tied(op.node, weight)) if isinstance(op.node, Extremum) else op
            for op in self.operations
        ]
        other._send_back()
        return other

    def mutated(self, rules: Mapping[int, Rule]) -> CostGraph:
        """Return the same cost, some operations sharing by other rules: what a wrong backward pass makes of it."""
        other = copy.copy(self)
        other.rules = {**self.rules, **rules}
        other._send_back()
        return other

    def _reach(self) -> list[int]:
        reach = [0] * len(self.operations)
        for position, number in enumerate(self.leaves):
            reach[number] = 1 << position
        for operation in self.operations:
            for _, x in operation.live_operands:
                reach[operation.number] |= reach[x.number]
        return reach

    @functools.cached_property
    def uses(self) -> dict[int, list[tuple[int, int]]]:
        """For each operation those that use its result: number, and place among the operands."""
        uses: dict[int, list[tuple[int, int]]] = {operation.number: [] for operation in self.operations}
        for operation in self.operations:
            for k, x in operation.live_operands:
                uses[x.number].append((operation.number, k))
        return uses

    @functools.cached_property
    def of_shape(self) -> dict[tuple[int, ...], list[int]]:
        """The numbers of the operations whose results have a shape."""
        found: dict[tuple[int, ...], list[int]] = {}
        for operation in self.operations:
            found.setdefault(operation.shape, []).append(operation.number)
        return found

    @functools.cached_property
    def constants_of_shape(self) -> dict[tuple[int, ...], list[tuple[int, int]]]:
        """The constant arrays of a shape: each by an operation that uses it, and its place among the operands."""
        found: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        seen: set[int] = set()
        for operation in self.operations:
            for k, x in enumerate(operation.node.operands):
                if isinstance(x, np.ndarray) and x.size > 1 and x.dtype.kind in "fbiu" and id(x) not in seen:
                    seen.add(id(x))
                    found.setdefault(x.shape, []).append((operation.number, k))
        return found

    @functools.cached_property
    def same_spot(self) -> dict[object, list[int]]:
        """The numbers of operations that are one in several executions of a line, in the order in which they ran."""
        found: dict[object, list[int]] = {}
        for operation in self.operations:
            if operation.origin is not None:
                found.setdefault(operation.origin.spot, []).append(operation.number)
        return found

    @functools.cached_property
    def _times(self) -> dict[Place, int]:
        times: dict[Place, int] = {}
        for operation in self.operations:
            if operation.origin is not None:
                execution = operation.origin.execution
                times[execution.line] = max(times.get(execution.line, 0), execution.time)
        return times

    def times_of(self, line: Place) -> int:
        """Return how often a line ran."""
        return self._times[line]

    def names_in_order_of_use(self) -> tuple[str, ...]:
        """Return the names of the blocks in the order in which the cost uses them first, unused ones last."""
        first_use: dict[str, int] = {}
        for (number, _), target in sorted(self.targets.items()):
            if target in self.blocks:
                first_use.setdefault(self.blocks[target], number)
        return tuple(sorted(self.names, key=lambda name: first_use.get(name, len(self.operations))))

    def bits(self, blocks: Iterable[str]) -> int:
        """Return the bits of some blocks in `reach`."""
        return sum(1 << self.names.index(name) for name in blocks)

    def shared(self, number: int, slope: Array) -> list[tuple[int, int, Array]]:
        """Return what an operation hands back: the place of each operand, its number, and its slope, in its shape.

        What one hands back by a rule of its own has places below 0.
        """
        if number in self.rules:
            shares = shares_by(self.rules[number], slope, self.slopes)
            return [(-1 - place, target, part) for place, (target, part) in enumerate(shares)]
        return self.operations[number].shared(slope)

    def unreduced(self, number: int, slope: Array) -> list[Any]:
        """Return what an operation hands to each operand before it is summed over what that was broadcast along."""
        return _parts_of(self.operations[number].node, slope)

    def _send_back(self) -> None:
        """Send slopes back, and keep them all."""
        self.slopes: dict[int, Array] = {}
        self.shares: dict[tuple[int, int], Array] = {}
        self.targets: dict[tuple[int, int], int] = {}
        if self.result is None:
            return
        self.slopes[self.result] = np.ones(self.operations[self.result].shape)
        with np.errstate(all="ignore"):
            for operation in reversed(self.operations):
                slope = self.slopes.get(operation.number)
                if slope is None or isinstance(operation.node, Leaf):
                    continue
                for k, target, part in self.shared(operation.number, slope):
                    self.shares[operation.number, k] = part
                    self.targets[operation.number, k] = target
                    old = self.slopes.get(target)
                    self.slopes[target] = part if old is None else old + part

    def sent_back(
        self, seeds: Mapping[int, Array], rules: Mapping[int, Rule] | None = None
    ) -> dict[int, Array]:
        """Return what reaches every operation if these slopes are added at some; some may share by other ``rules``."""
        rules = {**self.rules, **(rules or {})}
        slopes = dict(seeds)
        with np.errstate(all="ignore"):
            for number in range(max(slopes, default=-1), -1, -1):
                slope = slopes.get(number)
                if slope is None or not self.hands_back(number):
                    continue
                if number in rules:
                    shares = finite_shares(rules[number], slope, slopes)
                else:
                    shares = [(target, part) for _, target, part in self.operations[number].shared(slope)]
                for target, part in shares:
                    old = slopes.get(target)
                    slopes[target] = part if old is None else old + part
        return slopes

    def hands_back(self, number: int) -> bool:
        """Whether an operation may hand slopes to others."""
        operation = self.operations[number]
        return operation.live and not isinstance(operation.node, Leaf)

    def of_blocks(self, slopes: Mapping[int, Array]) -> dict[str, Array]:
        """Return what reached the leaves, by block: zeros where nothing did."""
        found = {}
        for number, name in self.blocks.items():
            slope = slopes.get(number)
            shape = self.operations[number].shape
            found[name] = np.zeros(shape) if slope is None else np.asarray(slope, dtype=float).reshape(shape)
        return found

    def right(self) -> dict[str, Array]:
        """Return the slopes of all blocks."""
        return self.of_blocks(self.slopes)

    def tangents(self, moves: Mapping[str, Array], many: int) -> dict[int, Array]:
        """Return how every operation moves to first order, ``many`` times: (many, *shape), by number."""
        moved: dict[int, Array] = {
            number: np.asarray(moves[name]).reshape(many, *self.operations[number].shape)
            for number, name in self.blocks.items()
            if name in moves
        }
        with np.errstate(all="ignore"):
            for operation in self.operations:
                if not operation.live or isinstance(operation.node, Leaf):
                    continue
                of_operands = [
                    moved.get(x.number) if isinstance(x, Node) and x.live else None
                    for x in operation.node.operands
                ]
                if any(move is not None for move in of_operands):
                    moved[operation.number] = finite(operation.node.tangent(of_operands, many))
        return moved


def shares_of(node: Node, slope: Array) -> list[tuple[int, int, Array]]:
    """Return what a node hands back by its own rule: the place of each operand, its number, and its slope."""
    parts = _parts_of(node, slope)
    return [
        (k, x.number, summed_to(np.asarray(parts[k], dtype=float), np.shape(x.value)))
        for k, x in enumerate(node.operands)
        if isinstance(x, Node) and x.live and parts[k] is not None
    ]


def _parts_of(node: Node, slope: Array) -> list[Any]:
    if isinstance(node, Section):
        return [_of_section(node, slope)]
    return [None if part is None else finite(part) for part in node.backward(slope)]


def _of_section(node: Section, slope: Array) -> Array:
    whole = np.zeros(np.shape(plain(node.operands[0])))
    whole[node.key] += slope
    return whole


def finite(array: Array) -> Array:
    """Return slopes of which none is infinite: what is infinitely steep is taken for what nothing moves."""
    return array if np.isfinite(array).all() else np.where(np.isfinite(array), array, 0.0)
