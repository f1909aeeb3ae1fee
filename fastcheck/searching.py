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

from fastcheck.engines import Estimates
from fastcheck.engines.directions import MAX_MEMORY, Directions
from fastcheck.engines.noise import root_mean_square
from fastcheck.group_testing import MOST, Places, Residuals, find_wrong
from fastcheck.parameters import Block, Vector
from fastcheck.parts import Parts
from fastcheck.plan import Plan
from fastcheck.problem import Problem
from fastcheck.verdict import relative_tolerances

SAMPLE = {"difference": 64, "plain": 16}
"""Coordinates drawn from a block, or from a row or column that is wrong in most places, by the way of measuring."""

FEW = {"difference": 256, "plain": 16}
"""Blocks of up to this many coordinates are looked at one by one."""

PILOT = 64
"""Rows measured first, each by itself: they tell what all would cost, and whether most are wrong."""

ROWS_PAY = 16.0
"""Rows are measured each by itself if that costs less than this many times log₂ of their number, in passes."""

EXAMPLES = 8
"""Rows looked into where wrong coordinates are scattered over more rows than are worth looking into."""

ROUNDS = 4
"""Times that a block is searched: each with the errors found so far taken out, until the rest is right."""

TURNS = 1000
"""Distance of the weights of one round from those of the next."""


@dataclass(slots=True, eq=False)
class Traces:
    """What was found in one block: coordinates measured one by one, and where most coordinates are wrong.

    ``places`` (k,) are flat places in the block, ``drawn`` those of them drawn at random from the whole of it. ``rows``
    and ``columns`` are wrong in most places, ``dense`` is the whole block; ``scattered`` counts the rows known to hold
    wrong coordinates where they were too many to look into. ``finished``: what is left is right along a random
    direction.
    """

    block: Block
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


def search(
    problem: Problem,
    directions: Directions,
    blocks: Sequence[Block],
    *,
    tolerance: float,
    seed: int = 0,
    max_memory: int = MAX_MEMORY,
) -> tuple[Plan, Estimates, dict[str, Traces]]:
    """Search suspicious blocks.

    Parameters
    ----------
    problem
        The question, with a claimed gradient.
    directions
        A way of measuring slopes, as screening has it open.
    blocks
        Blocks of the problem in which something is wrong.
    tolerance
        Relative error of a coordinate that still counts as right.
    seed
        Seed of the weights of directions and of samples.
    max_memory
        Bytes that may be used.

    Returns
    -------
    tuple
        The coordinates that were measured one by one, their slopes, to be judged as those of any check, and for each
        block what was found. Costs about 2 log₂ n dense directions for a wrong coordinate among n, or a few runs with
        many rows each where these are cheaper.
    """
    before = directions.forward_passes
    found = {}
    for block in blocks:
        share, unit = _tolerance(problem, block, tolerance, seed)
        claimed = np.asarray(problem.claimed)[block.start : block.stop]
        residuals = Parts(
            claimed, block, directions, share=share, unit=unit, seed=seed, max_memory=max_memory
        )
        found[block.name] = _BlockSearch(residuals, claimed, seed).run()
    plan, estimates = _together(list(found.values()), directions, before, seed)
    return plan, estimates, found


def _tolerance(problem: Problem, block: Block, tolerance: float, seed: int) -> tuple[float, float]:
    """Return the relative tolerance of a block, and the rounding unit of its claim."""
    dtype = problem.dtypes[problem.layout.blocks.index(block)]
    some = Plan(coordinates=np.array([block.start]), epsilon=None, seed=seed)
    return relative_tolerances(problem, some, tolerance)[0], float(np.finfo(dtype).eps)


def _together(
    found: Sequence[Traces], directions: Directions, before: int, seed: int
) -> tuple[Plan, Estimates]:
    """Return the coordinates of all blocks, in the order of the vector, and their slopes."""
    found = sorted(found, key=lambda traces: traces.block.start)

    def column(name: str) -> Vector:
        return np.concatenate([np.empty(0), *(getattr(traces, name) for traces in found)])

    coordinates = [traces.block.start + traces.places for traces in found]
    central, lower, upper = column("central"), column("lower"), column("upper")
    one_sided = bool((lower < upper).any())
    estimates = Estimates(
        method=directions.method,
        numerical=central,
        lower=lower if one_sided else central,
        upper=upper if one_sided else central,
        bound=column("bound"),
        noise=0.0,
        plain=np.arange(central.size if directions.method == "plain" else 0),
        forward_passes=directions.forward_passes - before,
        notes=directions.notes,
    )
    plan = Plan(coordinates=np.concatenate([np.empty(0, np.intp), *coordinates]), epsilon=None, seed=seed)
    return plan, estimates


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """Wrong rows or columns; ``dense`` if most are, ``many`` if these are only some of them."""

    wrong: Places
    dense: bool = False
    many: bool = False

    @property
    def few(self) -> bool:
        return not (self.dense or self.many)


class _BlockSearch:
    """The search of one block."""

    def __init__(self, residuals: Parts, claimed: Vector, seed: int) -> None:
        self.residuals, self.claimed, self.seed = residuals, claimed, seed
        self.block, self.directions = residuals.block, residuals.directions
        self.rng = np.random.default_rng([seed, self.block.start, 1])
        self.traces = Traces(block=self.block, drawn=self.some(np.arange(self.block.size)))

    def run(self) -> Traces:
        if self.block.size <= FEW[self.directions.method]:
            self.traces.drawn = np.arange(self.block.size)
            self.measure(self.traces.drawn)
            self.traces.finished = True
            return self.traces
        self.measure(self.traces.drawn)
        self.residuals.typical = root_mean_square(self.traces.central)
        for base in range(0, ROUNDS * TURNS, TURNS):
            if base and self.rest_is_right(base):
                break
            self.round(base)
            if self.traces.dense or self.traces.scattered:
                break
        return self.traces

    def rest_is_right(self, turn: int) -> bool:
        residual, bound = self.residuals.whole(turn)
        self.traces.finished = abs(residual) <= bound
        return self.traces.finished

    def round(self, base: int) -> None:
        """Find rows, and what is wrong in them; where that is most of them, columns."""
        rows = self.rows(base)
        if rows.few:
            self.look_into(rows.wrong, base)
            return
        columns = self.columns(base)
        if columns.few and columns.wrong.size:
            self.describe_columns(columns.wrong)
        elif rows.dense:
            self.traces.dense = True
        else:
            self.traces.scattered = rows.wrong.size
            self.look_into(rows.wrong[:EXAMPLES], base)

    def rows(self, base: int) -> _Lines:
        count = self.residuals.rows
        if count == 1:
            return _Lines(np.array([0]))
        every = np.arange(count)
        if self.directions.method == "difference":
            pilot = np.unique(np.linspace(0, count - 1, PILOT).astype(np.intp))
            before = self.directions.forward_passes
            first = self.each_row(pilot, base)
            if 2 * first.size > pilot.size >= PILOT:
                return _Lines(first, dense=True)
            passes = (self.directions.forward_passes - before) * count / pilot.size
            if count <= PILOT or passes <= ROWS_PAY * np.log2(count):
                wrong = np.union1d(first, self.each_row(np.setdiff1d(every, pilot), base))
                dense = 2 * wrong.size > count and count > 1
                return _Lines(wrong, dense=dense, many=wrong.size > MOST)
        return self.by_groups(every, self.residuals.of_rows, base)

    def each_row(self, rows: Places, base: int) -> Places:
        """Return the wrong ones of these rows, each measured by itself."""
        if not rows.size:
            return rows
        residuals, bounds = self.residuals.of_each_row(rows, base)
        return rows[np.abs(residuals) > bounds]

    def columns(self, base: int) -> _Lines:
        if self.residuals.columns == 1:
            return _Lines(np.empty(0, np.intp))
        return self.by_groups(np.arange(self.residuals.columns), self.residuals.of_columns, base)

    def by_groups(self, lines: Places, measure: Residuals, base: int) -> _Lines:
        turned = functools.partial(_turned, measure, base)
        (found,) = find_wrong([lines], turned, seed=self.seed)
        if not found.groups:
            return _Lines(found.wrong)
        if found.dense:
            return _Lines(found.wrong, dense=True)
        some = find_wrong(found.groups[:EXAMPLES], turned, seed=self.seed)
        examples = np.concatenate([np.empty(0, np.intp), *(one.wrong for one in some)])
        return _Lines(examples, many=True)

    def look_into(self, rows: Places, base: int) -> None:
        """Find the wrong coordinates of these rows."""
        width = self.residuals.columns
        if width == 1:
            self.measure(rows)
            return
        sets = [np.arange(row * width, (row + 1) * width) for row in rows]
        found = find_wrong(sets, functools.partial(_turned, self.residuals.inside_rows, base), seed=self.seed)
        for row, places, inside in zip(rows, sets, found, strict=True):
            if inside.groups:
                self.traces.rows.append(int(row))
                self.residuals.left_out[0][row] = True
                self.measure(self.some(places))
            else:
                self.measure(inside.wrong)

    def describe_columns(self, columns: Places) -> None:
        height, width = self.residuals.rows, self.residuals.columns
        for column in columns:
            self.traces.columns.append(int(column))
            self.residuals.left_out[1][column] = True
            self.measure(self.some(np.arange(height) * width + column))

    def some(self, places: Places) -> Places:
        """Return a sample of the places."""
        count = min(SAMPLE[self.directions.method], places.size)
        return np.sort(self.rng.choice(places, size=count, replace=False))

    def measure(self, places: Places) -> None:
        """Measure coordinates one by one, and take those that are off out of the residuals."""
        traces = self.traces
        new = np.setdiff1d(places, traces.places)
        if not new.size:
            return
        slopes = self.residuals.one_by_one(new)
        error = self.claimed[new] - np.clip(self.claimed[new], slopes.lower, slopes.upper)
        off = np.abs(error) > slopes.bound
        self.residuals.take_out(new[off], error[off])
        order = np.argsort(np.concatenate([traces.places, new]), kind="stable")
        traces.places = np.concatenate([traces.places, new])[order]
        for name in ("central", "lower", "upper", "bound"):
            setattr(traces, name, np.concatenate([getattr(traces, name), getattr(slopes, name)])[order])


def _turned(
    measure: Residuals, base: int, groups: Sequence[NDArray[np.intp]], turn: int
) -> tuple[Vector, Vector]:
    return measure(groups, base + turn)
