"""The function itself, traced once, as costs of which differences are taken."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fastcheck.engines.graph.frameworks.jax.cost import FollowedCost, JaxCost, UnfollowedCost
from fastcheck.engines.graph.frameworks.jax.holding import held, is_marked, is_stop, places
from fastcheck.engines.graph.frameworks.jax.jaxprs import reached_equations
from fastcheck.errors import InvalidProblemError
from fastcheck.jax.floats import line_in_words, shortest_float, shortest_in, unit
from fastcheck.jax.questions import Question, as_double
from fastcheck.problem.holding import Place

STOP_GRADIENT = "stop_gradient"
"""The word that declares what it cuts off as constant on purpose."""


class Forward:
    """The function of a question, traced in the dtypes of its arguments.

    ``holds_stops`` tells whether what ``stop_gradient`` cuts off is constant on purpose. ``shortest`` is the shortest
    float in which it computes.
    ``jaxpr`` is None where it cannot be traced, because it decides by values or computes with NumPy: it is run as it is
    then. ``outputs`` tell the shapes and dtypes of its results.
    """

    def __init__(self, asked: Question, holds_stops: bool = False) -> None:
        self.asked, self.holds_stops = asked, holds_stops
        self.jaxpr: Any = None
        self.refused: Exception | None = None
        try:
            self.jaxpr = jax.make_jaxpr(asked)(*asked.leaves)
            self.outputs: list[Any] = [x.aval for x in self.jaxpr.jaxpr.outvars]
            self.shortest = shortest_in(self.jaxpr, asked.leaves)
        except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
            self.refused = error
            self.outputs = asked(*asked.leaves)
            self.shortest = shortest_float([*asked.leaves, *self.outputs])
        self._expect_real_outputs()
        if self.refused is not None and holds_stops:
            raise InvalidProblemError(
                f"held_constant: expected a function that JAX can trace, with {STOP_GRADIENT!r}, got one for which it "
                f"raises {type(self.refused).__name__}: it decides by values, or leaves JAX."
            )
        self._cost: Any = None

    def holding(self) -> Forward | None:
        """Return the same with all held that ``stop_gradient`` cuts off; None where that is nothing more."""
        if (
            self.jaxpr is None
            or self.holds_stops
            or not places(self.jaxpr, lambda x: is_stop(x) and not is_marked(x))
        ):
            return None
        other = copy.copy(self)
        other.holds_stops, other._cost = True, None
        return other

    @property
    def places(self) -> list[Place]:
        """The lines whose values are held."""
        return [] if self.jaxpr is None else places(self.jaxpr, self._is_held)

    @property
    def _is_held(self) -> Callable[[Any], bool]:
        return is_stop if self.holds_stops else is_marked

    def _expect_real_outputs(self) -> None:
        if not any(x.size for x in self.outputs):
            raise InvalidProblemError("f: expected at least one array of floats as its result, got none.")
        if any(jnp.issubdtype(x.dtype, jnp.complexfloating) for x in self.outputs):
            raise InvalidProblemError(
                "f: expected real numbers as its results, got complex ones. Return their real and imaginary parts: "
                "lambda x: (f(x).real, f(x).imag)."
            )

    def cost(self, cotangents: Sequence[Any]) -> Any:
        """Return the sum of the outputs times these numbers, as a function of the leaves by their names."""
        exact = [np.asarray(x).astype(np.float64) for x in cotangents]
        if self._cost is None:
            self._cost = self._new_cost(exact)
        else:
            self._cost = self._cost.with_cotangent(exact)
        return self._cost

    def _new_cost(self, cotangents: list[Any]) -> Any:
        if self.jaxpr is not None:
            return JaxCost(held(self.jaxpr, self.asked.leaves, self._is_held), cotangents)
        assert self.refused is not None
        dtypes = [leaf.dtype for leaf in self.asked.leaves]
        try:
            followed = FollowedCost(self.asked, dtypes, cotangents)
            if self._computes_the_same(followed):
                return followed
            error: Exception = self.refused
        except Exception as refused:  # of JAX's, or of this package's tracers with other versions of it
            error = refused
        doubled = UnfollowedCost(self.asked, cotangents, error, None)
        return (
            doubled
            if self._computes_the_same(doubled)
            else UnfollowedCost(self.asked, cotangents, error, dtypes)
        )

    def _computes_the_same(self, cost: Any) -> bool:
        """Whether a cost computes what the function returned: other random numbers may be drawn in other dtypes."""
        terms = [u * as_double(out) for u, out in zip(cost.cotangent, self.outputs, strict=True)]
        size = sum(float(np.sum(np.abs(term))) for term in terms)
        value = sum(float(np.sum(term)) for term in terms)
        return abs(float(cost(self.asked.parameters)) - value) <= math.sqrt(unit(self.shortest)) * size

    @property
    def notes(self) -> list[str]:
        """Sentences about where the function computes in less than the precision of its arguments."""
        if self.jaxpr is None:
            return []
        lines = dict.fromkeys(filter(None, map(_line_of_cast, reached_equations(self.jaxpr))))
        return [
            f"the forward computes in {dtype} {line}; differences are those of the same lines in float64."
            for line, dtype in lines
        ]


def _line_of_cast(equation: Any) -> tuple[str, str] | None:
    """Return the line that turns double precision into less, in words, and the dtype; None for other equations."""
    if equation.primitive.name != "convert_element_type":
        return None
    before, after = equation.invars[0].aval.dtype, equation.outvars[0].aval.dtype
    is_shorter = jnp.issubdtype(after, jnp.floating) and after != np.float64
    if before != np.float64 or not is_shorter:
        return None
    return line_in_words(equation), str(after)
