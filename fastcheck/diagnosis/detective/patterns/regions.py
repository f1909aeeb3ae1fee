"""Claims that are wrong in a part of the block only: one entry, some rows, a box, its border, a mask."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.patterns.case import MANY_ENTRIES, Case, Fit, Mask, Places, digest
from fastcheck.diagnosis.detective.patterns.hints import MINUS, written
from fastcheck.diagnosis.detective.patterns.multiples import RIGHT, UNNAMED, times
from fastcheck.diagnosis.detective.patterns.wording import lines

FEW_DIGITS, SHORTEST_WRITTEN = 3, 12
"""Digits that a short number has at most, and those with which it is written, unless the last of them are zero."""

KNOWN_WELL = 1e-5
"""A factor, and what it differs from 1 by, are known to this part where a short number is no accident."""


class _Region(NamedTuple):
    """A part of a block, and how a sentence names it: "row 3"."""

    name: str
    inside: Mask


def one_entry(case: Case) -> Iterator[Fit]:
    """Yield the one entry that is wrong."""
    if case.entries != 1:
        return
    if case.size == 1:
        yield from _times_a_short_number(case)
        return
    place = int(np.flatnonzero(case.wrong)[0])
    index = [int(i) for i in np.unravel_index(place, case.shape)]
    claimed, slope = float(case.claimed.flat[place]), float(case.slopes.flat[place])
    free, factor, what = 1, None, "should be zero"
    if claimed == 0:
        free, factor, what = 0, 0.0, "is zero"
    elif slope != 0 and math.isfinite(claimed / slope):
        factor = claimed / slope
        uncertain = case.allowed(factor) / abs(slope)
        named = case.hints.factor(
            factor, min(uncertain, 1e-8 * abs(factor) + case.slack(factor) / abs(slope))
        )
        free = 0 if named else 1
        amount = named.written if named else written(factor, uncertain, apart_from=1.0)
        what = f"is {amount} times what it should be{named.reason if named else ''}"
    yield Fit(
        words=f"has one wrong entry, {index}: it {what}",
        statement=("in a part", digest(np.packbits(case.wrong))),
        residual=0.0,
        entries=1,
        free=free,
        coefficient=factor,
        likeness=(case.block.name, place),
        only_where=free > 0,
    )


def _times_a_short_number(case: Case) -> Iterator[Fit]:
    """Yield the factor of a single number if it has few digits, which that of two numbers hardly ever has."""
    claimed, slope = float(case.claimed.item()), float(case.slopes.item())
    factor = claimed / slope if slope else math.inf
    if not math.isfinite(factor) or case.claims_nothing:
        return
    uncertain = case.allowed(factor) / abs(slope)
    short = next((s for s in _short_numbers(factor) if abs(factor - s) <= uncertain), None)
    is_known_well = uncertain <= KNOWN_WELL * min(abs(factor), abs(factor - 1))
    is_named = case.hints.factor(factor, uncertain) is not None
    if short is None or is_named or not is_known_well:
        return
    yield Fit(
        words=f"is {short:.{SHORTEST_WRITTEN}g} times what it should be".replace("-", MINUS),
        statement=("factor",),
        residual=max(0.0, abs(claimed - short * slope) - case.slack(factor)) / case.error,
        entries=1,
        coefficient=short,
        uncertain=uncertain,
        more_unlikely=UNNAMED,
    )


def _short_numbers(number: float) -> Iterator[float]:
    """Yield the numbers of few digits nearest to one, and to what it is more than 1."""
    yield float(f"{number:.{FEW_DIGITS}g}")
    yield 1 + float(f"{number - 1:.1g}")


def in_a_part(case: Case) -> Iterator[Fit]:
    """Yield the part of the block that is wrong, where that has a name and the rest is right: and how."""
    right = int(np.count_nonzero(case.alive & ~case.wrong))
    is_part = right > 0 if case.size <= MANY_ENTRIES else right**2 > case.size / 4
    if case.entries < 2 or case.size < 3 or not is_part:
        return  # in large blocks a few entries may be right by accident
    for region in _regions(case):
        fit = _how(case, region)
        if fit is not None:
            yield fit
            return
    for region in _regions(case):
        if _is_small(case, region) and bool((case.wrong | ~case.alive)[region.inside].all()):
            yield Fit(
                words=f"is wrong in {region.name}, and right elsewhere",
                statement=_statement(case, region),
                residual=0.0,
                entries=case.entries,
                free=case.entries,
                only_where=True,
            )
            return


def _is_small(case: Case, region: _Region) -> bool:
    """Tell whether most entries are right: where a block is wrong nearly throughout, it tells nothing where."""
    return 2 * int(np.count_nonzero(region.inside & case.alive)) <= int(np.count_nonzero(case.alive))


def _statement(case: Case, region: _Region) -> tuple[object, ...]:
    return ("in a part", digest(np.packbits(region.inside & case.alive)))


def _how(case: Case, region: _Region) -> Fit | None:
    """Return what is wrong in a region: zeros, one factor, one number that was added."""
    inside = region.inside
    claimed, slopes = case.claimed[inside], case.slopes[inside]
    statement = _statement(case, region)
    if not claimed.any():
        words = f"is zero in {region.name}"
        return Fit(words=words, statement=statement, residual=0.0, entries=case.entries)
    found = case.coefficient(claimed, slopes, of_slopes=True)
    if found is not None and case.entries > 1:
        named = case.named_factor(found)
        return Fit(
            words=f"is {times(found, named)} in {region.name}, and right elsewhere",
            statement=statement,
            residual=found.residual,
            entries=case.entries,
            free=0 if named else 1,
            coefficient=named.value if named else found.value,
            uncertain=found.uncertain,
            likeness=("factor", region.name),
            more_unlikely=0.0 if named else UNNAMED,
        )
    number = case.unscaled(case.coefficient(claimed - slopes, np.ones(claimed.shape)), 0)
    if number is None:
        return None
    named = case.hints.plain(number.value, number.near)
    amount = named.written if named else written(number.value, number.uncertain)
    return Fit(
        words=f"is {RIGHT} with {amount} added in {region.name}",
        statement=statement,
        residual=number.residual,
        entries=case.entries,
        free=0 if named else 1,
        coefficient=number.value,
        uncertain=number.uncertain,
        likeness=("added", region.name),
        more_unlikely=UNNAMED,
    )


def _regions(case: Case) -> Iterator[_Region]:
    """Yield the parts that hold all wrong entries and not all right ones, the plainest first."""
    for region in _candidates(case):
        holds_all_wrong = not (case.wrong & ~region.inside).any()
        if holds_all_wrong and (case.alive & ~region.inside).any():
            yield region


def _candidates(case: Case) -> Iterator[_Region]:
    numbers = [_with_wrong_entries(case.wrong, axis) for axis in range(len(case.shape))]
    full = [found.size == length for found, length in zip(numbers, case.shape, strict=True)]
    if all(full):
        yield from _borders(case)
    for axis, found in enumerate(numbers):
        if not full[axis]:
            yield _box(case, {axis: found})
    if full.count(False) > 1:
        yield _box(case, {axis: found for axis, found in enumerate(numbers) if not full[axis]})
    yield from _masks(case)


def _with_wrong_entries(wrong: Mask, axis: int) -> Places:
    others = tuple(k for k in range(wrong.ndim) if k != axis)
    return np.flatnonzero(wrong.any(axis=others))


def _box(case: Case, numbers: dict[int, Places]) -> _Region:
    """Return the entries that have one of some numbers along each of some axes."""
    inside = np.ones(case.shape, dtype=bool)
    names = []
    for axis, found in numbers.items():
        chosen = np.zeros(case.shape[axis], dtype=bool)
        chosen[found] = True
        shape = [1] * len(case.shape)
        shape[axis] = case.shape[axis]
        inside &= chosen.reshape(shape)
        names.append(lines(len(case.shape), axis, case.shape[axis], found))
    return _Region(" of ".join(names), inside)


def _borders(case: Case) -> Iterator[_Region]:
    """Yield what lies outside a box of right entries."""
    right = ~case.wrong & case.alive
    if not right.any() or len(case.shape) < 2:
        return
    spans = []
    for axis in range(len(case.shape)):
        found = _with_wrong_entries(right, axis)
        spans.append(slice(int(found[0]), int(found[-1]) + 1))
    inside = np.ones(case.shape, dtype=bool)
    inside[tuple(spans)] = False
    if inside.any():
        box = ", ".join(f"{span.start}:{span.stop}" for span in spans)
        yield _Region(f"its border, all but [{box}]", inside)


def _masks(case: Case) -> Iterator[_Region]:
    for name, inside in _named_masks(case):
        if inside.shape == case.shape:
            yield _Region(name, inside)


def _named_masks(case: Case) -> Iterator[tuple[str, Mask]]:
    theta = case.theta
    for name, mask in case.hints.masks.items():
        yield f"the entries where {name} is true", mask
        yield f"the entries where {name} is false", ~mask
    if theta.ndim >= 2:
        whole = np.ones(case.shape[-2:], dtype=np.bool_)
        diagonal = np.triu(np.tril(whole))
        for name, mask in (
            ("the diagonal", diagonal),
            ("all but the diagonal", ~diagonal),
            ("the triangle above the diagonal", np.triu(whole, 1)),
            ("the triangle below the diagonal", np.tril(whole, -1)),
            ("the triangle above the diagonal and on it", np.triu(whole)),
            ("the triangle below the diagonal and on it", np.tril(whole)),
        ):
            yield name, np.broadcast_to(mask, case.shape)
    yield "the entries where {theta} is negative", theta < 0
    yield "the entries where {theta} is positive", theta > 0
    yield "the entries where {theta} is zero", theta == 0
