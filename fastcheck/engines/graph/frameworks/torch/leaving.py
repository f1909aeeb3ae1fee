"""What hands out the memory of tensors that are followed: as recorded arrays, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape, recording

LEAVING = frozenset(
    ("__array__", "data_ptr", "__dlpack__", "untyped_storage", "storage", "__cuda_array_interface__")
)
"""Methods of tensors that hand out memory, of which nothing is seen afterwards."""


FILLED = ("full", "full_like", "new_full")
"""Functions that fill a tensor with a number."""

SHOWN = ("__repr__", "__format__")
"""Methods that show what a tensor holds to people."""


class Leaving(TorchFunctionMode):
    """Hands out recorded arrays and numbers where tensors that are followed become NumPy's and Python's.

    Recorded arrays that PyTorch's functions are called with become tensors.
    """

    def __init__(self, following: Any) -> None:
        super().__init__()
        self.following = following

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in FILLED and any(type(x) is Recorded for x in (*args, *kwargs.values())):
            return self._filled(func, args, kwargs)
        if any(map(_holds_recorded, args)) or any(map(_holds_recorded, kwargs.values())):
            args = tuple(map(self._as_tensors, args))
            kwargs = {name: self._as_tensors(x) for name, x in kwargs.items()}
        if name in SHOWN or name == "__deepcopy__":
            recorded = self._recorded(args[0])
            if recorded is not None and name in SHOWN:
                return func(torch.from_numpy(np.array(recorded.array)), *args[1:], **kwargs)
            if recorded is not None:
                return args[0].clone()
        if name in HANDED_OUT or name in LEAVING:
            recorded = self._recorded(args[0]) if args else None
            if recorded is not None and name in HANDED_OUT:
                return HANDED_OUT[name](recorded)
            if recorded is not None and recorded.live:
                why = "what happens to the plain memory of a tensor is not seen."
                current_tape().leak(f"Tensor.{name}", why)
        return func(*args, **kwargs)

    def _filled(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return a tensor filled with a recorded number, which these functions make a constant."""
        number = next(x for x in (*args, *kwargs.values()) if type(x) is Recorded)
        with_ones = tuple(1.0 if x is number else x for x in args)
        ones = func(*with_ones, **{name: 1.0 if x is number else x for name, x in kwargs.items()})
        return ones * self.following.follow(number)

    def _recorded(self, x: Any) -> Recorded | None:
        is_tensor = isinstance(x, torch.Tensor) and recording() is not None
        found: Recorded | None = self.following.recorded(x) if is_tensor else None
        return found

    def _as_tensors(self, x: Any) -> Any:
        if type(x) is Recorded:
            return self.following.follow(x)
        return type(x)(map(self._as_tensors, x)) if type(x) in (list, tuple) else x


def _holds_recorded(x: Any) -> bool:
    return type(x) is Recorded or (type(x) in (list, tuple) and any(map(_holds_recorded, x)))


def _number(x: Recorded) -> Any:
    """Return the one entry, a number that stays recorded."""
    if x.size != 1:
        raise RuntimeError(f"a Tensor with {x.size} elements cannot be converted to Scalar")
    if x.dtype.kind != "f":
        return bool(x) if x.dtype.kind == "b" else int(x)
    return x.item()


HANDED_OUT: dict[str, Callable[[Recorded], Any]] = {
    "numpy": lambda x: x,
    "tolist": lambda x: x.tolist(),
    "item": _number,
    "__float__": float,
}
"""Methods of tensors, and what they return of a recorded array."""


def _of_recorded(
    cls: type, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
) -> Any:
    """Return that no function of PyTorch takes recorded arrays where nothing is followed."""
    return NotImplemented


Recorded.foreign = (*Recorded.foreign, torch.Tensor)
Recorded.__torch_function__ = classmethod(_of_recorded)  # type: ignore[attr-defined]
