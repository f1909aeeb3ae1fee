r"""Slopes by complex steps, where the cost takes complex numbers: :math:`ĝ_i = \mathrm{Im}\, J(θ + i h e_i) / h`.

No two costs are subtracted, so that h may be 1e-20 and what is left of errors is the rounding of one evaluation. That
holds for costs that are analytic in what they do with complex numbers. Many are not, and nothing tells so: abs, norms,
`.real`, vdot and comparisons drop the imaginary part or turn its sign. J = |w|² by ``np.abs(w) ** 2`` has the complex
step 0. So slopes are believed only if real differences of the cost, along random directions in each block, confirm
them.

Sources: W. Squire and G. Trapp, Using complex variables to estimate derivatives of real functions, SIAM Rev. 40 (1998);
J. R. R. A. Martins, P. Sturdza and J. J. Alonso, The complex-step derivative approximation, ACM Trans. Math. Softw. 29
(2003).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Generator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastcheck.chi_square import chi_square_quantile
from fastcheck.engines import Bound, DisagreementError, Estimate, Slopes, Summary
from fastcheck.engines.plain.batches import Evaluations
from fastcheck.engines.plain.directions import Directions
from fastcheck.engines.plain.steps import default_steps
from fastcheck.errors import EvaluationError, FastcheckError, InvalidProblemError
from fastcheck.execution import Execution
from fastcheck.normal import normal_numbers
from fastcheck.norms import norm, root_mean_square
from fastcheck.plan.coordinates import Coordinates, Part, Plan, spread_rows
from fastcheck.problem.cost_value import cost_in
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

STEP = 2.0**-67
"""The step h, relative to max(1, |θ|): 7e-21. Its square is nothing beside 1."""

SAME_COST, SAME_COST_IN_NOISE = 2.0**-30, 2.0**10
"""Difference allowed between J and the real part of the cost at complex parameters: relative, and in σ."""

SPOTS = 2
"""Coordinates of each part that are measured again at parameters one unit in the last place away."""

SAFETY = 8.0
"""The bound on rounding is so many times what the largest of these changes by."""

LEAST_UNITS = 32.0
"""And at least so many rounding units of the slopes of the block."""

DIRECTIONS = 2
"""Random directions in each part along which real differences must confirm the slopes."""

MARGIN = 2.0
"""How many times its bound a real difference may be off."""

CONFIRMED = 1e-7
"""Share of the slopes of a part up to which real differences must know them, the usual tolerance: else the part is
known no better, as smaller parts of J whose imaginary part is dropped would decide verdicts unseen."""

MISSES = 1e-3
"""Probability with which a bound from these directions does not hold."""

NAMED = 64
"""Coordinates of a part that are looked at for one to name."""

ADVICE = "Use method='plain', or write the cost without what drops imaginary parts: abs, norms, .real, float(), vdot."


class ComplexStepEngine:
    """One forward pass for each coordinate, and about 14 for each part that confirm them."""

    name = "complex-step"

    def estimates(
        self, problem: Problem, plan: Plan, execution: Execution
    ) -> Generator[Estimate, None, Summary]:
        """Yield the estimate of each part; raise `DisagreementError` where the cost does not confirm one of them."""
        if execution.timeout is not None:
            raise InvalidProblemError(
                "timeout: complex steps are evaluated in this process, where nothing can end one that hangs. Use "
                "method='plain'."
            )
        directions = Directions(problem)
        steps = _ComplexSteps(problem, directions.noise)
        parts = _all_parts(steps, plan, execution)
        confirming = [_Confirming(problem, directions, plan, k, slopes) for k, slopes in enumerate(parts)]
        for each in confirming:
            each.expect_agreement(execution)
        for part, slopes, each in zip(plan.parts, parts, confirming, strict=True):
            bound = steps.rounding(part, slopes) + each.unknown
            yield Estimate(
                part=part,
                slopes=Slopes(central=slopes, known_to=Bound(0.0, bound)),
                noise=directions.noise,
                step_given=plan.epsilon is not None,
            )
        return Summary(
            method=self.name,
            forward_passes=steps.passes + directions.forward_passes,
            notes=_notes(plan, execution),
        )


def _all_parts(steps: _ComplexSteps, plan: Plan, execution: Execution) -> list[Vector]:
    """Return the slopes of all parts."""
    slopes = []
    with execution.tracking(plan.size) as advance, warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        for part in plan.parts:
            coordinates = part.block.start + part.at(slice(0, part.size))
            slopes.append(steps.slopes(coordinates, steps.problem.theta, advance))
    return slopes


def _notes(plan: Plan, execution: Execution) -> tuple[str, ...]:
    notes = [
        f"slopes are complex steps, Im J(θ + ih) / h, which real differences along {DIRECTIONS} random directions in "
        "each block confirm."
    ]
    if plan.epsilon is not None:
        notes.append(f"epsilon={plan.epsilon:g} was not used: complex steps have an h of their own.")
    if execution.n_jobs not in (None, 1):
        notes.append(f"n_jobs={execution.n_jobs} was not used: complex steps are evaluated in this process.")
    return tuple(notes)


class _ComplexSteps:
    """Evaluates the cost, of which the ``noise`` σ is known, at complex parameters; counts its forward ``passes``."""

    def __init__(self, problem: Problem, noise: float) -> None:
        self.problem, self.passes = problem, 0
        self.allowed = SAME_COST * abs(problem.value) + SAME_COST_IN_NOISE * noise

    def slopes(
        self, coordinates: Coordinates, theta: Vector, advance: Callable[[int], None] | None = None
    ) -> Vector:
        """Return the slopes of coordinates at a point near θ, (k,); one forward pass for each."""
        work, slopes = theta.astype(complex), np.empty(coordinates.size)
        for k, i in enumerate(coordinates.tolist()):
            step = STEP * max(1.0, abs(float(theta[i])))
            work[i] = complex(theta[i], step)
            slopes[k] = self._cost(work, i).imag / step
            work[i] = theta[i]
            if advance is not None:
                advance(1)
        if (work != theta).any():
            changed = int(np.flatnonzero(work != theta)[0])
            raise EvaluationError(
                f"cost: it changes its parameters in place: {self.problem.layout.coordinate_name(changed)}. Work on a "
                "copy, or write W = W - … instead of W -= …."
            )
        return slopes

    def rounding(self, part: Part, slopes: Vector) -> Vector:
        """Return the bound on the rounding of slopes, (k,): how much some change if θ does in its last place."""
        rows = spread_rows(part.size, SPOTS)
        theta, coordinates = self.problem.theta, part.block.start + part.at(rows)
        rng = np.random.default_rng(0)
        moved = theta + rng.choice([-1.0, 1.0], theta.size) * np.spacing(np.abs(theta))
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            changes = np.abs(self.slopes(coordinates, moved) - slopes[rows])
        size = np.maximum(np.abs(slopes), root_mean_square(slopes))
        relative = float(np.max(changes / size[rows], initial=0.0, where=size[rows] > 0))
        return np.asarray(size * max(SAFETY * relative, LEAST_UNITS * float(np.finfo(float).eps)))

    def _cost(self, work: NDArray[np.complex128], i: int) -> complex:
        """Return J at complex parameters; `EvaluationError` where the cost does not take them."""
        problem = self.problem
        problem.evaluator.spend(1)
        self.passes += 1
        point = work.copy() if problem.evaluator.fresh else work
        try:
            result = cost_in(problem.evaluator.cost(self._parameters(point)))
        except FastcheckError:
            raise
        except np.exceptions.ComplexWarning as warning:
            self._refuse(i, f"the cost makes a real number of a complex one ({warning})")
        except Exception as error:
            raise EvaluationError(
                f"method='complex-step': the cost does not take complex numbers, at {problem.layout.coordinate_name(i)}"
                f" + ih: {type(error).__name__}: {error}. Use method='plain'."
            ) from error
        value = np.asarray(result)
        if value.shape != () or value.dtype.kind not in "fc":
            raise EvaluationError(
                f"method='complex-step': the cost returns no number for complex parameters, but "
                f"{type(result).__name__}. Use method='plain'."
            )
        if value.dtype.kind == "f":
            self._refuse(i, "the cost returns a real number, so that it drops the imaginary part somewhere")
        cost = complex(value)
        if not abs(cost.real - problem.value) <= self.allowed:
            self._refuse(
                i, f"the cost is {cost.real!r} with complex parameters, and {problem.value!r} with real ones"
            )
        return cost

    def _parameters(self, work: NDArray[np.complex128]) -> Any:
        """Return complex parameters in the structure of the user's."""
        layout = self.problem.layout
        leaves: list[Any] = [work[block.start : block.stop].reshape(block.shape) for block in layout.blocks]
        for number, kind in layout.scalars.items():
            value = complex(leaves[number])
            leaves[number] = value if kind is float else np.complex128(value)
        return layout.assemble(leaves)

    def _refuse(self, i: int, why: str) -> NoReturn:
        raise DisagreementError(
            f"method='complex-step' cannot be used at {self.problem.layout.coordinate_name(i)}: {why}. {ADVICE}"
        )


class _Confirming:
    """What real differences of the cost say of the slopes of one part.

    ``unknown`` is a bound on their errors where real differences know too little, 0 where they confirm them.
    """

    def __init__(
        self, problem: Problem, directions: Directions, plan: Plan, number: int, slopes: Vector
    ) -> None:
        self.problem, self.directions, self.plan = problem, directions, plan
        self.number, self.part, self.slopes = number, plan.parts[number], slopes
        self.unknown = 0.0

    def expect_agreement(self, execution: Execution) -> None:
        """Raise `DisagreementError` unless the cost changes along random directions as the slopes say."""
        part, bounds = self.part, []
        for k in range(DIRECTIONS):
            direction = normal_numbers(part.size, self.plan.seed, self.number, k)
            real = self.directions.along(part.block, direction, part.places)
            along = math.fsum((self.slopes * direction).tolist())
            if real.kinked:
                raise DisagreementError(
                    f"method='complex-step' cannot be used in {part.block.name}: θ stands on a kink of the cost, where "
                    "a complex step finds one of several slopes. Use method='plain'."
                )
            if abs(along - real.central) > MARGIN * real.bound:
                self._name_one(execution, along, real.central)
            bounds.append(real.bound)
        if norm(np.array(bounds)) > CONFIRMED * norm(self.slopes):
            quantile = chi_square_quantile(MISSES, DIRECTIONS)
            self.unknown = (1 + MARGIN) * norm(np.array(bounds)) / math.sqrt(quantile)

    def _name_one(self, execution: Execution, along: float, real: float) -> NoReturn:
        """Raise the error that names the coordinate in which complex steps and real differences are farthest apart."""
        layout, rows = self.problem.layout, spread_rows(self.part.size, NAMED)
        coordinates = self.part.block.start + self.part.at(rows)
        evaluations = Evaluations(self.problem, execution)
        measured = evaluations.measure(
            coordinates, default_steps(self.problem.theta[coordinates], None)
        ).central
        self.directions.forward_passes += evaluations.passes
        apart = np.nan_to_num(np.abs(measured - self.slopes[rows]), nan=-1.0)
        worst = int(np.argmax(apart))
        raise DisagreementError(
            f"method='complex-step' cannot be used: at {layout.coordinate_name(int(coordinates[worst]))} the complex "
            f"step is {self.slopes[rows][worst]:.6g}, and the slope of the cost itself {measured[worst]:.6g} (along a "
            f"random direction in {self.part.block.name}: {along:.6g} and {real:.6g}). {ADVICE}"
        )
