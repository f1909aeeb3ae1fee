"""Claims to which something was added, or that lack it: the term of a penalty, a constant."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastcheck.diagnosis.detective.evidence import Entries
from fastcheck.diagnosis.detective.patterns.case import Case, Coefficient, Fit
from fastcheck.diagnosis.detective.patterns.hints import Named, written
from fastcheck.diagnosis.detective.patterns.multiples import RIGHT, times
from fastcheck.norms import largest

FEW_ENTRIES = 4
"""With fewer entries of θ a multiple of it explains more by accident."""

OF_FEW_ENTRIES = 0.3
"""So much more unlikely is it there."""

SAME_DIRECTION = 1e-6
"""Slopes and θ are not told apart where their angle is below this."""

OTHER_THAN_ONE = 1e-6
"""A factor differs from 1, or a share from 0, by more than this."""


def penalty(case: Case) -> Iterator[Fit]:
    """Yield a multiple of θ that the claim lacks, or has too much."""
    kind = "a penalty (L2, weight decay)"
    yield from _penalty(case, case.theta, case.theta_exponent, "{theta}", kind, "penalty")


def penalty_of_signs(case: Case) -> Iterator[Fit]:
    """Yield the same for the signs of θ."""
    signs = np.sign(case.theta)
    yield from _penalty(case, signs, 0, "the sign of {theta}", "an L1 penalty", "penalty of signs")


def _penalty(
    case: Case, regressor: Entries, exponent: int, what: str, kind: str, statement: str
) -> Iterator[Fit]:
    share = case.unscaled(case.coefficient(case.difference, regressor), exponent)
    if share is None:
        return
    named = case.hints.share(share.value, share.near)
    amount = f"{_amount(share, named)} times {what}"
    if share.value < 0:
        words = f"lacks {amount}{_reason(named)}, as if {kind} were missing or too small"
    else:
        words = f"has {amount} too much{_reason(named)}, as if {kind} were too large"
    yield Fit(
        words=words,
        statement=(statement,),
        residual=share.residual,
        entries=case.entries,
        free=0 if named and named.why else 1,
        coefficient=share.value,
        uncertain=share.uncertain,
        more_unlikely=0.0 if case.entries > FEW_ENTRIES else OF_FEW_ENTRIES,
    )


def _amount(share: Coefficient, named: Named | None) -> str:
    return named.written.lstrip("−") if named else written(abs(share.value), share.uncertain)


def _reason(named: Named | None) -> str:
    return named.reason if named else ""


def penalty_alone(case: Case) -> Iterator[Fit]:
    """Yield a claim that is a multiple of θ: a penalty's part and nothing else, or θ itself."""
    if not case.claimed.any():
        return
    share = case.unscaled(case.coefficient(case.claimed, case.theta), case.theta_exponent)
    if share is None:
        return
    named = case.hints.share(share.value, share.near)
    if named and named.written == "1":
        words = "is {theta} itself"
    else:
        amount = named.written if named else written(share.value, share.uncertain)
        words = f"is {amount} times {{theta}}{_reason(named)}, as if a penalty alone had a gradient"
    yield Fit(
        words=words,
        statement=("penalty alone",),
        residual=share.residual,
        entries=case.entries,
        free=0 if named else 1,
        coefficient=share.value,
        uncertain=share.uncertain,
    )


def factor_beside_penalty(case: Case) -> Iterator[Fit]:
    """Yield a factor of the slopes and a multiple of θ: the data's part is scaled, and a penalty's is not."""
    slopes, theta, claimed = (array.reshape(-1) for array in (case.slopes, case.theta, case.claimed))
    places = slice(None) if case.probes is None else case.probes
    columns = np.stack([slopes[places], theta[places]], axis=1)
    lengths = np.sqrt(np.sum(columns**2, axis=0))
    if not lengths.all() or columns.shape[0] < 3:
        return
    columns = columns / lengths
    if 1 - abs(float(columns[:, 0] @ columns[:, 1])) < SAME_DIRECTION:
        return
    factor, share = (float(c) for c in np.linalg.lstsq(columns, claimed[places])[0] / lengths)
    has_factor = min(abs(factor - 1), abs(factor)) > OTHER_THAN_ONE
    has_share = abs(share) * largest(theta) > OTHER_THAN_ONE * case.error
    if not (has_factor and has_share):
        return
    rest = case.claimed - share * case.theta
    found = case.coefficient(rest, case.slopes, of_slopes=True)
    if found is None:
        return
    named = case.named_factor(found)
    known_to = case.allowed(found.value) / largest(theta)
    beside = case.unscaled(Coefficient(share, known_to, known_to, 0.0), case.theta_exponent)
    if beside is None:
        return
    named_share = case.hints.share(beside.value, beside.near)
    sign = "plus" if share > 0 else "minus"
    more = f"{sign} {_amount(beside, named_share)} times {{theta}}{_reason(named_share)}"
    yield Fit(
        words=f"is {times(found, named)} {more}, as if a penalty did not have the factor",
        statement=("factor beside penalty",),
        residual=found.residual,
        entries=case.entries,
        free=(0 if named else 1) + 1,
        coefficient=found.value,
        uncertain=found.uncertain,
    )


def constant_added(case: Case) -> Iterator[Fit]:
    """Yield one number that was added to every entry."""
    number = case.unscaled(case.coefficient(case.difference, np.ones(case.shape)), 0)
    if number is None:
        return
    named = case.hints.share(number.value, number.near)
    amount = named.written if named else written(number.value, number.uncertain)
    where = "added to every entry"
    yield Fit(
        words=f"is {RIGHT} with {amount}{_reason(named)} {where}",
        statement=("constant added",),
        residual=number.residual,
        entries=case.entries,
        free=0 if named else 1,
        coefficient=number.value,
        uncertain=number.uncertain,
    )


def all_alike(case: Case) -> Iterator[Fit]:
    """Yield a claim of one number in all entries."""
    if case.size < 3 or not case.claimed.any():
        return
    found = case.coefficient(case.claimed, np.ones(case.shape))
    if found is None:
        return
    total = float(case.slopes.sum())
    if min(abs(found.value - total), abs(found.value - total / case.size)) <= case.allowed(case.size):
        return  # the sum or the mean of the gradient
    number = case.unscaled(found, 0)
    if number is None:
        return
    named = case.hints.plain(number.value, number.near)
    amount = named.written if named else written(number.value, number.uncertain)
    yield Fit(
        words=f"has one number in all entries, {amount}{_reason(named)}",
        statement=("all alike",),
        residual=found.residual,
        entries=case.entries,
        free=0 if named else 1,
        coefficient=number.value,
        uncertain=number.uncertain,
    )
