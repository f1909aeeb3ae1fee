"""Difference propagation as an engine: ĝ to machine precision, many coordinates per run of the cost."""

from __future__ import annotations

import numpy as np

from fastcheck.engines import DisagreementError, Estimates
from fastcheck.engines.difference.creation import substituted
from fastcheck.engines.difference.lifting import LiftedCost
from fastcheck.engines.difference.restoring import holders_kept
from fastcheck.engines.difference.runs import Runner
from fastcheck.engines.difference.state import TracingError
from fastcheck.engines.difference.verification import verify
from fastcheck.engines.noise import POINTS, noise_level, rounding_bound
from fastcheck.engines.plain import default_steps, differences
from fastcheck.engines.slopes import STEP, UNDERFLOW, bounds, picked_rows, steps_to_run, to_judge_by
from fastcheck.engines.verification import confirmed
from fastcheck.execution import Execution
from fastcheck.plan import Plan, rows_by_block
from fastcheck.problem import Problem

_PLAIN_NOTE = (
    "{:,} coordinates were evaluated plainly: a step in them sends the cost another way, or overflows."
)


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
        with substituted(cost), holders_kept(cost) as kept:
            try:
                return self._estimate(Runner(problem, execution, cost, noise, kept), plan)
            except TracingError as first:
                kept.restore()
                try:
                    return self._estimate(Runner(problem, execution, LiftedCost(cost), noise, kept), plan)
                except TracingError:
                    raise first from None

    def _estimate(self, runner: Runner, plan: Plan) -> Estimates:
        problem, execution, noise = runner.problem, runner.execution, runner.noise
        blocks = [rows for _, rows in rows_by_block(problem.layout, plan)]
        picked = picked_rows(blocks)
        beside = runner.beside(plan.coordinates[np.concatenate(picked)], STEP)
        epsilons = steps_to_run(plan.epsilon)
        with execution.tracking(len(epsilons) * plan.coordinates.size) as advance:
            runs = [runner.all(plan.coordinates, epsilon, advance) for epsilon in epsilons]
        fine, coarse, best = runs[0], runs[-1], to_judge_by(runs, plan.epsilon)
        cost_noise = noise / abs(problem.value) if problem.value else 0.0
        numerical = np.array(coarse.central)
        bound = bounds(blocks, picked, beside, best, cost_noise)
        noise, passes = confirmed(
            lambda noise: verify(runner, plan, fine, bound, STEP, noise), problem, noise
        )
        lower, upper = map(np.array, best.interval())
        plain = np.flatnonzero(fine.unsupported | coarse.unsupported)
        if plain.size:
            coordinates = plan.coordinates[plain]
            steps = default_steps(problem.theta[coordinates], plan.epsilon)
            numerical[plain] = differences(problem, coordinates, steps, execution)
            lower[plain] = upper[plain] = numerical[plain]
            bound[plain] = rounding_bound(noise, steps)
        return Estimates(
            method=self.name,
            numerical=numerical,
            lower=lower,
            upper=upper,
            bound=bound,
            noise=noise,
            plain=plain,
            forward_passes=runner.passes + POINTS + passes + 2 * plain.size,
            notes=(_PLAIN_NOTE.format(plain.size),) if plain.size else (),
        )
