"""A jaxpr whose ``stop_gradient`` holds values constant for differences, too: at what they are for given arguments.

Twice the same walk through a jaxpr and those inside of it. Once each equation that holds a value tells it, as one more
output; once it is left out, and its value comes as one more input:

    { a. b = stop_gradient a; c = mul a b in c }   tells   { a. b = stop_gradient a; c = mul a b in c, b }
                                                   holds   { b; a. c = mul a b in c }

In a scan, values are stacked. A branch that is not taken has none: NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal, Var

from fastcheck.engines.graph.frameworks.jax import doubling
from fastcheck.engines.graph.frameworks.jax.compiling import CompiledOnce
from fastcheck.engines.graph.frameworks.jax.jaxprs import (
    CALLS,
    equations_in,
    inner_jaxprs,
    opened,
    reached_equations,
)
from fastcheck.engines.graph.frameworks.jax.source_lines import frames_of
from fastcheck.engines.graph.frameworks.jax.stops import STOP
from fastcheck.errors import InvalidProblemError
from fastcheck.problem.holding import SCOPE, Place

IsHeld = Callable[[Any], bool]


def is_marked(equation: Any) -> bool:
    """Whether an equation is that of `fastcheck.held_constant`, which needs no option."""
    return equation.primitive.name == STOP and SCOPE in str(equation.source_info.name_stack)


def is_stop(equation: Any) -> bool:
    """Whether an equation holds a value constant for JAX."""
    return bool(equation.primitive.name == STOP)


def held(jaxpr: Any, leaves: Sequence[Any], is_held: IsHeld) -> Any:
    """Return a closed jaxpr that holds the values of some of its equations at what they are for these arguments.

    Costs one evaluation. Raises `InvalidProblemError` where such an equation is in a loop whose rounds are not fixed.
    """
    if not _holds(jaxpr, is_held):
        return jaxpr
    telling, _ = _Change(is_held, tells=True).of(jaxpr.jaxpr)
    holding, slots = _Change(is_held, tells=False).of(jaxpr.jaxpr)
    with doubling.DoublePrecision():
        compute = CompiledOnce(lambda constants, arguments: doubling.run(telling, constants, arguments))
        results = compute(
            [doubling.in_double(x) for x in jaxpr.consts], [doubling.in_double(x) for x in leaves]
        )
        values = [np.asarray(x) for x in results[len(jaxpr.jaxpr.outvars) :]]
    count = len(jaxpr.jaxpr.invars)
    constvars = [*holding.constvars, *slots]
    return ClosedJaxpr(
        holding.replace(constvars=constvars, invars=holding.invars[:count]), [*jaxpr.consts, *values]
    )


class _Change:
    """The walk: it ``tells`` the values of equations, or else takes them."""

    def __init__(self, is_held: IsHeld, *, tells: bool) -> None:
        self.is_held, self.tells = is_held, tells

    def of(self, jaxpr: Any) -> tuple[Any, list[Any]]:
        """Return the jaxpr with more outputs, or inputs, and these."""
        changed, slots = self._inside(jaxpr)
        return self._with(changed, slots), slots

    def _inside(self, jaxpr: Any) -> tuple[Any, list[Any]]:
        """Return the jaxpr with changed equations, and what it is to have more."""
        equations, slots = [], []
        for equation in jaxpr.eqns:
            if self.is_held(equation):
                slots.append(equation.outvars[0])
                equations += [equation] if self.tells else []
            elif any(_holds(inner, self.is_held) for inner in inner_jaxprs(equation)):
                changed, more = self._running(equation)
                equations.append(changed)
                slots += more
            else:
                equations.append(equation)
        return jaxpr.replace(eqns=equations), slots

    def _running(self, equation: Any) -> tuple[Any, list[Any]]:
        """Return an equation that runs changed jaxprs, and what it has more."""
        name, params = equation.primitive.name, equation.params
        if name == "cond":
            changed, inner = self._branches(params)
        elif name == "scan" or name in CALLS:
            changed, inner = self._called(params, CALLS.get(name, "jaxpr"))
        else:
            raise InvalidProblemError(
                f"held_constant: stop_gradient in a {name} runs as often as values decide, so it is not known what to "
                "hold. Take it out of there, or write lax.scan."
            )
        slots = [Var(_stacked(x.aval, params["length"]) if name == "scan" else x.aval) for x in inner]
        if self.tells:
            return equation.replace(params=changed, outvars=[*equation.outvars, *slots]), slots
        return equation.replace(params=changed, invars=[*equation.invars, *slots]), slots

    def _called(self, params: dict[str, Any], name: str) -> tuple[dict[str, Any], list[Any]]:
        inner, slots = self.of(opened(params[name])[0])
        return {**params, name: _in_the_place_of(params[name], inner)}, slots

    def _branches(self, params: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        """Return branches each of which has what any of them has."""
        changed = [self._inside(opened(branch)[0]) for branch in params["branches"]]
        everything = [(number, slot) for number, (_, slots) in enumerate(changed) for slot in slots]
        branches = []
        for number, (branch, (inner, _)) in enumerate(zip(params["branches"], changed, strict=True)):
            slots = [slot if number == own else self._missing(slot) for own, slot in everything]
            branches.append(_in_the_place_of(branch, self._with(inner, slots)))
        return {**params, "branches": tuple(branches)}, [slot for _, slot in everything]

    def _missing(self, slot: Any) -> Any:
        """Return what stands for the value of another branch."""
        if self.tells:
            return Literal(np.full(slot.aval.shape, np.nan), slot.aval)
        return Var(slot.aval)

    def _with(self, jaxpr: Any, slots: Sequence[Any]) -> Any:
        if self.tells:
            return jaxpr.replace(outvars=[*jaxpr.outvars, *slots])
        return jaxpr.replace(invars=[*jaxpr.invars, *slots])


def _holds(jaxpr: Any, is_held: IsHeld) -> bool:
    return any(map(is_held, equations_in(jaxpr)))


def _in_the_place_of(before: Any, jaxpr: Any) -> Any:
    """Return a jaxpr closed, if that was which it stands for."""
    return before.replace(jaxpr=jaxpr) if isinstance(before, ClosedJaxpr) else jaxpr


def _stacked(aval: Any, length: int) -> Any:
    return jax.core.ShapedArray((length, *aval.shape), aval.dtype)


def places(jaxpr: Any, is_held: IsHeld) -> list[Place]:
    """Return the lines that hold values which the arguments reach."""
    frames = (frames_of(equation) for equation in reached_equations(jaxpr) if is_held(equation))
    lines = (found[0].line for found in frames if found)
    return list(dict.fromkeys(Place(file, number) for file, number, _ in lines))
