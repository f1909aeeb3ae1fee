"""Which inputs a kernel is tried with: shapes that break kernels, and layouts of memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from fastcheck.errors import InvalidProblemError
from fastcheck.problem.options import is_whole

Shape = tuple[int, ...]

ODD_LENGTHS = (1, 0, 2, 3, 7)
"""Lengths of an axis that kernels forget: one, none, fewer than a vector register, no multiple of a block."""

LAYOUTS = ("contiguous", "transposed", "strided", "offset")
"""How the entries lie in memory: as new ones, with the last two axes swapped, every other one, from the second on."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Shapes of the inputs by name, how these lie in memory, and what is unusual about them, in words.

    The reference must take those that the user asked for.
    """

    shapes: Mapping[str, Shape]
    layout: str
    what: str
    is_asked_for: bool

    @property
    def size(self) -> int:
        """Entries of all inputs."""
        return sum(map(math.prod, self.shapes.values()))


@dataclass(frozen=True, slots=True)
class Example:
    """An input as it was given: a tensor whose entries are used again in other shapes, or a shape."""

    name: str
    shape: Shape
    tensor: torch.Tensor | None

    @property
    def is_floating(self) -> bool:
        """Whether it has a gradient."""
        return self.tensor is None or self.tensor.is_floating_point()

    def values(self, shape: Shape, rng: np.random.Generator) -> torch.Tensor:
        """Return a tensor of a shape: standard normal entries where none are given, else the given ones.

        In another shape these are picked at random; indices and masks, whose places matter, are cut or repeated.
        """
        if self.tensor is None:
            return torch.from_numpy(np.asarray(rng.standard_normal(shape)))
        if shape == self.shape:
            return self.tensor.detach().clone(memory_format=torch.contiguous_format)
        if not self.is_floating:
            return _wrapped(self.tensor.detach(), shape)
        flat = self.tensor.detach().reshape(-1)
        picked = rng.integers(0, max(1, flat.numel()), math.prod(shape))
        if not flat.numel():
            return torch.zeros(shape, dtype=flat.dtype)
        return flat[torch.from_numpy(picked)].reshape(shape)


def _wrapped(x: torch.Tensor, shape: Shape) -> torch.Tensor:
    """Return entries that begin again at the end of each axis: a causal mask leaves no row without an entry."""
    for axis, length in enumerate(shape):
        old = x.shape[axis]
        if length and not old:
            return torch.zeros(shape, dtype=x.dtype)
        x = x.index_select(axis, torch.arange(length) % max(1, old))
    return x


def read_inputs(inputs: object) -> list[Example]:
    """Return the inputs as examples; `InvalidProblemError` where they are none."""
    if isinstance(inputs, Mapping):
        named = list(inputs.items())
    elif isinstance(inputs, (list, tuple)):
        named = [(f"input {number}", x) for number, x in enumerate(inputs)]
    else:
        raise InvalidProblemError(
            "inputs: expected a dict or list of tensors or shapes, such as {'q': (2, 4, 16), 'k': k}, got "
            f"{type(inputs).__name__}."
        )
    if not named:
        raise InvalidProblemError("inputs: expected at least one tensor or shape, got none.")
    return [_example(str(name), x) for name, x in named]


def _example(name: str, x: object) -> Example:
    if isinstance(x, torch.Tensor):
        if x.is_complex() or x.layout is not torch.strided:
            raise InvalidProblemError(
                f"inputs: {name} is {x.dtype}, {x.layout}; expected a dense tensor of reals."
            )
        if x.is_floating_point() and not bool(torch.isfinite(x).all()):
            raise InvalidProblemError(f"inputs: {name} has entries that are not finite.")
        return Example(name, tuple(x.shape), x)
    if not is_shape(x):
        raise InvalidProblemError(
            f"inputs: {name}: expected a tensor, or a shape such as (2, 4, 16), got {x!r}. Other "
            "arguments go into both functions: lambda x: kernel(x, 0.5)."
        )
    return Example(name, tuple(x), None)  # type: ignore[arg-type]


def is_shape(x: object) -> bool:
    """Whether something is a shape: whole numbers, none of them negative."""
    return isinstance(x, (tuple, list)) and all(is_whole(n) and n >= 0 for n in x)


def asked_for(shapes: Mapping[str, Shape], layouts: tuple[str, ...]) -> list[Variant]:
    """Return the shapes that the user gave, in each layout."""
    return [
        Variant(shapes, layout, "as given" if layout == "contiguous" else layout, is_asked_for=True)
        for layout in layouts
    ]


def others(given: Mapping[str, Shape]) -> Iterator[Variant]:
    """Yield other shapes, each once: with one length changed everywhere, or one axis alone."""
    seen = {tuple(given.values())}
    for what, shapes in _changed(given):
        key = tuple(shapes.values())
        if key not in seen:
            seen.add(key)
            yield Variant(shapes, "contiguous", what, is_asked_for=False)


def _changed(given: Mapping[str, Shape]) -> Iterator[tuple[str, dict[str, Shape]]]:
    """Yield shapes in which all axes of one length have another one, or one axis of one input alone."""
    lengths = sorted({n for shape in given.values() for n in shape if n > 1})
    for length in lengths:
        for other in (*ODD_LENGTHS, length - 1, length + 1):
            places = {
                (name, axis) for name, shape in given.items() for axis, n in enumerate(shape) if n == length
            }
            if other != length:
                yield f"{length} → {other}", _with_length(given, places, other)
    for name, shape in given.items():
        for axis, length in enumerate(shape):
            if length > 1:
                yield f"axis {axis} of {name}: {length + 3}", _with_length(given, {(name, axis)}, length + 3)


def _with_length(given: Mapping[str, Shape], places: set[tuple[str, int]], length: int) -> dict[str, Shape]:
    """Return shapes with another length of the axes at some places."""
    return {
        name: tuple(length if (name, axis) in places else n for axis, n in enumerate(shape))
        for name, shape in given.items()
    }


def laid_out(x: torch.Tensor, layout: str) -> torch.Tensor:
    """Return the same entries, lying in memory in another way."""
    if layout == "transposed" and x.dim() >= 2:
        return x.transpose(-1, -2).contiguous().transpose(-1, -2)
    if layout == "strided" and x.dim() >= 1:
        spaced = x.new_zeros((*x.shape[:-1], 2 * x.shape[-1]))
        spaced[..., ::2] = x
        return spaced[..., ::2]
    if layout == "offset":
        longer = x.new_zeros(x.numel() + 1)
        longer[1:] = x.reshape(-1)
        return longer[1:].view(x.shape)
    return x
