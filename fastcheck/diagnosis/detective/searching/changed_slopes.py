"""What operations that share by wrong rules do: only what they change is sent back, and only along random directions.

::

    slope + change ─ wrong rule ─ what is handed on, less what is right ─ …   until a block: an inner product

Where a block is used, it takes an inner product with how its use moves along each direction in place of the slopes of
the block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fastcheck.diagnosis.detective.graph.cost_graph import (
    CostGraph,
    EdgeRule,
    Rule,
    finite,
    finite_shares,
    shares_of,
)
from fastcheck.diagnosis.detective.searching.probes import Effect, Probes
from fastcheck.engines.graph.nodes.node import Array


class ChangedSlopes(Mapping[int, Array]):
    """The slopes of operations, some of them changed."""

    def __init__(self, slopes: Mapping[int, Array], changes: Mapping[int, Array]) -> None:
        self.slopes, self.changes = slopes, changes

    def __getitem__(self, number: int) -> Array:
        change = self.changes.get(number)
        if change is None:
            return self.slopes[number]
        return self.slopes[number] + change if number in self.slopes else change

    def __iter__(self) -> Iterator[int]:
        return iter(self.slopes.keys() | self.changes.keys())

    def __len__(self) -> int:
        return len(self.slopes.keys() | self.changes.keys())


class Sweeps:
    """Sends back what wrong rules change, through one graph."""

    def __init__(self, graph: CostGraph, probes: Probes) -> None:
        self.graph, self.probes = graph, probes
        self.right: dict[int, list[tuple[int, Array]]] = {}
        for (number, k), part in graph.shares.items():
            self.right.setdefault(number, []).append((graph.targets[number, k], part))

    def effect_of(self, rules: Mapping[int, Rule]) -> Effect:
        """Return what it does along the directions that some operations share by these rules."""
        sweep = _Sweep(self, {**self.graph.rules, **rules})
        with np.errstate(all="ignore"):
            for number in range(max(rules, default=-1), -1, -1):
                sweep.pass_through(number)
        return sweep.effect

    def effect_of_each(self, rules: Mapping[int, Rule]) -> Effect:
        """Return the sum of what each operation does that shares by its rule alone: takes no sweep."""
        effect = self.probes.no_effect
        with np.errstate(all="ignore"):
            for number, rule in rules.items():
                sweep = _Sweep(self, {number: rule})
                sweep.pass_through(number)
                effect = effect.plus(sweep.effect)
                for target, part in sweep.changes.items():
                    self.probes.moved_at(target).add_to(effect, part)
        return effect


class _Sweep:
    """One sweep: the ``changes`` of slopes so far, and their ``effect`` on blocks."""

    def __init__(self, sweeps: Sweeps, rules: Mapping[int, Rule]) -> None:
        self.graph, self.probes, self.right, self.rules = sweeps.graph, sweeps.probes, sweeps.right, rules
        self.effect = self.probes.no_effect
        self.changes: dict[int, Array] = {}
        self.slopes = ChangedSlopes(self.graph.slopes, self.changes)

    def pass_through(self, number: int) -> None:
        """Hand back what changes at an operation."""
        rule, change = self.rules.get(number), self.changes.get(number)
        if rule is None:
            if change is not None:
                self._hand_back(number, change)
        elif number in self.slopes and self.graph.hands_back(number):
            if isinstance(rule, EdgeRule) and number not in self.graph.rules:
                self._by_edge(number, rule, change)
            else:
                self._by_rule(number, rule)

    def _hand_back(self, number: int, change: Array, but: int | None = None) -> None:
        """Hand a change to all operands ``but`` one."""
        operation, blocks = self.graph.operations[number], self.graph.blocks
        if operation.pullbacks is None:
            for k, target, part in shares_of(operation.node, change):
                if k != but:
                    self._add(target, part)
            return
        for k, target, pullback in operation.pullbacks:
            if k == but:
                continue
            if target in blocks and np.size(change) < np.size(self.graph.operations[target].node.value):
                self.probes.use_of(number, k).add_to(self.effect, change)
            else:
                self._add(target, pullback(change))

    def _by_edge(self, number: int, rule: EdgeRule, change: Array | None) -> None:
        wrong = finite(rule.on_edge(self.slopes[number], self.slopes))
        right = self.graph.shares.get((number, rule.k))
        part = wrong if right is None else wrong - right
        if part.any():
            self._add(rule.target, part)
        if change is not None:
            self._hand_back(number, change, but=rule.k)

    def _by_rule(self, number: int, rule: Rule) -> None:
        parts: dict[int, Any] = {}
        for target, part in finite_shares(rule, self.slopes[number], self.slopes):
            parts[target] = parts[target] + part if target in parts else part
        for target, part in self.right.get(number, ()):
            parts[target] = parts[target] - part if target in parts else -part
        for target, part in parts.items():
            if part.any():
                self._add(target, part)

    def _add(self, target: int, part: Array) -> None:
        if target in self.graph.blocks:
            self.probes.moved_at(target).add_to(self.effect, part)
            return
        old = self.changes.get(target)
        self.changes[target] = part if old is None else old + part
