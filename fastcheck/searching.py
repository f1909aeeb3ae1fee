"""The search for wrong rows, columns and coordinates in blocks that screening found suspicious.

Groups of rows are measured along random directions, then groups of coordinates inside the wrong rows; every coordinate
that this leads to is measured by itself and judged by the rule of every check. A mistake in most rows is looked at by
columns, and one in most of these, too, is described from a sample.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound, Estimate
from fastcheck.engines.directions import MAX_MEMORY, Directions
from fastcheck.group_testing import MOST, Places, Residuals, find_wrong
from fastcheck.norms import root_mean_square
from fastcheck.parameters import Block, Vector
from fastcheck.parts import Parts, Slopes, View
from fastcheck.plan import Part
from fastcheck.problem import Problem
from fastcheck.rule import Rows
from fastcheck.spot_checks import checked

SAMPLE = {"difference": 64, "plain": 16}
"""Coordinates drawn from a block, or from a row or column that is wrong in most places, by the way of measuring."""

FEW = {"difference": 256, "plain": 16}
"""Blocks of up to this many coordinates are looked at one by one."""

PILOT = 64
"""Rows measured first, each by itself: they tell what all would cost, and whether most are wrong."""

CHEAP = 3
"""Passes for a sample of coordinates up to which no other axis is tried."""

ROWS_PAY = 16.0
"""Rows are measured each by itself if that costs less than this many times log₂ of their number, in passes."""

COLUMNS = 16
"""Columns that are looked for in a block where most rows are wrong."""

SPARSE = 0.1
"""Part of a sample that must be off for a mistake in most rows and columns to be one of the whole block."""

EXAMPLES = 4
"""Rows looked into where wrong coordinates are scattered over more rows than are worth looking into."""

ROUNDS = 4
"""Times that a block is searched: each with the errors found so far taken out, until the rest is right."""

TURNS = 1000
"""Distance of the weights of one round from those of the next."""


@dataclass(frozen=True, slots=True, eq=False)
class Suspect:
    """A block in which something is wrong, and what screening knows of it besides.

    ``support`` (block.size,) is None where its directions meet no kinks; otherwise it flags the coordinates to which
    they may be restricted, so that they may meet none. ``measured`` are coordinates that were measured one by one.
    """

    block: Block
    support: NDArray[np.bool_] | None = None
    measured: Estimate | None = None


@dataclass(slots=True, eq=False)
class Traces:
    """What was found in one block: coordinates measured one by one, and where most coordinates are wrong.

    Places are those of the ``view`` of the block as a matrix: ``places`` (k,) were measured, ``drawn`` are those of
    them drawn at random from the whole block. ``rows`` and ``columns`` are wrong in most places, ``dense`` is the
    whole block; ``scattered`` counts the rows known to hold wrong coordinates where they were too many to look into.
    ``finished``: what is left is right along a random direction. ``kinked``: directions in the block meet kinks, which
    may hide what is smaller; or they do not because they are zero in ``skipped`` coordinates at kinks.
    ``extra_passes`` are the forward passes that the way of measuring slopes did not count.
    """

    block: Block
    view: View
    drawn: Places
    places: Places = field(default_factory=lambda: np.empty(0, np.intp))
    central: Vector = field(default_factory=lambda: np.empty(0))
    lower: Vector = field(default_factory=lambda: np.empty(0))
    upper: Vector = field(default_factory=lambda: np.empty(0))
    bound: Vector = field(default_factory=lambda: np.empty(0))
    rows: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    dense: bool = False
    scattered: int = 0
    finished: bool = False
    kinked: bool = False
    skipped: int = 0
    extra_passes: int = 0

    def in_block_order(self) -> NDArray[np.intp]:
        """Return the order that sorts ``places`` as they come in the block."""
        return np.argsort(self.view.in_block(self.places))

    def estimate(self, method: str) -> Estimate:
        """Return the slopes as the estimate of an engine, in the order of the block."""
        order = self.in_block_order()
        central, kinked = self.central[order], bool((self.lower < self.upper).any())
        return Estimate(
            part=Part(block=self.block, places=self.view.in_block(self.places)[order]),
            numerical=central,
            lower=self.lower[order] if kinked else central,
            upper=self.upper[order] if kinked else central,
            bound=Bound(0.0, self.bound[order]),
            noise=0.0,
            plain=np.arange(order.size if method == "plain" else 0),
        )


def search(
    problem: Problem,
    directions: Directions,
    suspects: Sequence[Suspect],
    *,
    tolerance: float,
    seed: int = 0,
    max_memory: int = MAX_MEMORY,
) -> list[Traces]:
    """Search suspicious blocks.

    Parameters
    ----------
    problem
        The question, with a claimed gradient.
    directions
        A way of measuring slopes, as screening has it open.
    suspects
        Blocks of the problem in which something is wrong.
    tolerance
        Relative error of a coordinate that still counts as right.
    seed
        Seed of the weights of directions and of samples.
    max_memory
        Bytes that may be used.

    Returns
    -------
    list[Traces]
        What was found in each block, with slopes to be judged as those of any check. Costs about 2 log₂ n dense
        directions for a wrong coordinate among n, or a few runs with many rows each where these are cheaper.
    """
    found = []
    for suspect in suspects:
        block = suspect.block
        claimed = problem.claims[problem.layout.number(block)]
        parts = Parts(claimed, block, directions, tolerance=tolerance, seed=seed, max_memory=max_memory)
        found.append(_BlockSearch(problem, parts, tolerance, seed).run(suspect))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """Wrong rows or columns: all, or if ``dense`` (most are wrong) or ``many`` only some, or ``groups`` of them."""

    wrong: Places
    dense: bool = False
    many: bool = False
    groups: tuple[Places, ...] = ()

    @property
    def few(self) -> bool:
        return not (self.dense or self.many)


class _BlockSearch:
    """The search of one block."""

    def __init__(self, problem: Problem, residuals: Parts, tolerance: float, seed: int) -> None:
        self.problem, self.residuals, self.tolerance, self.seed = problem, residuals, tolerance, seed
        self.block, self.directions = residuals.block, residuals.directions
        self.rng = np.random.default_rng([seed, self.block.start, 1])
        view = residuals.view
        self.traces = Traces(block=self.block, view=view, drawn=self.some(np.arange(self.block.size)))

    def run(self, suspect: Suspect) -> Traces:
        traces = self.traces
        if suspect.measured is not None:
            self.take_over(suspect.measured)
        if self.block.size - traces.places.size <= FEW[self.directions.method]:
            traces.drawn = np.arange(self.block.size)
            self.measure(traces.drawn)
            traces.finished = True
            return traces
        before = self.directions.forward_passes
        self.measure(traces.drawn)
        self.residuals.typical = root_mean_square(traces.central)
        self.choose_axis(self.directions.forward_passes - before)
        if suspect.support is not None:
            self.avoid_kinks(suspect.support)
        if traces.kinked and self.share_of_sample() >= SPARSE:
            traces.dense = True
            return traces
        for base in range(0, ROUNDS * TURNS, TURNS):
            if base and self.rest_is_right(base):
                break
            self.round(base)
            if traces.dense or traces.scattered:
                break
        return traces

    def take_over(self, measured: Estimate) -> None:
        """Take over coordinates that were measured before.

        Those that are off by plain evaluation may just stand beside kinks: only the worst are measured again.
        """
        places = self.traces.view.in_matrix(measured.part.at(slice(0, measured.part.size)))
        slopes, plain = _slopes(measured)
        beyond = np.abs(slopes.outside(self.claims_at(places))) - slopes.bound
        known = ~plain | (beyond <= 0)
        self.add(places[known], slopes.at(known))
        worst = np.argsort(-beyond, kind="stable")[: SAMPLE["plain"]]
        self.measure(np.sort(places[worst[~known[worst]]]))

    def avoid_kinks(self, support: NDArray[np.bool_]) -> None:
        """Restrict directions to a part of the block, if they meet no kinks then."""
        traces = self.traces
        if support.any() and not support.all():
            self.residuals.restrict(support)
            *_, traces.kinked = self.residuals.whole(0)
            if not traces.kinked:
                zeros = np.flatnonzero(~support)
                if zeros.size <= FEW[self.directions.method]:
                    self.measure(traces.view.in_matrix(zeros))
                else:
                    traces.skipped = zeros.size
                return
            self.residuals.restrict(None)
        traces.kinked = True

    def pays(self, passes: int, lines: int) -> bool:
        """Tell whether measuring each row by itself pays, if so many ``lines`` take so many passes."""
        count = self.residuals.rows
        return count <= PILOT or passes * count <= ROWS_PAY * np.log2(count) * lines

    def choose_axis(self, passes: int) -> None:
        """See the last axis as the rows if they are cheaper then: along the axis of units all of a row is one unit's.

        ``passes`` is what the sample took, each coordinate of which is in a row of its own.
        """
        axes = len(self.block.shape)
        if self.directions.method != "difference" or axes < 2 or passes <= CHEAP:
            return
        first, before = self.traces.view, self.directions.forward_passes
        self.see(View(self.block.shape, axes - 1))
        self.each_row(self.spread_rows(), 0)
        if self.directions.forward_passes - before >= passes:
            self.see(first)

    def see(self, view: View) -> None:
        """See the block this way from now on."""
        traces, known = self.traces, self.residuals.known
        before, traces.view = traces.view, view
        traces.drawn, traces.places, places = (
            view.in_matrix(before.in_block(p))
            for p in (traces.drawn, traces.places, np.array(list(known), dtype=np.intp))
        )
        self.residuals.see(view)
        self.residuals.take_out(places, np.array(list(known.values())))

    def spread_rows(self) -> Places:
        """Return a few rows, spread evenly."""
        return np.unique(np.linspace(0, self.residuals.rows - 1, PILOT).astype(np.intp))

    def rest_is_right(self, turn: int) -> bool:
        residual, bound, kinked = self.residuals.whole(turn)
        right = abs(residual) <= bound
        self.traces.finished = right and not (kinked or self.traces.skipped)
        return right

    def round(self, base: int) -> None:
        """Find rows, and what is wrong in them; where that is most of them, columns."""
        rows = self.rows(base)
        if rows.few:
            self.look_into(rows.wrong, base)
            return
        columns = self.columns(base)
        if columns.few and columns.wrong.size:
            self.describe_columns(columns.wrong)
        elif rows.dense and self.share_of_sample() >= SPARSE:
            self.traces.dense = True
        else:
            self.traces.scattered = rows.wrong.size + len(rows.groups)
            self.look_into(self.examples(rows, base), base)

    def share_of_sample(self) -> float:
        """Return the part of the sample that is off."""
        return float(np.isin(self.traces.drawn, list(self.residuals.known)).mean())

    def examples(self, rows: _Lines, base: int) -> Places:
        """Return a few wrong rows."""
        if rows.wrong.size:
            return rows.wrong[:EXAMPLES]
        measure = functools.partial(_turned, self.residuals.of_rows, base)
        found = find_wrong(rows.groups[:1], measure, seed=self.seed)
        return np.concatenate([one.wrong for one in found])[:EXAMPLES]

    def rows(self, base: int) -> _Lines:
        count = self.residuals.rows
        every = np.arange(count)
        if count == 1:
            return _Lines(every)
        if self.directions.method == "difference":
            pilot = self.spread_rows()
            before = self.directions.forward_passes
            first = self.each_row(pilot, base)
            if 2 * first.size > pilot.size >= PILOT:
                return _Lines(first, dense=True)
            if self.pays(self.directions.forward_passes - before, pilot.size):
                wrong = np.union1d(first, self.each_row(np.setdiff1d(every, pilot), base))
                return _Lines(wrong, dense=2 * wrong.size > count, many=wrong.size > MOST)
        return self.by_groups(every, self.residuals.of_rows, MOST, base)

    def each_row(self, rows: Places, base: int) -> Places:
        """Return the wrong ones of these rows, each measured by itself."""
        if not rows.size:
            return rows
        residuals, bounds = self.residuals.of_each_row(rows, base)
        return rows[np.abs(residuals) > bounds]

    def columns(self, base: int) -> _Lines:
        if self.residuals.columns == 1:
            return _Lines(np.empty(0, np.intp))
        every = np.arange(self.residuals.columns)
        return self.by_groups(every, self.residuals.of_columns, COLUMNS, base)

    def by_groups(self, lines: Places, measure: Residuals, most: int, base: int) -> _Lines:
        (found,) = find_wrong([lines], functools.partial(_turned, measure, base), seed=self.seed, most=most)
        return _Lines(
            found.wrong,
            dense=found.dense or 2 * found.wrong.size > lines.size,
            many=bool(found.groups),
            groups=found.groups,
        )

    def look_into(self, rows: Places, base: int) -> None:
        """Find the wrong coordinates of these rows."""
        width = self.residuals.columns
        if width == 1:
            self.measure(rows)
            return
        sets = [self.residuals.places_in_row(int(row)) for row in rows]
        found = find_wrong(sets, functools.partial(_turned, self.residuals.inside_rows, base), seed=self.seed)
        chosen = []
        for row, inside in zip(rows.tolist(), found, strict=True):
            if inside.groups:
                self.traces.rows.append(row)
                self.residuals.left_out[0][row] = True
            every = np.arange(row * width, (row + 1) * width)
            chosen.append(self.some(every) if inside.groups else inside.wrong)
        self.measure(np.concatenate([np.empty(0, np.intp), *chosen]))

    def describe_columns(self, columns: Places) -> None:
        height, width = self.residuals.rows, self.residuals.columns
        self.traces.columns += columns.tolist()
        self.residuals.left_out[1][columns] = True
        self.measure(np.concatenate([self.some(np.arange(height) * width + column) for column in columns]))

    def some(self, places: Places) -> Places:
        """Return a sample of the places."""
        count = min(SAMPLE[self.directions.method], places.size)
        return np.sort(self.rng.choice(places, size=count, replace=False))

    def measure(self, places: Places) -> None:
        """Measure coordinates one by one."""
        new = np.setdiff1d(places, self.traces.places)
        if not new.size:
            return
        slopes = self.residuals.one_by_one(new)
        beyond = np.abs(slopes.outside(self.claims_at(new))) > slopes.bound
        doubtful = np.flatnonzero(beyond & (slopes.lower < slopes.upper))
        if doubtful.size:  # a coordinate that meets several kinks may have slopes beyond its one-sided ones
            slopes.put(doubtful, self.between_kinks(new[doubtful]))
        self.add(new, slopes)

    def between_kinks(self, places: Places) -> Slopes:
        """Measure coordinates at kinks as every check does: all slopes that a backward pass may find there count."""
        inside = self.traces.view.in_block(places)
        order = np.argsort(inside)
        part = Part(block=self.block, places=inside[order])
        method, tolerance, seed = self.directions.method, self.tolerance, self.seed
        _, estimate, passes = checked(
            self.problem, part, method, tolerance=tolerance, epsilon=None, seed=seed
        )
        self.traces.extra_passes += passes
        slopes, _ = _slopes(estimate)
        return slopes.at(np.argsort(order))

    def claims_at(self, places: Places) -> Vector:
        return np.asarray(self.residuals.claims[np.divmod(places, self.residuals.columns)])

    def add(self, new: Places, slopes: Slopes) -> None:
        """Add coordinates that were measured, and take those that are off out of the residuals."""
        traces = self.traces
        error = slopes.outside(self.claims_at(new))
        off = np.abs(error) > slopes.bound
        self.residuals.take_out(new[off], error[off])
        order = np.argsort(np.concatenate([traces.places, new]), kind="stable")
        traces.places = np.concatenate([traces.places, new])[order]
        for name in ("central", "lower", "upper", "bound"):
            setattr(traces, name, np.concatenate([getattr(traces, name), getattr(slopes, name)])[order])


def _slopes(estimate: Estimate) -> tuple[Slopes, NDArray[np.bool_]]:
    """Return the slopes of an estimate, and where they were evaluated plainly."""
    rows = Rows.of(estimate, slice(0, estimate.part.size))
    slopes = Slopes(central=rows.numerical, lower=rows.lower, upper=rows.upper, bound=rows.bound)
    return slopes, np.broadcast_to(rows.plain, rows.bound.shape)


def _turned(
    measure: Residuals, base: int, groups: Sequence[NDArray[np.intp]], turn: int
) -> tuple[Vector, Vector]:
    return measure(groups, base + turn)
