"""PyTorch runs the user's code; what parameters reach is done, operation by operation, on recorded arrays.

A dispatch mode sees each operation below autograd. Tensors that parameters reach are real ones, whose memory is that of
recorded arrays: what Python asks of them, their values, shapes, truth values, is as ever. An operation that meets one
is done by its rule, in NumPy's functions; all others PyTorch does itself, in double precision inside of `Doubling`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fastcheck.engines.graph.frameworks.torch.protecting import Protecting
from fastcheck.engines.graph.frameworks.torch.signatures import (
    Signature,
    core_decompositions,
    signature_of,
)
from fastcheck.engines.graph.frameworks.torch.tensors import (
    SINGLE,
    Tensors,
    as_array,
    copied,
    place_of,
    tensors_in,
)
from fastcheck.engines.graph.rules.complexes import RecordedComplex
from fastcheck.engines.graph.tracing.recorded import FLOAT, Recorded
from fastcheck.engines.graph.tracing.tape import current_tape

MEMORY = ("set_", "resize_", "resize_as_", "_resize_output_")
"""Operations that give a tensor other memory."""


class Following(TorchDispatchMode):
    """Follows what parameters reach, while it is entered; one recording long.

    ``tensors`` are those that parameters reach, ``protecting`` keeps what tensors of the user's held that operations
    write into.
    """

    def __init__(self, protecting: Protecting) -> None:
        super().__init__()
        self.tensors, self.protecting = Tensors(), protecting

    def follow(self, recorded: Recorded) -> torch.Tensor:
        """Return the tensor that stands for a recorded array, and has its memory."""
        return self.tensors.tensor_of(recorded)

    def recorded(self, tensor: torch.Tensor) -> Recorded | None:
        """Return the recorded array whose memory a tensor has, None where parameters do not reach it."""
        recorded = self.tensors.recorded(tensor)
        return recorded if recorded is not None and recorded.moves else None

    # Operations

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # or each operation would be wrapped once more

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        with torch._C.DisableTorchFunction():
            return self._done(func, args, kwargs or {})

    def _done(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        signature = signature_of(func)
        if signature.moves_views:
            return self._view_in_place(func, signature, args, kwargs)
        taken = tuple(map(self._operand, args))
        named = {name: self._operand(x) for name, x in kwargs.items()}
        if not signature.reads or not any(map(_is_followed, (*taken, *named.values()))):
            return self._by_pytorch(func, signature, args, kwargs)
        if signature.views:
            return self._views(func, signature, args, kwargs, taken, named)
        if signature.rule is None:
            return self._decomposed(func, signature, args, kwargs)
        if signature.written:
            return self._write(signature, args, kwargs, taken, named)
        result = signature.rule(*map(_as_array, taken), **{name: _as_array(x) for name, x in named.items()})
        is_contiguous = not signature.keeps_layout or all(
            x.is_contiguous() for x in tensors_in((args, *kwargs.values()))
        )
        return self._tensors(result, is_contiguous)

    def _operand(self, x: Any) -> Any:
        """Return an argument with recorded arrays for the tensors that are followed."""
        if isinstance(x, torch.Tensor):
            recorded = self.recorded(x)
            return x if recorded is None else recorded
        if isinstance(x, (list, tuple)):
            return type(x)(map(self._operand, x))
        return x

    def _by_pytorch(
        self, func: Any, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Do an operation that parameters do not reach."""
        result = func(*args, **kwargs)
        if not signature.views and not signature.written:
            self.protecting.note_made(result)
        return result

    def _tensors(self, result: Any, contiguous: bool = True) -> Any:
        """Return tensors for what a rule returned; their entries lie as PyTorch's would where operands were so."""
        if type(result) is Recorded and result.moves:
            if contiguous and not result.array.flags.c_contiguous:
                result = copied(result)
            return self.follow(result)
        if isinstance(result, (tuple, list)):
            return type(result)(self._tensors(part, contiguous) for part in result)
        if type(result) is Recorded:
            result = np.asarray(result.array)
        if isinstance(result, RecordedComplex):
            raise current_tape().refusal("torch.Tensor", "complex numbers are not recorded.")
        if not isinstance(result, (np.ndarray, np.generic)):
            return result
        tensor = torch.from_numpy(np.array(result))
        self.protecting.note_made(tensor)
        return tensor

    # Views

    def _views(
        self, func: Any, signature: Signature, args: Any, kwargs: Any, taken: Any, named: dict[str, Any]
    ) -> Any:
        """Return the views that PyTorch makes; without a rule, they are found by their memory when they are used."""
        try:
            tensors = func(*args, **kwargs)
        except RuntimeError:
            if signature.rule is None or not signature.name.startswith(("view", "_reshape_alias")):
                raise
            result = signature.rule(*taken, **named)  # entries lie otherwise than PyTorch's would
            return self.follow(copied(result))
        if not all(map(self.tensors.has_memory_of, tensors_in(tensors))):  # a copy, as of reshape
            if signature.rule is None:
                return self._decomposed(func, signature, args, kwargs)
            return self._tensors(signature.rule(*taken, **named))
        if signature.rule is not None:
            self._note_views(tensors, signature.rule(*taken, **named))
        return tensors

    def _note_views(self, tensors: Any, result: Any) -> None:
        """Take note of which recorded arrays views are, where the rule made the same views."""
        if isinstance(tensors, (tuple, list)):
            for tensor, part in zip(tensors, result, strict=True):
                self._note_views(tensor, part)
        elif type(result) is Recorded and isinstance(result.array, np.ndarray) and tensors.numel():
            is_same = (
                _address_of(result.array) == tensors.data_ptr()
                and result.shape == tuple(tensors.shape)
                and result.strides == tuple(n * result.itemsize for n in tensors.stride())
            )
            if is_same or (result.size == 1 and _address_of(result.array) == tensors.data_ptr()):
                self.tensors.known.setdefault(place_of(tensors), result)

    def _view_in_place(self, func: Any, signature: Signature, args: Any, kwargs: Any) -> Any:
        """Do what makes a tensor another view of its memory: it is found there when it is used."""
        if signature.name.partition(".")[0] in MEMORY and self.tensors.recorded(args[0]) is not None:
            why = "a tensor that parameters reach is given other memory."
            raise current_tape().refusal(f"Tensor.{signature.name.partition('.')[0]}", why)
        return func(*args, **kwargs)

    # Writing

    def _write(self, signature: Signature, args: Any, kwargs: Any, taken: Any, named: dict[str, Any]) -> Any:
        """Do an operation that writes into its arguments: what it would return otherwise is written there."""
        assert signature.rule is not None
        targets = signature.written_in(args, kwargs)
        for tensor in tensors_in(targets):
            if tensor.layout is torch.strided and not self.tensors.has_memory_of(tensor):
                self.protecting.keep(tensor)
        inputs = {name: _as_array(x) for name, x in named.items() if name not in signature.written}
        result = signature.rule(*map(_as_array, taken), **inputs)
        results = result if isinstance(result, tuple) else (result,)
        for target, value in zip(targets, results, strict=False):
            if isinstance(target, torch.Tensor):
                self._written(signature, target, value)
            else:
                for each, part in zip(target, value, strict=True):
                    self._written(signature, each, part)
        return targets[0] if len(targets) == 1 else tuple(targets)

    def _written(self, signature: Signature, tensor: torch.Tensor, value: Any) -> None:
        """Write a value into a tensor."""
        if not tensor.numel() and np.size(getattr(value, "array", value)):
            raise current_tape().refusal(signature.name, "it gives an empty tensor other memory.")
        if not tensor.numel():
            return
        recorded = self.tensors.recorded(tensor)
        if recorded is None:
            recorded = self.tensors.adopt(tensor)
        if recorded.dtype != FLOAT and type(value) is Recorded and value.dtype != recorded.dtype:
            value = value.astype(recorded.dtype)
        recorded.write(Ellipsis, value)

    # Operations without a rule

    def _decomposed(self, func: Any, signature: Signature, args: Any, kwargs: Any) -> Any:
        """Do an operation without a rule as PyTorch writes it in terms of others, or refuse it."""
        with self:
            table = core_decompositions()
            if func in table:
                result = table[func](*args, **kwargs)
                if result is not NotImplemented:
                    return result
            result = func.decompose(*args, **kwargs)
        if result is NotImplemented:
            is_of_pytorch = signature.full_name.startswith("aten::")
            what = (
                "this operation of PyTorch is" if is_of_pytorch else "what an operation of your own does is"
            )
            raise current_tape().refusal(signature.full_name, f"{what} not recorded.")
        return result


def _is_followed(x: Any) -> bool:
    if type(x) in (list, tuple):
        return any(map(_is_followed, x))
    return type(x) is Recorded


def _as_array(x: Any) -> Any:
    """Return what a rule gets for an argument: arrays for tensors, in double precision."""
    if isinstance(x, torch.Tensor):
        if x.layout is not torch.strided or x.device.type != "cpu":
            raise current_tape().refusal("torch.Tensor", f"{x.layout} on {x.device.type} is not recorded.")
        return as_array(_in_double(x))
    if type(x) in (list, tuple):
        return type(x)(map(_as_array, x))
    return x


def _in_double(x: Any) -> Any:
    """Return what an operation gets, or returned, in double precision."""
    if isinstance(x, torch.Tensor):
        return x.double() if x.dtype in SINGLE else x
    if isinstance(x, torch.dtype):
        return torch.float64 if x in SINGLE else x
    if type(x) in (list, tuple):
        return type(x)(map(_in_double, x))
    return x


def _address_of(array: Any) -> int:
    """Return where an array begins in memory."""
    address: int = array.__array_interface__["data"][0]
    return address
