"""Errors of a kernel beside the rounding that its dtype explains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]

MARGIN = 8.0
"""Errors may be this many times what rounding every operation of the reference does to a number on average."""

UNITS_OF_ACCUMULATING = 64.0
"""As many units besides, of the dtype in which kernels add up: in another order, block by block, or one by one."""

MOST_OF_REFERENCE = 16.0
"""The reference's own error counts up to this many times what its operations, rounded one by one, explain."""

MARGIN_OF_FACTOR = 4.0
"""The same for a factor that all numbers have in common: one number, not the worst of many."""

UNITS_OF_RESULT = 2.0
"""Units of rounding by which a result may be off besides: it is rounded itself."""

UNITS_OF_FACTOR = 1.0
"""Units of rounding by which a common factor may be off besides: a constant of the kernel is rounded as well."""

MOST_UNITS = 1e7
"""What moves by more units, of its size, has jumped: from one whole number to the next, or to another of equals."""

UNITS_UNSEEN = 4.0
"""Units of rounding of all operations together, where these could not be moved one by one."""


@dataclass(frozen=True, slots=True)
class Digits:
    """What numbers of a dtype are like: the unit of rounding, the smallest and the largest ones.

    Kernels add up in single precision at least, with the unit ``accumulating``.
    """

    unit: float
    accumulating: float
    smallest: float
    largest: float

    @classmethod
    def of(cls, dtype: torch.dtype) -> Digits:
        """Return those of a dtype."""
        info, single = torch.finfo(dtype), torch.finfo(torch.float32)
        return cls(
            unit=info.eps / 2,
            accumulating=min(info.eps, single.eps) / 2,
            smallest=max(info.tiny * info.eps, single.tiny),
            largest=info.max,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rounding:
    """What rounding explains: the largest ``error`` of each number, and of a ``factor`` that all have in common."""

    error: Array
    factor: float


def rounding_of(
    exact: Array,
    changes: Array | None,
    of_reference: Array | None,
    digits: Digits,
    natural: float = 0.0,
) -> Rounding:
    """Return what rounding explains.

    ``changes`` are what ways of rounding every operation by up to one unit do to each number, stacked along a first
    axis; ``of_reference`` are the errors of the reference in this dtype, which tell of long sums whose terms cancel.
    ``natural`` is the size that the numbers have where nothing cancels. The reference may find exact zeros where
    another algorithm subtracts equals, such as dp − Σ p·dp of an attention to a single key.
    """
    if changes is not None:
        jumps = ~(np.abs(changes) <= MOST_UNITS * max(_rms(exact), digits.smallest))
        changes = np.where(jumps, 0.0, changes)
    if changes is None:
        per_unit = np.full(np.shape(exact), UNITS_UNSEEN * _rms(exact))
    else:
        one_by_one = np.sqrt(np.mean(np.square(changes), axis=0))
        per_unit = np.sqrt(np.square(one_by_one) + _rms(one_by_one) ** 2)
    seen = 0.0 if of_reference is None else _rms(of_reference)
    if changes is not None:
        seen = min(seen, MOST_OF_REFERENCE * digits.unit * _rms(per_unit))
    typical = np.maximum(per_unit * digits.unit, seen)
    error = (
        MARGIN * typical
        + UNITS_OF_ACCUMULATING * digits.accumulating * per_unit
        + UNITS_OF_RESULT * digits.unit * np.abs(exact)
        + MARGIN * digits.smallest
        + UNITS_OF_ACCUMULATING * digits.accumulating * natural
    )
    if _rms(exact) <= digits.unit * natural:
        error = error + MARGIN * digits.unit * natural
    if np.sum(np.square(exact * MARGIN)) <= np.sum(np.square(error)):  # no digits are left to tell a factor
        return Rounding(np.asarray(error), np.inf)
    factors = [_spread_of_factor(typical, exact)]
    if changes is not None:
        of_changes = [factor_of(change, exact) for change in changes]
        factors.append(digits.unit * _rms(np.array(of_changes)))
    if of_reference is not None and np.isfinite(of_reference).all():
        factors.append(min(abs(factor_of(of_reference, exact)), MOST_OF_REFERENCE * max(factors)))
    amplified = max(1.0, _rms(per_unit) / _rms(exact))  # sums in another order are off together
    factor = (
        MARGIN_OF_FACTOR * max(factors)
        + UNITS_OF_FACTOR * digits.unit
        + MARGIN * digits.accumulating * amplified
    )
    return Rounding(np.asarray(error), factor)


def factor_of(error: Array, exact: Array) -> float:
    """Return the factor by which all numbers are off, less 1: the projection of the error onto them."""
    size = float(np.sum(np.square(exact)))
    return float(np.sum(error * exact)) / size if size else 0.0


def common_factor(claim: Array, exact: Array, rounding: Rounding) -> float | None:
    """Return the factor by which all of a claim is off, more than rounding explains; None if there is none."""
    if exact.size < 2 or not np.isfinite(claim).all():
        return None
    factor = factor_of(claim - exact, exact)
    return 1 + factor if abs(factor) > rounding.factor else None


def worst(claim: Array, exact: Array, rounding: Rounding, digits: Digits) -> tuple[float, tuple[int, ...]]:
    """Return the largest error, as a multiple of the one that rounding explains, and where it is.

    It is infinite where a claim is not finite, unless the number is too large for the dtype.
    """
    if not claim.size:
        return 0.0, ()
    with np.errstate(invalid="ignore"):
        error = np.abs(claim - exact)
    too_large = (np.abs(exact) > digits.largest) & (claim == np.copysign(np.inf, exact))
    ratio = np.where(np.isfinite(error), error / rounding.error, np.where(too_large, 0.0, np.inf))
    at = tuple(int(k) for k in np.unravel_index(int(np.argmax(ratio)), ratio.shape))
    return float(ratio[at]), at


def _spread_of_factor(typical: Array, exact: Array) -> float:
    """Return how far a common factor is off if errors are independent of each other."""
    size = float(np.sum(np.square(exact)))
    return float(np.sqrt(np.sum(np.square(typical * exact)))) / size if size else 0.0


def _rms(x: Array) -> float:
    known = x[np.isfinite(x)]
    return float(np.sqrt(np.mean(np.square(known)))) if known.size else 0.0
