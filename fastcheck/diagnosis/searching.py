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

from fastcheck.diagnosis.group_testing import MOST_GROUPS, GroupResiduals, Places, find_wrong
from fastcheck.diagnosis.parts import Parts, rows_and_columns
from fastcheck.diagnosis.spot_checks import checked
from fastcheck.engines import Bound, Estimate, Slopes
from fastcheck.engines.plain.directions import Directions
from fastcheck.norms import root_mean_square
from fastcheck.plan.coordinates import Part
from fastcheck.problem.parameters import Block, Vector
from fastcheck.problem.posing import Problem

SEARCH_SAMPLE = 16
"""Coordinates drawn from a block, or from a row or column that is wrong in most places; and the size of blocks that are
looked at one by one."""

MOST_COLUMNS = 16
"""Columns that are looked for in a block where most rows are wrong."""

SPARSE = 0.1
"""Part of a sample that must be off for a mistake in most rows and columns to be one of the whole block."""

EXAMPLES = 4
"""Rows looked into where wrong coordinates are scattered over more rows than are worth looking into."""

SEARCH_ROUNDS = 4
"""Times that a block is searched: each with the errors found so far taken out, until the rest is right."""

TURNS_OF_ROUND = 1000
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
class SearchResult:
    """What a search tells of one block: the slopes of some coordinates, and where most coordinates are wrong.

    ``slopes`` (k,) are those of the coordinates at ``places``, of which ``drawn`` were drawn at random from the whole
    block. ``rows`` and ``columns`` are wrong in most places, ``dense`` is the whole block; ``scattered`` counts the
    rows known to hold wrong coordinates where they were too many to look into. ``finished``: what is left is right
    along a random direction. ``kinked``: directions in the block meet kinks, which may hide what is smaller; or they do
    not because they are zero in ``skipped`` coordinates at kinks. ``extra_passes`` are the forward passes that the
    directions did not count.
    """

    block: Block
    drawn: Places
    places: Places
    slopes: Slopes
    rows: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    dense: bool = False
    scattered: int = 0
    finished: bool = False
    kinked: bool = False
    skipped: int = 0
    extra_passes: int = 0

    @property
    def height(self) -> int:
        """The number of rows of the block."""
        return rows_and_columns(self.block)[0]

    @property
    def width(self) -> int:
        """The number of its columns."""
        return rows_and_columns(self.block)[1]

    def add(self, places: Places, slopes: Slopes) -> None:
        """Add coordinates that were measured."""
        all_places = np.concatenate([self.places, places])
        order = np.argsort(all_places, kind="stable")
        self.places, self.slopes = all_places[order], Slopes.joined([self.slopes, slopes], order)

    def estimate(self) -> Estimate:
        """Return the slopes as the estimate of an engine."""
        slopes = self.slopes
        if not slopes.kinks:
            slopes = Slopes(central=slopes.best, known_to=slopes.known_to, subtracted=True)
        return Estimate(part=Part(block=self.block, places=self.places), slopes=slopes, noise=0.0)


def search(
    problem: Problem, directions: Directions, suspect: Suspect, *, tolerance: float, seed: int = 0
) -> SearchResult:
    """Search a suspicious block.

    Parameters
    ----------
    problem
        The question, with a claimed gradient.
    directions
        What measures slopes, as screening used it.
    suspect
        A block of the problem in which something is wrong.
    tolerance
        Relative error of a coordinate that still counts as right.
    seed
        Seed of the weights of directions and of samples.

    Returns
    -------
    SearchResult
        What is known of the block, with slopes to be judged as those of any check. Costs about 2 log₂ n directions
        for a wrong coordinate among n.
    """
    claimed = problem.claims[problem.layout.number(suspect.block)]
    parts = Parts(claimed, suspect.block, directions, tolerance=tolerance, seed=seed)
    return _BlockSearch(problem, parts, tolerance, seed).run(suspect)


@dataclass(frozen=True, slots=True, eq=False)
class _WrongLines:
    """Wrong rows or columns: all, or if ``dense`` (most are wrong) or ``many`` only a few, or ``groups`` of them."""

    wrong: Places
    dense: bool = False
    many: bool = False
    groups: tuple[Places, ...] = ()

    @property
    def are_all(self) -> bool:
        """Whether these are all that are wrong."""
        return not (self.dense or self.many)


class _BlockSearch:
    """The search of one block.

    The smallest example that needs more than one round is a block with two wrong coordinates whose errors cancel under
    the weights of the first: whatever is left of the claim, less the errors known by then, is measured with others.
    """

    def __init__(self, problem: Problem, parts: Parts, tolerance: float, seed: int) -> None:
        self.problem, self.parts, self.tolerance, self.seed = problem, parts, tolerance, seed
        self.block, self.directions = parts.block, parts.directions
        self.rng = np.random.default_rng([seed, self.block.start, 1])
        nothing = Slopes(central=np.empty(0), known_to=Bound(0.0, np.empty(0)))
        self.result = SearchResult(
            block=self.block,
            drawn=self.sample(np.arange(self.block.size)),
            places=np.empty(0, np.intp),
            slopes=nothing,
        )

    def run(self, suspect: Suspect) -> SearchResult:
        result = self.result
        if suspect.measured is not None:
            self.take_over(suspect.measured)
        if self.block.size - result.places.size <= SEARCH_SAMPLE:
            result.drawn = np.arange(self.block.size)
            self.measure(result.drawn)
            result.finished = True
            return result
        self.measure(result.drawn)
        self.parts.typical = root_mean_square(result.slopes.best)
        if suspect.support is not None:
            self.avoid_kinks(suspect.support)
        if result.kinked and self.share_of_sample() >= SPARSE:
            result.dense = True
            return result
        for base in range(0, SEARCH_ROUNDS * TURNS_OF_ROUND, TURNS_OF_ROUND):
            if base and self.rest_is_right(base):
                break
            self.search_once(base)
            if result.dense or result.scattered:
                break
        return result

    def take_over(self, measured: Estimate) -> None:
        """Take over coordinates that were measured before.

        Those that are off may just stand near kinks: only the worst are measured again.
        """
        places = measured.part.at(slice(0, measured.part.size))
        slopes = _without_truncation(measured.slopes)
        excess = np.abs(self.errors(places, slopes)) - slopes.bound
        right = np.flatnonzero(excess <= 0)
        self.add(places[right], slopes.at(right))
        worst = np.argsort(-excess, kind="stable")[:SEARCH_SAMPLE]
        self.measure(np.sort(places[worst[excess[worst] > 0]]))

    def avoid_kinks(self, support: NDArray[np.bool_]) -> None:
        """Restrict directions to a part of the block, if they meet no kinks then."""
        result = self.result
        result.kinked = True
        if not support.any() or support.all():
            return
        self.parts.restrict(support)
        *_, result.kinked = self.parts.whole(0)
        if result.kinked:
            self.parts.restrict(None)
            return
        zeros = np.flatnonzero(~support)
        if zeros.size <= SEARCH_SAMPLE:
            self.measure(zeros)
        else:
            result.skipped = zeros.size

    def rest_is_right(self, turn: int) -> bool:
        residual, bound, kinked = self.parts.whole(turn)
        right = abs(residual) <= bound
        self.result.finished = right and not (kinked or self.result.skipped)
        return right

    def search_once(self, base: int) -> None:
        """Find rows, and what is wrong in them; where that is most of them, columns."""
        rows = self.rows(base)
        if rows.are_all:
            self.look_into(rows.wrong, base)
            return
        columns = self.columns(base)
        if columns.are_all and columns.wrong.size:
            self.describe_columns(columns.wrong)
        elif rows.dense and self.share_of_sample() >= SPARSE:
            self.result.dense = True
        else:
            self.result.scattered = rows.wrong.size + len(rows.groups)
            self.look_into(self.examples(rows, base), base)

    def share_of_sample(self) -> float:
        """Return the part of the sample that is off."""
        return float(np.isin(self.result.drawn, list(self.parts.known)).mean())

    def examples(self, rows: _WrongLines, base: int) -> Places:
        """Return a few wrong rows."""
        if rows.wrong.size:
            return rows.wrong[:EXAMPLES]
        residuals = functools.partial(_of_round, self.parts.of_rows, base)
        (result,) = find_wrong(rows.groups[:1], residuals, seed=self.seed)
        return result.wrong[:EXAMPLES]

    def rows(self, base: int) -> _WrongLines:
        every = np.arange(self.parts.rows)
        if every.size == 1:
            return _WrongLines(every)
        return self.by_groups(every, self.parts.of_rows, MOST_GROUPS, base)

    def columns(self, base: int) -> _WrongLines:
        if self.parts.columns == 1:
            return _WrongLines(np.empty(0, np.intp))
        every = np.arange(self.parts.columns)
        return self.by_groups(every, self.parts.of_columns, MOST_COLUMNS, base)

    def by_groups(self, lines: Places, measure: GroupResiduals, most: int, base: int) -> _WrongLines:
        residuals = functools.partial(_of_round, measure, base)
        (result,) = find_wrong([lines], residuals, seed=self.seed, most=most)
        return _WrongLines(
            result.wrong,
            dense=result.dense or 2 * result.wrong.size > lines.size,
            many=bool(result.groups),
            groups=result.groups,
        )

    def look_into(self, rows: Places, base: int) -> None:
        """Find the wrong coordinates of these rows."""
        width = self.parts.columns
        if width == 1:
            self.measure(rows)
            return
        sets = [self.parts.places_in_row(int(row)) for row in rows]
        residuals = functools.partial(_of_round, self.parts.inside_rows, base)
        results = find_wrong(sets, residuals, seed=self.seed)
        places = [np.empty(0, np.intp)]
        for row, inside in zip(rows.tolist(), results, strict=True):
            wrong_throughout = bool(inside.groups)
            if wrong_throughout:
                self.result.rows.append(row)
                self.parts.left_out[0][row] = True
                places.append(self.sample(np.arange(row * width, (row + 1) * width)))
            else:
                places.append(inside.wrong)
        self.measure(np.concatenate(places))

    def describe_columns(self, columns: Places) -> None:
        height, width = self.parts.rows, self.parts.columns
        self.result.columns += columns.tolist()
        self.parts.left_out[1][columns] = True
        self.measure(np.concatenate([self.sample(np.arange(height) * width + column) for column in columns]))

    def sample(self, places: Places) -> Places:
        """Return a sample of the places."""
        count = min(SEARCH_SAMPLE, places.size)
        return np.sort(self.rng.choice(places, size=count, replace=False))

    def measure(self, places: Places) -> None:
        """Measure coordinates one by one."""
        new = np.setdiff1d(places, self.result.places)
        if not new.size:
            return
        slopes = self.parts.one_by_one(new)
        wrong = np.abs(self.errors(new, slopes)) > slopes.bound
        wrong_at_kinks = wrong & (slopes.lower < slopes.upper)
        # A coordinate that meets several kinks may have slopes beyond its one-sided ones.
        again, rest = np.flatnonzero(wrong_at_kinks), np.flatnonzero(~wrong_at_kinks)
        self.add(new[rest], slopes.at(rest))
        if again.size:
            self.add(new[again], self.between_kinks(new[again]))

    def between_kinks(self, places: Places) -> Slopes:
        """Measure coordinates at kinks as every check does."""
        part = Part(block=self.block, places=places)
        _, estimate, passes = checked(
            self.problem, part, tolerance=self.tolerance, epsilon=None, seed=self.seed
        )
        self.result.extra_passes += passes
        return _without_truncation(estimate.slopes)

    def errors(self, places: Places, slopes: Slopes) -> Vector:
        """Return how far claims lie above the slopes that are right, or below them."""
        claimed = self.parts.claims.reshape(-1)[places]
        return np.asarray(claimed - slopes.nearest(claimed))

    def add(self, places: Places, slopes: Slopes) -> None:
        """Add coordinates that were measured, and take those that are off out of the residuals."""
        errors = self.errors(places, slopes)
        off = np.abs(errors) > slopes.bound
        self.parts.take_out(places[off], errors[off])
        self.result.add(places, slopes)


def _without_truncation(slopes: Slopes) -> Slopes:
    """Return the best slopes of an estimate that was looked at closely: its bounds are all there is."""
    return Slopes(
        central=slopes.best,
        known_to=Bound(0.0, slopes.bound),
        interval=(slopes.lower, slopes.upper),
        subtracted=True,
    )


def _of_round(
    measure: GroupResiduals, base: int, groups: Sequence[NDArray[np.intp]], turn: int
) -> tuple[Vector, Vector]:
    return measure(groups, base + turn)
