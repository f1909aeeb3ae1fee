"""The runs of a cost that are recorded: at θ, near it, and with other roundings."""

from __future__ import annotations

import functools
from collections.abc import Callable, Container
from typing import Any

import numpy as np

from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.perturbation import PERTURBATION, Perturbation
from fastcheck.engines.graph.recording.record import Recording, record
from fastcheck.engines.graph.recording.restoring import Restored, Snapshot
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.engines.plain.noise import noise_of_lines
from fastcheck.engines.rounding import jittered
from fastcheck.execution import Execution
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.workers.library_threads import one_blas_thread

SAME_VALUE = 64.0
"""J(θ) of a recorded run may differ from the cost's by this many times its noise and rounding units."""

PERTURBATIONS = 3
"""Ways of rounding that are tried: that all three are near the actual one by chance has a probability of 1e-5."""

LOST_DIGITS = 2.0**-40
"""Perturbed operations that change J by more than this share of it tell that digits are lost."""

MOST_NONDETERMINISM = 1e-6
"""Costs that differ by more than this share of them from run to run hide what a kink does to slopes."""

PerturbedRun = tuple[float, list[Array]]
"""J and the slopes of all blocks in a run with other roundings."""


class Runs:
    """Runs a cost on recorded arrays, and counts these forward passes.

    ``cost`` is the problem's, or the same one with data of its own that is recorded, too. What it stores is put back to
    the ``snapshot`` after every run: no run may see what another stored. If it is ``thorough``, plain arrays of the
    cost are recorded as well.
    """

    def __init__(
        self,
        problem: Problem,
        execution: Execution,
        cost: Callable[[Any], Any],
        snapshot: Snapshot,
        *,
        thorough: bool = False,
    ) -> None:
        if problem.nondeterminism > MOST_NONDETERMINISM:
            raise DisagreementError(
                f"J may differ by {problem.nondeterminism:.0e} of its size from run to run, and so may slopes: kinks "
                "would not be told from that."
            )
        self.problem, self.execution, self.cost, self.snapshot = problem, execution, cost, snapshot
        self.thorough, self.passes = thorough, 0

    @functools.cached_property
    def noise(self) -> float:
        """The rounding noise of J, measured along a line when it is first asked for."""
        noise, passes = noise_of_lines(self.problem, 1)
        self.passes += passes
        return noise

    @property
    def relative_noise(self) -> float:
        """The rounding noise of J, relative to it."""
        return self.noise / abs(self.problem.value) if self.problem.value else 0.0

    def at_theta(self, named: Container[int] = ()) -> Recording:
        """Return the cost recorded at θ; ``named`` are the numbers of nodes whose lines are to be known.

        Raises `DisagreementError` if J is another number there than when the cost is called.
        """
        recording = self._record(self.problem.theta, named=named)
        value, recorded = self.problem.value, recording.value
        if recorded != value:
            allowed = SAME_VALUE * (self.noise + abs(value) * float(np.finfo(float).eps))
            if not abs(recorded - value) <= allowed:
                raise DisagreementError(
                    f"On recorded arrays the cost took another way: J = {recorded:.12g} there, and {value:.12g} when "
                    "it is called."
                )
        return recording

    def at(self, theta: Vector) -> Recording:
        """Return the cost recorded at other parameters."""
        return self._record(theta)

    def near_theta(self, named: Container[int] = ()) -> Recording:
        """Return the cost recorded at jittered parameters, where all roundings fall differently."""
        return self._record(jittered(self.problem.theta), named=named)

    @functools.cached_property
    def perturbed(self) -> list[PerturbedRun] | None:
        """J and the slopes of all blocks with a few other ways of rounding all operations, recorded when asked for.

        None where the cost cannot be recorded then.
        """
        return self.perturbed_with(Recording.slopes)

    def perturbed_with(self, slopes: Callable[[Recording], list[Array] | None]) -> list[PerturbedRun] | None:
        """Return the same with ``slopes`` of each of these runs; None, too, where that returns None for one of them."""
        costs_and_slopes = []
        try:
            for number in range(PERTURBATIONS):
                theta = jittered(self.problem.theta, PERTURBATION, number)
                recording = self._record(theta, perturbation=Perturbation(number))
                with one_blas_thread():
                    of_run = slopes(recording)
                if of_run is None:
                    return None
                costs_and_slopes.append((recording.value, of_run))
        except TracingError:
            return None
        return costs_and_slopes

    def perturbed_change(self) -> float:
        """Return the most that other roundings of all operations change J(θ), infinite where they leave no J.

        Zero unless digits are lost: other roundings than those that are hidden are part of the noise of J.
        """
        if not self.perturbed:
            return 0.0
        changes = np.abs(np.array([cost for cost, _ in self.perturbed]) - self.problem.value)
        if not np.isfinite(changes).all():
            return np.inf
        change = float(changes.max())
        return change if change > LOST_DIGITS * abs(self.problem.value) else 0.0

    def _record(
        self, theta: Vector, *, named: Container[int] = (), perturbation: Perturbation | None = None
    ) -> Recording:
        """Return the recorded cost; again, with copies of all constants, if it writes into those it has used."""
        problem = self.problem
        leaves = problem.layout.leaves(theta)
        for copies in (False, True):
            problem.evaluator.spend(1)
            self.passes += 1
            try:
                with one_blas_thread():
                    recording = record(
                        self.cost,
                        problem.layout.assemble,
                        leaves,
                        self.execution.max_memory // 2,
                        self.thorough,
                        copies,
                        named,
                        perturbation,
                    )
                written_over = recording.tape.written_over()
            finally:
                self._put_back()
            if not written_over:
                break
        return recording

    def _put_back(self) -> None:
        """Put back what the run stored, and see to it that it will be after every run."""
        if self.snapshot.changed():
            self.snapshot.restore()
            self.cost = Restored(self.cost, self.snapshot)
