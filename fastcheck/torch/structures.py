"""Tensors in nested arguments and outputs: lists, tuples, dicts and dataclasses of them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch

from fastcheck.errors import InvalidProblemError

Path = tuple[Any, ...]

MOST_LEVELS = 64
"""Levels of nesting of a structure: what is deeper contains itself."""


def map_tensors(function: Callable[[Path, torch.Tensor], Any], structure: Any, path: Path = ()) -> Any:
    """Return the same structure with ``function(path, tensor)`` in the place of each tensor.

    What holds no tensor is the very same object; other containers are copies of their own class.
    """
    if isinstance(structure, torch.Tensor):
        return function(path, structure)
    parts = _parts(structure)
    if not parts:
        return structure
    if len(path) > MOST_LEVELS:
        raise InvalidProblemError(
            f"{path[0]}…: expected at most {MOST_LEVELS} levels of lists, tuples and dicts, got more. Does it contain "
            "itself?"
        )
    mapped = {key: map_tensors(function, part, (*path, key)) for key, part in parts.items()}
    if all(mapped[key] is part for key, part in parts.items()):
        return structure
    return _with_parts(structure, mapped)


def tensors_in(structure: Any) -> list[torch.Tensor]:
    """Return the tensors of a structure, in their order."""
    found: list[torch.Tensor] = []

    def note(_path: Path, tensor: torch.Tensor) -> torch.Tensor:
        found.append(tensor)
        return tensor

    map_tensors(note, structure)
    return found


def path_text(path: Path) -> str:
    """Return what follows a name for a place in it: ``[0].weight``."""
    return "".join(f".{key}" if isinstance(key, str) else f"[{key!r}]" for key in path)


def _parts(structure: Any) -> Mapping[Any, Any]:
    """Return what a container holds, by key; nothing for other things."""
    if isinstance(structure, Mapping):
        return dict(structure)
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return dict(zip(structure._fields, structure, strict=True))
    if isinstance(structure, (list, tuple)):
        return dict(enumerate(structure))
    if dataclasses.is_dataclass(structure) and not isinstance(structure, type):
        return {field.name: getattr(structure, field.name) for field in dataclasses.fields(structure)}
    return {}


def _with_parts(structure: Any, parts: Mapping[Any, Any]) -> Any:
    """Return a copy of a container that holds other parts."""
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(**parts)
    if isinstance(structure, (list, tuple)):
        return type(structure)(parts.values())
    result = copy.copy(structure)
    if isinstance(structure, Mapping):
        for key, part in parts.items():
            result[key] = part
        return result
    for key, part in parts.items():
        object.__setattr__(result, key, part)
    return result
