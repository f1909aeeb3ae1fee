"""Claims that lost digits, or were clipped: the gradient in half precision, rounded, cut off at a bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.evidence import Entries
from fastcheck.diagnosis.detective.patterns.case import Case, Fit
from fastcheck.diagnosis.detective.patterns.hints import written
from fastcheck.diagnosis.detective.patterns.multiples import RIGHT
from fastcheck.norms import largest, norm

FEWEST_ENTRIES = 3
"""Entries other than zero from which on all of them may be rounded."""

MANY_LAST_DIGITS = 8
"""Claims whose last digits tell whether these are random."""

COMPUTED_WITH = 2.0**4
"""A gradient that was computed in a precision is off by up to so many of its rounding units."""

FEW_DIGITS_SHOW = 100
"""Entries that show whether claims have the digits of float32 only."""

SINGLE_ERRORS = 2.0**-27, 2.0**-20
"""Errors of a computation in float32, relative to the largest entry."""

MOST_SIGNIFICANT, MOST_DECIMALS = 8, 8
"""Digits to which claims may have been rounded."""

A_WHOLE_NUMBER = 1e-6
"""How far from whole a number may be that was divided by a power of 10."""

SAME_BOUND = 1e-9
"""Bounds are alike that differ by less, relatively."""

HALF = 0.5 * (1 + 1e-6)
"""Rounding moves a number by this part of the last digit at most."""


class _Precision(NamedTuple):
    """A type of numbers with few digits: what rounds to it, and its rounding unit."""

    name: str
    rounded: Callable[[Entries], Entries]
    unit: float


def _in_float16(values: Entries) -> Entries:
    return values.astype(np.float16).astype(np.float64)


def _in_bfloat16(values: Entries) -> Entries:
    """Round to the nearest number of the upper 16 bits of float32."""
    bits = values.astype(np.float32).view(np.uint32).astype(np.int64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32).astype(np.float64)


def _in_float32(values: Entries) -> Entries:
    return values.astype(np.float32).astype(np.float64)


PRECISIONS = (
    _Precision("bfloat16", _in_bfloat16, 2.0**-8),
    _Precision("float16", _in_float16, 2.0**-11),
    _Precision("float32", _in_float32, 2.0**-24),
)
"""The coarsest first."""


def in_low_precision(case: Case) -> Iterator[Fit]:
    """Yield the type of which all claims are numbers, if errors are as small as its rounding."""
    claimed, slopes = case.block.claimed, case.block.slopes
    if np.count_nonzero(claimed) < FEWEST_ENTRIES:
        return
    for precision in PRECISIONS:
        if case.error > COMPUTED_WITH * precision.unit * largest(case.slopes):
            continue
        some = claimed.reshape(-1) if case.probes is None else claimed.reshape(-1)[case.probes]
        if not (precision.rounded(some) == some).all() or not (precision.rounded(claimed) == claimed).all():
            continue
        smallest_step = float(np.finfo(np.float16).smallest_subnormal) if precision.name == "float16" else 0.0
        off = np.abs(claimed - slopes)
        at_most = np.maximum(HALF * 2 * precision.unit * np.abs(slopes), HALF * smallest_step)
        rounded_only = bool((off <= at_most + case.block.rounding).all())
        words = f"is {RIGHT} rounded to {precision.name}"
        if not rounded_only:
            if not _uses_all_digits(claimed, precision):
                return
            words = f"has no more digits than {precision.name}: it looks computed in that precision"
        yield Fit(
            words=words,
            statement=("precision", precision.name),
            residual=0.0,
            entries=case.entries,
            free=0 if rounded_only else case.entries,
            only_where=not rounded_only,
        )
        return


def errors_of_single_precision(case: Case) -> Iterator[Fit]:
    """Yield errors that are as small as those of float32, where claims have more digits."""
    size = largest(case.slopes)
    if case.entries < FEWEST_ENTRIES or not SINGLE_ERRORS[0] * size <= case.error <= SINGLE_ERRORS[1] * size:
        return
    some = case.block.claimed.reshape(-1)[:FEW_DIGITS_SHOW]
    is_single = bool((_in_float32(some) == some).all())
    if is_single or case.coefficient(case.claimed, case.slopes, of_slopes=True) is not None:
        return  # these are told otherwise
    part = written(case.error / size, 0.1 * case.error / size)
    yield Fit(
        words=f"has errors as small as those of float32, at most {part} of its largest entry",
        statement=("errors of single precision",),
        residual=0.0,
        entries=case.entries,
        free=case.entries,
        only_where=True,
    )


def _uses_all_digits(claimed: Entries, precision: _Precision) -> bool:
    """Tell whether the last digit of many claims is one: otherwise they may be round for another reason."""
    alive = claimed[claimed != 0]
    last_digits = np.ldexp(np.frexp(alive)[0], -math.frexp(precision.unit)[1] + 1) % 2
    return alive.size >= MANY_LAST_DIGITS and float(np.mean(last_digits == 1)) > 1 / 4


def in_few_digits(case: Case) -> Iterator[Fit]:
    """Yield the number of significant digits, or of decimals, to which all claims were rounded or cut off."""
    if np.count_nonzero(case.block.claimed) < FEWEST_ENTRIES:
        return
    some = slice(None) if case.probes is None else case.probes
    few = case.block.claimed.reshape(-1)[some], case.block.slopes.reshape(-1)[some]
    for decimals in range(MOST_DECIMALS + 1):
        if _has_digits(*few, np.float64(10.0**decimals), case.block.rounding) is None:
            continue
        how = _has_digits(
            case.block.claimed, case.block.slopes, np.float64(10.0**decimals), case.block.rounding
        )
        if how is not None:
            what = "whole numbers" if decimals == 0 else f"{decimals} decimal{'s' if decimals > 1 else ''}"
            yield _few_digits(case, how, what)
            break
    for digits in range(1, MOST_SIGNIFICANT + 1):
        if _has_digits(*few, _scales(few[0], digits), case.block.rounding) is None:
            continue
        scales = _scales(case.block.claimed, digits)
        how = _has_digits(case.block.claimed, case.block.slopes, scales, case.block.rounding)
        if how is not None:
            yield _few_digits(case, how, f"{digits} significant digit{'s' if digits > 1 else ''}")
            break


def _few_digits(case: Case, how: str, what: str) -> Fit:
    return Fit(
        words=f"is {RIGHT} {how} to {what}",
        statement=("rounded",),
        residual=0.0,
        entries=case.entries,
    )


def _scales(claimed: Entries, digits: int) -> Entries:
    """Return by what each claim is multiplied to be whole if it has so many digits."""
    sizes = np.where(claimed == 0, 1.0, np.abs(claimed))
    return np.asarray(10.0 ** (digits - 1 - np.floor(np.log10(sizes) + 1e-12)))


def _has_digits(
    claimed: Entries, slopes: Entries, scale: Entries | np.float64, rounding: float
) -> str | None:
    """Return how claims lost digits, "rounded" or "cut off": None unless all of them are whole if scaled."""
    scaled = claimed * scale
    are_whole = np.abs(scaled - np.rint(scaled)) <= A_WHOLE_NUMBER
    if not (are_whole & ((claimed == 0) | (np.abs(scaled) > HALF))).all():
        return None
    off, slack = (slopes - claimed) * scale, rounding * scale + A_WHOLE_NUMBER
    if (np.abs(off) <= HALF + slack).all():
        return "rounded"
    outwards = np.where(slopes == 0, np.abs(off), off * np.sign(slopes))
    most = np.where(slopes == 0, 0.0, 1.0) + slack
    return "cut off" if ((outwards >= -slack) & (outwards <= most)).all() else None


def clipped(case: Case) -> Iterator[Fit]:
    """Yield bounds at which the gradient was cut off: those that wrong entries stand at."""
    low, high = float(case.claimed.min()), float(case.claimed.max())
    at_wrong = case.claimed[case.wrong]
    below, above = bool((at_wrong == low).any()), bool((at_wrong == high).any())
    if low == high or not (below or above):
        return
    residual = case.matches(np.clip(case.slopes, low if below else -math.inf, high if above else math.inf))
    if residual is None:
        return
    ends = [end for end, reached in ((low, below), (high, above)) if reached]
    texts, free = zip(*(_bound(case, end) for end in ends), strict=True)
    one_bound = len(ends) == 1 or ends[0] == -ends[1]
    if len(ends) == 2:
        where = f"between {texts[0]} and {texts[1]}"
    else:
        where = f"from {'below' if below else 'above'} at {texts[0]}"
    yield Fit(
        words=f"is {RIGHT} clipped {where}",
        statement=("clipped", below, above),
        residual=residual,
        entries=case.entries,
        free=max(free) if one_bound else sum(free),
        coefficient=float(np.ldexp(ends[-1], case.exponent)),
        uncertain=SAME_BOUND * abs(float(np.ldexp(ends[-1], case.exponent))),
        likeness=("clipped", below, above, one_bound),
    )


def _bound(case: Case, end: float) -> tuple[str, int]:
    """Return a bound in words, and how many numbers were fitted: none if it has a name."""
    bound = float(np.ldexp(end, case.exponent))
    uncertain = SAME_BOUND * abs(bound)
    named = case.hints.plain(bound, uncertain)
    if bound == 0:
        return "0", 0
    return (named.written, 0) if named else (written(bound, uncertain), 1)


def clipped_by_norm(case: Case) -> Iterator[Fit]:
    """Yield a claim that was scaled down to a norm that is a plain number."""
    found = case.coefficient(case.claimed, case.slopes, of_slopes=True)
    if found is None or not 0 < found.value < 1 or case.size < 2:
        return
    length = norm(case.block.claimed)
    named = case.hints.plain(length, 1e-8 * length)
    if named is None:
        return
    yield Fit(
        words=f"is scaled down to the norm {named.written}{named.reason}",
        statement=("factor",),
        residual=found.residual,
        entries=case.entries,
    )
