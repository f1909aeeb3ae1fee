"""Slopes along directions by difference propagation: dense differences, or differences in one row."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import DisagreementError
from fastcheck.engines.difference.creation import substituted
from fastcheck.engines.difference.forms import Form, Places
from fastcheck.engines.difference.lifting import LiftedCost
from fastcheck.engines.difference.restoring import holders_kept
from fastcheck.engines.difference.runs import Runner
from fastcheck.engines.difference.state import LARGEST, BatchTooLargeError, TracingError
from fastcheck.engines.difference.trace import Flags, Traced
from fastcheck.engines.directional import Directional, PlainDirections
from fastcheck.engines.noise import POINTS, root_mean_square
from fastcheck.engines.plain import STEP as PLAIN_STEP
from fastcheck.engines.slopes import MARGIN, STEP, UNDERFLOW, Slopes, jittered, unusable
from fastcheck.engines.slopes import ROUNDING as UNMEASURED
from fastcheck.engines.verification import LINES, carefully_measured_noise, confirm_end
from fastcheck.execution import Execution
from fastcheck.parameters import Block, Vector
from fastcheck.problem import Problem

ROUNDING = 2.0**-49
"""Least bound on the rounding error of a slope, relative to the slopes of the block: 8 rounding units."""

MEASURED = 2
"""Directions of each block whose rounding noise is measured."""

JITTER = 2.0**-50
"""As in the other engines, but smaller: a change of all parameters must not change the slope visibly."""

ASSUMED = 4.0
"""Noise of J, in units of its last place, that a verification starts with; it is measured if that is too little."""

ARRAYS = 8
"""Arrays as large as a batch of differences that a run may hold at a time."""


@contextlib.contextmanager
def followed(
    problem: Problem, execution: Execution, plain: PlainDirections, seed: int, max_memory: int
) -> Iterator[DifferenceDirections]:
    """Open difference propagation for a cost, verified along one direction in all blocks against plain evaluation.

    Raises `TracingError` where the cost cannot be followed, `DisagreementError` where evaluation contradicts.
    """
    if 0 < abs(problem.value) < UNDERFLOW:
        raise DisagreementError(f"J = {problem.value:g} is too small: its differences would underflow.")
    cost = problem.evaluator.cost
    with substituted(cost), holders_kept(cost) as kept:
        noise = ASSUMED * float(np.spacing(abs(problem.value)))
        limit = max_memory // (8 * ARRAYS)

        def verified(runner: Runner) -> DifferenceDirections:
            directions = DifferenceDirections(runner, plain, limit)
            directions.verify(seed)
            return directions

        try:
            directions = verified(Runner(problem, execution, cost, noise, kept))
        except TracingError as first:
            kept.restore()
            try:
                directions = verified(Runner(problem, execution, LiftedCost(cost), noise, kept))
            except TracingError:
                raise first from None
        yield directions


@dataclass(frozen=True, slots=True)
class _Noise:
    """Bounds on rounding in one block: per unit of length of the direction, and relative to the slope."""

    per_length: float
    relative: float

    def bound(self, lengths: Vector, slopes: Vector) -> Vector:
        """Return the bounds of slopes along directions of these lengths."""
        return np.maximum(self.per_length * lengths, self.relative * np.abs(slopes))


class DifferenceDirections:
    """Runs the cost on arrays that carry (value, difference): directions are the members of a batch."""

    method = "difference"

    def __init__(self, runner: Runner, plain: PlainDirections, limit: int) -> None:
        self.runner, self.plain, self.limit = runner, plain, limit
        self.notes: tuple[str, ...] = ()
        self.forward_passes = 0
        self._noise: dict[str, _Noise] = {}
        self._beside: Vector | None = None
        self._work_of_a_pass = 1

    def along(self, block: Block, entries: NDArray[np.float64], shrink: float = 1.0) -> Directional:
        """Return the slopes along ``entries`` (k, block.size)."""
        entries, spent = entries.reshape(len(entries), block.size), self.forward_passes
        slopes = self._slopes(block, entries, None, shrink)
        if block.name not in self._noise:
            self._noise[block.name] = self._measured(block, entries, slopes, shrink)
        return self._bounded(block, entries, None, shrink, slopes, spent)

    def along_rows(
        self, block: Block, rows: NDArray[np.intp], entries: NDArray[np.float64], shrink: float = 1.0
    ) -> Directional:
        """Return the slopes along directions that each live in one row of axis 0."""
        entries, rows, spent = (
            entries.reshape(len(entries), -1),
            np.asarray(rows, np.intp),
            self.forward_passes,
        )
        if block.name not in self._noise:
            dense = np.random.default_rng(0).standard_normal((MEASURED, block.size))
            self._noise[block.name] = self._measured(block, dense, None, shrink)
        slopes = self._slopes(block, entries, rows, shrink)
        return self._bounded(block, entries, rows, shrink, slopes, spent)

    def verify(self, seed: int) -> None:
        """Raise `DisagreementError` unless evaluation confirms a difference along a direction in all blocks.

        The direction has unit length in each block; the step is that of plain evaluation. Both compute the same finite
        difference, kinks and truncation included.
        """
        problem, rng = self.runner.problem, np.random.default_rng([seed, 1])
        end = np.empty(problem.layout.size)
        for block in problem.layout.blocks:
            part = rng.standard_normal(out=end[block.start : block.stop])
            part *= PLAIN_STEP / max(float(np.linalg.norm(part)), PLAIN_STEP)
        end += problem.theta
        change = end - problem.theta
        forms = [
            Form(change[b.start : b.stop].reshape(1, *b.shape), b.shape) if b.size else None
            for b in problem.layout.blocks
        ]
        try:
            self._confirm(forms, end)
        except DisagreementError:
            self.runner.noise = max(self.runner.noise, carefully_measured_noise(problem))
            self.forward_passes += LINES * POINTS
            self._confirm(forms, end)

    def _confirm(self, forms: list[Form | None], end: Vector) -> None:
        self.forward_passes += 3
        traced = self.runner.moved(forms, 1, limit=max(self.limit, LARGEST))
        self.runner.put_back()
        self._work_of_a_pass = max(1, traced.member_work)
        if not traced.unsupported.any():
            found = float(traced.difference[0])
            confirm_end(self.runner.problem, "all blocks", end, found, self.runner.noise)

    def _measured(
        self, block: Block, entries: NDArray[np.float64], slopes: Slopes | None, shrink: float
    ) -> _Noise:
        """Return what a jitter of θ changes in the slopes along a few of these directions."""
        some = entries[:MEASURED]
        here = self._slopes(block, some, None, shrink) if slopes is None else slopes
        if self._beside is None:
            self._beside = jittered(self.runner.problem.theta, JITTER)
        beside = self._slopes(block, some, None, shrink, self._beside)
        k = len(some)
        ignored = beside.kinked | here.kinked[:k] | beside.unsupported | here.unsupported[:k]
        central, lengths = here.central[:k], np.linalg.norm(some, axis=1)
        typical, length = root_mean_square(central), root_mean_square(lengths)
        if ignored.all():
            return _Noise(per_length=0.0, relative=UNMEASURED)
        change = float(np.abs(beside.central - central)[~ignored].max())
        return _Noise(
            per_length=(MARGIN * change + ROUNDING * typical) / length if length else 0.0,
            relative=MARGIN * change / typical + ROUNDING if typical else ROUNDING,
        )

    def _bounded(
        self,
        block: Block,
        entries: NDArray[np.float64],
        rows: NDArray[np.intp] | None,
        shrink: float,
        slopes: Slopes,
        spent: int,
    ) -> Directional:
        """Return slopes with their bounds; those that could not be followed are evaluated plainly."""
        right, left = slopes.right, np.array(slopes.left)
        steepest = np.maximum(np.abs(right), np.abs(left))
        bound = self._noise[block.name].bound(np.linalg.norm(entries, axis=1), steepest)
        kinked = slopes.kinked & (np.abs(right - left) > 2 * bound)
        which, passes = np.flatnonzero(slopes.unsupported), self.forward_passes - spent
        if which.size:
            some = entries[which]
            one = (
                self.plain.along(block, some, shrink)
                if rows is None
                else self.plain.along_rows(block, rows[which], some, shrink)
            )
            right[which], left[which], bound[which], kinked[which] = (
                one.right,
                one.left,
                one.bound,
                one.kinked,
            )
            passes += one.forward_passes
        return Directional(right, left, bound, kinked, passes)

    def _slopes(
        self,
        block: Block,
        entries: NDArray[np.float64],
        rows: NDArray[np.intp] | None,
        shrink: float,
        theta: Vector | None = None,
    ) -> Slopes:
        """Return the one-sided slopes, as many directions at a time as fit."""
        step = STEP / shrink
        size = max(1, min(len(entries), self.limit // max(1, entries.shape[1])))
        parts = []
        for start in range(0, len(entries), size):
            chosen = slice(start, start + size)
            at = None if rows is None else rows[chosen]
            parts += self._halving(block, step * entries[chosen], at, theta)
        plus, minus, kinked, unsupported = (np.concatenate(column) for column in zip(*parts, strict=True))
        unsupported |= unusable(plus) | unusable(minus)
        return Slopes(plus / step, -minus / step, kinked, unsupported)

    def _halving(
        self, block: Block, changes: NDArray[np.float64], rows: NDArray[np.intp] | None, theta: Vector | None
    ) -> list[tuple[Vector, Vector, Flags, Flags]]:
        """Return the differences at both ends and what was flagged, in halves if memory demands it."""
        try:
            there = self._trace(block, changes, rows, theta)
            if there.odd:
                return [(there.difference, -there.difference, there.kinked, there.unsupported)]
            back = self._trace(block, -changes, rows, theta)
        except BatchTooLargeError:
            if len(changes) == 1:
                raise TracingError(
                    "the cost", "one direction alone needs more memory than allowed."
                ) from None
            half = len(changes) // 2
            halves = (slice(None, half), slice(half, None))
            return [
                part
                for chosen in halves
                for part in self._halving(
                    block, changes[chosen], None if rows is None else rows[chosen], theta
                )
            ]
        kinked, unsupported = there.kinked | back.kinked, there.unsupported | back.unsupported
        return [(there.difference, back.difference, kinked, unsupported)]

    def _trace(
        self, block: Block, changes: NDArray[np.float64], rows: NDArray[np.intp] | None, theta: Vector | None
    ) -> Traced:
        """Run the cost with these changes of one block."""
        blocks = self.runner.problem.layout.blocks
        members, shape = len(changes), block.shape
        at: Places = {}
        if rows is not None and shape[0] > 1:
            shape, at = (1, *shape[1:]), {0: rows}
        forms: list[Form | None] = [None] * len(blocks)
        forms[blocks.index(block)] = Form(changes.reshape(members, *shape), block.shape, at)
        traced = self.runner.moved(forms, members, theta=theta, limit=max(self.limit, block.size))
        self.forward_passes += 1 + math.ceil(traced.member_work / self._work_of_a_pass)
        return traced
