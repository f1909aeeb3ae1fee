"""Why a verdict is inconclusive: what is known of the slopes, why no more is, and what to do about it."""

from __future__ import annotations

import enum
import math

from fastcheck.engines import Estimate
from fastcheck.norms import largest
from fastcheck.problem import Problem, next_power_of_ten


class Cause(enum.StrEnum):
    """Why a slope is not known well enough."""

    ROUNDING = "rounding noise"
    TRUNCATION = "truncation"
    KINK = "kink"
    NONDETERMINISM = "non-determinism"
    SINGLE = "float32"


ADVICE = {
    Cause.ROUNDING: "Raise the tolerance to what you need to know, check a smaller batch of samples, or leave out an "
    "epsilon that you gave; method='difference' has no such noise where it can follow the cost.",
    Cause.TRUNCATION: "The slopes change from step to step, however small these are: leave out an epsilon that you "
    "gave, or let method='difference' take its tiny step.",
    Cause.KINK: "The parameters stand on kinks of the cost (exact zeros or ties): check at parameters moved a little, "
    "or with method='difference', which tells kinks apart.",
    Cause.NONDETERMINISM: "The cost does not repeat itself to the last bit: run it on one thread, draw nothing at "
    "random in it, or raise the tolerance to what you need to know.",
    Cause.SINGLE: "The cost computes in float32 or float16: let it compute in float64 (the parameters it gets are), or "
    "raise the tolerance.",
}
"""What to do about each of them."""

ZERO = (
    "If the cost should not change with this block (a dead unit, a bias before batch normalisation), nothing speaks "
    "against the claim, but a small gradient would look the same. method='difference' tells zero from small where it "
    "can follow the cost."
)
"""What to do where noise is all that is seen of a gradient."""

LOSING_DIGITS = (
    "The cost, or the backward pass, loses digits: all of them in a difference such as 1 - σ(z), where σ(z) is near 1. "
    "Rewrite such terms (a loss of logits instead of probabilities), or check at other parameters."
)
"""What to do about rounding noise that shows only when the operations of the cost are shaken."""


MOST = 0.1
"""Tolerances above this are not advised: hardly a mistake would be seen."""


def advice(cause: Cause, name: str, needed: float) -> str:
    """Return what to do about a cause, where a tolerance of ``needed`` would decide the block of this name."""
    serves = next_power_of_ten(needed) if needed > 0 else math.inf
    known = serves <= MOST and cause in (Cause.ROUNDING, Cause.NONDETERMINISM, Cause.SINGLE)
    return ADVICE[cause] + (f" For {name}, tolerance={serves:.0e} is enough." if known else "")


def explanation(
    problem: Problem, estimate: Estimate, bound: float, row: int, typical: float, needed: float
) -> str:
    """Return why a block is undecided, of which the slope at ``row`` is least known, to ± ``bound``.

    ``typical`` is the size of its entries, ``needed`` the tolerance with which none would be undecided. A block of
    which all slopes lie within the bound has no such size: it is compared with the largest claim of the network, which
    decides nothing.
    """
    cause, name = _cause(problem, estimate, bound, row), estimate.part.block.name
    what_to_do, scale = advice(cause, name, needed), f"against a typical entry of {typical:.1e}"
    if cause is not Cause.KINK and max(largest(estimate.lower), largest(estimate.upper)) <= bound:
        others = f"the largest claim of the network is {problem.flow:.1e}"
        scale = f"and zero within that; {others if problem.flow else 'all claims of the network are zero'}"
        if cause in (Cause.ROUNDING, Cause.TRUNCATION):
            cause, what_to_do = Cause.ROUNDING, ZERO
    elif estimate.loses_digits and cause is Cause.ROUNDING:
        what_to_do = LOSING_DIGITS
    return f"{cause}: the numerical gradient of {name} is known to ± {bound:.1e} only, {scale}. {what_to_do}"


def _cause(problem: Problem, estimate: Estimate, bound: float, row: int) -> Cause:
    """Return why the slope at a row is known to ± ``bound`` only."""
    if estimate.kinks is not None and estimate.kinks.counts[row]:
        return Cause.KINK
    if estimate.single_precision:
        return Cause.SINGLE
    if not problem.steady:
        return Cause.NONDETERMINISM
    if estimate.lower[row] < estimate.upper[row]:
        return Cause.KINK
    unsettled = estimate.truncation is not None and estimate.truncation[row] > bound / 2
    return Cause.TRUNCATION if unsettled else Cause.ROUNDING
