"""Difference propagation as an engine: ĝ to machine precision, many coordinates per run of the cost."""

from __future__ import annotations

import numpy as np

from fastcheck.engines import Estimates
from fastcheck.engines.difference.creation import substituted
from fastcheck.engines.difference.lifting import LiftedCost
from fastcheck.engines.difference.restoring import holders_kept
from fastcheck.engines.difference.runs import UNDERFLOW, DisagreementError, Runner, Slopes
from fastcheck.engines.difference.state import TracingError
from fastcheck.engines.difference.verification import verify
from fastcheck.engines.noise import POINTS, noise_level, root_mean_square, rounding_bound
from fastcheck.engines.plain import default_steps, differences
from fastcheck.execution import Execution
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates, Plan, rows_by_block
from fastcheck.problem import Problem

STEP = 2.0**-80
"""Default ε: nothing is subtracted, so it can be tiny. Kinks are straddled only in their place, and smooth functions
are linear over it to the last bit (`linear`), which makes a run many times faster."""

SMALL = 2.0**-24
"""A step of the user's above this has a truncation error: a run with the default step tells the slopes."""

ROUNDING = 2.0**13 * np.finfo(float).eps
"""Bound on the rounding error of ĝ relative to max(|ĝ|, RMS of the block): 1.8e-12."""

MARGIN = 32.0
"""Bound over the rounding noise seen in a few coordinates of the block."""

SAMPLE = 8
"""Coordinates of each block whose rounding noise is measured."""

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
        with substituted(cost), holders_kept(cost):
            try:
                return self._estimate(Runner(problem, execution, cost, noise), plan)
            except TracingError as first:
                try:
                    return self._estimate(Runner(problem, execution, LiftedCost(cost), noise), plan)
                except TracingError:
                    raise first from None

    def _estimate(self, runner: Runner, plan: Plan) -> Estimates:
        problem, execution, noise = runner.problem, runner.execution, runner.noise
        blocks = [rows for _, rows in rows_by_block(problem.layout, plan)]
        picked = [np.unique(np.linspace(r.start, r.stop - 1, SAMPLE).astype(np.intp)) for r in blocks]
        jittered = runner.jittered(plan.coordinates[np.concatenate(picked)], STEP)
        epsilons = [STEP, *({plan.epsilon} - {None, STEP})]
        with execution.tracking(len(epsilons) * plan.coordinates.size) as advance:
            runs = [runner.all(plan.coordinates, epsilon, advance) for epsilon in epsilons if epsilon]
        fine, coarse = runs[0], runs[-1]
        best = fine if plan.epsilon is None or plan.epsilon > SMALL else coarse
        numerical, bound = coarse.central, bounds(blocks, picked, jittered, best)
        verified = verify(runner, plan, fine, bound, STEP)
        lower = np.where(best.kinked, np.minimum(best.left, best.right), best.central)
        upper = np.where(best.kinked, np.maximum(best.left, best.right), best.central)
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
            forward_passes=runner.passes + POINTS + 2 * (plain.size + verified),
            notes=(_PLAIN_NOTE.format(plain.size),) if plain.size else (),
        )


def bounds(blocks: list[slice], picked: list[Coordinates], jittered: Slopes, slopes: Slopes) -> Vector:
    """Return the bound of each coordinate, from the rounding noise seen in a few of its block, the ``picked`` rows."""
    every = np.concatenate(picked)
    ignored = jittered.kinked | slopes.kinked[every] | jittered.unsupported | slopes.unsupported[every]
    noise = np.where(ignored, 0.0, np.abs(jittered.central - slopes.central[every]))
    bound = ROUNDING * np.abs(slopes.central)
    ends = np.cumsum([0, *(part.size for part in picked)])
    for rows, start, stop in zip(blocks, ends[:-1], ends[1:], strict=True):
        typical = root_mean_square(slopes.central[rows])
        bound[rows] += ROUNDING * typical + MARGIN * float(noise[start:stop].max())
    return bound
