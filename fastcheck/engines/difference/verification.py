"""Difference propagation against the reference loop: a random direction in every block."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound
from fastcheck.engines.difference.forms import Form
from fastcheck.engines.difference.runs import Runner
from fastcheck.engines.plain import default_steps
from fastcheck.engines.slopes import STEP, Slopes
from fastcheck.engines.verification import NEGLIGIBLE, confirm_loop, confirm_sum
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates, Part, Plan
from fastcheck.problem import Problem

WHOLE = 500_000
"""Blocks of up to this many entries are verified along a direction in all of them, larger ones in a random row."""

BUNCHES = 16
"""Directions that are verified by themselves; where there are more small blocks, several are moved at once."""

NAMED = 3
"""Blocks that are named of those moved at once."""

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
    """What difference propagation finds along a direction, or along several in blocks of their own at once.

    ``difference`` is the central difference with the ``step`` of the reference loop, ``slope`` that with a tiny one.
    None where a step sends the cost another way, and the slope where it meets a kink, too.
    """

    directions: tuple[Direction, ...]
    step: float
    difference: float | None
    slope: float | None

    @property
    def direction(self) -> Direction:
        """The only direction."""
        (direction,) = self.directions
        return direction

    @property
    def where(self) -> str:
        """The names of the blocks, or of a few of many."""
        names, more = [direction.part.block.name for direction in self.directions], ""
        if len(names) > NAMED:
            names, more = names[:NAMED], f" and {len(names) - NAMED:,} more blocks"
        return ", ".join(names) + more


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
    def of(cls, along: Along, slopes: Slopes, bound: Bound) -> Evidence:
        """Read it from the slopes of the direction's part."""
        return cls.of_all(along, [(slopes, bound)])

    @classmethod
    def of_all(cls, along: Along, known: Sequence[tuple[Slopes, Bound]]) -> Evidence:
        """Read it from the slopes of the parts of all directions."""
        total, allowed, smooth = 0.0, 0.0, True
        for direction, (slopes, bound) in zip(along.directions, known, strict=True):
            some = slopes.at(direction.rows)
            smooth = smooth and some.smooth
            total += float(direction.entries @ some.central)
            allowed += float(np.abs(direction.entries) @ bound.at(direction.rows, some.central))
        return cls(
            where=along.where,
            total=total,
            found=along.slope if smooth else None,
            allowed=allowed,
            typical=max(slopes.typical for slopes, _ in known),
        )

    def agrees(self, scale: float) -> bool:
        """Tell whether both are the same, given how large slopes elsewhere are."""
        return self.apart <= self.allowed + NEGLIGIBLE * max(scale, self.typical)

    @property
    def apart(self) -> float:
        """How far the sum is from the slope."""
        return 0.0 if self.found is None else abs(self.total - self.found)


def confirm_sums(evidence: Sequence[Evidence]) -> None:
    """Raise `DisagreementError` unless the slopes of coordinates add up to those along directions, in all blocks."""
    scale = max(known.typical for known in evidence)
    for known in evidence:
        if known.found is not None:
            confirm_sum(known.where, known.total, known.found, known.allowed + NEGLIGIBLE * scale)


def confirm_loops(problem: Problem, found: Sequence[Along], noise: float) -> None:
    """Raise `DisagreementError` unless plain evaluation finds the same differences along directions.

    Both compute the same finite difference, kinks and truncation included, so they must agree within the loop's
    rounding noise. Cost: two forward passes each.
    """
    for along in found:
        if along.difference is not None:
            end = _Ends.of(problem, along.directions, along.step)
            with problem.work() as work:
                confirm_loop(
                    problem, along.where, work, end.places, end.values, along.step, along.difference, noise
                )


def loop_step(plan: Plan) -> float:
    """Return the step of the reference loop: a smaller one than the default leaves nothing but rounding noise."""
    return max(plan.epsilon or 0.0, float(default_steps(np.zeros(1), None)[0]))


def look_along(runner: Runner, directions: Sequence[Direction], step: float) -> list[Along]:
    """Return what difference propagation finds along directions, with this step and with `TINY`."""
    alone = [(direction,) for direction in directions]
    return [one for group in together(alone) for one in _look_along(runner, group, step)]


def _look_along(runner: Runner, group: Sequence[tuple[Direction, ...]], step: float) -> list[Along]:
    """Return the same of directions that are run together, or of some at once."""
    problem, found = runner.problem, []
    traced = runner.moved(*perturbed(problem, group, step))
    for k, directions in enumerate(group):
        two, tiny = slice(4 * k, 4 * k + 2), slice(4 * k + 2, 4 * k + 4)
        forth, back, tiny_forth, tiny_back = traced.difference[4 * k : 4 * k + 4].tolist()
        rough = traced.unsupported[tiny].any() or traced.kinked[tiny].any()
        found.append(
            Along(
                directions=directions,
                step=step,
                difference=None if traced.unsupported[two].any() else (forth - back) / (2 * step),
                slope=None if rough else (tiny_forth - tiny_back) / (2 * TINY),
            )
        )
    return found


def look_together(
    runner: Runner,
    directions: Sequence[Direction],
    known: Sequence[tuple[Slopes, Bound]],
    step: float,
    scale: float,
) -> tuple[list[tuple[Along, Evidence]], list[Along]]:
    """Return what is found along directions in many small blocks, several at once, and what these slopes say of it.

    What does not agree as sharply as that of one block has to, or takes another way, is found along half as many at a
    time, and so on. Second are those that are left alone, to be compared one by one. Blocks with kinks keep to
    themselves. ``known`` are the slopes and bounds of the blocks. Costs one run, and one more for each time of halving.
    """
    rough = np.array([not slopes.smooth for slopes, _ in known])
    doubtful = [
        part
        for some in (np.flatnonzero(~rough), np.flatnonzero(rough))
        for part in np.array_split(some, min(BUNCHES, some.size) or 1)
        if part.size
    ]
    settled, alone = [], []
    while doubtful:
        found = _look_along(runner, [tuple(directions[k] for k in bunch) for bunch in doubtful], step)
        again = []
        for bunch, along in zip(doubtful, found, strict=True):
            evidence = Evidence.of_all(along, [known[k] for k in bunch])
            clear = along.difference is not None and (along.slope is not None or rough[bunch[0]])
            if clear and evidence.apart <= NEGLIGIBLE * max(scale, evidence.typical):
                settled.append((along, evidence))
            elif bunch.size == 1:
                alone.append(along)
            else:
                again += np.array_split(bunch, 2)
        doubtful = again
    return settled, alone


def rounding_along(runner: Runner, along: Along) -> float:
    """Return the largest change of the slope along a direction when all operations are rounded otherwise.

    Runs that meet kinks, or take another way, do not count; 0 if none is left. Costs `SHAKES` runs.
    """
    problem, direction = runner.problem, along.direction
    shaken = runner.shaken(*perturbed(problem, [(direction,)], 0.0), TINY)
    if shaken is None or along.slope is None:
        return 0.0
    return float(np.fmax.reduce(np.abs(shaken.slopes[:, 2] - along.slope), initial=0.0))


def chosen_directions(plan: Plan) -> list[Direction]:
    """Return a random direction among the planned coordinates of each block."""
    rng = np.random.default_rng(plan.seed)
    return [_chosen(part, rng) for part in plan.parts]


def _chosen(part: Part, rng: np.random.Generator) -> Direction:
    block, row = part.block, None
    rows = np.arange(part.size) if block.size <= WHOLE or len(block.shape) < 2 else None
    if rows is None:
        length = block.size // block.shape[0]
        row = int(part.at(rng.integers(part.size, size=1))[0]) // length
        rows = np.arange(row * length, (row + 1) * length)
        if part.places is not None:
            rows = np.flatnonzero(part.places // length == row)
    entries = rng.standard_normal(rows.size)
    return Direction(part=part, rows=rows, entries=entries / np.linalg.norm(entries), row=row)


def together(directions: Sequence[tuple[Direction]]) -> list[list[tuple[Direction]]]:
    """Return directions in groups that fit one run."""
    groups: list[list[tuple[Direction]]] = [[]]
    for one in directions:
        if groups[-1] and sum(d.size for (d,) in groups[-1] + [one]) * (len(groups[-1]) + 1) > WHOLE:
            groups.append([])
        groups[-1].append(one)
    return groups


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """Where a direction leads: what θ + h·v and θ - h·v, as they are rounded, hold at its places; both (k,)."""

    places: Coordinates
    values: tuple[Vector, Vector]

    @classmethod
    def of(cls, problem: Problem, directions: Sequence[Direction], step: float) -> _Ends:
        places = np.concatenate([d.part.block.start + d.part.at(d.rows) for d in directions])
        values, entries = problem.theta[places], np.concatenate([d.entries for d in directions])
        return cls(places, (values + step * entries, values - step * entries))


def perturbed(
    problem: Problem, group: Sequence[tuple[Direction, ...]], step: float
) -> tuple[list[Form | None], int]:
    """Return the differences of the leaves in a run with four members for each of these, and their number.

    They lead to the ends of directions with this step, and by a tiny step there and back.
    """
    members = 4 * len(group)
    forms: list[Form | None] = [None] * len(problem.layout.blocks)
    for k, directions in enumerate(group):
        for direction in directions:
            forms[problem.layout.number(direction.part.block)] = _form_of(
                problem, direction, step, 4 * k, members
            )
    return forms, members


def _form_of(problem: Problem, direction: Direction, step: float, first: int, members: int) -> Form:
    """Return the differences of a block in a run in which four members from ``first`` on move along the direction."""
    shape, end = direction.part.block.shape, _Ends.of(problem, [direction], step)
    dims = shape if direction.row is None else (1, *shape[1:])
    data = np.zeros((members, *dims))
    four, inside = data[first : first + 4].reshape(4, direction.size), end.places - direction.start
    values = problem.theta[end.places]
    four[:, inside] = [
        *(value - values for value in end.values),
        TINY * direction.entries,
        -TINY * direction.entries,
    ]
    return Form(data, shape, {} if direction.row is None else {0: direction.row})
