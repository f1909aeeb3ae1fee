"""Random numbers: PyTorch's generator draws them, in PyTorch's order; what is drawn is constant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from fastcheck.engines.graph.frameworks.torch.operations.by_torch import of_arrays
from fastcheck.engines.graph.frameworks.torch.operations.table import OPERATIONS, aten
from fastcheck.engines.graph.tracing.operands import values_of

DRAWN = (
    *("normal_", "uniform_", "exponential_", "log_normal_", "cauchy_", "geometric_", "random_"),
    *("rand_like", "randn_like", "randint_like"),
)
"""Operations that take from their first argument its shape alone."""


def drawing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of an operation that draws numbers."""
    drawn = of_arrays(function)

    def rule(*arguments: Any, **options: Any) -> Any:
        return drawn(*map(values_of, arguments), **options)

    return rule


COUNTING = ("multinomial", "poisson")
"""Operations that draw whole numbers: their probabilities and rates have no slopes."""

OPERATIONS.update(
    {name.removesuffix("_"): drawing(getattr(torch.ops.aten, name)) for name in (*DRAWN, *COUNTING)}
)


@aten("bernoulli", "bernoulli.p", "bernoulli.Tensor")
def bernoulli(x: Any, *arguments: Any, **options: Any) -> Any:
    """Return zeros and ones; the probabilities of ones, which x may be, have no slopes."""
    return of_arrays(torch.ops.aten.bernoulli)(*map(values_of, (x, *arguments)), **options)


@aten("bernoulli.float")
def bernoulli_with_one_probability(x: Any, p: float = 0.5, *, generator: Any = None) -> Any:
    """Return zeros and ones of x's shape."""
    return of_arrays(torch.ops.aten.bernoulli)(values_of(x), p, generator=generator)


AROUND = ("normal.Tensor_float", "normal.float_Tensor", "normal.Tensor_Tensor")
"""Overloads of which a mean or a deviation is a tensor."""


@aten(*AROUND, *(f"{name}_out" for name in AROUND))
def normal(mean: Any, std: Any = 1.0, *, generator: Any = None) -> Any:
    """Return mean + std·z."""
    shape = np.broadcast_shapes(np.shape(mean), np.shape(std))
    z = of_arrays(torch.ops.aten.normal_)(np.zeros(shape), 0.0, 1.0, generator=generator)
    return np.add(np.multiply(z, std), mean)


@aten("native_dropout")
def native_dropout(x: Any, p: float, train: bool | None) -> tuple[Any, Any]:
    """Return x with some entries dropped and the others scaled, and the mask."""
    if train is False or not np.size(x):
        return np.positive(x), np.ones(np.shape(x), dtype=bool)
    mask = of_arrays(torch.ops.aten.native_dropout)(values_of(x), p, train)[1]
    return np.multiply(x, mask * (0.0 if p == 1 else 1.0 / (1.0 - p))), mask


@aten("native_dropout_backward")
def native_dropout_backward(grad: Any, mask: Any, scale: float) -> Any:
    """Return what comes back of a dropout."""
    return np.multiply(grad, np.multiply(mask, scale))
