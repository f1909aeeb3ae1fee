"""From a NumPy call to its rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcheck.engines.difference.arrays import (
    FUNCTIONS,
    UFUNC_METHODS,
    UFUNCS,
    DifferenceArray,
    is_perturbed,
    made,
    memory,
    taken,
)
from fastcheck.engines.difference.state import (
    ONLY_DOUBLE,
    TracingError,
    UnknownFunctionError,
    is_running,
    running,
)


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Run a ufunc, or one of its methods, on perturbed arrays."""
    if not is_running():
        return call_outside(getattr(ufunc, method), inputs, keywords)
    running().begin()
    if method != "__call__":
        rule = UFUNC_METHODS.get((ufunc, method))
        if rule is None:
            return call_plain(getattr(ufunc, method), f"{name_of(ufunc)}.{method}", inputs, keywords)
        return with_output(rule, inputs, keywords)
    rule = UFUNCS.get(ufunc)
    if rule is None:
        return call_plain(ufunc, name_of(ufunc), inputs, keywords)
    if not keywords:
        return rule(*inputs)
    output = keywords.pop("out", None)
    mask = keywords.pop("where", True)
    check_dtype(keywords, ufunc.__name__)
    if keywords:
        raise TracingError(name_of(ufunc), f"the arguments {sorted(keywords)} are not supported.")
    result = rule(*inputs)
    target = output[0] if isinstance(output, tuple) else output
    if mask is not True:
        if target is None:
            raise TracingError(name_of(ufunc), "where= without out= leaves entries undefined.")
        result = np.where(mask, result, target)
    return result if target is None else write(target, result, ufunc.__name__)


def name_of(ufunc: np.ufunc) -> str:
    """Return the name of a ufunc, NumPy's or another library's."""
    return f"np.{ufunc.__name__}" if getattr(np, ufunc.__name__, None) is ufunc else ufunc.__name__


def call_function(function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Run a NumPy function on perturbed arrays."""
    if not is_running():
        return call_outside(function, arguments, keywords)
    running().begin()
    rule = FUNCTIONS.get(function)
    if rule is None:
        name = f"{getattr(function, '__module__', 'numpy')}.{function.__name__}".replace("numpy.", "np.")
        return call_plain(function, name, arguments, keywords)
    return with_output(rule, arguments, keywords)


def with_output(rule: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Run a rule, then write its result where ``out=`` says."""
    target = keywords.pop("out", None)
    if isinstance(target, tuple):
        (target,) = target
    check_dtype(keywords, rule.__name__)
    try:
        result = rule(*arguments, **keywords)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise TracingError(rule.__name__, f"called in a way that is not supported ({error}).") from error
    return result if target is None else write(target, result, rule.__name__)


def check_dtype(keywords: dict[str, Any], name: str) -> None:
    """Remove ``dtype=float``, and refuse another one: differences cannot have it."""
    dtype = keywords.pop("dtype", None)
    if dtype is not None and np.dtype(dtype) != np.float64:
        raise TracingError(f"{name.rstrip('_')}(dtype={np.dtype(dtype)})", ONLY_DOUBLE)


def write(target: Any, result: Any, name: str) -> Any:
    """Write a result into ``out``."""
    if type(target) is DifferenceArray:
        target[...] = result
    elif is_perturbed(result):
        raise TracingError(
            f"np.{name}", "it writes perturbed values into a plain array made outside the cost."
        )
    else:
        target[...] = taken(result)[0]
    return target


def call_plain(function: Any, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Run a function that has no rule: possible as long as nothing perturbed goes in."""
    values = bare((arguments, keywords), name)
    result = function(*values[0], **values[1])
    return rewrap(result)


def bare(tree: Any, name: str) -> Any:
    """Return the arguments with arrays in place of unperturbed ones."""
    if type(tree) is DifferenceArray:
        if tree.form is not None:
            raise UnknownFunctionError(name, "difference propagation has no rule for it.")
        return tree.__array__()
    if isinstance(tree, (list, tuple)) and type(tree) in (list, tuple):
        return type(tree)([bare(item, name) for item in tree])
    if type(tree) is dict:
        return {key: bare(item, name) for key, item in tree.items()}
    return tree


def call_outside(function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Run a function on arrays that outlived their traces: on their values."""
    return function(*map(remembered, arguments), **{key: remembered(x) for key, x in keywords.items()})


def remembered(tree: Any) -> Any:
    """Return an argument with values in place of arrays that outlived their traces."""
    if type(tree) is DifferenceArray:
        return memory(tree)
    return type(tree)(map(remembered, tree)) if type(tree) in (list, tuple) else tree


def rewrap(result: Any) -> Any:
    """Return the results as arrays that can receive perturbed values."""
    if isinstance(result, (np.ndarray, np.floating)):
        return made(result, None)
    if type(result) in (list, tuple):
        return type(result)([rewrap(item) for item in result])
    return result
