"""Conversions between dtypes: floating-point numbers of fewer digits are read as double."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from fastcheck.engines.graph.frameworks.torch.operations.table import aten
from fastcheck.engines.graph.tracing.operands import stepped, values_of
from fastcheck.engines.graph.tracing.tape import current_tape

WHOLE = {
    **{torch.bool: np.bool_, torch.uint8: np.uint8, torch.int8: np.int8, torch.int16: np.int16},
    **{torch.int32: np.int32, torch.int64: np.int64},
}
"""Dtypes of whole numbers and truth values: PyTorch's → NumPy's."""


@aten("to.dtype")
def to(x: Any, dtype: Any, *_: Any, **__: Any) -> Any:
    """Return the array in another dtype."""
    return converted(x, dtype)


@aten("_to_copy")
def to_copy(x: Any, *, dtype: Any = None, device: Any = None, memory_format: Any = None, **_: Any) -> Any:
    """Return a copy: in double precision, or of whole numbers, which have no slope."""
    if device is not None and torch.device(device).type != "cpu":
        raise current_tape().refusal("Tensor.to", f"what happens on {device} is not recorded.")
    if memory_format is torch.contiguous_format:
        x = np.copy(x, order="C")
    return converted(x, dtype)


def converted(x: Any, dtype: Any) -> Any:
    """Return what a conversion to one of PyTorch's dtypes makes of an array; None keeps its own."""
    if dtype is None:
        return np.copy(x)
    if dtype in WHOLE:
        kind = WHOLE[dtype]
        if values_of(x).dtype == kind:
            return np.copy(x)
        return stepped(lambda values: np.asarray(values).astype(kind), x)
    if dtype.is_floating_point:
        return np.copy(x) if values_of(x).dtype == np.float64 else x * 1.0
    raise current_tape().refusal(f"Tensor.to({dtype})", "such numbers are not recorded.")
