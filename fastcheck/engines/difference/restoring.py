"""The cost may store what it computes: running means, caches, histories. After the traces they are as before.

A perturbed array that was stored would be met again by the next evaluation, and by the user.
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.difference.creation import PLAIN

NUMBERS = (float, int, str)
"""What long lists hold: not worth a look."""


@contextlib.contextmanager
def holders_kept(cost: Any) -> Iterator[Kept]:
    """Yield what the cost can reach; afterwards lists, dicts, attributes, closure cells and globals are as before."""
    kept = Kept.of(cost)
    try:
        yield kept
    finally:
        kept.restore()


@dataclass(frozen=True, slots=True)
class Kept:
    """What the cost can reach held when this was made."""

    arrays: list[NDArray[Any]]
    contents: list[tuple[Any, Any]]
    cells: list[tuple[types.CellType, Any]]
    names: list[tuple[dict[str, Any], str, Any]]

    @classmethod
    def of(cls, cost: Any) -> Kept:
        """Take note of everything that the cost can reach."""
        found = reached(cost)
        return cls(
            found.arrays,
            [(holder, holder.copy()) for holder in found.holders],
            [(cell, cell.cell_contents) for cell in found.cells],
            [(namespace, name, namespace[name]) for namespace, name in found.names],
        )

    def changed(self) -> bool:
        """Whether anything holds something else now."""
        return (
            any(not same_contents(holder, before) for holder, before in self.contents)
            or any(is_empty(cell) or cell.cell_contents is not value for cell, value in self.cells)
            or any(namespace.get(name) is not value for namespace, name, value in self.names)
        )

    def restore(self) -> None:
        """Put everything back."""
        for holder, before in self.contents:
            restore(holder, before)
        for cell, value in self.cells:
            cell.cell_contents = value
        for namespace, name, value in self.names:
            namespace[name] = value


class Restored:
    """A cost after each run of which everything that it stored is put back."""

    def __init__(self, cost: Any, kept: Kept) -> None:
        self.cost, self.kept = cost, kept

    def __call__(self, parameters: Any) -> Any:
        """Return what the cost returns."""
        try:
            return self.cost(parameters)
        finally:
            self.kept.restore()


def same_contents(holder: Any, before: Any) -> bool:
    """Whether a list or dict holds the very things that it held."""
    if isinstance(holder, dict):
        return holder.keys() == before.keys() and list(map(id, holder.values())) == list(
            map(id, before.values())
        )
    return list(map(id, holder)) == list(map(id, before))


def restore(holder: Any, before: Any) -> None:
    """Give a list or dict its former contents, if they changed."""
    if same_contents(holder, before):
        return
    if isinstance(holder, dict):
        holder.clear()
        holder.update(before)
    else:
        holder[:] = before


@dataclass(frozen=True, slots=True)
class Reached:
    """What a cost can reach: lists and dicts (those of attributes too), closure cells, globals, and arrays."""

    holders: list[Any] = field(default_factory=list)
    cells: list[types.CellType] = field(default_factory=list)
    names: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    arrays: list[NDArray[Any]] = field(default_factory=list)


def reached(cost: Any) -> Reached:
    """Return what a cost can reach through closures, defaults, globals that it names, and attributes."""
    found = Reached()
    waiting, seen = [cost], set()
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or (isinstance(thing, PLAIN) and type(thing) is not np.ndarray):
            continue
        seen.add(id(thing))
        if type(thing) is np.ndarray:
            found.arrays.append(thing)
        elif isinstance(thing, types.FunctionType):
            filled = [cell for cell in thing.__closure__ or () if not is_empty(cell)]
            used = [name for name in global_names(thing.__code__) if is_data(thing.__globals__.get(name))]
            found.cells.extend(filled)
            found.names.extend((thing.__globals__, name) for name in used)
            waiting += [cell.cell_contents for cell in filled]
            waiting += [thing.__globals__[name] for name in used]
            waiting += [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values(), vars(thing)]
        elif isinstance(thing, types.MethodType):
            waiting += [thing.__func__, thing.__self__]
        elif isinstance(thing, functools.partial):
            waiting += [thing.func, *thing.args, *thing.keywords.values()]
        elif type(thing) in (list, dict):
            found.holders.append(thing)
            waiting += [
                x for x in (thing.values() if type(thing) is dict else thing) if not isinstance(x, NUMBERS)
            ]
        elif isinstance(thing, tuple):
            waiting += thing
        else:
            waiting += [getattr(thing, name) for name in slots(thing)]
            if isinstance(getattr(thing, "__dict__", None), dict):
                waiting.append(vars(thing))
    return found


def global_names(code: types.CodeType) -> list[str]:
    """Return the names of globals and attributes in a function, and in the functions and generators inside it."""
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return list(dict.fromkeys([*code.co_names, *(name for part in inner for name in global_names(part))]))


def is_empty(cell: types.CellType) -> bool:
    """Whether a closure cell has no value yet."""
    try:
        cell.cell_contents  # noqa: B018 — an empty cell raises
    except ValueError:
        return True
    return False


def is_data(value: Any) -> bool:
    """Whether a global is something that a cost might set or fill, and not a module, class or number."""
    return value is not None and not isinstance(value, (types.ModuleType, type, types.BuiltinFunctionType))


def slots(thing: Any) -> list[str]:
    """Return the names of filled slots of an object."""
    names = [name for cls in type(thing).__mro__ for name in getattr(cls, "__slots__", ())]
    return [name for name in names if isinstance(name, str) and hasattr(thing, name)]
