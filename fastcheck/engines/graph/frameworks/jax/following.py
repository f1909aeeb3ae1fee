"""A function that JAX cannot trace, followed while it runs: its tracers know their values, so that Python may decide.

The smallest function that needs it: ``return jnp.sin(x) if x.sum() > 0 else x**2``. It runs in the dtypes of its
arguments, as it always does, while the values are recorded in double precision. What Python decides by is a guard.
This takes tracers of a kind of our own, which JAX promises no stability for: where they do not work, a function is
evaluated plainly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import set_current_trace

from fastcheck.engines.graph.frameworks.jax import doubling
from fastcheck.engines.graph.frameworks.jax.interpreting import Interpreter, is_live
from fastcheck.engines.graph.tracing.recorded import Recorded


def followed(function: Callable[..., Any], leaves: Sequence[Any], dtypes: Sequence[Any]) -> list[Any]:
    """Return the results of a function that sees arrays in these dtypes, computed in double precision.

    They are recorded where the arrays are.
    """
    trace = FollowingTrace()
    tracers = [trace.tracer(x, dtype) for x, dtype in zip(leaves, dtypes, strict=True)]
    with set_current_trace(trace):
        results = function(*tracers)
    return [trace.value_of(x) for x in results]


class FollowingTracer(jax.core.Tracer):  # type: ignore[misc]
    """An array of JAX in its own dtype, whose ``value`` is in double precision, and may be recorded."""

    __slots__ = ("value",)

    def __init__(self, trace: FollowingTrace, aval: Any, value: Any) -> None:
        super().__init__(trace, aval)
        self.value = value

    def to_concrete_value(self) -> Any:
        """Return the values by which Python decides: truth values and whole numbers, not what has slopes."""
        if is_live(self.value):
            return None
        if type(self.value) is Recorded:
            self.value.decides(np.asarray)
            return np.asarray(self.value.array).astype(self.aval.dtype)
        return np.asarray(self.value).astype(self.aval.dtype)

    def __float__(self) -> float:
        return float(self.value)


class FollowingTrace(jax.core.Trace):  # type: ignore[misc]
    """Does each primitive on recorded arrays as soon as the function asks for it."""

    def __init__(self) -> None:
        super().__init__()
        self.interpreter = Interpreter({})

    def tracer(self, value: Any, dtype: Any) -> Any:
        """Return a tracer of a value, which the function sees in this dtype; random keys need none."""
        if doubling.is_key(value):
            return value
        return FollowingTracer(self, jax.core.ShapedArray(np.shape(value), np.dtype(dtype)), value)

    def value_of(self, x: Any) -> Any:
        """Return the value of what the function computes with."""
        return x.value if isinstance(x, FollowingTracer) else doubling.in_double(x)

    def stage_value(self, value: Any) -> Any:
        """Return a constant, which needs no tracer."""
        return value if isinstance(value, FollowingTracer) else jax.device_put(value)

    def process_primitive(self, primitive: Any, tracers: Sequence[Any], params: Any, /) -> Any:
        """Return the results of a primitive."""

        def bound(*arguments: Any) -> Any:
            return primitive.bind(*arguments, **params)

        if not any(isinstance(x, FollowingTracer) for x in tracers):
            return bound(*tracers)
        jaxpr = jax.make_jaxpr(bound)(*(x.aval if isinstance(x, FollowingTracer) else x for x in tracers))
        results = self.interpreter.evaluate_here(jaxpr, [self.value_of(x) for x in tracers])
        outputs = [
            self.tracer(x, var.aval.dtype) for x, var in zip(results, jaxpr.jaxpr.outvars, strict=True)
        ]
        return outputs if primitive.multiple_results else outputs[0]

    def process_call(self, primitive: Any, function: Any, tracers: Sequence[Any], params: Any, /) -> Any:
        """Return what a function inside of the function returns."""
        return self._called(function, tracers)

    def process_custom_jvp_call(
        self, primitive: Any, function: Any, rule: Any, tracers: Sequence[Any], /, **_: Any
    ) -> Any:
        """Return what a function with a rule computes."""
        return self._called(function, tracers)

    def process_custom_vjp_call(
        self, primitive: Any, function: Any, forward: Any, backward: Any, tracers: Sequence[Any], /, **_: Any
    ) -> Any:
        """Return what a function with a rule computes."""
        return self._called(function, tracers)

    def _called(self, function: Any, tracers: Sequence[Any]) -> Any:
        with set_current_trace(self):
            return function.call_wrapped(*tracers)
