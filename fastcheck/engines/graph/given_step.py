"""Central differences with a step of the user's, without rounding: finite differences sent forwards, many at once."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.away import evaluated_away
from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.runs import Runs
from fastcheck.plan.coordinates import Coordinates, Part
from fastcheck.problem.parameters import Vector
from fastcheck.workers.library_threads import one_blas_thread

MOST_MEMBERS = 256
"""Coordinates that are moved together at most."""

BATCH_ENTRIES = 2**20
"""Entries of what moves, all together, in a batch: it should stay in the cache."""


def central_differences(runs: Runs, flow: Flow, part: Part, rows: Coordinates, epsilon: float) -> Vector:
    """Return (J(θ + ε e) − J(θ − ε e)) / 2ε for these rows of a part, (k,), right to machine precision.

    Where a step sends the cost another way than it was recorded, the cost itself is evaluated. Each coordinate costs
    about what two forward passes of the recorded operations do.
    """
    number, places = runs.problem.layout.number(part.block), part.at(rows)
    many = int(np.clip(BATCH_ENTRIES * 8 // max(flow.tape.held, 8 * part.block.size), 1, MOST_MEMBERS))
    slopes = np.empty(rows.size)
    for start in range(0, rows.size, many):
        batch = slice(start, start + many)
        ends = []
        for sign in (1.0, -1.0):
            move = np.zeros((places[batch].size, part.block.size))
            move[np.arange(len(move)), places[batch]] = sign * epsilon
            moves: list[NDArray[np.float64] | None] = [None] * len(flow.leaves)
            moves[number] = move
            with np.errstate(all="ignore"), one_blas_thread():
                differences = flow.differences(moves, len(move))
            ends.append(np.where(differences.elsewhere, np.nan, differences.change))
        slopes[batch] = (ends[0] - ends[1]) / (2 * epsilon)
    for row in np.flatnonzero(~np.isfinite(slopes)).tolist():
        slopes[row] = _evaluated(runs, part.block.start + int(places[row]), epsilon)
    return slopes


def _evaluated(runs: Runs, position: int, epsilon: float) -> float:
    """Return the central difference at one position of θ, by the cost itself; NaN where it is not defined."""
    costs = []
    for sign in (1.0, -1.0):
        with runs.problem.work() as work:
            before = work[position]
            work[position] = before + sign * epsilon
            costs.append(evaluated_away(runs.problem, work))
            work[position] = before
    slope = (costs[0] - costs[1]) / (2 * epsilon)
    return slope if math.isfinite(slope) else math.nan
