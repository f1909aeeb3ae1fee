"""Upstream gradients: what the outputs are multiplied with, so that they become one number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fastcheck.errors import InvalidProblemError
from fastcheck.torch.structures import tensors_in

STREAM = 0x746F7263
"""Goes with the seed, so that cotangents are none of what users draw with it: inputs equal to them hide mistakes."""


def drawn(outputs: Sequence[torch.Tensor], seed: int, number: int) -> list[torch.Tensor]:
    """Return random cotangents of the outputs, in their dtypes; a single number gets 1 first."""
    rng = np.random.default_rng([seed, STREAM, number])
    is_loss = len(outputs) == 1 and outputs[0].numel() == 1
    if is_loss and number == 0:
        return [torch.ones_like(outputs[0])]
    cotangents = []
    for output in outputs:
        values = torch.from_numpy(rng.standard_normal(tuple(output.shape)))
        cotangents.append(values.to(dtype=output.dtype, device=output.device))
    return cotangents


def reordered(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor of the same values whose entries are not contiguous, where it has several."""
    if tensor.ndim < 1 or not tensor.numel():
        return tensor
    if tensor.ndim > 1:
        return tensor.transpose(0, -1).contiguous().transpose(0, -1)
    return torch.stack((tensor, tensor), dim=1)[:, 0]


def one_number(cotangents: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return cotangents of the same shapes that hold one number in all places, and in memory once."""
    return [torch.full((), 1.25, dtype=u.dtype, device=u.device).expand(u.shape) for u in cotangents]


def given(cotangent: Any, outputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return cotangents of the user's, one for each output; `InvalidProblemError` where they do not fit."""
    tensors = [cotangent] if isinstance(cotangent, torch.Tensor) else tensors_in(cotangent)
    if len(tensors) != len(outputs):
        raise InvalidProblemError(
            f"cotangents: expected {len(outputs)} tensors, one for each differentiable output, got {len(tensors)}."
        )
    for number, (u, y) in enumerate(zip(tensors, outputs, strict=True)):
        if u.shape != y.shape:
            raise InvalidProblemError(
                f"cotangents: expected shape {tuple(y.shape)} for output {number}, got {tuple(u.shape)}."
            )
        if not bool(torch.isfinite(u.detach()).all()):
            raise InvalidProblemError(f"cotangents: expected finite numbers, got others for output {number}.")
    return [u.detach().to(dtype=y.dtype, device=y.device) for u, y in zip(tensors, outputs, strict=True)]
