"""The one place that sets numba's options, and says on a terminal that compiling takes a moment."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np

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


def compiler_is_off() -> bool:
    """Tell whether numba was told to compile nothing (NUMBA_DISABLE_JIT=1)."""
    config: Any = numba.config  # its names are made when it is loaded
    return bool(config.DISABLE_JIT)


@functools.cache
def announce_compilation() -> None:
    """Say on a terminal, the first time that numba compiles in this process, why it takes a moment."""
    from numba.core import event

    class Notice(event.Listener):
        said = False

        def on_start(self, event: Any) -> None:
            if not self.said and sys.stderr.isatty():
                print("fastcheck: compiling, once, for a few seconds …", file=sys.stderr)
            Notice.said = True

        def on_end(self, event: Any) -> None:
            """Say nothing more."""

    register: Any = event.register  # untyped
    register("numba:compile", Notice())
