"""The slopes of all coordinates by one run of the cost, and what is certified of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastcheck.engines import Bound
from fastcheck.engines.graph.certificate import (
    Certificate,
    NotCertifiedError,
    UnconfirmedError,
    certify,
)
from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.kinks.finding_ties import JumpError
from fastcheck.engines.graph.kinks.nearest_choice import NearestChoice, nearest_choice
from fastcheck.engines.graph.kinks.slopes_at_kinks import kinks_of
from fastcheck.engines.graph.lost_digits import (
    Rounding,
    bound_of_block,
    noise_of_slopes,
    with_other_roundings,
)
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.recording.advice import INSTEAD
from fastcheck.engines.graph.recording.record import Recording
from fastcheck.engines.graph.runs import Runs
from fastcheck.engines.graph.single_blocks import confirm_blocks, unconfirmed_notes
from fastcheck.engines.graph.single_coordinates import confirm_coordinates
from fastcheck.norms import all_finite, largest, root_mean_square
from fastcheck.plan.coordinates import Part, Plan
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.progress.watching_checks import entering
from fastcheck.workers.library_threads import one_blas_thread

LIKE_ROUNDING = 1e-11
"""Claims that differ by less than this share of a typical slope in their block differ by rounding."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CertifiedSlopes:
    """``slopes`` and their ``bounds``, one of each for each block, and the ``certificate`` that holds for them.

    ``choice`` tells of the choice at kinks that they are the slopes of, None if θ stands on none. ``noise`` is the
    rounding noise of J, ``notes`` are sentences about what could not be confirmed, ``flow`` sends changes of θ
    forwards. ``forward_passes`` counts evaluations of the cost itself.
    """

    slopes: list[Array]
    bounds: list[Bound]
    noise: float
    certificate: Certificate
    choice: NearestChoice | None
    notes: tuple[str, ...]
    flow: Flow
    forward_passes: int

    def of(self, problem: Problem, part: Part) -> Vector:
        """Return the slopes of the coordinates of a part."""
        return of_part(problem, self.slopes, part)


def certified_slopes(runs: Runs, plan: Plan) -> CertifiedSlopes:
    """Record the cost, send slopes back, and certify them.

    Raises `TracingError` where the cost cannot be recorded, `NotCertifiedError` or `DisagreementError` where its slopes
    are not certified. Cost: about 3 recorded runs, what `certify` costs, and a few forward passes.
    """
    entering("recording the cost")
    recording = runs.at_theta()
    flow = recording.flow()
    entering("looking for kinks")
    choice = _choice_at_kinks(runs, plan, recording, flow)
    entering("sending slopes back")
    if choice is None:
        slopes = _sent_back(recording)
        typical = _typical(slopes)
        noise, rounding = _rounding(runs, slopes, typical)
    else:
        slopes, flow = choice.slopes, choice.flow
        typical = _typical(choice.largest())
        noise, rounding = _rounding_at_kinks(runs, choice)
    entering("certifying the slopes")
    certificate, allowances, rounding = _certificate(
        runs, plan, flow, slopes, choice, typical, rounding, noise
    )
    entering("asking the cost itself")
    notes, passes = _confirmed_by_the_cost(runs, plan, slopes, flow, choice, certificate)
    noise = certificate.noise if noise is None else noise
    known_to = [
        bound_of_block(
            runs.problem, size, np.maximum(change, _left_unexplained(certificate, size, factor)), noise
        )
        for size, change, factor in zip(typical, rounding, allowances, strict=True)
    ]
    return CertifiedSlopes(
        slopes=slopes,
        bounds=known_to,
        noise=noise,
        certificate=certificate,
        choice=choice,
        notes=notes,
        flow=flow,
        forward_passes=certificate.forward_passes + passes,
    )


def _certificate(
    runs: Runs,
    plan: Plan,
    flow: Flow,
    slopes: Sequence[Array],
    choice: NearestChoice | None,
    typical: Sequence[float],
    rounding: Sequence[Rounding],
    noise: float | None,
) -> tuple[Certificate, list[float], Sequence[Rounding]]:
    """Return what certifies slopes, the allowances for blocks that lose digits, and the rounding that is known then.

    Where directions do not confirm them, there may be rounding that jittered parameters do not show: they leave
    log(1 + exp(z)) - z as it is where z is 20. All operations are rounded otherwise then.
    """
    largest_noise, allowances = noise_of_slopes(runs.problem, typical, slopes, rounding, noise)

    def certificate() -> Certificate:
        return certify(
            runs,
            flow,
            slopes,
            largest_noise,
            allowances,
            seed=plan.seed,
            directions=plan.directions,
            alpha=plan.alpha,
        )

    try:
        return certificate(), allowances, rounding
    except UnconfirmedError:
        perturbed = runs.perturbed if choice is None else choice.perturbed()
        if not perturbed:
            raise
        rounding = with_other_roundings(slopes, rounding, perturbed)
        largest_noise, allowances = noise_of_slopes(runs.problem, typical, slopes, rounding, noise)
        return certificate(), allowances, rounding


def of_part(problem: Problem, blocks: Sequence[Array], part: Part) -> Array:
    """Return the entries of the coordinates of a part, given an array for each block."""
    block = blocks[problem.layout.number(part.block)].reshape(-1)
    return np.array(part.take(block, slice(0, part.size)))


def _choice_at_kinks(runs: Runs, plan: Plan, recording: Recording, flow: Flow) -> NearestChoice | None:
    """Return the choice at kinks that is nearest to the claim; None if θ stands on none."""
    problem = runs.problem
    with np.errstate(all="ignore"), one_blas_thread():
        try:
            kinks = kinks_of(recording, flow, plan.seed)
        except JumpError:
            raise NotCertifiedError(f"J jumps at θ. {INSTEAD}") from None
    if kinks is None:
        return None
    if not problem.claims:
        raise NotCertifiedError(f"θ stands on a kink of the cost (an exact zero, or a tie). {INSTEAD}")
    named = frozenset(recording.tape.raw[number] for number in kinks.ties)
    near = runs.near_theta(named)
    if kinks.on(near) is None:  # a norm that is zero at θ alone, or another way
        near = runs.at_theta(named)
    with np.errstate(all="ignore"), one_blas_thread():
        kinks = kinks.with_lines(near.tape.lines)
        return nearest_choice(runs, plan, kinks, near)


def _sent_back(recording: Recording) -> list[Array]:
    """Return what J makes of every coordinate, one array for each block."""
    with one_blas_thread():
        slopes = recording.slopes()
    if not all(map(all_finite, slopes)):
        raise NotCertifiedError(f"Some slope is infinite or undefined. {INSTEAD}")
    return slopes


def _rounding(
    runs: Runs, slopes: Sequence[Array], typical: Sequence[float]
) -> tuple[float | None, Sequence[Rounding]]:
    """Return the rounding noise of J, None if it was not needed, and the rounding seen in the slopes of each block.

    Two ways of computing one number show its rounding as well as one way at two places does: where the claim differs
    from the slopes by no more than that, the cost is not recorded again, nor is the noise of J measured.
    """
    apart = _apart_like_rounding(slopes, typical, runs.problem.claims)
    if apart is not None:
        return None, apart
    near = _sent_back(runs.near_theta())
    return runs.noise, [np.abs(here - there).reshape(-1) for here, there in zip(slopes, near, strict=True)]


def _rounding_at_kinks(runs: Runs, choice: NearestChoice) -> tuple[float | None, Sequence[Rounding]]:
    """Return the same at kinks, where the cost was recorded twice in any case."""
    typical = _typical(choice.slopes)
    claim_is_near = _apart_like_rounding(choice.slopes, typical, runs.problem.claims) is not None
    return (None if claim_is_near else runs.noise), choice.rounding


def _apart_like_rounding(
    slopes: Sequence[Array], typical: Sequence[float], claims: Sequence[Array]
) -> list[float] | None:
    """Return how far slopes and claims are apart in each block, if that looks like rounding; else None."""
    if not claims:
        return None
    apart = []
    for block, size, claim in zip(slopes, typical, claims, strict=True):
        apart.append(largest(claim - block))
        if not apart[-1] <= LIKE_ROUNDING * size:
            return None
    return apart


def _confirmed_by_the_cost(
    runs: Runs,
    plan: Plan,
    slopes: Sequence[Array],
    flow: Flow,
    choice: NearestChoice | None,
    certificate: Certificate,
) -> tuple[tuple[str, ...], int]:
    """Return notes about what the cost itself does not confirm, and the forward passes that this took.

    It is asked for single coordinates, and for single blocks if rounding hides some of them along joint directions.
    Raises `DisagreementError` if it contradicts the slopes.
    """
    problem, passes = runs.problem, 0
    smooth = plan if choice is None else _off_kinks(problem, plan, choice)
    if smooth.parts:
        passes += confirm_coordinates(runs, flow, smooth, slopes)
    if certificate.agreement is not None:
        return (), passes
    shows, passes_for_blocks = confirm_blocks(runs, flow, plan, _sizes(problem, plan, slopes))
    return unconfirmed_notes(problem, shows), passes + passes_for_blocks


def _off_kinks(problem: Problem, plan: Plan, choice: NearestChoice) -> Plan:
    """Return a plan of the coordinates at no kink: at one, central differences are not the slopes of a choice."""
    parts = []
    for part in plan.parts:
        lower, upper = of_part(problem, choice.lower, part), of_part(problem, choice.upper, part)
        smooth = part.at(slice(0, part.size))[lower == upper]
        parts.append(dataclasses.replace(part, places=smooth))
    return dataclasses.replace(plan, parts=tuple(part for part in parts if part.size))


def _sizes(problem: Problem, plan: Plan, slopes: Sequence[Array]) -> dict[str, float]:
    """Return the RMS of the slopes, or of the claims if that is larger, of each part of the plan."""
    sizes = {}
    for part in plan.parts:
        size = root_mean_square(of_part(problem, slopes, part))
        if problem.claims:
            claim = part.take(problem.claims[problem.layout.number(part.block)], slice(0, part.size))
            size = max(size, root_mean_square(np.asarray(claim, dtype=np.float64)))
        sizes[part.block.name] = size
    return sizes


def _left_unexplained(certificate: Certificate, typical: float, allowance: float) -> float:
    """Return what the directions of a certificate leave unexplained of the slopes of a block."""
    loses_digits = 1 < allowance < math.inf
    return certificate.residual * typical * (certificate.largest_allowance if loses_digits else 1.0)


def _typical(slopes: Sequence[Array]) -> list[float]:
    return [root_mean_square(block.reshape(-1)) for block in slopes]
