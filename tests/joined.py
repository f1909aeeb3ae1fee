"""The estimates of all parts of a plan in one, as tests compare them with whole vectors."""

from typing import Any, NamedTuple

import numpy as np

from fastcheck.engines.kinks import Kinks
from fastcheck.execution import Execution
from fastcheck.rule import Rows


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
    kinks: Kinks | None


def joined(parts, *, method="", forward_passes=0, notes=()):
    """Join estimates of parts."""
    starts = np.cumsum([0, *(e.part.size for e in parts)])[:-1]
    return Joined(
        *(np.concatenate([getattr(e, name) for e in parts]) for name in ("numerical", "lower", "upper")),
        np.concatenate([Rows.of(e, slice(0, e.part.size)).bound for e in parts]),
        parts[0].noise,
        np.concatenate([start + e.plain for start, e in zip(starts, parts, strict=True)]),
        method,
        forward_passes,
        notes,
        None if parts[0].truncation is None else np.concatenate([e.truncation for e in parts]),
        kinks_of(parts),
    )


def kinks_of(parts):
    """The kinks that the coordinates of all parts meet; parts that meet none have none to enclose."""
    if all(e.kinks is None for e in parts):
        return None
    none = [np.zeros(e.part.size, np.intp) for e in parts]
    return Kinks(
        counts=np.concatenate(
            [e.kinks.counts if e.kinks else zero for e, zero in zip(parts, none, strict=True)]
        ),
        enclosed=np.concatenate(
            [e.kinks.enclosed if e.kinks else zero == 0 for e, zero in zip(parts, none, strict=True)]
        ),
    )


def estimated(engine, problem, plan, **options):
    """Run an engine and join what it found."""
    found = engine.estimate(problem, plan, Execution(**options), lambda estimate: estimate)
    return joined(found.results, method=found.method, forward_passes=found.forward_passes, notes=found.notes)
