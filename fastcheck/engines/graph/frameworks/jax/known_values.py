"""What no parameter reaches in a jaxpr: computed once, and what NumPy may not round as JAX does, by JAX.

One by one these equations would be compiled one by one, some ten milliseconds each: all of it is compiled together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastcheck.engines.graph.frameworks.jax import doubling
from fastcheck.engines.graph.frameworks.jax.compiling import CompiledOnce
from fastcheck.engines.graph.frameworks.jax.jaxprs import CALLS, called, walk
from fastcheck.engines.graph.frameworks.jax.primitives import RULES

Key = tuple[int, ...]
"""Which equation: the ids of those that it is inside of, and its own."""

REACHED = object()
"""Stands for a value that parameters reach."""

EXACT = frozenset(
    (
        *("add", "sub", "mul", "neg", "max", "min", "eq", "ne", "lt", "le", "gt", "ge", "select_n"),
        *("iota", "broadcast_in_dim", "reshape", "squeeze", "transpose", "concatenate", "slice"),
    )
)
"""Primitives whose results have the same bits everywhere."""


class _NeedsJaxError(Exception):
    """Some value is to be computed by JAX."""


Evaluate = Callable[[Any, Sequence[Any]], Sequence[Any]]


def known_values(jaxpr: Any, constants: Sequence[Any]) -> dict[Key, list[Any]]:
    """Return the results of the equations that the arguments do not reach, but for those in loops and branches."""
    with doubling.DoublePrecision():
        try:
            return dict(_Collected.of(jaxpr, constants, _in_numpy).results)
        except _NeedsJaxError:
            pass
        keys: list[Key] = []

        def compute() -> list[list[Any]]:
            collected = _Collected.of(jaxpr, constants, doubling.evaluate)
            keys[:] = [key for key, _ in collected.results]
            return [values for _, values in collected.results]

        values = CompiledOnce(compute)()
    return dict(zip(keys, values, strict=True))


def _in_numpy(equation: Any, operands: Sequence[Any]) -> Sequence[Any]:
    """Return the result of an equation, if NumPy's is the same to the last bit."""
    name, result = equation.primitive.name, equation.outvars[0].aval
    if name == "convert_element_type" and not doubling.is_key(operands[0]):
        return [np.asarray(operands[0]).astype(doubling.doubled(result.dtype))]
    if name in CALLS:
        jaxpr, constants = called(equation)
        held = [doubling.in_double(x) for x in constants]
        return walk(jaxpr, held, operands, doubling.literal, _in_numpy)
    is_exact = name in EXACT or (name == "div" and doubling.is_float(result.dtype))
    if not is_exact or any(map(doubling.is_key, operands)):
        raise _NeedsJaxError
    with np.errstate(all="ignore"):
        return [np.asarray(RULES[name](*operands, **doubling.in_doubled_dtypes(equation.params)))]


@dataclass
class _Collected:
    """The results of equations that arguments do not reach, as they are met."""

    evaluate: Evaluate
    results: list[tuple[Key, list[Any]]] = field(default_factory=list)

    @classmethod
    def of(cls, jaxpr: Any, constants: Sequence[Any], evaluate: Evaluate) -> _Collected:
        """Return those of a jaxpr."""
        collected = cls(evaluate)
        collected.walk(jaxpr, constants, [REACHED] * len(jaxpr.invars), ())
        return collected

    def walk(self, jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any], inside: Key) -> list[Any]:
        """Return the results of a jaxpr, `REACHED` where arguments reach them."""

        def evaluate(equation: Any, operands: list[Any]) -> Sequence[Any]:
            key = (*inside, id(equation))
            if not any(x is REACHED for x in operands):
                values = list(self.evaluate(equation, operands))
                self.results.append((key, values))
                return values
            if equation.primitive.name in CALLS:
                inner, held = called(equation)
                return self.walk(inner, held, operands, key)
            return [REACHED] * len(equation.outvars)

        held = [doubling.in_double(x) for x in constants]
        return walk(jaxpr, held, arguments, doubling.literal, evaluate)
