"""Plain runs in double precision: what the user's code holds, makes or converts to in less is read as double.

The smallest function of which differences tell nothing otherwise::

    def forward(x):
        return x.float() ** 2

Tensors in single precision that are the user's own (buffers, constants) are read as if they were double. Where they are
written into, the values go to shadows in double precision; other tensors of the user's get back what they held. Random
numbers are drawn in the dtypes in which the user's own run drew them: others would be drawn in double.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from fastcheck.engines.graph.frameworks.torch.protecting import (
    DOUBLE,
    DRAWING,
    DRAWN_LIKE_ANOTHER,
    Drawn,
    Protecting,
    address_of,
    targets_of,
    whole_memory,
)
from fastcheck.engines.graph.frameworks.torch.signatures import Signature


class Doubling(Protecting):
    """Runs operations in double precision, while it is entered; one evaluation long.

    ``as_drawn`` are the random numbers that the user's own run drew; where others are drawn, new tensors are taken to
    have the dtype ``default``, and those that are double here the dtype ``own``.

    ``shadows`` stand for the memory of tensors in less that is written into, by its address.
    """

    def __init__(
        self,
        own: torch.dtype = torch.float64,
        default: torch.dtype = torch.float64,
        as_drawn: Sequence[Drawn] = (),
    ) -> None:
        super().__init__()
        self.own, self.default, self.as_drawn = own, default, as_drawn
        self.shadows: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def done(self, func: Any, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what an operation returns, in double precision."""
        if signature.views:
            return func(*args, **kwargs)
        moves_what_is_drawn = signature.base == "normal" and any(isinstance(x, torch.Tensor) for x in args)
        if signature.base in DRAWING and not moves_what_is_drawn:
            return self._draw(func, signature.base, args, kwargs)
        for tensor in targets_of(signature, args, kwargs):
            self.keep(tensor)
        self.note_seen(args)
        taken = tuple(map(self.in_double, args))
        named = {key: self.in_double(x) for key, x in kwargs.items()}
        result = func(*taken, **named)
        if signature.written and _hands_back(func):
            targets = [kwargs[at] if isinstance(at, str) else args[at] for at in signature.written]
            return targets[0] if len(targets) == 1 else tuple(targets)
        self.note_made(result)
        return result

    @property
    def changed_nothing(self) -> bool:
        """Whether the run wrote nothing, drew no random numbers, and met nothing in less than double precision."""
        return super().changed_nothing and not self.shadows and self.lowered is None

    def keep(self, tensor: torch.Tensor) -> None:
        """Make a shadow of a tensor that will be written into, or keep what it holds."""
        wider = DOUBLE.get(tensor.dtype)
        if wider is None:
            super().keep(tensor)
        elif address_of(tensor) not in self.shadows:
            whole = whole_memory(tensor)
            self.shadows[address_of(tensor)] = (whole, whole.to(wider))

    def in_double(self, x: Any) -> Any:
        """Return an argument of an operation in double precision."""
        if isinstance(x, torch.Tensor):
            wider = DOUBLE.get(x.dtype)
            if wider is None:
                return x
            self.note_lowered(x.dtype)
            shadow = self.shadows.get(address_of(x)) if x.layout is torch.strided else None
            if shadow is None:
                return x.to(wider)
            return torch.as_strided(shadow[1], x.shape, x.stride(), x.storage_offset())
        if isinstance(x, torch.dtype):
            if x in DOUBLE:
                self.note_lowered(x)
            return DOUBLE.get(x, x)
        if type(x) in (list, tuple):
            return type(x)(map(self.in_double, x))
        return x

    def _draw(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Draw random numbers as the user's own run did, and return them in double precision."""
        if "out" in kwargs:
            return self._draw_into(func, name, args, **kwargs)
        if name == "normal" and any(isinstance(x, torch.Tensor) for x in args):
            return self._draw_around(*args, **kwargs)
        like = args[0] if name in DRAWN_LIKE_ANOTHER else None
        shape = like.shape if like is not None else next(x for x in args if isinstance(x, (list, tuple)))
        dtype = self._dtype_of_drawn(name, tuple(shape), like, kwargs.get("dtype"))
        self.drawn.append(Drawn(name, tuple(shape), dtype))
        if like is None:
            result = func(*args, **{**kwargs, "dtype": dtype})
        elif not name.endswith("_"):
            settings = {**kwargs, "dtype": dtype} if "dtype" in kwargs else kwargs
            result = func(like.to(dtype) if like.is_floating_point() else like, *args[1:], **settings)
        else:
            self.keep(like)
            drawn = func(torch.empty_like(like, dtype=dtype), *args[1:], **kwargs)
            self.in_double(like).copy_(drawn)
            return like
        result = result.to(DOUBLE.get(result.dtype, result.dtype))
        self.note_made(result)
        return result

    def _draw_into(
        self, func: Any, name: str, args: tuple[Any, ...], *, out: torch.Tensor, **kwargs: Any
    ) -> torch.Tensor:
        """Draw into the tensor ``out``."""
        self.keep(out)
        if name == "normal" and any(isinstance(x, torch.Tensor) for x in args):
            drawn = self._draw_around(*args, **kwargs)
        else:
            dtype = self._dtype_of_drawn(name, tuple(out.shape), out, None)
            self.drawn.append(Drawn(name, tuple(out.shape), dtype))
            given = (x.to(dtype) if isinstance(x, torch.Tensor) else x for x in args)
            drawn = func(*given, **kwargs, out=torch.empty_like(out, dtype=dtype))
        self.in_double(out).copy_(drawn)
        return out

    def _draw_around(self, mean: Any, std: Any = 1.0, *, generator: Any = None) -> torch.Tensor:
        """Draw from normal distributions with these means and deviations, of which one at least is a tensor."""
        like = mean if isinstance(mean, torch.Tensor) else std
        shape = tuple(torch.broadcast_shapes(*(x.shape for x in (mean, std) if isinstance(x, torch.Tensor))))
        dtype = self._dtype_of_drawn("normal", shape, like, None)
        self.drawn.append(Drawn("normal", shape, dtype))
        drawn = torch.empty(shape, dtype=dtype).normal_(generator=generator)
        result = self.in_double(drawn) * self.in_double(std) + self.in_double(mean)
        self.note_made(result)
        return result

    def _dtype_of_drawn(
        self, name: str, shape: tuple[int, ...], like: torch.Tensor | None, asked: torch.dtype | None
    ) -> torch.dtype:
        """Return the dtype in which the user's own run draws."""
        number = len(self.drawn)
        if number < len(self.as_drawn) and self.as_drawn[number][:2] == (name, shape):
            return self.as_drawn[number].dtype
        usual = like.dtype if like is not None else self.default
        dtype = usual if asked is None else asked
        return self.own if dtype is torch.float64 and like is not None else dtype

    def read(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return what a tensor holds as double: what was written into it, too."""
        double: torch.Tensor = self.in_double(tensor.detach())
        return double


def _hands_back(func: Any) -> bool:
    """Whether an operation returns what it writes into; `torch.rrelu` writes its noise, and returns something else."""
    return any(result.alias_info is not None for result in func._schema.returns)
