"""Python functions of single numbers, applied entry by entry: np.vectorize and np.frompyfunc."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.rules.layout import array, ravel, stack
from fastcheck.engines.graph.tracing.operands import values_of
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape


def entry_by_entry(function: Callable[..., Any], arrays: tuple[Any, ...]) -> Any:
    """Return what a function makes of the entries of arrays that are broadcast: an array, or one for each result."""
    arrays = tuple(map(array, arrays))
    shape = np.broadcast_shapes(*(np.shape(x) for x in arrays))
    entries = [ravel(x if np.shape(x) == shape else np.broadcast_to(x, shape)) for x in arrays]
    results = [function(*(x[k] for x in entries)) for k in range(np.size(np.empty(shape)))]
    if results and isinstance(results[0], tuple):
        return tuple(np.reshape(joined(part), shape)[()] for part in zip(*results, strict=True))
    return np.reshape(joined(results), shape)[()]


def joined(numbers: Any) -> Any:
    """Return an array of numbers, recorded if one of them is."""
    parts = [array(x) for x in numbers]
    return stack(parts) if any(type(x) is Recorded for x in parts) else np.array(parts)


def vectorized(original: Any, *arrays: Any, **keywords: Any) -> Any:
    """Record the call of an np.vectorize."""
    if keywords or original.signature is not None or original.excluded:
        why = "keywords, signature= and excluded= are not recorded: call the function entry by entry."
        raise current_tape().refusal("np.vectorize", why)
    return entry_by_entry(original.pyfunc, arrays)


def is_from_python(ufunc: np.ufunc) -> bool:
    """Whether a ufunc was made by np.frompyfunc."""
    return ufunc.types == ["O" * ufunc.nin + "->" + "O" * ufunc.nout]


def from_python(ufunc: np.ufunc) -> Callable[..., Any]:
    """Return what records a ufunc that was made of a Python function, which only sees objects."""

    def function(*numbers: Any) -> Any:
        boxes = [boxed(x) for x in numbers]
        results = ufunc(*boxes)
        return tuple(x[0] for x in results) if ufunc.nout > 1 else results[0]

    return lambda *arrays: entry_by_entry(function, arrays)


def boxed(x: Any) -> Any:
    """Return an array that holds one object."""
    box = np.empty(1, dtype=object)
    box[0] = x if type(x) is Recorded else values_of(x)
    return box
