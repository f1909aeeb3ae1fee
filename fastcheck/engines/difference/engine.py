"""Difference propagation as an engine: ĝ to machine precision, many coordinates per run of the cost."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from fastcheck.engines import Bound, DisagreementError, Estimate, Estimates, T
from fastcheck.engines.difference.finer_steps import faint, reconciled, with_finer_step
from fastcheck.engines.difference.large_steps import claimed_size, confirmed_by_cost
from fastcheck.engines.difference.lifting import LiftedCost
from fastcheck.engines.difference.runs import Runner
from fastcheck.engines.difference.session import session_of
from fastcheck.engines.difference.state import TracingError
from fastcheck.engines.difference.verification import (
    BUNCHES,
    Along,
    Evidence,
    chosen_directions,
    confirm_sums,
    look_along,
    look_together,
)
from fastcheck.engines.noise import noise_of_lines
from fastcheck.engines.plain import default_steps, evaluated
from fastcheck.engines.slopes import (
    STEP,
    UNDERFLOW,
    Slopes,
    bound_of,
    is_uneven,
    picked_rows,
    seen_noise,
    steps_to_run,
    to_judge_by,
)
from fastcheck.engines.verification import unconfirmed_notes
from fastcheck.execution import Execution
from fastcheck.plan import Coordinates, Part, Plan
from fastcheck.problem import Problem

MATTERS, EACH = 2.0**-30, 2**16
"""Noise above this share of the slopes is looked at in each coordinate, of blocks up to this size, if it is uneven."""

_PLAIN_NOTE = (
    "{:,} coordinates were evaluated plainly: a step in them sends the cost another way, overflows, or finds a slope "
    "that depends on it."
)


class DifferenceEngine:
    """Runs the cost on arrays that carry (value, difference): about two runs per row of a weight matrix."""

    name = "difference"

    def estimate(
        self, problem: Problem, plan: Plan, execution: Execution, use: Callable[[Estimate], T]
    ) -> Estimates[T]:
        """Return ĝ with the plan's step, and slopes and bounds from a tiny one.

        Raises `TracingError` where the cost cannot be followed, and `DisagreementError` where the reference
        loop finds something else along the directions in which it computes again.
        """
        cost, (noise, passes) = problem.evaluator.cost, noise_of_lines(problem, 1, double=True)
        if 0 < abs(problem.value) < UNDERFLOW:
            raise DisagreementError(f"J = {problem.value:g} is too small: its differences would underflow.")
        attempt, tally = problem.counted()
        with session_of(cost) as session:
            try:
                return _estimate(Runner(attempt, execution, cost, noise, session.kept), plan, use, passes)
            except TracingError as first:
                session.kept.restore()
                try:
                    lifted = Runner(problem, execution, LiftedCost(cost), noise, session.kept)
                    return _estimate(lifted, plan, use, passes + tally.passes)
                except TracingError:
                    raise first from None


def _estimate(runner: Runner, plan: Plan, use: Callable[[Estimate], T], spent: int) -> Estimates[T]:
    parts, epsilons = plan.parts, steps_to_run(plan.epsilon)
    picked = [picked_rows(part.size) for part in parts]
    beside = runner.beside(list(zip(parts, picked, strict=True)), STEP)
    groups = runner.groups(parts)
    verification = _Verification(runner, plan, groups)
    results: dict[int, T] = {}
    plain, evaluated = 0, set[str]()
    with runner.execution.tracking(len(epsilons) * plan.size) as advance:
        for group in groups:
            runs = [runner.slopes([parts[k] for k in group], epsilon, advance) for epsilon in epsilons]
            found = [
                _Found(runner, parts[k], plan.epsilon, slopes, picked[k], beside[k])
                for k, *slopes in zip(group, *runs, strict=True)
            ]
            del runs
            verification.of(group, found)
            for k, one in zip(group, found, strict=True):
                estimate = _estimate_of(runner, one, plan.epsilon)
                plain += estimate.plain.size
                if estimate.plain.size == parts[k].size:
                    evaluated.add(parts[k].block.name)
                results[k] = use(estimate)
                del one, estimate
            del found
    shows, passes = verification.confirm()
    unconfirmed = unconfirmed_notes(runner.problem, {k: v for k, v in shows.items() if k not in evaluated})
    return Estimates(
        method=DifferenceEngine.name,
        results=tuple(results[k] for k in range(len(parts))),
        forward_passes=runner.passes + spent + passes,
        notes=(*unconfirmed, *((_PLAIN_NOTE.format(plain),) if plain else ())),
        kinks=runner.kink_places(),
    )


class _Found:
    """The slopes of one part: ``runs`` with each of the steps, the tiny one first, and the ``bound`` of the best."""

    def __init__(
        self,
        runner: Runner,
        part: Part,
        epsilon: float | None,
        runs: list[Slopes],
        picked: Coordinates,
        beside: Slopes,
    ) -> None:
        self.part, self.epsilon, self.runs, self.tiny = part, epsilon, runs, runs[0]
        picked, beside = _rows_that_tell(runner, part, self.best, picked, beside)
        self.bounded = functools.partial(
            bound_of,
            picked=picked,
            beside=[beside],
            cost_noise=runner.relative_noise,
            declared=runner.problem.nondeterminism,
        )
        self.bound = self.bounded(self.best)

    @property
    def best(self) -> Slopes:
        """Those to judge by."""
        return to_judge_by(self.runs, self.epsilon)

    def made_finer(self, runner: Runner) -> None:
        """Measure slopes that may be what the step makes of zeros with a finer one, too."""
        best = self.best
        if faint(runner.problem, best):
            step = steps_to_run(self.epsilon)[self.runs.index(best)]
            finer, self.bound = with_finer_step(runner, self.part, best, self.bound, step)
            self.runs = [finer if one is best else one for one in self.runs]


def _rows_that_tell(
    runner: Runner, part: Part, slopes: Slopes, picked: Coordinates, beside: Slopes
) -> tuple[Coordinates, Slopes]:
    """Return the rows of a part whose noise bounds that of all, and their slopes at jittered parameters.

    Where noise makes a few of those picked uncertain, and would hide mistakes in all others, these are all rows.
    """
    noise = seen_noise(slopes, picked, [beside])
    some_matter = float(np.max(noise, initial=0.0)) > MATTERS * float(np.median(np.abs(slopes.central)))
    if some_matter and is_uneven(noise) and part.size <= EACH:
        picked = np.arange(part.size)
        (beside,) = runner.beside([(part, picked)], STEP)
    return picked, beside


class _Verification:
    """What is known along directions in all blocks, and what the slopes of the coordinates say about it."""

    def __init__(self, runner: Runner, plan: Plan, groups: Sequence[Sequence[int]]) -> None:
        self.runner = runner
        self.directions = chosen_directions(runner.problem, plan)
        alone = [k for group in groups if len(group) <= BUNCHES for k in group]
        here = [self.directions[k] for k in alone]
        along, self.probes = look_along(runner, here, self.directions, plan.epsilon or 0.0)
        self.along = dict(zip(alone, along, strict=True))
        self.evidence, self.sizes, self.largest = list[Evidence](), dict[str, float](), 0.0

    @property
    def scale(self) -> float:
        """The size of slopes elsewhere: the largest found so far, or claimed."""
        return max(self.runner.problem.flow, self.largest)

    def of(self, group: Sequence[int], found: Sequence[_Found]) -> None:
        """Compare the slopes of these parts with those along directions, and correct what depends on the step."""
        for one in found:
            one.made_finer(self.runner)
        if len(group) > BUNCHES:
            self._together(group, found)
        for k, one in zip(group, found, strict=True):
            if k in self.along:
                self._alone(self.along.pop(k), one)
            typical = one.runs[0].typical
            self.sizes[one.part.block.name] = max(typical, claimed_size(self.runner.problem, one.part))
            self.largest = max(self.largest, typical)

    def _together(self, group: Sequence[int], found: Sequence[_Found]) -> None:
        """Verify many parts at once, and leave to be verified alone what does not agree."""
        self.largest = max([self.largest, *(one.runs[0].typical for one in found)])
        known = [(one.runs[0], one.bound) for one in found]
        alone = look_together(self.runner, [self.directions[k] for k in group], known, self.scale)
        numbers = {self.directions[k].part.block.name: k for k in group}
        self.along |= {numbers[along.direction.part.block.name]: along for along in alone}

    def _alone(self, along: Along, one: _Found) -> None:
        evidence = Evidence.of(along.direction, along.slope, one.runs[0], one.bound)
        if not evidence.agrees(self.scale):
            one.runs[0], one.bound, evidence = reconciled(
                self.runner, along, one.tiny, one.bounded, self.scale
            )
        self.evidence.append(evidence)

    def confirm(self) -> tuple[dict[str, float], int]:
        """Raise `DisagreementError` unless plain evaluation finds the same with large steps.

        Returns the least error that shows in each block, as a share of its slopes, and the forward passes spent.
        """
        shows, passes = confirmed_by_cost(self.runner, self.probes, self.sizes)
        confirm_sums(self.evidence, self.largest)
        return shows, passes


def _estimate_of(runner: Runner, found: _Found, epsilon: float | None) -> Estimate:
    """Return the estimate of a part from the slopes with each step; what none can follow is evaluated plainly."""
    part, runs, best, bound = found.part, found.runs, found.best, found.bound
    lower, upper = best.interval()
    numerical = lower if runs[-1] is best and lower is upper else runs[-1].central
    kinks = None
    at_kinks = runs[0].kinked | best.kinked
    if at_kinks.any():
        low, high, kinks = runner.enclosed(part, runs[0])
        lower, upper = np.where(at_kinks, low, lower), np.where(at_kinks, high, upper)
        largest = np.where(at_kinks, np.maximum(np.abs(low), np.abs(high)), 0.0)
        bound = Bound(bound.relative, bound.absolute + bound.relative * largest)
    plain = np.flatnonzero(np.logical_or.reduce([run.unsupported for run in runs]))
    outside: dict[int, str] = {}
    if plain.size:
        problem, coordinates = runner.problem, part.block.start + part.at(plain)
        steps = default_steps(problem.theta[coordinates], epsilon)
        values, bounds = np.array(numerical), bound.at(slice(None), lower)
        lower, upper = np.array(lower), np.array(upper)
        known, passes = evaluated(problem, coordinates, steps, runner.execution, runner.noise)
        lower[plain] = upper[plain] = known.central
        values[plain] = np.where(runs[-1].unsupported[plain], lower[plain], values[plain])
        bounds[plain] = known.rounding + known.truncation
        numerical, bound = values, Bound(0.0, bounds)
        outside = {int(plain[row]): what for row, what in known.outside.items()}
        runner.passes += passes
    return Estimate(
        part=part,
        numerical=numerical,
        lower=lower,
        upper=upper,
        bound=bound,
        noise=runner.noise,
        plain=plain,
        kinks=kinks,
        shaken=functools.partial(runner.shaken_coordinates, part),
        outside=outside,
        step_given=epsilon is not None,
    )
