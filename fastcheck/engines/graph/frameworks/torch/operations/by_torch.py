"""Values that PyTorch computes: of special functions, and of what has no slope."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from fastcheck.engines.graph.rules.special_functions import smooth
from fastcheck.engines.graph.tracing.operands import stepped
from fastcheck.engines.graph.tracing.tape import current_tape


def of_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of arrays that a function of tensors is."""

    def computed(*arguments: Any, **options: Any) -> Any:
        return _arrays(function(*map(_tensor, arguments), **options))

    return computed


def without_slope(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of an operation whose result is an index, a truth value, or rounded."""
    values = of_arrays(function)

    def rule(*arguments: Any, **options: Any) -> Any:
        return stepped(functools.partial(values, **options), *arguments)

    return rule


def special(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of a smooth function: values by PyTorch, differences by the identity of that name."""
    values = of_arrays(function)

    def rule(*arguments: Any) -> Any:
        try:
            return smooth(name, values)(*arguments)
        except ImportError:
            raise current_tape().refusal(name, "SciPy is needed for its slopes.") from None

    return rule


def _tensor(x: Any) -> Any:
    return torch.from_numpy(np.array(x)) if isinstance(x, (np.ndarray, np.generic)) else x


def _arrays(result: Any) -> Any:
    if isinstance(result, torch.Tensor):
        return result.numpy()[()]
    return tuple(map(_arrays, result)) if isinstance(result, (tuple, list)) else result
