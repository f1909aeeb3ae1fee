"""Claims for a block whose random directions meet many kinks at θ: compared with those of usual backward passes.

More kinks than directions cannot be told apart one by one. But a backward pass does not single out entries: where an
operation is at its kink (`maximum` in a line of the code, say) it takes the same everywhere: the slope of one side, of
the other, or the middle of both. With a convention for each operation the cost is linear, and its slopes along
directions are those of one gradient, which the claim is or is not. Nothing is fitted. Of N conventions each is held to
a bound that fails N times less often than the confidence allows, so that the nearest one may be chosen.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.at_kinks import AtKinks
from fastcheck.engines.directions import Directions, Settled
from fastcheck.engines.kinks import Convention, Line, in_the_middle
from fastcheck.parameters import Block, Vector
from fastcheck.problem import Problem
from fastcheck.residuals import Residuals, claim_of, dot, drawn

SIDES = (0.0, 0.5, 1.0)
"""What a convention takes at the kinks of an operation: one side, the middle, or the other side."""

MOST_LINES = 6
"""Operations that may differ in what they take: 729 conventions."""

MOST_TRIED = 12
"""Conventions tried in which operations differ, the most likely first."""


def beside_conventions(
    problem: Problem, directions: Directions, number: int, count: int, *, seed: int, max_memory: int
) -> Iterator[AtKinks]:
    """Yield what ``count`` directions say of block ``number`` beside each of the gradients of usual backward passes.

    With p operations at kinks these are 3^p. Those in which all operations take the same come first, then those that
    are nearest to the claim, judged by what each operation changes alone. Each costs ``count`` forward passes.
    Nothing comes where kinks are not known, or the cost is not linear with them settled.
    """
    way = _Way(problem, directions, number, count, seed, max(1, max_memory // 64))
    middle = way.settled(in_the_middle)
    if middle is None:
        return
    claimed = way.claimed()
    lines = middle.lines
    choices = len(SIDES) ** (len(lines) if len(lines) <= MOST_LINES else 1)
    yield way.beside(middle, claimed, middle.kinks, choices)
    for convention in itertools.chain(_alike(), _different(way, middle, claimed)):
        found = way.settled(convention)
        if found is not None:
            yield way.beside(found, claimed, middle.kinks, choices)


def _alike() -> Iterator[Convention]:
    """Yield the conventions that take the same side everywhere."""
    for side in (0.0, 1.0):
        yield functools.partial(_side, {}, side)


def _different(way: _Way, middle: Settled, claimed: Vector) -> Iterator[Convention]:
    """Yield conventions in which operations differ, by the residual that is expected if their effects just add up."""
    lines = middle.lines
    if not 1 < len(lines) <= MOST_LINES:
        return
    effects = []
    for line in lines:
        found = way.settled(functools.partial(_side, {line: 1.0}, 0.5))
        effects.append(np.zeros_like(claimed) if found is None else found.slope - middle.slope)
    grid = np.array([sides for sides in itertools.product(SIDES, repeat=len(lines)) if len(set(sides)) > 1])
    expected = claimed - middle.slope - (2 * grid - 1) @ np.array(effects)
    nearest = np.argsort(np.abs(expected).max(axis=1), kind="stable")[:MOST_TRIED]
    for sides in grid[nearest].tolist():
        yield functools.partial(_side, dict(zip(lines, sides, strict=True)), 0.5)


def _side(known: Mapping[Line, float], rest: float, line: Line) -> float:
    return known.get(line, rest)


@dataclass(frozen=True, slots=True)
class _Way:
    """Random directions in a block: as many of them at a time as ``room`` has for entries."""

    problem: Problem
    directions: Directions
    number: int
    count: int
    seed: int
    room: int

    @property
    def block(self) -> Block:
        return self.problem.layout.blocks[self.number]

    def settled(self, convention: Convention) -> Settled | None:
        """Return the slopes along all directions, None where those of some are not known."""
        parts = []
        for entries in self._entries():
            part = self.directions.settled(self.block, entries, convention)
            if part is None:
                return None
            parts.append(part)
        return Settled.joined(parts)

    def claimed(self) -> Vector:
        """Return what the claim gives along the directions."""
        claim = claim_of(self.problem, self.number)
        return np.array([dot(claim, entry) for entries in self._entries() for entry in entries])

    def beside(self, found: Settled, claimed: Vector, kinks: int, choices: int) -> AtKinks:
        """Return the residuals of the claim beside the gradient of a convention."""
        residuals = Residuals(
            block=self.block,
            residual=claimed - found.slope,
            bound=found.bound,
            noise=found.noise,
            slope=found.slope,
            kinked=np.ones(self.count, dtype=bool),
            known=True,
            choices=choices,
        )
        return AtKinks(residuals, kinks, inside=True)

    def _entries(self) -> Iterator[NDArray[np.float64]]:
        at_once = max(1, min(self.count, self.room // self.block.size))
        for start in range(0, self.count, at_once):
            rows = range(start, min(start + at_once, self.count))
            yield drawn(self.block.size, self.seed, self.number, rows)
