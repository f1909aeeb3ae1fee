"""What a block that was screened has to stand up to before it fails: rounding that hides, and plain evaluation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from fastcheck.careful import SLIGHT, may_hide
from fastcheck.causes import LOSING_DIGITS, Cause
from fastcheck.engines.directional import PlainDirections
from fastcheck.engines.directions import Directions
from fastcheck.engines.noise import careful_noise, noise_of_lines
from fastcheck.engines.rounding import LIKELY, jump_rounding, shaken_rounding
from fastcheck.norms import norm
from fastcheck.problem import Problem
from fastcheck.residuals import Residuals, drawn, measure
from fastcheck.verdict import Verdict

DOUBT = 2.0**-6
"""Slopes of two ways that differ by less than this share of what the claim is off by leave no doubt that it is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with the sentence that says why it is inconclusive, and notes."""

    verdict: Verdict
    cause: str | None = None
    notes: tuple[str, ...] = ()


class Confirmation:
    """The closer look at one block; ``forward_passes`` are those that its way of measuring slopes does not count."""

    def __init__(self, problem: Problem, way: Directions, number: int, *, seed: int, max_memory: int) -> None:
        self.problem, self.way, self.number = problem, way, number
        self.seed, self.max_memory = seed, max_memory
        self.forward_passes = 0

    @property
    def exact(self) -> bool:
        """Whether no costs are subtracted."""
        return self.way.method == "difference"

    def widened(self, residuals: Residuals) -> Residuals:
        """Return residuals with the rounding of slopes that shows when all operations are shaken.

        Where that can be done, and only for errors that rounding may explain.
        """
        root = math.sqrt(residuals.block.size)
        claimed = norm(np.asarray(self.problem.claims[self.number], dtype=np.float64)) / root
        sizes = residuals.error / root, residuals.gradient / root, claimed
        if not self.exact or not may_hide(self.problem, *sizes):
            return residuals
        entries = drawn(residuals.block.size, self.seed, self.number, range(1))
        shaken = self.way.shaken(residuals.block, entries)
        hidden = shaken_rounding(
            self.problem, shaken, residuals.slope[:1], residuals.error, residuals.gradient
        )
        if hidden is None:
            return residuals
        bound, noise = residuals.bound + hidden, residuals.noise + LIKELY * hidden
        return replace(residuals, bound=bound, noise=noise, shaken=True)

    def confirmed(self, residuals: Residuals, *notes: str) -> Finding:
        """Return a failure, if rounding does not explain it and plain evaluation finds the same slope."""
        name = residuals.block.name
        if self._loses_digits(residuals):
            return Finding(
                Verdict.INCONCLUSIVE,
                f"{Cause.ROUNDING}, which may explain ‖g - ∇J‖ in {name}, of about {residuals.error:.1e}. "
                f"{LOSING_DIGITS}",
            )
        if not self.exact:
            return Finding(Verdict.FAIL, None, notes)
        plain = PlainDirections(self.problem)
        (again,) = measure(
            self.problem,
            plain,
            [self.number],
            1,
            seed=self.seed,
            max_memory=self.max_memory,
            support=residuals.support,
        )
        self.forward_passes += plain.forward_passes
        apart = abs(float(again.slope[0] - residuals.slope[0]))
        known, kinked = float(again.bound[0]), bool(again.kinked[0] or residuals.kinked[0])
        if apart > known + residuals.bound[0] and not kinked:
            known *= self._noise_of_jumps()
        beyond_doubt = apart <= DOUBT * abs(float(residuals.residual[0]))
        if apart <= known + residuals.bound[0] or kinked or beyond_doubt:
            return Finding(Verdict.FAIL, None, notes)
        return Finding(
            Verdict.INCONCLUSIVE,
            f"along a random direction in {name} difference propagation finds the slope "
            f"{residuals.slope[0]:.12g}, and plain evaluation {again.slope[0]:.12g} ± {again.bound[0]:.1e}",
        )

    def _loses_digits(self, residuals: Residuals) -> bool:
        """Whether rounding that hides explains the residuals: seen by `widened`, or as jumps of J along long lines.

        Not where a block fails for another reason, such as a claim that is no mixture of the sides of kinks.
        """
        if residuals.shaken or residuals.explained:
            return residuals.shaken and residuals.explained
        if not self.exact:
            return replace(residuals, bound=residuals.bound * self._noise_of_jumps()).explained
        if residuals.error > SLIGHT * residuals.gradient:
            return False
        share, passes = jump_rounding(self.problem, residuals.error / residuals.gradient)
        self.forward_passes += passes
        return replace(residuals, bound=residuals.bound + share * residuals.gradient).explained

    def _noise_of_jumps(self) -> float:
        """Return the noise of J that long lines show over that of short ones, at least 1."""
        known, passes = noise_of_lines(self.problem)
        level, more = careful_noise(self.problem)
        self.forward_passes += passes + more
        return max(1.0, level / known) if known else 1.0
