"""The one place that sets numba's options."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel.

    ``nogil``: threads share the arrays and run side by side. ``error_model="numpy"``: a division by zero
    gives infinity, as in the code that is checked. ``cache``: a second process starts at once. Never
    ``fastmath``: it reorders sums, which changes last bits, and makes ``isnan`` false on NaN.
    """
    compiled: Callable[P, R] = numba.njit(nogil=True, error_model="numpy", cache=True, fastmath=False)(
        function
    )
    return compiled
