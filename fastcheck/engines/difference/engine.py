"""Difference propagation as an engine: ĝ to machine precision, many coordinates per run of the cost."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from fastcheck.engines import Bound, DisagreementError, Estimate, Estimates, T
from fastcheck.engines.difference.finer_steps import faint, reconciled, with_finer_step
from fastcheck.engines.difference.lifting import LiftedCost
from fastcheck.engines.difference.runs import Runner
from fastcheck.engines.difference.session import session_of
from fastcheck.engines.difference.state import TracingError
from fastcheck.engines.difference.verification import (
    Evidence,
    chosen_directions,
    confirm_loops,
    confirm_sums,
    look_along,
    loop_step,
)
from fastcheck.engines.noise import noise_of_lines, rounding_bound
from fastcheck.engines.plain import default_steps, differences
from fastcheck.engines.slopes import (
    STEP,
    UNDERFLOW,
    Slopes,
    bound_of,
    picked_rows,
    steps_to_run,
    to_judge_by,
)
from fastcheck.engines.verification import confirmed
from fastcheck.execution import Execution
from fastcheck.plan import Part, Plan
from fastcheck.problem import Problem

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
        cost, (noise, passes) = problem.evaluator.cost, noise_of_lines(problem, 1)
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
    problem, parts = runner.problem, plan.parts
    picked = [picked_rows(part.size) for part in parts]
    beside = runner.beside(list(zip(parts, picked, strict=True)), STEP)
    epsilons = steps_to_run(plan.epsilon)
    along = look_along(runner, chosen_directions(plan), loop_step(plan))
    evidence: dict[int, Evidence] = {}
    results: dict[int, T] = {}
    plain = 0
    with runner.execution.tracking(len(epsilons) * plan.size) as advance:
        for group in runner.groups(parts):
            runs = [runner.slopes([parts[k] for k in group], epsilon, advance) for epsilon in epsilons]
            for k, *found in zip(group, *runs, strict=True):
                tiny, best = found[0], to_judge_by(found, plan.epsilon)
                bounded = functools.partial(
                    bound_of, picked=picked[k], beside=beside[k], cost_noise=runner.relative_noise
                )
                bound = bounded(best)
                if faint(problem, best):
                    finer, bound = with_finer_step(runner, parts[k], best, bound, epsilons[found.index(best)])
                    found, best = [finer if one is best else one for one in found], finer
                scale = max([problem.flow, *(known.typical for known in evidence.values())])
                evidence[k] = Evidence.of(along[k], found[0], bound)
                if not evidence[k].agrees(scale):
                    found[0], bound, evidence[k] = reconciled(runner, along[k], tiny, bounded, scale)
                    best = to_judge_by(found, plan.epsilon)
                estimate = _estimate_of(runner, parts[k], found, best, bound, plan.epsilon)
                plain += estimate.plain.size
                results[k] = use(estimate)
                del found, tiny, best, estimate
            del runs
    _, passes = confirmed(lambda counted, noise: confirm_loops(counted, along, noise), problem, runner.noise)
    confirm_sums([evidence[k] for k in range(len(parts))])
    return Estimates(
        method=DifferenceEngine.name,
        results=tuple(results[k] for k in range(len(parts))),
        forward_passes=runner.passes + spent + passes + 2 * plain,
        notes=(_PLAIN_NOTE.format(plain),) if plain else (),
        kinks=runner.kink_places(),
    )


def _estimate_of(
    runner: Runner, part: Part, runs: Sequence[Slopes], best: Slopes, bound: Bound, epsilon: float | None
) -> Estimate:
    """Return the estimate of a part from the slopes with each step; what none can follow is evaluated plainly."""
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
    if plain.size:
        problem, coordinates = runner.problem, part.block.start + part.at(plain)
        steps = default_steps(problem.theta[coordinates], epsilon)
        values, bounds = np.array(numerical), bound.at(slice(None), lower)
        lower, upper = np.array(lower), np.array(upper)
        lower[plain] = upper[plain] = differences(problem, coordinates, steps, runner.execution)
        values[plain] = np.where(runs[-1].unsupported[plain], lower[plain], values[plain])
        bounds[plain] = rounding_bound(runner.noise, steps)
        numerical, bound = values, Bound(0.0, bounds)
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
    )
