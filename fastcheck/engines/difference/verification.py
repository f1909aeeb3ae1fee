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
    """What difference propagation finds along a direction.

    ``difference`` is the central difference with the ``step`` of the reference loop, ``slope`` that with a tiny one.
    None where a step sends the cost another way, and the slope where it meets a kink, too.
    """

    direction: Direction
    step: float
    difference: float | None
    slope: float | None


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
        direction, some = along.direction, slopes.at(along.direction.rows)
        central, smooth = some.central, not (some.kinked.any() or some.unsupported.any())
        return cls(
            where=direction.part.block.name,
            total=float(direction.entries @ central),
            found=along.slope if smooth else None,
            allowed=float(np.abs(direction.entries) @ bound.at(direction.rows, central)),
            typical=slopes.typical,
        )

    def agrees(self, scale: float) -> bool:
        """Tell whether both are the same, given how large slopes elsewhere are."""
        apart = 0.0 if self.found is None else abs(self.total - self.found)
        return apart <= self.allowed + NEGLIGIBLE * max(scale, self.typical)


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
            name, step = along.direction.part.block.name, along.step
            end = _Ends.of(problem, along.direction, step)
            with problem.work() as work:
                confirm_loop(problem, name, work, end.places, end.values, step, along.difference, noise)


def loop_step(plan: Plan) -> float:
    """Return the step of the reference loop: a smaller one than the default leaves nothing but rounding noise."""
    return max(plan.epsilon or 0.0, float(default_steps(np.zeros(1), None)[0]))


def look_along(runner: Runner, directions: Sequence[Direction], step: float) -> list[Along]:
    """Return what difference propagation finds along directions, with this step and with `TINY`."""
    problem, found = runner.problem, []
    for group in together(directions):
        ends = [_Ends.of(problem, direction, step) for direction in group]
        traced = runner.moved(*perturbed(problem, group, ends))
        for k, direction in enumerate(group):
            two, tiny = slice(4 * k, 4 * k + 2), slice(4 * k + 2, 4 * k + 4)
            forth, back, tiny_forth, tiny_back = traced.difference[4 * k : 4 * k + 4].tolist()
            rough = traced.unsupported[tiny].any() or traced.kinked[tiny].any()
            found.append(
                Along(
                    direction=direction,
                    step=step,
                    difference=None if traced.unsupported[two].any() else (forth - back) / (2 * step),
                    slope=None if rough else (tiny_forth - tiny_back) / (2 * TINY),
                )
            )
    return found


def rounding_along(runner: Runner, along: Along) -> float:
    """Return the largest change of the slope along a direction when all operations are rounded otherwise.

    Runs that meet kinks, or take another way, do not count; 0 if none is left. Costs `SHAKES` runs.
    """
    problem, direction = runner.problem, along.direction
    nowhere = _Ends.of(problem, direction, 0.0)
    shaken = runner.shaken(*perturbed(problem, [direction], [nowhere]), TINY)
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


def together(directions: Sequence[Direction]) -> list[list[Direction]]:
    """Return directions in groups that fit one run."""
    groups: list[list[Direction]] = [[]]
    for direction in directions:
        if groups[-1] and sum(d.size for d in groups[-1] + [direction]) * (len(groups[-1]) + 1) > WHOLE:
            groups.append([])
        groups[-1].append(direction)
    return groups


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """Where a direction leads: what θ + h·v and θ - h·v, as they are rounded, hold at its places; both (k,)."""

    places: Coordinates
    values: tuple[Vector, Vector]

    @classmethod
    def of(cls, problem: Problem, direction: Direction, step: float) -> _Ends:
        places = direction.part.block.start + direction.part.at(direction.rows)
        values = problem.theta[places]
        return cls(places, (values + step * direction.entries, values - step * direction.entries))


def perturbed(
    problem: Problem, group: Sequence[Direction], ends: Sequence[_Ends]
) -> tuple[list[Form | None], int]:
    """Return the differences of the leaves in a run with four members for each direction, and their number.

    They lead to the direction's ends, and by a tiny step there and back.
    """
    members = 4 * len(group)
    forms: list[Form | None] = [None] * len(problem.layout.blocks)
    for k, (direction, end) in enumerate(zip(group, ends, strict=True)):
        shape = direction.part.block.shape
        dims = shape if direction.row is None else (1, *shape[1:])
        data = np.zeros((members, *dims))
        four, inside = data[4 * k : 4 * k + 4].reshape(4, direction.size), end.places - direction.start
        values = problem.theta[end.places]
        four[:, inside] = [
            *(value - values for value in end.values),
            TINY * direction.entries,
            -TINY * direction.entries,
        ]
        forms[problem.layout.number(direction.part.block)] = Form(
            data, shape, {} if direction.row is None else {0: direction.row}
        )
    return forms, members
