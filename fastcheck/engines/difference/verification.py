"""Difference propagation against the reference loop: a random direction in every block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound
from fastcheck.engines.difference.forms import Form
from fastcheck.engines.difference.runs import Runner
from fastcheck.engines.plain import default_steps
from fastcheck.engines.slopes import Slopes
from fastcheck.engines.verification import NEGLIGIBLE, confirm_loop, confirm_sum
from fastcheck.norms import root_mean_square
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates, Part, Plan
from fastcheck.problem import Problem

WHOLE = 500_000
"""Blocks of up to this many entries are verified along a direction in all of them, larger ones in a random row."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Direction:
    """A random unit vector in one block: entries (k,) at these rows of its part, and its row of axis 0 if only one."""

    part: Part
    rows: NDArray[np.intp]
    entries: Vector
    row: int | None

    @property
    def size(self) -> int:
        """Entries of the block, or of its row."""
        block = self.part.block
        return block.size if self.row is None else block.size // block.shape[0]

    @property
    def start(self) -> int:
        """Where these entries start in the vector θ."""
        return self.part.block.start + (self.row or 0) * self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the slopes of the coordinates say about a direction: their sum along it, and how far it may be off.

    ``smooth``: no kink is near. ``typical`` is the RMS of the slopes of the block.
    """

    total: float
    allowed: float
    smooth: bool
    typical: float

    @classmethod
    def of(cls, direction: Direction, slopes: Slopes, bound: Bound) -> Evidence:
        """Read it from the slopes of the direction's part."""
        some = slopes.at(direction.rows)
        central = some.central
        return cls(
            total=float(direction.entries @ central),
            allowed=float(np.abs(direction.entries) @ bound.at(direction.rows, central)),
            smooth=not (some.kinked.any() or some.unsupported.any()),
            typical=root_mean_square(slopes.central),
        )


def verify(
    runner: Runner,
    plan: Plan,
    directions: Sequence[Direction],
    evidence: Sequence[Evidence],
    tiny: float,
    noise: float,
) -> int:
    """Raise `DisagreementError` unless plain evaluation confirms the slopes along a random direction in each block.

    Two comparisons. The central difference along the direction, by difference propagation and by two evaluations of
    the cost: both compute the same finite difference, kinks and truncation included, so they must agree within the
    loop's rounding noise. And, with the step ``tiny``, the difference along the direction and the sum of the slopes of
    its coordinates, wherever no kink is near. Returns how many directions were evaluated.
    """
    problem = runner.problem
    # A step smaller than the default one would leave nothing but rounding noise in the costs.
    step = max(plan.epsilon or 0.0, float(default_steps(np.zeros(1), None)[0]))
    scale = max(known.typical for known in evidence)
    seen = iter(evidence)
    for group in together(directions):
        ends = [_Ends.of(problem, direction, step, tiny) for direction in group]
        traced = runner.moved(*perturbed(problem, group, ends))
        for k, (direction, end) in enumerate(zip(group, ends, strict=True)):
            four, known = slice(4 * k, 4 * k + 4), next(seen)
            name = direction.part.block.name
            if not traced.unsupported[four][:2].any():
                found = (traced.difference[four][0] - traced.difference[four][1]) / (2 * step)
                with problem.work() as work:
                    confirm_loop(problem, name, work, end.places, end.values, step, found, noise)
            if known.smooth and not (traced.kinked[four][2:].any() or traced.unsupported[four][2:].any()):
                found = (traced.difference[four][2] - traced.difference[four][3]) / (2 * tiny)
                confirm_sum(name, known.total, found, known.allowed + NEGLIGIBLE * scale)
    return len(directions)


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
    """Where a direction leads: what θ + h·v and θ - h·v, as they are rounded, hold at its places; both (k,).

    ``differences`` (4, size) are those of a run: of these two, and of the tiny step there and back.
    """

    places: Coordinates
    values: tuple[Vector, Vector]
    differences: Vector

    @classmethod
    def of(cls, problem: Problem, direction: Direction, step: float, tiny: float) -> _Ends:
        places = direction.part.block.start + direction.part.at(direction.rows)
        values = problem.theta[places]
        ends = values + step * direction.entries, values - step * direction.entries
        differences = np.zeros((4, direction.size))
        inside = places - direction.start
        differences[0, inside], differences[1, inside] = ends[0] - values, ends[1] - values
        differences[2, inside] = tiny * direction.entries
        differences[3] = -differences[2]
        return cls(places, ends, differences)


def perturbed(
    problem: Problem, group: Sequence[Direction], ends: Sequence[_Ends]
) -> tuple[list[Form | None], int]:
    """Return the differences of the leaves in a run with four members for each direction, and their number."""
    members = 4 * len(group)
    forms: list[Form | None] = [None] * len(problem.layout.blocks)
    for k, (direction, end) in enumerate(zip(group, ends, strict=True)):
        shape = direction.part.block.shape
        dims = shape if direction.row is None else (1, *shape[1:])
        data = np.zeros((members, *dims))
        data[4 * k : 4 * k + 4] = end.differences.reshape(4, *dims)
        forms[problem.layout.number(direction.part.block)] = Form(
            data, shape, {} if direction.row is None else {0: direction.row}
        )
    return forms, members
