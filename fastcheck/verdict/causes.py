"""Why a verdict is inconclusive: what is known of the slopes, why no more is, and what to do about it."""

from __future__ import annotations

import enum
import math

from fastcheck.engines import Estimate
from fastcheck.engines.plain.noise import rounding_bound
from fastcheck.engines.plain.steps import USUAL_STEP
from fastcheck.norms import largest
from fastcheck.problem.posing import Problem, next_power_of_ten


class Cause(enum.StrEnum):
    """Why a slope is not known well enough."""

    ROUNDING = "rounding noise"
    TRUNCATION = "truncation"
    KINK = "kink"
    NONDETERMINISM = "non-determinism"
    SINGLE = "float32"
    DOMAIN = "domain"


ADVICE = {
    Cause.ROUNDING: "Raise the tolerance to what you need to know, or check a smaller batch of samples",
    Cause.TRUNCATION: "The slopes change from step to step, however small these are: check at other parameters",
    Cause.KINK: "The parameters stand on kinks of the cost (exact zeros or ties): check at parameters moved a little",
    Cause.NONDETERMINISM: "The cost does not repeat itself to the last bit: run it on one thread, draw nothing at "
    "random in it, or raise the tolerance to what you need to know",
    Cause.SINGLE: "The cost computes in float32 or float16: let it compute in float64 (the parameters it gets are), or "
    "raise the tolerance",
    Cause.DOMAIN: "The slope of this coordinate is not known well enough; those of all others were judged. Check it at "
    "parameters inside of the domain",
}
"""What to do about each of them."""

ADVICE_FOR_STEPS = ", or leave out the epsilon that you gave"
"""The same of a step of the user's: `Cause.ROUNDING` and `Cause.TRUNCATION`."""

ADVICE_WHERE_SUBTRACTED = {
    Cause.ROUNDING: "; method='difference' has no such noise where it can follow the cost",
    Cause.TRUNCATION: "; method='difference' has none where it can follow the cost",
    Cause.KINK: "; method='difference' tells kinks apart where it can follow the cost",
}
"""The same where costs were subtracted."""


def advice_for(cause: Cause, *, step_given: bool, difference_may_help: bool) -> str:
    """Return what to do about a cause, given whether a step was, and whether to advise difference propagation."""
    step = ADVICE_FOR_STEPS if step_given and cause in (Cause.ROUNDING, Cause.TRUNCATION) else ""
    instead = ADVICE_WHERE_SUBTRACTED.get(cause, "") if difference_may_help else ""
    return f"{ADVICE[cause]}{step}{instead}."


ADVICE_FOR_ZEROS = (
    "If the cost should not change with this block (a dead unit, a bias before batch normalisation), nothing speaks "
    "against the claim, but a small gradient would look the same."
)
"""What to do where noise is all that is seen of a gradient."""

ADVICE_FOR_SUBTRACTED_ZEROS = " method='difference' tells zero from small where it can follow the cost."
"""The same where costs were subtracted."""

BORDER = "the parameters lie at a border of where the cost is defined:"
"""What is said before what the cost does beyond it."""

STANDS_STILL = (
    " It stands still over small steps, and jumps over larger ones; a cost with steps, such as those of np.round, "
    "looks the same{instead}."
)
"""What plain evaluation adds to that."""

ADVICE_FOR_STEPPING = ": method='difference' tells them apart where it can follow the cost"

LOSING_DIGITS = (
    "The cost, or the backward pass, loses digits: all of them in a difference such as 1 - σ(z), where σ(z) is near 1. "
    "Rewrite such terms (a loss of logits instead of probabilities), or check at other parameters."
)
"""What to do about rounding noise that shows only when the operations of the cost are rounded otherwise."""

LARGEST_ADVISED = 0.1
"""Tolerances above this are not advised: hardly a mistake would be seen."""


def enough_for(cause: Cause, name: str, needed: float) -> str:
    """Return the sentence about the tolerance that is enough, where ``needed`` would decide the block of this name."""
    serves = next_power_of_ten(needed) if needed > 0 else math.inf
    known = serves <= LARGEST_ADVISED and cause in (Cause.ROUNDING, Cause.NONDETERMINISM, Cause.SINGLE)
    return f" For {name}, tolerance={serves:.0e} is enough." if known else ""


def explanation(
    problem: Problem, estimate: Estimate, bound: float, row: int, typical: float, needed: float
) -> str:
    """Return why a block is undecided, of which the slope at ``row`` is least known, to ± ``bound``.

    ``typical`` is the size of its entries, ``needed`` the tolerance with which none would be undecided. A block of
    which all slopes lie within the bound has no such size: it is compared with the largest claim of the network, which
    decides nothing.
    """
    if row in estimate.outside:
        return f"{Cause.DOMAIN}: {BORDER} {estimate.outside[row]} {ADVICE[Cause.DOMAIN]}."
    cause, slopes, name = _cause(problem, estimate, bound, row), estimate.slopes, estimate.part.block.name
    known = f"the numerical gradient of {name} is known to ± {bound:.1e} only,"
    against_typical = f"against a typical entry of {typical:.1e}"
    is_numerical = cause in (Cause.ROUNDING, Cause.TRUNCATION)
    if estimate.loses_digits and is_numerical:
        instead = "" if problem.is_uncertified else ADVICE_FOR_STEPPING
        still = STANDS_STILL.format(instead=instead) if slopes.truncation is not None else ""
        return f"{Cause.ROUNDING}: {known} {against_typical}. {LOSING_DIGITS}{still}"
    may_help = row in slopes.subtracted_rows and not problem.is_uncertified
    advice = advice_for(cause, step_given=estimate.step_given, difference_may_help=may_help)
    advice += enough_for(cause, name, needed)
    may_be_zeros = max(largest(slopes.lower), largest(slopes.upper)) <= bound
    if cause is Cause.KINK or not may_be_zeros:
        return f"{cause}: {known} {against_typical}. {advice}"
    others = f"the largest claim of the network is {problem.largest_claim:.1e}"
    if not problem.largest_claim:
        others = "all claims of the network are zero"
    if is_numerical:
        cause, advice = Cause.ROUNDING, ADVICE_FOR_ZEROS + (ADVICE_FOR_SUBTRACTED_ZEROS if may_help else "")
    return f"{cause}: {known} and zero within that; {others}. {advice}"


def _cause(problem: Problem, estimate: Estimate, bound: float, row: int) -> Cause:
    """Return why the slope at a row is known to ± ``bound`` only."""
    if estimate.at_kinks is not None and estimate.at_kinks[row]:
        return Cause.KINK
    if estimate.single_precision:
        return Cause.SINGLE
    if not problem.repeats_exactly:
        return Cause.NONDETERMINISM
    slopes = estimate.slopes
    if slopes.lower[row] < slopes.upper[row]:
        return Cause.KINK
    mostly_truncation = slopes.truncation is not None and slopes.truncation[row] > bound / 2
    # Steps are only as wide as noise makes them.
    without_much_noise = rounding_bound(estimate.noise, USUAL_STEP) < bound / 4
    return Cause.TRUNCATION if mostly_truncation and without_much_noise else Cause.ROUNDING
