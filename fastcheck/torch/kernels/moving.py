"""Another rounding of every operation of a function, as PyTorch runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

WAYS = 4
"""Ways of rounding that are tried."""

MOVED_BY = 2.0**-40
"""Share by which the result of an operation moves, at most: far more than a rounding in double precision."""


class Moving(TorchDispatchMode):
    """Moves the result of every operation by a random share, as long as the mode is on.

    Views and copies are no operations; whole numbers stay, for most are exact.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: otherwise PyTorch imports its compiler for this mode."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation, and move what it returns."""
        result = func(*args, **(kwargs or {}))
        writes = any(x.alias_info is not None for x in func._schema.returns)
        return result if writes else tree_map_only(torch.Tensor, self.moved, result)

    def moved(self, x: torch.Tensor) -> torch.Tensor:
        """Return a tensor with its entries moved."""
        if x.dtype is not torch.float64 or not x.numel():
            return x
        share = torch.rand(x.shape, generator=self.generator, dtype=x.dtype) * (2 * MOVED_BY) - MOVED_BY
        return torch.where(x == x.round(), x, x * (1 + share))
