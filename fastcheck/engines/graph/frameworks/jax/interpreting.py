"""A jaxpr, run on recorded arrays: each equation that parameters reach is done by NumPy's functions of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.graph.frameworks.jax import doubling
from fastcheck.engines.graph.frameworks.jax.jaxprs import CALLS, called, opened, walk
from fastcheck.engines.graph.frameworks.jax.known_values import Key
from fastcheck.engines.graph.frameworks.jax.primitives import RULES
from fastcheck.engines.graph.frameworks.jax.source_lines import frames_of
from fastcheck.engines.graph.rules.complexes import RecordedComplex
from fastcheck.engines.graph.tracing.operands import fixed, stepped
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.engines.graph.tracing.users_line import Frame, LinesToldBy

STEPS = ("round", "floor", "ceil", "sign")
"""Primitives whose results are floats that stand still but where they jump."""


MOST_ROUNDS = 1_000_000
"""Rounds of loops with a test, if no number is given: more would not be recorded anyway."""


class Interpreter:
    """Runs jaxprs on recorded arrays, and tells which of the user's lines that is.

    What no parameter reaches is computed by JAX itself; so is what has no slope, such as masks and indices, with
    values that may differ elsewhere. ``known`` are results of equations that were computed before, ``rounds`` counts
    those of loops with a test, of which there may be ``most_rounds``.
    """

    def __init__(self, known: Mapping[Key, Sequence[Any]], most_rounds: int = MOST_ROUNDS) -> None:
        self.known, self.most_rounds = known, most_rounds
        self.running: list[Any] = []
        self.execution = self.rounds = 0
        self._calls = _Calls()
        self._frames: dict[Key, tuple[Frame, ...]] = {}

    def run(self, jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
        """Return the results of a jaxpr, recorded where they move with the parameters."""
        with LinesToldBy(self.frames), doubling.DoublePrecision():
            return self._run(jaxpr, constants, arguments)

    def evaluate_here(self, jaxpr: Any, arguments: Sequence[Any]) -> list[Any]:
        """Return the results of a jaxpr that the user's code, which is running, asks for now."""
        with doubling.DoublePrecision():
            return self._run(jaxpr.jaxpr, jaxpr.consts, arguments)

    def frames(self) -> tuple[Frame, ...]:
        """Return the user's functions that wrote the equation that is running."""
        if not self.running:
            return ()
        key = self._key
        known = self._frames.get(key)
        if known is None:
            known = self._frames[key] = frames_of(*reversed(self.running))
        call = self._calls.number(known, key, self.execution)
        return tuple(frame._replace(call=call) for frame in known)

    @property
    def _key(self) -> Key:
        """Which equation is running."""
        return tuple(map(id, self.running))

    def _run(self, jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
        return walk(
            jaxpr,
            [doubling.in_double(x) for x in constants],
            list(map(still, arguments)),
            doubling.literal,
            self._evaluate,
        )

    def _evaluate(self, equation: Any, operands: list[Any]) -> Sequence[Any]:
        self.running.append(equation)
        self.execution += 1
        try:
            return [still(x) for x in self._results(equation, operands)]
        except TracingError:
            raise
        except Exception as error:
            why = f"it could not be recorded ({type(error).__name__}: {error})."
            raise current_tape().refusal(equation.primitive.name, why) from error
        finally:
            self.running.pop()

    def _results(self, equation: Any, operands: list[Any]) -> Sequence[Any]:
        name = equation.primitive.name
        if not any(map(is_recorded, operands)):
            known = self.known.get(self._key)
            return list(map(as_numpy, doubling.evaluate(equation, operands) if known is None else known))
        if name in CALLS:
            jaxpr, constants = called(equation)
            return self._run(jaxpr, constants, operands)
        if name in HIGHER_ORDER:
            return HIGHER_ORDER[name](self, equation.params, operands)
        if name in RULES and any(map(is_live, operands)):
            result = RULES[name](*operands, **doubling.in_doubled_dtypes(equation.params))
            return result if equation.primitive.multiple_results else [result]
        return self._without_slope(equation, operands)

    def _without_slope(self, equation: Any, operands: list[Any]) -> list[Any]:
        """Return the results of an equation that has no slope, in other places where operands move."""
        has_slope = equation.primitive.name not in STEPS and any(
            doubling.is_float(x.aval.dtype) for x in equation.outvars
        )
        if any(type(x) is RecordedComplex for x in operands) or (has_slope and any(map(is_live, operands))):
            raise current_tape().refusal(equation.primitive.name, "this primitive of JAX is not followed.")
        if any(doubling.is_key(x) for x in operands):
            raise current_tape().refusal(
                equation.primitive.name, "random numbers are drawn by what the parameters decide."
            )

        def part(number: int) -> Any:
            def function(*values: Any) -> Any:
                with doubling.DoublePrecision():
                    return np.asarray(doubling.evaluate(equation, list(map(np.asarray, values)))[number])

            return stepped(function, *operands)

        return [part(number) for number in range(len(equation.outvars))]


class _Calls:
    """Numbers the calls of library functions: one may be several equations, and an equation may run several times."""

    def __init__(self) -> None:
        self.count = self.execution = 0
        self.place: tuple[Any, int] | None = None
        self.seen: set[Key] = set()

    def number(self, frames: Sequence[Frame], key: Key, execution: int) -> int:
        """Return the number of the call that the execution of an equation by these functions belongs to."""
        if execution == self.execution:
            return self.count
        self.execution = execution
        place = (frames[0].code, frames[0].instruction) if frames else None
        if place != self.place or key in self.seen:
            self.count += 1
            self.place = place
            self.seen.clear()
        self.seen.add(key)
        return self.count


def is_recorded(x: Any) -> bool:
    """Whether x is a recorded array, of real or of complex numbers."""
    return type(x) in (Recorded, RecordedComplex)


def is_live(x: Any) -> bool:
    """Whether parameters reach x, so that it has slopes."""
    return (type(x) is Recorded and x.live) or type(x) is RecordedComplex


def still(x: Any) -> Any:
    """Return a value as a plain array if it does not move with the parameters."""
    return x.array if type(x) is Recorded and not x.moves else x


def as_numpy(x: Any) -> Any:
    """Return an array of JAX as one of NumPy, which shares its memory; random keys are left as they are."""
    return x if doubling.is_key(x) else np.asarray(x)


def _scan(interpreter: Interpreter, params: dict[str, Any], operands: Sequence[Any]) -> list[Any]:
    jaxpr, constants = opened(params["jaxpr"])
    fixed_until, carried_until = params["num_consts"], params["num_consts"] + params["num_carry"]
    held, carry, stacks = (
        operands[:fixed_until],
        list(operands[fixed_until:carried_until]),
        operands[carried_until:],
    )
    rounds = range(params["length"])
    outputs: list[list[Any]] = []
    for k in reversed(rounds) if params["reverse"] else rounds:
        results = interpreter._run(jaxpr, constants, [*held, *carry, *(x[k] for x in stacks)])
        carry = results[: params["num_carry"]]
        outputs.append(results[params["num_carry"] :])
    if params["reverse"]:
        outputs.reverse()
    if not outputs:
        shapes = [x.aval for x in jaxpr.outvars[params["num_carry"] :]]
        return [*carry, *(np.zeros((0, *x.shape), doubling.doubled(x.dtype)) for x in shapes)]
    return [*carry, *(stacked(parts) for parts in zip(*outputs, strict=True))]


def stacked(parts: Sequence[Any]) -> Any:
    """Return arrays one upon the other, and random keys as JAX does that."""
    if any(map(doubling.is_key, parts)):
        import jax.numpy as jnp

        return jnp.stack(parts)
    return np.stack(parts)


def _while(interpreter: Interpreter, params: dict[str, Any], operands: Sequence[Any]) -> list[Any]:
    (test, of_test), (body, of_body) = opened(params["cond_jaxpr"]), opened(params["body_jaxpr"])
    first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    for_test, for_body, carry = operands[:first], operands[first:second], list(operands[second:])
    while bool(interpreter._run(test, of_test, [*for_test, *carry])[0]):
        carry = interpreter._run(body, of_body, [*for_body, *carry])
        interpreter.rounds += 1
        if interpreter.rounds > interpreter.most_rounds:
            raise current_tape().refusal(
                "while", f"it runs for more than {interpreter.most_rounds:,} rounds."
            )
    return carry


def _cond(interpreter: Interpreter, params: dict[str, Any], operands: Sequence[Any]) -> list[Any]:
    which, *arguments = operands
    branches = params["branches"]
    jaxpr, constants = opened(branches[int(np.clip(fixed(which), 0, len(branches) - 1))])
    return interpreter._run(jaxpr, constants, arguments)


def _linear_solve(interpreter: Interpreter, params: dict[str, Any], operands: Sequence[Any]) -> list[Any]:
    lengths = params["const_lengths"]
    before = lengths.matvec + lengths.vecmat
    jaxpr, constants = opened(params["jaxprs"].solve)
    right = operands[sum(lengths) :]
    return interpreter._run(jaxpr, constants, [*operands[before : before + lengths.solve], *right])


def _callback(interpreter: Interpreter, params: dict[str, Any], operands: Sequence[Any]) -> list[Any]:
    return list(params["callback"](*operands))


def _nothing(interpreter: Interpreter, params: dict[str, Any], operands: Sequence[Any]) -> list[Any]:
    return []


HIGHER_ORDER = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "custom_linear_solve": _linear_solve,
    "pure_callback": _callback,
    "debug_callback": _nothing,
    "debug_print": _nothing,
}
"""Primitives with jaxprs in their parameters, and those that only tell something → how they are run."""
