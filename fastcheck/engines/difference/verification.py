"""Difference propagation against the reference loop: a random direction in every block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.difference.forms import Form
from fastcheck.engines.difference.runs import Runner
from fastcheck.engines.noise import root_mean_square
from fastcheck.engines.plain import default_steps
from fastcheck.engines.slopes import Slopes
from fastcheck.engines.verification import NEGLIGIBLE, confirm_loop, confirm_sum
from fastcheck.parameters import Block, Vector
from fastcheck.plan import Coordinates, Plan, rows_by_block
from fastcheck.problem import Problem

WHOLE = 500_000
"""Blocks of up to this many entries are verified along a direction in all of them, larger ones in a random row."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Direction:
    """A random unit vector in one block: k entries at these rows of the plan, and its row of axis 0 if only one."""

    block: Block
    rows: NDArray[np.intp]
    entries: Vector
    row: int | None

    @property
    def size(self) -> int:
        """Entries of the block, or of its row."""
        return self.block.size if self.row is None else self.block.size // self.block.shape[0]

    @property
    def start(self) -> int:
        """Where these entries start in the vector θ."""
        return self.block.start + (self.row or 0) * self.size


def verify(runner: Runner, plan: Plan, slopes: Slopes, bound: Vector, tiny: float, noise: float) -> int:
    """Raise `DisagreementError` unless plain evaluation confirms the slopes along a random direction in each block.

    Two comparisons. The central difference along the direction, by difference propagation and by two evaluations of
    the cost: both compute the same finite difference, kinks and truncation included, so they must agree within the
    loop's rounding noise. And, with the step ``tiny``, the difference along the direction and the sum of the slopes of
    its coordinates, wherever no kink is near. Returns how many directions were evaluated.
    """
    layout = runner.problem.layout
    blocks = list(rows_by_block(layout, plan))
    rng = np.random.default_rng(plan.seed)
    directions = [chosen(block, rows, plan.coordinates, rng) for block, rows in blocks]
    # A step smaller than the default one would leave nothing but rounding noise in the costs.
    step = max(plan.epsilon or 0.0, float(default_steps(np.zeros(1), None)[0]))
    scale = max(root_mean_square(slopes.central[rows]) for _, rows in blocks)
    work = runner.problem.theta.copy()
    for group in together(directions):
        ends = [_Ends.of(runner.problem, direction, step, tiny, plan.coordinates) for direction in group]
        traced = runner.moved(*perturbed(runner.problem, group, ends))
        for k, (direction, end) in enumerate(zip(group, ends, strict=True)):
            four = slice(4 * k, 4 * k + 4)
            if not traced.unsupported[four][:2].any():
                found = (traced.difference[four][0] - traced.difference[four][1]) / (2 * step)
                name = direction.block.name
                confirm_loop(runner.problem, name, work, end.places, end.values, step, found, noise)
                work[end.places] = runner.problem.theta[end.places]
            here = slopes.kinked[direction.rows] | slopes.unsupported[direction.rows]
            if not (here.any() or traced.kinked[four][2:].any() or traced.unsupported[four][2:].any()):
                found = (traced.difference[four][2] - traced.difference[four][3]) / (2 * tiny)
                allowed = float(np.abs(direction.entries) @ bound[direction.rows]) + NEGLIGIBLE * scale
                total = float(direction.entries @ slopes.central[direction.rows])
                confirm_sum(direction.block.name, total, found, allowed)
    return len(directions)


def chosen(block: Block, rows: slice, coordinates: Coordinates, rng: np.random.Generator) -> Direction:
    """Return a random direction among the planned coordinates of a block."""
    planned = np.arange(rows.start, rows.stop)
    row = None
    if block.size > WHOLE and len(block.shape) > 1:
        at = (coordinates[planned] - block.start) // (block.size // block.shape[0])
        row = int(rng.choice(at))
        planned = planned[at == row]
    entries = rng.standard_normal(planned.size)
    return Direction(block=block, rows=planned, entries=entries / np.linalg.norm(entries), row=row)


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
    def of(
        cls, problem: Problem, direction: Direction, step: float, tiny: float, coordinates: Coordinates
    ) -> _Ends:
        places = coordinates[direction.rows]
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
        shape = direction.block.shape
        dims = shape if direction.row is None else (1, *shape[1:])
        data = np.zeros((members, *dims))
        data[4 * k : 4 * k + 4] = end.differences.reshape(4, *dims)
        forms[problem.layout.blocks.index(direction.block)] = Form(
            data, shape, {} if direction.row is None else {0: direction.row}
        )
    return forms, members
