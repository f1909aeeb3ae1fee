"""Which runs of the cost give the slopes of all coordinates, and how they are read."""

from __future__ import annotations

import contextlib
import dataclasses
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import DisagreementError
from fastcheck.engines.difference.forms import Form
from fastcheck.engines.difference.restoring import Kept, Restored
from fastcheck.engines.difference.state import INTERNAL, LARGEST, BatchTooLargeError, Memory, TracingError
from fastcheck.engines.difference.sweep import Experience, Swept, sweep
from fastcheck.engines.difference.trace import Traced, run
from fastcheck.engines.slopes import Slopes, jittered, unusable
from fastcheck.execution import Execution, one_blas_thread
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates
from fastcheck.problem import Problem

BATCH_SECONDS = 2e-3
"""What one batch takes at least: workers start where there are more than a few dozen."""

SAME_VALUE = 64.0
"""J(θ) of a traced run may differ from the cost's by this many times its noise and rounding units."""

FEW = 64
"""Blocks of at most this many coordinates may be run together with others."""


class Runner:
    """Runs the cost for the coordinates of all blocks, and counts its runs."""

    def __init__(
        self,
        problem: Problem,
        execution: Execution,
        cost: Callable[[Any], Any],
        noise: float,
        kept: Kept,
    ) -> None:
        execution = dataclasses.replace(execution, backend="threads")
        if not getattr(problem.evaluator.cost, "threads", True):
            execution = execution.without_threads()
        self.problem, self.execution, self.cost, self.noise = problem, execution, cost, noise
        self.kept = kept
        self.starts = np.array([block.start for block in problem.layout.blocks])
        self.memory = Memory()
        self.passes = 0
        self.experience = Experience(starts=0.0, member_work=np.inf, largest=np.inf)

    def all(self, coordinates: Coordinates, step: float, advance: Callable[[int], None]) -> Slopes:
        """Return the slopes of ascending coordinates: block by block, or several small blocks together."""
        which = self._block_of(coordinates)
        leaves = self._leaves(self.problem.theta)
        parts, order = [], []
        for group in self._groups(which):
            rows = np.flatnonzero(np.isin(which, group))
            parts.append(self._sweep(leaves, which[rows], coordinates[rows], step, advance))
            order.append(rows)
        places = np.argsort(np.concatenate(order), kind="stable")
        joined = {
            name: np.concatenate([getattr(part, name) for part in parts])[places]
            for name in ("right", "left", "kinked", "unsupported")
        }
        return Slopes(**joined)

    def beside(self, coordinates: Coordinates, step: float) -> Slopes:
        """Return the slopes of a few coordinates of all blocks beside θ, where all roundings fall differently."""
        theta = jittered(self.problem.theta)
        which = self._block_of(coordinates)
        flat = coordinates - self.starts[which]
        self.passes += 1
        with one_blas_thread(), naming_the_line():
            swept = sweep(self.cost, self.problem.layout.assemble, self._leaves(theta), which, flat, step)
        self.put_back()
        k = coordinates.size
        self.experience = Experience(
            starts=swept.work - swept.member_work,
            member_work=swept.member_work / k,
            largest=swept.largest / k,
        )
        return slopes_of(swept, step)

    def moved(
        self,
        forms: Sequence[Form | None],
        members: int,
        *,
        theta: Vector | None = None,
        limit: int = LARGEST,
        memory: Memory | None = None,
    ) -> Traced:
        """Return what B perturbations of the leaves do, given as their differences, at θ or at a point beside it.

        ``limit`` is the size of the largest array of differences; beyond it `BatchTooLargeError` is raised. A point
        beside θ has products of its own to remember, in ``memory``.
        """
        leaves = self._leaves(self.problem.theta if theta is None else theta)
        self.passes += 1
        with one_blas_thread(), naming_the_line():
            traced = run(
                self.cost,
                self.problem.layout.assemble,
                leaves,
                forms,
                members,
                memory=self.memory if memory is None else memory,
                compiled=False,
                limit=limit,
            )
        if theta is None:
            self._confirm(np.array([traced.value]))
        return traced

    def put_back(self) -> None:
        """Put back what the first run stored, and see to it that it will be after every run.

        What the cost stores in one run must not be met by another, least of all in another thread.
        """
        if self.kept.changed():
            self.kept.restore()
            self.cost = Restored(self.cost, self.kept)
            self.execution = self.execution.without_threads()

    def _block_of(self, coordinates: Coordinates) -> NDArray[np.intp]:
        return np.searchsorted(self.starts, coordinates, side="right") - 1

    def _leaves(self, theta: Vector) -> list[Vector]:
        return [theta[b.start : b.stop].reshape(b.shape) for b in self.problem.layout.blocks]

    def _groups(self, which: NDArray[np.intp]) -> list[list[int]]:
        """Return which blocks are run together: small ones, if starting their runs would cost more."""
        blocks, counts = np.unique(which, return_counts=True)
        small = [int(block) for block, count in zip(blocks, counts, strict=True) if count <= FEW]
        together = float(counts[np.isin(blocks, small)].sum()) * self.experience.member_work
        if len(small) < 2 or together > (len(small) - 1) * self.experience.starts:
            return [[int(block)] for block in blocks]
        return [small, *([int(block)] for block in blocks if block not in small)]

    def _sweep(
        self,
        leaves: list[Vector],
        which: NDArray[np.intp],
        coordinates: Coordinates,
        step: float,
        advance: Callable[[int], None],
    ) -> Slopes:
        def mapped(function: Callable[[Any], Swept], batches: Iterable[Any]) -> list[Swept]:
            chunks = list(batches)
            self.passes += len(chunks)
            return self.execution.map(
                function,
                chunks,
                sizes=[len(chunk) for chunk in chunks],
                seconds=BATCH_SECONDS * len(chunks),
                backend="threads",
                advance=advance,
            )

        build, flat = self.problem.layout.assemble, coordinates - self.starts[which]
        with naming_the_line():
            swept = sweep(
                self.cost,
                build,
                leaves,
                which,
                flat,
                step,
                memory=self.memory,
                experience=self.experience,
                mapped=mapped,
            )
        self._confirm(swept.values)
        return slopes_of(swept, step)

    def _confirm(self, values: Vector) -> None:
        """Raise `DisagreementError` unless the traced runs computed the same J(θ) as the cost itself."""
        value = self.problem.value
        allowed = SAME_VALUE * (self.noise + abs(value) * float(np.finfo(float).eps))
        different = values[~(np.abs(values - value) <= allowed)]
        if different.size:
            raise DisagreementError(
                f"On perturbed arrays the cost took another way: J = {different[0]:.12g} there, and {value:.12g} "
                "when it is called."
            )


def slopes_of(swept: Swept, step: float) -> Slopes:
    """Return the slopes that differences with this step show."""
    unsupported = swept.unsupported | unusable(swept.plus) | unusable(swept.minus)
    return Slopes(swept.plus / step, -swept.minus / step, swept.kinked, unsupported)


@contextlib.contextmanager
def naming_the_line() -> Iterator[None]:
    """Turn whatever the user's code raises on perturbed arrays into a `TracingError`."""
    try:
        yield
    except (TracingError, BatchTooLargeError):
        raise
    except Exception as error:
        raise _stopped_by(error) from error


def _stopped_by(error: Exception) -> TracingError:
    """Return the error that says which line of the user's code failed on perturbed arrays."""
    frames = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in frames if not frame.filename.startswith(INTERNAL)] or list(frames)
    tracing = TracingError.__new__(TracingError)
    tracing.what, tracing.why = type(error).__name__, f"{error}"
    tracing.filename, tracing.lineno = users[-1].filename, users[-1].lineno or 0
    tracing.source = users[-1].line or ""
    tracing.args = (f"{tracing.what}: {tracing.why}\n  at {tracing.filename}:{tracing.lineno}",)
    return tracing
