"""Products of arrays along axes that are summed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.graph.frameworks.jax.doubling import frozen
from fastcheck.engines.graph.rules.complexes import RecordedComplex
from fastcheck.engines.graph.tracing.recorded import Recorded


def dot_general(x: Any, y: Any, dimension_numbers: Any, **_: Any) -> Any:
    """Return the product of two arrays: batch axes first, then those of x that are left, then those of y."""
    (summed_x, summed_y), (batch_x, batch_y) = dimension_numbers
    free_x, free_y = _others(x, summed_x, batch_x), _others(y, summed_y, batch_y)
    batch = [np.shape(x)[k] for k in batch_x]
    inner = math.prod(np.shape(x)[k] for k in summed_x)
    rows, columns = [np.shape(x)[k] for k in free_x], [np.shape(y)[k] for k in free_y]
    left = _arranged(x, (*batch_x, *free_x, *summed_x), (*batch, math.prod(rows), inner))
    right = _arranged(y, (*batch_y, *summed_y, *free_y), (*batch, inner, math.prod(columns)))
    return np.reshape(np.matmul(left, right), [*batch, *rows, *columns])


def _others(x: Any, *axes: Sequence[int]) -> list[int]:
    taken = {k for group in axes for k in group}
    return [k for k in range(np.ndim(x)) if k not in taken]


def _arranged(x: Any, order: Sequence[int], shape: tuple[int, ...]) -> Any:
    """Return x with its axes in this order, then in this shape; a constant is no view that would have to be watched."""
    if tuple(order) == tuple(range(np.ndim(x))) and np.shape(x) == shape:
        return x
    arranged = np.reshape(np.transpose(x, order), shape)
    return arranged if type(x) in (Recorded, RecordedComplex) else frozen(arranged)


RULES: dict[str, Callable[..., Any]] = {"dot_general": dot_general}
