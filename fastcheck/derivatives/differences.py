"""Differences of a function of several outputs that is evaluated plainly: products with its Jacobian.

Each product stands by itself, so that workers may share them; they are the same whoever computes them.
"""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastcheck.derivatives.matrices import Matrix, Places, units
from fastcheck.derivatives.questions import Question
from fastcheck.derivatives.truths import Known, Mask
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.engines.plain.batches import SECONDS_OF_TASK, TASKS
from fastcheck.errors import LostEvaluationError
from fastcheck.execution import Execution
from fastcheck.problem.outputs import threads_may_call
from fastcheck.problem.parameters import Vector

ORDER_OF_LEVELS = (0, 1, 2, -1, -2, 3, 4, 5, 6, 7, 8, 9)
"""Steps of differences, each a quarter of that before: larger ones where noise hides, then smaller ones for kinks."""

FIRST_LEVELS = 3
"""Steps that are made in any case; the others where these do not suffice."""

FIRST_STEP = 2.0**-7
"""The first step, as a share of the size of what moves: (2⁻⁷)⁶ is 2e-13."""

SHRINK = 4.0
"""Each step over the next."""

SAFETY = 8.0
"""An extrapolated difference is off by as many times what its neighbours in the table tell."""

NOISE_SPACINGS = (2.0**-30, 1.37 * 2.0**-30, 1.79 * 2.0**-30)
"""Distances of the points that tell the rounding noise, as shares of the size of what moves, on a line each: where the
steps on one are nearly whole multiples of the last place, no noise shows."""

COARSE_SPACINGS = (2.0**-13, 1.37 * 2.0**-12, 1.79 * 2.0**-11)
"""The same of outputs that stand still on so short lines, as those in float32 do."""

LONG_SPACING = 2.0**-6
"""The same of outputs that stand still there, too: what they move by at least is what they are rounded to."""

VARIANCES = {3: 20.0, 4: 70.0, 5: 252.0}
"""Of differences of each order, over that of the noise: the binomial coefficients of 2k over k."""

GOOD_ENOUGH = 1e-9
"""Relative error of a difference that no further step is made for."""


class Differences:
    """Central differences along a direction, extrapolated to a step of zero.

    ``function`` maps the vector θ, (n,), to the vector of outputs, (m,); their ``value`` is that at θ. A product takes
    six evaluations, and up to twenty-four where these do not tell it to ten digits; the rounding noise of every output
    is measured once, by 27 ``passes`` or more, which tell the ``seconds`` of one as well. Source of the extrapolation:
    C. J. F. Ridders, Advances in Engineering Software 4 (1982).
    """

    def __init__(self, function: Callable[[Vector], Vector], theta: Vector, value: Vector) -> None:
        self.function, self.theta, self.value = function, theta, value
        self.passes, self.seconds = 0, math.inf

    @functools.cached_property
    def noise(self) -> Vector:
        """The rounding noise of every output, (m,): half a unit in its last place, or more.

        Source: J. J. Moré and S. M. Wild, SIAM J. Sci. Comput. 33 (2011), as for costs.
        """
        seen = [self._noise_along(spacing, line) for line, spacing in enumerate(NOISE_SPACINGS)]
        level = np.asarray(np.max([noise for noise, _ in seen], axis=0))
        still = np.asarray(np.all([stands for _, stands in seen], axis=0))
        if still.any():
            coarse = [self._noise_along(spacing, line) for line, spacing in enumerate(COARSE_SPACINGS, 3)]
            level = np.where(still, np.max([level, *(noise for noise, _ in coarse)], axis=0), level)
            still &= np.all([stands for _, stands in coarse], axis=0)
        if still.any():
            moved = np.abs(np.diff(self._line(LONG_SPACING, 0), axis=0))
            least = np.min(np.where(moved > 0, moved, np.inf), axis=0)
            level = np.where(still & np.isfinite(least), np.fmax(level, least), level)
        return level

    def _noise_along(self, spacing: float, line: int) -> tuple[Vector, Mask]:
        """Return the noise that nine points on a line show, and which outputs mostly stand still there."""
        rows = self._line(spacing, line)
        level = np.abs(self.value) * float(np.finfo(float).eps) / 2
        for order, variance in VARIANCES.items():
            squares = np.diff(rows, n=order, axis=0) ** 2
            level = np.fmax(level, np.sqrt(np.mean(squares, axis=0) / variance))
        stands_still = np.mean(np.diff(rows, axis=0) == 0, axis=0) > 0.5  # half of a line is that at a kink
        return np.asarray(level), stands_still

    def _line(self, spacing: float, line: int) -> Matrix:
        """Return the outputs at nine points on a line around θ, (9, m)."""
        direction = np.random.default_rng([2, line]).uniform(0.5, 1.0, self.theta.size)
        step, start = spacing * self._sizes() * direction, time.perf_counter()
        rows = np.array([self._at(self.theta + k * step) for k in range(-4, 5)])
        self.seconds = min(self.seconds, (time.perf_counter() - start) / len(rows))
        self.passes += len(rows)
        return rows

    def _sizes(self) -> Vector:
        typical = float(np.sqrt(np.mean(self.theta**2))) if self.theta.size else 0.0
        return np.where(self.theta == 0, typical or 1.0, np.maximum(np.abs(self.theta), 1e-3 * typical))

    def _at(self, theta: Vector) -> Vector:
        try:
            with np.errstate(all="ignore"):
                return self.function(theta)
        except (ArithmeticError, ValueError, TracingError):
            return np.full(self.value.shape, np.nan)

    def along(self, direction: Vector) -> tuple[Known, int]:
        """Return J v, each array (m,), and how many evaluations that took."""
        moving = direction != 0
        if not moving.any():
            nothing = np.zeros(self.value.size)
            return Known(nothing, nothing, nothing.astype(bool), nothing), 0
        length = float(np.min(self._sizes()[moving] / np.abs(direction[moving])))
        if moving.sum() > 1:
            length = float(np.median(self._sizes()[moving]) / np.sqrt(np.mean(direction[moving] ** 2)))
        usual = np.abs(self.value) / length
        looked_at: dict[int, tuple[Vector, Vector]] = {}
        for level in ORDER_OF_LEVELS:
            step = FIRST_STEP * SHRINK**-level * length
            looked_at[level] = (
                self._at(self.theta + step * direction),
                self._at(self.theta - step * direction),
            )
            if len(looked_at) < FIRST_LEVELS:
                continue
            best, error = self._extrapolated(looked_at, length)
            if (error <= GOOD_ENOUGH * Known(best, error, usual=usual).sizes(1e-3 * _typical(best))).all():
                break
        kinked, jumps, bend, rounding = self._kinked(looked_at, length)
        error = np.where(kinked, bend / 2 + 2 * rounding, error)
        error = np.where(jumps, np.inf, error)
        return Known(np.where(np.isnan(best), 0.0, best), error, kinked, usual), 2 * len(looked_at)

    def _extrapolated(
        self, looked_at: dict[int, tuple[Vector, Vector]], length: float
    ) -> tuple[Vector, Vector]:
        """Return the best differences in the table of extrapolations, entry by entry, and how far each may be off.

        Only steps count from which on differences settle, as they do where a step is small beside what the function
        does: those of tanh over steps that reach from −1 to 1 fall with the step, and what they seem to settle at is
        nothing.
        """
        steps = [FIRST_STEP * SHRINK**-level * length for level in sorted(looked_at)]
        ends = [looked_at[level] for level in sorted(looked_at)]
        noise, still = self._quantum(ends)
        plain = [
            np.where(stands, np.nan, (above - below) / (2 * step))
            for (above, below), step, stands in zip(ends, steps, still, strict=True)
        ]
        rounding = [4 * noise / step for step in steps]
        first = _settled_from(plain, rounding)
        best, error = np.full(self.value.size, np.nan), np.full(self.value.size, np.inf)
        before: list[Vector] = []
        for number, difference in enumerate(plain):
            row = [difference]
            for order in range(1, len(before) + 1):
                factor = SHRINK ** (2 * order)
                row.append((factor * row[-1] - before[order - 1]) / (factor - 1))
                apart = np.maximum(np.abs(row[-1] - row[-2]), np.abs(row[-1] - before[order - 1]))
                found = SAFETY * apart + 2 * rounding[number]
                better = (found < error) & (number - order >= first)
                best, error = np.where(better, row[-1], best), np.where(better, found, error)
            before = row
        return best, error

    def _quantum(self, ends: Sequence[tuple[Vector, Vector]]) -> tuple[Vector, Sequence[Mask]]:
        """Return the noise, and at which steps an output stands still that moves at larger ones.

        It is rounded to a multiple of something then, of no more than the least that it moves by.
        """
        moved = np.array([np.abs(end - self.value) for pair in ends for end in pair])
        moves = (moved > 0).reshape(len(ends), 2, -1).any(axis=1)
        still = ~moves & moves.any(axis=0)
        least = np.min(np.where(moved > 0, moved, np.inf), axis=0)
        return np.where(still.any(axis=0), np.fmax(self.noise, least), self.noise), [*np.asarray(still)]

    def _kinked(
        self, looked_at: dict[int, tuple[Vector, Vector]], length: float
    ) -> tuple[Mask, Mask, Vector, Vector]:
        """Tell where the slopes of both sides do not come together, and where the function itself jumps.

        (f(θ+h) − 2 f(θ) + f(θ−h)) / h shrinks with h where f is smooth, to a quarter from step to step, stays as it is
        at a kink, and grows at a jump: over the three finest steps. Its last value is returned, too, and the rounding
        of that.
        """
        finest = sorted(looked_at)[-FIRST_LEVELS:]
        steps = [FIRST_STEP * SHRINK**-level * length for level in finest]
        ends = [looked_at[level] for level in finest]
        bends = [
            np.abs(above - 2 * self.value + below) / step
            for (above, below), step in zip(ends, steps, strict=True)
        ]
        rounding = 4 * self.noise / steps[-1]
        shows = bends[-1] > 16 * rounding
        stays, grows = shows.copy(), shows.copy()
        for before, after in pairwise(bends):
            stays &= (after > before / 2) & (after < 2 * before)
            grows &= after >= 2 * before
        return stays, grows, bends[-1], rounding


class Directions(NamedTuple):
    """Some directions, (k, n), and the rows that they are of what was asked for."""

    rows: NDArray[np.intp]
    directions: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class AlongDirections:
    """The work of differences along directions, as workers do it."""

    differences: Differences
    threads: bool

    redone_whole = False

    def __call__(self, asked: Directions) -> list[tuple[Known, int]]:
        """Return J v of each direction, and how many evaluations it took."""
        return [self.differences.along(direction) for direction in asked.directions]

    def pieces(self, asked: Directions) -> Sequence[Directions]:
        """Return the directions one by one."""
        return [
            Directions(asked.rows[k : k + 1], asked.directions[k : k + 1]) for k in range(asked.rows.size)
        ]


class DifferencesTruth:
    """Products by `Differences`, in as many processes or threads as joblib is configured for.

    ``threads`` tells that several threads of a process may call the function at once. A ``symmetric`` Jacobian is its
    own transpose. ``lost`` says of how many products nothing came back, and why.
    """

    method, exact = "plain", False

    def __init__(
        self,
        function: Callable[[Vector], Vector],
        theta: Vector,
        value: Vector,
        execution: Execution | None = None,
        *,
        symmetric: bool = False,
        threads: bool = True,
    ) -> None:
        self.differences, self.symmetric = Differences(function, theta, value), symmetric
        self.execution = execution or Execution(n_jobs=1, progress=False)
        if not threads:
            self.execution = self.execution.without_threads()
        self.work = AlongDirections(self.differences, threads)
        self.products = 0
        self.lost: list[str] = []

    @classmethod
    def of(cls, question: Question, execution: Execution) -> Self:
        """Return the truth of a question's function."""
        return cls(
            question.vector_function,
            question.theta,
            question.value,
            execution,
            threads=threads_may_call(question.function),
        )

    @property
    def noise(self) -> Vector:
        """The rounding noise of every output, (m,)."""
        return self.differences.noise

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be told of workers, and of products of which nothing came back."""
        notes = tuple(self.execution.notes)
        if self.lost:
            notes += (f"{len(self.lost)} columns or products are not known: {self.lost[0]}.",)
        return notes

    @property
    def forward_passes(self) -> int:
        """How often the function was evaluated."""
        return self.differences.passes + self.products

    def along(self, directions: Matrix) -> Known:
        """Return J v for each row; nothing is known of those that were lost."""
        self.differences.noise  # noqa: B018 — it goes to the workers, and tells what an evaluation takes
        found: list[Known | None] = [None] * len(directions)
        seconds = 2 * FIRST_LEVELS * self.differences.seconds
        size = max(1, min(-(-len(directions) // TASKS), int(SECONDS_OF_TASK / max(seconds, 1e-9))))
        rows = np.arange(len(directions))
        came = self.execution.each(
            self.work,
            [
                Directions(rows[k : k + size], directions[k : k + size])
                for k in range(0, len(directions), size)
            ],
            seconds=len(directions) * seconds,
            suits="processes",
            describe=lambda asked: f"products {asked.rows[0] + 1} to {asked.rows[-1] + 1}",
        )
        with contextlib.closing(came):
            for asked, products in came:
                if isinstance(products, LostEvaluationError):
                    self.lost += [str(products)] * asked.rows.size
                    continue
                for row, (known, passes) in zip(asked.rows.tolist(), products, strict=True):
                    found[row] = known
                    self.products += passes
        unknown = self._unknown()
        return Known(*(np.array(parts) for parts in zip(*(known or unknown for known in found), strict=True)))

    def _unknown(self) -> Known:
        nothing = np.zeros(self.differences.value.size)
        return Known(nothing, np.full(nothing.size, np.inf), nothing.astype(bool), nothing)

    def back(self, cotangents: Matrix) -> Known | None:
        """Return Jᵀ u for each row of a symmetric one."""
        return self.along(cotangents) if self.symmetric else None

    def rows(self, places: Places) -> Known | None:
        """Return some rows of a symmetric one."""
        return self.columns(places) if self.symmetric else None

    def columns(self, places: Places) -> Known:
        """Return some columns."""
        return self.along(units(places, self.differences.theta.size))

    def rounding_of_rows(self, places: Places) -> Matrix | None:
        """Nothing is known of it but what bounds hold already."""
        return None


def _settled_from(differences: Sequence[Vector], rounding: Sequence[Vector]) -> NDArray[np.intp]:
    """Return the number of the first of some differences, with finer and finer steps, from which on they settle.

    Each then moves by at most half as much as the one before, or by no more than rounding does.
    """
    moved = [np.abs(after - before) for before, after in pairwise(differences)]
    first = np.zeros(differences[0].size, np.intp)
    for number in range(1, len(moved)):
        by_rounding = 4 * (rounding[number] + rounding[number + 1])
        settles = (moved[number] <= np.maximum(moved[number - 1] / 2, by_rounding)) | np.isnan(moved[number])
        first = np.where(settles, first, number)
    return first


def _typical(values: Vector) -> float:
    known = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(known**2))) if known.size else 0.0
