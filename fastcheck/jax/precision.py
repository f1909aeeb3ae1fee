"""Rules that compute in float32 or less: their formulas are judged in float64, their digits by how many are left.

Rounding is no mistake, and no rule in bfloat16 has three right digits; its formulas, computed in float64, have fifteen.
So these are held to the slopes, and what the rule returns is held to its formulas.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.checks.check import check
from fastcheck.jax.floats import unit
from fastcheck.jax.forwards import Forward
from fastcheck.jax.rules_of_users import Claim, Claims
from fastcheck.norms import root_mean_square
from fastcheck.plan.tolerances import DTYPE_ULPS, tolerance_in
from fastcheck.report.result import Report

USUAL = 1e-7
"""The tolerance of `check`."""


MOVES, TIMES_ROUNDING = 3, 16.0
"""Roundings of the arguments that are tried, and how many times their effect the rounding of a rule may have."""


def judged(forward: Forward, claim: Claim, cost: Any, options: dict[str, Any]) -> tuple[Report, Claims]:
    """Return the report of a rule's formulas, or of what it returns where too many digits are lost; and those claims.

    ``cost`` is the function times the cotangents of the claim, ``options`` are those of `check`.
    """
    parameters = forward.asked.parameters

    def ask(claims: Claims, **changed: Any) -> Report:
        return check(cost, parameters, claims, **options | changed)

    if claim.exact is None:
        return _as_returned(claim, options, ask), claim.own
    report = _of_formulas(claim.exact, forward, options, ask)
    return _with_rounding(report, claim, forward, ask)


def _as_returned(claim: Claim, options: dict[str, Any], ask: Callable[..., Report]) -> Report:
    """Return the report of what a rule returns, in its dtypes: all that there is of one that JAX cannot trace."""
    is_known_to_check = claim.shortest in (np.float64, np.float32, np.float16)
    if is_known_to_check or "tolerance" in options:
        return ask({name: x.astype(claim.numpy_dtype) for name, x in claim.own.items()})
    return ask(claim.own, tolerance=_half_of_the_digits(claim.shortest))


def _of_formulas(
    exact: Claims, forward: Forward, options: dict[str, Any], ask: Callable[..., Report]
) -> Report:
    """Return the report of formulas: what float32 does not resolve is no mistake of a function written in float32."""
    report = ask(exact)
    tolerance = tolerance_in(np.dtype(np.float32), USUAL)
    # Coordinates that all are within a tolerance differ by two of it as a block, at most.
    is_far_off = any(block.difference > 2 * tolerance for block in report.blocks.values())
    is_settled = report.passed or is_far_off or forward.shortest == np.float64
    if is_settled or "tolerance" in options:
        return report
    again = ask(exact, tolerance=tolerance)
    if not again.passed:
        return report
    note = (
        f"in float64 the formulas of the rule differ from the slopes by {report.difference:.0e}, which is less than "
        f"float32 resolves: an iteration that ends there, an approximation. tolerance={USUAL:.0e} holds them to that."
    )
    return dataclasses.replace(again, notes=(*again.notes, note))


def _with_rounding(
    report: Report, claim: Claim, forward: Forward, ask: Callable[..., Report]
) -> tuple[Report, Claims]:
    """Return a report with what is known of rounding, or that of what the rule returns if that is too much."""
    assert claim.exact is not None
    name, error = largest_rounding(claim.own, claim.exact)
    where = (
        f"{claim.shortest}{claim.line}" if _is_shorter(claim.shortest, forward.shortest) else claim.shortest
    )
    limit = most_rounding(claim, forward, error)
    if error <= limit or not report.passed:
        note = (
            f"the rule computes in {where}. Its formulas were judged in float64; its own gradients differ from those "
            f"by {error:.0e} of a block at most ({name})."
        )
        return dataclasses.replace(report, notes=(*report.notes, note)), claim.exact
    own = ask(claim.own, tolerance=min(limit, 0.5))
    note = (
        f"in float64 the formulas of the rule are right. It computes in {where}, and what it returns is off by "
        f"{error:.0e} of a block ({name}): more than a function in {forward.shortest} need lose."
    )
    return dataclasses.replace(own, notes=(*own.notes, note)), claim.own


def most_rounding(claim: Claim, forward: Forward, error: float) -> float:
    """Return the share of a block by which a rule may be off its formulas.

    Half of the digits may be lost, or what the rounding of the arguments alone loses, a few times. Where the rule alone
    computes in a shorter float, it is some units of that of the forward.
    """
    if _is_shorter(claim.shortest, forward.shortest):
        return max(USUAL, DTYPE_ULPS * unit(forward.shortest))
    half = _half_of_the_digits(forward.shortest)
    if error <= half or claim.moved is None or claim.exact is None:
        return half
    moved = [claim.moved(unit(forward.shortest), seed) for seed in range(MOVES)]
    return max(half, TIMES_ROUNDING * max(largest_rounding(each, claim.exact)[1] for each in moved))


def _half_of_the_digits(dtype: Any) -> float:
    return math.sqrt(unit(dtype))


def _is_shorter(dtype: Any, other: Any) -> bool:
    return unit(dtype) > unit(other)


def largest_rounding(own: Claims, exact: Claims) -> tuple[str, float]:
    """Return the block in which a rule is furthest from its formulas, and how far, as a share of its RMS."""
    worst = {name: _share(own[name], x) for name, x in exact.items() if x.size}
    name = max(worst, key=lambda each: worst[each])
    return name, worst[name]


def _share(own: Any, exact: Any) -> float:
    apart, size = float(np.max(np.abs(own - exact))), root_mean_square(exact.reshape(-1))
    if not np.isfinite(apart):
        return np.inf
    return apart / size if size else (np.inf if apart else 0.0)
