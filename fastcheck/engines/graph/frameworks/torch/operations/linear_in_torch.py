"""Linear functions that PyTorch computes: values and changes by the function itself, slopes by its adjoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.rules.linear_functions import linear
from fastcheck.engines.graph.tracing.operands import values_of


def linear_of_images(function: Callable[[torch.Tensor], torch.Tensor], x: Any, rank: int) -> Any:
    """Record a linear function of images, of which the last ``rank`` axes are one: many may be in a stack."""
    shape = np.shape(x)
    image, lead = shape[len(shape) - rank :], shape[: len(shape) - rank]

    def apply(stack: Array) -> Array:
        many = stack.shape[: stack.ndim - len(shape)]
        images = function(_tensor(stack.reshape(-1, *image)))
        results: Array = images.numpy().reshape(*many, *lead, *images.shape[1:])
        return results

    def adjoint(slopes: Array) -> Array:
        many = slopes.shape[:1]
        with torch.enable_grad():
            images = torch.zeros(
                (int(np.prod((*many, *lead))), *image), dtype=torch.float64, requires_grad=True
            )
            results = function(images)
            (back,) = torch.autograd.grad(results, images, _tensor(slopes).reshape(results.shape))
        slopes_of_images: Array = back.numpy().reshape(*many, *shape)
        return slopes_of_images

    return linear(apply(values_of(x)), x, apply, adjoint)


def _tensor(x: Array) -> torch.Tensor:
    return torch.from_numpy(np.array(x, dtype=float))
