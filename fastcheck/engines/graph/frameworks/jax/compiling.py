"""Functions that run a few times: compiling them takes longer than all of these runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

HURRIED = {"xla_backend_optimization_level": 0, "xla_allow_excess_precision": False}
"""Options of XLA: compiling takes about half as long, and rounds as operations do that are run one by one."""


class CompiledOnce:
    """A function of arrays, compiled for the shapes of the first call, in a hurry."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._compiled: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function returns."""
        if self._compiled is None:
            lowered = jax.jit(self.function).lower(*arguments)
            try:
                self._compiled = lowered.compile(compiler_options=HURRIED)
            except Exception:  # a backend that does not know the option
                self._compiled = lowered.compile()
        return self._compiled(*arguments)
