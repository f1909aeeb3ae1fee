"""Difference propagation as an engine: ĝ to machine precision, many coordinates per run of the cost."""

from __future__ import annotations

import contextlib
import dataclasses
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Estimates
from fastcheck.engines.difference import Memory, Swept, TracingError, sweep, trace_mixed
from fastcheck.engines.difference.creation import substituted
from fastcheck.engines.difference.lifting import LiftedCost
from fastcheck.engines.difference.restoring import holders_kept
from fastcheck.engines.difference.state import INTERNAL, BatchTooLargeError
from fastcheck.engines.noise import POINTS, noise_level, root_mean_square, rounding_bound
from fastcheck.engines.plain import default_steps, differences, explained
from fastcheck.engines.reference import central_differences
from fastcheck.errors import FastcheckError
from fastcheck.execution import Execution, one_blas_thread
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates, Plan, rows_by_block
from fastcheck.problem import Problem

STEP = 2.0**-80
"""Default ε: nothing is subtracted, so it can be tiny. Kinks are straddled only in their place, and smooth functions
are linear over it to the last bit (`linear`), which makes a run many times faster."""

UNDERFLOW = 2.0**-900
"""Differences below this may come from numbers too small for full precision."""

SMALL = 2.0**-24
"""A step of the user's above this has a truncation error: a run with the default step tells the slopes."""

ROUNDING = 2.0**13 * np.finfo(float).eps
"""Bound on the rounding error of ĝ relative to max(|ĝ|, RMS of the block): 1.8e-12."""

MARGIN = 32.0
"""Bound over the rounding noise seen in a few coordinates of the block."""

SAMPLE = 8
"""Coordinates of each block whose rounding noise is measured."""

JITTER = 2.0**-48
"""Relative change of θ that makes all roundings fall differently, and changes hardly anything else."""

BATCH_SECONDS = 2e-3
"""What one batch takes at least: workers start where there are more than a few dozen."""

SAME_VALUE = 64.0
"""J(θ) of a traced run may differ from the cost's by this many times its noise and rounding units."""

_PLAIN_NOTE = (
    "{:,} coordinates were evaluated plainly: a step in them sends the cost another way, or overflows."
)

VERIFIED = 3
"""Random coordinates of each block that are computed again by the reference loop."""


class DisagreementError(FastcheckError):
    """The reference loop does not confirm what difference propagation found, or it cannot be trusted here."""


class DifferenceEngine:
    """Runs the cost on arrays that carry (value, difference): about two runs per row of a weight matrix."""

    name = "difference"

    def estimate(self, problem: Problem, plan: Plan, execution: Execution) -> Estimates:
        """Return ĝ with the plan's step, and slopes and bounds from a tiny one.

        Raises `TracingError` where the cost cannot be followed, and `DisagreementError` where the reference
        loop finds something else for the coordinates that it computes again.
        """
        cost, noise = problem.evaluator.cost, noise_level(problem)
        if 0 < abs(problem.value) < UNDERFLOW:
            raise DisagreementError(f"J = {problem.value:g} is too small: its differences would underflow.")
        with substituted(cost), holders_kept(cost):
            try:
                return self._estimate(_Runner(problem, execution, cost, noise), plan)
            except TracingError as first:
                try:
                    return self._estimate(_Runner(problem, execution, LiftedCost(cost), noise), plan)
                except TracingError:
                    raise first from None

    def _estimate(self, runner: _Runner, plan: Plan) -> Estimates:
        problem, execution, noise = runner.problem, runner.execution, runner.noise
        epsilons = [STEP, *({plan.epsilon} - {None, STEP})]
        with execution.tracking(len(epsilons) * plan.coordinates.size) as advance:
            runs = [runner.run(plan.coordinates, epsilon, advance) for epsilon in epsilons if epsilon]
        fine, coarse = runs[0], runs[-1]
        best = fine if plan.epsilon is None or plan.epsilon > SMALL else coarse
        numerical, bound = coarse.central, self._bounds(runner, plan, best)
        lower = np.where(best.kinked, np.minimum(best.left, best.right), best.central)
        upper = np.where(best.kinked, np.maximum(best.left, best.right), best.central)
        plain = np.flatnonzero(fine.unsupported | coarse.unsupported)
        if plain.size:
            coordinates = plan.coordinates[plain]
            steps = default_steps(problem.theta[coordinates], plan.epsilon)
            numerical[plain] = differences(problem, coordinates, steps, execution)
            lower[plain] = upper[plain] = numerical[plain]
            bound[plain] = rounding_bound(noise, steps)
        verified = _verify(runner, plan, noise)
        return Estimates(
            method=self.name,
            numerical=numerical,
            lower=lower,
            upper=upper,
            bound=bound,
            noise=noise,
            plain=plain,
            forward_passes=runner.passes + POINTS + 2 * (plain.size + verified),
            notes=(_PLAIN_NOTE.format(plain.size),) if plain.size else (),
        )

    def _bounds(self, runner: _Runner, plan: Plan, slopes: _Slopes) -> Vector:
        """Return the bound of each coordinate, from the rounding noise seen in a sample of its block."""
        bound = ROUNDING * np.abs(slopes.central)
        blocks = [rows for _, rows in rows_by_block(runner.problem.layout, plan)]
        picked = [np.unique(np.linspace(r.start, r.stop - 1, SAMPLE).astype(np.intp)) for r in blocks]
        every = np.concatenate(picked)
        jittered = runner.sample(plan.coordinates[every], STEP, jitter=True)
        ignored = jittered.kinked | slopes.kinked[every] | jittered.unsupported | slopes.unsupported[every]
        noise = np.where(ignored, 0.0, np.abs(jittered.central - slopes.central[every]))
        ends = np.cumsum([0, *(part.size for part in picked)])
        for rows, start, stop in zip(blocks, ends[:-1], ends[1:], strict=True):
            typical = root_mean_square(slopes.central[rows])
            bound[rows] += ROUNDING * typical + MARGIN * float(noise[start:stop].max())
        return bound


@dataclass(frozen=True, slots=True, eq=False)
class _Slopes:
    """One-sided slopes of k coordinates, and which of them are kinks or could not be followed."""

    right: Vector
    left: Vector
    kinked: NDArray[np.bool_]
    unsupported: NDArray[np.bool_]

    @property
    def central(self) -> Vector:
        return np.asarray((self.right + self.left) / 2)


class _Runner:
    """Runs the cost for the coordinates of all blocks, and counts its runs."""

    def __init__(
        self, problem: Problem, execution: Execution, cost: Callable[[Any], Any], noise: float
    ) -> None:
        execution = dataclasses.replace(execution, backend="threads")
        if not getattr(problem.evaluator.cost, "threads", True):
            execution = execution.without_threads()
        self.problem, self.execution, self.cost, self.noise = problem, execution, cost, noise
        self.memory = Memory()
        self.passes = 0

    def run(self, coordinates: Coordinates, step: float, advance: Callable[[int], None]) -> _Slopes:
        """Return the slopes of ascending coordinates, block by block."""
        leaves, parts = self._leaves(self.problem.theta), []
        for number, block in enumerate(self.problem.layout.blocks):
            first, last = np.searchsorted(coordinates, [block.start, block.stop])
            if first < last:
                inside = coordinates[first:last] - block.start
                parts.append(self._sweep(leaves, number, inside, step, advance))
        plus, minus, kinked, unsupported = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("plus", "minus", "kinked", "unsupported")
        )
        unsupported = unsupported | unusable(plus) | unusable(minus)
        return _Slopes(plus / step, -minus / step, kinked, unsupported)

    def sample(self, coordinates: Coordinates, step: float, *, jitter: bool = False) -> _Slopes:
        """Return the slopes of a few coordinates of all blocks, in one run of the cost if memory allows."""
        theta = self.problem.theta
        if jitter:
            theta = theta * (1 + JITTER * np.random.default_rng(0).standard_normal(theta.size))
        starts = np.array([block.start for block in self.problem.layout.blocks])
        which = np.searchsorted(starts, coordinates, side="right") - 1
        n, both = coordinates.size, np.tile(np.arange(coordinates.size), 2)
        steps = np.repeat([step, -step], n)
        flat = (coordinates - starts[which])[both]
        self.passes += 1
        try:
            with one_blas_thread(), _naming_the_line():
                traced = trace_mixed(
                    self.cost, self.problem.layout.assemble, self._leaves(theta), which[both], flat, steps
                )
        except BatchTooLargeError:
            halves = [self.sample(half, step, jitter=jitter) for half in np.array_split(coordinates, 2)]
            return _Slopes(
                *(np.concatenate(pair) for pair in zip(*map(dataclasses.astuple, halves), strict=True))
            )
        if not jitter:
            self._confirm(np.array([traced.value]))
        difference, unsupported = traced.difference, traced.unsupported | unusable(traced.difference)
        return _Slopes(
            difference[:n] / step,
            -difference[n:] / step,
            traced.kinked[:n] | traced.kinked[n:],
            unsupported[:n] | unsupported[n:],
        )

    def _leaves(self, theta: Vector) -> list[Vector]:
        return [theta[b.start : b.stop].reshape(b.shape) for b in self.problem.layout.blocks]

    def _sweep(
        self,
        leaves: list[Vector],
        leaf: int,
        inside: Coordinates,
        step: float,
        advance: Callable[[int], None],
    ) -> Swept:
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

        build = self.problem.layout.assemble
        with _naming_the_line():
            swept = sweep(self.cost, build, leaves, leaf, inside, step, memory=self.memory, mapped=mapped)
        self._confirm(swept.values)
        return swept

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


def unusable(difference: Vector) -> NDArray[np.bool_]:
    """Return where a difference overflowed, is NaN, or is so small that digits were lost on the way."""
    size = np.abs(difference)
    return np.asarray(~np.isfinite(size) | ((size != 0) & (size < UNDERFLOW)))


@contextlib.contextmanager
def _naming_the_line() -> Iterator[None]:
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


def _verify(runner: _Runner, plan: Plan, noise: float) -> int:
    """Compute a few random coordinates of each block again by the reference loop, with the loop's step.

    Both compute the same finite difference, kinks and truncation included, so they must agree within the
    loop's rounding noise. Returns how many were compared.
    """
    problem = runner.problem
    rng = np.random.default_rng(plan.seed)
    chosen = np.sort(
        np.concatenate(
            [
                rng.choice(plan.coordinates[rows], size=min(VERIFIED, rows.stop - rows.start), replace=False)
                for _, rows in rows_by_block(problem.layout, plan)
            ]
        )
    )
    step = float(default_steps(np.zeros(1), plan.epsilon)[0])
    fast = runner.sample(chosen, step)
    for i, slope in zip(chosen[~fast.unsupported], fast.central[~fast.unsupported], strict=True):
        with explained(problem.layout, int(i), step):
            loop = float(central_differences(problem.evaluator, problem.theta, [int(i)], step)[0])
        rounded = float(np.spacing(abs(problem.theta[i]) + step)) / step * max(abs(loop), abs(float(slope)))
        allowed = 2 * float(rounding_bound(noise, step)) + 2 * rounded
        if not abs(loop - slope) <= allowed:
            raise DisagreementError(
                "The reference loop does not confirm difference propagation: for "
                f"{problem.layout.coordinate_name(int(i))} with the step {step:g} it finds {loop:.12g} and not "
                f"{slope:.12g}, and rounding explains {allowed:.1g} only."
            )
    return int(chosen.size)
