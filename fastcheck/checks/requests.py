"""What a check was asked for: every strategy gets it, and the report repeats it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastcheck.checkpoints.checkpoint import Checkpoint
from fastcheck.checks.budgets import Budget
from fastcheck.diagnosis.screening_options import ScreeningOptions
from fastcheck.errors import InvalidProblemError
from fastcheck.execution import Execution
from fastcheck.plan.coordinates import FEWEST_DIRECTIONS, Plan, make_plan
from fastcheck.problem.parameters import Block
from fastcheck.problem.posing import Problem

SCREENING_CONFIDENCE = 0.999
"""That with which the bounds of screening hold, unless another one is asked for."""

T = TypeVar("T")

Progress = bool | Callable[[int, int], None] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckRequest:
    """A problem that was posed, and how it is to be checked, since ``start``; the options are those of `check`.

    What a sample proves holds with ``sample_confidence``, a bound on the norm of an error with ``norm_confidence``.
    The step and the seed are valid once a plan was made. ``budget`` is what the check may spend; one without limits
    ends it where it is interrupted, None lets KeyboardInterrupt pass through. ``previous`` are earlier parameters, by
    block. ``look_for_causes``: what fails is to be explained.
    ``checkpoint`` tells what the report says of evaluations that are kept, None where nobody asked for that.
    """

    problem: Problem
    execution: Execution
    start: float
    method: str
    epsilon: float | None
    tolerance: float
    seed: int
    alpha: float
    directions: int
    sample_confidence: float
    norm_confidence: float
    budget: Budget | None = None
    previous: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    look_for_causes: bool = True
    checkpoint: Checkpoint | None = None

    @property
    def goes_on(self) -> bool:
        """Whether the same call finds what was evaluated."""
        return self.checkpoint is not None and self.checkpoint.keeps

    @property
    def ended(self) -> str | None:
        """Why nothing may be evaluated any more, None as long as it may."""
        return None if self.budget is None else self.budget.ended

    def watched(self) -> contextlib.AbstractContextManager[None]:
        """Return a ``with`` block that is left where the budget ends, or Ctrl-C ends the check with a report."""
        return contextlib.nullcontext() if self.budget is None else self.budget.watched()

    def finished(self, work: Callable[[], T]) -> T:
        """Return what ``work`` does; where Ctrl-C ends the check with a report, what it does without evaluations."""
        return work() if self.budget is None else self.budget.finished(work)

    @property
    def blocks(self) -> list[Block]:
        """The blocks that are not empty."""
        return [block for block in self.problem.layout.blocks if block.size]

    def plan(self, coordinates: Any) -> Plan:
        """Return the plan of these coordinates; `InvalidProblemError` where they, the step or the seed are invalid."""
        return make_plan(
            self.problem.layout,
            self.problem.theta,
            coordinates,
            self.epsilon,
            self.seed,
            alpha=self.alpha,
            directions=max(FEWEST_DIRECTIONS, self.directions),
            tolerance=self.tolerance,
        )

    def plan_of_examples(self) -> Plan:
        """Return the plan of one coordinate of each block, on which the step is validated."""
        return self.plan({block.name: 1 for block in self.blocks})

    def screening_options(self) -> ScreeningOptions:
        """Return the options of screening; `InvalidProblemError` where the step or the seed are invalid."""
        plan = self.plan_of_examples()
        return ScreeningOptions(
            directions=self.directions,
            confidence=self.norm_confidence,
            epsilon=plan.epsilon,
            tolerance=self.tolerance,
            seed=plan.seed,
        )


def expect_claim(gradients: Any) -> None:
    """Raise `InvalidProblemError` if there is no claim."""
    if gradients is None:
        raise InvalidProblemError(
            "gradients: expected the claimed gradient, or a function that returns it, got None. Does the backward "
            "pass end in a return statement?"
        )


def expect_no_complex_steps(method: str, what: str) -> None:
    """Raise `InvalidProblemError` where complex steps were asked for and ``what`` would do without them."""
    if method == "complex-step":
        raise InvalidProblemError(
            f"method: {what} has no complex steps, which take one forward pass for each coordinate. Leave the method "
            "out, or check coordinates with method='complex-step'."
        )
