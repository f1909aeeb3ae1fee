"""Inputs: the same numbers each time."""

from __future__ import annotations

import torch
from torch import Tensor


class Numbers:
    """Draws tensors that require gradients, of float64 unless another dtype is given."""

    def __init__(self, seed: int = 0, dtype: torch.dtype = torch.float64) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.dtype = dtype

    def normal(self, *shape: int, scale: float = 1.0, shift: float = 0.0) -> Tensor:
        """Return normal numbers."""
        return (shift + scale * self.plain(*shape)).requires_grad_()

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return numbers between two others."""
        drawn = torch.rand(*shape, dtype=torch.float64, generator=self.generator)
        return (low + (high - low) * drawn).to(self.dtype).requires_grad_()

    def whole(self, below: int, *shape: int) -> Tensor:
        """Return whole numbers from 0."""
        return torch.randint(below, shape, generator=self.generator)

    def plain(self, *shape: int) -> Tensor:
        """Return normal numbers that require no gradient."""
        return torch.randn(*shape, dtype=torch.float64, generator=self.generator).to(self.dtype)
