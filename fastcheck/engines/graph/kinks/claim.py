"""A claimed gradient of all blocks at kinks, and how far it may be from slopes without being wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fastcheck.engines.graph.kinks.feasible import Flags
from fastcheck.engines.graph.kinks.slopes_at_kinks import Interval
from fastcheck.engines.graph.lost_digits import Rounding
from fastcheck.engines.rounding import CANCELLED, block_bound
from fastcheck.norms import root_mean_square
from fastcheck.plan.coordinates import Plan
from fastcheck.plan.tolerances import SHARP, VANISHING, tolerance_in
from fastcheck.problem.parameters import Block, Vector
from fastcheck.problem.posing import Problem

PROOF_MARGIN = 1.01
"""What may be off without being wrong, for a proof, over the same for a witness: a claim in between is undecided."""

LEAST_SCALE = 1e-9
"""Share of the largest scale of a block that those of all others are taken to have at least."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Claim:
    """A claimed gradient (n,), the sizes (n,) that residuals are weighed with, and what may be off without being wrong.

    ``allowed`` returns, for slopes (n,), how far the claim may be from them; ``most_allowed`` (n,) is the most that
    this is for slopes that the claim may be taken for.
    """

    values: Vector
    scale: Vector
    allowed: Callable[[Vector], Vector]
    most_allowed: Vector

    def fits(self, slopes: Vector) -> bool:
        """Whether the claim is right, given these slopes."""
        return not self.off(slopes).any()

    def off(self, slopes: Vector) -> Flags:
        """Return where it is wrong, given these slopes."""
        return np.asarray(np.abs(self.values - slopes) > self.allowed(slopes))

    def impossible(self, interval: Interval) -> Flags:
        """Return where the claim lies outside of all slopes that choices may give."""
        return self.off(np.clip(self.values, interval.lower, interval.upper))

    def without(self, coordinates: Flags) -> Claim:
        """Return the claim of all but some coordinates."""
        if not coordinates.any():
            return self
        return dataclasses.replace(
            self,
            scale=np.where(coordinates, np.inf, self.scale),
            allowed=lambda slopes: np.where(coordinates, np.inf, self.allowed(slopes)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Allowance:
    """What the claim of one block is held to: see `Claim`; ``rounding`` is the part that does not depend on slopes."""

    scale: float
    relative: float
    least_size: float
    rounding: Vector


def claim_at_kinks(
    problem: Problem, plan: Plan, interval: Interval, rounding: Sequence[Rounding], relative_noise: float
) -> Claim:
    """Return the claim, held to the rule that judges its coordinates.

    ``rounding`` is that of the slopes of each block, ``relative_noise`` that of J.
    """
    values, scale, relative, least_size, allowed_rounding = (np.zeros(problem.layout.size) for _ in range(5))
    for number, block in enumerate(problem.layout.blocks):
        rows = slice(block.start, block.stop)
        values[rows] = np.asarray(problem.claims[number], dtype=float).reshape(-1)
        held_to = _allowance(problem, plan, block, interval, rounding[number], relative_noise)
        scale[rows], relative[rows] = held_to.scale, held_to.relative
        least_size[rows], allowed_rounding[rows] = held_to.least_size, held_to.rounding
    largest_scale = max(float(scale.max(initial=0.0)), float(np.finfo(float).tiny))
    sizes = np.maximum(np.abs(values), least_size)

    def allowed(slopes: Vector) -> Vector:
        return np.asarray(relative * np.maximum(sizes, np.abs(slopes)) + allowed_rounding)

    return Claim(
        values=values,
        scale=np.maximum(scale, LEAST_SCALE * largest_scale),
        allowed=allowed,
        most_allowed=PROOF_MARGIN * (relative * sizes / (1 - relative) + allowed_rounding),
    )


def _allowance(
    problem: Problem, plan: Plan, block: Block, interval: Interval, rounding: Rounding, relative_noise: float
) -> _Allowance:
    """Return what the claim of one block is held to."""
    claimed, rows = problem.claims[problem.layout.number(block)], slice(block.start, block.stop)
    values = np.asarray(claimed, dtype=float).reshape(-1)
    largest = interval.largest[rows]
    typical = root_mean_square(np.maximum(largest, np.abs(values)))
    precision = np.finfo(claimed.dtype)
    exact = claimed.dtype == np.float64
    tiny = 0.0 if exact else float(precision.smallest_subnormal)
    noise = min(max(relative_noise, float(np.finfo(float).eps)), CANCELLED)
    bound = block_bound(typical, rounding, relative_noise, problem.nondeterminism)
    return _Allowance(
        scale=max(root_mean_square(values), root_mean_square(interval.centre[rows])),
        relative=tolerance_in(claimed.dtype, plan.tolerance),
        least_size=typical * (SHARP if exact else 1.0),
        rounding=bound.absolute + bound.relative * largest + VANISHING * noise * problem.largest_claim + tiny,
    )
