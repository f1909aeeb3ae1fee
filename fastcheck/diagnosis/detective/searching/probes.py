"""Random directions along which explanations are tested, each by an inner product.

What a wrong backward pass hands to some operations, less what is right, changes the claim along a direction by the
inner product with how these operations move along it: no sweep is needed to reject an explanation.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.detective.evidence import Evidence
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, finite
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.norms import norm
from fastcheck.problem.parameters import Vector

FOR_EACH_BLOCK = 3
"""Directions within each wrong block."""

MOST_PROBES = 36
"""Directions at most: if there are many wrong blocks, there are fewer in each."""

MOST_BYTES = 2**28
"""Memory for how all operations move along them."""

NEAR, NEAR_OF_SUM, NEAR_ZERO = 1e-6, 1e-9, 1e-10
"""Shares that may be left of what is expected, and of the terms of the inner product; and what may be left of zero,
errors having size 1."""

NEAR_IN_SINGLE_PRECISION = 1e-5

SIGMAS = 4.0
"""What rounding of claims does along a direction is at most so many times its standard deviation."""


def _for_each_block(graph: CostGraph, blocks: int) -> int:
    """Return how many directions there are in each wrong block."""
    each = max(1, min(FOR_EACH_BLOCK, MOST_PROBES // max(blocks, 1)))
    entries = sum(math.prod(operation.shape) for operation in graph.operations)
    return each if 8 * entries * blocks * each <= MOST_BYTES else 1


class Effect(NamedTuple):
    """What a change of slopes does along each direction, and its size before terms cancel: arrays (probes,)."""

    along: Vector
    size: Vector

    def times(self, factor: float) -> Effect:
        """Return that of so many times the change."""
        return Effect(factor * self.along, abs(factor) * self.size)

    def plus(self, other: Effect) -> Effect:
        """Return that of both changes."""
        return Effect(self.along + other.along, self.size + other.size)


class Moved(NamedTuple):
    """How an operation moves along those directions along which it does: their ``rows``, and length of each move."""

    rows: NDArray[np.intp]
    moves: Array
    lengths: Vector

    def add_to(self, effect: Effect, change: Array) -> None:
        """Add what a change of the slopes of the operation does."""
        if self.rows.size:
            flat = np.ravel(change)
            effect.along[self.rows] += self.moves @ flat
            effect.size[self.rows] += self.lengths * math.sqrt(float(flat @ flat))


class Probes:
    """Directions in each wrong block, and one in all right ones; and what the claims' errors are along them.

    ``error`` is what is to be explained, (probes,). ``blocks`` holds the block of each, None for the right ones.
    """

    def __init__(self, graph: CostGraph, evidence: Evidence, seed: int) -> None:
        self.single_precision = evidence.single_precision
        wrong = evidence.wrong
        right = [block for block in evidence.blocks if not block.wrong]
        each = _for_each_block(graph, len(wrong))
        self.blocks: list[str | None] = [block.name for block in wrong for _ in range(each)]
        self.blocks += [None] if right else []
        rng, many = np.random.default_rng(seed), len(self.blocks)
        self._moves: dict[str, Array] = {}
        for number, block in enumerate(wrong):
            rows = slice(number * each, (number + 1) * each)
            length = float(np.linalg.norm((block.claimed - block.slopes) / block.error)) * block.error
            self._moves[block.name] = np.zeros((many, *block.theta.shape))
            self._moves[block.name][rows] = rng.standard_normal((each, *block.theta.shape)) / length
        for block in right:
            size = max(norm(block.slopes.ravel()), evidence.least * math.sqrt(block.theta.size))
            self._moves[block.name] = np.zeros((many, *block.theta.shape))
            self._moves[block.name][-1] = rng.standard_normal(block.theta.shape) / (size or 1.0)
        self.moved = graph.tangents(self._moves, many)
        self.graph = graph
        self._rows: dict[int, Moved] = {}
        self._rows_of_uses: dict[tuple[int, int], Moved] = {}
        self._set_errors(evidence)

    def _set_errors(self, evidence: Evidence) -> None:
        many = len(self.blocks)
        self.error: Vector = np.zeros(many)
        self.near_zero: Vector = np.full(
            many, NEAR_IN_SINGLE_PRECISION if self.single_precision else NEAR_ZERO
        )
        for block in evidence.blocks:
            moves, wrong_by = self._moves[block.name], block.claimed - block.slopes
            rows = np.flatnonzero(moves.reshape(many, -1).any(axis=1))
            of_claims = moves[rows].reshape(rows.size, -1)
            if block.wrong:
                self.error[rows] += of_claims @ wrong_by.ravel()
            rounding = SIGMAS * block.rounding * np.linalg.norm(of_claims, axis=1)
            self.near_zero[rows] = np.maximum(self.near_zero[rows], rounding)

    def of_other_slopes(self, evidence: Evidence) -> Probes:
        """Return the same directions for other slopes, which leave other errors of the same claims, or of fewer."""
        other = copy.copy(self)
        other._set_errors(evidence)
        return other

    def without(self, blocks: Sequence[str]) -> Probes:
        """Return the directions in all other blocks."""
        other = copy.copy(self)
        kept = [k for k, block in enumerate(self.blocks) if block not in blocks]
        other.blocks = [self.blocks[k] for k in kept]
        other.error, other.near_zero = self.error[kept], self.near_zero[kept]
        other._moves = {name: moves[kept] for name, moves in self._moves.items() if name not in blocks}
        other.moved = {number: moves[kept] for number, moves in self.moved.items()}
        other._rows, other._rows_of_uses = {}, {}
        return other

    def of(self, number: int, change: Array) -> Effect:
        """Return what a change of the slopes of one operation does."""
        effect = self.no_effect
        self.moved_at(number).add_to(effect, change)
        return effect

    def moved_at(self, number: int) -> Moved:
        """Return how an operation moves."""
        if number not in self._rows:
            self._rows[number] = self._matrix(self.moved.get(number))
        return self._rows[number]

    def use_of(self, number: int, k: int) -> Moved:
        """Return how an operation moves by operand ``k`` alone, which is a block."""
        if (number, k) not in self._rows_of_uses:
            node = self.graph.operations[number].node
            moves = [self.moved.get(x.number) if j == k else None for j, x in enumerate(node.operands)]
            with np.errstate(all="ignore"):
                moved = None if moves[k] is None else finite(node.tangent(moves, len(self.blocks)))
            self._rows_of_uses[number, k] = self._matrix(moved)
        return self._rows_of_uses[number, k]

    def of_each(self, number: int, changes: Array) -> Effect:
        """Return what each of several changes of the slopes of one operation does: arrays (changes, probes)."""
        rows, matrix, lengths = self.moved_at(number)
        flat = changes.reshape(len(changes), -1)
        along, size = np.zeros((2, len(changes), len(self.blocks)))
        if rows.size:
            along[:, rows] = flat @ matrix.T
            size[:, rows] = np.linalg.norm(flat, axis=1)[:, None] * lengths
        return Effect(along, size)

    def of_all(self, changes: Mapping[int, Array] | Iterable[tuple[int, Array]]) -> Effect:
        """Return what changes of the slopes of several operations do."""
        effect = Effect(np.zeros(len(self.blocks)), np.zeros(len(self.blocks)))
        items = changes.items() if isinstance(changes, Mapping) else changes
        for number, change in items:
            effect = effect.plus(self.of(number, change))
        return effect

    @property
    def no_effect(self) -> Effect:
        """The effect of no change."""
        return Effect(np.zeros(len(self.blocks)), np.zeros(len(self.blocks)))

    def of_blocks(self, changes: Mapping[str, Array]) -> Effect:
        """Return what changes of the claims of some blocks are along the directions."""
        along, size = np.zeros(len(self.blocks)), np.zeros(len(self.blocks))
        for name, change in changes.items():
            if not change.size:
                continue
            moves = self._moves[name].reshape(len(self.blocks), -1)
            along += moves @ change.ravel()
            size += np.linalg.norm(moves, axis=1) * float(np.linalg.norm(change))
        return Effect(along, size)

    def _matrix(self, moves: Array | None) -> Moved:
        if moves is None:
            return Moved(np.zeros(0, np.intp), np.zeros((0, 0)), np.zeros(0))
        flat = np.reshape(moves, (len(self.blocks), -1))
        rows = np.flatnonzero(flat.any(axis=1))
        return Moved(rows, flat[rows], np.linalg.norm(flat[rows], axis=1))

    def explained(self, effect: Effect) -> NDArray[np.bool_]:
        """Return along which directions an effect is the error of the claims."""
        near: NDArray[np.bool_] = np.abs(effect.along - self.error) <= (
            NEAR * np.abs(effect.along) + NEAR_OF_SUM * effect.size + self.near_zero
        )
        return near

    def leaves_right(self, effect: Effect) -> bool:
        """Tell whether an effect leaves all right blocks as they are."""
        rows = [k for k, block in enumerate(self.blocks) if block is None]
        near = NEAR * effect.along[rows] + NEAR_OF_SUM * effect.size[rows] + self.near_zero[rows]
        return bool((np.abs(effect.along[rows]) <= np.abs(near)).all())

    def blocks_explained(self, explained: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return the wrong blocks that are explained; none if a right one would be wrong."""
        if not all(ok for ok, block in zip(explained, self.blocks, strict=True) if block is None):
            return ()
        missed = {block for ok, block in zip(explained, self.blocks, strict=True) if not ok}
        return tuple(
            block for block in dict.fromkeys(self.blocks) if block is not None and block not in missed
        )

    def rows_of(self, block: str) -> NDArray[np.intp]:
        """Return the directions within a wrong block."""
        return np.array([k for k, name in enumerate(self.blocks) if name == block], dtype=np.intp)
