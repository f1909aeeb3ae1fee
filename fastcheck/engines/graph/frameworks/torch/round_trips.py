"""Recorded arrays become tensors, and tensors recorded arrays, in one recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import overrides
from torch.utils import _python_dispatch

from fastcheck.engines.graph.frameworks.torch.following import Following
from fastcheck.engines.graph.frameworks.torch.leaving import Leaving
from fastcheck.engines.graph.frameworks.torch.protecting import Protecting
from fastcheck.engines.graph.rules.layout import array
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape


class Companion:
    """What follows tensors beside a tape: ``close`` ends it."""

    def __init__(self, following: Following, close: Callable[[], None]) -> None:
        self.following, self.close = following, close

    def translated(self, x: Any) -> Any:
        """Return the recorded array that a tensor has the memory of, and anything else as it is."""
        if not isinstance(x, torch.Tensor):
            return x
        with torch._C.DisableTorchFunction():
            recorded = self.following.recorded(x)
        return x if recorded is None else recorded


def sharing(x: Any) -> torch.Tensor:
    """Return the tensor with the memory of a recorded array; of lists of recorded numbers, with their copy."""
    x = array(x)
    with torch._C.DisableTorchFunction():
        return _following().follow(x if type(x) is Recorded else Recorded(np.asarray(x, dtype=float)))


def copy(x: Any) -> torch.Tensor:
    """Return a tensor with a copy of a recorded array, or of lists of recorded numbers."""
    copied: Any = np.copy(array(x))
    return sharing(copied)


def converted(tensor: torch.Tensor, dtype: Any, device: Any) -> torch.Tensor:
    """Return a tensor in another dtype."""
    if device is not None and torch.device(device).type != "cpu":
        raise current_tape().refusal("torch.tensor", f"what happens on {device} is not recorded.")
    return tensor if dtype is None else tensor.to(dtype)


def _following() -> Following:
    """Return what follows tensors beside this thread's tape, from now on if nothing did."""
    tape = current_tape()
    if "torch" not in tape.companions:
        protecting = Protecting()
        following = Following(protecting)
        leaving = Leaving(following)

        def close() -> None:
            _taken_out(FUNCTION_MODES, leaving)
            _taken_out(DISPATCH_MODES, following)
            protecting.put_back()

        tape.companions["torch"] = Companion(following, close)
        _put_below(DISPATCH_MODES, following)
        _put_below(FUNCTION_MODES, leaving)
    following_now: Following = tape.companions["torch"].following
    return following_now


Stack = tuple[Callable[[], int], Callable[..., Any], Callable[[Any], None]]
"""A stack of PyTorch's modes: its length, and what takes the last and puts one more."""

FUNCTION_MODES: Stack = (
    torch._C._len_torch_function_stack,
    overrides._pop_mode,
    overrides._push_mode,
)

DISPATCH_MODES: Stack = (
    torch._C._len_torch_dispatch_stack,
    _python_dispatch._pop_mode,
    _python_dispatch._push_mode,
)


def _put_below(stack: Stack, mode: Any) -> None:
    """Put a mode below those that the user's code has entered, and leaves again before this is taken out."""
    length, take, put = stack
    others = [take() for _ in range(length())]
    for each in (mode, *reversed(others)):
        put(each)


def _taken_out(stack: Stack, mode: Any) -> None:
    length, take, put = stack
    others = [take() for _ in range(length())]
    for each in reversed(others):
        if each is not mode:
            put(each)
