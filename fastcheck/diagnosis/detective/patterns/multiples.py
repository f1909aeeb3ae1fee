"""Claims that are a multiple of the gradient: as a whole, row by row, or zero."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastcheck.diagnosis.detective.evidence import Entries
from fastcheck.diagnosis.detective.patterns.case import Case, Coefficient, Fit, Mask
from fastcheck.diagnosis.detective.patterns.hints import Named, written
from fastcheck.diagnosis.detective.patterns.wording import axis_noun
from fastcheck.norms import largest

RIGHT = "the right gradient"

UNNAMED = 0.5
"""How much more unlikely a factor is that is no number one would think of."""

MOST_FACTORS_NAMED = 4
"""Factors that a sentence lists."""

ALIKE = 1e-6
"""Factors are counted as one if they differ by less, relatively."""


def not_finite(case: Case) -> Iterator[Fit]:
    """Yield claims with entries that are no number; `Case` leaves them as they are."""
    claimed = case.block.claimed
    nan, infinite = int(np.isnan(claimed).sum()), int(np.isinf(claimed).sum())
    if nan + infinite == 0:
        return
    what = " and ".join(
        f"{'all' if count == claimed.size else f'{count:,}'} of its entries {'is' if count == 1 else 'are'} {name}"
        for count, name in ((nan, "NaN"), (infinite, "infinite"))
        if count
    )
    if nan == claimed.size or infinite == claimed.size:
        what = f"is {'NaN' if nan else 'infinite'} throughout"
    else:
        what = f"is not finite: {what}"
    yield Fit(words=what, statement=("not finite",), residual=0.0, entries=nan + infinite)


def zero(case: Case) -> Iterator[Fit]:
    """Yield a claim of zeros, or of rounding in their place."""
    if case.claims_nothing:
        but_for = " but for rounding" if case.claimed.any() else ""
        yield Fit(
            words=f"is zero{but_for}, and {RIGHT} is not",
            statement=("factor", 0.0),
            residual=0.0,
            entries=case.entries,
            coefficient=0.0,
        )


def multiple(case: Case) -> Iterator[Fit]:
    """Yield the one factor of a claim."""
    if case.claims_nothing:
        return
    found = case.coefficient(case.claimed, case.slopes, of_slopes=True)
    if found is None:
        return
    named = case.named_factor(found)
    yield Fit(
        words=f"is {times(found, named)}",
        statement=("factor",),
        residual=found.residual,
        entries=case.entries,
        free=0 if named else 1,
        coefficient=named.value if named else found.value,
        uncertain=found.uncertain,
        more_unlikely=0.0 if named else UNNAMED,
    )


def times(found: Coefficient, named: Named | None, what: str = RIGHT) -> str:
    """Return a multiple in words: "12 times the right gradient (12 is the number of columns of X)"."""
    if named is None:
        return f"{written(found.value, found.uncertain, apart_from=1.0)} times {what}"
    if named.written == "1":
        return what
    of = "of" if named.written.lstrip("−").startswith("1/") and "(" not in named.written else "times"
    return f"{named.written} {of} {what}{named.reason}"


def factor_per_line(case: Case) -> Iterator[Fit]:
    """Yield factors of their own for each row, or each column."""
    if len(case.shape) < 2:
        return
    for axis, length in enumerate(case.shape):
        if 1 < length < case.size:
            yield from _factors_along(case, axis)


def _factors_along(case: Case, axis: int) -> Iterator[Fit]:
    others = tuple(k for k in range(len(case.shape)) if k != axis)
    if not _some_lines_are_multiples(case, axis):
        return
    square = np.sum(case.slopes * case.slopes, axis=others)
    dead = square == 0
    if dead.all():
        return
    factors = np.sum(case.claimed * case.slopes, axis=others) / np.where(dead, 1.0, square)
    factors[dead] = 1.0
    different = np.abs(factors - 1) > ALIKE
    wrong_factors = factors[different]
    if wrong_factors.size < 2 or np.ptp(wrong_factors) <= ALIKE * largest(wrong_factors):
        return  # one factor, of all of it or of some lines
    shape = [1] * len(case.shape)
    shape[axis] = case.shape[axis]
    gain = largest(factors)
    residual = case.residual(case.slopes * factors.reshape(shape), gain)
    if residual is None:
        return
    noun = axis_noun(len(case.shape), axis)
    known = None
    for name, values in _another_parameter(case, factors, dead):
        exactly = case.residual(case.slopes * values.reshape(shape), gain)
        if exactly is not None:
            known, residual = name, exactly
            break
    if known is None:
        shown = np.where(different, factors, 1.0)[:MOST_FACTORS_NAMED]
        some = [written(f, ALIKE * abs(f), apart_from=1.0) for f in shown]
        listed = ", ".join(some) + (", …" if factors.size > len(some) else "")
        words = f"is {RIGHT} with each {noun} multiplied by a factor of its own ({listed})"
    else:
        words = f"is {RIGHT}, each {noun} multiplied by its entry of {known}"
    yield Fit(
        words=words,
        statement=("factor per line", axis),
        residual=residual,
        entries=case.entries,
        free=0 if known else _distinct(wrong_factors),
    )


def _some_lines_are_multiples(case: Case, axis: int) -> bool:
    """Tell whether the lines that hold the first and the last wrong entries are multiples of the slopes there."""
    wrong = np.flatnonzero(case.wrong)
    for place in (wrong[0], wrong[-1]):
        line = int(np.unravel_index(place, case.shape)[axis])
        claimed, slopes = (np.take(array, line, axis) for array in (case.claimed, case.slopes))
        if claimed.any() and case.coefficient(claimed, slopes, of_slopes=True) is None:
            return False
    return True


def _distinct(factors: Entries) -> int:
    """Return how many different factors there are."""
    in_order = np.sort(factors)
    return 1 + int(np.count_nonzero(np.diff(in_order) > ALIKE * np.abs(in_order[1:])))


def _another_parameter(case: Case, factors: Entries, dead: Mask) -> Iterator[tuple[str, Entries]]:
    """Yield blocks whose entries these factors are, or one over them."""
    for block in case.evidence.blocks:
        theta = block.theta.reshape(-1)
        if theta.size != factors.size:
            continue
        for what, values in ((block.name, theta), (f"1/{block.name}", 1 / theta)):
            if (np.abs(factors - values) <= ALIKE * np.abs(values))[~dead].all():
                yield what, values
