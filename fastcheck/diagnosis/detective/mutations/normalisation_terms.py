"""What people compute for the derivative of a normalisation, where three terms are right.

The smallest example: ``dx = dy / s`` for ``y = (x - mean) / s``, where the mean and s are differentiated, too.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.mutations.composites import Axes
from fastcheck.engines.graph.nodes.node import Array

SAME = 1e-9
"""Values that differ by less, relative to the largest, are the same."""


@dataclasses.dataclass(frozen=True, eq=False)
class Normalisation:
    """y = centred / s over ``axes``: s = √(share·Σ centred² + inside) + outside.

    ``has_mean``: centred is x less its mean, not x itself. ``root`` is s without ``outside``.
    """

    centred: Array
    s: Array
    axes: Axes
    has_mean: bool
    share: float
    inside: float
    outside: float

    @property
    def n(self) -> float:
        """The number of entries that are normalised together."""
        return self.centred.size / self.s.size

    @property
    def has_epsilon(self) -> bool:
        """Whether something is added to the squares, or to their root."""
        return self.inside > 0 or self.outside > 0

    @functools.cached_property
    def without_epsilon(self) -> Array:
        """S without ε."""
        return np.sqrt(self.share * self.sum(self.centred**2))

    def sum(self, array: Array) -> Array:
        """Return a sum over the axes, which are kept."""
        return np.asarray(array.sum(axis=self.axes, keepdims=True))

    def direct(self, slope: Array) -> Array:
        """Return the term in which mean and s are constants."""
        return slope / self.s

    def of_mean(self, slope: Array) -> Array:
        """Return the term of the mean."""
        return -self.sum(slope) / (self.n * self.s) if self.has_mean else np.zeros(())

    def of_s(self, slope: Array) -> Array:
        """Return the term of s."""
        root = self.s - self.outside
        return -self.centred * self.share * self.sum(slope * self.centred) / (self.s**2 * root)

    def right(self, slope: Array) -> Array:
        """Return what is right."""
        return self.direct(slope) + self.of_mean(slope) + self.of_s(slope)


class InsteadOfTerms(NamedTuple):
    """What stands in for the three terms: ``share(normalisation, slope)``, if that ``fits``.

    ``as_factor``: one operation that hands back so many times what is right may be the same.
    """

    kind: str
    says: str
    unlikely: float
    share: Callable[[Normalisation, Array], Array]
    fits: Callable[[Normalisation], bool] = lambda _: True
    as_factor: Callable[[Normalisation], float] | None = None


def _has_mean(n: Normalisation) -> bool:
    return n.has_mean


def _has_epsilon(n: Normalisation) -> bool:
    return n.has_epsilon


def _may_lack_one(n: Normalisation) -> bool:
    return n.has_mean and n.n > 1


def _rest(n: Normalisation, c: Array) -> Array:
    return n.of_mean(c) + n.of_s(c)


INSTEAD_OF_TERMS = (
    InsteadOfTerms(
        "statistics as constants",
        "takes mean and variance for constants in the normalisation at {}",
        1.0,
        lambda n, c: n.direct(c),
        _has_mean,
        lambda _: 0.0,
    ),
    InsteadOfTerms(
        "norm as a constant",
        "takes the norm for a constant in the normalisation at {}",
        0.9,
        lambda n, c: n.direct(c),
        lambda n: not n.has_mean,
        lambda _: 0.0,
    ),
    InsteadOfTerms(
        "mean's term left out",
        "takes the mean for a constant in the normalisation at {}",
        0.9,
        lambda n, c: n.direct(c) + n.of_s(c),
        _has_mean,
        lambda _: 0.0,
    ),
    InsteadOfTerms(
        "variance's term left out",
        "takes the variance for a constant in the normalisation at {}",
        0.9,
        lambda n, c: n.direct(c) + n.of_mean(c),
        _has_mean,
        lambda _: 0.0,
    ),
    InsteadOfTerms(
        "wrong sign of the norm's term",
        "has the wrong sign of the term of the norm in the normalisation at {}",
        0.95,
        lambda n, c: n.direct(c) - n.of_s(c),
        lambda n: not n.has_mean,
        lambda _: -1.0,
    ),
    InsteadOfTerms(
        "wrong sign of the mean's term",
        "has the wrong sign of the term of the mean in the normalisation at {}",
        0.95,
        lambda n, c: n.direct(c) - n.of_mean(c) + n.of_s(c),
        _has_mean,
        lambda _: -1.0,
    ),
    InsteadOfTerms(
        "wrong sign of the variance's term",
        "has the wrong sign of the term of the variance in the normalisation at {}",
        0.95,
        lambda n, c: n.direct(c) + n.of_mean(c) - n.of_s(c),
        _has_mean,
        lambda _: -1.0,
    ),
    InsteadOfTerms(
        "wrong signs of the statistics",
        "has the wrong signs of the terms of mean and variance in the normalisation at {}",
        1.3,
        lambda n, c: n.direct(c) - _rest(n, c),
        _has_mean,
        lambda _: -1.0,
    ),
    InsteadOfTerms(
        "N − 1 for N in both terms",
        "has N − 1 for N in the terms of mean and variance in the normalisation at {}",
        1.2,
        lambda n, c: n.direct(c) + _rest(n, c) * (n.n / (n.n - 1)),
        _may_lack_one,
        lambda n: n.n / (n.n - 1),
    ),
    InsteadOfTerms(
        "N for N − 1 in the variance's term",
        "has N for N − 1 in the term of the variance in the normalisation at {}",
        1.1,
        lambda n, c: n.direct(c) + n.of_mean(c) + n.of_s(c) / (n.share * n.n),
        lambda n: n.has_mean and abs(n.share * (n.n - 1) - 1) < SAME,
        lambda n: 1 / (n.share * n.n),
    ),
    InsteadOfTerms(
        "1/N left out of both terms",
        "leaves out 1/N in the terms of mean and variance in the normalisation at {}",
        1.2,
        lambda n, c: n.direct(c) + _rest(n, c) * n.n,
        _has_mean,
        lambda n: n.n,
    ),
    InsteadOfTerms(
        "deviation left out of the direct term",
        "leaves out the division by the deviation in the direct term of the normalisation at {}",
        1.2,
        lambda n, c: c + _rest(n, c),
    ),
    InsteadOfTerms(
        "deviation left out",
        "leaves out the division by the deviation in the normalisation at {}",
        1.1,
        lambda n, c: n.right(c) * n.s,
    ),
    InsteadOfTerms(
        "variance for deviation in the direct term",
        "divides by the variance, not the deviation, in the direct term of the normalisation at {}",
        1.2,
        lambda n, c: c / n.s**2 + _rest(n, c),
    ),
    InsteadOfTerms(
        "variance for deviation",
        "divides by the variance, not the deviation, in the normalisation at {}",
        1.2,
        lambda n, c: n.right(c) / n.s,
    ),
    InsteadOfTerms(
        "multiplied by the deviation",
        "multiplies by the deviation, where it should divide, in the normalisation at {}",
        1.5,
        lambda n, c: n.right(c) * n.s**2,
    ),
    InsteadOfTerms(
        "power of the deviation in the variance's term",
        "has a power of the deviation that is one too low in the term of the variance in the normalisation at {}",
        1.4,
        lambda n, c: n.direct(c) + n.of_mean(c) + n.of_s(c) * n.s,
    ),
    InsteadOfTerms(
        "power of the deviation in the variance's term, 2",
        "has a power of the deviation that is two too low in the term of the variance in the normalisation at {}",
        1.5,
        lambda n, c: n.direct(c) + n.of_mean(c) + n.of_s(c) * n.s**2,
    ),
    InsteadOfTerms(
        "ε left out of the direct term",
        "leaves out ε in the direct term of the normalisation at {}",
        1.1,
        lambda n, c: c / n.without_epsilon + _rest(n, c),
        _has_epsilon,
    ),
    InsteadOfTerms(
        "ε left out",
        "leaves out ε in the normalisation at {}",
        1.0,
        lambda n, c: dataclasses.replace(n, s=n.without_epsilon, inside=0.0, outside=0.0).right(c),
        _has_epsilon,
    ),
    InsteadOfTerms(
        "ε left out of the division",
        "leaves out ε where it divides by the deviation in the normalisation at {}",
        1.05,
        lambda n, c: n.right(c) * n.s / n.without_epsilon,
        _has_epsilon,
    ),
    InsteadOfTerms(
        "ε left out, statistics as constants",
        "leaves out ε, and takes the statistics for constants, in the normalisation at {}",
        1.5,
        lambda n, c: c / n.without_epsilon,
        _has_epsilon,
    ),
    InsteadOfTerms(
        "sums of slopes without x",
        "sums slopes alone, not multiplied by what is normalised, in the term of the variance in the normalisation "
        "at {}",
        1.4,
        lambda n, c: (
            n.direct(c) + n.of_mean(c) - n.centred * n.share * n.sum(c) / (n.s**2 * (n.s - n.outside))
        ),
    ),
    InsteadOfTerms(
        "normalisation left out",
        "leaves out the derivative of the normalisation at {}",
        1.2,
        lambda n, c: c,
    ),
)
"""What people compute for a normalisation, where three terms are right: direct, of the mean, and of the variance."""
