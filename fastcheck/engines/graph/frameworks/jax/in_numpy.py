"""A jaxpr in double precision without compiling anything: run on recorded arrays, of which only the values are used."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.frameworks.jax.interpreting import Interpreter
from fastcheck.engines.graph.frameworks.jax.jaxprs import opened
from fastcheck.engines.graph.frameworks.jax.known_values import known_values
from fastcheck.engines.graph.nodes.node import Leaf
from fastcheck.engines.graph.tracing.operands import values_of
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import Tape
from fastcheck.engines.graph.tracing.tracing_error import TracingError

MOST_MEMORY = 2**30
"""Bytes that values may take."""


class InNumpy:
    """A jaxpr as a function of float64 arrays."""

    def __init__(self, jaxpr: Any) -> None:
        self.jaxpr, self.constants = opened(jaxpr)
        self._known = functools.cache(lambda: known_values(self.jaxpr, self.constants))

    def __call__(self, arguments: Sequence[Any]) -> list[NDArray[Any]] | None:
        """Return what it computes; None where some primitive is not followed."""
        tape = Tape(MOST_MEMORY)
        try:
            with tape, np.errstate(all="ignore"):
                leaves = [tape.add(Leaf(np.array(x, dtype=np.float64))) for x in arguments]
                arrays = [Recorded(leaf.value, leaf) for leaf in leaves]
                results = Interpreter(self._known()).run(self.jaxpr, self.constants, arrays)
        except TracingError:
            return None
        return None if tape.stopped is not None else [np.asarray(values_of(x)) for x in results]
