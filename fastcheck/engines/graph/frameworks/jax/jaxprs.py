"""Jaxprs as data: walking through one, and what its equations have inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "call": "call_jaxpr",
    "remat2": "jaxpr",
    "remat": "jaxpr",
    "checkpoint": "jaxpr",
    "composite": "jaxpr",
    "custom_vmap_call": "call",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
}
"""Primitives that run a jaxpr on their operands → the name of it: of custom rules that is what they compute."""


def walk(
    jaxpr: Any,
    constants: Sequence[Any],
    arguments: Sequence[Any],
    literal: Callable[[Any], Any],
    evaluate: Callable[[Any, list[Any]], Sequence[Any]],
) -> list[Any]:
    """Return the results of a jaxpr: ``evaluate(equation, operands)`` for one equation after the other.

    Values are let go of after their last use.
    """
    values: dict[Any, Any] = {}
    values.update(zip(jaxpr.constvars, constants, strict=True))
    values.update(zip(jaxpr.invars, arguments, strict=True))

    def read(x: Any) -> Any:
        return literal(x) if isinstance(x, Literal) else values[x]

    last_use = _last_uses(jaxpr)
    for number, equation in enumerate(jaxpr.eqns):
        results = evaluate(equation, [read(x) for x in equation.invars])
        values.update(zip(equation.outvars, results, strict=True))
        for x in last_use.get(number, ()):
            values.pop(x, None)
    return [read(x) for x in jaxpr.outvars]


def _last_uses(jaxpr: Any) -> dict[int, list[Any]]:
    """Return which values are used last by each equation, by its number."""
    kept = {x for x in jaxpr.outvars if not isinstance(x, Literal)}
    last: dict[Any, int] = {}
    for number, equation in enumerate(jaxpr.eqns):
        last.update((x, number) for x in equation.invars if not isinstance(x, Literal))
    uses: dict[int, list[Any]] = {}
    for x, number in last.items():
        if x not in kept:
            uses.setdefault(number, []).append(x)
    return uses


def called(equation: Any) -> tuple[Any, Sequence[Any]]:
    """Return the jaxpr that an equation of `CALLS` runs, and its constants."""
    return opened(equation.params[CALLS[equation.primitive.name]])


def opened(jaxpr: Any) -> tuple[Any, Sequence[Any]]:
    """Return a jaxpr and its constants, of a closed one or of one without any."""
    return (jaxpr.jaxpr, jaxpr.consts) if isinstance(jaxpr, ClosedJaxpr) else (jaxpr, ())


def equations_in(jaxpr: Any) -> Iterator[Any]:
    """Yield all equations, those inside others after these."""
    for equation in opened(jaxpr)[0].eqns:
        yield equation
        for inner in inner_jaxprs(equation):
            yield from equations_in(inner)


def reached_equations(jaxpr: Any) -> Iterator[Any]:
    """Yield the equations that the arguments of a jaxpr reach, those inside others after these.

    Inside a loop or branch all operands count as reached if one is.
    """
    yield from _reached(opened(jaxpr)[0], [True] * len(opened(jaxpr)[0].invars))


def _reached(jaxpr: Any, arguments: Sequence[bool]) -> Iterator[Any]:
    reached = {x for x, is_reached in zip(jaxpr.invars, arguments, strict=True) if is_reached}
    for equation in jaxpr.eqns:
        operands = [not isinstance(x, Literal) and x in reached for x in equation.invars]
        if not any(operands):
            continue
        reached.update(equation.outvars)
        yield equation
        is_call = equation.primitive.name in CALLS
        for inner in inner_jaxprs(equation):
            same_arguments = is_call and len(inner.invars) == len(operands)
            yield from _reached(inner, operands if same_arguments else [True] * len(inner.invars))


def inner_jaxprs(equation: Any) -> Iterator[Any]:
    """Yield the jaxprs that an equation runs."""
    for value in equation.params.values():
        for part in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(part, (Jaxpr, ClosedJaxpr)):
                yield opened(part)[0]
