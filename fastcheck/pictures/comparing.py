"""Coordinates, compared for pictures: relative errors, standings, and shares of what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Slopes
from fastcheck.pictures.block_errors import RIGHT, SHARE_EDGES, UNDECIDED, WRONG
from fastcheck.problem.parameters import Vector
from fastcheck.verdict.rule import Rule, Standing

OF_STANDING = np.empty(len(Standing), dtype=np.int8)
"""The standings of pictures by `Standing`."""
OF_STANDING[[Standing.RIGHT, Standing.UNDECIDED, Standing.WRONG]] = RIGHT, UNDECIDED, WRONG

POWERS = 10.0 ** np.array(SHARE_EDGES)
"""The edges of the histogram of shares."""

FROM_WRONG = SHARE_EDGES.index(0)
"""The edge from which on coordinates are wrong."""

SMALLEST_IN_SINGLE = 1e-12
"""Gradients of which the RMS lies between this and its reciprocal are compared in single precision, which knows 1e-37:
a millionth of the rounding units of what is allowed in a coordinate that is a thousandth of that."""


class ComparedPiece(NamedTuple):
    """Some coordinates, compared.

    ``errors`` are |g − ĝ|, ``standings`` as in pictures; both None where all are right, and which errors are the
    largest is of little interest. ``at_least`` counts those whose errors are at least so many times what is allowed,
    for each of `POWERS`.
    """

    relative: NDArray[np.float32]
    errors: NDArray[np.float64] | None
    standings: NDArray[np.int8] | None
    at_least: NDArray[np.intp]


Compare = Callable[[Vector, Slopes, slice, Rule], ComparedPiece]


def comparison_for(slopes: Slopes, rule: Rule, *, all_right: bool) -> Compare:
    """Return what compares some claims with the slopes of these rows, given whether all are known to be right."""
    one_bound = isinstance(slopes.known_to.absolute, float) and slopes.interval is None
    fits_single_precision = SMALLEST_IN_SINGLE < rule.typical < 1 / SMALLEST_IN_SINGLE
    if all_right and one_bound and fits_single_precision and not np.any(slopes.subtracted):
        return compare_right_ones
    return compare_any


def compare_any(claimed: Vector, slopes: Slopes, rows: slice, rule: Rule) -> ComparedPiece:
    """Compare claims of which some may be wrong, undecided or at kinks."""
    slopes = slopes.at(rows)
    nearest, outside = slopes.nearest(claimed), slopes.outside(claimed)
    errors = np.abs(claimed - nearest)
    sizes = np.maximum(np.maximum(np.abs(claimed), np.abs(nearest)), rule.typical)
    relative = np.where(errors == 0, 0.0, errors / sizes)
    thresholds, allowed = rule.limits(claimed, slopes)
    standings = rule.standings_by(claimed, slopes, thresholds, allowed)
    wrong = standings == Standing.WRONG
    at_least = [np.count_nonzero((outside >= power * thresholds) & (outside > 0)) for power in POWERS]
    at_least[FROM_WRONG:] = [
        np.count_nonzero(wrong),
        *(np.count_nonzero(wrong & (outside >= power * thresholds)) for power in POWERS[FROM_WRONG + 1 :]),
    ]
    return ComparedPiece(
        relative=np.where(np.isnan(relative), np.inf, relative).astype(np.float32),
        errors=np.where(np.isnan(errors), np.inf, errors),
        standings=OF_STANDING[standings],
        at_least=np.array(at_least, dtype=np.intp),
    )


def compare_right_ones(claimed: Vector, slopes: Slopes, rows: slice, rule: Rule) -> ComparedPiece:
    """Compare claims that are right, away from kinks, in single precision. Costs a tenth of looking at each.

    A claim that is right has the size of its slope, but for the tolerance.
    """
    numerical = slopes.central[rows]
    errors, sizes = (claimed - numerical).astype(np.float32), numerical.astype(np.float32)
    np.abs(errors, out=errors)
    np.abs(sizes, out=sizes)
    relative = np.clip(sizes, rule.typical, np.inf)
    np.divide(errors, relative, out=relative)
    return ComparedPiece(relative, None, None, _shares_of_right_ones(errors, sizes, slopes, rule))


def _shares_of_right_ones(
    errors: NDArray[np.float32], sizes: NDArray[np.float32], slopes: Slopes, rule: Rule
) -> NDArray[np.intp]:
    """Count right ones by their share of what is allowed; ``sizes`` is overwritten."""
    known_to, least = slopes.known_to, POWERS[0]
    reached = np.clip(sizes, rule.least, np.inf, out=sizes)
    reached *= float(least * (rule.relative + known_to.relative))
    reached += float(least * (np.max(known_to.absolute) + rule.unit))
    counts = np.zeros(POWERS.size, dtype=np.intp)
    for number, power in enumerate(POWERS[:FROM_WRONG].tolist()):
        counts[number] = np.count_nonzero(errors >= (reached if number == 0 else reached * (power / least)))
        if not counts[number]:
            break
    return counts
