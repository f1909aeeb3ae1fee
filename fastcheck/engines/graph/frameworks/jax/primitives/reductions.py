"""What reduces axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def over(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of a function that reduces axes."""
    return lambda x, axes, **_: function(x, axis=tuple(axes)) if axes else x


def cumulative_sum(x: Any, axis: int, reverse: bool = False, **_: Any) -> Any:
    """Return sums of all entries up to each, along an axis."""
    if reverse:
        return np.flip(np.cumsum(np.flip(x, axis), axis), axis)
    return np.cumsum(x, axis)


def index_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of the place of the largest or smallest entry."""

    def rule(x: Any, axes: Sequence[int], **_: Any) -> Any:
        return function(x, axis=axes[0])

    return rule


RULES: dict[str, Callable[..., Any]] = {
    "reduce_sum": over(np.sum),
    "reduce_max": over(np.max),
    "reduce_min": over(np.min),
    "reduce_prod": over(np.prod),
    "argmax": index_of(np.argmax),
    "argmin": index_of(np.argmin),
    "cumsum": cumulative_sum,
}
