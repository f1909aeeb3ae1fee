"""Why a verdict is inconclusive: what is known of the slopes, why no more is, and what to do about it."""

from __future__ import annotations

import enum
import math

from fastcheck.engines import Estimate
from fastcheck.engines.plain.noise import rounding_bound
from fastcheck.engines.plain.steps import USUAL_STEP
from fastcheck.norms import largest
from fastcheck.problem.posing import Problem, next_power_of_ten


class Obstacle(enum.StrEnum):
    """What is in the way of knowing a slope well enough."""

    ROUNDING = "rounding noise"
    TRUNCATION = "truncation"
    KINK = "kink"
    NONDETERMINISM = "non-determinism"
    SINGLE = "float32"
    DOMAIN = "domain"
    LOST = "lost evaluations"
    INTERRUPTED = "interrupted"


ADVICE = {
    Obstacle.ROUNDING: "Raise the tolerance to what you need to know, or check a smaller batch of samples",
    Obstacle.TRUNCATION: "The slopes change from step to step, however small these are: check at other parameters",
    Obstacle.KINK: "The parameters stand on kinks of the cost (exact zeros or ties): check at parameters moved a "
    "little",
    Obstacle.NONDETERMINISM: "The cost does not repeat itself to the last bit: run it on one thread, draw nothing at "
    "random in it, or raise the tolerance to what you need to know",
    Obstacle.SINGLE: "The cost computes in float32 or float16: let it compute in float64 (the parameters it gets are), "
    "or raise the tolerance",
    Obstacle.DOMAIN: "The slope of this coordinate is not known well enough; those of all others were judged. Check it "
    "at parameters inside of the domain",
    Obstacle.LOST: "Those of all others were judged. Check it alone, with coordinates=, to see what happens there",
    Obstacle.INTERRUPTED: "Check again",
}
"""What to do about each of them."""

ADVICE_FOR_STEPS = ", or leave out the epsilon that you gave"
"""The same of a step of the user's: `Obstacle.ROUNDING` and `Obstacle.TRUNCATION`."""

ADVICE_WHERE_SUBTRACTED = {
    Obstacle.ROUNDING: "; method='difference' has no such noise where it can follow the cost",
    Obstacle.TRUNCATION: "; method='difference' has none where it can follow the cost",
    Obstacle.KINK: "; method='difference' tells kinks apart where it can follow the cost",
}
"""The same where costs were subtracted."""


def advice_for(obstacle: Obstacle, *, step_given: bool, difference_may_help: bool) -> str:
    """Return what to do about an obstacle, given whether a step was, and whether to advise difference propagation."""
    step = ADVICE_FOR_STEPS if step_given and obstacle in (Obstacle.ROUNDING, Obstacle.TRUNCATION) else ""
    instead = ADVICE_WHERE_SUBTRACTED.get(obstacle, "") if difference_may_help else ""
    return f"{ADVICE[obstacle]}{step}{instead}."


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


def enough_for(obstacle: Obstacle, name: str, needed: float) -> str:
    """Return the sentence about the tolerance that is enough, where ``needed`` would decide the block of this name."""
    serves = next_power_of_ten(needed) if needed > 0 else math.inf
    known = serves <= LARGEST_ADVISED and obstacle in (
        Obstacle.ROUNDING,
        Obstacle.NONDETERMINISM,
        Obstacle.SINGLE,
    )
    return f" For {name}, tolerance={serves:.0e} is enough." if known else ""


def explanation(
    problem: Problem, estimate: Estimate, bound: float, row: int, typical: float, needed: float
) -> str:
    """Return why a block is undecided, of which the slope at ``row`` is least known, to ± ``bound``.

    ``typical`` is the size of its entries, ``needed`` the tolerance with which none would be undecided. A block of
    which all slopes lie within the bound has no such size: it is compared with the largest claim of the network, which
    decides nothing.
    """
    if row in estimate.lost:
        who, count = problem.layout.coordinate_name(estimate.coordinate(row)), len(estimate.lost)
        more = f" (and {count - 1:,} more of this block)" if count > 1 else ""
        return f"{Obstacle.LOST}: {who}: {estimate.lost[row]}{more}. {ADVICE[Obstacle.LOST]}."
    if row in estimate.outside:
        return f"{Obstacle.DOMAIN}: {BORDER} {estimate.outside[row]} {ADVICE[Obstacle.DOMAIN]}."
    obstacle, slopes, name = (
        _obstacle(problem, estimate, bound, row),
        estimate.slopes,
        estimate.part.block.name,
    )
    known = f"the numerical gradient of {name} is known to ± {bound:.1e} only,"
    against_typical = f"against a typical entry of {typical:.1e}"
    is_numerical = obstacle in (Obstacle.ROUNDING, Obstacle.TRUNCATION)
    if estimate.loses_digits and is_numerical:
        instead = "" if problem.is_uncertified else ADVICE_FOR_STEPPING
        still = STANDS_STILL.format(instead=instead) if slopes.truncation is not None else ""
        return f"{Obstacle.ROUNDING}: {known} {against_typical}. {LOSING_DIGITS}{still}"
    may_help = row in slopes.subtracted_rows and not problem.is_uncertified
    advice = advice_for(obstacle, step_given=estimate.step_given, difference_may_help=may_help)
    advice += enough_for(obstacle, name, needed)
    may_be_zeros = max(largest(slopes.lower), largest(slopes.upper)) <= bound
    if obstacle is Obstacle.KINK or not may_be_zeros:
        return f"{obstacle}: {known} {against_typical}. {advice}"
    others = f"the largest claim of the network is {problem.largest_claim:.1e}"
    if not problem.largest_claim:
        others = "all claims of the network are zero"
    if is_numerical:
        obstacle, advice = (
            Obstacle.ROUNDING,
            ADVICE_FOR_ZEROS + (ADVICE_FOR_SUBTRACTED_ZEROS if may_help else ""),
        )
    return f"{obstacle}: {known} and zero within that; {others}. {advice}"


def _obstacle(problem: Problem, estimate: Estimate, bound: float, row: int) -> Obstacle:
    """Return why the slope at a row is known to ± ``bound`` only."""
    if estimate.at_kinks is not None and estimate.at_kinks[row]:
        return Obstacle.KINK
    if estimate.single_precision:
        return Obstacle.SINGLE
    if not problem.repeats_exactly:
        return Obstacle.NONDETERMINISM
    slopes = estimate.slopes
    if slopes.lower[row] < slopes.upper[row]:
        return Obstacle.KINK
    mostly_truncation = slopes.truncation is not None and slopes.truncation[row] > bound / 2
    # Steps are only as wide as noise makes them.
    without_much_noise = rounding_bound(estimate.noise, USUAL_STEP) < bound / 4
    return Obstacle.TRUNCATION if mostly_truncation and without_much_noise else Obstacle.ROUNDING
