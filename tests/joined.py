"""The estimates of all parts of a plan in one, as tests compare them with whole vectors."""

from typing import Any, NamedTuple

import numpy as np

from fastcheck.engines import EngineRun
from fastcheck.execution import Execution


class Joined(NamedTuple):
    """What an engine found, arrays (k,) in the order of the plan's coordinates."""

    numerical: Any
    lower: Any
    upper: Any
    bound: Any
    noise: float
    plain: Any
    method: str
    forward_passes: int
    notes: tuple
    truncation: Any


def joined(parts, *, method="", forward_passes=0, notes=()):
    """Join estimates of parts."""
    starts = np.cumsum([0, *(e.part.size for e in parts)])[:-1]
    return Joined(
        *(np.concatenate([getattr(e.slopes, name) for e in parts]) for name in ("central", "lower", "upper")),
        np.concatenate([e.slopes.at(slice(0, e.part.size)).bound for e in parts]),
        parts[0].noise,
        np.concatenate([start + e.slopes.subtracted_rows for start, e in zip(starts, parts, strict=True)]),
        method,
        forward_passes,
        notes,
        None if parts[0].slopes.truncation is None else np.concatenate([e.slopes.truncation for e in parts]),
    )


def estimated(engine, problem, plan, **options):
    """Run an engine and join what it found."""
    estimates, summary = run_engine(engine, problem, plan, **options)
    return joined(
        estimates, method=summary.method, forward_passes=summary.forward_passes, notes=summary.notes
    )


def run_engine(engine, problem, plan, **options):
    """The estimates of all parts of a plan, and how they were made."""
    with EngineRun(engine, problem, plan, Execution(**options)) as run:
        estimates = list(run)
    return estimates, run.summary
