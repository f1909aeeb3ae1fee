"""Taylor remainders over the step: the table by which authors of adjoint solvers judge a gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.legible import number_of, preformatted

SECOND_ORDER = 1.9
"""Rate above which a remainder counts as one of second order: what tests of adjoints assert."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaylorOptions:
    """What a table is asked for: the arguments of `fastcheck.Report.taylor`, of which the numbers are valid."""

    direction: Any
    gradients: Any
    by_block: bool
    directions: int
    steps: int
    start: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaylorRows:
    """The remainders along one direction v, over steps h of which each is half the one before.

    ``name`` tells the direction, ``slope`` is ⟨g, v⟩ of the claim g. ``steps`` (k,) are the values of h, largest first;
    ``changes`` (k,) are J(θ+hv) − J(θ), ``remainders`` (k,) are J(θ+hv) − J(θ) − h⟨g, v⟩, both with their signs, NaN
    where J is not defined; ``noise`` (k,) is what rounding may do to both.

    ``linear_term`` is the estimate of ⟨∇J − g, v⟩, the term of the remainder that a right claim has not, by
    extrapolation to h = 0; ``linear_error`` is how far that may be off, as far as the extrapolation and the rounding
    tell. ``visible`` is the least |⟨∇J − g, v⟩| from which on, whatever its sign, some rate of these rows is at most
    1.9: infinite where there is none. Mistakes that change ⟨g, v⟩ by less pass.
    """

    name: str
    slope: float
    steps: NDArray[np.float64]
    changes: NDArray[np.float64]
    remainders: NDArray[np.float64]
    noise: NDArray[np.float64]
    linear_term: float
    linear_error: float
    visible: float

    @property
    def above_noise(self) -> NDArray[np.bool_]:
        """Which remainders are larger than rounding, (k,): the others, and their rates, mean nothing."""
        return np.abs(self.remainders) > self.noise

    @property
    def change_rates(self) -> NDArray[np.float64]:
        """log₂ of |J(θ+hv) − J(θ)| over that at h/2, (k − 1,): 1 where J has a slope; NaN where rounding is."""
        return rates_of(self.changes, self.noise)

    @property
    def remainder_rates(self) -> NDArray[np.float64]:
        """log₂ of the remainder over that at h/2, (k − 1,): 2 where g is right along v; NaN where rounding is."""
        return rates_of(self.remainders, self.noise)

    @property
    def lowest_rate(self) -> float:
        """The lowest rate of the remainders: what tests of adjoints assert to be above 1.9. NaN where there is none."""
        return lowest_of(self.remainder_rates)

    @property
    def has_linear_term(self) -> bool:
        """Whether the remainder has a linear term, larger than it may be off.

        Then g is wrong along v, or J has a kink between θ and the points nearest to it.
        """
        return abs(self.linear_term) > self.linear_error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TaylorTable:
    """Taylor remainders of a cost J and a claim g, along one direction or several.

    ``directions`` has the rows of each, ``value`` is J(θ), ``parameters`` the number n of coordinates. ``check`` says
    in a sentence what the check that this comes from has compared and would have caught. ``str(table)`` shows all of it
    in 80 columns.
    """

    directions: tuple[TaylorRows, ...]
    value: float
    parameters: int
    check: str = ""

    @property
    def lowest_rate(self) -> float:
        """The lowest rate of the remainders in all directions, NaN where there is none."""
        return lowest_of(np.array([rows.lowest_rate for rows in self.directions]))

    def __str__(self) -> str:
        from fastcheck.pictures.taylor_text import text_of

        return text_of(self)

    def __repr__(self) -> str:
        rate = f"lowest rate {self.lowest_rate:.2f}"
        return f"<TaylorTable of {number_of(len(self.directions), 'direction')}: {rate}>"

    def _repr_html_(self) -> str:
        return preformatted(str(self))


def rates_of(values: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log₂ of neighbouring sizes, (…, k − 1), NaN where one of them is not above the noise, (…, k)."""
    sizes = np.where(np.abs(values) > noise, np.abs(values), math.nan)
    with np.errstate(all="ignore"):
        return np.asarray(np.log2(sizes[..., :-1] / sizes[..., 1:]))


def lowest_of(rates: NDArray[np.float64]) -> float:
    """Return the lowest rate of those that are known, NaN if there is none."""
    known = rates[~np.isnan(rates)]
    return float(known.min()) if known.size else math.nan
