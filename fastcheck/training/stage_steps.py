"""The steps of a training at which its gradient is checked."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from fastcheck.errors import InvalidProblemError
from fastcheck.problem.options import is_whole

DEFAULT_STEPS = (0, 10, 100, 1000)
"""At the start, as soon as the parameters have moved, and when training has shaped them."""


def read_steps(at: Iterable[int]) -> tuple[int, ...]:
    """Return the stages as ascending whole numbers, or raise `InvalidProblemError`."""
    try:
        wanted = list(at)
    except TypeError:
        raise InvalidProblemError(
            f"at: expected the steps to check at, such as (0, 10, 100), got {at!r}."
        ) from None
    if not wanted:
        raise InvalidProblemError("at: expected at least one step, such as (0, 10, 100), got none.")
    for step in wanted:
        is_step = is_whole(step) and step >= 0
        if not is_step:
            raise InvalidProblemError(f"at: expected whole numbers from 0, got {step!r}.")
    for first, second in itertools.pairwise(wanted):
        if second <= first:
            raise InvalidProblemError(f"at: expected ascending steps, got {second} after {first}.")
    return tuple(int(step) for step in wanted)
