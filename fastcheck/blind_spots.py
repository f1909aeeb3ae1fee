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
from fastcheck.norms import Comparison
from fastcheck.problem import Problem
from fastcheck.randomness import Repeating
from fastcheck.report.result import CONSTANT_COST, BlockReport
from fastcheck.verdict import Verdict

DISTANCES = (1e-3, 0.1, 1.0, 10.0)
"""How far a cost is evaluated from θ, both ways, in units of 1 + |θ|, before it counts as constant."""

NAMED = 6
"""Blocks that a sentence names."""


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
    if any(one.comparison.numerical for one in looked_at):
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
                    same = problem.evaluator(point) == problem.value
            except BudgetUsedUp:
                return False, passes
            except Exception:  # a cost may raise anything far from θ, which shows that it depends on it
                same = False
            passes += 1
            if not same:
                return False, passes
    return True, passes


def _constant(problem: Problem, passes: int) -> str:
    return (
        f"{CONSTANT_COST}: it is {problem.value + 0.0!r} at θ and at {passes} other points, near and far. So zeros are "
        "right, and any other claim is wrong. Does it use what it is given? `lambda w: layer.loss()` does not: put w "
        "into the layer before, or use check_object(layer, layer.loss, …)."
    )


def _sentences(problem: Problem, looked_at: list[LookedAt]) -> Iterator[str]:
    held = {
        block.name: (problem.theta[block.start : block.stop], claim)
        for block, claim in zip(problem.layout.blocks, problem.claims, strict=True)
    }
    if unused := [one.name for one in looked_at if one.fails and not one.comparison.numerical]:
        yield f"J does not change with {_listed(unused)} near θ, as if the cost did not use it."
    if not problem.flow and any(one.fails for one in looked_at):
        yield "All claims are zero: did the backward pass run, and are these the arrays that it fills?"
    passed = [one for one in looked_at if one.passes]
    zero = [one.name for one in passed if not one.comparison.claimed and _is_zero(held[one.name][1])]
    if zero and len(zero) == len(looked_at):
        yield (
            "All claims are zero, and so are the slopes here: a backward pass that returns zeros always would pass. "
            "Check at other parameters."
        )
    elif zero:
        yield f"In {_listed(zero)} zero was compared with zero: J does not change with it at these parameters."
    if len(passed) < len(looked_at) or not _may_have_penalties(problem):
        return
    if at_zero := [one.name for one in passed if one.name not in zero and _is_zero(held[one.name][0])]:
        yield f"{_listed(at_zero)}: all zeros, where a penalty (L2, weight decay) has no slope and is not missed."


def _may_have_penalties(problem: Problem) -> bool:
    cost = problem.evaluator.cost
    return getattr(cost.function if isinstance(cost, Repeating) else cost, "penalties", True)


def _is_zero(values: NDArray[Any]) -> bool:
    """Tell whether all entries are zero; a first one that is not says so before the rest is read."""
    return not (values.flat[0] or values.any())


def _listed(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
