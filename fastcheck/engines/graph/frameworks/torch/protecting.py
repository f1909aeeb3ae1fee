"""The user's tensors hold after a run what they held before it, whatever it wrote into them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fastcheck.engines.graph.frameworks.torch.signatures import Signature, signature_of
from fastcheck.engines.graph.tracing.users_line import blame

WRITTEN_UNSAID = dict.fromkeys(("native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm"), (3, 4))
"""Operations that write into arguments of which their schema does not say so: running statistics."""


DRAWN_OF_A_SIZE = ("rand", "randn", "normal")
"""Operations that draw tensors of a given size."""

DRAWN_LIKE_ANOTHER = (
    *("rand_like", "randn_like", "bernoulli", "uniform_", "normal_", "bernoulli_", "exponential_"),
    *("cauchy_", "log_normal_", "geometric_"),
)
"""Operations that draw a tensor like their first argument, or write into it."""

DRAWING = frozenset((*DRAWN_OF_A_SIZE, *DRAWN_LIKE_ANOTHER))


DOUBLE = {
    torch.float32: torch.float64,
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.complex64: torch.complex128,
    torch.complex32: torch.complex128,
}
"""Dtypes with fewer digits than double precision, and those that take their places there."""


class Lowered(NamedTuple):
    """A dtype with fewer digits than double precision, and the line of the user's that met it: file, number, text."""

    dtype: torch.dtype
    line: tuple[str, int, str]


class Drawn(NamedTuple):
    """An operation that drew random numbers, their shape and dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype


class Protecting(TorchDispatchMode):
    """Runs operations as they are, while it is entered, and keeps what the user's tensors held that are written into.

    ``kept`` are memories, by address, with what they held; ``made`` are the addresses of those that the run makes,
    which are none of these: the user's own were there before, and are there still. ``seen`` are those of these
    that it met, by address. ``drawn`` are the random numbers that were drawn, in their order. ``lowered`` tells where
    an operation first met the least precision of all, if that is less than double.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.made: set[int] = set()
        self.seen: dict[int, torch.Tensor] = {}
        self.drawn: list[Drawn] = []
        self.lowered: Lowered | None = None

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # or each operation would be wrapped once more

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        with torch._C.DisableTorchFunction():
            return self.done(func, signature_of(func), args, kwargs or {})

    def done(self, func: Any, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what an operation returns."""
        for tensor in targets_of(signature, args, kwargs):
            self.keep(tensor)
        self.note_seen(args)
        result = func(*args, **kwargs)
        if not (signature.views or signature.written):
            self.note_made(result)
        if signature.base in DRAWING:
            self.drawn.append(Drawn(signature.base, tuple(result.shape), result.dtype))
        return result

    def keep(self, tensor: torch.Tensor) -> None:
        """Keep what a tensor holds, if it is one of the user's."""
        address = address_of(tensor)
        if address not in self.kept and address not in self.made:
            whole = whole_memory(tensor)
            self.kept[address] = (whole, whole.clone())

    def note_made(self, result: Any) -> None:
        """Take note of new tensors."""
        if isinstance(result, torch.Tensor):
            if result.dtype in DOUBLE:
                self.note_lowered(result.dtype)
            if result.layout is torch.strided:
                self.made.add(address_of(result))
        elif isinstance(result, (tuple, list)):
            for part in result:
                self.note_made(part)

    def note_lowered(self, dtype: torch.dtype) -> None:
        """Take note of numbers in less than double precision."""
        known = self.lowered
        if known is None or torch.finfo(dtype).eps > torch.finfo(known.dtype).eps:
            self.lowered = Lowered(dtype, blame())

    def note_seen(self, arguments: Iterable[Any]) -> None:
        """Take note of tensors that were there before the run."""
        for x in arguments:
            if isinstance(x, torch.Tensor):
                if x.layout is torch.strided:
                    address = address_of(x)
                    if address not in self.made:
                        self.seen.setdefault(address, x)
            elif isinstance(x, (tuple, list)):
                self.note_seen(x)

    @property
    def changed_nothing(self) -> bool:
        """Whether the run, apart from what it made, wrote nothing and drew no random numbers."""
        return not (self.kept or self.drawn)

    def put_back(self) -> None:
        """Give the user's tensors what they held."""
        for whole, before in self.kept.values():
            whole.copy_(before)
        self.kept = {}


MOST_WATCHED = 2**22
"""Bytes of tensors up to which they are watched."""


class Watched:
    """Tensors of the user's, and what they hold: for runs like one that changed nothing, in which no mode is entered.

    A mode takes some ten microseconds for each operation, which is more than most operations of small tensors take.
    """

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        self.pairs = [(whole, whole.clone()) for whole in map(whole_memory, tensors)]

    @classmethod
    def after(cls, run: Protecting, own: Iterable[torch.Tensor] = ()) -> Watched | None:
        """Return the tensors that a run has met but for its ``own``; None if it changed any, or they are large."""
        if not run.changed_nothing:
            return None
        ours = set(map(address_of, own))
        tensors = [x for address, x in run.seen.items() if address not in ours]
        if sum(x.untyped_storage().nbytes() for x in tensors) > MOST_WATCHED:
            return None
        return cls(tensors)

    def put_back(self) -> None:
        """Give them what they held, if it is something else now."""
        for whole, before in self.pairs:
            if not torch.equal(whole, before):
                whole.copy_(before)


def targets_of(signature: Signature, args: Any, kwargs: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors that an operation writes into."""
    unsaid = WRITTEN_UNSAID.get(signature.base, ())
    for at in (*signature.written, *unsaid):
        target = kwargs.get(at) if isinstance(at, str) else args[at] if at < len(args) else None
        for tensor in target if isinstance(target, (tuple, list)) else (target,):
            if isinstance(tensor, torch.Tensor) and tensor.layout is torch.strided:
                yield tensor


def address_of(tensor: torch.Tensor) -> int:
    """Return where the memory begins that a tensor is part of; 0 for zeros of forward mode, which have none."""
    address: int = 0 if tensor._is_zerotensor() else tensor.untyped_storage().data_ptr()
    return address


def whole_memory(tensor: torch.Tensor) -> torch.Tensor:
    """Return the memory that a tensor is part of, as a vector."""
    size = tensor.untyped_storage().nbytes() // tensor.itemsize
    return torch.as_strided(tensor.detach(), (size,), (1,), 0)
