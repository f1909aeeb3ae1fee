"""In which floats a function computes, and at which of the user's lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from fastcheck.engines.graph.frameworks.jax.jaxprs import equations_in
from fastcheck.engines.graph.frameworks.jax.source_lines import frames_of, known_frames


def shortest_float(arrays: Sequence[Any]) -> np.dtype[Any]:
    """Return the shortest of the dtypes of arrays that are floats."""
    dtypes = [x.dtype for x in arrays if hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jnp.floating)]
    return np.dtype(max(dtypes, key=unit, default=np.dtype(np.float64)))


def unit(dtype: Any) -> float:
    """Return the rounding unit of a dtype, of NumPy or JAX."""
    return float(jnp.finfo(dtype).eps)


def shortest_in(jaxpr: Any, leaves: Sequence[Any]) -> np.dtype[Any]:
    """Return the shortest float of the results of a jaxpr's equations, and of the arguments."""
    return shortest_float([*leaves, *(x.aval for equation in equations_in(jaxpr) for x in equation.outvars)])


def line_of_dtype(jaxpr: Any, dtype: Any) -> str:
    """Return the first line of the user's, in words, that computes in a dtype; empty if that is not known."""
    for equation in equations_in(jaxpr):
        has_it = any(getattr(x.aval, "dtype", None) == dtype for x in equation.outvars)
        if has_it and known_frames(equation)[0]:
            return f" {line_in_words(equation)}"
    return ""


def line_in_words(equation: Any) -> str:
    """Return the line of an equation, as sentences name it."""
    frames = frames_of(equation)
    if not frames:
        return "at a line that is not known"
    filename, number, text = frames[0].line
    name = filename.replace("\\", "/").rpartition("/")[2]
    return f"at line {number} of {name}" + (f": `{text}`" if text else "")
