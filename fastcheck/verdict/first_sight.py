"""Small parts judged together, as far as nothing about them is in doubt: most blocks of most checks.

The rule is that of `judge_coordinates`, which judges the others, with one row of it for each coordinate. A call of
NumPy takes a microsecond however short its vectors are, and judging a bias of three takes sixty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound, Estimate, Slopes
from fastcheck.norms import SMALLEST_SQUARED, Comparison, root_mean_squares
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.verdict.judging import Judgement, Verdict
from fastcheck.verdict.power import Power, powers
from fastcheck.verdict.rule import RowRules, Rule, claims
from fastcheck.verdict.tally import WORST, Compared

SMALL = 2**12
"""Coordinates of a part at most that is judged together with others: beyond, a call takes longer than its overhead."""


class FirstSight(NamedTuple):
    """The judgement of a part that is right in all coordinates, and what mistakes it would not have been."""

    judgement: Judgement
    power: Power


def judge_together(
    problem: Problem, estimates: Sequence[Estimate], tolerance: float
) -> list[FirstSight | None]:
    """Judge those parts of which every coordinate is right; None for the others, and for large ones, and at kinks."""
    places = [place for place, estimate in enumerate(estimates) if _is_small(estimate)]
    sights: list[FirstSight | None] = [None] * len(estimates)
    if places:
        small = [estimates[place] for place in places]
        for place, sight in zip(places, _judge(problem, small, tolerance), strict=True):
            sights[place] = sight
    return sights


def _is_small(estimate: Estimate) -> bool:
    return estimate.part.size <= SMALL and estimate.slopes.interval is None


def _judge(problem: Problem, estimates: Sequence[Estimate], tolerance: float) -> list[FirstSight | None]:
    sizes = np.array([estimate.part.size for estimate in estimates])
    starts = np.cumsum(sizes) - sizes
    claimed = np.concatenate([claims(problem, estimate.part, slice(None)) for estimate in estimates])
    slopes = _joined([estimate.slopes for estimate in estimates])
    roots = root_mean_squares(slopes.central, starts, sizes)
    typical = roots.tolist()
    rules = [
        Rule.of(problem, estimate, tolerance, rms) for estimate, rms in zip(estimates, typical, strict=True)
    ]
    rule = RowRules.of(rules, sizes)
    thresholds, allowed = rule.limits(claimed, slopes)
    if np.isnan(thresholds).any():
        return [None] * sizes.size
    in_doubt = np.logical_or.reduceat(rule.standings_by(claimed, slopes, thresholds, allowed) != 0, starts)
    error = np.abs(claimed - slopes.central)
    of_claims, of_errors = (root_mean_squares(vector, starts, sizes) for vector in (claimed, error))
    comparisons = (np.sqrt(sizes) * (of_claims, roots, of_errors)).T.tolist()
    hardest = _first_of_largest(thresholds, starts, sizes)
    size = np.abs(slopes.central)
    ratios = np.divide(thresholds, size, out=np.full(size.size, np.inf), where=size > 0)
    easiest = _first_of_largest(-ratios, starts, sizes)
    extremes = np.concatenate([hardest, easiest])
    caught = powers(RowRules.of([*rules, *rules], 1), slopes.at(extremes), claimed[extremes], typical)
    worst = _worst(estimates, claimed, slopes.central, error, starts, sizes)
    hardest, easiest = hardest - starts, easiest - starts
    return [
        None
        if doubt or not _is_usual(norms)
        else FirstSight(
            Judgement(
                part=estimate.part,
                rule=rule,
                verdict=Verdict.PASS,
                comparison=Comparison(claimed=norms[0], numerical=norms[1], error=norms[2]),
                wrong=0,
                undecided=0,
                worst=largest,
                cause=None,
                hardest=at_hardest,
                easiest=at_easiest,
            ),
            power,
        )
        for doubt, norms, estimate, rule, largest, at_hardest, at_easiest, power in zip(
            in_doubt.tolist(),
            comparisons,
            estimates,
            rules,
            worst,
            hardest.tolist(),
            easiest.tolist(),
            caught,
            strict=True,
        )
    ]


def _joined(several: Sequence[Slopes]) -> Slopes:
    """Return slopes without intervals as one, one part after the other."""
    every_one_subtracted = all(slopes.subtracted is True for slopes in several)
    return Slopes(
        central=np.concatenate([slopes.central for slopes in several]),
        known_to=Bound(0.0, np.concatenate([slopes.bound for slopes in several])),
        subtracted=every_one_subtracted
        or np.concatenate([np.broadcast_to(slopes.subtracted, slopes.size) for slopes in several]),
    )


def _is_usual(norms: Sequence[float]) -> bool:
    """Tell whether norms can be kept as they are: the squares of their entries neither overflow nor vanish."""
    length = max(norms)
    return length == 0 or SMALLEST_SQUARED < length < 1 / SMALLEST_SQUARED


def _first_of_largest(values: Vector, starts: NDArray[np.intp], sizes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the first row of each part at which the largest value of the part is, (p,)."""
    rows = np.flatnonzero(values == np.repeat(np.maximum.reduceat(values, starts), sizes))
    return rows[rows.searchsorted(starts)]


def _worst(
    estimates: Sequence[Estimate],
    claimed: Vector,
    compared: Vector,
    error: Vector,
    starts: NDArray[np.intp],
    sizes: NDArray[np.intp],
) -> list[tuple[Compared, ...]]:
    """Return the coordinates of each part with the largest errors, the largest first, equal ones in their order."""
    order = np.lexsort((-error, np.repeat(np.arange(sizes.size), sizes)))
    rows_before = np.repeat(starts, sizes)
    is_kept = np.arange(order.size) - rows_before < WORST
    kept = order[is_kept]
    columns = kept - rows_before[is_kept], claimed[kept], compared[kept], error[kept]
    by_error = list(zip(*(column.tolist() for column in columns), strict=True))
    worst, first = [], 0
    for estimate, size in zip(estimates, sizes.tolist(), strict=True):
        last = first + min(size, WORST)
        places, part = estimate.part.places, by_error[first:last]
        worst.append(
            tuple(Compared(row if places is None else int(places[row]), *rest) for row, *rest in part)
        )
        first = last
    return worst
