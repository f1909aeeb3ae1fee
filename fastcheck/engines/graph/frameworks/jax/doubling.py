"""A jaxpr, computed by JAX in double precision, whatever the precision in which it was written.

What a slope is does not depend on the precision in which its function is written; how well differences show it does.
So the function is traced as it is, with the dtypes and random numbers that it has, and its equations are computed with
float64 in the place of all shorter floats. Custom rules are left out: what is computed counts, not what is claimed.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import jax
import jax.experimental
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr

from fastcheck.engines.graph.frameworks.jax.jaxprs import CALLS, called, opened, walk
from fastcheck.undoing import Undoable

_enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64

DOUBLE, DOUBLE_COMPLEX = np.dtype(np.float64), np.dtype(np.complex128)

IN_ITS_OWN_DTYPE = (
    *("bitcast_convert_type", "nextafter", "random_gamma", "random_gamma_grad", "rng_uniform"),
    *("pallas_call", "ffi_call", "custom_partitioning", "shard_map"),
)
"""Primitives that mean something else in another dtype, or exist in one only: computed as they were written."""

DTYPES = ("new_dtype", "dtype", "preferred_element_type", "out_dtype", "accum_dtype", "output_dtype")
"""Names of parameters of equations that are dtypes of results."""


class DoublePrecision(Undoable):
    """JAX computes in float64 inside the ``with`` block, whatever its configuration."""

    def __init__(self) -> None:
        self.context: Any = None

    def do(self) -> None:
        """Switch it on."""
        self.context = _enable_x64(True)
        self.context.__enter__()

    def undo(self) -> None:
        """Go back to what it was."""
        context, self.context = self.context, None
        if context is not None:
            context.__exit__(None, None, None)


ROUNDS_ELSEWHERE = 100
"""Loops may run that many times as many rounds elsewhere as at θ, and as many more, before they are given up."""


class RoundsAllowed:
    """How many rounds loops with a test may run elsewhere: known once they were counted at θ.

    What a cost stores is put back after a recording; this is no part of it.
    """

    def __init__(self) -> None:
        self.most = int(np.iinfo(np.int64).max)

    def learn(self, rounds: int) -> None:
        """Note how many there are at θ."""
        self.most = ROUNDS_ELSEWHERE * (rounds + ROUNDS_ELSEWHERE)


class _Limits(threading.local):
    def __init__(self) -> None:
        self.now: list[Any] = []


_limits = _Limits()


class RoundsLimited(Undoable):
    """Loops with a test that are computed in the ``with`` block run for so many rounds at most, and are NaN then.

    Elsewhere than at θ, an iteration may never end: Newton's for the root of a negative number.
    """

    def __init__(self, limit: Any) -> None:
        self.limit = limit

    def do(self) -> None:
        """Limit them."""
        _limits.now.append(self.limit)

    def undo(self) -> None:
        """Go back to the limit before."""
        while any(limit is self.limit for limit in _limits.now):
            _limits.now.pop()


def is_float(dtype: Any) -> bool:
    """Whether a dtype is one of real or complex floating point numbers: those of JAX's own, too."""
    return bool(jax.dtypes.issubdtype(dtype, np.inexact))


def doubled(dtype: Any) -> Any:
    """Return the dtype that stands for another one."""
    if not is_float(dtype):
        return dtype
    return DOUBLE_COMPLEX if jax.dtypes.issubdtype(dtype, np.complexfloating) else DOUBLE


def in_double(x: Any) -> Any:
    """Return an array or number in double precision: a NumPy array, if it is no tracer and no random key."""
    if isinstance(x, jax.core.Tracer):
        return x if x.dtype == doubled(x.dtype) else lax.convert_element_type(x, doubled(x.dtype))
    if is_key(x):
        return x
    values = np.asarray(x)
    return values.astype(doubled(values.dtype), copy=False)


def frozen(x: Any) -> Any:
    """Return an array in double precision that nobody can write into, so that nobody need watch it."""
    if is_key(x):
        return x
    values = np.array(x, dtype=doubled(np.asarray(x).dtype))
    values.flags.writeable = False
    return values


def is_key(x: Any) -> bool:
    """Whether x holds random keys."""
    return hasattr(x, "dtype") and bool(jax.dtypes.issubdtype(x.dtype, jax.dtypes.extended))


def run(jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
    """Return what a jaxpr computes, in double precision; inside `DoublePrecision`."""
    return walk(
        jaxpr, [in_double(x) for x in constants], [in_double(x) for x in arguments], literal, evaluate
    )


def literal(x: Any) -> Any:
    """Return the value of a literal."""
    return np.asarray(x.val, dtype=doubled(x.aval.dtype))


def evaluate(equation: Any, operands: Sequence[Any]) -> Sequence[Any]:
    """Return what an equation computes of these operands."""
    name = equation.primitive.name
    if name in CALLS:
        jaxpr, constants = called(equation)
        return run(jaxpr, constants, operands)
    if name in HIGHER_ORDER:
        return HIGHER_ORDER[name](equation.params, operands)
    if name in IN_ITS_OWN_DTYPE:
        return as_written(equation, operands)
    params = in_doubled_dtypes(equation.params)
    inner = {name: _doubled_jaxpr(x) for name, x in params.items() if isinstance(x, (Jaxpr, ClosedJaxpr))}
    return _bound(equation, operands, params | inner)


def as_written(equation: Any, operands: Sequence[Any]) -> list[Any]:
    """Return what an equation computes in its own dtypes."""
    given = [
        lax.convert_element_type(x, var.aval.dtype) if is_float(var.aval.dtype) else x
        for x, var in zip(operands, equation.invars, strict=True)
    ]
    return [in_double(x) for x in _bound(equation, given, equation.params)]


def in_doubled_dtypes(params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of an equation with double precision in the place of shorter floats."""
    changed = dict(params)
    for name in DTYPES:
        if changed.get(name) is not None:
            changed[name] = doubled(changed[name])
    if changed.get("precision") is not None:
        changed["precision"] = None
    return changed


def _doubled_jaxpr(jaxpr: Any) -> Any:
    """Return what puts two numbers together, as in a scatter, for double precision."""
    inner, constants = opened(jaxpr)
    shapes = [jax.ShapeDtypeStruct(x.aval.shape, doubled(x.aval.dtype)) for x in inner.invars]
    closed = jax.make_jaxpr(lambda *arguments: run(inner, constants, arguments))(*shapes)
    return closed if isinstance(jaxpr, ClosedJaxpr) else closed.jaxpr


def _bound(equation: Any, operands: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    primitive = equation.primitive
    results = primitive.bind(*operands, **params)
    return list(results) if primitive.multiple_results else [results]


def _scan(params: dict[str, Any], operands: Sequence[Any]) -> list[Any]:
    jaxpr, constants = opened(params["jaxpr"])
    fixed, carried = params["num_consts"], params["num_consts"] + params["num_carry"]

    def body(carry: Any, slices: Any) -> Any:
        results = run(jaxpr, constants, [*operands[:fixed], *carry, *slices])
        return results[: params["num_carry"]], results[params["num_carry"] :]

    carry, stacked = lax.scan(
        body,
        [jax.numpy.asarray(x) for x in operands[fixed:carried]],
        list(operands[carried:]),
        length=params["length"],
        reverse=params["reverse"],
    )
    return [*carry, *stacked]


def _while(params: dict[str, Any], operands: Sequence[Any]) -> list[Any]:
    (test, of_test), (body, of_body) = opened(params["cond_jaxpr"]), opened(params["body_jaxpr"])
    first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    for_test, for_body = operands[:first], operands[first:second]
    start = [jax.numpy.asarray(x) for x in operands[second:]]
    limit = _limits.now[-1] if _limits.now else np.iinfo(np.int64).max

    def goes_on(state: Any) -> Any:
        rounds, carry = state
        return run(test, of_test, [*for_test, *carry])[0] & (rounds < limit)

    def once_more(state: Any) -> Any:
        rounds, carry = state
        return rounds + 1, run(body, of_body, [*for_body, *carry])

    rounds, carry = lax.while_loop(goes_on, once_more, (jax.numpy.asarray(0), start))
    return [jax.numpy.where(rounds < limit, x, np.nan) if is_float(x.dtype) else x for x in carry]


def _cond(params: dict[str, Any], operands: Sequence[Any]) -> list[Any]:
    def branch(closed: Any) -> Any:
        jaxpr, constants = opened(closed)
        return lambda *arguments: run(jaxpr, constants, arguments)

    which, *arguments = operands
    return list(lax.switch(which, [branch(closed) for closed in params["branches"]], *arguments))


def _linear_solve(params: dict[str, Any], operands: Sequence[Any]) -> list[Any]:
    """Return what the solver of a linear system finds, which JAX differentiates by the system."""
    lengths, jaxprs = params["const_lengths"], params["jaxprs"]
    parts: dict[str, Sequence[Any]] = {}
    rest = list(operands)
    for name, length in zip(lengths._fields, lengths, strict=True):
        parts[name], rest = rest[:length], rest[length:]

    def function(name: str) -> Any:
        closed = getattr(jaxprs, name)
        if closed is None:
            return None
        jaxpr, constants = opened(closed)
        return lambda x: run(jaxpr, constants, [*parts[name], *x])

    def solve(name: str) -> Any:
        inner = function(name)
        return None if inner is None else lambda _, b: inner(b)

    return list(lax.custom_linear_solve(function("matvec"), rest, solve("solve"), solve("transpose_solve")))


def _callback(params: dict[str, Any], operands: Sequence[Any]) -> list[Any]:
    """Return what a function outside of JAX returns, given double precision: what it makes of that is its own."""
    avals = tuple(aval.update(dtype=doubled(aval.dtype)) for aval in params["result_avals"])
    shapes = tuple(jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in avals)

    def function(*arguments: Any) -> Any:
        results = params["callback"](*map(np.asarray, arguments))
        return tuple(np.asarray(x, aval.dtype) for x, aval in zip(results, avals, strict=True))

    return list(jax.pure_callback(function, shapes, *operands, vmap_method=params.get("vmap_method")))


def _same(params: dict[str, Any], operands: Sequence[Any]) -> list[Any]:
    return list(operands)


def _nothing(params: dict[str, Any], operands: Sequence[Any]) -> list[Any]:
    return []


HIGHER_ORDER = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "custom_linear_solve": _linear_solve,
    "reduce_precision": _same,
    "pure_callback": _callback,
    "debug_callback": _nothing,
    "debug_print": _nothing,
}
"""Primitives with jaxprs in their parameters, and those that only tell something → how they are computed."""
