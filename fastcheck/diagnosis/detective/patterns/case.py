"""A wrong block as patterns see it, and what a pattern says of one block."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.detective.evidence import BlockEvidence, Entries, Evidence
from fastcheck.diagnosis.detective.hypotheses import EXPLAINS
from fastcheck.diagnosis.detective.patterns.hints import Hints, Named
from fastcheck.norms import largest

Places = NDArray[np.intp]
Mask = NDArray[np.bool_]

LITTLE_ROUNDING = 0.01
"""Rounding explains at most this part of what is to explain."""

OWN_ROUNDING = 4 * float(np.finfo(np.float64).eps)
"""What computing a prediction may lose, of the largest entry."""

SAME_NUMBER = 1e-8
"""Relative difference up to which a fitted coefficient may be a number that has a name."""

FEW_PLACES, MANY_ENTRIES = 96, 2**12
"""Blocks of more entries are compared at so many wrong ones, and at as many of all, before they are as a whole."""


class Coefficient(NamedTuple):
    """One number that was fitted: ``target ≈ value · regressor``.

    With any number within ``uncertain`` of it the pattern explains the block; one within ``near`` may be meant.
    """

    value: float
    uncertain: float
    near: float
    residual: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """What a pattern says of one block that it explains.

    ``words`` follow the name of the block's gradient: "is 2 times the right gradient". Their first word is a verb of
    `PLURALS`, and ``{theta}`` in them stands for the parameter. ``statement`` is what they say: fits of two patterns
    with one statement are synonyms. ``entries`` are the wrong entries, ``free`` the coefficients that were fitted.
    Fits of several blocks are one if they have the same ``likeness`` (the words or, where there is a ``coefficient``,
    the statement, unless it is given) and agree on the coefficient, which may be off by ``uncertain``.
    ``more_unlikely`` is added to what the table says. ``only_where`` marks words that tell where a claim is wrong and
    not how.
    """

    words: str
    statement: tuple[object, ...]
    residual: float
    entries: int
    free: int = 0
    coefficient: float | None = None
    uncertain: float = 0.0
    likeness: object = None
    more_unlikely: float = 0.0
    only_where: bool = False

    @property
    def key(self) -> object:
        """What fits of several blocks have in common if they are one."""
        if self.likeness is not None:
            return self.likeness
        return self.words if self.coefficient is None else self.statement


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A wrong block with finite entries. Claims and slopes are scaled by one power of 2, so that nothing overflows."""

    block: BlockEvidence
    evidence: Evidence
    hints: Hints

    @functools.cached_property
    def exponent(self) -> int:
        """Claims and slopes are those of the block over 2 to this."""
        return math.frexp(self.block.size)[1]

    @functools.cached_property
    def claimed(self) -> Entries:
        """The claim, scaled."""
        return np.ldexp(self.block.claimed, -self.exponent)

    @functools.cached_property
    def slopes(self) -> Entries:
        """The slopes, scaled."""
        return np.ldexp(self.block.slopes, -self.exponent)

    @functools.cached_property
    def theta_exponent(self) -> int:
        """`theta` is that of the block over 2 to this."""
        return math.frexp(largest(self.block.theta))[1]

    @functools.cached_property
    def theta(self) -> Entries:
        """The parameter, scaled by itself."""
        return np.ldexp(self.block.theta, -self.theta_exponent)

    @functools.cached_property
    def difference(self) -> Entries:
        """What is wrong: claim less slopes."""
        return np.asarray(self.claimed - self.slopes)

    @functools.cached_property
    def error(self) -> float:
        """The largest error of an entry, scaled."""
        return largest(self.difference)

    @functools.cached_property
    def rounding(self) -> float:
        """How far a right claim may be off, scaled."""
        return math.ldexp(self.block.rounding, -self.exponent)

    @functools.cached_property
    def claim_size(self) -> float:
        """The largest claim, scaled; that of the slopes where all claims are zero."""
        return largest(self.claimed) or 1.0

    @functools.cached_property
    def claims_nothing(self) -> bool:
        """Whether all claims are zero, or so small that they are rounding."""
        return largest(self.claimed) <= min(self.rounding, LITTLE_ROUNDING * self.error)

    @functools.cached_property
    def to_explain(self) -> float:
        """What explanations leave little of: the error, or the claim where that is small beside the slopes.

        Otherwise any tiny claim would be a tiny multiple of the gradient.
        """
        return min(self.error, self.claim_size)

    def slack(self, gain: float = 0.0) -> float:
        """Return what rounding may leave where slopes are multiplied by up to ``gain``."""
        rounding = self.rounding * (1 + abs(gain))
        return min(rounding, LITTLE_ROUNDING * self.to_explain) + OWN_ROUNDING * self.claim_size

    def allowed(self, gain: float = 0.0) -> float:
        """Return what an explanation may leave of an entry."""
        return EXPLAINS * self.to_explain + self.slack(gain)

    @functools.cached_property
    def wrong(self) -> Mask:
        """Which entries are wrong, however large the errors of others are."""
        size = min(self.to_explain, largest(self.slopes) or math.inf)
        return np.asarray(np.abs(self.difference) > EXPLAINS * size + self.slack())

    @functools.cached_property
    def entries(self) -> int:
        """How many entries are wrong."""
        return int(np.count_nonzero(self.wrong))

    @functools.cached_property
    def alive(self) -> Mask:
        """Which entries have a slope or a claim: those of dead units have neither."""
        return np.asarray((self.claimed != 0) | (self.slopes != 0))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the block."""
        return self.block.theta.shape

    @property
    def size(self) -> int:
        """The number of its entries."""
        return self.block.theta.size

    @functools.cached_property
    def probes(self) -> Places | None:
        """Places that are compared first, None for all."""
        if self.size <= MANY_ENTRIES:
            return None
        wrong = np.flatnonzero(self.wrong)
        some = wrong[:: max(1, wrong.size // FEW_PLACES)]
        return np.concatenate([some, np.arange(0, self.size, self.size // FEW_PLACES)])

    def unscaled(self, found: Coefficient | None, exponent: int) -> Coefficient | None:
        """Return the coefficient of something that was scaled by 2 to ``exponent``; None if it overflows then."""
        return None if found is None else _times_power_of_2(found, self.exponent - exponent)

    def matches(self, predicted: Entries, gain: float = 1.0) -> float | None:
        """Return the residual of a prediction of the claim, None where it does not explain it.

        ``predicted`` may be a view of the slopes with axes in another order: its entries in their order count.
        """
        probes = self.probes
        if probes is not None:
            at_probes = predicted.flat[probes]
            if not self._near(at_probes, self.claimed.reshape(-1)[probes], gain):
                return None
        return self.residual(predicted.reshape(self.shape), gain)

    def matches_lazily(
        self, at: Callable[[Places], Entries], whole: Callable[[], Entries], gain: float = 1.0
    ) -> float | None:
        """Return the same of a prediction that is computed at some places first, and as a whole if it agrees there."""
        probes = self.probes
        if probes is not None and not self._near(at(probes), self.claimed.reshape(-1)[probes], gain):
            return None
        return self.residual(whole().reshape(self.shape), gain)

    def residual(self, predicted: Entries, gain: float = 1.0) -> float | None:
        """Return what a prediction leaves of the error, beyond rounding; None if that is too much."""
        return self._relative(largest(np.asarray(self.claimed - predicted)), gain)

    def _relative(self, left: float, gain: float) -> float | None:
        beyond = left - self.slack(gain)
        explains = beyond <= EXPLAINS * self.to_explain  # NaN does not
        return max(0.0, beyond) / self.error if explains else None

    def _near(self, predicted: Entries, claimed: Entries, gain: float) -> bool:
        return bool((np.abs(claimed - predicted) <= self.allowed(gain)).all())

    def coefficient(
        self, target: Entries, regressor: Entries, *, of_slopes: bool = False
    ) -> Coefficient | None:
        """Return the number by which the regressor is the target, None where there is none.

        ``of_slopes``: the regressor is made of slopes, whose rounding is multiplied, too.
        """
        y, x = target.reshape(-1), regressor.reshape(-1)
        if x.size > MANY_ENTRIES and not self._may_be_multiple(y, x, of_slopes):
            return None
        top = largest(x)
        if not 0 < top < math.inf:
            return None
        exponent = math.frexp(top)[1]
        share, left, gain = _fitted(y, np.ldexp(x, -exponent), exponent, of_slopes)
        size = math.ldexp(top, -exponent)
        residual = self._relative(left, gain)
        if residual is None:
            return None
        uncertain = max(self.allowed(gain) - left, OWN_ROUNDING * self.claim_size) / size
        near = min(uncertain, max(SAME_NUMBER * abs(share), self.slack(gain) / size))
        return _times_power_of_2(Coefficient(share, uncertain, near, residual), -exponent)

    def _may_be_multiple(self, y: Entries, x: Entries, of_slopes: bool) -> bool:
        """Tell whether a few entries allow that ``y`` is a multiple of ``x``."""
        whole_block = x.size == self.size and self.probes is not None
        some = self.probes if whole_block else np.arange(0, x.size, x.size // FEW_PLACES)
        first, second = x[some], y[some]
        top = largest(first)
        if not 0 < top < math.inf:
            return top == 0  # none of them tells
        exponent = math.frexp(top)[1]
        _, left, gain = _fitted(second, np.ldexp(first, -exponent), exponent, of_slopes)
        return left <= 2 * self.allowed(gain)

    def named_factor(self, found: Coefficient) -> Named | None:
        """Return the name of a factor."""
        return self.hints.factor(found.value, found.near)


def _fitted(y: Entries, x: Entries, exponent: int, of_slopes: bool) -> tuple[float, float, float]:
    """Return the share of ``x`` that is nearest to ``y``, what it leaves, and by what rounding of slopes is multiplied.

    ``x`` was divided by 2 to ``exponent``.
    """
    share = float(x @ y) / float(x @ x)
    gain = float(np.ldexp(share, -exponent)) if of_slopes else 0.0
    return share, largest(y - share * x), gain


def _times_power_of_2(found: Coefficient, exponent: int) -> Coefficient | None:
    value, uncertain, near = (float(np.ldexp(number, exponent)) for number in found[:3])
    if not all(map(math.isfinite, (value, uncertain, near))):
        return None
    return Coefficient(value, uncertain, near, found.residual)


def digest(numbers: NDArray[Any]) -> str:
    """Return what tells one array of whole numbers from another."""
    return hashlib.blake2b(np.ascontiguousarray(numbers).tobytes(), digest_size=16).hexdigest()
