"""Recorded arrays that a cost makes tensors of: what it does with these is followed, too.

PyTorch is imported by the cost; here it is only known by the names of its functions.
"""

from __future__ import annotations

from typing import Any

from fastcheck.engines.graph.rules.libraries import follows


def _round_trips() -> Any:
    from fastcheck.engines.graph.frameworks.torch import round_trips

    return round_trips


@follows("torch.from_numpy")
def from_numpy(x: Any) -> Any:
    """Return the tensor with the memory of a recorded array."""
    return _round_trips().sharing(x)


@follows("torch.as_tensor")
def as_tensor(x: Any, dtype: Any = None, device: Any = None) -> Any:
    """Return a tensor with the memory of a recorded array, where it need not be converted."""
    return _round_trips().converted(_round_trips().sharing(x), dtype, device)


@follows("torch.asarray")
def asarray(x: Any, *, dtype: Any = None, device: Any = None, copy: Any = None, **_: Any) -> Any:
    """Return a tensor with the memory of a recorded array, or a copy."""
    take = _round_trips().copy if copy else _round_trips().sharing
    return _round_trips().converted(take(x), dtype, device)


@follows("torch.tensor")
def tensor(x: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **_: Any) -> Any:
    """Return a tensor with a copy of a recorded array, or of lists of recorded numbers."""
    made = _round_trips().converted(_round_trips().copy(x), dtype, device)
    return made.requires_grad_() if requires_grad else made
