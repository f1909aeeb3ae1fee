"""Slopes of the cost along a few random directions, which tell whether a gradient is right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.evidence import Entries
from fastcheck.diagnosis.detective.experiments.backward_runs import BackwardRuns, Gradients
from fastcheck.diagnosis.detective.hypotheses import EXPLAINS
from fastcheck.norms import norm, root_mean_square
from fastcheck.problem.parameters import Block

STEPS = (1e-3, 1e-4, 1e-5, 1e-6)
"""Relative steps of the differences, tried until two neighbours agree."""

AGREE = 5e-9
"""Relative difference of the slopes of two steps that is good enough."""

DIRECTIONS = 2
"""Random directions in each block: a gradient that is wrong agrees along one with probability zero."""

SAFETY = 10.0
"""The error of a slope is at most so many times the difference of two steps."""

WELL_BELOW = 1e-3
"""A slope says something of an error along its direction if its own error is below this part of it."""


class Slope(NamedTuple):
    """A slope along a direction, and by how much it may be off."""

    value: float
    error: float


class Agreement(NamedTuple):
    """How well gradients agree with the slopes: relative to the slopes, the largest of all directions."""

    right: bool
    difference: float


@dataclass(slots=True, eq=False)
class DirectionalSlopes:
    """Slopes of costs at ``theta`` along directions in one block each, by central differences of order four."""

    runs: BackwardRuns
    theta: Entries
    known: dict[tuple[Any, str, int], Slope] = field(default_factory=dict)

    def agreement(self, cost: Callable[[Any], Any], claimed: Gradients, wrong: Gradients) -> Agreement:
        """Return whether gradients are right where others, of the same blocks, are ``wrong``.

        They are if they leave at most 1e-7 of the error, beyond what the slopes may be off.
        """
        right, difference = True, 0.0
        for name in wrong:
            for k in range(DIRECTIONS):
                slope, direction = self.slope(cost, name, k), self.direction(name, k)
                left = abs(_along(claimed[name], direction) - slope.value)
                error = abs(_along(wrong[name], direction) - slope.value)
                can_tell = slope.error <= WELL_BELOW * error
                right = right and can_tell and left <= EXPLAINS * error + slope.error
                difference = max(difference, left / abs(slope.value) if slope.value else math.inf)
            if not right:
                break
        return Agreement(right, difference)

    def agrees(self, cost: Callable[[Any], Any], claimed: Entries, name: str) -> bool:
        """Return whether a gradient of one block is right, as far as slopes of this cost are known to seven digits."""
        for k in range(DIRECTIONS):
            slope = self.slope(cost, name, k)
            off = abs(_along(claimed, self.direction(name, k)) - slope.value)
            allowed = EXPLAINS * abs(slope.value)
            if not (slope.error <= allowed and off <= allowed):
                return False
        return True

    def slope(self, cost: Callable[[Any], Any], name: str, k: int) -> Slope:
        """Return the slope of a cost along the k-th direction in a block."""
        key = cost, name, k
        if key not in self.known:
            self.known[key] = self._slope(cost, name, self.direction(name, k))
        return self.known[key]

    def direction(self, name: str, k: int) -> Entries:
        """Return the k-th direction in a block, of length one."""
        block = self._block(name)
        direction = np.random.default_rng([k, block.start]).standard_normal(block.shape)
        return direction / norm(direction)

    def theta_of(self, name: str) -> Entries:
        """Return the parameters of a block."""
        block = self._block(name)
        return self.theta[block.start : block.stop].reshape(block.shape)

    def _block(self, name: str) -> Block:
        return next(block for block in self.runs.layout.blocks if block.name == name)

    def _slope(self, cost: Callable[[Any], Any], name: str, direction: Entries) -> Slope:
        block = self._block(name)
        scale = root_mean_square(self.theta_of(name)) or 1.0
        change = np.zeros_like(self.theta)
        change[block.start : block.stop] = direction.reshape(-1)
        best = Slope(math.nan, math.inf)
        before = math.nan
        for step in STEPS:
            slope = self._difference(cost, change, step * scale)
            error = SAFETY * abs(slope - before)
            if error < best.error:
                best = Slope(slope, error)
            if best.error <= AGREE * abs(best.value):
                break
            before = slope
        return best

    def _difference(self, cost: Callable[[Any], Any], change: Entries, h: float) -> float:
        """Return (8 (J₁ − J₋₁) − (J₂ − J₋₂)) / 12 h, where Jₖ is the cost at θ + k h · change."""
        near, far = (
            self.runs.cost(cost, self.theta + k * h * change)
            - self.runs.cost(cost, self.theta - k * h * change)
            for k in (1, 2)
        )
        return (8 * near - far) / (12 * h)


def _along(gradient: Entries, direction: Entries) -> float:
    return float(np.vdot(gradient, direction))
