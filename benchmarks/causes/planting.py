"""Mistakes in the networks of this package: where they are planted, and what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from benchmarks.causes.expecting import Expected

Arrays = dict[str, Any]

KINDS = (
    "upstream gradient ignored",
    "wrong sign",
    "penalty",
    "constant factor",
    "chain factor missing",
    "activation derivative",
    "term missing or added",
    "index, stride, padding",
    "broadcast, reduction, axis",
    "mask",
    "used twice",
    "no gradient",
    "stale or overwritten",
    "blocks swapped",
    "precision",
    "special values, kinks",
)
"""Kinds of gradient bugs that people reported in public."""


@dataclass(frozen=True, kw_only=True)
class Planting:
    """A mistake: its kind, one of `KINDS`, and what may be said of it."""

    kind: str
    expected: tuple[Expected, ...]

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"No such kind: {self.kind!r}.")


def plant(kind: str, expected: tuple[Expected, ...]) -> Planting:
    """Return a mistake of this kind."""
    return Planting(kind=kind, expected=expected)


class Picking:
    """Chooses between right and wrong formulas: ``pick(right, {"name of the mistake": wrong, …})``."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = frozenset(mistakes)

    def __call__(self, right: Any, wrong: Mapping[str, Callable[[], Any]]) -> Any:
        """Return what is right, or what a planted mistake makes of it."""
        for name, formula in wrong.items():
            if name in self.mistakes:
                return formula()
        return right


class PlantedNetwork:
    """A network with a cost, a backward pass, and mistakes that can be planted into that."""

    MISTAKES: ClassVar[Mapping[str, Planting]]

    parameters: Arrays
    sizes: SimpleNamespace

    def cost(self, p: Arrays) -> Any:
        """Return J."""
        raise NotImplementedError

    def backward(self, p: Arrays, mistakes: Iterable[str] = ()) -> Arrays:
        """Return the gradient, with mistakes, by name."""
        raise NotImplementedError


def to_bfloat16(x: Any) -> Any:
    """Return the numbers rounded to the eight bits of bfloat16."""
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x8000) & np.uint32(0xFFFF0000)).view(np.float32).astype(float)
