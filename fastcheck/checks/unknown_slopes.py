"""Slopes of which nothing is known: where, and why. `numerical_gradient` holds NaN there, and warns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from fastcheck.callers import level_of_caller
from fastcheck.engines import Estimate
from fastcheck.engines.plain.borders import NOTHING_KNOWN
from fastcheck.errors import UnknownSlopeWarning
from fastcheck.legible import first_names


def unknown_slopes(estimate: Estimate) -> dict[int, str]:
    """Return why nothing is known of slopes, by their positions in θ.

    Their evaluations were lost, or the cost has no value on either side of θ. There is no claim: what stands for a
    slope of which nothing is known is 0, with a bound that is the same for all of them.
    """
    slopes, unknown = estimate.slopes, dict(estimate.lost)
    for row, reason in estimate.outside.items():
        if slopes.central[row] == 0 and slopes.bound[row] == NOTHING_KNOWN:
            unknown[row] = f"the cost has no value on either side: {reason}"
    return {estimate.coordinate(row): reason for row, reason in unknown.items()}


def warn_of_unknown_slopes(reasons: Mapping[str, str]) -> None:
    """Warn of coordinates with the reason of each, if there are any: one sentence for each reason."""
    if not reasons:
        return
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason.rstrip(". "), []).append(name)
    said = [f"{first_names(of_reason)}: {reason}" for reason, of_reason in names.items()]
    warnings.warn(
        f"the numerical gradient is NaN where nothing is known of it. {'. '.join(said)}.",
        UnknownSlopeWarning,
        stacklevel=level_of_caller(),
    )
