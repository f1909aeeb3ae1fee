"""A problem with its right gradient, and what tests ask of nested parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenario:
    """One problem, written the way people write such things, with nothing of fastcheck in it.

    ``exact`` maps an object vector of mpmath numbers to the cost, exactly; ``kinks`` says that there are some near by.
    """

    name: str
    cost: Callable[[Any], Any]
    parameters: Any
    gradients: Any
    exact: Callable[[np.ndarray], Any] | None = None
    kinks: bool = False

    def __str__(self) -> str:
        return self.name


def copied(structure):
    """The same structure with copies of the arrays."""
    return mapped(lambda leaf: np.array(leaf) if isinstance(leaf, np.ndarray) else leaf, structure)


def mapped(function, structure):
    if isinstance(structure, dict):
        return {key: mapped(function, value) for key, value in structure.items()}
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*(mapped(function, value) for value in structure))
    if isinstance(structure, (list, tuple)):
        return type(structure)(mapped(function, value) for value in structure)
    return function(structure)


def leaves(structure, name=""):
    """Name and array of every block, in order."""
    if isinstance(structure, dict):
        pairs = [
            (f"{name}.{key}" if isinstance(key, str) else f"{name}[{key}]", structure[key])
            for key in structure
        ]
    elif isinstance(structure, tuple) and hasattr(structure, "_fields"):
        pairs = [(f"{name}.{key}", value) for key, value in zip(structure._fields, structure, strict=True)]
    elif isinstance(structure, (list, tuple)):
        pairs = [(f"{name}[{i}]", value) for i, value in enumerate(structure)]
    else:
        return [(name.removeprefix(".") or "theta", np.asarray(structure))]
    return [leaf for key, value in pairs for leaf in leaves(value, key)]
