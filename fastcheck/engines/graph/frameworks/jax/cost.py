"""The cost of a function written in JAX: the sum of its outputs, each multiplied by fixed numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fastcheck.engines.graph.frameworks.jax import doubling
from fastcheck.engines.graph.frameworks.jax.compiling import CompiledOnce
from fastcheck.engines.graph.frameworks.jax.following import followed
from fastcheck.engines.graph.frameworks.jax.interpreting import Interpreter
from fastcheck.engines.graph.frameworks.jax.jaxprs import opened
from fastcheck.engines.graph.frameworks.jax.known_values import known_values
from fastcheck.engines.graph.frameworks.jax.source_lines import users_frames_of
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.engines.graph.tracing.users_line import LinesToldBy


class JaxCost:
    """J = Σ cotangent ∘ output of a jaxpr, in double precision: for plain arrays by JAX, compiled, else recorded.

    ``cotangent`` has an array for each of the outputs. The parameters are a dict,
    whose values are the arguments of the jaxpr in their order.
    """

    threads = True
    penalties = False

    def __init__(self, jaxpr: Any, cotangent: Sequence[Any]) -> None:
        self.jaxpr, constants = opened(jaxpr)
        self.constants = [doubling.frozen(x) for x in constants]
        self.cotangent = list(cotangent)
        self._allowed = doubling.RoundsAllowed()
        self._compiled = CompiledOnce(self._sum)
        self._known = functools.cache(lambda: known_values(self.jaxpr, self.constants))

    def with_cotangent(self, cotangent: Sequence[Any]) -> JaxCost:
        """Return the cost with other cotangents, which shares what was compiled."""
        other = object.__new__(JaxCost)
        other.jaxpr, other.constants = self.jaxpr, self.constants
        other._compiled, other._known = self._compiled, self._known
        other.cotangent, other._allowed = list(cotangent), self._allowed
        return other

    def __call__(self, parameters: Mapping[str, Any]) -> Any:
        """Return J."""
        leaves = list(parameters.values())
        if any(type(x) is Recorded for x in leaves):
            interpreter = Interpreter(self._known(), self._allowed.most)
            outputs = interpreter.run(self.jaxpr, self.constants, leaves)
            self._allowed.learn(interpreter.rounds)
            return _total(np, self.cotangent, outputs)
        with doubling.DoublePrecision():
            return np.float64(self._compiled(self.constants, leaves, self.cotangent, self._allowed.most))

    def _sum(
        self, constants: Sequence[Any], leaves: Sequence[Any], cotangent: Sequence[Any], most_rounds: Any
    ) -> Any:
        with doubling.RoundsLimited(most_rounds):
            return _total(jnp, cotangent, doubling.run(self.jaxpr, constants, leaves))


def _total(library: Any, cotangents: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """Return the sum of outputs times cotangents, by the functions of NumPy or JAX."""
    terms = [library.sum(cotangent * out) for cotangent, out in zip(cotangents, outputs, strict=True)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


class FollowedCost:
    """The same of a function that JAX cannot trace, as it decides by values: followed each time that it runs.

    ``dtypes`` are those that it sees.
    """

    threads = False
    penalties = False

    def __init__(self, function: Callable[..., Any], dtypes: Sequence[Any], cotangent: Sequence[Any]) -> None:
        self.function, self.dtypes, self.cotangent = function, list(dtypes), list(cotangent)

    def with_cotangent(self, cotangent: Sequence[Any]) -> FollowedCost:
        """Return the cost with other cotangents."""
        return FollowedCost(self.function, self.dtypes, cotangent)

    def __call__(self, parameters: Mapping[str, Any]) -> Any:
        """Return J."""
        return _total(np, self.cotangent, followed(self.function, list(parameters.values()), self.dtypes))


class UnfollowedCost:
    """The same of a function that leaves JAX, so that it is run as it is, and never recorded.

    ``error`` is what JAX said of it. It runs in double precision, unless it is ``as_written`` in other dtypes.
    """

    threads = False
    penalties = False

    def __init__(
        self,
        function: Callable[..., Any],
        cotangent: Sequence[Any],
        error: Exception,
        as_written: Sequence[Any] | None,
    ) -> None:
        self.function, self.cotangent, self.error = function, list(cotangent), error
        self.as_written = as_written

    def with_cotangent(self, cotangent: Sequence[Any]) -> UnfollowedCost:
        """Return the cost with other cotangents."""
        return UnfollowedCost(self.function, cotangent, self.error, self.as_written)

    def __call__(self, parameters: Mapping[str, Any]) -> Any:
        """Return J."""
        leaves = list(parameters.values())
        if any(type(x) is Recorded for x in leaves):
            raise self._refusal()
        if self.as_written is not None:
            pairs = zip(leaves, self.as_written, strict=True)
            return self._sum([jax.device_put(x.astype(dtype)) for x, dtype in pairs])
        with doubling.DoublePrecision():
            return self._sum([jax.device_put(x) for x in leaves])

    def _sum(self, leaves: Sequence[Any]) -> Any:
        outputs = [doubling.in_double(x) for x in self.function(*leaves)]
        return np.float64(_total(np, self.cotangent, outputs))

    def _refusal(self) -> TracingError:
        """Return the error of a recording, at the line where the function leaves JAX."""
        frames = users_frames_of(self.error)
        why = f"JAX cannot trace it ({type(self.error).__name__}): numbers leave JAX there."
        with LinesToldBy(lambda: frames):
            return current_tape().refusal("the function", why)
