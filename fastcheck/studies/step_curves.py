"""The error of numerical gradients over the step ε: what rounding and truncation leave of the textbook's formula."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.detective.graph.recorded_graph import record_with_lines
from fastcheck.engines.graph.away import evaluated_away
from fastcheck.engines.graph.given_step import central_differences
from fastcheck.execution import Execution
from fastcheck.pictures.step_curve import StepCurve
from fastcheck.plan.coordinates import Part
from fastcheck.problem.parameters import Block, Vector, coordinate_name
from fastcheck.problem.posing import Problem

STEPS_PER_DECADE, DECADES = 2, 15
"""How closely the steps lie, from 1 down to 1e-15."""


def step_curve_of(
    problem: Problem, execution: Execution, block: Block, index: tuple[int, ...], slope: float
) -> StepCurve:
    """Return the errors in a coordinate, relative to its slope; absolute ones where that is zero.

    Costs two forward passes for each step, and as many again where the cost takes another way at θ ± ε.
    """
    steps = 10.0 ** -(np.arange(STEPS_PER_DECADE * DECADES + 1) / STEPS_PER_DECADE)
    place = int(np.ravel_multi_index(index, block.shape)) if block.shape else 0
    size = abs(slope) or 1.0
    by_record = _by_record(problem, execution, block, place, steps)
    with np.errstate(all="ignore"):
        plain = np.abs(_plain(problem, block.start + place, steps) - slope) / size
        difference = None if by_record is None else np.abs(by_record - slope) / size
    return StepCurve(
        name=coordinate_name(block.name, index), slope=slope, steps=steps, plain=plain, difference=difference
    )


def _plain(problem: Problem, position: int, steps: Vector) -> Vector:
    """Return the central differences of the textbook, NaN where J is not defined."""
    slopes = np.full(steps.size, math.nan)
    for row, step in enumerate(steps.tolist()):
        costs = []
        for sign in (1.0, -1.0):
            with problem.work() as work:
                before = work[position]
                work[position] = before + sign * step
                try:
                    costs.append(evaluated_away(problem, work))
                finally:
                    work[position] = before
        slopes[row] = (costs[0] - costs[1]) / (2 * step)
    return slopes


def _by_record(
    problem: Problem, execution: Execution, block: Block, place: int, steps: Vector
) -> NDArray[np.float64] | None:
    """Return the differences that are sent forwards through the record, None where there is none."""
    runs, recording, _ = record_with_lines(problem, execution)
    if runs is None or recording is None or recording.result is None:
        return None
    part = Part(block=block, places=np.array([place], dtype=np.intp))
    flow, row = recording.flow(), np.zeros(1, dtype=np.intp)
    return np.array([central_differences(runs, flow, part, row, step)[0] for step in steps.tolist()])
