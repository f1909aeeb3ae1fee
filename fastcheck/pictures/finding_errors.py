"""The errors of a block that was judged: of a large one now, of a small one when a picture asks."""

from __future__ import annotations

import functools
from dataclasses import fields
from typing import Any

import numpy as np

from fastcheck.engines import Bound, Estimate, Slopes
from fastcheck.pictures.aggregating import Judged, aggregate
from fastcheck.pictures.block_errors import BlockErrors
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.verdict.judging import Judgement
from fastcheck.verdict.rule import claims

MOST_KEPT = 2**17
"""Coordinates of a block of which claims and slopes are kept until a picture asks."""

MOST_KEPT_OF_ALL = 2**20
"""Parameters of a network beyond which only those of its tiny blocks are kept."""

TINY = 2**8
"""Coordinates of a tiny block."""

ATTRIBUTES = frozenset(field.name for field in fields(BlockErrors))


class LaterErrors(BlockErrors):
    """Errors that are computed when one of their attributes is asked for first, from copies of claims and slopes."""

    def __init__(self, judged: Judged, claimed: Vector, slopes: Slopes) -> None:
        object.__setattr__(
            self, "_computed", functools.partial(aggregate, judged, claimed.__getitem__, slopes)
        )

    def __getattr__(self, name: str) -> Any:
        """Compute all attributes; called for those that are not there yet."""
        if name not in ATTRIBUTES:
            raise AttributeError(name)
        errors = self.__dict__["_computed"]()
        self.__dict__.update({each: getattr(errors, each) for each in ATTRIBUTES})
        del self.__dict__["_computed"]
        return self.__dict__[name]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what is computed."""
        return functools.partial(BlockErrors, **{each: getattr(self, each) for each in ATTRIBUTES}), ()


def errors_of(problem: Problem, estimate: Estimate, judgement: Judgement) -> BlockErrors:
    """Return the errors of the coordinates that were judged by this estimate."""
    part = judgement.part
    judged = Judged(
        part=part,
        rule=judgement.rule,
        all_right=judgement.wrong == judgement.undecided == 0,
        worst=tuple(coordinate.place for coordinate in judgement.worst),
    )
    network_is_small = problem.layout.size <= MOST_KEPT_OF_ALL
    if part.size <= (MOST_KEPT if network_is_small else TINY):
        claimed = np.array(claims(problem, part, slice(0, part.size)))
        return LaterErrors(judged, claimed, _copied(estimate.slopes))
    return aggregate(judged, functools.partial(claims, problem, part), estimate.slopes)


def _copied(slopes: Slopes) -> Slopes:
    """Return slopes that keep no larger arrays alive, as views do."""
    absolute = slopes.known_to.absolute
    bound = Bound(slopes.known_to.relative, absolute if isinstance(absolute, float) else absolute.copy())
    return Slopes(
        central=slopes.central.copy(),
        known_to=bound,
        interval=None if slopes.interval is None else (slopes.interval[0].copy(), slopes.interval[1].copy()),
        subtracted=slopes.subtracted if isinstance(slopes.subtracted, bool) else slopes.subtracted.copy(),
    )
