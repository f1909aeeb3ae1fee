"""Which loss of which targets, and how much L2, makes the logits of a network its cost at a few points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.mlp.losses import USUAL_REDUCTIONS, Kind, Loss, Reduction
from fastcheck.errors import InvalidProblemError

Array = NDArray[np.float64]

EPS = float(np.finfo(float).eps)

AGREEMENT = 1e-12
"""Relative difference of two costs that is only rounding: sums of many terms, taken in another order."""

ROUNDINGS = 32.0
"""Rounding units in each term of the loss, where it is computed the naive way."""

CERTAIN = 1e-9
"""Two costs that rounding keeps from agreeing to this are no evidence, relatively."""

ROUGHLY = 1e-6
"""What is further off than this, relatively, needs no closer look."""

FAR = 99.0
"""Logits beyond this are saturated in any arithmetic."""

DIGITS = 6
"""Constants that people write down have at most so many digits."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """A network at one point: logits Z (n_out, m), ``squares`` Σ‖W‖², and the user's ``cost`` J there.

    At ``random`` points J must be known well; at others the network may be so good that J is nearly its rounding.
    """

    Z: Array
    squares: float
    cost: float
    random: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """A loss with its targets (n_out, m), and λ: J = loss(Z, Y) + λ/(2m) Σ‖W‖²."""

    loss: Loss
    targets: Array
    l2: float

    def agrees(self, case: Case) -> bool:
        """Whether the network has this cost but for rounding."""
        value = float(self.loss.value(case.Z, self.targets))
        value += self.l2 / (2 * case.Z.shape[1]) * case.squares
        known = CERTAIN * abs(case.cost)
        everywhere, saturated = self._roundings(case.Z)
        rounding = min(saturated, known) + (min(everywhere, known) if case.random else everywhere)
        return bool(abs(value - case.cost) <= AGREEMENT * abs(case.cost) + rounding)

    def _roundings(self, Z: Array) -> tuple[float, float]:
        """Return the error of J when log(a), log(1 − a) and a − y are computed as written.

        The second number is that of saturated outputs whose loss is large: 1 − a = e^−z has an error of eps.
        """
        Y, size, saturated = self.targets, np.abs(Z), 0.0
        if self.loss.kind == "binary_cross_entropy":
            terms = np.full(Z.shape, 2.0)
            saturated = float(
                np.sum((1.0 - Y) * np.exp(np.minimum(Z, FAR)) + Y * np.exp(np.minimum(-Z, FAR)))
            )
        elif self.loss.kind == "cross_entropy":
            terms = Y * (1.0 + np.max(size, axis=0))
        else:
            size = size + np.abs(Y)
            terms = 2.0 * np.abs(Z - Y) * size + ROUNDINGS * EPS * np.square(size)
        unit = ROUNDINGS * EPS * self.loss.factor / _counts(*Z.shape)[self.loss.reduction]
        return unit * float(np.sum(terms)), unit * saturated


def fit(cases: Sequence[Case], arrays: Iterable[NDArray[Any]]) -> Fitted | None:
    """Return the loss, its targets among the arrays, and λ that explain the costs of all cases, or None.

    The first two, random ones, determine a factor and λ; the others confirm them.
    """
    for given in _targets(arrays, *cases[0].Z.shape):
        for kind in USUAL_REDUCTIONS:
            fitted = _fit_kind(kind, given, cases)
            if fitted is not None:
                return fitted
    return None


def simple(value: float, accuracy: float) -> float | None:
    """Return the number of few digits, or the quotient 1/it, nearest to a number known to this relative accuracy.

    None if there is none so near.
    """
    if value == 0 or not np.isfinite(value):
        return None
    for digits in range(DIGITS):
        for candidate in (float(f"{value:.{digits}e}"), 1.0 / float(f"{1.0 / value:.{digits}e}")):
            if abs(candidate - value) <= accuracy * abs(value):
                return candidate
    return None


def _targets(arrays: Iterable[NDArray[Any]], outputs: int, samples: int) -> Iterator[NDArray[Any]]:
    """Yield what may be targets (n_out, m) or labels (m,) among arrays."""
    for array in arrays:
        if array.dtype.kind not in "biuf" or array.ndim > 2:
            continue
        if array.shape == (outputs, samples):
            yield array
        if array.shape == (samples, outputs):
            yield array.T
        if array.size == samples == max(array.shape, default=0):
            yield array.reshape(samples)
        if samples == 1 and array.shape == (outputs,):
            yield array[:, None]


def _fit_kind(kind: Kind, given: NDArray[Any], cases: Sequence[Case]) -> Fitted | None:
    outputs, samples = cases[0].Z.shape
    total = Loss(kind, "sum")
    try:
        Y = total.targets(given, outputs=outputs, samples=samples)
    except InvalidProblemError:
        return None
    v, R, J = zip(
        *((float(total.value(case.Z, Y)), case.squares, case.cost) for case in cases[:3]), strict=True
    )
    together = v[0] * R[1] - v[1] * R[0]
    for numerator, denominator, penalised in (
        (J[0], v[0], False),
        (J[0] * R[1] - J[1] * R[0], together, True),
    ):
        multiple = numerator / denominator if denominator else np.inf
        rest = (J[0] - multiple * v[0]) / R[0] if penalised and R[0] else 0.0
        far = [abs(multiple * v[k] + rest * R[k] - J[k]) > ROUGHLY * abs(J[k]) for k in (1, 2)]
        if not 0 < multiple < np.inf or any(far):
            continue
        loss = _named(kind, multiple, outputs, samples)
        rest = (J[0] - float(loss.value(cases[0].Z, Y))) / R[0] if penalised and R[0] else 0.0
        fitted = Fitted(loss=loss, targets=Y, l2=_lambda(rest, cases[0], samples))
        if fitted.l2 >= 0 and all(fitted.agrees(case) for case in cases):
            return fitted
    return None


def _named(kind: Kind, multiple: float, outputs: int, samples: int) -> Loss:
    """Return the loss that is this multiple of the sum of all terms, with a plain factor if it has one."""
    usual = USUAL_REDUCTIONS[kind]
    reductions: list[Reduction] = sorted(get_args(Reduction), key=lambda reduction: reduction != usual)
    counts = _counts(outputs, samples)
    factors = {r: multiple * counts[r] for r in reductions}
    known = {r: value for r in reductions if (value := simple(factors[r], CERTAIN)) is not None}
    for wanted in ({1.0}, {0.5}, known.values()):
        for reduction, factor in known.items():
            if factor in wanted:
                return Loss(kind, reduction, factor)
    return Loss(kind, usual, factors[usual])


def _counts(outputs: int, samples: int) -> dict[Reduction, int]:
    """Return what each reduction divides by."""
    return {"samples": samples, "entries": outputs * samples, "sum": 1}


def _lambda(multiple: float, case: Case, samples: int) -> float:
    """Return λ, where λ/(2m) is this multiple; people write λ/(2m), λ/m, λ/2 or λ, and mean a plain number."""
    exact = 2 * samples * multiple
    if multiple <= 0:
        return exact
    accuracy = ROUNDINGS * EPS * max(1.0, case.cost / (multiple * case.squares))
    for per in (1.0, 2.0, float(samples), 2.0 * samples):
        found = simple(exact / per, accuracy)
        if found is not None:
            return found * per
    return exact
