"""A few coordinates of a block, checked one by one, to see what an error is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastcheck.engines import EngineRun, Estimate
from fastcheck.engines.plain.batches import PlainEngine
from fastcheck.norms import norm
from fastcheck.plan.coordinates import Part, Plan
from fastcheck.problem.ahead import execution_of
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.verdict.judging import Judgement
from fastcheck.verdict.ladder import look_closer
from fastcheck.verdict.rule import claims

USUAL_SPOTS = 32
"""Coordinates of a block that are checked."""

WIDESPREAD = 0.25
"""Share of the coordinates in which an error must show to count as one of the whole block."""

MOST_UNDERESTIMATED = 8.0
"""A few coordinates may underestimate the norm of the error by this factor: others are much larger than most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spots:
    """A few coordinates of one block; arrays of shape (m,).

    The smallest example that needs them is ‖g - ∇J‖ = 1 in a block of 10,000 coordinates of size 10: an error of 0.01
    in each, which a tolerance may allow, or of 1 in a single one. Where these few do not show the former, it is the
    latter.

    ``residual`` is how far the claim lies from the slope that is right, which is known to ± ``bound``. ``judgement`` is
    what `check` says of these coordinates, by their ``estimate``.
    """

    judgement: Judgement
    estimate: Estimate
    claimed: Vector
    slope: Vector
    residual: Vector
    bound: Vector
    forward_passes: int

    @property
    def size(self) -> int:
        """The number m."""
        return self.residual.size

    def spread(self) -> bool:
        """Whether the error shows in many coordinates, of those that have a gradient."""
        alive = (self.claimed != 0) | (self.slope != 0)
        seen = np.abs(self.residual) > self.bound
        return bool(seen.sum() >= WIDESPREAD * alive.sum())

    def error_bound(self) -> float:
        """Return how far claims are at most from slopes that are right: a norm, for these coordinates."""
        return norm(np.abs(self.residual) + self.bound)

    def explain(self, error: float) -> bool:
        """Whether errors like these make up an error of the whole block with this norm."""
        return self._scaled(self.residual) >= error

    def could_hide(self, error: float) -> bool:
        """Whether an error of this norm, spread over the block, would be lost in the bounds."""
        return self._scaled(self.bound) >= error

    def _scaled(self, values: Vector) -> float:
        return MOST_UNDERESTIMATED * norm(values) * math.sqrt(self.judgement.part.block.size / self.size)


def spot_check(
    problem: Problem,
    number: int,
    *,
    tolerance: float,
    epsilon: float | None,
    seed: int,
    count: int = USUAL_SPOTS,
) -> Spots:
    """Check up to ``count`` random coordinates of block ``number`` as `check` does, plainly evaluated."""
    block = problem.layout.blocks[number]
    places = None
    if block.size > count:
        rng = np.random.default_rng([seed, number])
        places = np.sort(rng.choice(block.size, count, replace=False))
    part = Part(block=block, places=places)
    judgement, estimate, passes = checked(problem, part, tolerance=tolerance, epsilon=epsilon, seed=seed)
    every = slice(0, part.size)
    claimed, slopes = claims(problem, part, every), estimate.slopes.at(every)
    nearest = slopes.nearest(claimed)
    return Spots(
        judgement=judgement,
        estimate=estimate,
        claimed=claimed,
        slope=nearest,
        residual=claimed - nearest,
        bound=slopes.bound,
        forward_passes=passes,
    )


def checked(
    problem: Problem, part: Part, *, tolerance: float, epsilon: float | None, seed: int
) -> tuple[Judgement, Estimate, int]:
    """Check coordinates of a block as `check` does, and return what they are judged by, and the forward passes."""
    plan = Plan(parts=(part,), epsilon=epsilon, seed=seed, tolerance=tolerance)
    with EngineRun(PlainEngine(), problem, plan, execution_of(problem)) as run:
        (look,) = (look_closer(problem, epsilon, tolerance, estimate) for estimate in run)
    return look.judgement, look.estimate, run.summary.forward_passes + look.forward_passes
