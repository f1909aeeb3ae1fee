"""Branches of a cost: comparisons that decide what it computes, the sides that they take, and points on the other side.

The smallest example: ``np.maximum(w, 0)`` at w = 1 and w = 2 has been seen on one side only; w − 1.5·w·e, with e the
entry that is nearest to zero, is on the other side of it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.detective.graph.recorded_graph import record_with_lines
from fastcheck.engines.graph.nodes.choices import Absolute, Extremum
from fastcheck.engines.graph.nodes.decisions import Step
from fastcheck.engines.graph.nodes.node import Node, plain
from fastcheck.engines.graph.recording.record import Recording
from fastcheck.execution import Execution
from fastcheck.norms import root_mean_square
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

ORDERING = (np.greater, np.greater_equal, np.less, np.less_equal)
"""Comparisons with two sides: that two numbers are equal is no side to look at."""

MOST_RUNS_TOLD_APART = 8
"""Runs of a line, as in a loop over layers, whose branches are told apart; further ones are one branch."""

BEYOND = (1.5, 4.0, 20.0, 200.0)
"""How far points are moved, in units of what would bring the nearest entry to the border if J were linear."""


class Branch(NamedTuple):
    """A comparison in the code of a cost: its line, the function, and which time the line ran."""

    line: CodeLine | None
    function: str
    run: int


@dataclass(frozen=True, slots=True, eq=False)
class SeenBranch:
    """A branch in one run of the cost: the two operands that are compared, and where the comparison is true."""

    node: Node
    operands: tuple[Any, Any]
    mask: NDArray[np.bool_]

    @property
    def sides(self) -> frozenset[bool]:
        """The values that the comparison took."""
        return frozenset(bool(side) for side in np.unique(self.mask))


def recorded_branches(
    problem: Problem, execution: Execution
) -> tuple[Recording, dict[Branch, SeenBranch]] | None:
    """Return the branches that the cost has at θ, None where it cannot be recorded: one or two forward passes."""
    recording = record_with_lines(problem, execution).recording
    if recording is None or recording.result is None:
        return None
    lines, runs = recording.tape.lines, Counter[tuple[Any, str]]()
    branches: dict[Branch, SeenBranch] = {}
    for node in recording.tape.nodes:
        compared = _compared(node)
        if compared is None:
            continue
        function, seen = compared
        place = lines.get(node.number)
        line = None if place is None else CodeLine(file=place[0], number=place[1], text=place[2])
        run = min(runs[line, function], MOST_RUNS_TOLD_APART)
        runs[line, function] += 1
        branch = Branch(line, function, run)
        known = branches.get(branch)
        if known is None or len(known.sides) < len(seen.sides):
            branches[branch] = seen
        elif known.sides != seen.sides:
            branches[branch] = dataclasses.replace(known, mask=np.array([True, False]))
    return recording, branches


def _compared(node: Node) -> tuple[str, SeenBranch] | None:
    """Return the name and the operands of a comparison, None for other operations."""
    depends = any(isinstance(x, Node) for x in node.operands)
    if not depends or not np.size(node.value):
        return None
    if isinstance(node, Step) and node.function in ORDERING and len(node.operands) == 2:
        x, y = node.operands
        return _name_of(node.function), SeenBranch(node, (x, y), np.asarray(node.value, dtype=bool))
    if isinstance(node, Extremum):
        x, y = node.operands
        return _name_of(node.ufunc), SeenBranch(node, (x, y), node.mask)
    if isinstance(node, Absolute):
        (x,) = node.operands
        return "abs", SeenBranch(node, (x, 0.0), np.asarray(plain(x)) >= 0)
    return None


def _name_of(function: Any) -> str:
    return str(function.__name__)


def points_beyond(problem: Problem, recording: Recording, seen: SeenBranch) -> Iterator[Vector]:
    """Yield points, (n,), at which a comparison is likely to take its other side in one entry, nearer ones first.

    The entry is that which is nearest to the border. Parameters move along the slope of its difference, each block in
    proportion to its size.
    """
    values = [np.asarray(plain(x), dtype=float) for x in seen.operands]
    apart = np.asarray(values[0] - values[1])
    distances = np.where(np.isfinite(apart), np.abs(apart), np.inf).ravel()
    if not np.isfinite(distances).any():
        return
    entry = int(np.argmin(distances))
    distance = float(apart.ravel()[entry])
    slope = _slope_of(recording, seen, entry, apart.shape)
    weights = np.ones_like(slope)
    for block in problem.layout.blocks:
        size = root_mean_square(problem.theta[block.start : block.stop]) if block.size else 0.0
        weights[block.start : block.stop] = (size or 1.0) ** 2
    steepness = float(np.sum(weights * slope * slope))
    if not (np.isfinite(steepness) and steepness > 0):
        return
    direction = weights * slope / steepness
    border = distance or np.finfo(float).eps
    for factor in BEYOND:
        yield problem.theta - factor * border * direction


def _slope_of(recording: Recording, seen: SeenBranch, entry: int, shape: tuple[int, ...]) -> Vector:
    """Return the slope of one entry of x − y, (n,)."""
    own = recording.tape.share()

    def share(node: Node, slope: Any) -> Any:
        if node is not seen.node:
            return own(node, slope)
        return [
            (operand, sign * _unit(operand, entry, shape))
            for operand, sign in zip(seen.operands, (1.0, -1.0), strict=True)
            if isinstance(operand, Node) and operand.live
        ]

    with np.errstate(all="ignore"):
        slopes = recording.tape.sent_back(None, recording.leaves, share, {seen.node.number})
    return np.concatenate([np.ravel(slope) for slope in slopes])


def _unit(operand: Node, entry: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return zeros of the shape of an operand, with a one where it is broadcast to the entry."""
    own = np.shape(operand.value)
    places = np.broadcast_to(np.arange(int(np.prod(own, dtype=int))).reshape(own), shape)
    unit = np.zeros(own)
    unit.flat[int(places.flat[entry])] = 1.0
    return unit


def problem_at(problem: Problem, theta: Vector) -> Problem | None:
    """Return the same problem at other parameters, None where its cost is not defined there. One forward pass."""
    with np.errstate(all="ignore"):
        value = problem.evaluator.cost_or_nan(theta.copy())
    if not np.isfinite(value):
        return None
    theta = theta.copy()
    theta.flags.writeable = False
    return dataclasses.replace(problem, theta=theta, value=value, measured={})


def merged(
    seen: Mapping[Branch, frozenset[bool]], more: Mapping[Branch, SeenBranch]
) -> dict[Branch, frozenset[bool]]:
    """Return the sides that were seen before, and those of another run."""
    sides = dict(seen)
    for branch, one in more.items():
        sides[branch] = sides.get(branch, frozenset()) | one.sides
    return sides
