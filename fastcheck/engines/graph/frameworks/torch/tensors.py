"""Which recorded array a tensor's memory is that of, whatever views of it there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided

from fastcheck.engines.graph.frameworks.torch.protecting import whole_memory
from fastcheck.engines.graph.nodes.movement import Pick
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.rules.layout import numbers
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import current_tape

SINGLE = (torch.float32, torch.float16, torch.bfloat16)
"""Dtypes that are read as double: what is recorded is the function, not its rounding."""

Place = tuple[Any, ...]
"""Where a tensor lies, and how: address, dtype, shape, strides."""


class Tensors:
    """The tensors that stand for recorded arrays; all of their memory stays alive as long as this.

    ``known`` are recorded arrays by the places of their tensors, ``memories`` by the addresses at which storages begin:
    the largest that begins there, with its storage. Views that were made unseen, as autograd makes some, are found by
    their storage.
    """

    def __init__(self) -> None:
        self.known: dict[Place, Recorded] = {}
        self.memories: dict[int, tuple[torch.UntypedStorage, Recorded]] = {}

    def tensor_of(self, recorded: Recorded) -> torch.Tensor:
        """Return the tensor that stands for a recorded array, and has its memory."""
        if not isinstance(recorded.array, np.ndarray):
            recorded.array = np.array(recorded.array)
        if min(recorded.array.strides, default=0) < 0 or not recorded.array.flags.writeable:
            recorded = copied(recorded)
        tensor = torch.from_numpy(recorded.array)
        self.remember(tensor, recorded)
        return tensor

    def remember(self, tensor: torch.Tensor, recorded: Recorded) -> None:
        """Take note that a tensor has the memory of a recorded array."""
        if not tensor.numel():
            return
        recorded.memory()  # so that it is written into, not replaced
        self.known[place_of(tensor)] = recorded
        storage = tensor.untyped_storage()
        known = self.memories.get(storage.data_ptr())
        if known is None or known[0].nbytes() < storage.nbytes():
            self.memories[storage.data_ptr()] = (storage, recorded)

    def has_memory_of(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor lies in the memory of a recorded array."""
        return not tensor.numel() or tensor.untyped_storage().data_ptr() in self.memories

    def recorded(self, tensor: torch.Tensor) -> Recorded | None:
        """Return the recorded array whose memory a tensor has, None if there is none."""
        if tensor.layout is not torch.strided or not tensor.numel() or tensor._is_zerotensor():
            return None
        place = place_of(tensor)
        known = self.known.get(place)
        if known is not None:
            return known
        memory = self.memories.get(tensor.untyped_storage().data_ptr())
        if memory is None:
            return None
        base = memory[1]
        if tensor.dtype in SINGLE:  # what stands for it is in double precision
            flat = base.array[tensor.storage_offset() :]
            array = as_strided(flat, tensor.shape, [8 * n for n in tensor.stride()])
        else:
            array = as_array(tensor)
        if array.dtype != base.dtype:
            raise current_tape().refusal("Tensor.view(dtype)", "the bits of a number are not recorded.")
        recorded = _view_at(base, array)
        self.known[place] = recorded
        return recorded

    def adopt(self, tensor: torch.Tensor) -> Recorded:
        """Return the recorded array of a tensor that parameters reach from now on, because it is written into."""
        whole = whole_memory(tensor)
        array = as_array(whole.double() if tensor.dtype in SINGLE else whole)
        storage = tensor.untyped_storage()
        self.memories[storage.data_ptr()] = (storage, Recorded(array))
        recorded = self.recorded(tensor)
        assert recorded is not None
        return recorded


def copied(recorded: Recorded) -> Recorded:
    """Return a copy whose entries lie in the order of C."""
    copy: Any = np.copy(recorded, order="C")
    if not isinstance(copy.array, np.ndarray):
        copy.array = np.array(copy.array)
    return copy  # type: ignore[no-any-return]


def place_of(tensor: torch.Tensor) -> Place:
    """Return where a tensor lies, and how."""
    return tensor.data_ptr(), tensor.dtype, tensor.size(), tensor.stride()


def as_array(tensor: torch.Tensor) -> Array:
    """Return the memory of a tensor as an array."""
    array: Array = tensor.detach().resolve_conj().resolve_neg().numpy()
    return array


def tensors_in(result: Any) -> Iterable[torch.Tensor]:
    """Yield the tensors in what an operation takes or returns."""
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, (tuple, list)):
        for part in result:
            yield from tensors_in(part)


def _view_at(base: Recorded, array: Array) -> Recorded:
    """Return the view of a recorded array's memory that has the memory of an array."""
    memory = base.memory()
    places = memory.positions(base.array)
    inside = np.full(memory.base.size, -1, dtype=np.intp)
    inside[places] = numbers(base.shape)
    where = np.array(inside[memory.positions(array)])
    if memory.buffer is None and where.size and where.min() < 0:
        raise current_tape().refusal("as_strided", "it shows memory between the entries of a tensor.")
    return base.seen_as(array, lambda node: Pick(array, node, where))
