"""Where a jaxpr holds values constant for those who differentiate it: ``stop_gradient``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr

from fastcheck.engines.graph.frameworks.jax.jaxprs import reached_equations

STOP = "stop_gradient"


def stops_in(jaxpr: Any) -> Iterator[Any]:
    """Yield the equations by which values that the arguments reach are held constant."""
    return (equation for equation in reached_equations(jaxpr) if equation.primitive.name == STOP)


def without_stops(jaxpr: Any, is_lifted: Callable[[Any], bool]) -> Any:
    """Return the same jaxpr with a copy in the place of those of these equations that are lifted."""
    if isinstance(jaxpr, ClosedJaxpr):
        return jaxpr.replace(jaxpr=without_stops(jaxpr.jaxpr, is_lifted))

    def changed(equation: Any) -> Any:
        if equation.primitive.name == STOP and is_lifted(equation):
            return equation.replace(primitive=lax.copy_p, params={})
        inner = {name: _changed_inside(value, is_lifted) for name, value in equation.params.items()}
        return equation.replace(params=inner)

    return jaxpr.replace(eqns=[changed(equation) for equation in jaxpr.eqns])


def _changed_inside(value: Any, is_lifted: Callable[[Any], bool]) -> Any:
    if isinstance(value, (Jaxpr, ClosedJaxpr)):
        return without_stops(value, is_lifted)
    if type(value) is tuple and any(isinstance(x, ClosedJaxpr) for x in value):  # the branches of a cond
        return tuple(without_stops(x, is_lifted) for x in value)
    return value
