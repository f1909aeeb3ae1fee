"""Propose and certify as an engine: all slopes by one run of the cost, believed after a few more."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np

from fastcheck.engines import Bound, DisagreementError, Estimate, Estimates, T
from fastcheck.engines.difference.engine import MATTERS
from fastcheck.engines.difference.forms import Form
from fastcheck.engines.difference.large_steps import ZERO, claimed_size, confirmed_by_cost
from fastcheck.engines.difference.lifting import LiftedCost
from fastcheck.engines.difference.runs import Runner, some_members
from fastcheck.engines.difference.session import session_of
from fastcheck.engines.difference.state import TracingError
from fastcheck.engines.difference.trace import Traced
from fastcheck.engines.difference.verification import chosen_directions, look_along
from fastcheck.engines.graph.certificate import INSTEAD, NotCertifiedError, certified
from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.joint import Answer
from fastcheck.engines.graph.kinks import kinks_of
from fastcheck.engines.graph.nodes import Array
from fastcheck.engines.graph.recording import Recording, record, register_libraries
from fastcheck.engines.graph.settled import Settled, settle
from fastcheck.engines.graph.ties import JumpError
from fastcheck.engines.kinks import Kinks
from fastcheck.engines.one_by_one import confirm_coordinates
from fastcheck.engines.rounding import Shaken
from fastcheck.engines.slopes import STEP, UNDERFLOW, block_bound, jittered
from fastcheck.engines.verification import unconfirmed_notes
from fastcheck.execution import Execution, one_blas_thread
from fastcheck.norms import root_mean_square
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates, Part, Plan
from fastcheck.problem import Problem

COPIES = 24
"""Numbers for each parameter that are kept at once where claims at kinks are judged together, about."""

LIKE_ROUNDING = 1e-11
"""Claims that differ by less than this share of a typical slope in their block differ by rounding."""


EMPTY = 2.0**-10
"""Rounding noise above this share of slopes that are tiny beside those of other blocks leaves nothing of them."""


class RecordedRunner(Runner):
    """Sends changes of θ forwards through what was recorded, where `Runner` runs the cost on them."""

    recording: Recording | None = None

    def moved(self, forms: Sequence[Form | None], members: int, **options: Any) -> Traced:
        """Return what ``members`` changes of the leaves do; at points beside θ by running the cost."""
        if self.recording is None or options.get("theta") is not None:
            return super().moved(forms, members, **options)
        self.begin()
        flow, found = self.recording.flow(), []
        with np.errstate(all="ignore"), one_blas_thread():
            for k in range(members):
                one = (some_members(form, slice(k, k + 1)) for form in forms)
                found.append(flow.differences([None if form is None else form.dense() for form in one], 1))
        change = np.concatenate([one.change for one in found])
        return Traced(
            value=self.recording.value,
            difference=change,
            kinked=np.zeros(members, dtype=bool),
            unsupported=np.concatenate([one.elsewhere for one in found]) | ~np.isfinite(change),
            odd=False,
            work=0,
            member_work=0,
            largest=0,
        )


class GraphEngine:
    """Records the cost, sends slopes back through what was recorded, and certifies them forwards."""

    name = "graph"

    def estimate(
        self, problem: Problem, plan: Plan, execution: Execution, use: Callable[[Estimate], T]
    ) -> Estimates[T]:
        """Return slopes and bounds of all parts.

        Raises `TracingError` where the cost cannot be recorded, and `DisagreementError` where the slopes are not
        certified, or a step was asked for.
        """
        if plan.epsilon not in (None, STEP):
            raise DisagreementError(f"ε = {plan.epsilon:g} was asked for, and slopes have no step.")
        cost = problem.evaluator.cost
        if 0 < abs(problem.value) < UNDERFLOW:
            raise DisagreementError(f"J = {problem.value:g} is too small: its differences would underflow.")
        register_libraries("scipy.special" in sys.modules)
        attempt, tally = problem.counted()
        with session_of(cost) as session:
            try:
                runner = RecordedRunner(attempt, execution, cost, None, session.kept)
                return _estimate(runner, plan, use, 0)
            except TracingError as first:
                session.kept.restore()
                session.look_closer()
                try:
                    lifted = RecordedRunner(problem, execution, LiftedCost(cost), None, session.kept)
                    return _estimate(lifted, plan, use, tally.passes, thorough=True)
                except TracingError:
                    raise first from None


def _estimate(
    runner: RecordedRunner, plan: Plan, use: Callable[[Estimate], T], spent: int, thorough: bool = False
) -> Estimates[T]:
    problem = runner.problem
    recording = _recorded(runner, problem.theta, thorough)
    flow = recording.flow()
    settled = _settled(runner, plan, recording, flow, thorough)
    flow = flow if settled is None else settled.flow
    here = _slopes(recording) if settled is None else settled.slopes
    noise, apart = None, _apart(here, problem.claims)
    if settled is not None:
        noise, seen = runner.noise if apart is None else None, settled.seen
    elif apart is not None:
        seen = apart
    else:
        noise, beside = runner.noise, _slopes(_recorded(runner, jittered(problem.theta), thorough))
        seen = [float(np.max(np.abs(x - y), initial=0.0)) for x, y in zip(here, beside, strict=True)]
    typical = _typical(here if settled is None else settled.largest())
    _expect_quiet(problem, typical, seen)
    zero, sizes = _zero(problem, typical), _typical(here)
    relative = [bound.relative for bound in _bounds(problem, sizes, seen, noise)]
    empty = [size <= zero and noisy > EMPTY for size, noisy in zip(sizes, relative, strict=True)]
    noisiest = max((noisy for noisy, none in zip(relative, empty, strict=True) if not none), default=0.0)
    certificate = certified(
        runner,
        flow,
        here,
        noisiest,
        empty=empty,
        seed=plan.seed,
        directions=plan.directions,
        alpha=plan.alpha,
    )
    smooth = _off_kinks(problem, plan, settled)
    if smooth.parts:
        spent += confirm_coordinates(problem, smooth, here, lambda: runner.noise)
    noise = certificate.noise if noise is None else noise
    seen = [max(change, certificate.residual * size) for change, size in zip(seen, typical, strict=True)]
    bounds = _bounds(problem, typical, seen, noise)
    notes: tuple[str, ...] = ()
    if certificate.agreement is None:
        runner.recording = recording
        notes, passes = _confirm_blocks(runner, plan, here)
        spent += passes
    results = _estimates(runner, plan, here, bounds, noise, settled, use)
    return Estimates(
        method=GraphEngine.name,
        results=results,
        forward_passes=runner.passes + spent + certificate.forward_passes,
        notes=notes,
        kinks=() if settled is None else settled.places,
        certified=certificate,
        said_of_kinks=None if settled is None else settled.said,
    )


def _settled(runner: Runner, plan: Plan, recording: Recording, flow: Flow, thorough: bool) -> Settled | None:
    """Return the choice at kinks that is nearest to the claim; None if θ stands on none."""
    problem = runner.problem
    with np.errstate(all="ignore"), one_blas_thread():
        try:
            kinks = kinks_of(recording, flow, plan.seed)
        except JumpError:
            raise NotCertifiedError(f"J jumps at θ. {INSTEAD}") from None
    if kinks is None:
        return None
    if not problem.claims or 8 * COPIES * problem.layout.size > runner.execution.max_memory:
        raise NotCertifiedError(f"θ stands on a kink. {INSTEAD}")
    named = frozenset(recording.tape.raw[number] for number in kinks.ties)
    beside = _recorded(runner, jittered(problem.theta), thorough, named)
    if kinks.on(beside) is None:  # a norm that is zero at θ alone, or another way
        beside = _recorded(runner, problem.theta, thorough, named)
    with np.errstate(all="ignore"), one_blas_thread():
        return settle(problem, plan, kinks, beside, lambda: runner.relative_noise, plan.seed)


def _off_kinks(problem: Problem, plan: Plan, settled: Settled | None) -> Plan:
    """Return a plan of the coordinates at no kink: at one, central differences are not the slopes of a choice."""
    if settled is None:
        return plan
    parts = []
    for part in plan.parts:
        number, places = problem.layout.number(part.block), part.at(slice(0, part.size))
        lower, upper = (side[number].reshape(-1)[places] for side in (settled.lower, settled.upper))
        parts.append(dataclasses.replace(part, places=places[lower == upper]))
    return dataclasses.replace(plan, parts=tuple(part for part in parts if part.size))


def _typical(slopes: Sequence[Array]) -> list[float]:
    return [root_mean_square(block.reshape(-1)) for block in slopes]


def _bounds(
    problem: Problem, typical: Sequence[float], seen: Sequence[float], noise: float | None
) -> list[Bound]:
    relative = noise / abs(problem.value) if noise and problem.value else 0.0
    return [
        block_bound(size, change, relative, problem.nondeterminism)
        for size, change in zip(typical, seen, strict=True)
    ]


def _apart(slopes: Sequence[Array], claims: Sequence[Array]) -> list[float] | None:
    """Return how far slopes and claims are apart in each block, if that looks like rounding; else None.

    Two ways of computing one number show its rounding noise as well as one way at two places does.
    """
    apart = []
    for block, claim in zip(slopes, claims, strict=bool(claims)):
        size = root_mean_square(block.reshape(-1))
        apart.append(float(np.max(np.abs(claim.reshape(-1) - block.reshape(-1)), initial=0.0)))
        if not apart[-1] <= LIKE_ROUNDING * size:
            return None
    return apart if claims else None


def _recorded(runner: Runner, theta: Vector, thorough: bool = False, named: Container[int] = ()) -> Recording:
    """Return the recorded cost at θ, or beside it."""
    problem = runner.problem
    leaves = [theta[block.start : block.stop].reshape(block.shape) for block in problem.layout.blocks]
    limit = runner.execution.max_memory // 2
    for copies in (False, True):
        runner.begin()
        with one_blas_thread():
            recording = record(runner.cost, problem.layout.assemble, leaves, limit, thorough, copies, named)
        written_over = recording.tape.written_over()
        runner.put_back()
        if not written_over:
            break
    if theta is problem.theta:
        runner.confirm(np.array([recording.value]))
    return recording


def _slopes(recording: Recording) -> list[Array]:
    """Return what J makes of every coordinate, one array for each block."""
    with one_blas_thread():
        slopes = recording.slopes()
    if not all(np.isfinite(block).all() for block in slopes):
        raise NotCertifiedError(f"Some slope is infinite or undefined. {INSTEAD}")
    return slopes


def _zero(problem: Problem, typical: Sequence[float]) -> float:
    """Return the RMS up to which the slopes of a block are zero but for rounding, as before a batch normalisation."""
    return ZERO * float(np.finfo(float).eps) * max([problem.flow, *typical])


def _expect_quiet(problem: Problem, typical: Sequence[float], noise: Sequence[float]) -> None:
    """Raise `NotCertifiedError` where rounding might hide mistakes in a block: its coordinates are computed alone then.

    Blocks whose slopes are zero but for rounding, as before a batch normalisation, hide nothing.
    """
    zero = _zero(problem, typical)
    if any(seen > MATTERS * size > MATTERS * zero for size, seen in zip(typical, noise, strict=True)):
        raise NotCertifiedError(f"Rounding may hide a part of the slopes. {INSTEAD}")


def _confirm_blocks(runner: Runner, plan: Plan, slopes: Sequence[Array]) -> tuple[tuple[str, ...], int]:
    """Compare with the cost itself along a direction in each block; return notes, and the forward passes of that."""
    problem = runner.problem
    _, probes = look_along(runner, [], chosen_directions(problem, plan))
    sizes = {
        part.block.name: max(root_mean_square(_of_part(runner, slopes, part)), claimed_size(problem, part))
        for part in plan.parts
    }
    shows, passes = confirmed_by_cost(runner, probes, sizes)
    return unconfirmed_notes(problem, shows), passes


def _of_part(runner: Runner, slopes: Sequence[Array], part: Part) -> Vector:
    """Return the slopes of the coordinates of a part."""
    number = runner.problem.layout.number(part.block)
    found: Vector = slopes[number].reshape(-1)[part.at(slice(0, part.size))]
    return found


def _estimates(
    runner: Runner,
    plan: Plan,
    slopes: Sequence[Array],
    bounds: Sequence[Bound],
    noise: float,
    settled: Settled | None,
    use: Callable[[Estimate], T],
) -> tuple[T, ...]:
    results = []
    with runner.execution.tracking(plan.size) as advance:
        for part in plan.parts:
            number, found = runner.problem.layout.number(part.block), _of_part(runner, slopes, part)
            lower, upper, bound, kinks = _judged_by(runner, settled, part, found, bounds[number])
            advance(part.size)
            results.append(
                use(
                    Estimate(
                        part=part,
                        numerical=found,
                        lower=lower,
                        upper=upper,
                        bound=bound,
                        kinks=kinks,
                        noise=noise,
                        plain=np.zeros(0, dtype=np.intp),
                        shaken=functools.partial(_shaken, runner, settled, part),
                    )
                )
            )
    return tuple(results)


def _judged_by(
    runner: Runner, settled: Settled | None, part: Part, found: Vector, bound: Bound
) -> tuple[Vector, Vector, Bound, Kinks | None]:
    """Return the least and the largest slopes that count as right, their bound, and which are at kinks.

    Claims that may be those of a choice which was not found are undecided.
    """
    if settled is None or settled.answer is Answer.PROOF:
        return found, found, bound, None
    low, high = (_of_part(runner, side, part) for side in (settled.lower, settled.upper))
    at_kinks, doubtful = low < high, _of_part(runner, settled.doubtful, part)
    if not at_kinks.any():
        return found, found, bound, None
    if doubtful.any():
        middle, half = (low + high) / 2, (high - low) / 2
        bound = Bound(bound.relative, bound.absolute + np.where(doubtful, half, 0.0))
        low, high = np.where(doubtful, middle, low), np.where(doubtful, middle, high)
    return low, high, bound, Kinks(at_kinks.astype(np.intp), np.ones(part.size, dtype=bool))


def _shaken(runner: Runner, settled: Settled | None, part: Part, places: Coordinates) -> Shaken | None:
    """Return the slopes at some places with other roundings; at kinks, those of the choice that was made."""
    shaken = runner.shaken_coordinates(part, places)
    if shaken is None or settled is None:
        return shaken
    number, slopes = runner.problem.layout.number(part.block), shaken.slopes.copy()
    low, high, chosen = (
        side[number].reshape(-1)[places] for side in (settled.lower, settled.upper, settled.slopes)
    )
    slopes[:, low < high] = chosen[low < high]
    return dataclasses.replace(shaken, slopes=slopes)


__all__ = ["GraphEngine", "TracingError"]
