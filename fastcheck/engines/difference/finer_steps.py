"""Slopes that a finer step changes: a finite difference, however small its step, is not always close to a derivative.

At 0, b³ has the slope zero and the difference ε²; ∛b has no slope, and a difference of ε^(-2/3).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound, DisagreementError
from fastcheck.engines.difference.runs import Runner
from fastcheck.engines.difference.verification import Along, Evidence, look_along, rounding_along
from fastcheck.engines.slopes import STEP, Slopes
from fastcheck.plan import Part
from fastcheck.problem import Problem

FAINT, FINER = 2.0**-40, 4.0
"""Slopes of a block below this share of the largest claim are measured with a step finer by this factor, too: those
of a smooth function whose slope is zero are the truncation error, which shrinks with the step."""


def faint(problem: Problem, slopes: Slopes) -> bool:
    """Whether the slopes of a block may be what a finite step makes of a gradient of zero, such as that of b³ at 0."""
    typical, scale = slopes.typical, max(problem.flow, abs(problem.value))
    all_zero = bool(problem.claims) and problem.flow == 0
    return 0 < typical <= FAINT * scale or (all_zero and typical > 0)


def with_finer_step(
    runner: Runner, part: Part, slopes: Slopes, bound: Bound, step: float
) -> tuple[Slopes, Bound]:
    """Return slopes and bound with truncation seen: those that shrink with the step are known to be small, no more."""
    finer = _finer(runner, part, step)
    shrinks = _shrinking(slopes, finer)
    if not shrinks.any():
        return slopes, bound
    right, left = (
        np.where(shrinks, *pair) for pair in ((finer.right, slopes.right), (finer.left, slopes.left))
    )
    return Slopes(right, left, slopes.kinked, slopes.unsupported), _with_all_of(bound, slopes, shrinks)


def reconciled(
    runner: Runner, along: Along, slopes: Slopes, bound_of: Callable[[Slopes], Bound], scale: float
) -> tuple[Slopes, Bound, Evidence]:
    """Return slopes, bound and evidence of a part whose ``slopes``, with `STEP`, do not add up to that along them.

    Those that depend on the step, and do not vanish with it, are no slopes of the cost: they are unsupported, and the
    others are compared with the slope along what is left of the direction. If these do not agree either, the bound is
    raised by what rounding explains, as shaken operations show it. What still disagrees is a contradiction.
    ``scale`` is the size of slopes elsewhere. Raises `DisagreementError` where rounding leaves nothing that claims
    could be compared with. Costs the runs of the coordinates again, and `SHAKES` + 1 more at most.
    """
    direction = along.direction
    finer = _finer(runner, direction.part, STEP)
    shrinks = _shrinking(slopes, finer)
    settled, bound = _without_unsettled(slopes, finer, shrinks, bound_of)
    left = ~settled.unsupported[direction.rows]
    if not left.all():
        (along,), _ = look_along(runner, [direction.at(left)])
    known = Evidence.of(along.direction, along.slope, settled, bound)
    if not known.agrees(scale):
        # One coordinate may have all of it, and no more of the direction than others.
        rounding = rounding_along(runner, along) * math.sqrt(along.direction.rows.size)
        bound = Bound(bound.relative, bound.absolute + rounding)
        known = Evidence.of(along.direction, along.slope, settled, bound)
        if runner.problem.claims and rounding > known.typical / 2:
            raise DisagreementError(
                f"Rounding leaves nothing of the slopes in {known.where}: they are known to ± {rounding:.1g}, and are "
                f"of the size {known.typical:.1g}."
            )
    return settled, bound, known


def _finer(runner: Runner, part: Part, step: float) -> Slopes:
    return runner.slopes([part], step / FINER, lambda _: None)[0]


def _shrinking(slopes: Slopes, finer: Slopes) -> NDArray[np.bool_]:
    """Return where slopes shrink with the step."""
    followed = ~finer.unsupported & ~slopes.unsupported
    return np.asarray(followed & (2 * np.abs(finer.central) <= np.abs(slopes.central)))


def _with_all_of(bound: Bound, slopes: Slopes, rows: NDArray[np.bool_]) -> Bound:
    """Return a bound that holds all of some slopes."""
    return Bound(bound.relative, bound.absolute + np.where(rows, np.abs(slopes.central), 0.0))


def _without_unsettled(
    slopes: Slopes, finer: Slopes, shrinks: NDArray[np.bool_], bound_of: Callable[[Slopes], Bound]
) -> tuple[Slopes, Bound]:
    """Return slopes without those that a finer step changes by more than the bound, and the bound of the others.

    The bound grows with the slopes of the block: it is another one once the largest are left out.
    """
    change = np.abs(finer.central - slopes.central)
    while True:
        bound = _with_all_of(bound_of(slopes), slopes, shrinks)
        more = ~slopes.unsupported & ~shrinks & ~(change <= bound.at(slice(None), slopes.central))
        if not more.any():
            return slopes, bound
        slopes = dataclasses.replace(slopes, unsupported=slopes.unsupported | more)
