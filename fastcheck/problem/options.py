"""Options that are one number: whole or real, no truth value, of Python or NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcheck.errors import InvalidProblemError


def is_whole(value: Any) -> bool:
    """Tell whether this is a whole number; True and False are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_real(value: Any) -> bool:
    """Tell whether this is a whole or real number; True and False are none."""
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def validate_seed(seed: Any) -> int:
    """Return the seed of a generator as an int; `InvalidProblemError` unless it is a whole number from 0."""
    if is_whole(seed) and seed >= 0:
        return int(seed)
    raise InvalidProblemError(f"seed: expected a non-negative whole number, got {seed!r}.")
