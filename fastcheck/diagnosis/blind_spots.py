"""What a check could not see: costs that do not depend on θ, claims of zeros, parameters that are zero.

Here W is forgotten, the claim for c is zero whatever the backward pass does, and a penalty on b would not show::

    cost = lambda p: np.sum(np.tanh(x + p["b"]))      # θ: b = 0, c = 1, W of any size
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import BudgetUsedUp
from fastcheck.legible import first_names
from fastcheck.norms import Comparison
from fastcheck.problem.posing import Problem
from fastcheck.problem.randomness import Repeating
from fastcheck.report.result import CONSTANT_COST, BlockReport
from fastcheck.verdict.judging import Verdict

DISTANCES = (1e-3, 0.1, 1.0, 10.0)
"""How far a cost is evaluated from θ, both ways, in units of 1 + |θ|, before it counts as constant."""


class LookedAt(NamedTuple):
    """A block that was looked at: its name, its report, and the norms of claim and slopes."""

    name: str
    report: BlockReport
    comparison: Comparison

    @property
    def passes(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.report.verdict is Verdict.PASS

    @property
    def fails(self) -> bool:
        """Whether all of it was looked at, and it fails."""
        whole = self.report.checked == self.report.size or self.report.screened is not None
        return whole and self.report.verdict is Verdict.FAIL


def blind_spots(problem: Problem, blocks: Iterable[LookedAt]) -> tuple[tuple[str, ...], int]:
    """Return sentences for the report, and the forward passes that were made: none unless all slopes are zero."""
    looked_at = list(blocks)
    if any(block.comparison.numerical for block in looked_at):
        return tuple(_sentences(problem, looked_at)), 0
    constant, passes = _is_constant(problem)
    if constant:
        return (_constant(problem, passes),), passes
    return tuple(_sentences(problem, looked_at)), passes


def _is_constant(problem: Problem) -> tuple[bool, int]:
    """Tell whether the cost is the same at all of some points near and far, and how many passes that took."""
    rng = np.random.default_rng(0)
    passes = 0
    for distance in DISTANCES:
        move = distance * (1 + np.abs(problem.theta)) * rng.standard_normal(problem.theta.size)
        for point in (problem.theta + move, problem.theta - move):
            try:
                with np.errstate(all="ignore"):
                    is_same = problem.evaluator(point) == problem.value
            except BudgetUsedUp:
                return False, passes
            except Exception:  # a cost may raise anything far from θ, which shows that it depends on it
                is_same = False
            passes += 1
            if not is_same:
                return False, passes
    return True, passes


def _constant(problem: Problem, passes: int) -> str:
    return (
        f"{CONSTANT_COST}: it is {problem.value + 0.0!r} at θ and at {passes} other points, near and far. So zeros are "
        "right, and any other claim is wrong. Does it use what it is given? `lambda w: layer.loss()` does not: put w "
        "into the layer before, or use check_object(layer, layer.loss, …)."
    )


def _sentences(problem: Problem, looked_at: list[LookedAt]) -> Iterator[str]:
    theta_and_claim = {
        block.name: (problem.theta[block.start : block.stop], claim)
        for block, claim in zip(problem.layout.blocks, problem.claims, strict=True)
    }
    if unused := [block.name for block in looked_at if block.fails and not block.comparison.numerical]:
        yield f"J does not change with {first_names(unused)} near θ, as if the cost did not use it."
    if not problem.largest_claim and any(block.fails for block in looked_at):
        yield "All claims are zero: did the backward pass run, and are these the arrays that it fills?"
    passed = [block.name for block in looked_at if block.passes]
    unclaimed = {block.name for block in looked_at if not block.comparison.claimed}
    zero = [name for name in passed if name in unclaimed and _is_zero(theta_and_claim[name][1])]
    if zero and len(zero) == len(looked_at):
        yield (
            "All claims are zero, and so are the slopes here: a backward pass that returns zeros always would pass. "
            "Check at other parameters."
        )
    elif zero:
        yield f"In {first_names(zero)} zero was compared with zero: J does not change with it at these parameters."
    all_passed = len(passed) == len(looked_at)
    if all_passed and _may_have_penalties(problem):
        at_zero = [name for name in passed if name not in zero and _is_zero(theta_and_claim[name][0])]
        if at_zero:
            names = first_names(at_zero)
            yield f"{names}: all zeros, where a penalty (L2, weight decay) has no slope and is not missed."


def _may_have_penalties(problem: Problem) -> bool:
    cost = problem.evaluator.cost
    return getattr(cost.function if isinstance(cost, Repeating) else cost, "penalties", True)


def _is_zero(values: NDArray[Any]) -> bool:
    """Tell whether all entries are zero; a first one that is not says so before the rest is read."""
    return not (values.flat[0] or values.any())
