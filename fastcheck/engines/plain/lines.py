"""Straight lines through the parameters: J along them, and the largest jump that it makes there.

Rounding need not show in costs that are close together. Where 1 − σ(z) is 1e-10, it is computed from a number near 1
and stands still until z has changed by 1e-6; then it jumps, by 1e-6 of its size. A step of plain evaluation sees that
or misses it, and lines that are long enough show it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.norms import root_mean_square
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

POINTS = 9
"""Evaluations along a line: enough for differences of order 3 to 6 with at least three entries each."""

REMARKABLE = 8.0
"""Differences above this many times the noise are not noise of that size."""

SMOOTH_SHARE = 3.0
"""Where differences of high order show no σ above this many times the noise, J is a polynomial but for the noise."""

CORNERS = 4
"""Points in a row that show a jump, the second and third on its two sides."""

MOVED = 2**17
"""Parameters that a line moves at most: more of them take longer than many a forward pass, and round no differently."""

DOUBLE = np.dtype(np.float64)

VARIANTS = ((0, 1.0), (1, 1.0), (-1, 1.0), *((side, 4.0**-k) for k in range(1, 10) for side in (0, 1, -1)))
"""Lines that are tried until one stays where J is defined: in both directions of each parameter, in the positive or in
the negative one alone, and of fewer and fewer parameters; most borders are those of x >= 0."""


def equidistant(spacing: float) -> Vector:
    """Return the places t = 0, spacing, 2·spacing, … of the points along a line, (9,)."""
    return np.asarray(spacing * np.arange(POINTS), dtype=np.float64)


def rounded_to(dtype: np.dtype[Any], values: Vector) -> Vector:
    """Return the nearest numbers of this dtype, as float64, same shape."""
    if dtype == DOUBLE:
        return values
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(dtype).astype(np.float64)


class Line:
    """The points θ + t·d for one of a row of fixed random directions d, normal with deviation max(1, |θ|).

    Of very many parameters only `MOVED` are moved. Given a narrower dtype and the distance of the points, d is
    multiplied by that and changed so that for t = 0, 1, … 8 all points consist of numbers of this dtype; θ is rounded
    to it. ``variant`` is the number of one of `VARIANTS`.
    """

    def __init__(
        self, problem: Problem, number: int, held: tuple[np.dtype[Any], float] | None = None, variant: int = 0
    ) -> None:
        self.problem = problem
        rng = np.random.default_rng(number)
        self._moved = _moved(problem.theta.size, rng)
        self._point = problem.theta.copy() if held is None else rounded_to(held[0], problem.theta)
        self._start = self._point[self._moved].copy()
        self._direction = rng.standard_normal(self._start.size)
        self._direction *= np.maximum(1.0, np.abs(problem.theta[self._moved]))
        side, share = VARIANTS[variant]
        if side:
            self._direction = side * np.abs(self._direction)
        if share < 1:
            at_least_this = rng.integers(self._start.size)
            still = rng.random(self._start.size) > share
            still[at_least_this] = False
            self._direction[still] = 0.0
        if held is not None:
            self._hold(*held)

    @property
    def grain(self) -> float:
        """The distance t that rounding of the points makes."""
        length = root_mean_square(self._direction)
        return root_mean_square(np.spacing(np.abs(self._start))) / length if length else 0.0

    def _hold(self, dtype: np.dtype[Any], spacing: float) -> None:
        """Make d multiples of the last place of θ, as long as the points are numbers of the dtype."""
        place = 2 * np.spacing(np.maximum(1, np.abs(self._start)).astype(dtype)).astype(np.float64)
        self._direction = np.rint(spacing * self._direction / place) * place
        for t in range(1, POINTS):
            ends = self._start + t * self._direction
            self._direction[rounded_to(dtype, ends) != ends] = 0.0

    def costs(self, places: Vector) -> Vector:
        """Return J at these t, both (k,), NaN from the first on where it is not defined; k forward passes at most."""
        costs = np.full(places.size, np.nan)
        self.problem.evaluator.expect(places.size, lambda: (self._at(float(t)).copy() for t in places))
        for k, t in enumerate(places):
            costs[k] = self.cost(float(t))
            if np.isnan(costs[k]):
                break
        return costs

    def cost(self, t: float, dtype: np.dtype[Any] = DOUBLE) -> float:
        """Return J at this t, with all parameters rounded to a dtype; NaN where it is not defined."""
        return self.problem.evaluator.cost_or_nan(rounded_to(dtype, self._at(t)))

    def _at(self, t: float) -> Vector:
        """Return the point at this t, in memory that the next one takes."""
        self._point[self._moved] = self._start + t * self._direction
        return self._point


def defined_line(problem: Problem, number: int, places: Vector) -> tuple[Line, Vector]:
    """Return the first line of this number along which J is defined at these t, and the costs (k,) there.

    They are NaN if there is none. The variant that stays inside for one line is the first that is tried for another.
    """
    first, size = int(problem.measured.get(VARIANTS, 0)), problem.theta.size
    for variant in range(first, len(VARIANTS)):
        line = Line(problem, number, variant=variant)
        costs = line.costs(places)
        if np.isfinite(costs).all():
            problem.measured[VARIANTS] = variant
            break
        fewer_than_one_parameter = VARIANTS[variant][1] * size < 1 / 4
        if fewer_than_one_parameter:
            break
    return line, costs


def _moved(size: int, rng: np.random.Generator) -> slice | NDArray[np.intp]:
    """Return the parameters that a line moves: all, or of very many one in each of as many equal ranges."""
    if size <= MOVED:
        return slice(None)
    ends = np.linspace(0, size, MOVED + 1).astype(np.intp)
    return np.asarray(rng.integers(ends[:-1], ends[1:]))


def largest_jump(
    line: Line, spacing: float, finest: float, noise: float, costs: Vector | None = None
) -> float:
    """Return the largest jump that J seems to make along a line; 0 if none is found.

    J is evaluated at points ``spacing`` apart, and between those where it is least smooth at half the distance, and so
    on down to ``finest``. At a jump two second differences in a row have opposite signs, and the
    smaller one is its height however close the points are; those of kinks and curvature shrink, until ``noise``, the
    deviation σ of J as far as known, is all that is left. Costs 9 forward passes where J is smooth, and 3 for each time
    of halving where it is not; the first 9 only unless their ``costs`` are known.
    """
    places, stood_still = equidistant(spacing), noise == 0
    costs = line.costs(places) if costs is None else costs
    while True:
        if np.isnan(costs).any():
            return 0.0  # J is not defined there
        bends = np.diff(costs, 2)
        opposite = np.sign(bends[:-1]) * np.sign(bends[1:]) < 0
        heights = np.where(opposite, np.minimum(np.abs(bends[:-1]), np.abs(bends[1:])), 0.0)
        noise = max(noise, float(np.spacing(np.abs(costs).max())))
        if stood_still:  # at θ, and not behind a kink: there the rounding of the points shows
            noise = max(noise, float(np.abs(np.diff(costs)).max()) / spacing * line.grain)
        jumps = heights > REMARKABLE * noise
        if _remainder(costs) <= SMOOTH_SHARE * noise:
            return 0.0  # signs change where a smooth J has an inflection
        if spacing <= finest:
            return float(heights[jumps].max(initial=0.0))
        first = int(np.argmax(heights if jumps.any() else np.abs(np.diff(bends))))
        corners = slice(first, first + CORNERS)
        places, costs = _halved(line, places[corners], costs[corners])
        spacing /= 2


def _remainder(costs: Vector) -> float:
    """Return the σ of what no polynomial of low degree explains, by differences of the three highest orders."""
    table, levels = np.diff(costs, costs.size - 4), []
    for order in range(costs.size - 3, costs.size):
        table = np.diff(table)
        levels.append(root_mean_square(table) / math.sqrt(math.comb(2 * order, order)))
    return max(levels)


def _halved(line: Line, places: Vector, costs: Vector) -> tuple[Vector, Vector]:
    """Return equidistant places and the costs there with the points in the middle between them added."""
    between = (places[:-1] + places[1:]) / 2
    finer, known = np.empty(2 * places.size - 1), np.empty(2 * places.size - 1)
    finer[::2], finer[1::2] = places, between
    known[::2], known[1::2] = costs, line.costs(between)
    return finer, known
