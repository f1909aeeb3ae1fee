"""From a NumPy call to what records it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcheck.engines.graph import composites, functions, ufuncs
from fastcheck.engines.graph.recorded import (
    FLOAT,
    FUNCTIONS,
    UFUNC_METHODS,
    UFUNCS,
    Recorded,
    constant,
    fixed,
    is_recorded,
    stepped,
    values_of,
)
from fastcheck.engines.graph.tape import current_tape

__all__ = ["call_function", "call_ufunc", "composites", "functions", "ufuncs", "write_into"]


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Record a ufunc, or one of its methods."""
    output, mask = keywords.pop("out", None), keywords.pop("where", True)
    expect_float(ufunc.__name__, keywords.pop("dtype", None))
    if method == "at":
        return (
            UFUNC_METHODS[ufunc, "at"](*inputs) if (ufunc, "at") in UFUNC_METHODS else refuse(ufunc, method)
        )
    if method == "outer" and ufunc in UFUNCS:
        x, y = inputs
        return UFUNCS[ufunc](np.reshape(x, (*np.shape(x), *(1,) * np.ndim(y))), y)
    rule = UFUNCS.get(ufunc) if method == "__call__" else UFUNC_METHODS.get((ufunc, method))
    if method != "__call__" and mask is not True:
        keywords["where"] = mask
    if rule is None:
        if any(live(x) for x in (*inputs, *keywords.values())):
            return refuse(ufunc, method)
        named = {name: fixed(x) for name, x in keywords.items()}
        result = stepped(lambda *values: getattr(ufunc, method)(*values, **named), *inputs)
    else:
        result = rule(*inputs, **keywords)
    if method == "__call__" and mask is not True:
        if output is None:
            return refuse(ufunc, "where without out")
        result = FUNCTIONS[np.where](mask, result, output[0])
    return result if output is None else write_into(output[0], result)


def call_function(function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Record a NumPy function."""
    rule = FUNCTIONS.get(function)
    if rule is None:
        if any(live(x) for x in (*arguments, *keywords.values())):
            return refuse(function, "")
        plain = {name: fixed(x) for name, x in keywords.items()}
        return constant(function(*map(fixed, arguments), **plain))
    output = keywords.pop("out", None)
    expect_float(function.__name__, keywords.get("dtype"))
    result = rule(*arguments, **keywords)
    return result if output is None else write_into(output, result)


def write_into(output: Any, result: Any) -> Any:
    """Write a result into ``out``, and return that."""
    if type(output) is not Recorded:
        if live(result):
            raise current_tape().refusal("out=", "it writes a recorded array into a plain one.")
        output[...] = values_of(result)
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
        raise current_tape().refusal(f"{name}(dtype={dtype})", "recorded arrays are float64.")


def refuse(function: Any, method: str) -> Any:
    """Raise the error of a function that is not recorded."""
    name = f"{getattr(function, '__name__', function)} {method}".strip()
    raise current_tape().refusal(name, "it is not recorded.")
