"""The one place that sets numba's options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np

from fastcheck.differences.compilation import announce_compilation, compiler_is_off

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel.

    ``nogil``: threads share the arrays and run side by side. ``error_model="numpy"``: a division by zero
    gives infinity, as in the code that is checked. ``cache``: a second process starts at once; where no folder can be
    written to, each process compiles for itself. Never ``fastmath``: it reorders sums, which changes last bits, and
    makes ``isnan`` false on NaN.

    A kernel may call others of its own file only: the cache notices a change of that file, and of no other.
    """
    if compiler_is_off():
        return np.errstate(all="ignore")(function)  # compiled code does not warn either
    announce_compilation()
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": False}
    try:
        compiled: Callable[P, R] = numba.njit(**options, cache=True)(function)
    except RuntimeError:  # numba found no folder for its cache
        compiled = numba.njit(**options)(function)
    return compiled
