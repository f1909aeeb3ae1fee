"""What a Jacobian truly is: products with it, exact ones of a function that was recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastcheck.derivatives.matrices import Matrix, Places, units
from fastcheck.engines.graph.outputs import OutputProducts

UNITS = 4 * float(np.finfo(float).eps)
"""Relative rounding of products of which nothing else is known."""

MOST_ROWS = 512
"""Rows of which the rounding is measured to know that of a column."""

ZERO_WITHIN = 4.0
"""Differences within this many times their bounds are 0, as far as these tell."""


Mask = NDArray[np.bool_]


class Known(NamedTuple):
    """Products, and how far each may be off: arrays of one shape.

    ``kinked``: where two sides have two slopes. ``usual``: slopes along which an output changes by its own size as the
    parameters do, where products are no better known than that allows.
    """

    values: Matrix
    bounds: Matrix
    kinked: Mask | None = None
    usual: Matrix | None = None

    def sizes(self, least: Any) -> Matrix:
        """Return what bounds are measured by: the size of a product, or what is usual where it may be 0."""
        size = np.maximum(np.abs(self.values), least)
        if self.usual is None:
            return np.asarray(size)
        may_be_zero = np.abs(self.values) <= ZERO_WITHIN * self.bounds
        return np.asarray(np.where(may_be_zero, np.maximum(size, self.usual), size))

    def each(self, change: Callable[[Any], Any]) -> Known:
        """Return the same with every array changed."""
        kinked = None if self.kinked is None else change(self.kinked)
        usual = None if self.usual is None else change(self.usual)
        return Known(change(self.values), change(self.bounds), kinked, usual)

    @property
    def transposed(self) -> Known:
        """The same, transposed."""
        return self.each(np.transpose)

    def part(self, chosen: slice) -> Known:
        """Return some columns."""
        return self.each(lambda array: array[:, chosen])

    def lines(self, places: Places) -> Known:
        """Return some rows."""
        return self.each(lambda array: array[places])


class Truth(Protocol):
    """Products with the true Jacobian, (m, n)."""

    method: str
    exact: bool
    symmetric: bool

    @property
    def notes(self) -> tuple[str, ...]:
        """What a report should tell of how it was found."""
        ...

    def along(self, directions: Matrix) -> Known:
        """Return J v for each row, (k, m)."""
        ...

    def back(self, cotangents: Matrix) -> Known | None:
        """Return Jᵀ u for each row, (k, n); None where it cannot be known."""
        ...

    def rows(self, places: Places) -> Known | None:
        """Return some rows, (k, n); None where they cannot be known."""
        ...

    def columns(self, places: Places) -> Known:
        """Return some columns, (k, m)."""
        ...

    def rounding_of_rows(self, places: Places) -> Matrix | None:
        """Return how far entries of some rows move where everything is rounded otherwise; None if unknown."""
        ...

    @property
    def forward_passes(self) -> int:
        """How often the function was evaluated."""
        ...


class RecordedTruth:
    """Exact products, of a function that was recorded."""

    method, exact, symmetric = "difference", True, False
    notes: tuple[str, ...] = ()

    def __init__(self, products: OutputProducts) -> None:
        self.products = products

    def along(self, directions: Matrix) -> Known:
        """Return J v for each row."""
        return _rounded(self.products.along(directions))

    def back(self, cotangents: Matrix) -> Known:
        """Return Jᵀ u for each row."""
        return _rounded(self.products.back(cotangents))

    def rows(self, places: Places) -> Known:
        """Return some rows."""
        return RecordedTruth.back(self, units(places, self.products.size))

    def columns(self, places: Places) -> Known:
        """Return some columns."""
        return RecordedTruth.along(self, units(places, self.products.problem.layout.size))

    def rounding_of_rows(self, places: Places) -> Matrix | None:
        """Return how far entries of some rows move where everything is rounded otherwise."""
        return self.products.spread_of_rows(units(places, self.products.size))

    @property
    def forward_passes(self) -> int:
        """How often the function was evaluated."""
        return self.products.forward_passes

    @property
    def transposed(self) -> TransposedTruth:
        """The transpose."""
        return TransposedTruth(self.products)


class TransposedTruth(RecordedTruth):
    """The same of the transpose, (n, m)."""

    def along(self, directions: Matrix) -> Known:
        """Return Jᵀ u for each row."""
        return super().back(directions)

    def back(self, cotangents: Matrix) -> Known:
        """Return J v for each row."""
        return super().along(cotangents)

    def rows(self, places: Places) -> Known:
        """Return some columns of J."""
        return super().columns(places)

    def columns(self, places: Places) -> Known:
        """Return some rows of J."""
        return super().rows(places)

    def rounding_of_rows(self, places: Places) -> Matrix | None:
        """Return how far entries of some columns of J move where everything is rounded otherwise."""
        rows = np.arange(self.products.size)
        spread = super().rounding_of_rows(rows) if rows.size <= MOST_ROWS else None
        return None if spread is None else spread[:, places].T


def _rounded(values: Matrix) -> Known:
    return Known(values, UNITS * np.abs(values))
