"""From a NumPy call to what records it."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np

from fastcheck.engines.graph.rules import (
    choosing,
    complex_functions,
    complexes,
    composites,
    elements,
    fourier,
    layout,
    linear_algebra,
    linear_functions,
    matrix_functions,
    numeric,
    polynomials,
    reductions,
    ufuncs,
    zero_norms,
)
from fastcheck.engines.graph.rules.complexes import RecordedComplex
from fastcheck.engines.graph.rules.tables import FUNCTIONS, UFUNC_METHODS, UFUNCS
from fastcheck.engines.graph.tracing.operands import as_is_now, constant, fixed, is_recorded, stepped
from fastcheck.engines.graph.tracing.recorded import FLOAT, Recorded
from fastcheck.engines.graph.tracing.tape import ONLY_DOUBLE, current_tape, recording
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.engines.graph.tracing.unknown import computed_anyway

RULES = (
    *(choosing, complex_functions, composites, fourier, layout, linear_algebra, matrix_functions, numeric),
    *(polynomials, reductions, ufuncs, zero_norms),
)
"""The modules that fill the tables by being imported."""


def array_ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
    """NumPy's protocol for ufuncs."""
    if recording() is None:
        plain = {name: complexes.outlived(x) for name, x in keywords.items()}
        return getattr(ufunc, method)(*map(complexes.outlived, inputs), **plain)
    return call_ufunc(ufunc, method, inputs, keywords)


def array_function(
    self: Any, function: Any, types: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """NumPy's protocol for its other functions."""
    if recording() is None:
        plain = {name: complexes.outlived(x) for name, x in keywords.items()}
        return function(*map(complexes.outlived, arguments), **plain)
    return call_function(function, arguments, keywords)


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Record a ufunc, or one of its methods; compute it where that cannot be."""
    try:
        return _recorded_ufunc(ufunc, method, inputs, dict(keywords))
    except TracingError as error:
        if method == "at":  # NumPy's writes into arrays that are read-only, too
            raise
        return computed_anyway(error, getattr(ufunc, method), inputs, keywords)


def _recorded_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    output, mask = keywords.pop("out", None), keywords.pop("where", True)
    expect_float(ufunc.__name__, keywords.pop("dtype", None))
    if method == "at":
        return (
            UFUNC_METHODS[ufunc, "at"](*inputs) if (ufunc, "at") in UFUNC_METHODS else refuse(ufunc, method)
        )
    if method == "outer" and ufunc in UFUNCS:
        x, y = inputs
        return UFUNCS[ufunc](np.reshape(x, (*np.shape(x), *(1,) * np.ndim(y))), y)
    if method != "__call__" and any(map(complexes.is_complex, inputs)):
        raise complexes.refusal(f"{ufunc.__name__}.{method}")
    rule = rule_of(ufunc, *inputs) if method == "__call__" else UFUNC_METHODS.get((ufunc, method))
    if method != "__call__" and mask is not True:
        keywords["where"] = mask
    if rule is None:
        if any(live(x) for x in (*inputs, *keywords.values())):
            return refuse(ufunc, method)
        named = {name: as_is_now(fixed(x)) for name, x in keywords.items()}
        result = stepped(lambda *values: getattr(ufunc, method)(*values, **named), *inputs)
    else:
        result = rule(*inputs, **keywords)
    if method == "__call__" and mask is not True:
        if output is None:
            return refuse(ufunc, "where without out")
        result = FUNCTIONS[np.where](mask, result, output[0])
    if output is None:
        return result
    if isinstance(result, tuple):
        return tuple(
            part if x is None else write_into(x, part) for x, part in zip(output, result, strict=True)
        )
    return write_into(output[0], result)


ORDINARY = (Recorded, float, int, np.float64)
"""Types of operands that are neither complex nor sparse."""


def rule_of(ufunc: np.ufunc, *operands: Any) -> Any:
    """Return what records a ufunc of these operands."""
    for x in operands:
        if type(x) not in ORDINARY:
            if complexes.is_complex(x):
                return complexes.rule_of(ufunc)
            if linear_functions.is_sparse(x):
                return linear_functions.sparse_rule_of(ufunc, *operands)
    rule = UFUNCS.get(ufunc)
    return elements.from_python(ufunc) if rule is None and elements.is_from_python(ufunc) else rule


def call_function(function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Record a NumPy function; compute it where that cannot be."""
    try:
        return _recorded_function(function, arguments, dict(keywords))
    except TracingError as error:
        return computed_anyway(error, function, arguments, keywords)


def _recorded_function(function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    if any(type(x) not in ORDINARY and complexes.is_complex(x) for x in arguments):
        return complex_functions.call_function(function, arguments, keywords)
    rule = FUNCTIONS.get(function)
    if rule is None:
        if any(live(x) for x in (*arguments, *keywords.values())):
            return refuse(function, "")
        plain = {name: fixed(x) for name, x in keywords.items()}
        return constant(function(*map(fixed, arguments), **plain))
    arguments, keywords = by_name(function, arguments, keywords)
    output = keywords.pop("out", None)
    expect_float(function.__name__, keywords.get("dtype"))
    result = rule(*arguments, **keywords)
    return result if output is None else write_into(output, result)


@functools.cache
def parameter_names(function: Any) -> tuple[str, ...]:
    """Return the names of a function's parameters that may be given by place, in their order."""
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(function).parameters.values()
        return tuple(parameter.name for parameter in parameters if parameter.kind in by_place)
    except (TypeError, ValueError):
        return POSITIONAL.get(function.__name__, ())


@functools.cache
def places_of(function: Any) -> tuple[int, int]:
    """Return the places of ``out``, and of a ``dtype`` before it, among a function's parameters."""
    names = parameter_names(function)
    at = names.index("out") if "out" in names else len(names) + 1000
    return at, names.index("dtype") if "out" in names and "dtype" in names[:at] else at


POSITIONAL = {"dot": ("a", "b", "out"), "concatenate": ("arrays", "axis", "out")}
"""Parameters of functions that older versions of NumPy tell nothing about."""


def by_name(
    function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with what comes at the place of ``out``, and after it, by its name."""
    names, (at, dtype) = parameter_names(function), places_of(function)
    if dtype < min(at, len(arguments)):
        expect_float(function.__name__, arguments[dtype])
    if len(arguments) <= at:
        return arguments, keywords
    return arguments[:at], {**keywords, **dict(zip(names[at:], arguments[at:], strict=False))}


def write_into(output: Any, result: Any) -> Any:
    """Write a result into ``out``, and return that."""
    if type(output) is not Recorded:
        if live(result):
            raise current_tape().refusal("out=", "it writes a recorded array into a plain one.")
        output[...] = fixed(result)
        return output
    result = result if type(result) is Recorded else Recorded(np.asarray(result, dtype=float))
    if not output.become(result):
        output.write(Ellipsis, result)
    return output


def live(x: Any) -> bool:
    """Whether parameters reach x, or something in it."""
    if type(x) in (list, tuple):
        return any(map(live, x))
    return is_recorded(x) and bool(x.live)


def expect_float(name: str, dtype: Any) -> None:
    """Raise unless a dtype is the one that recorded arrays have."""
    if dtype is not None and np.dtype(dtype) != FLOAT:
        raise current_tape().refusal(f"{name}(dtype={dtype})", ONLY_DOUBLE)


def refuse(function: Any, method: str) -> Any:
    """Raise the error of a function that is not recorded."""
    method = f".{method}" if method not in ("", "__call__") else ""
    name = f"{getattr(function, '__name__', function)}{method}"
    raise current_tape().refusal(name, "it is not recorded.")


for kind in (Recorded, RecordedComplex):
    setattr(kind, "__array_ufunc__", array_ufunc)  # noqa: B010
    setattr(kind, "__array_function__", array_function)  # noqa: B010
