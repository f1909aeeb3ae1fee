"""Slopes, the interval of each in which a claim is right, and the bound on what is not known of it.

The smallest example that needs all of it is J(x, y) = |x| + y³ at (0, 1), evaluated plainly with the step h = 1e-2. At
x there is a kink, where every claim in [-1, 1] is right, and ĝ = 0 is only one of them. The central difference of y is
3 + h²: off by its truncation h², and by rounding of about 1e-14.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.plan.coordinates import Coordinates
from fastcheck.problem.parameters import Vector


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """The bound u of k coordinates: ``relative`` times |ĝ|, plus what is ``absolute``, for all or each (k,)."""

    relative: float
    absolute: float | Vector

    def at(self, rows: slice | Coordinates, slopes: Vector) -> Vector:
        """Return u of some of the coordinates, given ĝ of these."""
        absolute = self.absolute if isinstance(self.absolute, float) else self.absolute[rows]
        if self.relative == 0 and isinstance(absolute, np.ndarray):
            return absolute
        return np.asarray(self.relative * np.abs(slopes) + absolute)


class Slope(NamedTuple):
    """One slope, and the bounds on what rounding and the finite step leave between it and the true one."""

    value: float
    rounding: float
    truncation: float = 0.0

    @property
    def bound(self) -> float:
        """The bound on its error."""
        return self.rounding + self.truncation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slopes:
    """Slopes of k coordinates, all arrays of shape (k,).

    ``central`` is the central difference with the step that was asked for. The true derivative lies within ``bound`` of
    ``interval``, (lower, upper): two different numbers at a kink, where any claim between them is right; None where
    there are no kinks and nothing better than ``central`` is known. ``known_to`` says how ``bound`` is made up; to it
    ``truncation`` is to be added for what a finite step does, None if there is none or nobody asked. ``subtracted``
    tells for all or each (k,) whether two costs were subtracted, with the noise that this has.
    """

    central: Vector
    known_to: Bound
    interval: tuple[Vector, Vector] | None = None
    truncation: Vector | None = None
    subtracted: bool | NDArray[np.bool_] = False

    @property
    def size(self) -> int:
        """The number k."""
        return self.central.size

    @property
    def lower(self) -> Vector:
        """The smallest slope that counts as right, (k,)."""
        return self.central if self.interval is None else self.interval[0]

    @property
    def upper(self) -> Vector:
        """The largest slope that counts as right, (k,)."""
        return self.central if self.interval is None else self.interval[1]

    @property
    def bound(self) -> Vector:
        """The bound u on the error of the interval, (k,)."""
        return self.known_to.at(slice(None), _largest(self.central, self.interval))

    @property
    def best(self) -> Vector:
        """The best single slope known, (k,): ``central``, where its truncation does not leave the interval."""
        return self.central if self.interval is None else np.clip(self.central, *self.interval)

    @property
    def kinks(self) -> int:
        """The number of coordinates at kinks."""
        return 0 if self.interval is None else int(np.count_nonzero(self.lower < self.upper))

    @property
    def any_subtracted(self) -> bool:
        """Whether costs were subtracted for any of them."""
        return self.subtracted if isinstance(self.subtracted, bool) else bool(self.subtracted.any())

    @property
    def subtracted_rows(self) -> Coordinates:
        """The rows of which costs were subtracted."""
        if isinstance(self.subtracted, bool):
            return np.arange(self.size if self.subtracted else 0)
        return np.flatnonzero(self.subtracted)

    def at(self, rows: slice | Coordinates) -> Slopes:
        """Return those of some coordinates, with the bound of each."""
        central = self.central[rows]
        interval = None if self.interval is None else (self.lower[rows], self.upper[rows])
        return Slopes(
            central=central,
            known_to=Bound(0.0, self.known_to.at(rows, _largest(central, interval))),
            interval=interval,
            truncation=None if self.truncation is None else self.truncation[rows],
            subtracted=self.subtracted if isinstance(self.subtracted, bool) else self.subtracted[rows],
        )

    @classmethod
    def joined(cls, several: Sequence[Slopes], order: Coordinates) -> Slopes:
        """Return the slopes of different coordinates as one: row k is row ``order[k]`` of all of them."""

        def column(arrays: Iterable[Any]) -> Any:
            return np.concatenate(list(arrays))[order]

        any_interval = any(slopes.interval is not None for slopes in several)
        any_truncation = any(slopes.truncation is not None for slopes in several)
        truncations = (
            np.zeros(slopes.size) if slopes.truncation is None else slopes.truncation for slopes in several
        )
        ends = column(slopes.lower for slopes in several), column(slopes.upper for slopes in several)
        return cls(
            central=column(slopes.central for slopes in several),
            known_to=Bound(0.0, column(slopes.bound for slopes in several)),
            interval=ends if any_interval else None,
            truncation=column(truncations) if any_truncation else None,
            subtracted=column(np.broadcast_to(slopes.subtracted, slopes.size) for slopes in several),
        )

    def with_bound(self, bound: Bound) -> Slopes:
        """Return the same slopes, known to another bound."""
        return Slopes(
            central=self.central,
            known_to=bound,
            interval=self.interval,
            truncation=self.truncation,
            subtracted=self.subtracted,
        )

    def outside(self, claimed: Vector) -> Vector:
        """Return how far claims (k,) lie outside of the interval, negative inside of it."""
        if self.interval is None:
            return np.asarray(np.abs(claimed - self.central))
        return np.asarray(np.maximum(self.lower - claimed, claimed - self.upper))

    def nearest(self, claimed: Vector) -> Vector:
        """Return the slopes to show beside claims (k,): at a kink the nearest that counts as right."""
        return self.central if self.interval is None else np.clip(claimed, *self.interval)


def _largest(central: Vector, interval: tuple[Vector, Vector] | None) -> Vector:
    """Return the slopes, or the sizes of the ends of their intervals that are farther from zero, (k,)."""
    if interval is None:
        return central
    return np.asarray(np.maximum(np.abs(interval[0]), np.abs(interval[1])))
