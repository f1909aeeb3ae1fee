"""Difference propagation against the reference loop: a random direction in every block."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound
from fastcheck.engines.difference.forms import Array, Form
from fastcheck.engines.difference.runs import Runner
from fastcheck.engines.slopes import STEP, Slopes
from fastcheck.engines.verification import (
    NEGLIGIBLE,
    USEFUL,
    confirm_sum,
    first_step,
    length_that_shows,
    turn,
)
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates, Part, Plan
from fastcheck.problem import Problem

Item = TypeVar("Item")

WHOLE = 500_000
"""Blocks of up to this many entries are verified along a direction in all of them, larger ones in a random row."""

BUNCHES = 16
"""Directions that are verified by themselves; where there are more, several small blocks are moved at once."""

TINY = STEP / 2
"""Step along directions, another than that of coordinates: in a block of one entry, too, they do not add up where the
cost is not linear over it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Direction:
    """A random unit vector in one block: entries (k,) at these rows of its part, and its row of axis 0 if only one."""

    part: Part
    rows: NDArray[np.intp]
    entries: Vector
    row: int | None

    def at(self, rows: NDArray[np.bool_]) -> Direction:
        """Return the same direction in some of its rows, zero in the others."""
        return dataclasses.replace(self, rows=self.rows[rows], entries=self.entries[rows])

    @property
    def size(self) -> int:
        """Entries of the block, or of its row."""
        block = self.part.block
        return block.size if self.row is None else block.size // block.shape[0]

    @property
    def start(self) -> int:
        """Where these entries start in the vector θ."""
        return self.part.block.start + (self.row or 0) * self.size


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Along:
    """The slope that difference propagation finds along a direction, or along several in blocks of their own at once.

    It is None where a step meets a kink or sends the cost another way.
    """

    directions: tuple[Direction, ...]
    slope: float | None

    @property
    def direction(self) -> Direction:
        """The only direction."""
        (direction,) = self.directions
        return direction


Move = tuple[tuple[Direction, float], ...]
"""What one member of a run changes: steps along directions, each in a block of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """What difference propagation finds at both ends of large steps along directions, taken together.

    ``first`` are the lengths that are tried first, and ``share`` those of the steps over these. ``ends`` is J there,
    less J(θ): NaN where a step sends the cost another way.
    """

    directions: tuple[Direction, ...]
    first: tuple[float, ...]
    ends: Sequence[float]
    share: float = 1.0

    @property
    def lengths(self) -> tuple[float, ...]:
        """The lengths of the steps."""
        return tuple(self.share * length for length in self.first)

    @property
    def move(self) -> Move:
        """The steps that lead to the first end."""
        return tuple(zip(self.directions, self.lengths, strict=True))

    def sizes(self, at_stake: Mapping[str, float]) -> list[float]:
        """Return what each block's slopes, of the size that is ``at_stake`` there, make of the steps."""
        change = float(np.abs(self.ends).max())
        slopes = [at_stake[direction.part.block.name] for direction in self.directions]
        return [
            slope * length_that_shows(length, first, change, slope)
            for length, first, slope in zip(self.lengths, self.first, slopes, strict=True)
        ]

    @staticmethod
    def lengths_of(problem: Problem, directions: Sequence[Direction], least: float) -> tuple[float, ...]:
        """Return the lengths of the steps that are tried first."""
        values = (problem.theta[changes(problem, direction, 0.0)[0]] for direction in directions)
        return tuple(max(least, first_step(some)) for some in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the slopes of the coordinates say about a direction: their sum along it, and how far it may be off.

    ``found`` is the slope along the direction, None where a kink is near. ``typical`` is the RMS of the slopes of the
    block.
    """

    where: str
    total: float
    found: float | None
    allowed: float
    typical: float

    @classmethod
    def of(cls, direction: Direction, found: float | None, slopes: Slopes, bound: Bound) -> Evidence:
        """Read it from the slopes of the direction's part."""
        some = slopes.at(direction.rows)
        return cls(
            where=direction.part.block.name,
            total=float(direction.entries @ some.central),
            found=found if some.smooth else None,
            allowed=float(np.abs(direction.entries) @ bound.at(direction.rows, some.central)),
            typical=slopes.typical,
        )

    def agrees(self, scale: float) -> bool:
        """Tell whether both are the same, given how large slopes elsewhere are."""
        apart = 0.0 if self.found is None else abs(self.total - self.found)
        return apart <= self.allowed + self.unseen(scale)

    def unseen(self, scale: float) -> float:
        """Return what rounding may add that the bound does not show: it comes from slopes of the ``scale`` elsewhere.

        Where the slopes of the block are known well beside their own size, they are not what rounding leaves.
        """
        share = NEGLIGIBLE * max(scale, self.typical)
        return min(share, USEFUL * self.typical) if self.allowed < USEFUL * self.typical else share


def confirm_sums(evidence: Sequence[Evidence], scale: float) -> None:
    """Raise `DisagreementError` unless the slopes of coordinates add up to those along directions, in all blocks."""
    for known in evidence:
        if known.found is not None:
            confirm_sum(known.where, known.total, known.found, known.allowed + known.unseen(scale))


def look_along(
    runner: Runner,
    directions: Sequence[Direction],
    probed: Sequence[Direction] = (),
    least: float = 0.0,
) -> tuple[list[Along], list[Probe]]:
    """Return the slopes along directions, with `TINY`, and what large steps along the ``probed`` ones do to J.

    Large steps are at least as long as ``least``. Where there are many, several are taken together.
    """
    joint = [tuple(bunch) for bunch in bunches(probed)]
    first = [Probe.lengths_of(runner.problem, bunch, least) for bunch in joint]
    tiny: list[Move] = [((direction, TINY),) for direction in directions]
    large: list[Move] = [
        tuple(zip(bunch, lengths, strict=True)) for bunch, lengths in zip(joint, first, strict=True)
    ]
    ends = ends_of(runner, tiny + large)
    slopes = ends.slopes[: len(tiny)]
    found = [Along(directions=(d,), slope=slope) for d, slope in zip(directions, slopes, strict=True)]
    return found, list(map(Probe, joint, first, ends.known[len(tiny) :]))


def look_together(
    runner: Runner, directions: Sequence[Direction], known: Sequence[tuple[Slopes, Bound]], scale: float
) -> list[Along]:
    """Return what is found along directions in many small blocks where their slopes do not agree with it.

    Several blocks of slopes of like size are looked at at once. What does not agree as sharply as each of them has to
    alone is found along half as many at a time, and so on; what is left is to be compared one by one. Blocks with
    kinks have nothing to be compared. ``known`` are the slopes and bounds of the blocks, ``scale`` the size of slopes
    elsewhere. Costs one run, and one more for each time of halving.
    """
    evidence = [Evidence.of(d, None, *one) for d, one in zip(directions, known, strict=True)]
    smooth = [k for k, (slopes, _) in enumerate(known) if slopes.smooth]
    doubtful, alone = bunches(sorted(smooth, key=lambda k: evidence[k].typical)), []
    while doubtful:
        moves: list[Move] = [tuple((directions[k], TINY) for k in bunch) for bunch in doubtful]
        again = []
        for bunch, slope in zip(doubtful, ends_of(runner, moves).slopes, strict=True):
            total = sum(evidence[k].total for k in bunch)
            unseen = min(evidence[k].unseen(scale) for k in bunch)
            if slope is not None and abs(total - slope) <= unseen:
                continue
            if len(bunch) == 1:
                alone.append(Along(directions=(directions[bunch[0]],), slope=slope))
            else:
                again += bunches(bunch, 2)
        doubtful = again
    return alone


def bunches(items: Sequence[Item], most: int = BUNCHES) -> list[Sequence[Item]]:
    """Return items in so many bunches at most, of about the same length, in their order."""
    count = min(most, len(items))
    ends = [len(items) * k // count for k in range(count + 1)] if count else []
    return [items[first:last] for first, last in pairwise(ends)]


def rounding_along(runner: Runner, along: Along) -> float:
    """Return the largest change of the slope along a direction when all operations are rounded otherwise.

    Runs that meet kinks, or take another way, do not count; 0 if none is left. Costs `SHAKES` runs.
    """
    problem, direction = runner.problem, along.direction
    shaken = runner.shaken(*perturbed(problem, [((direction, TINY),)]), TINY)
    if shaken is None or along.slope is None:
        return 0.0
    return float(np.fmax.reduce(np.abs(shaken.slopes[:, 0] - along.slope), initial=0.0))


def chosen_directions(problem: Problem, plan: Plan) -> list[Direction]:
    """Return a random direction among the planned coordinates of each block."""
    rng = np.random.default_rng(plan.seed)
    return [_chosen(problem, part, rng) for part in plan.parts]


def _chosen(problem: Problem, part: Part, rng: np.random.Generator) -> Direction:
    block, row = part.block, None
    rows = np.arange(part.size) if block.size <= WHOLE or len(block.shape) < 2 else None
    if rows is None:
        length = block.size // block.shape[0]
        row = int(part.at(rng.integers(part.size, size=1))[0]) // length
        rows = np.arange(row * length, (row + 1) * length)
        if part.places is not None:
            rows = np.flatnonzero(part.places // length == row)
    entries = rng.standard_normal(rows.size)
    if problem.claims:
        turn(entries, part.take(problem.claims[problem.layout.number(block)], rows))
    return Direction(part=part, rows=rows, entries=entries / np.linalg.norm(entries), row=row)


def both_ways(move: Move) -> tuple[Move, Move]:
    """Return a move and the opposite one."""
    return move, tuple((direction, -step) for direction, step in move)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ends:
    """What k moves and the opposite ones change J by, (k, 2), and where they meet kinks, or take another way."""

    difference: NDArray[np.float64]
    kinked: NDArray[np.bool_]
    unsupported: NDArray[np.bool_]

    @property
    def slopes(self) -> list[float | None]:
        """The central differences of moves with the step `TINY`; None where these meet a kink or take another way."""
        rough = np.any(self.kinked | self.unsupported, axis=1)
        slopes: list[float] = ((self.difference[:, 0] - self.difference[:, 1]) / (2 * TINY)).tolist()
        return [None if bad else slope for bad, slope in zip(rough, slopes, strict=True)]

    @property
    def known(self) -> list[list[float]]:
        """The changes of J, NaN where a move takes another way."""
        known: list[list[float]] = np.where(self.unsupported, np.nan, self.difference).tolist()
        return known


def ends_of(runner: Runner, moves: Sequence[Move]) -> Ends:
    """Return what moves and their opposites do, in as few runs as their memory allows."""
    found = Ends(
        difference=np.empty((len(moves), 2)),
        kinked=np.empty((len(moves), 2), dtype=bool),
        unsupported=np.empty((len(moves), 2), dtype=bool),
    )
    for group in _groups(moves):
        both = [one for k in group for one in both_ways(moves[k])]
        traced = runner.moved(*perturbed(runner.problem, both))
        found.difference[group] = traced.difference.reshape(-1, 2)
        found.kinked[group] = traced.kinked.reshape(-1, 2)
        found.unsupported[group] = traced.unsupported.reshape(-1, 2)
    return found


def _groups(moves: Sequence[Move]) -> list[list[int]]:
    """Return the numbers of moves in groups that fit one run, with those of a block close to each other."""
    groups: list[list[int]] = []
    sizes: dict[str, int] = {}
    for k in sorted(range(len(moves)), key=lambda k: moves[k][0][0].part.block.start):
        new = {direction.part.block.name: direction.size for direction, _ in moves[k]}
        if not groups or sum((sizes | new).values()) * (len(groups[-1]) + 1) > 2 * WHOLE:
            groups.append([])
            sizes = {}
        sizes |= new
        groups[-1].append(k)
    return groups


def changes(problem: Problem, direction: Direction, step: float) -> tuple[Coordinates, Vector]:
    """Return places in θ, and what they change by: tiny steps as they are, others as θ ± h·v is rounded; both (k,)."""
    places = direction.part.block.start + direction.part.at(direction.rows)
    if abs(step) == TINY:
        return places, step * direction.entries
    values = problem.theta[places]
    return places, (values + step * direction.entries) - values


def perturbed(problem: Problem, moves: Sequence[Move]) -> tuple[list[Form | None], int]:
    """Return the differences of the leaves in a run with a member for each move, and their number."""
    data: dict[int, Array] = {}
    found: dict[int, Direction] = {}
    for member, move in enumerate(moves):
        for direction, step in move:
            number, shape = problem.layout.number(direction.part.block), direction.part.block.shape
            if number not in data:
                found[number] = direction
                dims = shape if direction.row is None else (1, *shape[1:])
                data[number] = np.zeros((len(moves), *dims))
            places, change = changes(problem, direction, step)
            data[number].reshape(len(moves), -1)[member, places - direction.start] = change
    forms: list[Form | None] = [None] * len(problem.layout.blocks)
    for number, direction in found.items():
        at = {} if direction.row is None else {0: direction.row}
        forms[number] = Form(data[number], direction.part.block.shape, at)
    return forms, len(moves)
