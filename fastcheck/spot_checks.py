"""A few coordinates of a block, checked one by one, to see what an error is made of."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from fastcheck.careful import judged
from fastcheck.engines import DisagreementError, Estimate, choose_engine
from fastcheck.engines.difference.state import TracingError
from fastcheck.execution import Execution
from fastcheck.norms import norm
from fastcheck.parameters import Vector
from fastcheck.plan import Part, Plan
from fastcheck.problem import Problem
from fastcheck.rule import Rows, claims
from fastcheck.verdict import Judgement

COUNT = 32
"""Coordinates of a block that are checked."""

MANY = 0.25
"""Share of the coordinates in which an error must show to count as one of the whole block."""

HEAVY = 8.0
"""A few coordinates may underestimate the norm of the error by this factor: some are much larger than most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spots:
    """Some coordinates of one block; arrays of shape (m,).

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
        return bool(seen.sum() >= MANY * alive.sum())

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
        return HEAVY * norm(values) * math.sqrt(self.judgement.part.block.size / self.size)


def spot_check(
    problem: Problem,
    number: int,
    method: str,
    *,
    tolerance: float,
    epsilon: float | None,
    seed: int,
    count: int = COUNT,
) -> Spots:
    """Check up to ``count`` random coordinates of block ``number`` as `check` does, by ``method`` if that can be."""
    block = problem.layout.blocks[number]
    places = None
    if block.size > count:
        rng = np.random.default_rng([seed, number])
        places = np.sort(rng.choice(block.size, count, replace=False))
    part = Part(block=block, places=places)
    judgement, estimate, passes = checked(
        problem, part, method, tolerance=tolerance, epsilon=epsilon, seed=seed
    )
    rows = Rows.of(estimate, slice(0, part.size))
    claimed = np.asarray(claims(problem, judgement.part, slice(0, judgement.part.size)), dtype=float)
    slope = rows.compared(claimed)
    return Spots(
        judgement=judgement,
        estimate=estimate,
        claimed=claimed,
        slope=slope,
        residual=claimed - slope,
        bound=rows.bound,
        forward_passes=passes,
    )


def checked(
    problem: Problem, part: Part, method: str, *, tolerance: float, epsilon: float | None, seed: int
) -> tuple[Judgement, Estimate, int]:
    """Check coordinates of a block as `check` does, and return what they are judged by, and the forward passes."""
    plan = Plan(parts=(part,), epsilon=epsilon, seed=seed, tolerance=tolerance)
    use = functools.partial(judged, problem, epsilon, tolerance)
    execution = Execution(progress=False)
    try:
        estimates = choose_engine(method).estimate(problem, plan, execution, use)
    except (TracingError, DisagreementError):
        estimates = choose_engine("plain").estimate(problem, plan, execution, use)
    (found,) = estimates.results
    return found.judgement, found.estimate, estimates.forward_passes + found.forward_passes
