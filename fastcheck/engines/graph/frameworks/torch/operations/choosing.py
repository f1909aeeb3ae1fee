"""Operations that choose entries, compare, or round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from fastcheck.engines.graph.frameworks.torch.operations.by_torch import without_slope
from fastcheck.engines.graph.frameworks.torch.operations.table import OPERATIONS, aten

SAME_IN_NUMPY: dict[str, Callable[..., Any]] = {
    **{"maximum": np.maximum, "minimum": np.minimum, "fmax": np.fmax, "fmin": np.fmin, "where": np.where},
    **{"gt": np.greater, "ge": np.greater_equal, "lt": np.less, "le": np.less_equal},
    **{"eq": np.equal, "ne": np.not_equal, "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite},
    **{"logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor},
    **{"logical_not": np.logical_not, "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or},
    **{"bitwise_xor": np.bitwise_xor, "bitwise_not": np.invert, "signbit": np.signbit},
    **{"sign": np.sign, "sgn": np.sign, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc},
    **{"floor_divide": np.floor_divide, "heaviside": np.heaviside},
}
"""Operation → the function of NumPy that does the same."""

WITHOUT_SLOPE = (
    *("round", "all", "any", "argmax", "argmin", "argsort", "isposinf", "isneginf", "isclose"),
    *("count_nonzero", "bucketize", "searchsorted", "isin", "histc", "angle", "_is_all_true", "_is_any_true"),
)
"""Operations whose result is an index, a truth value, or rounded, and that PyTorch computes."""

OPERATIONS.update(SAME_IN_NUMPY)
OPERATIONS.update({name: without_slope(getattr(torch.ops.aten, name)) for name in WITHOUT_SLOPE})


@aten("clamp", "clip")
def clamp(x: Any, low: Any = None, high: Any = None) -> Any:
    """Return x, kept within bounds, which may be arrays."""
    return np.clip(x, low, high)


@aten("clamp_min")
def clamp_min(x: Any, low: Any) -> Any:
    """Return x, at least as large as a bound."""
    return np.maximum(x, low)


@aten("clamp_max")
def clamp_max(x: Any, high: Any) -> Any:
    """Return x, at most as large as a bound."""
    return np.minimum(x, high)


@aten("masked_fill")
def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """Return a value where a mask holds, x elsewhere."""
    return np.where(mask, value, x)


@aten("nan_to_num")
def nan_to_num(x: Any, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Any:
    """Return numbers in place of NaN and infinities."""
    return np.nan_to_num(x, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)
