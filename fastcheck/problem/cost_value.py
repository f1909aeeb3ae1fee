"""The number J in what a cost function returns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastcheck.errors import EvaluationError, UndefinedCostError
from fastcheck.problem.parameters import to_numpy


def read_cost(result: Any) -> float:
    """Return what a cost function returned as a float, or raise `EvaluationError`; tensors of other libraries serve."""
    is_plain = type(result) is float or type(result) is np.float64
    if is_plain and math.isfinite(result):
        return float(result)
    result = cost_in(result)
    if hasattr(result, "__array__") and not isinstance(result, (np.ndarray, np.generic)):
        result = to_numpy(result, "cost")
    if isinstance(result, (float, np.floating)) or _is_number(result):
        value = float(result)
        if math.isfinite(value):
            return value
        raise UndefinedCostError(
            f"cost: expected a finite number, got {value}. Look for log(0), a division by zero or an "
            "overflow."
        )
    got, advice = _describe_result(result)
    complex_number = isinstance(result, (complex, np.complexfloating))
    error = UndefinedCostError if complex_number else EvaluationError
    raise error(f"cost: expected one real number, got {got}. {advice}")


NAMES_OF_COST = ("loss", "cost", "J")
"""Keys under which a dict that a cost function returns holds the cost."""


def cost_in(result: Any) -> Any:
    """Return J of what a cost function returned: (J, gradients), (J, cache) and the like, or J itself.

    In a tuple or list J comes first, and nothing else is a number, in a dict it is called ``loss``, ``cost`` or ``J``.
    """
    if isinstance(result, (tuple, list)) and len(result) > 1:
        is_first = _has_no_axes(result[0]) and not any(map(_has_no_axes, result[1:]))
        return result[0] if is_first else result
    if isinstance(result, Mapping):
        named = [result[name] for name in NAMES_OF_COST if _has_no_axes(result.get(name))]
        return named[0] if len(named) == 1 else result
    return result


def _has_no_axes(x: Any) -> bool:
    """Tell whether x is a number, or an array without axes."""
    if isinstance(x, (int, float, complex)):
        return not isinstance(x, bool)
    return getattr(x, "shape", None) == ()


def _is_number(result: Any) -> bool:
    if isinstance(result, (bool, np.bool_)):
        return False
    if isinstance(result, (int, np.integer)):
        return True
    return isinstance(result, np.ndarray) and result.shape == () and result.dtype.kind in "fiu"


def _describe_result(result: Any) -> tuple[str, str]:
    if result is None:
        return "None", "Does the function end in a return statement?"
    if isinstance(result, tuple):
        advice = "Return the cost alone or first: (cost, gradients), without other numbers."
        return f"a tuple of {len(result)}", advice
    if isinstance(result, (complex, np.complexfloating)):
        return f"the complex number {result}", "Look for a square root or power of a negative number."
    if isinstance(result, np.ndarray):
        got = f"an array of shape {result.shape} and dtype {result.dtype}"
        if result.size == 1 and result.dtype.kind == "f":
            return got, "Return its only entry: cost.item()."
        return got, "Sum or average it over the samples."
    return f"{type(result).__name__}", "Return a float."
