"""Difference propagation as an engine: all slopes by one run of the cost, believed after a few more."""

from __future__ import annotations

import functools
from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound, DisagreementError, Estimate, Slopes, Summary
from fastcheck.engines.graph.certified_slopes import CertifiedSlopes, certified_slopes, of_part
from fastcheck.engines.graph.given_step import central_differences
from fastcheck.engines.graph.kinks.nearest_choice import NearestChoice
from fastcheck.engines.graph.kinks.search import Answer
from fastcheck.engines.graph.recording.lifting import LiftedCost
from fastcheck.engines.graph.recording.session import Session, session_of
from fastcheck.engines.graph.runs import Runs
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.engines.rounding import Perturbed
from fastcheck.execution import Execution
from fastcheck.norms import largest
from fastcheck.plan.coordinates import Coordinates, Part, Plan
from fastcheck.problem.posing import Problem
from fastcheck.progress.watching_checks import entering

UNDERFLOW = 2.0**-900
"""Differences of a J below this may come from numbers too small for full precision."""


class GraphEngine:
    """Records the cost, sends slopes back through what was recorded, and certifies them forwards."""

    name = "difference"

    def estimates(
        self, problem: Problem, plan: Plan, execution: Execution
    ) -> Generator[Estimate, None, Summary]:
        """Yield slopes and bounds of all parts; with a step that was asked for, its central differences as well.

        Raises `TracingError` where the cost cannot be recorded, and `DisagreementError` where the slopes are not
        certified.
        """
        if _underflows(problem):
            raise DisagreementError(f"J = {problem.value:g} is too small: its differences would underflow.")
        with session_of(problem.evaluator.cost) as session:
            try:
                runs, certified, passes_of_attempt = _certified(problem, plan, execution, session)
            except DisagreementError:
                problem.note_uncertified()
                raise
            entering("judging the claims")
            with execution.tracking(plan.size) as advance:
                for part in plan.parts:
                    advance(part.size)
                    yield _estimate(runs, plan, certified, part)
        choice = certified.choice
        return Summary(
            method=self.name,
            forward_passes=runs.passes + passes_of_attempt + certified.forward_passes,
            notes=certified.notes,
            kinks=() if choice is None else choice.places,
            at_kinks=frozenset() if choice is None else choice.names_at_kinks(problem.layout),
            certified=certified.certificate,
            said_of_kinks=None if choice is None else choice.said,
        )


def _underflows(problem: Problem) -> bool:
    """Tell whether J is too small for full precision; where it is zero, whether what the claim makes of θ is."""
    if problem.value:
        return abs(problem.value) < UNDERFLOW
    size = largest(problem.theta)
    return problem.largest_claim > 0 and size > 0 and problem.largest_claim < UNDERFLOW / size


def _certified(
    problem: Problem, plan: Plan, execution: Execution, session: Session
) -> tuple[Runs, CertifiedSlopes, int]:
    """Return certified slopes, the runs that they come from, and the forward passes of an attempt before these.

    Where the cost cannot be recorded, a second attempt records its own plain arrays as well: it may compute with them.
    """
    cost = problem.evaluator.cost
    runs = Runs(problem, execution, cost, session.snapshot)
    try:
        return runs, certified_slopes(runs, plan), 0
    except TracingError as error:
        first_error, passes_of_attempt = error, runs.passes
    session.snapshot.restore()
    session.look_closer()
    runs = Runs(problem, execution, LiftedCost(cost), session.snapshot, thorough=True)
    try:
        return runs, certified_slopes(runs, plan), passes_of_attempt
    except TracingError:
        raise first_error from None


def _estimate(runs: Runs, plan: Plan, certified: CertifiedSlopes, part: Part) -> Estimate:
    """Return what is known of one part of the plan."""
    bound = certified.bounds[runs.problem.layout.number(part.block)]
    smooth = Slopes(central=certified.of(runs.problem, part), known_to=bound)
    slopes, at_kinks = _at_kinks(runs.problem, certified.choice, part, smooth)
    at_step = None
    if plan.epsilon is not None:
        rows = plan.rows_at_step(part)
        at_step = rows, central_differences(runs, certified.flow, part, rows, plan.epsilon)
    return Estimate(
        part=part,
        slopes=slopes,
        at_kinks=at_kinks,
        noise=certified.noise,
        perturbed=functools.partial(_perturbed, runs, certified.choice, part),
        at_step=at_step,
    )


def _at_kinks(
    problem: Problem, choice: NearestChoice | None, part: Part, smooth: Slopes
) -> tuple[Slopes, NDArray[np.bool_] | None]:
    """Return the slopes of a part with the interval in which claims are right, and which are at kinks.

    Claims that may be those of a choice which was not found are undecided.
    """
    if choice is None or choice.answer is Answer.PROOF:
        return smooth, None
    lower, upper = of_part(problem, choice.lower, part), of_part(problem, choice.upper, part)
    at_kinks = lower < upper
    if not at_kinks.any():
        return smooth, None
    undecided, bound = of_part(problem, choice.undecided, part), smooth.known_to
    if undecided.any():
        middle, half = (lower + upper) / 2, (upper - lower) / 2
        bound = Bound(bound.relative, bound.absolute + np.where(undecided, half, 0.0))
        lower, upper = np.where(undecided, middle, lower), np.where(undecided, middle, upper)
    slopes = Slopes(central=smooth.central, known_to=bound, interval=(lower, upper))
    return slopes, at_kinks


def _perturbed(runs: Runs, choice: NearestChoice | None, part: Part, places: Coordinates) -> Perturbed | None:
    """Return the slopes at some places of a block with other roundings; at kinks, those of the choice that was made."""
    perturbed = runs.perturbed if choice is None else choice.perturbed()
    if perturbed is None:
        return None
    number = runs.problem.layout.number(part.block)
    slopes = np.array([blocks[number].reshape(-1)[places] for _, blocks in perturbed])
    return Perturbed(slopes=slopes, costs=np.array([cost for cost, _ in perturbed]))
